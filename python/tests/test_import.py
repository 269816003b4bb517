"""What `import flint` costs: nothing is loaded that the first call may not need."""

from __future__ import annotations

import subprocess
import sys

import pytest
from support import Server

# Each takes longer than the package itself.
HEAVY = (
    "asyncio",
    "concurrent.futures",
    "dataclasses",
    "email",
    "http.client",
    "json",
    "logging",
    "random",
    "ssl",
    "subprocess",
)
PROGRAM = (
    "import sys\n"
    "before = set(sys.modules)\n"
    "import flint\n"
    "{use}\n"
    "print(*sorted(set(sys.modules) - before))\n"
)


def loaded(use: str, *arguments: str) -> set[str]:
    command = [sys.executable, "-c", PROGRAM.format(use=use), *arguments]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.split())


def test_the_import_alone() -> None:
    modules = loaded("")
    assert "flint_limiter._shared" in modules
    assert modules.isdisjoint(HEAVY)


@pytest.mark.parametrize("pure", [False, True])
def test_a_client_of_threads_needs_no_event_loop(server: Server, monkeypatch: pytest.MonkeyPatch, pure: bool) -> None:
    if pure:
        monkeypatch.setenv("FLINT_PURE_PYTHON", "1")
    modules = loaded("assert flint.SharedLimiter(sys.argv[1]).allow('k', limit='1/d')", server.url)
    assert modules.isdisjoint(("asyncio", "email", "http.client", "logging", "ssl", "subprocess"))
    modules = loaded("assert not flint.SharedLimiter(sys.argv[1]).allow('k', limit='1/d')", server.socket)
    assert modules.isdisjoint(("asyncio", "email", "http.client", "logging", "ssl", "subprocess"))


def test_a_limiter_of_threads_needs_no_event_loop() -> None:
    modules = loaded("from flint.testing import *; flint.Limiter")
    assert modules.isdisjoint(("asyncio", "email", "http.client", "ssl", "subprocess"))
