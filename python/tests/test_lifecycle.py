"""Opening, closing, forgetting, forking and sharing of an embedded Limiter."""

from __future__ import annotations

import asyncio
import gc
import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from support import Server

import flint


def test_dropping_the_last_reference_releases_the_directory_at_once(tmp_path: Path) -> None:
    gc.disable()
    try:
        for sync in ("always", "batch"):
            for _ in range(3):
                limiter = flint.Limiter(tmp_path, sync=sync)
                limiter.limit("k", rate=1, per="1m")
                guarded = limiter.rate_limit("f", rate=100, per="1m")(os.getpid)
                guarded()
                asyncio.run(limiter.acheck("f", limit="100/m"))
                del limiter, guarded
    finally:
        gc.enable()


def test_what_was_granted_is_still_granted_after_a_restart(tmp_path: Path) -> None:
    for remaining in (8, 6, 4, 2, 0):
        limiter = flint.Limiter(tmp_path, sync="batch")
        limiter.limit("k", rate=10, per="1d")
        assert limiter.check("k", cost=2).remaining == remaining
        if remaining % 4:
            limiter.close()
        del limiter


def test_a_directory_has_one_owner_and_the_error_says_how_to_share(tmp_path: Path) -> None:
    with flint.Limiter(tmp_path / "data"):
        with pytest.raises(flint.DataDirLocked) as raised:
            flint.Limiter(tmp_path / "data")
        assert f"process {os.getpid()}" in str(raised.value)
        assert "server start" in str(raised.value)
        assert "SharedLimiter" in str(raised.value)


def test_a_directory_that_a_server_owns_names_its_addresses(server: Server) -> None:
    with pytest.raises(flint.DataDirLocked) as raised:
        flint.Limiter(server.data_dir)
    message = str(raised.value)
    assert f"process {server.pid}" in message
    assert server.url in message
    assert f'flint.SharedLimiter("{server.socket}")' in message


def test_a_damaged_directory_is_refused_with_the_file_and_what_to_do(tmp_path: Path) -> None:
    with flint.Limiter(tmp_path) as limiter:
        limiter.limit("k", rate=100, per="1d")
        for _ in range(20):
            limiter.check("k")
    (log,) = (path for path in tmp_path.iterdir() if path.name.startswith("log"))
    damaged = bytearray(log.read_bytes())
    damaged[200] ^= 0xFF
    log.write_bytes(damaged)
    with pytest.raises(flint.StorageError, match=f"{log.name} is damaged at offset .*doctor"):
        flint.Limiter(tmp_path)
    assert log.read_bytes() == damaged


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(flint.StorageError, match="file"):
        flint.Limiter(tmp_path / "file")


def test_when_the_lock_file_is_replaced_nothing_more_is_granted(tmp_path: Path) -> None:
    limiter = flint.Limiter(tmp_path, sync="always")
    limiter.limit("k", rate=100, per="1d")
    (tmp_path / "flint.lock").unlink()
    with pytest.raises(flint.StorageError, match="lock"):
        limiter.check("k")
    with pytest.raises(flint.StorageError):
        limiter.check("k")
    report = limiter.doctor()
    assert (report["ok"], report["failed"]) == (False, True)
    assert limiter.status("k") is not None
    with pytest.raises(flint.StorageError):
        limiter.close()


@pytest.mark.parametrize("sync", ["always", "batch"])
def test_a_forked_child_has_nothing_and_harms_nothing(tmp_path: Path, sync: Any) -> None:
    limiter = flint.Limiter(tmp_path, sync=sync)
    limiter.limit("k", rate=10, per="1d")
    limiter.check("k")
    pid = os.fork()
    if pid == 0:
        refused = 0
        for call in (
            lambda: limiter.check("k"),
            lambda: limiter.limit("k", rate=1, per=1),
            lambda: limiter.reset("k"),
            lambda: limiter.status("k"),
            lambda: limiter.list(),
            lambda: limiter.flush(),
            lambda: asyncio.run(limiter.acheck("k")),
            lambda: flint.Limiter(tmp_path),
        ):
            try:
                call()
            except flint.FlintError:
                refused += 1
        del limiter
        gc.collect()
        os._exit(0 if refused == 8 else 1)
    assert os.waitpid(pid, 0)[1] == 0
    assert limiter.check("k").remaining == 8
    limiter.close()
    with flint.Limiter(tmp_path) as reopened:
        assert reopened.check("k").remaining == 7


@pytest.mark.parametrize("leave", ["close", "with", "aclose"])
def test_a_forked_child_may_leave_what_its_parent_has(tmp_path: Path, leave: str) -> None:
    """`close()`, and the end of a `with`, raised in a forked child."""
    limiter = flint.Limiter(tmp_path / "data")
    limiter.limit("k", rate=10, per="1d")
    pid = os.fork()
    if pid == 0:
        try:
            if leave == "with":
                with limiter:
                    pass
            elif leave == "close":
                limiter.close()
                limiter.close()
            else:
                asyncio.run(limiter.aclose())
            os._exit(0)
        finally:
            os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
    assert limiter.check("k").remaining == 9
    limiter.close()
    with pytest.raises(flint.StorageError):
        limiter.check("k")


def test_a_child_does_not_keep_the_directory_of_a_parent_that_died(tmp_path: Path) -> None:
    program = (
        "import flint, os, sys\n"
        "limiter = flint.Limiter(sys.argv[1])\n"
        "if os.fork() == 0:\n"
        "    sys.stdout.close(); os.close(1)\n"
        "    os.read(0, 1); os._exit(0)\n"
        "print('forked', flush=True)\n"
        "os.kill(os.getpid(), 9)\n"
    )
    held_open, write_end = os.pipe()
    try:
        parent = subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdin=held_open, stdout=subprocess.PIPE, text=True
        )
        assert parent.communicate(timeout=30)[0] == "forked\n"
        flint.Limiter(tmp_path).close()
    finally:
        os.close(write_end)
        os.close(held_open)


def test_closing_lets_calls_of_other_threads_finish(tmp_path: Path) -> None:
    for _ in range(5):
        limiter = flint.Limiter(tmp_path, sync="always")
        limiter.limit("k", rate=1 << 40, per="1d")
        limiter.reset("k")
        begun = threading.Barrier(5)
        granted = []

        def check(limiter: flint.Limiter = limiter, begun: threading.Barrier = begun) -> None:
            begun.wait()
            count = 0
            try:
                while True:
                    limiter.check("k")
                    count += 1
            except flint.StorageError as error:
                assert "closed" in str(error)
            granted.append(count)

        threads = [threading.Thread(target=check) for _ in range(4)]
        for thread in threads:
            thread.start()
        begun.wait()
        limiter.close()
        for thread in threads:
            thread.join()
        assert len(granted) == 4
        with flint.Limiter(tmp_path) as reopened:
            status = reopened.status("k")
            assert status is not None
            # The counters survive resets.
            total = status["total_allowed"]
            assert total >= sum(granted)
        (tmp_path / "flint.lock").unlink()
        for path in tmp_path.iterdir():
            path.unlink()


def test_the_interpreter_ends_with_a_limiter_open(tmp_path: Path) -> None:
    for sync in ("always", "batch"):
        program = (
            "import flint, sys\n"
            "limiter = flint.Limiter(sys.argv[1], sync=sys.argv[2])\n"
            "limiter.limit('k', rate=10, per='1d')\n"
            "print(limiter.check('k').remaining)\n"
            "results = [limiter.check('k') for _ in range(3)]\n"
        )
        done = subprocess.run(
            [sys.executable, "-X", "dev", "-c", program, str(tmp_path / sync), sync], capture_output=True, text=True
        )
        assert (done.returncode, done.stdout, done.stderr) == (0, "9\n", "")
        with flint.Limiter(tmp_path / sync) as reopened:
            assert reopened.check("k").remaining == 5


def test_nothing_leaks_over_many_limiters(tmp_path: Path) -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    async def use(limiter: flint.Limiter) -> None:
        await asyncio.gather(*(limiter.acheck("k") for _ in range(10)))

    before = descriptors()
    threads = threading.active_count()
    for _ in range(20):
        with flint.Limiter(tmp_path) as limiter:
            limiter.limit("k", rate=1000, per="1s")
            asyncio.run(use(limiter))
            asyncio.run(use(limiter))
    del limiter
    gc.collect()
    assert descriptors() <= before + 1
    assert threading.active_count() == threads


def test_a_process_that_ends_while_a_daemon_thread_checks_says_nothing(tmp_path: Path) -> None:
    # The end of such a process printed "nanobind: leaked 1 instances!" and that the bindings count references wrong.
    code = (
        "import flint, sys, threading\n"
        "limiter = flint.Limiter(sys.argv[1], sync='batch')\n"
        "limiter.limit('k', rate=1, per='1d')\n"
        "started = threading.Event()\n"
        "def work():\n"
        "    while True:\n"
        "        limiter.check('k')\n"
        "        started.set()\n"
        "threading.Thread(target=work, daemon=True).start()\n"
        "started.wait()\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, tmp_path], capture_output=True, text=True)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "", "")
