"""flint.CheckResult where the extension is not there, which has the same class (python/native/check_result.h)."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

from flint_limiter._result_methods import ResultMethods

if TYPE_CHECKING:
    from flint_limiter._windows import WindowStatus


@dataclass(frozen=True, slots=True)
class PythonCheckResult(ResultMethods):
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
    #: 0 when allowed; else the earliest time at which this cost could pass, rounded up. None when the limit is in mode
    #: "block": no time makes it pass.
    retry_after_ms: int | None
    #: `unavailable` when no server decided.
    algorithm: str
    #: The key is new, and there are as many as `max_keys` allows: `on_full` decided, and nothing was consumed.
    keys_full: bool = False
    #: None unless the limit is in mode "shadow": whether it would have denied the check, which then consumed nothing.
    would_deny: bool | None = None
    #: Of a limit that has several windows: a dict for each, with `rate`, `per_millis`, `burst`, `algorithm`, `limit`,
    #: `remaining`, `reset_at`, `reset_after_ms` and `retry_after_ms`; else (). The attributes above are those of the
    #: window that denied with the longest wait, else of the one with the least remaining.
    windows: tuple[WindowStatus, ...] = field(default=(), hash=False)
    #: The limit goes by the calendar of this time zone, which the limiter's machine does not know (any more): where a
    #: new window would begin, everything is denied. None for all other decisions.
    unknown_timezone: str | None = None

    def __bool__(self) -> bool:
        return self.allowed

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), tuple(getattr(self, name) for name in self.__match_args__)


PythonCheckResult.__module__ = "flint_limiter"
PythonCheckResult.__qualname__ = PythonCheckResult.__name__ = "CheckResult"

# FastAPI would make a dict of a dataclass in its own way, and the other class is none.
del PythonCheckResult.__dataclass_fields__
