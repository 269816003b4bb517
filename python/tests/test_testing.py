"""flint.testing, and the fixture of the pytest plugin."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

import flint
from flint.testing import ManualClock, MemoryLimiter


def test_the_fixture_is_a_limiter_by_a_clock_that_the_test_moves(flint_limiter: MemoryLimiter) -> None:
    flint_limiter.limit("k", rate=3, per="1m")
    assert [flint_limiter.allow("k") for _ in range(4)] == [True, True, True, False]
    denied = flint_limiter.check("k")
    assert (denied.retry_after_ms, denied.reset_after_ms) == (20_000, 60_000)
    flint_limiter.clock.advance("19s")
    flint_limiter.clock.advance("999ms")
    assert not flint_limiter.allow("k")
    flint_limiter.clock.advance("1ms")
    assert flint_limiter.allow("k")
    assert not flint_limiter.allow("k")


def test_the_fixture_begins_anew_in_each_test(flint_limiter: MemoryLimiter) -> None:
    assert flint_limiter.list() == []
    assert flint_limiter.clock.now() == datetime(2030, 1, 1, tzinfo=timezone.utc)


def test_the_clock_is_what_is_shown(flint_limiter: MemoryLimiter) -> None:
    flint_limiter.clock.advance(timedelta(days=1, milliseconds=5))
    flint_limiter.clock.advance(2)
    now = datetime(2030, 1, 2, 0, 0, 2, 5_000, tzinfo=timezone.utc)
    assert flint_limiter.clock.now() == now
    flint_limiter.limit("k", rate=1, per="1h", algorithm="fixed_window_counter")
    assert flint_limiter.check("k").reset_at == now + timedelta(hours=1)
    status = flint_limiter.status("k")
    assert status is not None
    assert status["last_allowed_at"] == now


def test_several_limiters_may_share_one_clock() -> None:
    clock = ManualClock()
    with MemoryLimiter(clock) as one, MemoryLimiter(clock) as other:
        one.limit("k", rate=1, per="1s")
        other.limit("k", rate=1, per="2s")
        assert one.allow("k") and other.allow("k")
        clock.advance("1s")
        assert (one.allow("k"), other.allow("k")) == (True, False)


def test_everything_works_in_memory(flint_limiter: MemoryLimiter, tmp_path: object) -> None:
    assert isinstance(flint_limiter, flint.Limiter)
    flint_limiter.limit("k", rate=5, per="1m")
    flint_limiter.check("k")
    flint_limiter.compact()
    flint_limiter.flush()
    flint_limiter.reset("k")
    assert [event["kind"] for event in flint_limiter.history("k")][-1] == "reset"
    assert flint_limiter.doctor()["ok"]


def test_a_clock_goes_forward_only(flint_limiter: MemoryLimiter) -> None:
    for by in (-1, "0s", timedelta(0)):
        with pytest.raises(ValueError, match="by must be"):
            flint_limiter.clock.advance(by)


def test_a_clock_does_not_wrap_to_the_past(flint_limiter: MemoryLimiter) -> None:
    # Symptom: 250 years ahead, the clock showed the 18th century.
    flint_limiter.limit("k", rate=1, per="1m")
    before = flint_limiter.clock.now()
    with pytest.raises(ValueError, match="2116"):
        for _ in range(250):
            flint_limiter.clock.advance("366d")
    assert flint_limiter.clock.now() > before
    assert flint_limiter.allow("k")


def test_the_limiter_outlives_its_last_use_of_the_clock() -> None:
    limiter = MemoryLimiter()
    limiter.limit("k", rate=1, per="1m")
    del limiter.clock
    assert limiter.allow("k")
