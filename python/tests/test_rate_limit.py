"""`rate_limit`, in both modes, around every kind of function."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncGenerator, Generator
from typing import Any

import pytest

import flint
from flint.testing import MemoryLimiter


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
    assert error.retry_after is not None
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
        raw_limiter.rate_limit(lambda: 1, rate=1, per=1)(lambda: None)()


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


# --- Limits of each call


def one() -> int:
    return 1


def test_the_limit_and_the_cost_may_depend_on_the_arguments(flint_limiter: MemoryLimiter) -> None:
    plans: dict[str, Any] = {"ann": "2/m", "bob": {"rate": 4, "per": "1m"}, "cyd": None}

    @flint_limiter.rate_limit(lambda user, size: user, lambda user, size: plans[user], cost=lambda user, size: size)
    def send(user: str, size: int) -> int:
        return size

    for user, allowed in (("ann", 2), ("bob", 4)):
        assert send(user, allowed) == allowed
        with pytest.raises(flint.RateLimitExceeded):
            send(user, 1)
    assert [send("cyd", 1000) for _ in range(3)] == [1000] * 3
    assert flint_limiter.status("cyd") is None


def test_a_call_may_need_several_limits(flint_limiter: MemoryLimiter) -> None:
    @flint_limiter.rate_limit(
        limits=[
            {"key": lambda user: f"user:{user}", "limit": "1/m"},
            {"key": "all", "rate": 2, "per": "1h", "cost": 1},
        ]
    )
    def send(user: str) -> str:
        return user

    assert send("ann") == "ann"
    with pytest.raises(flint.RateLimitExceeded, match="user:ann"):
        send("ann")
    # A call that one limit denied consumes from none.
    assert send("bob") == "bob"
    with pytest.raises(flint.RateLimitExceeded, match="'all'"):
        send("cyd")
    assert flint_limiter.status("user:cyd") is None


def test_functions_of_a_coroutine_function_may_be_some(flint_limiter: MemoryLimiter, loop: Any) -> None:
    async def later(value: Any) -> Any:
        await asyncio.sleep(0)
        return value

    async def denied(error: flint.RateLimitExceeded) -> str:
        return f"denied {error.key}"

    @flint_limiter.rate_limit(
        lambda user: later(user),
        lambda user: later("1/m"),
        cost=lambda user: later(1),
        exempt_when=lambda user: later(user == "root"),
        on_denied=denied,
    )
    async def send(user: str) -> str:
        return user

    assert [loop.run_until_complete(send("root")) for _ in range(2)] == ["root", "root"]
    assert [loop.run_until_complete(send("ann")) for _ in range(2)] == ["ann", "denied ann"]
    with pytest.raises(TypeError, match="key must not be a coroutine function here"):
        flint_limiter.rate_limit(lambda: later("k"), "1/m")(one)()


def test_some_calls_are_exempt(flint_limiter: MemoryLimiter) -> None:
    @flint_limiter.rate_limit("k", "1/m", exempt_when=lambda user: user == "root")
    def send(user: str) -> str:
        return user

    assert [send("root") for _ in range(3)] == ["root"] * 3
    assert send("ann") == "ann"
    with pytest.raises(flint.RateLimitExceeded):
        send("ann")
    assert [flint_limiter.rate_limit("k", "1/m", enabled=False)(one)() for _ in range(3)] == [1] * 3


def test_a_denied_call_may_return_something(flint_limiter: MemoryLimiter) -> None:
    send = flint_limiter.rate_limit("k", "1/m", on_denied=lambda error: error.retry_after)(one)
    assert [send(), send()] == [1, 60.0]

    def generator() -> Generator[int, None, None]:
        yield 1

    with pytest.raises(TypeError, match="on_denied must be left out for a generator"):
        flint_limiter.rate_limit("k", "1/m", on_denied=lambda error: None)(generator)


def test_a_limit_lowered_below_the_cost_denies(flint_limiter: MemoryLimiter) -> None:
    """Symptom: each call raised ValueError, which a web service answered with 500."""
    send = flint_limiter.rate_limit("k", "9/m", cost=5)(one)
    assert send() == 1
    flint_limiter.limit("k", "4/m")
    with pytest.raises(flint.RateLimitExceeded, match="it can never pass") as raised:
        send()
    assert (raised.value.cost, raised.value.retry_after) == (5, None)


def test_arguments_of_a_call_may_have_any_name(flint_limiter: MemoryLimiter) -> None:
    def function(**named: Any) -> Any:
        return named

    call = flint_limiter.rate_limit(lambda **named: named["self"], "1/m")(function)
    assert call(self="me", args=1, kwargs=2) == {"self": "me", "args": 1, "kwargs": 2}


@pytest.mark.parametrize(
    ("arguments", "kind", "says"),
    [
        ({}, TypeError, "key must be given"),
        ({"key": "k"}, TypeError, "limit must be given"),
        ({"key": "k", "limit": "1/m", "rate": 1}, TypeError, "leave out rate"),
        ({"key": "k", "rate": "1/m", "per": 1}, TypeError, "leave out per"),
        ({"key": "k", "limit": 7}, TypeError, "limit must be a str"),
        ({"key": "k", "limit": "1/m", "cost": 0}, ValueError, "cost must be from 1"),
        ({"key": "k", "limits": [{"key": "k", "limit": "1/m"}]}, TypeError, "leave out key, or limits"),
        ({"limits": [{"key": "k"}]}, TypeError, r"limits\[0\]\.limit must be given"),
        ({"limits": [{"key": "k", "limit": "soon"}]}, ValueError, r"limits\[0\]\.limit needs"),
        ({"limits": [{"key": "k", "limit": "1/m", "policy": "p"}]}, ValueError, "leave out policy"),
        ({"key": "k", "limit": "1/m", "exempt_when": True}, TypeError, "exempt_when must be callable"),
        ({"key": "k", "limit": "1/m", "on_denied": True}, TypeError, "on_denied must be callable"),
        ({"key": "k", "limit": "1/m", "enabled": 1}, TypeError, "enabled must be a bool"),
    ],
)
def test_wrong_arguments_are_told_at_once(
    flint_limiter: MemoryLimiter, arguments: dict[str, Any], kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says):
        flint_limiter.rate_limit(**arguments)
