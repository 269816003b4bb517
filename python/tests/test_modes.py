"""Limits that are not enforced: shadow lets everything pass and counts what it would deny, block lets nothing pass."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest
from conftest import MODES, open_limiter
from doors import DOORS, Door

import flint
from flint import testing


@pytest.fixture(params=(*MODES, "memory"))
def raw_limiter(request: pytest.FixtureRequest) -> Iterator[flint.AbstractLimiter]:
    """As everywhere, and one in memory."""
    with testing.MemoryLimiter() if request.param == "memory" else open_limiter(request.param, request) as limiter:
        yield limiter


def test_a_shadow_allows_everything_and_counts_what_it_would_deny(limiter: Any) -> None:
    limiter.limit("k", "2/d", mode="shadow")
    results = [limiter.check("k", cost) for cost in (1, 2, 1, 1, 5)]
    assert all(results)
    assert [one.would_deny for one in results] == [False, True, False, True, True]
    assert {one.retry_after_ms for one in results} == {0}
    status = limiter.status("k")
    assert (status["mode"], status["would_deny"]) == ("shadow", 3)
    assert (status["total_allowed"], status["total_denied"]) == (2, 0)
    limiter.flush()
    events = limiter.history("k")
    assert (events[0]["kind"], events[0]["mode"]) == ("configured", "shadow")
    assert (events[-1]["kind"], events[-1]["count"], events[-1]["cost"]) == ("would_deny", 3, 8)


def test_a_block_denies_everything_and_no_time_helps(limiter: Any) -> None:
    limiter.limit("k", "2/d", mode="block")
    denied = limiter.check("k")
    assert not denied
    assert denied.retry_after_ms is None
    assert denied.would_deny is None
    assert limiter.status("k")["total_denied"] == 1
    answer = limiter.check_all([{"key": "free", "limit": "2/d"}, "k"])
    assert (answer["allowed"], answer["denied_key"]) == (False, "k")


def test_a_change_of_the_mode_leaves_usage_and_its_absence_enforces(limiter: Any) -> None:
    limiter.limit("k", "2/d")
    limiter.check("k", 2)
    limiter.limit("k", "2/d", mode="shadow")
    assert limiter.check("k").would_deny is True
    limiter.limit("k", "2/d")
    assert limiter.status("k")["mode"] == "enforce"
    assert not limiter.check("k")


def test_a_pattern_in_a_mode_holds_also_where_a_check_carries_a_limit(limiter: Any) -> None:
    limiter.limit("ip:*", "2/d", mode="block")
    assert limiter.status("ip:*")["override"] is True
    assert not limiter.check("ip:1", limit="9/d")
    assert limiter.status("ip:1")["mode"] == "block"


@pytest.mark.parametrize("mode", ["enforce", "block"])
def test_a_carried_limit_has_no_mode(limiter: Any, mode: str) -> None:
    with pytest.raises(ValueError, match="limit.mode cannot come with a check"):
        limiter.check("k", limit={"rate": 1, "per": "1d", "mode": mode})


def test_a_decorated_function_that_is_blocked_has_no_time_to_retry(flint_limiter: testing.MemoryLimiter) -> None:
    flint_limiter.limit("k", "2/d", mode="block")

    @flint_limiter.rate_limit("k", "2/d")
    def call() -> None:
        raise AssertionError

    with pytest.raises(flint.RateLimitExceeded, match="it can never pass") as raised:
        call()
    assert raised.value.retry_after is None


@pytest.mark.parametrize("mode", ["shadow", "block"])
def test_responses_say_nothing_of_a_quota_that_is_not_enforced(
    flint_limiter: testing.MemoryLimiter, mode: Any
) -> None:
    assert "RateLimit" in flint.headers(flint_limiter.check("k", limit="2/d"))
    flint_limiter.limit("k", "2/d", mode=mode)
    for cost in (1, 2, 5):
        assert flint.headers(flint_limiter.check("k", cost)) == {}


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_an_entry_point_lets_pass_what_a_shadow_would_deny_and_nothing_that_is_blocked(
    door: Door, flint_limiter: testing.MemoryLimiter
) -> None:
    with contextlib.ExitStack() as stack:
        application = door.build(stack, flint_limiter, {"key": "k", "rate": "1/d"})
        flint_limiter.limit("k", "1/d", mode="shadow")
        for _ in range(2):
            answer = door.ask(application)
            assert answer.status == 200
            assert not any("ratelimit" in name.lower() for name, _ in answer.fields)
        flint_limiter.limit("k", "1/d", mode="block")
        denied = door.ask(application)
        assert denied.status == 429
        assert not any("ratelimit" in name.lower() or name.lower() == "retry-after" for name, _ in denied.fields)
