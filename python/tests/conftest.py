"""The fixtures of all tests: a server, an event loop, and limiters of every kind."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from support import AsyncStyle, Server, end_server, use_python_alone

import flint

os.environ["DJANGO_SETTINGS_MODULE"] = "django_settings"

# A failure prints what replays it, so there is nothing to keep on disk. How busy the machine is fails no test.
settings.register_profile(
    "flint", database=None, print_blob=True, deadline=None, suppress_health_check=[HealthCheck.too_slow]
)
settings.load_profile("flint")


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    server = Server(tmp_path / "served", "--sync", "batch")
    yield server
    server.stop()


@pytest.fixture
def directory(tmp_path: Path) -> Iterator[Path]:
    """For flint.open(), whose server ends with the test."""
    yield tmp_path / "data"
    end_server(tmp_path / "data")


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.run_until_complete(loop.shutdown_default_executor())
    loop.close()


MODES = ("embedded-always", "embedded-batch", "shared-http", "shared-unix", "shared-unix-pure")


def open_limiter(mode: str, request: pytest.FixtureRequest) -> flint.AbstractLimiter:
    if mode.startswith("embedded"):
        sync: Any = mode.removeprefix("embedded-")
        return flint.Limiter(request.getfixturevalue("tmp_path") / "data", sync=sync)
    if mode.endswith("-pure"):
        use_python_alone(request.getfixturevalue("monkeypatch"))
    server = request.getfixturevalue("server")
    return flint.SharedLimiter(server.url if mode == "shared-http" else server.socket)


@pytest.fixture(params=MODES)
def raw_limiter(request: pytest.FixtureRequest) -> Iterator[flint.AbstractLimiter]:
    """A limiter of each kind, without any limit yet."""
    with open_limiter(request.param, request) as limiter:
        yield limiter


@pytest.fixture(params=("sync", "async"))
def limiter(request: pytest.FixtureRequest, raw_limiter: flint.AbstractLimiter) -> Any:
    """The same, by its methods for threads and by those for asyncio."""
    if request.param == "sync":
        return raw_limiter
    return AsyncStyle(raw_limiter, request.getfixturevalue("loop"))
