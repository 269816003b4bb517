"""Checks that are made again with the same request id: charged once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from conftest import MODES, open_limiter

import flint
from flint import testing


@pytest.fixture(params=(*MODES, "memory"))
def raw_limiter(request: pytest.FixtureRequest) -> Iterator[flint.AbstractLimiter]:
    """As everywhere, and one in memory."""
    with testing.MemoryLimiter() if request.param == "memory" else open_limiter(request.param, request) as limiter:
        yield limiter


def test_a_repeat_is_not_charged_and_gets_the_first_result(limiter: Any) -> None:
    limiter.limit("k", "5/d")
    first = limiter.check("k", 2, request_id="order-7")
    assert limiter.check("k", request_id="other").remaining == 2
    assert limiter.check("k", 2, request_id="order-7") == first
    assert limiter.allow("k", 2, request_id="order-7") is True
    assert limiter.status("k")["remaining"] == 2
    assert limiter.status("k")["total_allowed"] == 2


def test_a_check_all_too(limiter: Any) -> None:
    limiter.limit("k", "5/d")
    items = ["k", {"key": "new", "cost": 2, "limit": "5/d"}]
    first = limiter.check_all(items, request_id="pair")
    assert limiter.check_all(items, request_id="pair") == first
    assert limiter.allow_all(items, request_id="pair") is True
    assert limiter.status("k")["remaining"] == 4


def test_a_denied_check_is_decided_again(limiter: Any) -> None:
    limiter.limit("k", "1/d")
    limiter.check("k")
    assert not limiter.check("k", request_id="id")
    limiter.reset("k")
    assert limiter.check("k", request_id="id")


def test_another_request_with_the_same_id_is_refused(limiter: Any) -> None:
    limiter.limit("k", "5/d")
    limiter.check("k", 2, request_id="id")
    others: list[Callable[[], object]] = [
        lambda: limiter.check("k", 1, request_id="id"),
        lambda: limiter.check("other", 2, limit="5/d", request_id="id"),
        lambda: limiter.check("k", 2, limit="5/d", request_id="id"),
        lambda: limiter.check_all([("k", 2)], request_id="id"),
    ]
    for refused in others:
        with pytest.raises(ValueError, match="request_id"):
            refused()
    assert limiter.status("k")["remaining"] == 3


def test_in_a_batch(limiter: Any) -> None:
    limiter.limit("k", "5/d")
    check = {"key": "k", "cost": 2, "request_id": "id"}
    first, repeat, other = limiter.check_batch([check, check, {**check, "cost": 1}])
    assert first == repeat
    assert type(other.error) is ValueError
    assert limiter.status("k")["remaining"] == 3


@pytest.mark.parametrize("bad", [1, True, b"id", ["id"]])
def test_an_id_of_a_wrong_type(limiter: Any, bad: Any) -> None:
    limiter.limit("k", "5/d")
    for call in (limiter.check, limiter.allow):
        with pytest.raises(TypeError, match="request_id must be a str"):
            call("k", request_id=bad)
    with pytest.raises(TypeError, match="request_id must be a str"):
        limiter.check_all(["k"], request_id=bad)
    assert limiter.status("k")["remaining"] == 5


@pytest.mark.parametrize("bad", ["", " ", "a b", "\n", "\u00e9", "\ud800", "x" * 65])
def test_an_id_that_is_none(limiter: Any, bad: str) -> None:
    limiter.limit("k", "5/d")
    with pytest.raises(ValueError, match="request_id must be"):
        limiter.check("k", request_id=bad)
    with pytest.raises(ValueError, match="request_id must be"):
        limiter.check_all(["k"], request_id=bad)
    assert limiter.status("k")["remaining"] == 5


def test_a_dry_run_has_no_id(limiter: Any) -> None:
    limiter.limit("k", "5/d")
    with pytest.raises(ValueError, match="request_id cannot come with dry_run"):
        limiter.check("k", dry_run=True, request_id="id")
    with pytest.raises(ValueError, match="request_id cannot come with dry_run"):
        limiter.check_all(["k"], dry_run=True, request_id="id")


def test_for_asyncio(limiter: Any, raw_limiter: flint.AbstractLimiter) -> None:
    async def check() -> Any:
        one = [await raw_limiter.acheck("k", request_id="id") for _ in range(2)]
        both = [await raw_limiter.acheck_all(["k"], request_id="all") for _ in range(2)]
        return one, both, await raw_limiter.aallow("k", request_id="id")

    limiter.limit("k", "5/d")
    one, both, allowed = asyncio.run(check())
    assert one[0] == one[1]
    assert both[0] == both[1]
    assert allowed
    assert limiter.status("k")["remaining"] == 3
