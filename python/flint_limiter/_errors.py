"""The exceptions of Flint: each means the same with an embedded Limiter and with a SharedLimiter.

Arguments of a wrong type raise TypeError, of a wrong value ValueError; both name the argument, and nothing happened.
A denial is no exception, except for functions that `rate_limit` wraps.
"""

from __future__ import annotations

from datetime import datetime

from flint_limiter._printable import printable


class FlintError(RuntimeError):
    """Something other than an argument was wrong. Base of all that follow."""

    #: A server gave neither a decision nor a reason that lies in the call: `on_error` of SharedLimiter applies.
    _undecided = False


class DataDirLocked(FlintError):
    """Another process owns the data directory; the message says who, and how to share with it."""


class LimitNotConfigured(FlintError):
    """The key has no limit: configure one with `limit()` first."""


class StorageError(FlintError):
    """The data directory cannot be used, is damaged or full, or a write failed; or the limiter is closed."""


class FlintServerError(FlintError):
    """The server refused or failed: `status` is the HTTP status, `message` its sentence."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(f"{message} (HTTP {status})")
        self.status = status
        self.message = message

    def __reduce__(self) -> tuple[type[FlintServerError], tuple[int, str]]:
        return type(self), (self.status, self.message)


class FlintConnectionError(FlintError):
    """The server could not be reached, or did not answer in time. Whether a check was charged is then unknown."""

    _undecided = True


class RateLimitExceeded(FlintError):
    """A function that `rate_limit` wraps was called when its limit denied it."""

    def __init__(
        self, key: str, cost: int, remaining: int, reset_at: datetime, retry_after: float, algorithm: str
    ) -> None:
        shown = printable(repr(key))
        super().__init__(f"rate limit exceeded, {shown}: {remaining} left, {cost} asked; retry after {retry_after} s")
        self.key = key
        self.cost = cost
        self.remaining = remaining
        self.reset_at = reset_at
        #: Seconds until this cost could pass, rounded up to a millisecond.
        self.retry_after = retry_after
        self.algorithm = algorithm

    def __reduce__(self) -> tuple[type[RateLimitExceeded], tuple[str, int, int, datetime, float, str]]:
        return type(self), (self.key, self.cost, self.remaining, self.reset_at, self.retry_after, self.algorithm)
