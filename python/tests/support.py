"""Servers, which are those of the installed wheel, and limiters as asyncio uses them."""

from __future__ import annotations

import asyncio
import functools
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import flint
from flint_limiter import _accelerated
from flint_limiter._server import DirectoryServer, ServerOptions

PATIENCE_S = 30.0


def flint_program() -> str:
    """The command that the wheel installed beside this Python."""
    return str(Path(sys.executable).with_name("flint"))


def wait_until(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.005)


def health_of(data_dir: Path) -> dict[str, Any] | None:
    """What the server of a directory tells of itself; None if there is none."""
    return DirectoryServer(os.fsencode(data_dir), ServerOptions())._ask(PATIENCE_S)


def end_server(data_dir: Path) -> None:
    """Ends the server that flint.open() started, if there is one."""
    health = health_of(data_dir)
    if health is not None:
        os.kill(health["pid"], signal.SIGTERM)
        wait_until(lambda: health_of(data_dir) is None, "the server to end")


class Server:
    """A `flint server start` over `data_dir`. Ended by stop() or kill(), by its pid, and started anew by start()."""

    def __init__(self, data_dir: Path, *arguments: str) -> None:
        self.data_dir = data_dir
        self.socket = f"unix:{data_dir}/flint.sock"
        self.url = "http://127.0.0.1:0"
        self._arguments = arguments
        self._process: subprocess.Popen[str] | None = None
        self.start()

    def start(self) -> None:
        bind = self.url.removeprefix("http://")
        self._process = subprocess.Popen(
            [flint_program(), "--data-dir", str(self.data_dir), "server", "start", "--bind", bind, *self._arguments],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        said = []
        for line in self._process.stderr:
            said.append(line)
            if listening := re.search(r"listening on (http://\S+)", line):
                self.url = listening[1]
            if "listening on unix:" in line:
                # A server whose log nobody reads would stop when the pipe is full.
                self._reader = threading.Thread(target=self._process.stderr.read)
                self._reader.start()
                return
        raise AssertionError(f"the server ended: {''.join(said)}")

    @property
    def pid(self) -> int:
        assert self._process is not None
        return self._process.pid

    def signal(self, number: int) -> None:
        os.kill(self.pid, number)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    def stop(self) -> None:
        assert self._end(signal.SIGTERM) == 0

    def _end(self, number: int) -> int:
        process, self._process = self._process, None
        if process is None:
            return 0
        process.send_signal(number)
        process.wait(timeout=PATIENCE_S)
        self._reader.join()
        assert process.stderr is not None
        process.stderr.close()
        return process.returncode


def use_python_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """As with FLINT_PURE_PYTHON=1, and where there is no extension."""
    for name in ("exchange", "read_decision", "silent"):
        monkeypatch.setattr(_accelerated, name, None)


class AsyncStyle:
    """A limiter whose methods are those with a leading `a`, each run to its end in `loop`."""

    def __init__(self, limiter: flint.AbstractLimiter, loop: asyncio.AbstractEventLoop) -> None:
        self._limiter = limiter
        self._loop = loop

    def __getattr__(self, name: str) -> Callable[..., Any]:
        return functools.partial(self._run, getattr(self._limiter, f"a{name}"))

    def _run(self, method: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        return self._loop.run_until_complete(method(*args, **kwargs))
