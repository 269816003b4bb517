"""CheckResult: the class of the extension and the one in Python that stands in for it behave the same."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import urllib.request
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from support import Server

import flint
from flint_limiter._python_result import PythonCheckResult

RESET_AT = datetime(2026, 11, 23, 18, 22, 2, 123_000, tzinfo=timezone.utc)
FIELDS: dict[str, Any] = {
    "key": "api:user-42",
    "allowed": True,
    "cost": 2,
    "limit": 2**40,
    "remaining": 7,
    "reset_at": RESET_AT,
    "reset_after_ms": 600,
    "retry_after_ms": 0,
    "algorithm": "token_bucket",
}

both = pytest.mark.parametrize("kind", [flint.CheckResult, PythonCheckResult], ids=["native", "python"])


def test_the_extension_has_a_class_of_its_own() -> None:
    assert flint.CheckResult is not PythonCheckResult


@both
def test_it_has_the_fields_of_a_decision(kind: Any) -> None:
    result = kind(**FIELDS)
    assert {name: getattr(result, name) for name in FIELDS} == FIELDS
    assert kind(*FIELDS.values()) == result


@both
def test_it_is_true_when_allowed(kind: Any) -> None:
    assert kind(**FIELDS)
    assert not kind(**{**FIELDS, "allowed": False})


@both
def test_it_shows_its_fields(kind: Any) -> None:
    shown = {**FIELDS, "retry_after_ms": None, "keys_full": True, "would_deny": False, "windows": ()}
    shown["unknown_timezone"] = None
    assert repr(kind(**shown)) == "CheckResult(" + ", ".join(f"{name}={shown[name]!r}" for name in shown) + ")"


@both
def test_equality_is_that_of_all_fields(kind: Any) -> None:
    result = kind(**FIELDS)
    assert result == kind(**FIELDS)
    assert hash(result) == hash(kind(**FIELDS))
    others = {
        "key": "other",
        "allowed": False,
        "cost": 3,
        "limit": 1,
        "remaining": 6,
        "reset_at": RESET_AT + timedelta(milliseconds=1),
        "reset_after_ms": 601,
        "retry_after_ms": 1,
        "algorithm": "sliding_window_log",
        "keys_full": True,
        "would_deny": False,
        "windows": ({"rate": 3},),
    }
    for name, value in others.items():
        other = kind(**{**FIELDS, name: value})
        assert result != other
        assert not result == other
    assert result != tuple(FIELDS.values())
    assert result != None  # noqa: E711  (the operator is what is tested)
    with pytest.raises(TypeError):
        result < kind(**FIELDS)


@both
def test_it_cannot_be_changed(kind: Any) -> None:
    result = kind(**FIELDS)
    for name in FIELDS:
        with pytest.raises(AttributeError):
            setattr(result, name, None)
        with pytest.raises(AttributeError):
            delattr(result, name)
    with pytest.raises((AttributeError, TypeError)):
        result.something_else = 1


@both
def test_it_can_be_matched(kind: Any) -> None:
    match kind(**FIELDS):
        case kind(key, True, cost, remaining=remaining):
            assert (key, cost, remaining) == ("api:user-42", 2, 7)
        case _:
            pytest.fail("no match")


def test_it_can_be_pickled_and_copied() -> None:
    result = flint.CheckResult(**FIELDS)
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        assert pickle.loads(pickle.dumps(result, protocol)) == result
    assert copy.copy(result) == copy.deepcopy(result) == result


def test_pickles_go_from_one_class_to_the_other() -> None:
    without_extension = (
        "import sys; sys.modules['flint_limiter._native'] = None\n"
        "import flint, pickle\n"
        "from flint._python_result import PythonCheckResult\n"
        "result = pickle.load(sys.stdin.buffer)\n"
        "assert type(result) is flint.CheckResult is PythonCheckResult\n"
        "sys.stdout.buffer.write(pickle.dumps(result))\n"
    )
    result = flint.CheckResult(**FIELDS)
    done = subprocess.run([sys.executable, "-c", without_extension], input=pickle.dumps(result), capture_output=True)
    assert done.returncode == 0, done.stderr.decode()
    back = pickle.loads(done.stdout)
    assert type(back) is flint.CheckResult
    assert back == result


def test_the_time_of_a_decision_is_made_once(tmp_path: Any) -> None:
    with flint.Limiter(tmp_path, sync="batch") as limiter:
        limiter.limit("k", rate=1, per="1m")
        result = limiter.check("k")
        assert result.reset_at is result.reset_at
        assert result.reset_at.tzinfo is timezone.utc
        assert result.reset_at.microsecond % 1000 == 0


DOCUMENT = {**FIELDS, "reset_at": "2026-11-23T18:22:02.123Z"}


@both
def test_as_dict_is_the_json_of_the_api(kind: Any) -> None:
    result = kind(**FIELDS)
    assert json.loads(json.dumps(result.as_dict())) == DOCUMENT == dict(result) == {**result}
    assert list(result.as_dict()) == list(FIELDS)
    assert result["key"] == "api:user-42"
    elsewhere = kind(**{**FIELDS, "reset_at": RESET_AT.astimezone(timezone(timedelta(hours=5)))})
    assert elsewhere.as_dict() == DOCUMENT
    degraded = kind(**{**FIELDS, "algorithm": "unavailable"})
    assert degraded.as_dict() == {**DOCUMENT, "algorithm": "unavailable", "degraded": True}
    for allowed in (True, False):
        full = kind(**{**FIELDS, "allowed": allowed, "keys_full": True})
        assert full.degraded is allowed
        assert full.as_dict() == {**DOCUMENT, "allowed": allowed, "code": "keys_full", "degraded": allowed}
        shadow = kind(**{**FIELDS, "would_deny": allowed})
        assert shadow.as_dict() == {**DOCUMENT, "would_deny": allowed}
    blocked = kind(**{**FIELDS, "allowed": False, "retry_after_ms": None})
    assert blocked.as_dict() == {**DOCUMENT, "allowed": False, "retry_after_ms": None}


def test_what_a_server_says_and_as_dict_agree(server: Server) -> None:
    with flint.SharedLimiter(server.url) as limiter:
        limiter.limit("k", rate=1, per="1d")
        request = urllib.request.Request(
            f"{server.url}/v1/check", b'{"key":"k"}', {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=30) as answer:
            assert list(json.load(answer)) == list(limiter.check("k").as_dict())


# The same answer from a route with and without a declared type.
ROUTES = """
import asyncio, json, sys
if sys.argv[1] == "without the extension":
    sys.modules["flint_limiter._native"] = None
from datetime import datetime, timezone
import flint
from fastapi import FastAPI
from web_support import asgi

result = flint.CheckResult("k", True, 1, 2, 1, datetime(2030, 1, 1, tzinfo=timezone.utc), 5, 0, "token_bucket")
everything = {"allowed": True, "denied_key": None, "results": [result]}
app = FastAPI()

@app.get("/declared")
async def declared() -> flint.CheckResult:
    return result

@app.get("/plain")
async def plain():
    return result

@app.get("/all")
async def all_declared() -> flint.CheckAllResult:
    return everything

@app.get("/all-plain")
async def all_plain():
    return everything

@app.get("/optional")
async def optional() -> flint.CheckResult | None:
    return result

for path in ("/declared", "/plain", "/optional"):
    assert json.loads(asyncio.run(asgi(app, path)).body) == result.as_dict(), path
for path in ("/all", "/all-plain"):
    assert json.loads(asyncio.run(asgi(app, path)).body) == {**everything, "results": [result.as_dict()]}, path
answer = app.openapi()["paths"]["/declared"]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
assert list(answer["properties"]) == [
    *result.as_dict(), "code", "message", "degraded", "would_deny", "windows"
], answer
assert answer["properties"]["reset_at"]["format"] == "date-time", answer
"""


@pytest.mark.parametrize("extension", ["with the extension", "without the extension"])
def test_a_route_of_fastapi_can_return_it(extension: str) -> None:
    """Symptom: `return limiter.check(key)` was a 500, and `-> flint.CheckResult` kept the application from starting."""
    command = [sys.executable, "-c", ROUTES, extension]
    done = subprocess.run(command, cwd=Path(__file__).parent, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def result(**fields: Any) -> flint.CheckResult:
    return flint.CheckResult(**{**FIELDS, "limit": 10, **fields})


def test_the_header_fields_of_a_result() -> None:
    allowed = {"RateLimit": '"default";r=7;t=1', "RateLimit-Policy": '"default";q=10'}
    assert flint.headers(result()) == allowed
    denied = result(allowed=False, retry_after_ms=1_001, remaining=0)
    assert flint.headers(denied, policy='a "b\\') == {
        "Retry-After": "2",
        "RateLimit": '"a \\"b\\\\";r=0;t=2',
        "RateLimit-Policy": '"a \\"b\\\\";q=10',
    }
    assert flint.headers(result(allowed=False, retry_after_ms=1))["Retry-After"] == "1"
    # No server decided: what is left is not known.
    assert flint.headers(result(limit=0, remaining=0, algorithm="unavailable")) == {}
    assert flint.headers(result(allowed=False, retry_after_ms=1_000, algorithm="unavailable")) == {"Retry-After": "1"}


@pytest.mark.parametrize(("policy", "kind"), [("", ValueError), ("é", ValueError), ("a\n", ValueError), (1, TypeError)])
def test_the_name_of_a_policy_is_printable(policy: Any, kind: type[Exception]) -> None:
    with pytest.raises(kind, match="policy must be"):
        flint.headers(result(), policy=policy)
