"""`rate_limit`: limits as decorators."""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from flint_limiter import _arguments
from flint_limiter._admission import Admission, Decision
from flint_limiter._errors import RateLimitExceeded
from flint_limiter._keyed_limit import KeyedLimit

if TYPE_CHECKING:
    from flint_limiter._arguments import Limit
    from flint_limiter._checker import Checker

Function = TypeVar("Function", bound=Callable[..., Any])


class Guard:
    """Stands before each call of the functions that it wraps."""

    def __init__(self, limiter: Checker, key: str | Callable[..., Any], limit: Limit, cost: int) -> None:
        self._admission = Admission(limiter, [KeyedLimit(key, limit, cost)])

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

    def _admit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        _raise_if_denied(self._admission.decide(*args, **kwargs))

    async def _aadmit(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        _raise_if_denied(await self._admission.adecide(*args, **kwargs))


def _raise_if_denied(decision: Decision | None) -> None:
    if decision is not None and not decision.allowed:
        result = decision.deciding.result
        raise RateLimitExceeded(
            key=result.key,
            cost=result.cost,
            remaining=result.remaining,
            reset_at=result.reset_at,
            retry_after=result.retry_after_ms / 1000,
            algorithm=result.algorithm,
        )
