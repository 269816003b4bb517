"""Never more than the limit, exactly: many processes with many threads, and servers that are killed among them."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from support import Server, wait_until

import flint

PROCESSES = 4
THREADS = 6

# Prints how many checks were allowed. Each thread goes on until it is denied. What the checks carry is argv[3].
WORKER = """
import asyncio, sys, threading, flint
limiter = flint.SharedLimiter(sys.argv[1])
carried = sys.argv[3] or None
allowed = []

def use_thread():
    count = 0
    while limiter.allow("k", limit=carried):
        count += 1
    allowed.append(count)

async def use_coroutines():
    async def one():
        count = 0
        while await limiter.aallow("k", limit=carried):
            count += 1
        allowed.append(count)
    await asyncio.gather(*(one() for _ in range(5)))

threads = [threading.Thread(target=use_thread) for _ in range(int(sys.argv[2]))]
threads.append(threading.Thread(target=lambda: asyncio.run(use_coroutines())))
sys.stdin.readline()
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
assert len(allowed) == len(threads) + 4
print(sum(allowed))
"""


ALGORITHMS = ["token_bucket", "sliding_window_log", "fixed_window_counter", "sliding_window_counter"]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_processes_and_threads_that_share_a_limit_get_exactly_that(server: Server, algorithm: str) -> None:
    with flint.SharedLimiter(server.socket) as limiter:
        limiter.limit("k", rate=1500, per="366d", algorithm=algorithm)  # type: ignore[arg-type]
    assert allowed_to_processes(server) == 1500


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize("source", ["carried", "pattern"])
def test_processes_that_nobody_configured_a_key_for_get_exactly_the_limit(
    server: Server, algorithm: str, source: str
) -> None:
    limit = f"1500/366d {algorithm}"
    with flint.SharedLimiter(server.socket) as limiter:
        if source == "pattern":
            limiter.limit("*", limit)
        assert allowed_to_processes(server, limit if source == "carried" else "") == 1500
        status = limiter.status("k")
    assert status is not None
    assert (status["source"], status["total_allowed"], status["remaining"]) == (source, 1500, 0)


def allowed_to_processes(server: Server, carried: str = "") -> int:
    """How many checks of `k` PROCESSES processes pass in all, until each of their threads was denied."""
    workers = [
        subprocess.Popen(
            [sys.executable, "-c", WORKER, server.url, str(THREADS), carried],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(PROCESSES)
    ]
    outputs = [worker.communicate("go\n", timeout=120)[0] for worker in reversed(workers)]
    assert [worker.returncode for worker in workers] == [0] * PROCESSES
    return sum(map(int, outputs))


@pytest.mark.parametrize("sync", ["always", "batch"])
def test_threads_of_one_process_get_exactly_the_limit(tmp_path: Path, sync: str) -> None:
    with flint.Limiter(tmp_path, sync=sync) as limiter:  # type: ignore[arg-type]
        limiter.limit("k", rate=2000, per="366d")
        allowed: list[int] = []

        def use() -> None:
            count = 0
            while limiter.allow_all(["k"]) if threading.get_ident() % 2 else limiter.allow("k"):
                count += 1
            allowed.append(count)

        threads = [threading.Thread(target=use) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sum(allowed) == 2000


class Load:
    """Threads and coroutines that check until they are told to stop, and count."""

    def __init__(self, limiter: flint.SharedLimiter) -> None:
        self.allowed = 0
        self.denied = 0
        self.unknown = 0
        self._limiter = limiter
        self._count = threading.Lock()
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._in_thread) for _ in range(4)]
        self._threads.append(threading.Thread(target=lambda: asyncio.run(self._in_loop())))
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _note(self, outcome: bool | None) -> None:
        with self._count:
            if outcome is None:
                self.unknown += 1
            elif outcome:
                self.allowed += 1
            else:
                self.denied += 1

    def _in_thread(self) -> None:
        while not self._stop.is_set():
            try:
                self._note(self._limiter.allow("k"))
            except flint.FlintConnectionError:
                self._note(None)
            except flint.FlintServerError as error:
                assert error.status == 503

    async def _in_loop(self) -> None:
        async def one() -> None:
            while not self._stop.is_set():
                try:
                    self._note(await self._limiter.aallow("k"))
                except flint.FlintConnectionError:
                    self._note(None)
                except flint.FlintServerError as error:
                    assert error.status == 503
                await asyncio.sleep(0)

        await asyncio.gather(*(one() for _ in range(4)))


@pytest.mark.parametrize("sync", ["always", "batch"])
def test_a_server_that_is_killed_under_load_forgets_no_grant(tmp_path: Path, sync: str) -> None:
    rate = 100_000
    server = Server(tmp_path / "data", "--sync", sync)
    with flint.SharedLimiter(server.url, timeout=30) as limiter:
        limiter.limit("k", rate=rate, per="366d", algorithm="fixed_window_counter")
        load = Load(limiter)
        try:
            for _ in range(4):
                allowed, unknown = load.allowed, load.unknown
                wait_until(lambda allowed=allowed: load.allowed > allowed + 100, "checks to pass")  # type: ignore[misc]
                server.kill()
                wait_until(lambda unknown=unknown: load.unknown > unknown, "calls to fail")  # type: ignore[misc]
                server.start()
        finally:
            load.stop()
        status = limiter.status("k")
        assert status is not None
        used = rate - status["remaining"]
        # What was told is remembered; beyond it, only calls that got no answer may have cost something.
        assert load.allowed <= used <= load.allowed + load.unknown
        assert status["total_allowed"] == used
        assert load.denied == 0
    server.stop()


def test_a_server_that_is_stopped_under_load_finishes_what_it_began(tmp_path: Path) -> None:
    server = Server(tmp_path / "data", "--sync", "batch")
    with flint.SharedLimiter(server.url) as limiter:
        limiter.limit("k", rate=100_000, per="366d")
        load = Load(limiter)
        wait_until(lambda: load.allowed > 200, "checks to pass")
        server.stop()
        load.stop()
        server.start()
        status = limiter.status("k")
        assert status is not None
        assert load.allowed <= status["total_allowed"] <= load.allowed + load.unknown
    server.stop()
