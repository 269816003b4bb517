"""What a check answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any


@dataclass(frozen=True, slots=True)
class PythonCheckResult:
    """A decision. True when allowed, so that `if limiter.check(key):` reads as it should."""

    key: str
    allowed: bool
    #: Units that were asked for; consumed only when allowed.
    cost: int
    #: The capacity: `burst` (or `rate`) of a token bucket, else `rate`.
    limit: int
    #: Whole units left after the decision.
    remaining: int
    #: UTC, aware. When the key is back to what its algorithm promises.
    reset_at: datetime
    reset_after_ms: int
    #: 0 when allowed; else the earliest time at which this cost could pass, rounded up.
    retry_after_ms: int
    #: `unavailable` when the result is degraded.
    algorithm: str

    @property
    def degraded(self) -> bool:
        """Whether `on_error` of a SharedLimiter decided, because its server did not; `limit` and `remaining` are 0."""
        return self.algorithm == "unavailable"

    def __bool__(self) -> bool:
        return self.allowed

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, name) for name in self.__match_args__)


# The extension has the same class, made in a fraction of the time (python/native/check_result.h). Whichever is there is
# flint.CheckResult, in either mode, and pickles of one are read by the other. What a check does not need is written
# once, above.
PythonCheckResult.__module__ = "flint_limiter"
PythonCheckResult.__qualname__ = PythonCheckResult.__name__ = "CheckResult"

if TYPE_CHECKING:
    CheckResult = PythonCheckResult
else:
    try:
        from flint_limiter._native import CheckResult

        CheckResult.degraded = PythonCheckResult.degraded
    except ImportError:
        CheckResult = PythonCheckResult
