"""`rate_limit`, in both modes, around every kind of function."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest

import flint


def test_a_function_runs_as_often_as_its_limit_allows(raw_limiter: flint.AbstractLimiter) -> None:
    ran = []

    @raw_limiter.rate_limit("f", rate=4, per="1d", cost=2)
    def function(value: int, *, double: bool = False) -> int:
        """What it does."""
        ran.append(value)
        return value * 2 if double else value

    assert function.__name__ == "function"
    assert function.__doc__ == "What it does."
    assert [function(1), function(2, double=True)] == [1, 4]
    with pytest.raises(flint.RateLimitExceeded) as raised:
        function(3)
    assert ran == [1, 2]
    error = raised.value
    assert (error.key, error.cost, error.remaining, error.algorithm) == ("f", 2, 0, "token_bucket")
    assert 43_000 < error.retry_after <= 43_200
    assert error.reset_at.tzinfo is not None


def test_a_coroutine_function_stays_one(raw_limiter: flint.AbstractLimiter, loop: asyncio.AbstractEventLoop) -> None:
    @raw_limiter.rate_limit("f", rate=1, per="1d", algorithm="fixed_window_counter")
    async def function(value: int) -> int:
        await asyncio.sleep(0)
        return value

    assert inspect.iscoroutinefunction(function)
    assert loop.run_until_complete(function(1)) == 1
    with pytest.raises(flint.RateLimitExceeded) as raised:
        loop.run_until_complete(function(2))
    assert raised.value.algorithm == "fixed_window_counter"


def test_a_generator_is_checked_when_it_begins(raw_limiter: flint.AbstractLimiter) -> None:
    @raw_limiter.rate_limit("f", rate=1, per="1d")
    def function() -> Generator[str, str, str]:
        received = yield "first"
        try:
            yield received
        except KeyError:
            return "returned"
        return "never"

    assert inspect.isgeneratorfunction(function)
    generator, denied = function(), function()
    assert next(generator) == "first"
    assert generator.send("sent") == "sent"
    with pytest.raises(StopIteration) as stopped:
        generator.throw(KeyError())
    assert stopped.value.value == "returned"
    with pytest.raises(flint.RateLimitExceeded):
        next(denied)


def test_an_asynchronous_generator_is_checked_when_it_begins(
    raw_limiter: flint.AbstractLimiter, loop: asyncio.AbstractEventLoop
) -> None:
    closed = []

    @raw_limiter.rate_limit("f", rate=3, per="1d")
    async def function() -> AsyncGenerator[str, str]:
        try:
            received = yield "first"
            while True:
                try:
                    received = yield received
                except KeyError:
                    received = yield "caught"
        finally:
            closed.append(True)

    assert inspect.isasyncgenfunction(function)

    async def use() -> None:
        generator = function()
        assert await generator.asend(None) == "first"  # type: ignore[arg-type]
        assert await generator.asend("sent") == "sent"
        assert await generator.athrow(KeyError()) == "caught"
        assert await generator.asend("again") == "again"
        assert not closed
        await generator.aclose()
        assert closed == [True]

        async for item in function():
            assert item == "first"
            break

        raising = function()
        await raising.asend(None)  # type: ignore[arg-type]
        with pytest.raises(ZeroDivisionError):
            await raising.athrow(ZeroDivisionError())
        with pytest.raises(flint.RateLimitExceeded):
            await function().asend(None)  # type: ignore[arg-type]

    loop.run_until_complete(use())


def test_an_asynchronous_generator_ends_when_the_function_does(
    raw_limiter: flint.AbstractLimiter, loop: asyncio.AbstractEventLoop
) -> None:
    @raw_limiter.rate_limit("f", rate=1, per="1d")
    async def function(count: int) -> AsyncGenerator[int, None]:
        for number in range(count):
            yield number

    async def use() -> list[int]:
        return [number async for number in function(3)]

    assert loop.run_until_complete(use()) == [0, 1, 2]


def test_the_key_may_depend_on_the_arguments(raw_limiter: flint.AbstractLimiter) -> None:
    class Service:
        @raw_limiter.rate_limit(lambda self, user, **_: f"user:{user}", rate=1, per="1d")
        def call(self, user: str, *, what: str = "") -> str:
            return f"{user} {what}"

    service = Service()
    assert service.call("ann", what="reads") == "ann reads"
    assert service.call("bob") == "bob "
    with pytest.raises(flint.RateLimitExceeded, match="user:ann"):
        service.call("ann")
    with pytest.raises(TypeError, match="key must be a str or None, not int"):
        raw_limiter.rate_limit(lambda: 1, rate=1, per=1)(lambda: None)()  # type: ignore[arg-type,return-value]


def test_each_call_carries_the_limit(raw_limiter: flint.AbstractLimiter) -> None:
    @raw_limiter.rate_limit("f", rate=2, per="1d")
    def function() -> int:
        return 1

    function()
    status = raw_limiter.status("f")
    assert status is not None
    assert (status["source"], status["remaining"]) == ("carried", 1)
    # As when the directory of the server was thrown away.
    raw_limiter.delete("f")
    assert [function(), function()] == [1, 1]
    # What an operator sets holds.
    raw_limiter.limit("f", "1/d")
    with pytest.raises(flint.RateLimitExceeded):
        function()


def test_what_could_never_pass_is_refused_at_once(raw_limiter: flint.AbstractLimiter) -> None:
    with pytest.raises(ValueError, match="could never pass"):
        raw_limiter.rate_limit("f", rate=1, per="1m", cost=2)
    assert raw_limiter.list(keys=True) == []


def test_only_functions_can_be_wrapped(raw_limiter: flint.AbstractLimiter) -> None:
    with pytest.raises(TypeError, match="rate_limit wraps functions, not staticmethod|not int"):
        raw_limiter.rate_limit("f", rate=1, per="1m")(1)  # type: ignore[type-var]


@pytest.mark.parametrize("on_error", ["raise", "allow", "deny"])
def test_a_server_out_of_reach_means_what_on_error_says(tmp_path: Any, loop: Any, on_error: Any) -> None:
    limiter = flint.SharedLimiter(f"unix:{tmp_path}/nobody.sock", on_error=on_error)

    @limiter.rate_limit("f", rate=1, per="1m")
    def function() -> int:
        return 1

    @limiter.rate_limit("f", rate=1, per="1m")
    async def coroutine_function() -> int:
        return 1

    for call in (function, lambda: loop.run_until_complete(coroutine_function())):
        if on_error == "allow":
            assert call() == 1
        else:
            expected = flint.RateLimitExceeded if on_error == "deny" else flint.FlintConnectionError
            with pytest.raises(expected):
                call()


def test_a_server_that_is_silent_is_waited_for_once(tmp_path: Any) -> None:
    """Symptom: the first call for a key waited for the timeout twice, once to configure it and once to check it."""
    asked = 0

    class Silent(flint.SharedLimiter):
        def limit(self, *args: Any, **kwargs: Any) -> None:
            raise AssertionError("the server was asked twice")

        def check(self, *args: Any, **kwargs: Any) -> flint.CheckResult:
            nonlocal asked
            asked += 1
            return super().check(*args, **kwargs)

    with Silent(f"unix:{tmp_path}/none", on_error="allow") as limiter:
        assert limiter.rate_limit("k", rate=1, per=1)(lambda: 7)() == 7
    with Silent(f"unix:{tmp_path}/none", on_error="deny") as limiter, pytest.raises(flint.RateLimitExceeded):
        limiter.rate_limit("k", rate=1, per=1)(lambda: 7)()
    with Silent(f"unix:{tmp_path}/none") as limiter, pytest.raises(flint.FlintConnectionError):
        limiter.rate_limit("k", rate=1, per=1)(lambda: 7)()
    assert asked == 3
