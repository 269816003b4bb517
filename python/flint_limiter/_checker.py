"""What the decorator, the middlewares and the dependencies need of a limiter, and nothing else of it."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from flint_limiter._errors import FlintError
    from flint_limiter._result import CheckResult
    from flint_limiter._types import Algorithm, CarriedLimit, LimitStatus, Period


class Checker(Protocol):
    """A limiter, as its callers inside this package see it. The contracts are those of AbstractLimiter."""

    def limit(
        self,
        key: str,
        limit: str | None = None,
        *,
        rate: int | None = None,
        per: Period | None = None,
        algorithm: Algorithm | None = None,
        burst: int | None = None,
    ) -> None: ...

    async def alimit(
        self,
        key: str,
        limit: str | None = None,
        *,
        rate: int | None = None,
        per: Period | None = None,
        algorithm: Algorithm | None = None,
        burst: int | None = None,
    ) -> None: ...

    def check(self, key: str, cost: int = 1, *, limit: CarriedLimit | None = None) -> CheckResult: ...

    async def acheck(self, key: str, cost: int = 1, *, limit: CarriedLimit | None = None) -> CheckResult: ...

    def status(self, key: str) -> LimitStatus | None: ...

    async def astatus(self, key: str) -> LimitStatus | None: ...

    def attempt(self) -> AbstractContextManager[None]: ...

    def without_decision(self, error: FlintError, key: str, cost: int) -> CheckResult: ...
