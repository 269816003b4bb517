"""Many checks in one call, each decided by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
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


def test_each_check_is_decided_by_itself_in_the_order_given(limiter: Any) -> None:
    limiter.limit("k", "5/d")
    results = limiter.check_batch([("k", 4), "k", ["k", 2], {"key": "k", "cost": 1, "dry_run": True}])
    assert [type(one) for one in results] == [flint.CheckResult] * 4
    assert [(one.allowed, one.remaining) for one in results] == [(True, 1), (True, 0), (False, 0), (False, 0)]
    assert [one.error for one in results] == [None] * 4
    status = limiter.status("k")
    assert (status["total_allowed"], status["total_denied"]) == (2, 1)


def test_a_check_may_carry_its_limit(limiter: Any) -> None:
    carried = {"rate": 2, "per": "1d"}
    results = limiter.check_batch([{"key": "new", "limit": "2/d"}, {"key": "new", "cost": 2, "limit": carried}])
    assert [one.allowed for one in results] == [True, False]


def test_a_check_that_fails_is_false_and_leaves_the_others(limiter: Any) -> None:
    limiter.limit("k", "5/d")
    wrong = [
        "nobody",
        ("k", 6),
        "",
        ("k", 0),
        ("k",),
        {"cost": 1},
        {"key": "k", "colour": "red"},
        {"key": "k", "limit": "many"},
        "ip:*",
        "\ud800",
    ]
    results = limiter.check_batch([*wrong, ("k", 2)])
    failed, (good,) = results[: len(wrong)], results[len(wrong) :]
    assert {type(one) for one in failed} == {flint.FailedCheck}
    assert not any(failed)
    assert not any(one.allowed for one in failed)
    assert type(failed[0].error) is flint.LimitNotConfigured
    assert {type(one.error) for one in failed[1:]} == {ValueError}
    assert "capacity" in str(failed[1].error)
    assert str(failed[2].error).startswith("checks[2] ")
    assert str(failed[7].error).startswith("checks[7].limit ")
    assert good.remaining == 3


@pytest.mark.parametrize(
    "bad", ["k", b"k", None, 5, {"key": "k"}, ["k", 5], ["k", ("k", "x")], [{"key": 1}], [{"key": "k", "dry_run": 1}]]
)
def test_a_wrong_type_raises_and_nothing_is_decided(limiter: Any, bad: Any) -> None:
    limiter.limit("k", "5/d")
    with pytest.raises(TypeError, match="checks"):
        limiter.check_batch(bad)
    assert limiter.status("k")["remaining"] == 5


def test_a_batch_may_be_empty_and_has_at_most_a_thousand_checks(limiter: Any) -> None:
    limiter.limit("k", "5/d")
    assert limiter.check_batch([]) == []
    with pytest.raises(ValueError, match="checks must contain at most 1000 checks"):
        limiter.check_batch(["k"] * 1001)
    assert limiter.status("k")["remaining"] == 5
    long = ["\u00e9" * 253 + f"{index:03}" for index in range(1000)]
    results = limiter.check_batch({"key": key, "limit": "2/d sliding_window_log"} for key in long)
    assert [one.key for one in results] == long
    assert all(results)


def test_for_asyncio(limiter: Any, raw_limiter: flint.AbstractLimiter) -> None:
    async def check() -> Any:
        return await raw_limiter.acheck_batch([("k", 4), "nobody", ("k", 4)])

    limiter.limit("k", "5/d")
    results = asyncio.run(check())
    assert [bool(one) for one in results] == [True, False, False]
    assert results[1].error is not None


def test_a_closed_limiter_decides_nothing(limiter: Any) -> None:
    limiter.limit("k", "5/d")
    limiter.close()
    with pytest.raises(flint.StorageError):
        limiter.check_batch(["k"])
