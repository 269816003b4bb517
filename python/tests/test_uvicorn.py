"""Four workers of a real uvicorn that share a quota through a real server: never more than the limit, exactly."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from support import Server, wait_until
from web_servers import Load, WebServer

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


@pytest.fixture(scope="module")
def flint_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    server = Server(tmp_path_factory.mktemp("flint") / "data", "--sync", "batch")
    yield server
    server.stop()


@pytest.fixture(scope="module")
def uvicorn(flint_server: Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[WebServer]:
    command = [sys.executable, "-m", "uvicorn", "application:app", "--workers", str(WORKERS), "--port", "0"]
    # Cold starts of all workers at once take long on a busy machine, and uvicorn kills who is not up in 5 s.
    command += ["--no-access-log", "--timeout-worker-healthcheck", "60"]
    uvicorn = WebServer(command, tmp_path_factory.mktemp("uvicorn"), APPLICATION, flint_server.url)
    try:
        uvicorn.wait_for(WORKERS)
        yield uvicorn
    finally:
        uvicorn.stop()


def test_four_workers_admit_exactly_the_limit(uvicorn: WebServer, flint_server: Server) -> None:
    load = Load(uvicorn, "exact", CLIENTS)
    load.join()
    assert load.statuses[200] == LIMIT
    assert set(load.statuses) == {200, 429}
    with flint.SharedLimiter(flint_server.socket) as limiter:
        status = limiter.status("exact")
        assert status is not None
        assert (status["total_allowed"], status["total_denied"]) == (LIMIT, load.statuses[429])


def test_workers_go_on_when_their_server_is_killed_and_admit_no_more(uvicorn: WebServer, flint_server: Server) -> None:
    load = Load(uvicorn, "killed", CLIENTS)
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
