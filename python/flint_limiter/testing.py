"""For tests of code that uses Flint: a limiter in memory, and a clock that stands still until the test moves it.

With pytest, the fixture `flint_limiter` is available without an import:

    def test_the_fourth_request_waits(flint_limiter):
        flint_limiter.limit("k", "3/m")
        assert [flint_limiter.allow("k") for _ in range(4)] == [True, True, True, False]
        flint_limiter.clock.advance("20s")
        assert flint_limiter.allow("k")
"""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from flint_limiter import _arguments
from flint_limiter._limiter import Limiter
from flint_limiter._native import LimiterHandle
from flint_limiter._native import ManualClock as _NativeClock
from flint_limiter._types import Period

__all__ = ["ManualClock", "MemoryLimiter"]


class ManualClock:
    """The clock of a MemoryLimiter. It starts at 2030-01-01T00:00:00Z and stands still. Threads: any."""

    __slots__ = ("_native",)

    def __init__(self) -> None:
        self._native = _NativeClock()

    def now(self) -> datetime:
        return self._native.now()

    def advance(self, by: Period) -> None:
        """Move the clock forward by an int of seconds, a str such as `"250ms"` or `"1m"`, or a timedelta; up to 366
        days.

        Raises ValueError beyond the year 2116, where the limiter's time ends; the clock is then unchanged.
        """
        self._native.advance(_arguments.period(by, "by") * 1_000_000)


class MemoryLimiter(Limiter):
    """A Limiter that writes no files: the same engine over a directory in memory, using the clock `clock`.

    Several limiters may share one clock. The contents of a limiter end with it. `max_keys` and `on_full` are as in
    `flint.Limiter`.
    """

    __slots__ = ("clock",)

    def __init__(
        self,
        clock: ManualClock | None = None,
        *,
        max_keys: int = 10_000_000,
        on_full: Literal["deny", "allow"] = "deny",
    ) -> None:
        self.clock: ManualClock = ManualClock() if clock is None else clock
        self._attach(LimiterHandle.in_memory(self.clock._native, *_arguments.most_keys(max_keys, on_full)))
