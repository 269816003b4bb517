"""What is decided in steps is written once, for threads and for asyncio: a generator yields each step, and run() or
arun() takes it and sends back what it gave."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Generator
from types import CoroutineType
from typing import Any, Protocol, TypeVar

Answer = TypeVar("Answer")


class Step(Protocol):
    def take(self) -> Any:
        """In this thread."""
        ...

    def atake(self) -> Awaitable[Any]:
        """In an event loop."""
        ...


Steps = Generator[Step, Any, Answer]


class Ask:
    """Calls a method of `limiter`; in an event loop, its twin with a leading `a`."""

    __slots__ = ("_args", "_kwargs", "_limiter", "_method")

    def __init__(self, limiter: object, method: str, *args: Any, **kwargs: Any) -> None:
        self._limiter = limiter
        self._method = method
        self._args = args
        self._kwargs = kwargs

    def take(self) -> Any:
        return getattr(self._limiter, self._method)(*self._args, **self._kwargs)

    def atake(self) -> Awaitable[Any]:
        answer: Awaitable[Any] = getattr(self._limiter, f"a{self._method}")(*self._args, **self._kwargs)
        return answer


class _Wait:
    """Waits for the answer of a coroutine function that the program gave as the argument `name`."""

    __slots__ = ("_awaitable", "_name")

    def __init__(self, awaitable: Awaitable[Any], name: str) -> None:
        self._awaitable = awaitable
        self._name = name

    def take(self) -> Any:
        if isinstance(self._awaitable, CoroutineType):
            self._awaitable.close()
        raise TypeError(f"{self._name} must not be a coroutine function here: there is no event loop to run it in.")

    def atake(self) -> Awaitable[Any]:
        return self._awaitable


def call(function: Callable[..., Any], name: str, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Steps[Any]:
    """What `function`, which the program gave as the argument `name`, returns."""
    answer = function(*args, **kwargs)
    if isinstance(answer, Awaitable):
        answer = yield _Wait(answer, name)
    return answer


# What ends a wait early (an interrupt, a cancellation) ends the generator, too.


def run(steps: Steps[Answer]) -> Answer:
    try:
        step = next(steps)
        while True:
            try:
                answer = step.take()
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        result: Answer = end.value
        return result
    finally:
        steps.close()


async def arun(steps: Steps[Answer]) -> Answer:
    try:
        step = next(steps)
        while True:
            try:
                answer = await step.atake()
            except Exception as error:
                step = steps.throw(error)
            else:
                step = steps.send(answer)
    except StopIteration as end:
        result: Answer = end.value
        return result
    finally:
        steps.close()


async def in_thread(function: Callable[..., Answer], *args: Any, **kwargs: Any) -> Answer:
    """What blocks, for an event loop."""
    from asyncio import to_thread

    return await to_thread(function, *args, **kwargs)
