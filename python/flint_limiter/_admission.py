"""Checks of keys that all have the same limit, each configured before it is first checked."""

from __future__ import annotations

from typing import TYPE_CHECKING

from flint_limiter import _arguments
from flint_limiter._errors import FlintError, LimitNotConfigured

if TYPE_CHECKING:
    from flint_limiter._contract import AbstractLimiter
    from flint_limiter._result import CheckResult
    from flint_limiter._types import Algorithm, Period

# Keys that this process has configured are remembered up to here, and then forgotten all at once: configuring one again
# with the same values changes nothing.
_MAX_CONFIGURED = 65_536


class Admission:
    """The limit of any number of keys. Threads: any."""

    __slots__ = ("_algorithm", "_burst", "_configured", "_limiter", "_per", "_rate", "capacity")

    def __init__(
        self, limiter: AbstractLimiter, *, rate: int, per: Period, algorithm: Algorithm, burst: int | None = None
    ) -> None:
        _arguments.limit(rate, per, algorithm, burst)
        #: The highest cost that can pass.
        self.capacity = rate if burst is None else burst
        self._limiter = limiter
        self._rate = rate
        self._per = per
        self._algorithm: Algorithm = algorithm
        self._burst = burst
        self._configured: set[str] = set()

    def check(self, key: str, cost: int) -> CheckResult:
        try:
            if key not in self._configured:
                self._configure(key)
            try:
                return self._limiter.check(key, cost=cost)
            except LimitNotConfigured:  # by now: the data directory is another one than when we configured it
                self._configure(key)
                return self._limiter.check(key, cost=cost)
        except FlintError as error:
            return self._limiter._without_decision(error, key, cost)

    async def acheck(self, key: str, cost: int) -> CheckResult:
        try:
            if key not in self._configured:
                await self._aconfigure(key)
            try:
                return await self._limiter.acheck(key, cost=cost)
            except LimitNotConfigured:
                await self._aconfigure(key)
                return await self._limiter.acheck(key, cost=cost)
        except FlintError as error:
            return self._limiter._without_decision(error, key, cost)

    def _configure(self, key: str) -> None:
        with self._limiter._attempt():
            self._limiter.limit(key, rate=self._rate, per=self._per, algorithm=self._algorithm, burst=self._burst)
        self._remember(key)

    async def _aconfigure(self, key: str) -> None:
        with self._limiter._attempt():
            await self._limiter.alimit(
                key, rate=self._rate, per=self._per, algorithm=self._algorithm, burst=self._burst
            )
        self._remember(key)

    def _remember(self, key: str) -> None:
        if len(self._configured) >= _MAX_CONFIGURED:
            self._configured.clear()
        self._configured.add(key)
