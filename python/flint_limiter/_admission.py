"""Checks of keys that all have the same limit, each configured before it is first checked; or of keys whose limits are
configured elsewhere.

A key of a request or call is made valid by the rule of valid_key().
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict, cast

from flint_limiter._errors import FlintError, LimitNotConfigured
from flint_limiter._keys import valid_key

if TYPE_CHECKING:
    from flint_limiter._arguments import Limit
    from flint_limiter._checker import Checker
    from flint_limiter._result import CheckResult
    from flint_limiter._types import Algorithm, Period

# Keys that this process has configured are remembered up to here, and then forgotten all at once: configuring one again
# with the same values changes nothing.
_MAX_CONFIGURED = 65_536


class _Fields(TypedDict):
    rate: int
    per: Period
    algorithm: Algorithm
    burst: int | None


class Admission:
    """The limit of any number of keys. Threads: any."""

    __slots__ = ("_configured", "_limit", "_limiter")

    def __init__(self, limiter: Checker, limit: Limit | None) -> None:
        """`limit` is None when the limits are configured elsewhere."""
        self._limit: _Fields | None = None
        if limit is not None:
            self._limit = {
                "rate": limit.rate,
                "per": f"{limit.per_millis}ms",
                "algorithm": cast("Algorithm", limit.algorithm),
                "burst": limit.burst,
            }
        self._limiter = limiter
        self._configured: set[str] = set()

    def check(self, key: str, cost: int) -> CheckResult:
        if not (isinstance(key, str) and key in self._configured):
            key = valid_key(key)
        try:
            if key not in self._configured and self._limit:
                self._configure(key, self._limit)
            try:
                return self._limiter.check(key, cost=cost)
            except LimitNotConfigured:
                if self._limit is None:
                    raise
                # By now: the data directory is another one than when we configured it.
                self._configure(key, self._limit)
                return self._limiter.check(key, cost=cost)
        except FlintError as error:
            return self._limiter.without_decision(error, key, cost)

    async def acheck(self, key: str, cost: int) -> CheckResult:
        if not (isinstance(key, str) and key in self._configured):
            key = valid_key(key)
        try:
            if key not in self._configured and self._limit:
                await self._aconfigure(key, self._limit)
            try:
                return await self._limiter.acheck(key, cost=cost)
            except LimitNotConfigured:
                if self._limit is None:
                    raise
                await self._aconfigure(key, self._limit)
                return await self._limiter.acheck(key, cost=cost)
        except FlintError as error:
            return self._limiter.without_decision(error, key, cost)

    def _configure(self, key: str, limit: _Fields) -> None:
        with self._limiter.attempt():
            self._limiter.limit(key, **limit)
        self._remember(key)

    async def _aconfigure(self, key: str, limit: _Fields) -> None:
        with self._limiter.attempt():
            await self._limiter.alimit(key, **limit)
        self._remember(key)

    def _remember(self, key: str) -> None:
        if len(self._configured) >= _MAX_CONFIGURED:
            self._configured.clear()
        self._configured.add(key)
