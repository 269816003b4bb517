"""What the decorator, the middlewares and the dependencies need of a limiter, and nothing else of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flint_limiter._reservation import Reservation
    from flint_limiter._result import CheckResult
    from flint_limiter._types import CarriedLimit, CheckAllResult, Items, Period, ReservedItems


class Checker(Protocol):
    """A limiter, as its callers inside this package see it. The contracts are those of AbstractLimiter."""

    def check(
        self, key: str, cost: int = 1, *, limit: CarriedLimit | None = None, dry_run: bool = False
    ) -> CheckResult: ...

    async def acheck(
        self, key: str, cost: int = 1, *, limit: CarriedLimit | None = None, dry_run: bool = False
    ) -> CheckResult: ...

    def check_all(self, items: Items, *, dry_run: bool = False) -> CheckAllResult: ...

    async def acheck_all(self, items: Items, *, dry_run: bool = False) -> CheckAllResult: ...

    def reserve(self, items: ReservedItems, *, ttl: Period) -> Reservation: ...

    async def areserve(self, items: ReservedItems, *, ttl: Period) -> Reservation: ...
