"""What a check answers."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class CheckResult:
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
    algorithm: str

    def __bool__(self) -> bool:
        return self.allowed
