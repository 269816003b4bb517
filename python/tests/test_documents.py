"""What the documents and examples show for Python does what they show.

The ```python blocks of a document run from top to bottom in one namespace and one empty folder, each from the line on
which it stands. A line `#> TEXT` is what was printed up to there; `...` in it stands for any text. A server listens on
what the documents call 127.0.0.1:7878.
"""

from __future__ import annotations

import asyncio
import contextlib
import fnmatch
import io
import os
import re
import subprocess
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Server, end_server
from test_websocket import connect
from web_support import asgi, wsgi

import flint

ROOT = Path(__file__).parents[2]
FENCE = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def run_document(name: str, server: Server) -> dict[str, Any]:
    """The namespace that the blocks of a document leave."""
    text = (ROOT / name).read_text()
    namespace: dict[str, Any] = {"__name__": "document"}
    found = list(FENCE.finditer(text))
    assert found, f"{name} shows no Python"
    for block in found:
        line = text.count("\n", 0, block.start(1))
        code = block[1].replace("http://127.0.0.1:7878", server.url)
        printed = io.StringIO()
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * line + code, name, "exec"), namespace)
        shown = re.findall(r"^#> (.*)$", code, re.MULTILINE)
        said = printed.getvalue().splitlines()
        where = f"{name}:{line + 1} prints {said}, shown is {shown}"
        assert len(said) == len(shown), where
        for one, other in zip(said, shown):
            assert fnmatch.fnmatchcase(one, re.sub(r"([\[*?])", r"[\1]", other).replace("...", "*")), where
    return namespace


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    folder = tmp_path / "empty"
    folder.mkdir()
    monkeypatch.chdir(folder)
    yield
    for opened in folder.glob("*/flint.sock"):
        end_server(opened.parent)


def test_the_readme(server: Server) -> None:
    run_document("README.md", server)


def test_python_md(server: Server, request: pytest.FixtureRequest) -> None:
    namespace = run_document("docs/python.md", server)
    namespace["test_the_fourth_request_waits"](request.getfixturevalue("flint_limiter"))


def test_fastapi_md(server: Server) -> None:
    namespace = run_document("docs/fastapi.md", server)
    app = namespace["app"]

    async def use() -> None:
        assert (await asgi(app))["ratelimit"] == '"default";r=99;t=1'
        assert [(await asgi(app, "/login", method="POST")).status for _ in range(6)] == [200] * 5 + [429]
        assert (await asgi(app, "/items/a")).body == b'{"item":"a","remaining":9}'
        assert "flint_limit_info" in (await asgi(app, "/metrics")).body.decode()
        assert [(await asgi(app, "/report")).status for _ in range(2)] == [200, 429]

    asyncio.run(use())


def test_web_md(server: Server, request: pytest.FixtureRequest) -> None:
    namespace = run_document("docs/web.md", server)
    namespace["test_a_minute_later_there_is_room"](request.getfixturevalue("flint_limiter"))
    app, site = namespace["app"], namespace["site"]

    async def use() -> None:
        async def seen(path: str, count: int, **fields: str) -> list[int]:
            named = [(name.replace("_", "-"), value) for name, value in fields.items()]
            return [(await asgi(app, path, fields=named)).status for _ in range(count)]

        async def policies(path: str, user: str) -> list[str]:
            fields = (await asgi(app, path, fields=[("x-user", user)])).fields
            return [value for name, value in fields if name == "ratelimit-policy"]

        assert await seen("/items", 4, x_user="ann") == [200, 200, 200, 429]
        assert await seen("/search", 3, x_user="ann") == [200, 200, 429]
        assert await seen("/search", 3, x_user="bob", x_plan="paid") == [200, 200, 200]
        assert await seen("/reports", 11, x_user="cyd") == [200] * 10 + [429]
        logins = [
            (await asgi(app, "/login", "POST", query=f"password={password}")).status
            for password in ["right"] * 4 + ["wrong"] * 4
        ]
        assert logins == [200] * 4 + [401] * 3 + [429]
        sent = await connect(app, "a", "b", "c", path="/echo")
        assert [message.get("text") or message["type"] for message in sent[1:]] == ["a", "b", "websocket.close"]
        by_address, everybody = '"default";q=100;w=60', '"all";q=1000;w=1'
        assert await policies("/items", "dan") == ['"default";q=3;w=60', by_address, everybody]
        assert await policies("/items", "root") == ['"default";q=3;w=60', by_address]
        assert await policies("/feed", "root") == ['"limit-1";q=10;w=1, "limit-2";q=1000;w=3600', by_address]

    asyncio.run(use())
    assert [wsgi(site, "/login", "POST").status for _ in range(6)] == [200] * 5 + [429]
    assert wsgi(site, "/nowhere")["ratelimit-policy"] == '"default";q=100;w=60'
    assert [wsgi(namespace["application"]).status for _ in range(3)] == [200, 200, 429]
    use_django(namespace)


def use_django(namespace: dict[str, Any]) -> None:
    """The settings, views and throttles of docs/web.md."""
    import django
    from django.core.handlers.asgi import ASGIHandler
    from django.core.handlers.wsgi import WSGIHandler
    from django.test import override_settings
    from django.urls import path
    from rest_framework.response import Response
    from rest_framework.views import APIView

    class Throttled(APIView):  # type: ignore[misc]
        authentication_classes = ()
        throttle_classes = ()

        def get(self, request: Any) -> Response:
            return Response("hello")

    class Urls:
        urlpatterns = [
            path("login", namespace["django_login"]),
            path("report", namespace["django_report"]),
            path("api", Throttled.as_view(throttle_classes=[namespace["LoginThrottle"]])),
            path("api/report", Throttled.as_view(throttle_classes=[namespace["ReportThrottle"]])),
        ]

    django.setup()
    framework = {
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    }
    settings = {"MIDDLEWARE": namespace["MIDDLEWARE"], "FLINT": namespace["FLINT"], "REST_FRAMEWORK": framework}
    with override_settings(ROOT_URLCONF=Urls(), **settings):
        site = WSGIHandler()
        assert [wsgi(site, "/login").status for _ in range(6)] == [200] * 5 + [429]
        assert [asyncio.run(asgi(ASGIHandler(), "/report")).status for _ in range(3)] == [200, 200, 429]
        assert [wsgi(site, "/api").status for _ in range(6)] == [200] * 5 + [429]
        assert [wsgi(site, "/api/report").status for _ in range(3)] == [200, 200, 429]
        assert [wsgi(site, "/api/report", HTTP_X_PLAN="paid").status for _ in range(3)] == [200, 200, 429]


def test_the_example_of_a_web_service(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLINT_SERVER", server.url)
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    from importlib import import_module

    app = import_module("fastapi_app").app

    async def use() -> None:
        assert [(await asgi(app, "/login", method="POST")).status for _ in range(4)] == [200] * 3 + [429]
        assert (await asgi(app))["x-ratelimit-remaining"] == "95"
        metrics = (await asgi(app, "/metrics")).body.decode()
        assert 'flint_decisions_total{outcome="denied"} 1' in metrics
        assert "flint_degraded_checks_total 0" in metrics

    asyncio.run(use())


def test_the_example_of_a_worker(server: Server) -> None:
    done = subprocess.run(
        [sys.executable, str(ROOT / "examples/worker.py"), "berlin", "paris", "rome"],
        env={**os.environ, "FLINT_SERVER": server.url},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert [line.split(":")[0] for line in done.stdout.splitlines()] == ["berlin", "paris", "rome"]
    with flint.SharedLimiter(server.socket) as limiter:
        status = limiter.status("api:weather")
        assert status is not None
        assert status["total_allowed"] == 3


def test_a_document_that_shows_what_is_not_so_fails(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(globals(), "ROOT", tmp_path)
    for code in ("print(1)\n#> 2", "print(1)", "1\n#> 1", "print('[a]b')\n#> a..."):
        (tmp_path / "d.md").write_text(textwrap.dedent(f"text\n\n```python\n{code}\n```\n"))
        with pytest.raises(AssertionError, match="d.md:4 prints"):
            run_document("d.md", server)
