"""`rate_limit`: limits as decorators."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from flint import _arguments
from flint._errors import FlintConnectionError, LimitNotConfigured, RateLimitExceeded

if TYPE_CHECKING:
    from flint._contract import AbstractLimiter
    from flint._result import CheckResult
    from flint._types import Algorithm, Period

Function = TypeVar("Function", bound=Callable[..., Any])

# Keys that this process has configured are remembered up to here, and then forgotten all at once: configuring one again
# with the same values changes nothing.
_MAX_CONFIGURED = 65_536


class Guard:
    """Stands before each call of the functions that it wraps."""

    def __init__(
        self,
        limiter: AbstractLimiter,
        key: str | Callable[..., str],
        *,
        rate: int,
        per: Period,
        algorithm: Algorithm,
        cost: int,
    ) -> None:
        if not callable(key):
            _arguments.key(key)
        _arguments.limit(rate, per, algorithm, None)
        self._cost = _arguments.units(cost, "cost")
        if self._cost > rate:
            raise ValueError(f"cost {cost} is above the rate, {rate}: it could never pass")
        self._limiter = limiter
        self._key = key
        self._rate = rate
        self._per = per
        self._algorithm: Algorithm = algorithm
        self._configured: set[str] = set()

    def wrap(self, function: Function) -> Function:
        if not callable(function):
            raise TypeError(
                f"rate_limit wraps functions, not {_arguments.type_name(function)}: put it below @staticmethod and such"
            )
        wrapper = functools.wraps(function)(self._wrapper_of(function))
        return wrapper  # type: ignore[return-value]  # a wrapper takes and returns what the function does

    def _wrapper_of(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):

            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                await self._aadmit(args, kwargs)
                return await function(*args, **kwargs)

            return coroutine

        if inspect.isasyncgenfunction(function):

            async def async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
                await self._aadmit(args, kwargs)
                async with aclosing(function(*args, **kwargs)) as inner:
                    step = inner.asend(None)
                    while True:
                        try:
                            item = await step
                        except StopAsyncIteration:
                            return
                        try:
                            step = inner.asend((yield item))
                        except GeneratorExit:
                            raise
                        except BaseException as error:  # thrown in by the consumer: for the function to handle
                            step = inner.athrow(error)

            return async_generator

        if inspect.isgeneratorfunction(function):

            def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
                self._admit(args, kwargs)
                return (yield from function(*args, **kwargs))

            return generator

        def plain(*args: Any, **kwargs: Any) -> Any:
            self._admit(args, kwargs)
            return function(*args, **kwargs)

        return plain

    def _key_of(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> str:
        return self._key(*args, **kwargs) if callable(self._key) else self._key

    def _admit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        key = self._key_of(args, kwargs)
        if key not in self._configured:
            self._configure(key)
        try:
            result = self._limiter.check(key, cost=self._cost)
        except LimitNotConfigured:  # by now: the data directory is another one than when we configured it
            self._configure(key)
            result = self._limiter.check(key, cost=self._cost)
        _raise_if_denied(result)

    async def _aadmit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        key = self._key_of(args, kwargs)
        if key not in self._configured:
            await self._aconfigure(key)
        try:
            result = await self._limiter.acheck(key, cost=self._cost)
        except LimitNotConfigured:
            await self._aconfigure(key)
            result = await self._limiter.acheck(key, cost=self._cost)
        _raise_if_denied(result)

    def _configure(self, key: str) -> None:
        try:
            self._limiter.limit(key, rate=self._rate, per=self._per, algorithm=self._algorithm)
        except FlintConnectionError:
            return  # what a server out of reach means is for the check to say: see on_error of SharedLimiter
        self._remember(key)

    async def _aconfigure(self, key: str) -> None:
        try:
            await self._limiter.alimit(key, rate=self._rate, per=self._per, algorithm=self._algorithm)
        except FlintConnectionError:
            return
        self._remember(key)

    def _remember(self, key: str) -> None:
        if len(self._configured) >= _MAX_CONFIGURED:
            self._configured.clear()
        self._configured.add(key)


def _raise_if_denied(result: CheckResult) -> None:
    if not result.allowed:
        raise RateLimitExceeded(
            key=result.key,
            cost=result.cost,
            remaining=result.remaining,
            reset_at=result.reset_at,
            retry_after=result.retry_after_ms / 1000,
            algorithm=result.algorithm,
        )
