"""flint.open: who starts the server, when it ends, and what the others are told."""

from __future__ import annotations

import asyncio
import os
import random
import signal
import socket
import threading
import time
from pathlib import Path
from typing import Any

import pytest
from support import Server, end_server, flint_program, health_of, wait_until

import flint
from flint_limiter import _server

ROUNDS = 50
AT_ONCE = 6
LIMIT = 400


def gone(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().split(") ")[1][0] == "Z"
    except FileNotFoundError:
        return True


def pid_of(directory: Path) -> int:
    health = health_of(directory)
    assert health is not None
    pid: int = health["pid"]
    return pid


def kill_server(directory: Path) -> None:
    pid = pid_of(directory)
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: gone(pid), "the server to end")


def test_all_who_open_a_directory_have_one_limiter(directory: Path) -> None:
    with flint.open(directory) as one, flint.open(str(directory)) as other:
        assert isinstance(one, flint.SharedLimiter)
        assert one.data_dir == str(directory)
        one.limit("k", "3/d")
        assert [limiter.check("k").remaining for limiter in (one, other, one)] == [2, 1, 0]
        assert not other.allow("k")
    with pytest.raises(flint.StorageError, match="closed"):
        one.allow("k")


def test_of_many_that_start_at_once_one_wins(tmp_path: Path) -> None:
    """Fifty times, on an empty directory."""
    for turn in range(ROUNDS):
        directory = tmp_path / str(turn)
        go, went = os.pipe()
        children = []
        for _ in range(AT_ONCE):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    os.close(went)
                    os.read(go, 1)  # until the parent closes it
                    code = 0 if flint.open(directory, sync="batch").allow("k", limit=f"{AT_ONCE}/d") else 2
                finally:
                    os._exit(code)
            children.append(child)
        os.close(go)
        os.close(went)
        try:
            assert [os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) for child in children] == [0] * AT_ONCE
            with flint.open(directory, sync="batch") as limiter:
                assert not limiter.allow("k", limit=f"{AT_ONCE}/d")
            assert (directory / "server.log").read_text().count("opened the data directory") == 1
        finally:
            kill_server(directory)


def test_a_server_that_is_killed_under_load_is_replaced_and_forgets_no_grant(directory: Path) -> None:
    granted, unknown, slowest = [0], [0], [0.0]
    lock = threading.Lock()
    limiter = flint.open(directory, sync="batch")
    stop = threading.Event()

    def load() -> None:
        while not stop.is_set():
            began = time.monotonic()
            try:
                allowed = limiter.allow("k", limit=f"{LIMIT}/366d fixed_window_counter")
            except flint.FlintConnectionError:  # the server may have decided
                with lock:
                    unknown[0] += 1
            else:
                with lock:
                    granted[0] += allowed
                    slowest[0] = max(slowest[0], time.monotonic() - began)
                time.sleep(0.005)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    killed = set()
    for _ in range(5):
        time.sleep(0.1)
        killed.add(pid_of(directory))
        kill_server(directory)
        with lock:
            limiter.status("k")  # somebody has started it again
    stop.set()
    for thread in threads:
        thread.join()
    status = limiter.status("k")
    assert status is not None
    assert granted[0] <= status["total_allowed"] <= min(LIMIT, granted[0] + unknown[0])
    assert len(killed) == 5
    while limiter.allow("k", limit=f"{LIMIT}/366d fixed_window_counter"):
        granted[0] += 1
    assert LIMIT - unknown[0] <= granted[0] <= LIMIT
    limiter.close()


@pytest.mark.parametrize("asynchronous", [False, True])
def test_it_ends_when_it_is_not_used_and_is_started_again(directory: Path, asynchronous: bool) -> None:
    with flint.open(directory, exit_when_idle=0.2) as limiter:
        for remaining in (1, 0):
            if asynchronous:
                assert asyncio.run(limiter.acheck("k", limit="2/d")).remaining == remaining
            else:
                assert limiter.check("k", limit="2/d").remaining == remaining
            pid = pid_of(directory)
            wait_until(lambda: gone(pid), "the server to end")
        assert not limiter.allow("k", limit="2/d")


def test_a_call_at_the_moment_of_the_end_is_answered(directory: Path) -> None:
    seed = int(os.environ.get("FLINT_TEST_SEED", random.randrange(1 << 32)))
    print(f"FLINT_TEST_SEED={seed}")
    moments = random.Random(seed)
    with flint.open(directory, exit_when_idle=0.1, sync="batch") as limiter:
        for spent in range(20):
            assert limiter.check("k", limit="1000/366d").remaining == 999 - spent
            time.sleep(moments.uniform(0.05, 0.4))


def test_coroutines_that_find_no_server_start_one(directory: Path) -> None:
    async def use(limiter: flint.SharedLimiter) -> list[flint.CheckResult]:
        return await asyncio.gather(*(limiter.acheck("k", limit="30/d") for _ in range(30)))

    with flint.open(directory) as limiter:
        kill_server(directory)
        assert sorted(result.remaining for result in asyncio.run(use(limiter))) == list(range(30))


def test_a_fork_has_connections_of_its_own(directory: Path) -> None:
    with flint.open(directory) as limiter:
        limiter.limit("k", "9/d")
        children = []
        for _ in range(3):
            child = os.fork()
            if child == 0:
                code = 1
                try:
                    code = 0 if limiter.allow("k") and limiter.allow("k") else 2
                finally:
                    os._exit(code)
            children.append(child)
        assert limiter.allow("k")
        assert [os.waitpid(child, 0)[1] for child in children] == [0, 0, 0]
        assert limiter.check("k").remaining == 1


def test_the_server_inherits_nothing(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("FLINT_DATA_DIR", "FLINT_SERVER", "FLINT_SERVER_TOKEN", "NOTIFY_SOCKET", "LISTEN_FDS"):
        monkeypatch.setenv(name, "1")
    ours, theirs = os.pipe()
    os.set_inheritable(theirs, True)
    try:
        with flint.open(directory):
            pid = pid_of(directory)
            place = Path(f"/proc/{pid}")
            assert os.getsid(pid) == pid != os.getsid(0)
            assert os.readlink(place / "cwd") == "/"
            assert os.readlink(place / "fd/0") == "/dev/null"
            assert os.readlink(place / "fd/2") == str(directory / "server.log")
            pipe = os.readlink(f"/proc/self/fd/{theirs}")
            assert pipe not in {os.readlink(entry) for entry in (place / "fd").iterdir()}
            names = {field.split(b"=")[0] for field in (place / "environ").read_bytes().split(b"\0") if field}
            assert names <= {name.encode() for name in _server._KEPT_ENVIRONMENT}
            status = (place / "status").read_text()
            assert f"PPid:\t{os.getpid()}\n" not in status
    finally:
        os.close(ours)
        os.close(theirs)


def test_other_options_are_an_error_that_names_them(directory: Path) -> None:
    with flint.open(directory, sync="batch", max_keys=500):
        words = "sync is 'batch' there and 'always' here, max_keys is 500 there"
        with pytest.raises(ValueError, match=words) as raised:
            flint.open(directory)
        assert str(pid_of(directory)) in str(raised.value)
        assert "on_full" not in str(raised.value)


@pytest.mark.parametrize(
    "wrong",
    [
        {"sync": "never"},
        {"flush_every_ms": 0},
        {"max_keys": 0},
        {"on_full": "x"},
        {"exit_when_idle": 0.01},
        {"exit_when_idle": "1m"},
        {"timeout": 0},
        {"on_error": "x"},
        {"data_dir": ""},
    ],
)
def test_a_wrong_argument_is_named_and_starts_nothing(tmp_path: Path, wrong: dict[str, Any]) -> None:
    given: dict[str, Any] = {"data_dir": tmp_path / "data", **wrong}
    with pytest.raises((TypeError, ValueError), match=next(iter(wrong))):
        flint.open(**given)
    assert not (tmp_path / "data").exists()


def test_a_server_that_was_started_by_hand_is_used_as_it_is(server: Server) -> None:
    with flint.open(server.data_dir) as limiter, flint.open(server.data_dir, sync="batch"):
        assert limiter.check("k", limit="5/d").remaining == 4
        assert pid_of(server.data_dir) == server.pid
    with pytest.raises(ValueError, match="sync is 'batch' there and 'always' here"):
        flint.open(server.data_dir, sync="always")


def test_the_server_of_an_older_flint_is_replaced(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with flint.open(directory) as limiter:
        limiter.limit("k", "2/d")
        assert limiter.allow("k")
        old = pid_of(directory)
        monkeypatch.setattr(_server, "_version", lambda: "99.0.0")
        with flint.open(directory) as upgraded:
            assert pid_of(directory) != old and gone(old)
            assert upgraded.check("k").remaining == 0
        assert not limiter.allow("k")
    assert "SIGTERM" in (directory / "server.log").read_text()


def test_an_older_server_that_an_operator_started_stays(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_server, "_version", lambda: "99.0.0")
    with flint.open(server.data_dir):
        assert pid_of(server.data_dir) == server.pid


def test_a_directory_that_a_limiter_has_is_locked(directory: Path) -> None:
    with flint.Limiter(directory), pytest.raises(flint.DataDirLocked, match="flint.open") as raised:
        flint.open(directory)
    assert (raised.value.process_id, raised.value.is_server) == (os.getpid(), False)
    with flint.open(directory) as limiter, pytest.raises(flint.DataDirLocked, match="SharedLimiter"):
        flint.Limiter(directory)
    assert limiter.data_dir


def test_why_the_server_does_not_start_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(flint.StorageError, match="cannot create the data directory"):
        flint.open(tmp_path / "file")
    (tmp_path / "taken" / "flint.sock").mkdir(parents=True)
    with pytest.raises(flint.StorageError, match="the file there is not a socket"):
        flint.open(tmp_path / "taken")
    with pytest.raises(flint.StorageError, match="server.log"):
        (tmp_path / "no-log" / "server.log").mkdir(parents=True)
        flint.open(tmp_path / "no-log")


def test_on_error_covers_a_server_that_does_not_start(directory: Path) -> None:
    with flint.open(directory, on_error="allow") as limiter:
        kill_server(directory)
        (directory / "flint.sock").unlink()
        (directory / "flint.sock").mkdir()
        assert limiter.check("k", limit="1/d").degraded
        (directory / "flint.sock").rmdir()
        wait_until(lambda: not limiter.check("k", limit="100000/d").degraded, "a decision")


def test_the_path_may_be_longer_than_the_address_of_a_socket(tmp_path: Path) -> None:
    directory = tmp_path / ("d" * 100) / ("e" * 100)
    with flint.open(directory) as limiter:
        assert limiter.allow("k", limit="1/d")
    end_server(directory)


as_root = pytest.mark.skipif(os.geteuid() != 0, reason="takes another user's identity")
NOBODY = 65534


def reachable(directory: Path) -> None:
    """By every user."""
    for parent in directory.parents[:4]:
        os.chmod(parent, os.stat(parent).st_mode | 0o001)


@as_root
def test_the_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    (tmp_path / "roots").mkdir()
    os.chmod(tmp_path / "roots", 0o777)
    reachable(tmp_path / "roots")
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(NOBODY)
            os.setuid(NOBODY)
            flint.open(tmp_path / "roots")
        except flint.StorageError as error:
            code = 0 if f"belongs to user 0, and this process is of user {NOBODY}" in str(error) else 2
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert not list((tmp_path / "roots").iterdir())


@as_root
def test_root_runs_the_server_as_the_owner_of_the_directory(tmp_path: Path) -> None:
    """Otherwise a link in place of server.log would have root write to what the link names."""
    directory = tmp_path / "theirs"
    directory.mkdir()
    os.chown(directory, NOBODY, NOBODY)
    reachable(directory)
    with flint.open(directory) as limiter:
        assert limiter.allow("k", limit="1/d")
        assert os.stat(f"/proc/{pid_of(directory)}").st_uid == NOBODY
        assert {entry.stat().st_uid for entry in directory.iterdir()} == {NOBODY}
    end_server(directory)


def test_a_request_that_the_server_did_not_read_is_sent_again(tmp_path: Path) -> None:
    """Symptom: a server that ended at the moment of a check raised FlintConnectionError, though it had decided
    nothing."""
    answer = b'{"key":"k","allowed":true,"cost":1,"limit":1,"remaining":0,"reset_at":"2026-11-23T18:22:02.123Z",'
    answer += b'"reset_after_ms":1,"retry_after_ms":0,"algorithm":"token_bucket"}'
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def serve() -> None:
            for _ in range(2):
                unread, _ = listener.accept()
                wait_until(lambda: len(unread.recv(1, socket.MSG_PEEK)) == 1, "the request")
                unread.close()
            connection, _ = listener.accept()
            connection.recv(65536)
            connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s" % (len(answer), answer))
            connection.recv(1)
            connection.close()

        serving = threading.Thread(target=serve)
        serving.start()
        with flint.SharedLimiter(f"unix:{tmp_path}/s") as limiter:
            assert limiter.allow("k")
        serving.join()


def test_the_command_is_found_beside_the_package() -> None:
    assert Path(_server._program()).samefile(flint_program())
