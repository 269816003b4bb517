"""Charges, reservations and slots, in every kind of limiter, for threads and for asyncio."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from conftest import MODES, open_limiter
from support import PATIENCE_S

import flint
from flint import testing


@pytest.fixture(params=(*MODES, "memory"))
def raw_limiter(request: pytest.FixtureRequest) -> Iterator[flint.AbstractLimiter]:
    """As everywhere, and one in memory."""
    with testing.MemoryLimiter() if request.param == "memory" else open_limiter(request.param, request) as limiter:
        yield limiter


@pytest.fixture
def style(limiter: Any, raw_limiter: flint.AbstractLimiter) -> str:
    return "sync" if limiter is raw_limiter else "async"


def settle(style: str, loop: Any, held: flint.Reservation, method: str, *args: Any) -> Any:
    if style == "sync":
        return getattr(held, method)(*args)
    return loop.run_until_complete(getattr(held, f"a{method}")(*args))


def left(limiter: Any, key: str) -> int:
    remaining: int = limiter.status(key)["remaining"]
    return remaining


# --- Charges


def test_a_charge_counts_what_has_happened(limiter: Any) -> None:
    limiter.limit("k", "10/d")
    result = limiter.charge("k", 4)
    assert type(result) is flint.CheckResult
    assert (result.allowed, result.cost, result.remaining) == (True, 4, 6)
    beyond = limiter.charge("k", 20)
    assert not beyond
    assert beyond.remaining == 0
    assert not limiter.check("k")
    assert limiter.charge("new", 2, limit="5/d").remaining == 3


def test_a_charge_that_is_sent_again_counts_once(limiter: Any) -> None:
    limiter.limit("k", "10/d")
    first = limiter.charge("k", 4, request_id="c")
    assert limiter.charge("k", 4, request_id="c").remaining == first.remaining
    assert left(limiter, "k") == 6
    with pytest.raises(ValueError, match="request_id"):
        limiter.charge("k", 5, request_id="c")


@pytest.mark.parametrize("cost", [0, -1, 2**40 + 1])
def test_a_charge_of_a_wrong_cost(limiter: Any, cost: int) -> None:
    limiter.limit("k", "10/d")
    with pytest.raises(ValueError, match="cost"):
        limiter.charge("k", cost)
    with pytest.raises(TypeError, match="cost"):
        limiter.charge("k", "1")
    with pytest.raises(flint.LimitNotConfigured):
        limiter.charge("unknown", 1)
    assert left(limiter, "k") == 10


# --- Reservations


def test_a_reservation_is_charged_and_settled_at_what_it_cost(limiter: Any, style: str, loop: Any) -> None:
    limiter.limit("rpm", "5/d")
    limiter.limit("tpm", "1000/d")
    held = limiter.reserve({"rpm": 1, "tpm": 600}, ttl="1m")
    assert type(held) is flint.Reservation
    assert held
    assert (held.allowed, held.denied_key) == (True, None)
    assert [(one.key, one.cost, one.remaining) for one in held.results] == [("rpm", 1, 4), ("tpm", 600, 400)]
    assert len(str(held.id)) == 32
    assert held.expires_at is not None
    assert held.expires_at.tzinfo is timezone.utc
    assert left(limiter, "tpm") == 400
    assert limiter.status("tpm")["reserved"] == 600
    results = settle(style, loop, held, "commit", {"tpm": 250})
    assert [(one.key, one.cost, one.allowed) for one in results] == [("rpm", 1, True), ("tpm", 250, True)]
    assert (left(limiter, "rpm"), left(limiter, "tpm")) == (4, 750)
    assert limiter.status("tpm")["reserved"] == 0


def test_it_may_have_cost_more(limiter: Any) -> None:
    limiter.limit("k", "10/d")
    held = limiter.reserve([("k", 4)], ttl=60)
    (result,) = limiter.commit(held.id, {"k": 14})
    assert (result.cost, result.allowed, left(limiter, "k")) == (14, False, 0)


def test_a_cancelled_one_gives_everything_back(limiter: Any, style: str, loop: Any) -> None:
    limiter.limit("k", "10/d sliding_window_log")
    items = ["k", {"key": "new", "cost": 3, "limit": "5/d fixed_window_counter"}]
    held = limiter.reserve(items, ttl=timedelta(minutes=1))
    assert left(limiter, "new") == 2
    settle(style, loop, held, "cancel")
    assert (left(limiter, "k"), left(limiter, "new")) == (10, 5)


def test_to_settle_again_answers_what_the_first_time_answered(limiter: Any) -> None:
    limiter.limit("k", "10/d sliding_window_log")
    held = limiter.reserve([("k", 4)], ttl="1m")
    first = limiter.commit(held.id, {"k": 1})
    assert [(one.key, one.cost) for one in limiter.commit(held.id, {"k": 3})] == [("k", 1)] == [
        (one.key, one.cost) for one in first
    ]
    assert [one.cost for one in limiter.cancel(held.id)] == [1]
    assert left(limiter, "k") == 9


def test_a_denied_one_holds_nothing(limiter: Any, style: str, loop: Any) -> None:
    limiter.limit("a", "5/d")
    limiter.limit("b", "1/d")
    limiter.check("b")
    held = limiter.reserve(["a", "b"], ttl="1m")
    assert not held
    assert (held.denied_key, held.id, held.expires_at) == ("b", None, None)
    assert [one.allowed for one in held.results] == [True, False]
    assert left(limiter, "a") == 5
    for method in ("commit", "cancel"):
        with pytest.raises(flint.ReservationNotFound):
            settle(style, loop, held, method)
    with pytest.raises(flint.ReservationNotFound):
        settle(style, loop, held, "renew", "1m")


def test_as_a_dict_it_is_what_the_api_says(limiter: Any) -> None:
    limiter.limit("k", "5/d")
    document = limiter.reserve(["k"], ttl="1m").as_dict()
    assert list(document) == ["allowed", "denied_key", "results", "reservation", "expires_at"]
    assert document["results"][0]["remaining"] == 4
    assert document["expires_at"].endswith("Z")
    limiter.check("k", 4)
    denied = limiter.reserve(["k"], ttl="1m").as_dict()
    assert (denied["allowed"], denied["reservation"], denied["expires_at"]) == (False, None, None)


def test_what_a_reservation_holds(limiter: Any) -> None:
    limiter.limit("k", "5/d")
    held = limiter.reserve([("k", 2)], ttl="1m", on_expiry="return")
    status = limiter.reservation(held.id)
    assert status["reservation"] == held.id
    assert (status["state"], status["on_expiry"], status["settled_at"]) == ("held", "return", None)
    assert status["items"] == [{"key": "k", "cost": 2}]
    assert status["expires_at"] == held.expires_at
    assert status["expires_at"] - status["reserved_at"] == timedelta(minutes=1)
    limiter.commit(held.id)
    status = limiter.reservation(held.id)
    assert status["state"] == "committed"
    assert isinstance(status["settled_at"], datetime)


def test_a_renewed_one_ends_later(limiter: Any, style: str, loop: Any) -> None:
    limiter.limit("k", "5/d")
    held = limiter.reserve(["k"], ttl="1m")
    before = held.expires_at
    settle(style, loop, held, "renew", "10m")
    assert held.expires_at - before >= timedelta(minutes=8)
    assert limiter.reservation(held.id)["expires_at"] == held.expires_at
    limiter.cancel(held.id)
    with pytest.raises(flint.ReservationNotFound):
        limiter.renew(held.id, "1m")


def test_one_that_nobody_settles_ends_by_its_time() -> None:
    with testing.MemoryLimiter() as limiter:
        limiter.limit("k", "10/d sliding_window_log")
        limiter.reserve([("k", 3)], ttl="10s", on_expiry="return")
        kept = limiter.reserve([("k", 4)], ttl="10s")
        limiter.clock.advance("11s")
        assert left(limiter, "k") == 6
        assert limiter.reservation(str(kept.id))["state"] == "expired"
        # Late, but it has happened.
        limiter.commit(str(kept.id), {"k": 1})
        assert left(limiter, "k") == 9
        limiter.clock.advance("11m")
        with pytest.raises(flint.ReservationNotFound):
            limiter.commit(str(kept.id))


def test_a_reservation_that_is_made_again_is_the_same(limiter: Any) -> None:
    limiter.limit("k", "10/d")
    first = limiter.reserve([("k", 4)], ttl="1m", request_id="r")
    again = limiter.reserve([("k", 4)], ttl="1m", request_id="r")
    assert again.id == first.id
    assert left(limiter, "k") == 6


def test_wrong_arguments(limiter: Any) -> None:
    limiter.limit("k", "5/d")
    held = limiter.reserve(["k"], ttl="1m")
    unknown = "0" * 32
    for call in (limiter.commit, limiter.cancel, limiter.reservation):
        with pytest.raises(flint.ReservationNotFound):
            call(unknown)
        with pytest.raises(ValueError, match="reservation must be"):
            call("../limits")
        with pytest.raises(TypeError, match="reservation must be a str"):
            call(7)
    for ttl in (0, "367d", "soon"):
        with pytest.raises(ValueError, match="ttl"):
            limiter.reserve(["k"], ttl=ttl)
        with pytest.raises(ValueError, match="ttl"):
            limiter.renew(held.id, ttl)
    with pytest.raises(ValueError, match="on_expiry"):
        limiter.reserve(["k"], ttl="1m", on_expiry="drop")
    with pytest.raises(ValueError, match="items"):
        limiter.reserve({}, ttl="1m")
    with pytest.raises(TypeError, match="costs must be a dict"):
        limiter.commit(held.id, [("k", 1)])
    with pytest.raises(TypeError, match=r"costs\['k'\]"):
        limiter.commit(held.id, {"k": "1"})
    with pytest.raises(ValueError, match=r"costs\['k'\]"):
        limiter.commit(held.id, {"k": -1})
    with pytest.raises(ValueError, match="other"):
        limiter.commit(held.id, {"other": 1})
    with pytest.raises(flint.LimitNotConfigured):
        limiter.reserve(["unknown"], ttl="1m")
    assert left(limiter, "k") == 4


# --- As a context manager


def test_a_block_settles(raw_limiter: flint.AbstractLimiter) -> None:
    raw_limiter.limit("k", "10/d sliding_window_log")
    with raw_limiter.reserve([("k", 4)], ttl="1m") as held:
        assert left(raw_limiter, "k") == 6
    assert raw_limiter.reservation(str(held.id))["state"] == "committed"
    assert left(raw_limiter, "k") == 6
    with raw_limiter.reserve([("k", 4)], ttl="1m") as held:
        held.commit({"k": 1})
    assert left(raw_limiter, "k") == 5
    with pytest.raises(ZeroDivisionError), raw_limiter.reserve([("k", 4)], ttl="1m"):
        raise ZeroDivisionError
    assert left(raw_limiter, "k") == 5
    with pytest.raises(flint.RateLimitExceeded) as denied, raw_limiter.reserve([("k", 6)], ttl="1m"):
        raise AssertionError("the block runs")
    assert (denied.value.key, denied.value.cost, denied.value.remaining) == ("k", 6, 5)
    assert denied.value.retry_after is not None


def test_an_asynchronous_block_settles(raw_limiter: flint.AbstractLimiter) -> None:
    async def use() -> None:
        raw_limiter.limit("k", "10/d sliding_window_log")
        async with await raw_limiter.areserve([("k", 4)], ttl="1m"):
            pass
        with pytest.raises(ZeroDivisionError):
            async with await raw_limiter.areserve([("k", 4)], ttl="1m"):
                raise ZeroDivisionError
        assert left(raw_limiter, "k") == 6
        with pytest.raises(flint.RateLimitExceeded):
            async with await raw_limiter.areserve([("k", 7)], ttl="1m"):
                raise AssertionError("the block runs")

        async def held_up() -> None:
            async with await raw_limiter.areserve([("k", 4)], ttl="1m"):
                await asyncio.sleep(PATIENCE_S)

        task = asyncio.create_task(held_up())
        while left(raw_limiter, "k") == 6:
            await asyncio.sleep(0.005)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert left(raw_limiter, "k") == 6

    asyncio.run(use())


# --- Slots


def test_slots_are_held_until_they_are_given_back(limiter: Any, style: str, loop: Any) -> None:
    limiter.limit("job", rate=2, per="1h", algorithm="concurrency")
    held = [limiter.reserve(["job"], ttl="1m") for _ in range(3)]
    assert [bool(one) for one in held] == [True, True, False]
    assert held[2].results[0].algorithm == "concurrency"
    assert (left(limiter, "job"), limiter.status("job")["reserved"]) == (0, 2)
    settle(style, loop, held[0], "commit")
    assert left(limiter, "job") == 1
    for refused in (limiter.check, lambda key: limiter.charge(key, 1)):
        with pytest.raises(ValueError, match="concurrency"):
            refused("job")


def test_who_waits_for_a_slot_gets_it_soon_after_it_is_free(raw_limiter: flint.AbstractLimiter) -> None:
    if isinstance(raw_limiter, testing.MemoryLimiter):
        pytest.skip("its clock stands still, but not its waiting")
    raw_limiter.limit("job", rate=1, per="1h", algorithm="concurrency")
    first = raw_limiter.acquire("job", ttl="1m")
    assert type(first) is flint.Reservation
    assert not raw_limiter.acquire("job", ttl="1m", timeout=0.1)
    took: list[tuple[float, flint.Reservation]] = []

    def wait() -> None:
        held = raw_limiter.acquire("job", ttl="1m", timeout=PATIENCE_S)
        took.append((time.monotonic(), held))

    thread = threading.Thread(target=wait)
    thread.start()
    time.sleep(0.3)
    assert took == []
    # By its id, as another process would.
    free_at = time.monotonic()
    raw_limiter.commit(str(first.id))
    thread.join(PATIENCE_S)
    at, held = took[0]
    assert held
    assert at - free_at < 1
    held.cancel()


def test_a_slot_that_another_process_gives_back_is_noticed(server: Any) -> None:
    with flint.SharedLimiter(server.socket) as one, flint.SharedLimiter(server.socket) as other:
        one.limit("job", rate=1, per="1h", algorithm="concurrency")
        delays = []
        for _ in range(5):
            held = one.acquire("job", ttl="1m", timeout=PATIENCE_S)
            free_at = [0.0]

            def give_back(held: flint.Reservation = held, free_at: list[float] = free_at) -> None:
                free_at[0] = time.monotonic()
                held.cancel()

            timer = threading.Timer(0.2, give_back)
            timer.start()
            mine = other.acquire("job", ttl="1m", timeout=PATIENCE_S)
            delays.append(time.monotonic() - free_at[0])
            assert mine
            timer.join()
            mine.cancel()
        # On a busy machine one may be late.
        assert sorted(delays)[2] < 0.1, delays


def test_no_more_slots_than_there_are(raw_limiter: flint.AbstractLimiter) -> None:
    if isinstance(raw_limiter, testing.MemoryLimiter):
        pytest.skip("its clock stands still, but not its waiting")
    raw_limiter.limit("job", rate=3, per="1h", algorithm="concurrency")
    lock = threading.Lock()
    now, most, done = 0, 0, 0

    def work() -> None:
        nonlocal now, most, done
        for _ in range(5):
            with raw_limiter.acquire("job", ttl="1m", timeout=PATIENCE_S):
                with lock:
                    now += 1
                    most = max(most, now)
                time.sleep(0.002)
                with lock:
                    now -= 1
                    done += 1

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert (done, most) == (40, 3)
    assert left(raw_limiter, "job") == 3


def test_a_cancelled_wait_takes_no_slot(raw_limiter: flint.AbstractLimiter) -> None:
    if isinstance(raw_limiter, testing.MemoryLimiter):
        pytest.skip("its clock stands still, but not its waiting")
    raw_limiter.limit("job", rate=1, per="1h", algorithm="concurrency")

    async def use() -> None:
        for turns in range(40):
            task = asyncio.create_task(raw_limiter.aacquire("job", ttl="1m"))
            for _ in range(turns % 8):
                await asyncio.sleep(0)
            await asyncio.sleep(turns * 0.0001)
            was_done = task.done()
            task.cancel()
            try:
                held = await task
            except asyncio.CancelledError:
                assert not was_done
            else:
                await held.acancel()
            await asyncio.sleep(0)
        while left(raw_limiter, "job") != 1:
            await asyncio.sleep(0.01)

    asyncio.run(asyncio.wait_for(use(), PATIENCE_S))


def test_an_interrupt_takes_no_slot(raw_limiter: flint.AbstractLimiter) -> None:
    if isinstance(raw_limiter, testing.MemoryLimiter):
        pytest.skip("its clock stands still, but not its waiting")
    raw_limiter.limit("job", rate=1, per="1h", algorithm="concurrency")
    held = raw_limiter.acquire("job", ttl="1m")
    # A shell starts background jobs with SIGINT ignored, and Python leaves it so.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    with pytest.raises(KeyboardInterrupt):
        timer.start()  # which may take longer than its time
        raw_limiter.acquire("job", ttl="1m")
    timer.join()
    signal.signal(signal.SIGINT, before)
    held.cancel()
    assert left(raw_limiter, "job") == 1
