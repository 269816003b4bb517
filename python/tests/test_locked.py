"""A data directory that another process has: who waits for it, and what the error says of the cause."""

from __future__ import annotations

import logging
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from support import PATIENCE_S, Server

import flint
from flint_limiter import _locked
from flint_limiter._native import LimiterHandle

HOLDER = """
import flint, sys
with flint.Limiter(sys.argv[1]) as limiter:
    print("open", flush=True)
    sys.stdin.read()
"""

OPENER = """
import flint, sys
try:
    flint.Limiter(sys.argv[1]).close()
except flint.DataDirLocked as error:
    print(error)
"""


@contextmanager
def holder_of(data_dir: Path) -> Iterator[subprocess.Popen[str]]:
    """A process that has the directory until its standard input ends."""
    command = [sys.executable, "-c", HOLDER, str(data_dir)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin and process.stdout
        assert process.stdout.readline() == "open\n"
        try:
            yield process
        finally:
            process.stdin.close()


def test_the_old_worker_of_a_reload_is_waited_for(
    tmp_path: Path, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Symptom: gunicorn -w 1, a reload while a request was in flight, and the site was down: DataDirLocked."""
    monkeypatch.setattr(_locked, "_REPORT_AFTER_S", 0)
    opened: list[flint.Limiter] = []
    with holder_of(tmp_path) as old:
        new = threading.Thread(target=lambda: opened.append(flint.Limiter(tmp_path)))
        new.start()
        while not caplog.records:  # it has begun to wait
            assert new.is_alive()
            new.join(0.001)
        assert not opened
        assert old.stdin
        old.stdin.close()
        new.join(PATIENCE_S)
        assert opened
        opened[0].close()
    (record,) = caplog.records
    assert (record.name, record.levelno) == ("flint", logging.WARNING)
    assert "Waiting up to 10 s more" in caplog.text and f"process {old.pid}" in caplog.text


@pytest.mark.parametrize("lock_timeout", [0, 0.0, 0.05])
def test_a_wait_that_was_in_vain_names_several_workers(tmp_path: Path, lock_timeout: float) -> None:
    with holder_of(tmp_path) as holder, pytest.raises(flint.DataDirLocked) as raised:
        flint.Limiter(tmp_path, lock_timeout=lock_timeout)
    message = str(raised.value)
    assert f"process {holder.pid}" in message
    assert "uvicorn --workers" in message and "lock_timeout" in message and "SharedLimiter" in message


WAITER = """
import flint, signal, sys
from flint_limiter import _locked

# A shell starts background jobs with SIGINT ignored, and Python leaves it so.
signal.signal(signal.SIGINT, signal.default_int_handler)
_locked._REPORT_AFTER_S = 0  # says on standard error that the wait has begun
try:
    flint.Limiter(sys.argv[1], lock_timeout=86_400)
except KeyboardInterrupt:
    print("interrupted")
"""


def test_a_wait_can_be_interrupted(tmp_path: Path) -> None:
    """The engine waits without the GIL; a wait that did not look at signals would hold Ctrl-C up until its end.

    Symptom: under a job in the background, this test never ended.
    """
    command = [sys.executable, "-c", WAITER, str(tmp_path)]
    with (
        holder_of(tmp_path),
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as waiter,
    ):
        try:
            assert waiter.stderr
            assert "Waiting" in waiter.stderr.readline()
            waiter.send_signal(signal.SIGINT)
            out, err = waiter.communicate(timeout=PATIENCE_S)
        finally:
            waiter.kill()  # leaving the `with` waits for its end
    assert out == "interrupted\n", err


def test_what_is_raised_while_waiting_ends_the_wait(tmp_path: Path) -> None:
    def give_up() -> None:
        raise LookupError("enough")

    with holder_of(tmp_path), pytest.raises(LookupError, match="enough"):
        LimiterHandle.open(os.fsencode(tmp_path), True, 100, 100, 1000, 86_400_000, 1, False, give_up)


def test_a_parent_is_not_waited_for(tmp_path: Path) -> None:
    with flint.Limiter(tmp_path):
        command = [sys.executable, "-c", OPENER, str(tmp_path)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_locked._DEFAULT_S)
    assert "parent of this process" in done.stdout and "use_reloader=False" in done.stdout, done


def test_a_server_is_not_waited_for(server: Server) -> None:
    with pytest.raises(flint.DataDirLocked) as raised:
        flint.Limiter(server.data_dir)
    assert "workers" not in str(raised.value)
    assert f'flint.SharedLimiter("{server.socket}")' in str(raised.value)


def test_another_limiter_of_this_process_is_waited_for_when_asked(tmp_path: Path) -> None:
    first = flint.Limiter(tmp_path)
    with pytest.raises(flint.DataDirLocked, match="another Limiter of this process"):
        flint.Limiter(tmp_path)
    closing = threading.Timer(0.05, first.close)
    closing.start()
    with flint.Limiter(tmp_path, lock_timeout=PATIENCE_S) as second:
        second.limit("k", rate=1, per="1d")
    closing.join()


def test_nobody_is_sent_to_a_dead_socket(tmp_path: Path) -> None:
    """DataDirLocked sent people to the flint.sock of a killed server, while a Limiter had its directory."""
    with flint.Limiter(tmp_path), socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(tmp_path / "flint.sock"))
        with pytest.raises(flint.DataDirLocked, match="server start") as raised:
            flint.Limiter(tmp_path)
    assert "unix:" not in str(raised.value)


def test_a_path_that_reads_like_a_holder_is_none(tmp_path: Path) -> None:
    path = tmp_path / f"process {os.getpid()}, embedded"
    with holder_of(path), pytest.raises(flint.DataDirLocked, match="several workers"):
        flint.Limiter(path, lock_timeout=0)


FLASK = """
import os
import flint
from flask import Flask
from flint import wsgi

app = Flask("site")
app.wsgi_app = wsgi.FlintMiddleware(app.wsgi_app, limiter=flint.Limiter(".flint"), key="all", rate=100, per="1m")
app.run(port=0, debug=True)
"""


def test_the_reloader_of_flask_is_named(tmp_path: Path) -> None:
    """Symptom: app.run(debug=True) ended with DataDirLocked, which spoke of "somebody else"."""
    (tmp_path / "app.py").write_text(FLASK)
    done = subprocess.run([sys.executable, "app.py"], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S)
    assert done.returncode != 0
    assert "DataDirLocked" in done.stderr and "app.run(debug=True)" in done.stderr, done.stderr
