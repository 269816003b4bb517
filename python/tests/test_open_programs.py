"""flint.open in the programs that run many processes: each admits exactly the limit, with no server set up."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from support import PATIENCE_S, end_server, wait_until
from web_servers import Load, WebServer

import flint

WORKERS = 4
LIMIT = 60

FLASK = f"""
import os
import flint
from flask import Flask
from flint.flask import Flint

app = Flask("site")
limiter = flint.open("data", sync="batch", timeout=30)
limits = Flint(
    app,
    limiter=limiter,
    limits=[{{"key_func": lambda request: request.headers["x-key"], "rate": "{LIMIT}/366d"}}],
    exempt_paths=["/worker", "/left"],
)

@app.get("/")
def root():
    return "hello"

@app.get("/worker")
def worker():
    return str(os.getpid())

@app.get("/left")
def left():
    return str(limiter.check("left", limit="100/366d").remaining)

if __name__ == "__main__":
    app.run(port=0, debug=True)
"""

FASTAPI = f"""
import os
import flint
from fastapi import FastAPI
from fastapi.responses import PlainTextResponse
from flint.fastapi import FlintMiddleware

app = FastAPI()
app.add_middleware(
    FlintMiddleware,
    limiter=flint.open("data", sync="batch", timeout=30),
    key_func=lambda request: request.headers["x-key"],
    rate="{LIMIT}/366d",
    exempt_paths=["/worker"],
)

@app.get("/")
async def root():
    return "hello"

@app.get("/worker")
async def worker():
    return PlainTextResponse(str(os.getpid()))
"""

GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "--workers", str(WORKERS), "--timeout", "60", "application:app"]
UVICORN = ["uvicorn", "--port", "0", "--workers", str(WORKERS), "--no-access-log", "application:app"]


@pytest.mark.parametrize(
    ("command", "application"),
    [
        (GUNICORN, FLASK),
        ([*GUNICORN, "--preload"], FLASK),
        ([*UVICORN, "--timeout-worker-healthcheck", "60"], FASTAPI),
    ],
    ids=["gunicorn", "gunicorn-preload", "uvicorn"],
)
def test_the_workers_of_a_web_server_have_one_limiter(
    tmp_path: Path, directory: Path, command: list[str], application: str
) -> None:
    web = WebServer([sys.executable, "-m", *command], tmp_path, application, "")
    try:
        web.wait_for(WORKERS)
        load = Load(web, "exact", clients=4)
        load.join()
    finally:
        web.stop()
    assert load.statuses[200] == LIMIT
    assert set(load.statuses) == {200, 429}


def test_flask_and_its_reloader_have_one_limiter(tmp_path: Path, directory: Path) -> None:
    """Symptom: app.run(debug=True) with a Limiter ended with DataDirLocked."""
    web = WebServer([sys.executable, "application.py"], tmp_path, FLASK, "")
    try:
        web.wait_for(1)
        assert web.get("/left") == (200, b"99")
        first = web.get("/worker")[1]
        time.sleep(0.01)
        (tmp_path / "application.py").write_text(FLASK + "# changed\n")

        def reloaded() -> bool:
            try:
                return web.get("/worker")[1] != first
            except ConnectionError:
                return False

        wait_until(reloaded, "the reload")
        assert web.get("/left") == (200, b"98")
    finally:
        web.stop()


CELERY = """
import os
import flint
from celery import Celery
from celery.signals import worker_ready

app = Celery("tasks", broker="memory://")
limiter = flint.open("data", sync="batch", timeout=30)

@app.task
def work():
    allowed = limiter.allow("work", limit="5/366d")
    with open("done", "a") as done:
        done.write(f"{allowed} {os.getpid()}\\n")

@worker_ready.connect
def send(**_):
    for _ in range(12):
        work.delay()
"""


def test_the_pool_of_celery_has_one_limiter(tmp_path: Path, directory: Path) -> None:
    (tmp_path / "tasks.py").write_text(CELERY)
    env = {name: value for name, value in os.environ.items() if name != "DJANGO_SETTINGS_MODULE"}
    command = [sys.executable, "-m", "celery", "-A", "tasks", "worker", "--pool", "prefork", "--concurrency", "3"]
    with subprocess.Popen(
        [*command, "--without-gossip", "--without-mingle", "--without-heartbeat"],
        cwd=tmp_path,
        env={**env, "C_FORCE_ROOT": "1"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    ) as worker:
        try:
            done = tmp_path / "done"
            wait_until(lambda: done.exists() and len(done.read_text().splitlines()) == 12, "the tasks")
        finally:
            # Its shutdown takes longer than all tasks.
            os.killpg(worker.pid, signal.SIGKILL)
    said = [line.split()[0] for line in done.read_text().splitlines()]
    assert (said.count("True"), said.count("False")) == (5, 7)


XDIST = """
import flint, pytest

@pytest.mark.parametrize("number", range(12))
def test_allowed(number):
    with flint.open("data", sync="batch", timeout=30) as limiter:
        assert limiter.allow("test", limit="12/366d")
"""


def test_the_workers_of_xdist_have_one_limiter(tmp_path: Path, directory: Path) -> None:
    (tmp_path / "test_it.py").write_text(XDIST)
    command = [sys.executable, "-m", "pytest", "-q", "-n", "3", "-p", "no:cacheprovider", "-p", "xdist"]
    env = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, timeout=2 * PATIENCE_S)
    assert done.returncode == 0 and "12 passed" in done.stdout, done.stdout + done.stderr
    with flint.open(directory, sync="batch") as limiter:
        assert not limiter.allow("test", limit="12/366d")


def allowed(directory: Path) -> int:
    with flint.open(directory, sync="batch") as limiter:
        return sum(limiter.allow("k", limit="10/366d") for _ in range(4))


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_the_processes_of_a_pool_have_one_limiter(directory: Path, method: str) -> None:
    with multiprocessing.get_context(method).Pool(3) as pool:
        assert sum(pool.map(allowed, [directory] * 6, chunksize=1)) == 10
    end_server(directory)
