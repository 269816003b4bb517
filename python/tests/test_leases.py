"""Leases: many checks in one call, and never more than the limit and what each client may have leased."""

from __future__ import annotations

import asyncio
import os
import signal
import threading
import time
from typing import Any

import pytest
from support import PATIENCE_S, Server, wait_until

import flint


def remaining(limiter: flint.AbstractLimiter, key: str) -> int:
    status = limiter.status(key)
    assert status is not None
    return status["remaining"]


def reserved(limiter: flint.AbstractLimiter, key: str) -> int:
    status = limiter.status(key)
    assert status is not None
    return status["reserved"]


@pytest.fixture
def leasing(server: Server) -> Any:
    with flint.SharedLimiter(server.socket, lease=50) as limiter:
        yield limiter


def test_many_checks_are_one_call(leasing: flint.SharedLimiter) -> None:
    leasing.limit("k", "1000/h")
    results = [leasing.check("k") for _ in range(120)]
    assert all(type(one) is flint.CheckResult and one.allowed for one in results)
    assert {(one.key, one.cost, one.limit, one.algorithm) for one in results} == {("k", 1, 1000, "token_bucket")}
    assert [one.remaining for one in results] == list(range(999, 879, -1))
    # A first check by itself, and three leases.
    assert leasing.decisions()["allowed"] <= 10
    leasing.close()


def test_what_is_not_spent_is_given_back(server: Server) -> None:
    with flint.SharedLimiter(server.socket, lease=50) as leasing, flint.SharedLimiter(server.socket) as other:
        other.limit("k", "1000/h")
        for _ in range(10):
            leasing.check("k", 2)
        assert remaining(other, "k") < 980
        wait_until(lambda: remaining(other, "k") == 980, "the rest to be given back")
        for _ in range(10):
            leasing.check("k", 2)
        leasing.close()
        assert remaining(other, "k") == 960
        assert reserved(other, "k") == 0


def test_a_key_that_is_checked_once_is_not_leased(leasing: flint.SharedLimiter) -> None:
    leasing.limit("*", "1000/h")
    for number in range(20):
        leasing.check(f"k{number}")
        assert remaining(leasing, f"k{number}") == 999


def test_the_last_units_are_single_checks(leasing: flint.SharedLimiter) -> None:
    leasing.limit("k", "120/h")
    assert sum(leasing.allow("k") for _ in range(200)) == 120
    denied = leasing.check("k")
    assert not denied
    assert (denied.retry_after_ms or 0) > 1000


def test_costs_and_limits_that_change(leasing: flint.SharedLimiter) -> None:
    for _ in range(5):
        assert leasing.check("k", 3, limit="1000/h")
    assert leasing.check("k", 60, limit="1000/h")
    assert leasing.check("k", 1, limit="500/h").limit == 500
    with pytest.raises(ValueError, match="capacity"):
        leasing.check("k", 1001, limit="1000/h")
    for bad in (0, -1):
        with pytest.raises(ValueError, match="cost"):
            leasing.check("k", bad, limit="1000/h")
    for wrong in (True, 1.0, "1", None):
        with pytest.raises(TypeError, match="cost"):
            leasing.check("k", wrong, limit="1000/h")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match="key"):
        leasing.check(["k"])  # type: ignore[arg-type]
    with pytest.raises(flint.LimitNotConfigured):
        leasing.check("unknown")
    leasing.close()


def test_dry_runs_and_requests_with_an_id_ask_the_server(leasing: flint.SharedLimiter) -> None:
    leasing.limit("k", "1000/h")
    for _ in range(5):
        leasing.check("k", request_id="one")
        leasing.check("k", dry_run=True)
    assert remaining(leasing, "k") == 999


def test_a_limit_in_mode_shadow_is_not_leased(leasing: flint.SharedLimiter) -> None:
    leasing.limit("k", "3/h", mode="shadow")
    results = [leasing.check("k") for _ in range(10)]
    assert [one.would_deny for one in results] == [False] * 3 + [True] * 7


def test_an_outage_is_what_it_is_without_leases(server: Server) -> None:
    with flint.SharedLimiter(server.socket, lease=50, timeout=1.0, on_error="allow") as leasing:
        leasing.limit("k", "1000/h")
        for _ in range(5):
            leasing.check("k")
        server.kill()
        time.sleep(0.3)
        assert leasing.check("k").degraded
    with flint.SharedLimiter(server.socket, lease=50, timeout=1.0) as strict, pytest.raises(flint.FlintConnectionError):
        strict.check("k")


def test_a_hung_server_costs_one_timeout(server: Server) -> None:
    with flint.SharedLimiter(server.socket, lease=50, timeout=0.5, on_error="deny") as leasing:
        leasing.limit("k", "1000/h")
        for _ in range(5):
            leasing.check("k")
        server.signal(signal.SIGSTOP)
        time.sleep(0.3)
        try:
            began = time.monotonic()
            results = [leasing.check("k") for _ in range(20)]
            assert time.monotonic() - began < 2
        finally:
            server.signal(signal.SIGCONT)
        assert all(one.degraded and not one.allowed for one in results)


@pytest.mark.parametrize("lease", [0, -1, 10**7])
def test_a_wrong_lease(lease: int) -> None:
    with pytest.raises(ValueError, match="lease"):
        flint.SharedLimiter(lease=lease)
    with pytest.raises(TypeError, match="lease"):
        flint.SharedLimiter(lease="9")  # type: ignore[arg-type]


@pytest.mark.parametrize("algorithm", ["sliding_window_log", "token_bucket", "fixed_window_counter"])
def test_no_more_than_the_limit_and_what_is_leased(server: Server, algorithm: Any) -> None:
    rate, per_s, lease, clients = 600, 1.0, 40, 3
    limiters = [flint.SharedLimiter(server.socket, lease=lease) for _ in range(clients)]
    limiters[0].limit("k", rate=rate, per="1s", algorithm=algorithm)
    passed: list[float] = []
    ends_at = time.monotonic() + 3.5 * per_s

    def ask(limiter: flint.SharedLimiter) -> None:
        while time.monotonic() < ends_at:
            before = time.monotonic()
            if limiter.allow("k"):
                passed.append(before)
            else:
                time.sleep(0.002)

    threads = [threading.Thread(target=ask, args=(limiter,)) for limiter in limiters for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    for limiter in limiters:
        limiter.close()
    passed.sort()
    most = first = 0
    for last, at in enumerate(passed):
        while passed[first] <= at - per_s:
            first += 1
        most = max(most, last - first + 1)
    # A bucket that is full, or a window that ends, lets its capacity pass twice within a period.
    allowed = rate if algorithm == "sliding_window_log" else 2 * rate
    assert most <= allowed + clients * lease
    assert len(passed) >= 1.5 * rate


def test_with_asyncio(leasing: flint.SharedLimiter) -> None:
    async def use() -> list[bool]:
        await leasing.alimit("k", "300/h")
        await leasing.acheck("k")
        return [bool(one) for one in await asyncio.gather(*(leasing.acheck("k") for _ in range(400)))]

    assert sum(asyncio.run(use())) == 299
    assert leasing.decisions()["allowed"] < 150


def test_a_cancelled_task_holds_up_nobody(leasing: flint.SharedLimiter) -> None:
    async def use() -> None:
        await leasing.alimit("k", "100000/h")
        await leasing.acheck("k")
        for turn in range(30):
            tasks = [asyncio.create_task(leasing.acheck("k")) for _ in range(5)]
            await asyncio.sleep(turn * 0.0001)
            tasks[0].cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            leasing._leases._known["k"].lease = None  # type: ignore[union-attr]
        assert await leasing.acheck("k")

    asyncio.run(asyncio.wait_for(use(), PATIENCE_S))


def test_with_threads(leasing: flint.SharedLimiter) -> None:
    leasing.limit("k", "5000/d sliding_window_log")
    counts: list[int] = []

    def ask() -> None:
        counts.append(sum(leasing.allow("k") for _ in range(1000)))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE_S)
    leasing.close()
    assert sum(counts) <= 5000
    assert sum(counts) >= 4900


def test_a_child_of_fork_has_no_lease_of_its_parent(server: Server) -> None:
    with flint.SharedLimiter(server.socket, lease=50) as leasing, flint.SharedLimiter(server.socket) as other:
        leasing.limit("k", "1000/h")
        for _ in range(5):
            leasing.check("k")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                code = 0 if all(leasing.allow("k") for _ in range(10)) else 2
                leasing.close()
            finally:
                os._exit(code)
        assert os.waitpid(child, 0)[1] == 0
        leasing.close()
        assert remaining(other, "k") == 985


def test_it_is_many_times_as_fast(server: Server) -> None:
    """A smoke test: bench/README.md has the figures."""
    with flint.SharedLimiter(server.socket, lease=100) as leasing, flint.SharedLimiter(server.socket) as single:
        single.limit("k", rate=2_000_000, per="1s")
        took = []
        for limiter, count in ((single, 500), (leasing, 5000)):
            for _ in range(20):
                limiter.check("k")
            began = time.perf_counter()
            for _ in range(count):
                assert limiter.check("k")
            took.append((time.perf_counter() - began) / count)
        assert took[0] > 4 * took[1], took
