"""How coroutines wait for group commits, in the mode where there is something to wait for."""

from __future__ import annotations

import asyncio
import gc
import sys
import threading
import weakref
from collections.abc import Iterator
from pathlib import Path

import pytest

import flint


@pytest.fixture
def limiter(tmp_path: Path) -> Iterator[flint.Limiter]:
    with flint.Limiter(tmp_path / "data", sync="always") as limiter:
        limiter.limit("k", rate=1_000_000, per="1d")
        yield limiter


def durable_seq(limiter: flint.Limiter) -> int:
    return limiter.doctor()["durable_seq"]


def test_a_check_is_durable_when_it_is_awaited(limiter: flint.Limiter) -> None:
    async def use() -> None:
        begun = limiter.doctor()["last_seq"]
        for _ in range(20):
            assert await limiter.acheck("k")
            report = limiter.doctor()
            assert report["durable_seq"] == report["last_seq"]
        await limiter.alimit("other", rate=1, per="1m")
        await limiter.areset("k")
        await limiter.acheck_all(["k", "other"])
        report = limiter.doctor()
        assert report["durable_seq"] == report["last_seq"] == begun + 23

    asyncio.run(use())


def test_waiting_takes_no_thread_each_and_shares_commits(limiter: flint.Limiter) -> None:
    begun = durable_seq(limiter)

    async def use() -> None:
        before = threading.active_count()
        checks = [asyncio.ensure_future(limiter.acheck("k")) for _ in range(500)]
        await asyncio.sleep(0)
        assert threading.active_count() == before
        results = await asyncio.gather(*checks)
        assert sorted(result.remaining for result in results) == list(range(999_500, 1_000_000))

    asyncio.run(use())
    assert durable_seq(limiter) == begun + 500


def test_a_cancelled_wait_disturbs_no_other(limiter: flint.Limiter) -> None:
    async def use() -> None:
        for _ in range(10):
            checks = [asyncio.ensure_future(limiter.acheck("k")) for _ in range(20)]
            await asyncio.sleep(0)
            for check in checks[::2]:
                check.cancel()
            results = await asyncio.gather(*checks, return_exceptions=True)
            assert all(isinstance(result, asyncio.CancelledError) for result in results[::2])
            assert all(isinstance(result, flint.CheckResult) for result in results[1::2])

    asyncio.run(use())
    # A check that was cancelled while it waited was charged.
    status = limiter.status("k")
    assert status is not None
    assert status["total_allowed"] == 200


def test_a_loop_that_is_closed_while_a_commit_is_awaited_is_forgotten(limiter: flint.Limiter) -> None:
    loop = asyncio.new_event_loop()
    check = loop.create_task(limiter.acheck("k"))
    # Runs until the check waits for its commit.
    loop.call_soon(loop.stop)
    loop.run_forever()
    check.cancel()
    loop.call_soon(loop.stop)
    loop.run_forever()
    loop.close()
    gone = weakref.ref(loop)
    del loop, check
    limiter.flush()
    for _ in range(2):
        assert asyncio.run(limiter.acheck("k"))
    gc.collect()
    assert gone() is None


def test_loops_in_many_threads_use_one_limiter(limiter: flint.Limiter) -> None:
    async def use() -> list[bool]:
        return await asyncio.gather(*(limiter.aallow("k") for _ in range(100)))

    granted: list[bool] = []
    threads = [threading.Thread(target=lambda: granted.extend(asyncio.run(use()))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert granted == [True] * 800


def test_a_failure_of_storage_reaches_everybody_who_waits(tmp_path: Path) -> None:
    limiter = flint.Limiter(tmp_path, sync="always")
    limiter.limit("k", rate=1000, per="1d")
    (tmp_path / "flint.lock").unlink()

    async def use() -> None:
        results = await asyncio.gather(*(limiter.acheck("k") for _ in range(10)), return_exceptions=True)
        assert [type(result) for result in results] == [flint.StorageError] * 10
        assert len({id(result) for result in results}) == 10
        with pytest.raises(flint.StorageError):
            await limiter.acheck("k")

    asyncio.run(use())


def test_nobody_is_left_waiting_when_the_limiter_is_closed(limiter: flint.Limiter) -> None:
    async def use() -> None:
        checks = [asyncio.ensure_future(limiter.acheck("k")) for _ in range(50)]
        await asyncio.sleep(0)
        await limiter.aclose()
        assert all(await asyncio.gather(*checks))

    asyncio.run(use())


def test_a_limiter_that_is_dropped_while_coroutines_wait_serves_them_first(tmp_path: Path) -> None:
    async def use() -> None:
        limiter = flint.Limiter(tmp_path, sync="always")
        limiter.limit("k", rate=100, per="1d")
        checks = [asyncio.ensure_future(limiter.acheck("k")) for _ in range(50)]
        await asyncio.sleep(0)
        del limiter
        assert all(await asyncio.gather(*checks))
        del checks
        flint.Limiter(tmp_path).close()

    asyncio.run(use())


def test_in_batch_mode_a_check_does_not_suspend(tmp_path: Path) -> None:
    with flint.Limiter(tmp_path, sync="batch") as limiter:
        limiter.limit("k", rate=2, per="1d")
        check = limiter.acheck("k")
        with pytest.raises(StopIteration) as finished:
            check.send(None)
        assert finished.value.value.remaining == 1


def test_loops_that_begin_and_end_in_many_threads_do_not_disturb_each_other(tmp_path: Path) -> None:
    """Symptom: RuntimeError, dictionary keys changed during iteration, from acheck() in `always`."""
    failures: list[BaseException] = []

    def use(limiter: flint.Limiter) -> None:
        try:
            for _ in range(30):
                asyncio.run(limiter.acheck("k"))
        except BaseException as failure:
            failures.append(failure)

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with flint.Limiter(tmp_path) as limiter:
            limiter.limit("k", rate=1000, per=1)
            threads = [threading.Thread(target=use, args=(limiter,)) for _ in range(12)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert failures == []
