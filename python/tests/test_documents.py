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
from pathlib import Path
from typing import Any

import pytest
from support import Server
from web_support import asgi, wsgi

import flint

ROOT = Path(__file__).parents[2]
DOCUMENTS = ("README.md", "docs/python.md", "docs/fastapi.md")
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
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")


def test_the_readme(server: Server) -> None:
    run_document("README.md", server)


def test_python_md(server: Server, request: pytest.FixtureRequest) -> None:
    namespace = run_document("docs/python.md", server)
    namespace["test_the_fourth_request_waits"](request.getfixturevalue("flint_limiter"))


def test_fastapi_md(server: Server) -> None:
    namespace = run_document("docs/fastapi.md", server)
    app, site = namespace["app"], namespace["site"]

    async def use() -> None:
        assert (await asgi(app))["ratelimit"] == '"default";r=99;t=1'
        assert [(await asgi(app, "/login", method="POST")).status for _ in range(6)] == [200] * 5 + [429]
        assert (await asgi(app, "/items/a")).body == b'{"item":"a","remaining":9}'
        assert "flint_limit_info" in (await asgi(app, "/metrics")).body.decode()

    asyncio.run(use())
    assert wsgi(site)["x-ratelimit-limit"] == "100"
    assert [wsgi(site, "/report").status for _ in range(2)] == [200, 429]


def test_the_example_of_a_web_service(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLINT_SERVER", server.url)
    monkeypatch.syspath_prepend(str(ROOT / "examples"))
    from importlib import import_module

    app = import_module("fastapi_app").app

    async def use() -> None:
        assert [(await asgi(app, "/login", method="POST")).status for _ in range(4)] == [200] * 3 + [429]
        assert (await asgi(app))["x-ratelimit-remaining"] == "95"
        assert "flint_degraded_checks_total 0" in (await asgi(app, "/metrics")).body.decode()

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
