"""`rate_limit`: limits as decorators."""

from __future__ import annotations

import functools
from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import aclosing
from typing import TYPE_CHECKING, Any, TypeVar

from flint_limiter import _arguments
from flint_limiter._errors import RateLimitExceeded

if TYPE_CHECKING:
    from flint_limiter._admission import Admission, Decision

Function = TypeVar("Function", bound=Callable[..., Any])


class Guard:
    """Stands before each call of the functions that it wraps."""

    def __init__(self, admission: Admission, on_denied: Callable[[RateLimitExceeded], Any] | None) -> None:
        self._admission = admission
        if on_denied is not None and not callable(on_denied):
            raise TypeError(f"on_denied must be callable, not {_arguments.type_name(on_denied)}.")
        self._on_denied = on_denied

    def wrap(self, function: Function) -> Function:
        if not callable(function):
            raise TypeError(
                f"rate_limit wraps functions, not {_arguments.type_name(function)}: put it below @staticmethod and such"
            )
        wrapper = functools.wraps(function)(self._wrapper_of(function))
        return wrapper  # type: ignore[return-value]  # a wrapper takes and returns what the function does

    def _wrapper_of(self, function: Callable[..., Any]) -> Callable[..., Any]:
        import inspect

        if inspect.iscoroutinefunction(function):

            async def coroutine(*args: Any, **kwargs: Any) -> Any:
                decision = await self._admission.adecide(*args, **kwargs)
                if (denied := _denial(decision)) is not None:
                    answer = self._answer(denied)
                    return await answer if inspect.isawaitable(answer) else answer
                if decision is None or decision.reservation is None:
                    return await function(*args, **kwargs)
                try:
                    returned = await function(*args, **kwargs)
                except Exception as error:
                    await self._admission.asettle(decision, error)
                    raise
                await self._admission.asettle(decision, returned)
                return returned

            return coroutine

        if inspect.isasyncgenfunction(function):

            async def async_generator(*args: Any, **kwargs: Any) -> AsyncGenerator[Any, Any]:
                if (denied := _denial(await self._admission.adecide(*args, **kwargs))) is not None:
                    raise denied
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

            return self._without_answer(async_generator)

        if inspect.isgeneratorfunction(function):

            def generator(*args: Any, **kwargs: Any) -> Generator[Any, Any, Any]:
                if (denied := _denial(self._admission.decide(*args, **kwargs))) is not None:
                    raise denied
                return (yield from function(*args, **kwargs))

            return self._without_answer(generator)

        def plain(*args: Any, **kwargs: Any) -> Any:
            decision = self._admission.decide(*args, **kwargs)
            if (denied := _denial(decision)) is not None:
                return self._answer(denied)
            if decision is None or decision.reservation is None:
                return function(*args, **kwargs)
            try:
                returned = function(*args, **kwargs)
            except Exception as error:
                self._admission.settle(decision, error)
                raise
            self._admission.settle(decision, returned)
            return returned

        return plain

    def _answer(self, denied: RateLimitExceeded) -> Any:
        if self._on_denied is None:
            raise denied
        return self._on_denied(denied)

    def _without_answer(self, wrapper: Callable[..., Any]) -> Callable[..., Any]:
        if self._on_denied is not None:
            raise TypeError("on_denied must be left out for a generator: catch RateLimitExceeded where it is used.")
        if self._admission.settles:
            raise TypeError("deduct_when must be left out for a generator: there is no result that it could judge.")
        return wrapper


def _denial(decision: Decision | None) -> RateLimitExceeded | None:
    if decision is None or decision.allowed:
        return None
    result, retry_after_ms = decision.deciding.result, decision.deciding.retry_after_ms
    return RateLimitExceeded(
        key=result.key,
        cost=result.cost,
        remaining=result.remaining,
        reset_at=result.reset_at,
        retry_after=None if retry_after_ms is None else retry_after_ms / 1000,
        algorithm=result.algorithm,
    )
