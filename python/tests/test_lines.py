"""The applications of docs/web.md that are counted in lines, Flint's and those of other packages, do the same."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import Server, wait_until
from web_support import Answer, asgi

from flint.testing import MemoryLimiter

ROOT = Path(__file__).parents[2]
PACKAGES = ("flint", "slowapi", "throttled")
CASES = ("by address", "by user and route", "by plan", "two windows", "several keys", "a fake clock in tests")

pytestmark = pytest.mark.filterwarnings("ignore:.*:DeprecationWarning:slowapi|limits")


def blocks(package: str) -> tuple[str, dict[str, str]]:
    """The imports, and the program of each case."""
    text = (Path(__file__).parent / "lines" / f"{package}_lines.py").read_text()
    imports, *parts = re.split(r"^# --- (.*)\n", text, flags=re.MULTILINE)
    cases = dict(zip(parts[::2], parts[1::2]))
    assert tuple(cases) == CASES
    return imports, cases


def count(program: str) -> int:
    return sum(1 for line in program.splitlines() if line.strip())


@pytest.fixture(params=PACKAGES)
def package(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def program(package: str, server: Server) -> Callable[[str], dict[str, Any]]:
    """Runs the program of a case, and returns its namespace."""
    imports, cases = blocks(package)

    def run(case: str) -> dict[str, Any]:
        code = (imports + cases[case]).replace("SharedLimiter()", f'SharedLimiter("{server.socket}")')
        namespace: dict[str, Any] = {"__name__": "lines"}
        exec(compile(code, f"{package}: {case}", "exec", dont_inherit=True), namespace)
        return namespace

    return run


def ask(namespace: dict[str, Any], *requests: dict[str, Any]) -> list[Answer]:
    async def all_of_them() -> list[Answer]:
        return [await asgi(namespace["app"], **request) for request in requests]

    return asyncio.run(all_of_them())


def by(user: str = "", org: str = "", plan: str = "", path: str = "/", client: str = "192.0.2.1") -> dict[str, Any]:
    return {
        "path": path,
        "fields": [("X-User", user), ("X-Org", org), ("X-Plan", plan)],
        "client": (client, 5000),
    }


def statuses(answers: list[Answer]) -> list[int]:
    for answer in answers:
        # slowapi, whose words these are, now and then says 0.
        least = 0 if b"Rate limit exceeded: " in answer.body else 1
        assert answer.status != 429 or int(answer["retry-after"] or -1) >= least
    return [answer.status for answer in answers]


def test_by_address(program: Any) -> None:
    answers = ask(program("by address"), *[by()] * 4, by(client="192.0.2.2"))
    assert statuses(answers) == [200, 200, 200, 429, 200]


def test_by_user_and_route(program: Any) -> None:
    asked = [by("ann", path="/items")] * 4 + [by("bob", path="/items"), by("ann", path="/orders")]
    assert statuses(ask(program("by user and route"), *asked)) == [200, 200, 200, 429, 200, 200]


def test_by_plan(program: Any) -> None:
    asked = [by("ann", plan="free")] * 3 + [by("bob", plan="paid")] * 5
    assert statuses(ask(program("by plan"), *asked)) == [200, 200, 429] + [200] * 4 + [429]


def test_two_windows(program: Any) -> None:
    """A burst of three meets the first window, and the sixth request meets the second one."""
    namespace = program("two windows")
    seen = statuses(ask(namespace, *[by()] * 4))
    assert seen[:3] == [200, 200, 200]

    def five_have_passed() -> bool:
        seen.extend(statuses(ask(namespace, by())))
        return seen.count(200) == 5

    wait_until(five_have_passed, "the window of a second to pass")

    def waits_for_the_hour() -> bool:
        (answer,) = ask(namespace, by())
        assert answer.status == 429
        return int(answer["retry-after"] or 0) > 60

    wait_until(waits_for_the_hour, "the window of a second to pass again")


def test_several_keys(package: str, program: Any) -> None:
    namespace = program("several keys")
    seen = statuses(ask(namespace, *[by("ann", "acme")] * 3, *[by("bob", "acme")] * 2))
    assert seen == [200, 200, 429, 200, 200]
    # The organisation has one left if the request that ann was denied did not consume it, and dan has two if the one
    # that the organisation denied did not.
    of_acme = statuses(ask(namespace, *[by("cyd", "acme")] * 2, by("dan", "acme")))
    of_dan = statuses(ask(namespace, *[by("dan", "other")] * 2))
    assert of_acme[1:] == [429, 429] and of_dan[0] == 200
    assert ((of_acme[0], of_dan[1]) == (200, 200)) == (package == "flint")


def test_a_fake_clock(program: Any, flint_limiter: MemoryLimiter) -> None:
    test = program("a fake clock in tests")["test_a_minute_later_there_is_room"]
    test(*[flint_limiter] * test.__code__.co_argcount)


def test_the_table_of_the_document() -> None:
    counted = {package: {case: count(program) for case, program in blocks(package)[1].items()} for package in PACKAGES}
    rows = [[str(counted[package][case]) for package in PACKAGES] for case in CASES]
    table = [f"| {case} | {' | '.join(row)} |" for case, row in zip(CASES, rows)]
    document = (ROOT / "docs" / "web.md").read_text()
    for line in table:
        assert line in document, "\n".join(table)
    for case in CASES:
        assert all(counted["flint"][case] < counted[other][case] for other in PACKAGES[1:]), table
