"""Workers of real servers that run Flask and Django and share a quota through a real server: exactly the limit."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from support import Server
from web_servers import Load, WebServer

import flint

WORKERS = 3
LIMIT = 300

FLASK = f"""
import os
import flint
from flask import Flask
from flint.flask import Flint

app = Flask("site")
limits = Flint(
    app,
    limiter=flint.SharedLimiter(os.environ["FLINT_SERVER"], timeout=30),
    limits=[
        {{"key_func": lambda request: request.headers["x-key"], "rate": lambda request: "{LIMIT}/366d"}},
        {{"key": "all", "rate": "1_000_000/366d"}},
    ],
    exempt_paths=["/worker"],
)

@app.get("/")
def root():
    return "hello"

@app.get("/worker")
def worker():
    return str(os.getpid())
"""

DJANGO = f"""
import os
import django
import flint
from django.conf import settings
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.urls import path

settings.configure(
    ROOT_URLCONF=__name__,
    ALLOWED_HOSTS=["*"],
    SECRET_KEY="x",
    LOGGING_CONFIG=None,
    MIDDLEWARE=["flint.django.FlintMiddleware"],
    FLINT={{
        "limiter": flint.SharedLimiter(os.environ["FLINT_SERVER"], timeout=30),
        "key_func": lambda request: request.headers["x-key"],
        "rate": lambda request: "{LIMIT}/366d",
        "exempt_paths": ["/worker"],
    }},
)
django.setup()

async def root(request):
    return HttpResponse("hello")

def worker(request):
    return HttpResponse(str(os.getpid()))

urlpatterns = [path("", root), path("worker", worker)]
wsgi = WSGIHandler()
asgi = ASGIHandler()
"""

GUNICORN = ["gunicorn", "--bind", "127.0.0.1:0", "--workers", str(WORKERS), "--threads", "4", "--timeout", "60"]
UVICORN = ["uvicorn", "--port", "0", "--workers", str(WORKERS), "--no-access-log", "--timeout-worker-healthcheck", "60"]


@pytest.mark.parametrize(
    ("command", "application"),
    [
        ([*GUNICORN, "application:app"], FLASK),
        ([*GUNICORN, "application:wsgi"], DJANGO),
        ([*UVICORN, "application:asgi"], DJANGO),
    ],
    ids=["flask-gunicorn", "django-gunicorn", "django-uvicorn"],
)
def test_workers_admit_exactly_the_limit(
    tmp_path: Path, server: Server, command: list[str], application: str
) -> None:
    web = WebServer([sys.executable, "-m", *command], tmp_path, application, server.url)
    try:
        web.wait_for(WORKERS)
        load = Load(web, "exact", clients=6)
        load.join()
    finally:
        web.stop()
    assert load.statuses[200] == LIMIT
    assert set(load.statuses) == {200, 429}
    with flint.SharedLimiter(server.socket) as limiter:
        status = limiter.status("exact")
        assert status is not None
        assert (status["total_allowed"], status["total_denied"]) == (LIMIT, load.statuses[429])
