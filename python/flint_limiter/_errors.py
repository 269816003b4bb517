"""The exceptions of Flint. Each means the same with an embedded Limiter and with a SharedLimiter.

An argument of a wrong type raises TypeError, a wrong value ValueError; both name the argument, and the call has no
effect. A denial is not an exception, except for functions that `rate_limit` wraps.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from flint_limiter._printable import printable

if TYPE_CHECKING:
    from flint_limiter._result import CheckResult


class FlintError(RuntimeError):
    """The base of all exceptions of Flint: something other than an argument was wrong."""

    #: The server gave neither a decision nor an error that the call itself caused: `on_error` of SharedLimiter applies.
    undecided = False


class DataDirLocked(FlintError):
    """Another process owns the data directory; the message names the owner, and says how to share the directory."""

    #: The process that owns the directory; None if its lock file does not say.
    process_id: int | None = None
    #: Whether that process is a `flint server`.
    is_server: bool = False

    def with_holder(self, other: DataDirLocked) -> DataDirLocked:
        """With the owner that another error names."""
        self.process_id, self.is_server = other.process_id, other.is_server
        return self


class LimitNotConfigured(FlintError):
    """The key has no limit: configure one with `limit()` first."""


class ReservationNotFound(FlintError):
    """No reservation of this name is known: it never was, or was settled or has expired more than ten minutes ago."""


class StorageError(FlintError):
    """The data directory cannot be used, is damaged or full, or a write failed; the limiter is closed; or it holds as
    many reservations as it can."""


class FlintServerError(FlintError):
    """The server refused the request or failed. `status` is the HTTP status, `message` the server's message."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{message} (HTTP {status})")
        self.status = status
        self.message = message

    def __reduce__(self) -> tuple[type[FlintServerError], tuple[int, str]]:
        return type(self), (self.status, self.message)


class FlintConnectionError(FlintError):
    """The server could not be reached, or did not answer in time. Whether a check was charged is then unknown."""

    undecided = True


class RateLimitExceeded(FlintError):
    """The limit denied a call of a function that `rate_limit` wraps, or a block of a reservation."""

    def __init__(
        self, key: str, cost: int, remaining: int, reset_at: datetime, retry_after: float | None, algorithm: str
    ) -> None:
        shown = printable(repr(key))
        when = "it can never pass" if retry_after is None else f"retry after {retry_after} s"
        super().__init__(f"rate limit exceeded, {shown}: {remaining} left, {cost} asked; {when}")
        self.key = key
        self.cost = cost
        self.remaining = remaining
        self.reset_at = reset_at
        #: Seconds until this cost could pass, rounded up to a millisecond; None if it is above the capacity, or the
        #: limit is in mode "block".
        self.retry_after = retry_after
        self.algorithm = algorithm

    @classmethod
    def by(cls, result: CheckResult) -> RateLimitExceeded:
        """That `result` denied."""
        after_ms = result.retry_after_ms
        return cls(
            result.key,
            result.cost,
            result.remaining,
            result.reset_at,
            None if after_ms is None else after_ms / 1000,
            result.algorithm,
        )

    def __reduce__(self) -> tuple[type[RateLimitExceeded], tuple[str, int, int, datetime, float | None, str]]:
        return type(self), (self.key, self.cost, self.remaining, self.reset_at, self.retry_after, self.algorithm)
