"""Waiting for units: as long as it takes and not longer, in the order of the calls, and nothing is left behind."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from support import PATIENCE_S, Server, wait_until

import flint


def waiters(limiter: flint.AbstractLimiter) -> int:
    return sum(len(queue.sleepers) for queue in limiter._queues._queues.values())


def in_threads(limiter: flint.AbstractLimiter, calls: list[Callable[[], object]]) -> list[threading.Thread]:
    """Each in a thread of its own, which begins when the one before waits."""
    threads = []
    for call in calls:
        before = waiters(limiter)
        thread = threading.Thread(target=call)
        thread.start()
        threads.append(thread)
        wait_until(lambda before=before: waiters(limiter) > before, "a call that waits")  # type: ignore[misc]
    return threads


def test_what_there_is_passes_at_once(limiter: Any) -> None:
    limiter.limit("k", "3/d")
    began = time.monotonic()
    result = limiter.acquire("k", cost=2)
    assert type(result) is flint.CheckResult
    assert (result.allowed, result.cost, result.remaining) == (True, 2, 1)
    assert limiter.acquire("new", limit="1/d", timeout=0)
    assert time.monotonic() - began < 1


def test_what_is_denied_passes_when_its_time_has_come(limiter: Any) -> None:
    limiter.limit("k", rate=1, per="300ms")
    assert limiter.check("k")
    began = time.monotonic()
    assert limiter.acquire("k", timeout=PATIENCE_S)
    assert 0.25 < time.monotonic() - began < 2
    assert limiter.status("k")["total_denied"] <= 1


@pytest.mark.parametrize("timeout", [0, 0.1])
def test_at_the_timeout_the_result_is_false(limiter: Any, timeout: float) -> None:
    limiter.limit("k", "2/d")
    assert limiter.check("k", 2)
    began = time.monotonic()
    result = limiter.acquire("k", cost=2, timeout=timeout)
    assert timeout <= time.monotonic() - began < timeout + 1
    assert not result
    assert (result.key, result.cost, result.limit, result.remaining) == ("k", 2, 2, 0)
    assert result.retry_after_ms > 80_000_000
    status = limiter.status("k")
    assert (status["total_denied"], status["total_denied_cost"]) == (1, 2)


def test_nobody_overtakes_one_who_waits_for_more(raw_limiter: flint.AbstractLimiter) -> None:
    raw_limiter.limit("k", rate=10, per="1h", algorithm="fixed_window_counter")
    raw_limiter.check("k", 9)
    order: list[int] = []

    def acquire(cost: int, timeout: float) -> None:
        if raw_limiter.acquire("k", cost=cost, timeout=timeout):
            order.append(cost)

    threads = in_threads(raw_limiter, [lambda: acquire(5, 0.3), lambda: acquire(1, PATIENCE_S)])
    time.sleep(0.1)
    assert order == []
    for thread in threads:
        thread.join(PATIENCE_S)
    assert order == [1]


def test_in_the_order_of_the_calls(raw_limiter: flint.AbstractLimiter) -> None:
    raw_limiter.limit("k", rate=1, per="250ms")
    raw_limiter.check("k")
    order: list[int] = []

    def acquire(number: int) -> None:
        assert raw_limiter.acquire("k", timeout=PATIENCE_S)
        order.append(number)

    async def tasks() -> None:
        async def one(number: int) -> None:
            assert await raw_limiter.aacquire("k", timeout=PATIENCE_S)
            order.append(number)

        await asyncio.gather(one(1), one(2))

    def loop_of_tasks() -> None:
        asyncio.run(tasks())

    threads = in_threads(raw_limiter, [lambda: acquire(0), loop_of_tasks])
    wait_until(lambda: waiters(raw_limiter) >= 2 or len(order) > 0, "the tasks")
    threads += in_threads(raw_limiter, [lambda: acquire(3), lambda: acquire(4)])
    for thread in threads:
        thread.join(PATIENCE_S)
    assert sorted(order) == [0, 1, 2, 3, 4]
    assert order[0] == 0
    assert order.index(1) < order.index(2)
    assert order.index(3) < order.index(4)
    status = raw_limiter.status("k")
    assert status is not None
    assert status["total_denied"] <= 5
    assert waiters(raw_limiter) == 0


def test_a_queue_takes_all_that_there_is(raw_limiter: flint.AbstractLimiter) -> None:
    raw_limiter.limit("k", rate=200, per="1s", burst=1)
    began = time.monotonic()
    threads = [
        threading.Thread(target=lambda: [raw_limiter.acquire("k", timeout=PATIENCE_S) for _ in range(20)])
        for _ in range(5)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    took_s = time.monotonic() - began
    status = raw_limiter.status("k")
    assert status is not None
    assert status["total_allowed"] == 100
    assert status["total_denied"] <= 100
    assert 0.49 <= took_s < 20


def test_a_cancelled_task_leaves_its_place(raw_limiter: flint.AbstractLimiter) -> None:
    raw_limiter.limit("k", rate=1, per="200ms")
    raw_limiter.check("k")

    async def use() -> bool:
        first = asyncio.ensure_future(raw_limiter.aacquire("k"))
        second = asyncio.ensure_future(raw_limiter.aacquire("k", timeout=PATIENCE_S))
        while waiters(raw_limiter) < 2:
            await asyncio.sleep(0.005)
        first.cancel()
        with pytest.raises(asyncio.CancelledError):
            await first
        return bool(await second)

    assert asyncio.run(use())
    assert waiters(raw_limiter) == 0


def test_an_interrupt_ends_the_wait(raw_limiter: flint.AbstractLimiter) -> None:
    raw_limiter.limit("k", "1/d")
    raw_limiter.check("k")
    # A shell starts background jobs with SIGINT ignored, and Python leaves it so.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    timer = threading.Timer(0.1, os.kill, (os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        raw_limiter.acquire("k", timeout=PATIENCE_S)
    timer.join()
    signal.signal(signal.SIGINT, before)
    assert waiters(raw_limiter) == 0


def test_a_loop_that_ended_holds_up_nobody(raw_limiter: flint.AbstractLimiter) -> None:
    raw_limiter.limit("k", rate=1, per="100ms")
    raw_limiter.check("k")
    loop = asyncio.new_event_loop()
    task = loop.create_task(raw_limiter.aacquire("k"))
    while waiters(raw_limiter) == 0:
        loop.run_until_complete(asyncio.sleep(0.005))
    loop.close()
    assert raw_limiter.acquire("k", timeout=0.5) is not None
    raw_limiter._queues.given_back(["k"])
    assert waiters(raw_limiter) == 0
    assert raw_limiter.acquire("k", timeout=PATIENCE_S)
    task._log_destroy_pending = False  # type: ignore[attr-defined]


def test_whoever_waits_learns_of_the_close(raw_limiter: flint.AbstractLimiter) -> None:
    raw_limiter.limit("k", "1/d")
    raw_limiter.check("k")
    errors: list[Exception] = []

    def acquire() -> None:
        try:
            raw_limiter.acquire("k")
        except flint.StorageError as error:
            errors.append(error)

    threads = in_threads(raw_limiter, [acquire, acquire])
    raw_limiter.close()
    for thread in threads:
        thread.join(PATIENCE_S)
    assert len(errors) == 2


def test_a_blocked_key_is_waited_for(limiter: Any, raw_limiter: flint.AbstractLimiter) -> None:
    raw_limiter.limit("k", "5/s", mode="block")
    timer = threading.Timer(0.2, raw_limiter.limit, ("k", "5/s"))
    timer.start()
    result = limiter.acquire("k", timeout=PATIENCE_S)
    timer.join()
    assert result
    raw_limiter.limit("k", "5/s", mode="block")
    denied = limiter.acquire("k", timeout=0)
    assert denied.retry_after_ms is None


def test_a_child_of_fork_waits_by_itself(server: Server) -> None:
    with flint.SharedLimiter(server.socket) as limiter:
        limiter.limit("k", rate=1, per="300ms")
        limiter.check("k")
        threads = in_threads(limiter, [lambda: limiter.acquire("k", timeout=PATIENCE_S)])
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if limiter.acquire("k", timeout=PATIENCE_S) else 2
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        for thread in threads:
            thread.join(PATIENCE_S)


def test_an_error_is_raised_and_leaves_nothing(limiter: Any, raw_limiter: flint.AbstractLimiter) -> None:
    with pytest.raises(flint.LimitNotConfigured):
        limiter.acquire("unknown")
    limiter.limit("k", "2/d")
    with pytest.raises(ValueError, match="cost"):
        limiter.acquire("k", cost=3)
    for timeout in (-1, 10**9):
        with pytest.raises(ValueError, match="timeout"):
            limiter.acquire("k", timeout=timeout)
    for wrong in (True, "1", [1]):
        with pytest.raises(TypeError, match="timeout"):
            limiter.acquire("k", timeout=wrong)
    with pytest.raises(TypeError, match="cost"):
        limiter.acquire("k", cost="1")
    assert limiter.status("k")["remaining"] == 2
    assert waiters(raw_limiter) == 0
