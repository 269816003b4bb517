"""What all entry points of the web have in common: whom they limit, by what, and what they answer."""

from __future__ import annotations

import asyncio
import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from doors import DOORS, Door, field

import flint
from flint.testing import MemoryLimiter
from web_support import Answer

Ask = Callable[..., Answer]
Open = Callable[..., Ask]


@pytest.fixture(params=DOORS, ids=lambda door: door.name)
def door(request: pytest.FixtureRequest) -> Door:
    door: Door = request.param
    return door


@pytest.fixture
def limited(door: Door, flint_limiter: MemoryLimiter) -> Iterator[Open]:
    """Opens an application whose requests are limited by these options, and returns what asks it."""
    with contextlib.ExitStack() as stack:

        def open_it(limiter: flint.AbstractLimiter = flint_limiter, **options: Any) -> Ask:
            return functools.partial(door.ask, door.build(stack, limiter, options))

        yield open_it


def user(request: Any) -> str | None:
    name = field(request, "x-user")
    return None if name is None else f"user:{name}"


def statuses(ask: Ask, count: int, *args: Any, **fields: str) -> list[int]:
    return [ask(*args, **fields).status for _ in range(count)]


# --- By what


def test_each_key_has_its_limit(limited: Open) -> None:
    ask = limited(key_func=user, rate="2/m")
    first = ask(x_user="ann")
    assert (first.status, first["ratelimit"]) == (200, '"default";r=1;t=30')
    assert (first["ratelimit-policy"], first["retry-after"]) == ('"default";q=2;w=60', None)
    assert statuses(ask, 2, x_user="ann") == [200, 429]
    denied = ask(x_user="ann")
    assert (denied["retry-after"], denied["x-ratelimit-remaining"]) == ("30", "0")
    assert b"rate limit exceeded" in denied.body
    assert ask(x_user="bob").status == 200


def test_the_limit_may_be_of_the_plan_of_the_request(limited: Open) -> None:
    plans = {"free": "1/m", "paid": {"rate": 3, "per": "1m"}, "staff": None}
    ask = limited(key_func=user, rate=lambda request: plans[field(request, "x-plan") or "free"])
    assert statuses(ask, 2, x_user="ann") == [200, 429]
    assert statuses(ask, 4, x_user="bob", x_plan="paid") == [200, 200, 200, 429]
    assert statuses(ask, 5, x_user="cyd", x_plan="staff") == [200] * 5
    assert ask(x_user="dan", x_plan="paid")["ratelimit-policy"] == '"default";q=3;w=60'


def test_a_user_who_changes_the_plan_keeps_what_is_used(limited: Open) -> None:
    plans = {"small": "2/m", "large": "4/m"}
    ask = limited(key_func=user, rate=lambda request: plans[field(request, "x-plan") or ""])
    assert statuses(ask, 3, x_user="ann", x_plan="small") == [200, 200, 429]
    assert statuses(ask, 3, x_user="ann", x_plan="large") == [200, 200, 429]
    assert statuses(ask, 1, x_user="ann", x_plan="small") == [429]


def test_a_function_that_returns_none_means_that_the_limit_does_not_hold(
    limited: Open, flint_limiter: MemoryLimiter
) -> None:
    for options in (
        {"key_func": lambda request: None},
        {"key": "k", "rate": lambda request: None},
        {"key": "k", "cost": lambda request: None},
        {"limits": [{"key_func": lambda request: None}, {"key": "k", "rate": lambda request: None}]},
    ):
        defaults = {} if "limits" in options else {"rate": "1/m"}
        answers = [limited(**{**defaults, **options})() for _ in range(3)]
        assert [(answer.status, answer["ratelimit"]) for answer in answers] == [(200, None)] * 3
    assert flint_limiter.list(keys=True) == []


def test_a_cost_is_of_the_request(limited: Open) -> None:
    ask = limited(key="k", rate="10/m", cost=lambda request: int(field(request, "x-cost") or 1))
    assert ask(x_cost="7")["x-ratelimit-remaining"] == "3"
    assert ask(x_cost="4").status == 429
    assert ask(x_cost="3")["x-ratelimit-remaining"] == "0"


@pytest.mark.parametrize(
    ("options", "kind", "says"),
    [
        ({"key_func": lambda request: 7}, TypeError, "the answer of key_func must be a str or None, not int"),
        ({"key_func": lambda request: b"k"}, TypeError, "the answer of key_func must be a str or None, not bytes"),
        ({"key": "k", "rate": lambda request: 7}, TypeError, "the answer of rate must be a str such as"),
        ({"key": "k", "rate": lambda request: "soon"}, ValueError, "the answer of rate needs a whole number"),
        ({"key": "k", "rate": lambda request: {"rate": 1}}, ValueError, r"the answer of rate\.per is missing"),
        ({"key": "k", "cost": lambda request: 0}, ValueError, "the answer of cost must be from 1"),
        ({"key": "k", "cost": lambda request: "1"}, TypeError, "the answer of cost must be an int, not str"),
        ({"key": "k", "cost": lambda request: True}, TypeError, "the answer of cost must be an int, not bool"),
        ({"key": "k", "exempt_when": lambda request: None}, TypeError, "the answer of exempt_when must be a bool"),
        ({"key": "k", "exempt_when": lambda request: 1}, TypeError, "the answer of exempt_when must be a bool"),
        (
            {"limits": [{"key": "a", "rate": "1/m"}, {"key_func": lambda request: 7}]},
            TypeError,
            r"the answer of limits\[1\]\.key_func must be a str or None, not int",
        ),
        ({"limits": [{"key": "a", "rate": "1/m", "cost": lambda request: ""}]}, TypeError, r"limits\[0\]\.cost"),
        ({"limits": [{"key": "a", "rate": lambda request: []}]}, TypeError, r"limits\[0\]\.rate"),
        (
            {"limits": [{"key": "k", "rate": "1/m"}, {"key_func": lambda request: "k", "rate": "2/m"}]},
            ValueError,
            r"limits\[1\]\.key_func and limits\[0\]\.key gave one request the same key",
        ),
    ],
)
def test_a_function_that_answers_nonsense_is_an_error_that_names_it(
    limited: Open, flint_limiter: MemoryLimiter, options: dict[str, Any], kind: type[Exception], says: str
) -> None:
    ask = limited(**({} if "limits" in options else {"rate": "2/m"}) | options)
    with pytest.raises(kind, match=says):
        ask()
    assert flint_limiter.list(keys=True) == []


@pytest.mark.parametrize("name", ["key_func", "rate", "cost", "exempt_when"])
def test_a_function_that_raises_lets_nobody_pass(limited: Open, name: str) -> None:
    def fails(request: Any) -> Any:
        raise ZeroDivisionError

    options = {"key_func": user, "rate": "2/m", name: fails}
    with pytest.raises(ZeroDivisionError):
        limited(**options)(x_user="ann")


@pytest.mark.parametrize("name", ["key_func", "rate", "cost", "exempt_when", "on_denied"])
def test_functions_may_be_coroutine_functions_where_there_is_an_event_loop(
    door: Door, limited: Open, name: str
) -> None:
    """In the others a coroutine, which is no answer but true, must let nobody pass."""
    functions: dict[str, Callable[[Any], Any]] = {
        "key_func": user,
        "rate": lambda request: "1/m",
        "cost": lambda request: 1,
        "exempt_when": lambda request: field(request, "x-user") == "root",
        "on_denied": lambda request: door.teapot("denied"),
    }

    async def later(request: Any, *_: Any) -> Any:
        await asyncio.sleep(0)
        return functions[name](request)

    ask = limited(**{"key_func": user, "rate": "1/m", name: later})
    if not door.takes_coroutines:
        with pytest.raises(TypeError, match=f"{name} must not be a coroutine function here"):
            statuses(ask, 2, x_user="ann")
        return
    assert statuses(ask, 2, x_user="ann") == [200, 418 if name == "on_denied" else 429]
    if name == "exempt_when":
        assert statuses(ask, 2, x_user="root") == [200, 200]


@pytest.mark.parametrize("text", ["", " ", "*", "ann\n", "x" * 600, "\x00", "José", "\xff"])
def test_whatever_a_client_sends_becomes_a_key(limited: Open, flint_limiter: MemoryLimiter, text: str) -> None:
    ask = limited(key_func=lambda request: f"user:{text}", rate="1/m")
    assert statuses(ask, 2) == [200, 429]
    (status,) = flint_limiter.list(keys=True)
    assert status["key"] == flint.valid_key(f"user:{text}")


# --- Several limits


def test_several_limits_are_one_decision(limited: Open, flint_limiter: MemoryLimiter) -> None:
    ask = limited(
        limits=[
            {"key_func": user, "rate": "1/m", "policy": "user"},
            {"key": "all", "rate": 3, "per": "1h", "policy": "all"},
        ]
    )
    first, second = ask(x_user="ann"), ask(x_user="ann")
    assert first["ratelimit"] == '"user";r=0;t=60, "all";r=2;t=1200'
    assert first["ratelimit-policy"] == '"user";q=1;w=60, "all";q=3;w=3600'
    assert (first["x-ratelimit-limit"], first["x-ratelimit-remaining"]) == ("1", "0")
    assert (second.status, second["retry-after"]) == (429, "60")
    assert second["ratelimit"] == '"user";r=0;t=60'
    everybody = flint_limiter.status("all")
    # A request that one limit denied consumes from none.
    assert everybody is not None and everybody["remaining"] == 2
    assert statuses(ask, 1, x_user="bob") + statuses(ask, 1, x_user="cyd") + statuses(ask, 1, x_user="dan") == [
        200, 200, 429
    ]  # fmt: skip
    # Without a user only the other one holds.
    assert ask()["ratelimit-policy"] == '"all";q=3;w=3600'
    assert flint_limiter.status("user:dan") is None


def test_limits_without_a_policy_are_numbered(limited: Open) -> None:
    ask = limited(limits=[{"key": "a", "rate": "5/m"}, {"key": "b", "rate": "4/m"}])
    assert ask()["ratelimit"] == '"limit-1";r=4;t=12, "limit-2";r=3;t=15'


def test_several_limits_may_be_configured_elsewhere(limited: Open, flint_limiter: MemoryLimiter) -> None:
    ask = limited(limits=[{"key": "a"}, {"key": "b", "rate": "1/h"}])
    with pytest.raises(flint.LimitNotConfigured):
        ask()
    flint_limiter.limit("a", "2/h")
    assert statuses(ask, 2) == [200, 429]


# --- Whom


def test_exempt_requests_are_not_limited(limited: Open) -> None:
    ask = limited(key="k", rate="1/m", exempt_when=lambda request: field(request, "x-user") == "root")
    answers = [ask(x_user="root") for _ in range(3)]
    assert [(answer.status, answer["ratelimit"]) for answer in answers] == [(200, None)] * 3
    assert statuses(ask, 2, x_user="ann") == [200, 429]


def test_only_the_given_methods_are_limited(limited: Open) -> None:
    ask = limited(key="k", rate="1/m", methods=["post"])
    assert statuses(ask, 3, "GET") == [200] * 3
    assert statuses(ask, 2, "POST") == [200, 429]
    ask = limited(key="get", rate="1/m", methods=["GET"])
    # Frameworks answer HEAD by the function for GET.
    assert statuses(ask, 1, "HEAD") + statuses(ask, 1, "GET") + statuses(ask, 1, "PUT") == [200, 429, 200]


def test_nothing_is_limited_when_it_is_not_enabled(tmp_path: Any, limited: Open) -> None:
    with flint.SharedLimiter(f"unix:{tmp_path}/nobody.sock") as nobody:
        ask = limited(nobody, key="k", rate="1/m", enabled=False)
        assert statuses(ask, 3) == [200] * 3
        with pytest.raises(flint.FlintConnectionError):
            limited(nobody, key="k", rate="1/m")()


def test_preflights_of_browsers_are_not_limited(door: Door, limited: Open) -> None:
    ask = limited(key="k", rate="1/m")
    preflight = {"origin": "https://a.example", "access_control_request_method": "GET"}
    if door.name == "fastapi":
        # A dependency is of a route, and this one takes OPTIONS.
        assert statuses(ask, 2, "OPTIONS", **preflight) == [200, 429]
        return
    assert statuses(ask, 3, "OPTIONS", **preflight) == [200] * 3
    assert statuses(ask, 2, "OPTIONS", origin="https://a.example") == [200, 429]


def test_exempt_paths_are_not_limited(door: Door, limited: Open) -> None:
    if door.name in ("fastapi", "flask-view", "django-view", "django-async-view"):
        with pytest.raises(TypeError, match="exempt_paths"):
            limited(key="k", rate="1/m", exempt_paths=["/health"])
        return
    ask = limited(key="k", rate="1/m", exempt_paths=["/health", "/static/*"])
    assert statuses(ask, 2, "GET", "/health") + statuses(ask, 2, "GET", "/static/a") == [200] * 4
    assert statuses(ask, 2, "GET", "/static") == [200, 429]


# --- What is answered


def test_a_denial_may_be_answered_by_the_program(door: Door, limited: Open) -> None:
    seen: list[flint.CheckResult] = []

    def teapot(request: Any, result: flint.CheckResult) -> Any:
        seen.append(result)
        return door.teapot(f"{field(request, 'x-user')} is denied")

    ask = limited(key_func=user, rate="1/m", on_denied=teapot)
    first, second = ask(x_user="ann"), ask(x_user="ann")
    assert (first.status, second.status) == (200, 418)
    assert b"ann is denied" in second.body
    assert (second["retry-after"], second["ratelimit"]) == ("60", '"default";r=0;t=60')
    assert [(result.key, result.allowed, result.retry_after_ms) for result in seen] == [("user:ann", False, 60_000)]


def test_a_strange_answer_to_a_denial_is_an_error(door: Door, limited: Open) -> None:
    ask = limited(key="k", rate="1/m", on_denied=lambda request, result: None)
    assert ask().status == 200
    says = "did not return a valid response" if door.name.startswith("flask") else "the answer of on_denied must be an?"
    with pytest.raises(TypeError, match=says):
        ask()


def test_what_can_never_pass_is_denied_without_a_time(limited: Open, flint_limiter: MemoryLimiter) -> None:
    """An operator lowered a limit below a cost: each request was a 500."""
    ask = limited(key="k", rate="9/m", cost=5)
    assert ask().status == 200
    flint_limiter.limit("k", "4/m")
    answer = ask()
    assert (answer.status, answer["retry-after"], answer["ratelimit"]) == (429, None, None)
    ask = limited(limits=[{"key": "first", "rate": "9/m"}, {"key": "k", "rate": "9/m", "cost": 5}])
    answer = ask()
    assert (answer.status, answer["retry-after"], answer["ratelimit"]) == (429, None, None)
    assert flint_limiter.status("first") is None


def test_the_policy_is_that_of_the_limit_that_holds(limited: Open, flint_limiter: MemoryLimiter) -> None:
    """RateLimit-Policy named the limit that the check carried, also where an operator had set another one."""
    ask = limited(key="k", rate="9/m")
    assert ask()["ratelimit-policy"] == '"default";q=9;w=60'
    flint_limiter.limit("k", "4/h")
    assert ask()["ratelimit-policy"] == '"default";q=4'


def test_a_server_out_of_reach_is_for_on_error_to_say(tmp_path: Any, limited: Open) -> None:
    nowhere = f"unix:{tmp_path}/none.sock"
    limits = [{"key": "a", "rate": "1/m"}, {"key": "b", "rate": "1/m"}]
    for options in ({"key": "k", "rate": "1/m"}, {"limits": limits}):
        with flint.SharedLimiter(nowhere) as raising, pytest.raises(flint.FlintConnectionError):
            limited(raising, **options)()
        with flint.SharedLimiter(nowhere, on_error="allow") as allowing:
            answer = limited(allowing, **options)()
            assert (answer.status, answer["ratelimit"]) == (200, None)
        with flint.SharedLimiter(nowhere, on_error="deny") as denying:
            answer = limited(denying, **options)()
            assert (answer.status, answer["retry-after"], answer["ratelimit"]) == (429, "1", None)


# --- Wrong options


@pytest.mark.parametrize(
    ("options", "kind", "says"),
    [
        ({"methods": ["GET"]}, TypeError, "give either key"),
        ({"rate": "1/m"}, TypeError, "give either key"),
        ({"key": "k", "key_func": user}, TypeError, "give either key"),
        ({"key": user}, TypeError, "key must be a str: give a function as key_func"),
        ({"key_func": "k"}, TypeError, "key_func must be callable"),
        ({"key": "a*"}, ValueError, r"key must not contain a \*"),
        ({"key": "k", "rate": "soon"}, ValueError, "rate needs a whole number"),
        ({"key": "k", "rate": "1/m", "per": "1m"}, TypeError, "leave out per"),
        ({"key": "k", "rate": lambda request: "1/m", "burst": 2}, TypeError, "rate is a function.*leave out burst"),
        ({"key": "k", "rate": {"rate": 1}}, ValueError, r"rate\.per is missing"),
        ({"key": "k", "rate": [1]}, TypeError, "rate"),
        ({"key": "k", "rate": "1/m", "cost": 2}, ValueError, "cost 2 is above the capacity, 1"),
        ({"key": "k", "rate": "1/m", "policy": "\n"}, ValueError, "policy must be"),
        ({"key": "k", "rate": "1/m", "limits": []}, TypeError, "leave out key, rate, or limits"),
        ({"limits": []}, ValueError, "limits must contain 1 to 128 limits, not none"),
        ({"limits": [{"key": f"{n}", "rate": "1/m"} for n in range(129)]}, ValueError, "not more"),
        ({"limits": "k"}, TypeError, "limits must be a list of dicts, not str"),
        ({"limits": {"key": "k"}}, TypeError, "limits must be a list of dicts, not dict"),
        ({"limits": ["k"]}, TypeError, r"limits\[0\] must be a dict, not str"),
        ({"limits": [{"rate": "1/m"}]}, TypeError, r"give either limits\[0\]\.key"),
        ({"limits": [{"key": "k", "rate": "1/m", "limit": 1}]}, ValueError, r"limits\[0\] must have no members but"),
        ({"limits": [{"key": "k", "rate": "1"}]}, ValueError, r'limits\[0\]\.rate needs "/"'),
        ({"limits": [{"key": "k", "rate": 1}]}, TypeError, r"limits\[0\]\.rate and per"),
        ({"limits": [{"key": "k", "rate": "1/m", "cost": 2}]}, ValueError, r"limits\[0\]\.cost 2 is above"),
        (
            {"limits": [{"key": "a", "rate": "1/m", "policy": "p"}, {"key": "b", "rate": "1/m", "policy": "p"}]},
            ValueError,
            r"limits\[1\]\.policy must be another name",
        ),
        ({"key": "k", "rate": "1/m", "exempt_when": True}, TypeError, "exempt_when must be callable, not bool"),
        ({"key": "k", "rate": "1/m", "on_denied": "no"}, TypeError, "on_denied must be callable, not str"),
        ({"key": "k", "rate": "1/m", "methods": "GET"}, TypeError, "methods must be a list of HTTP methods"),
        ({"key": "k", "rate": "1/m", "methods": []}, ValueError, "methods must be one or more HTTP methods"),
        ({"key": "k", "rate": "1/m", "methods": ["GET "]}, ValueError, "methods must be one or more HTTP methods"),
        ({"key": "k", "rate": "1/m", "methods": [1]}, TypeError, r"methods\[0\] must be a str"),
        ({"key": "k", "rate": "1/m", "colour": "red"}, TypeError, "colour"),
    ],
)
def test_wrong_options_are_told_at_once(
    limited: Open, options: dict[str, Any], kind: type[Exception], says: str
) -> None:
    with pytest.raises(kind, match=says):
        limited(**options)


@pytest.mark.parametrize("enabled", [0, None, "no"])
def test_enabled_is_a_bool(limited: Open, enabled: Any) -> None:
    with pytest.raises(TypeError, match="enabled must be a bool"):
        limited(key="k", rate="1/m", enabled=enabled)
