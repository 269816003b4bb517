"""Four workers of a real uvicorn that share a quota through a real server: never more than the limit, exactly."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import PATIENCE_S, Server, wait_until

import flint

WORKERS = 4
CLIENTS = 8
LIMIT = 1000

APPLICATION = f"""
import os
import flint
from fastapi import FastAPI
from flint.fastapi import FlintMiddleware

app = FastAPI()
app.add_middleware(
    FlintMiddleware,
    limiter=flint.SharedLimiter(os.environ["FLINT_SERVER"], timeout=30),
    key_func=lambda request: request.headers["x-key"],
    rate={LIMIT},
    per="366d",
    exempt_paths=["/worker"],
)

@app.get("/")
async def root():
    return "hello"

@app.get("/worker")
async def worker():
    return os.getpid()
"""


class Uvicorn:
    def __init__(self, folder: Path, flint_server: str) -> None:
        (folder / "application.py").write_text(APPLICATION)
        command = [sys.executable, "-m", "uvicorn", "application:app", "--workers", str(WORKERS), "--port", "0"]
        # Cold starts of all workers at once take long on a busy machine, and uvicorn kills who is not up in 5 s.
        self._process = subprocess.Popen(
            [*command, "--app-dir", str(folder), "--no-access-log", "--timeout-worker-healthcheck", "60"],
            env={**os.environ, "FLINT_SERVER": flint_server},
            stderr=subprocess.PIPE,
            text=True,
        )
        assert self._process.stderr is not None
        said = ""
        for line in self._process.stderr:
            said += line
            if running := re.search(r"running on http://127.0.0.1:(\d+)", line):
                self.port = int(running[1])
                break
        else:
            raise AssertionError(f"uvicorn ended: {said}")
        # It goes on talking, of requests that failed for one.
        self._reader = threading.Thread(target=self._process.stderr.read)
        self._reader.start()

    def get(self, path: str, key: str = "") -> tuple[int, bytes]:
        """On a connection of its own, so that any worker may take it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path, headers={"X-Key": key})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


@pytest.fixture(scope="module")
def flint_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("flint") / "data", "--sync", "batch")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def uvicorn(flint_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Uvicorn]:
    uvicorn = Uvicorn(tmp_path_factory.mktemp("uvicorn"), flint_server.url)
    try:
        seen: set[bytes] = set()

        def all_answered() -> bool:
            try:
                seen.add(uvicorn.get("/worker")[1])
            except ConnectionRefusedError:  # it tells its port before a worker listens there
                pass
            return len(seen) == WORKERS

        wait_until(all_answered, "all workers to answer")
        yield uvicorn
    finally:
        uvicorn.stop()


class Load:
    """Threads that send requests until two in a row of each are denied."""

    def __init__(self, uvicorn: Uvicorn, key: str) -> None:
        self.statuses: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(uvicorn, key)) for _ in range(CLIENTS)]
        for thread in self._threads:
            thread.start()

    def _run(self, uvicorn: Uvicorn, key: str) -> None:
        denied = 0
        while denied < 2:
            status = uvicorn.get("/", key)[0]
            denied = denied + 1 if status == 429 else 0
            with self._lock:
                self.statuses[status] += 1

    def join(self) -> None:
        for thread in self._threads:
            thread.join()


def test_four_workers_admit_exactly_the_limit(uvicorn: Uvicorn, flint_server: Server) -> None:
    load = Load(uvicorn, "exact")
    load.join()
    assert load.statuses[200] == LIMIT
    assert set(load.statuses) == {200, 429}
    with flint.SharedLimiter(flint_server.socket) as limiter:
        status = limiter.status("exact")
        assert status is not None
        assert (status["total_allowed"], status["total_denied"]) == (LIMIT, load.statuses[429])


def test_workers_go_on_when_their_server_is_killed_and_admit_no_more(uvicorn: Uvicorn, flint_server: Server) -> None:
    load = Load(uvicorn, "killed")
    for _ in range(2):
        passed = load.statuses[200]
        wait_until(lambda passed=passed: load.statuses[200] > passed + 50, "requests to pass")  # type: ignore[misc]
        failed = load.statuses[500]
        flint_server.kill()
        wait_until(lambda failed=failed: load.statuses[500] > failed, "requests to fail")  # type: ignore[misc]
        flint_server.start()
    load.join()
    # What failed may have been charged or not: nobody knows, and nobody got in by it.
    assert load.statuses[200] <= LIMIT <= load.statuses[200] + load.statuses[500]
    assert set(load.statuses) == {200, 429, 500}
    with flint.SharedLimiter(flint_server.socket) as limiter:
        status = limiter.status("killed")
        assert status is not None
        assert (status["total_allowed"], status["remaining"]) == (LIMIT, 0)
