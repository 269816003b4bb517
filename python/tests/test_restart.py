"""A server that is killed and started again: its clients answer again within a second, and nothing is forgotten."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from support import Server
from test_open import kill_server

import flint

LIMIT = "1000/366d"
SECOND = 1.0


def seconds(call: Callable[[], object]) -> float:
    began = time.monotonic()
    call()
    return time.monotonic() - began


def new_client(url: str) -> None:
    """What a client does that knows nothing of an earlier server."""
    with flint.SharedLimiter(url) as limiter:
        limiter.check("other", limit=LIMIT)


def checks_of(limiter: flint.SharedLimiter, loop: asyncio.AbstractEventLoop | None) -> Callable[[], flint.CheckResult]:
    if loop is None:
        return lambda: limiter.check("k", limit=LIMIT)
    return lambda: loop.run_until_complete(limiter.acheck("k", limit=LIMIT))


@pytest.mark.parametrize("place", ["url", "socket"])
@pytest.mark.parametrize("asynchronous", [False, True])
@pytest.mark.parametrize("end", ["kill", "stop"])
def test_a_client_uses_the_new_server_at_once(
    server: Server, loop: asyncio.AbstractEventLoop, place: str, asynchronous: bool, end: str
) -> None:
    with flint.SharedLimiter(getattr(server, place)) as limiter:
        check = checks_of(limiter, loop if asynchronous else None)
        for left in range(999, 989, -2):
            assert check().remaining == left
            getattr(server, end)()
            server.start()
            # The connection was idle, and is found to have ended before anything is sent on it.
            began = time.monotonic()
            assert check().remaining == left - 1
            took = time.monotonic() - began
            assert took < SECOND + 10 * seconds(lambda: new_client(server.url))


def test_a_loop_that_checks_all_the_time_goes_on(server: Server) -> None:
    """With many checks under way at each end."""
    granted, unknown, gaps = [0], [0], [0.0]

    async def work(limiter: flint.SharedLimiter, until: asyncio.Event) -> None:
        answered = time.monotonic()
        while not until.is_set():
            try:
                await limiter.acheck("k", limit="1000000000/366d")
            except flint.FlintConnectionError:
                unknown[0] += 1
                await asyncio.sleep(0.01)
            else:
                granted[0] += 1
                gaps[0] = max(gaps[0], time.monotonic() - max(answered, up[0]))
                answered = time.monotonic()

    async def use(limiter: flint.SharedLimiter) -> None:
        until = asyncio.Event()
        tasks = [asyncio.ensure_future(work(limiter, until)) for _ in range(50)]
        for _ in range(3):
            await asyncio.sleep(0.2)
            await asyncio.to_thread(server.kill)
            await asyncio.to_thread(server.start)
            up[0] = time.monotonic()
        await asyncio.sleep(0.2)
        until.set()
        await asyncio.gather(*tasks)
        status = await limiter.astatus("k")
        assert status is not None
        # Batch mode keeps what was granted before a kill of the process.
        assert granted[0] <= status["total_allowed"] <= granted[0] + unknown[0]

    up = [time.monotonic()]
    with flint.SharedLimiter(server.url) as limiter:
        asyncio.run(use(limiter))
        usual = seconds(lambda: new_client(server.url))
    assert granted[0] > 0
    assert gaps[0] < SECOND + 50 * usual


@pytest.mark.parametrize("asynchronous", [False, True])
def test_open_replaces_a_killed_server_within_a_second(
    directory: Path, loop: asyncio.AbstractEventLoop, asynchronous: bool, tmp_path: Path
) -> None:
    with flint.open(directory) as limiter:
        check = checks_of(limiter, loop if asynchronous else None)
        for left in range(999, 989, -2):
            assert check().remaining == left
            kill_server(directory)
            began = time.monotonic()
            assert check().remaining == left - 1
            took = time.monotonic() - began
            # How long this machine takes to start one at all.
            other = tmp_path / f"other{left}"
            usual = seconds(lambda: flint.open(other).close())  # noqa: B023
            kill_server(other)
            assert took < SECOND + 10 * usual


def test_threads_that_check_all_the_time_go_on(server: Server) -> None:
    stop = threading.Event()
    slowest: list[float] = []

    def work() -> None:
        answered, longest = time.monotonic(), 0.0
        while not stop.is_set():
            try:
                limiter.check("k", limit="1000000000/366d")
            except flint.FlintConnectionError:
                time.sleep(0.01)
            else:
                longest = max(longest, time.monotonic() - max(answered, up[0]))
                answered = time.monotonic()
        slowest.append(longest)

    up = [time.monotonic()]
    with flint.SharedLimiter(server.url) as limiter:
        threads = [threading.Thread(target=work) for _ in range(8)]
        for thread in threads:
            thread.start()
        for _ in range(3):
            time.sleep(0.2)
            server.kill()
            server.start()
            up[0] = time.monotonic()
        time.sleep(0.2)
        stop.set()
        for thread in threads:
            thread.join()
        usual = seconds(lambda: new_client(server.url))
    assert len(slowest) == 8
    assert max(slowest) < SECOND + 50 * usual
