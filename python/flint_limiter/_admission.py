"""Checks of keys that all have the same limit, which each check carries; or of keys whose limits are configured
elsewhere.

A key of a request or call is made valid by the rule of valid_key().
"""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from flint_limiter._keys import valid_key

if TYPE_CHECKING:
    from flint_limiter._arguments import Limit
    from flint_limiter._checker import Checker
    from flint_limiter._result import CheckResult
    from flint_limiter._types import CarriedLimit


class Admission:
    """The limit of any number of keys. Threads: any."""

    __slots__ = ("_limit", "_limiter")

    def __init__(self, limiter: Checker, limit: Limit | None) -> None:
        """`limit` is None when the limits are configured elsewhere."""
        # In the form that a limiter has read already.
        self._limit = cast("CarriedLimit | None", limit)
        self._limiter = limiter

    def check(self, key: str, cost: int) -> CheckResult:
        return self._limiter.check(valid_key(key), cost, limit=self._limit)

    async def acheck(self, key: str, cost: int) -> CheckResult:
        return await self._limiter.acheck(valid_key(key), cost, limit=self._limit)

    def peek(self, key: str) -> CheckResult:
        """What a check of the least cost would be told."""
        return self._limiter.check(valid_key(key), limit=self._limit, dry_run=True)

    async def apeek(self, key: str) -> CheckResult:
        return await self._limiter.acheck(valid_key(key), limit=self._limit, dry_run=True)
