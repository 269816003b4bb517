"""Both modes, and both ways to call them, decide the same: random schedules, one operation at a time on each."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support import AsyncStyle, Server

import flint

KEYS = st.sampled_from(["a", "b", "c/d", "ü"])
# So long that the time between two operations refills nothing.
LIMITS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(dict, rate=st.integers(1, 30), per=st.just("366d"), burst=st.one_of(st.none(), st.integers(1, 30))),
    st.builds(
        dict,
        rate=st.integers(1, 30),
        per=st.sampled_from(["300d", "366d"]),
        algorithm=st.sampled_from(["sliding_window_log", "fixed_window_counter", "sliding_window_counter"]),
    ),
)
COSTS = st.integers(1, 12)
OPERATIONS = st.one_of(
    st.tuples(st.just("limit"), KEYS, LIMITS),
    st.tuples(st.just("check"), KEYS, COSTS),
    st.tuples(st.just("check"), KEYS, COSTS),
    st.tuples(st.just("check_all"), st.lists(st.tuples(KEYS, COSTS), min_size=1, max_size=4)),
    st.tuples(st.just("charge"), KEYS, COSTS),
    st.tuples(st.just("reserve"), st.lists(st.tuples(KEYS, COSTS), min_size=1, max_size=4)),
    st.tuples(st.just("commit"), KEYS, st.integers(0, 20)),
    st.tuples(st.just("cancel"), KEYS),
    st.tuples(st.just("reset"), KEYS),
    st.tuples(st.just("status"), KEYS),
    st.tuples(st.just("history"), KEYS),
    st.tuples(st.just("list")),
    st.tuples(st.just("top"), st.sampled_from(["denied", "allowed"])),
    st.tuples(st.just("compact")),
)


def timeless(value: Any) -> Any:
    """What an answer says besides the time."""
    if isinstance(value, flint.CheckResult):
        return (value.key, value.allowed, value.cost, value.limit, value.remaining, value.algorithm)
    if isinstance(value, list):
        return [timeless(one) for one in value]
    if isinstance(value, dict):
        return {
            name: value[name] is None if name.endswith("_at") else timeless(value[name])
            for name in value
            if name not in ("at", "reset_at")
        }
    return value


def timeless_events(events: list[flint.Event]) -> list[Any]:
    """What a history says besides the time and besides how denials were summed up, which ticks of the clock decide."""
    told: list[Any] = []
    for event in events:
        one: Any = {name: value for name, value in event.items() if name not in ("seq", "at")}
        if told and one["kind"] == told[-1]["kind"] == "denied":
            one = {**one, "cost": told[-1]["cost"] + one["cost"], "count": told[-1]["count"] + one["count"]}
            told.pop()
        told.append(one)
    return told


def perform(limiter: Any, operation: tuple[Any, ...]) -> Any:
    name, *arguments = operation

    def reserve(items: Any) -> Any:
        held = limiter.reserve(items, ttl="1d")
        if held:
            latest[id(limiter)] = held.id
        return {"allowed": held.allowed, "denied_key": held.denied_key, "results": list(held.results)}

    def held() -> str:
        """The latest reservation of this limiter."""
        return latest.get(id(limiter), "0" * 32)

    calls: dict[str, Callable[..., Any]] = {
        "limit": lambda key, limit: limiter.limit(key, **limit),
        "check": lambda key, cost: limiter.check(key, cost=cost),
        "top": lambda by: limiter.top(by=by),
        "reserve": reserve,
        "commit": lambda key, cost: limiter.commit(held(), {key: cost}),
        "cancel": lambda key: limiter.cancel(held()),
        # Denials reach the log with the next tick of the clock at the latest. A flush makes that now, on every limiter:
        # else the moment would decide what a history tells, and on which side of a compaction denials are, which
        # drops the log before the previous one.
        "history": lambda key: (limiter.flush(), timeless_events(limiter.history(key)))[1],
        "compact": lambda: (limiter.flush(), limiter.compact())[1],
    }
    try:
        return timeless(calls.get(name, getattr(limiter, name))(*arguments))
    except (ValueError, flint.FlintError) as error:
        return type(error), str(error).replace(held(), "ID")


@pytest.fixture(scope="module")
def modes(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Any]]:
    """A limiter of each mode and way to call it."""
    servers = []
    loop = asyncio.new_event_loop()

    def served() -> flint.SharedLimiter:
        servers.append(Server(tmp_path_factory.mktemp("served") / "data", "--sync", "batch"))
        return flint.SharedLimiter(servers[-1].url)

    limiters: list[flint.AbstractLimiter] = [
        flint.Limiter(tmp_path_factory.mktemp("embedded"), sync="batch"),
        flint.Limiter(tmp_path_factory.mktemp("embedded-async"), sync="always"),
        served(),
        served(),
    ]
    yield [limiters[0], AsyncStyle(limiters[1], loop), limiters[2], AsyncStyle(limiters[3], loop)]
    for limiter in limiters:
        limiter.close()
    for server in servers:
        server.stop()
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


example = 0
latest: dict[int, str] = {}


@settings(max_examples=40, deadline=None)
@given(st.lists(OPERATIONS, max_size=30))
def test_a_random_schedule_has_the_same_answers_in_every_mode(modes: list[Any], schedule: list[Any]) -> None:
    global example
    example += 1
    for operation in schedule:
        answers = [perform(limiter, _under(operation, f"{example}/")) for limiter in modes]
        assert answers[1:] == answers[:1] * 3, operation


def _under(operation: tuple[Any, ...], prefix: str) -> tuple[Any, ...]:
    """The operation with keys of its own example, so that each example begins without limits."""
    name, *arguments = operation
    if name in ("check_all", "reserve"):
        return name, [(prefix + key, cost) for key, cost in arguments[0]]
    if name in ("list", "compact", "top"):
        return operation
    return name, prefix + arguments[0], *arguments[1:]
