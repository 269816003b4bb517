"""Which exception a failure is: the one table, for the engine's codes in this process and in a server's answers."""

from __future__ import annotations

from flint_limiter._errors import (
    DataDirLocked,
    FlintConnectionError,
    FlintError,
    FlintServerError,
    LimitNotConfigured,
    ReservationNotFound,
    StorageError,
)
from flint_limiter._printable import printable

EXCEPTIONS: dict[str, type[Exception]] = {
    "invalid_argument": ValueError,
    "invalid_json": ValueError,
    "limit_not_found": LimitNotConfigured,
    "request_id_conflict": ValueError,
    "data_dir_locked": DataDirLocked,
    "not_found": StorageError,
    "permission": StorageError,
    "corruption": StorageError,
    "unsupported_format": StorageError,
    "disk_full": StorageError,
    "storage_failed": StorageError,
    "io_error": StorageError,
    "closed": StorageError,
    "unavailable": FlintConnectionError,
    "conflict": ValueError,
    "reservation_not_found": ReservationNotFound,
    "reservations_full": StorageError,
}

# From a server these speak of the server itself: that it is stopping, or knows no such path.
_OF_THE_SERVER = frozenset({"closed", "unavailable", "not_found"})

# What nginx says of it in its pages; it answers in HTTP, whatever went wrong.
_OF_CERTIFICATES = (b"No required SSL certificate was sent", b"The SSL certificate error")
_OF_PLAIN_HTTP = (b"plain HTTP request was sent to HTTPS port", b"HTTP request to an HTTPS server")

# Statuses below 500 that say nothing of the call itself: the server or a proxy was too slow or too busy.
_TOO_BUSY = frozenset({408, 425, 429})


def exception_for(code: str, message: str) -> Exception:
    """The exception that stands for a failure of the engine."""
    return EXCEPTIONS[code](printable(message))


def exception_from_server(http_status: int, code: str, message: str) -> Exception:
    """The exception that stands for an answer other than 200: the same as in this process where the code is."""
    if code in EXCEPTIONS and code not in _OF_THE_SERVER:
        error = exception_for(code, message)
    else:
        error = FlintServerError(http_status, printable(message))
    if isinstance(error, FlintError):
        error.undecided = http_status >= 500 or http_status in _TOO_BUSY
    return error


def not_from_flint(http_status: int, server: str, why: str) -> FlintServerError:
    """The exception for an answer that no Flint server gives: of a proxy, say, or of another program on that port."""
    error = FlintServerError(http_status, printable(f"the answer of {server} is none of a Flint server: {why}"))
    error.undecided = True
    return error


def of_proxy(page: bytes) -> str:
    """What a proxy's page means, as a further sentence; empty if it is not about TLS."""
    if any(words in page for words in _OF_CERTIFICATES):
        return ". A proxy there wants a client certificate, or another one: give it with cert and key"
    if any(words in page for words in _OF_PLAIN_HTTP):
        return ". TLS is spoken there: write https://"
    return ""
