"""The WSGI middleware, with Flask and alone."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from typing import Any
from wsgiref.validate import validator

from web_support import wsgi

import flint
from flint.testing import MemoryLimiter
from flint.wsgi import FlintMiddleware, client_address, rate_limit_exceeded


def hello(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def limited(limiter: flint.AbstractLimiter, app: Any = hello, **arguments: Any) -> FlintMiddleware:
    given: dict[str, Any] = {"limiter": limiter, "rate": 2, "per": "1m"}
    if "key_func" not in arguments:
        given["key"] = "k"
    return FlintMiddleware(app, **{**given, **arguments})


def test_requests_pass_until_they_are_denied(flint_limiter: MemoryLimiter) -> None:
    app = limited(flint_limiter)
    first, _, third = [wsgi(app) for _ in range(3)]
    assert (first.status, first.body, first["ratelimit"]) == (200, b"hello", '"default";r=1;t=30')
    assert first["retry-after"] is None
    assert (third.status, json.loads(third.body)) == (429, {"detail": "rate limit exceeded"})
    assert third["content-length"] == str(len(third.body))
    assert (third["retry-after"], third["ratelimit-policy"]) == ("30", '"default";q=2;w=60')
    assert (third["x-ratelimit-limit"], third["x-ratelimit-remaining"]) == ("2", "0")
    assert wsgi(app, method="HEAD").body == b""


def test_it_keeps_to_the_letter_of_wsgi(flint_limiter: MemoryLimiter) -> None:
    app: Any = validator(limited(flint_limiter, validator(hello)))
    for status in (200, 200, 429, 429):
        chunks: list[bytes] = []
        seen: list[str] = []

        def start_response(status: str, headers: Any, exc_info: Any = None, seen: list[str] = seen) -> Any:
            seen.append(status)
            return None

        environ: dict[str, Any] = {"REQUEST_METHOD": "GET", "QUERY_STRING": ""}
        import wsgiref.util

        wsgiref.util.setup_testing_defaults(environ)
        answer = app(environ, start_response)
        chunks += answer
        answer.close()
        assert seen[0].startswith(str(status))


def test_answers_stream_and_are_closed(flint_limiter: MemoryLimiter) -> None:
    log: list[str] = []

    class Parts:
        def __iter__(self) -> Iterator[bytes]:
            yield b"a"

        def close(self) -> None:
            log.append("closed")

    parts = Parts()

    def app(environ: Any, start_response: Any) -> Any:
        start_response("200 OK", [])(b"written ")
        return parts

    middleware: Any = limited(flint_limiter, app)
    assert wsgi(middleware).body == b"written a"
    assert log == ["closed"]
    # A server can tell a file from other iterables only if it gets the very object.
    assert middleware({"PATH_INFO": "/", "REQUEST_METHOD": "GET"}, lambda *a: lambda data: None) is parts


def test_what_went_wrong_is_passed_on_to_the_server(flint_limiter: MemoryLimiter) -> None:
    given: list[Any] = []

    def app(environ: Any, start_response: Any) -> list[bytes]:
        try:
            raise KeyError
        except KeyError:
            start_response("500 Oh", [], sys.exc_info())
        return []

    middleware: Any = limited(flint_limiter, app)
    middleware({"PATH_INFO": "/", "REQUEST_METHOD": "GET"}, lambda *arguments: given.append(arguments))
    assert given[0][0] == "500 Oh" and given[0][2][0] is KeyError


def test_preflights_of_browsers_are_not_limited(flint_limiter: MemoryLimiter) -> None:
    app = limited(flint_limiter, rate=1)
    preflight = {"HTTP_ORIGIN": "https://a.example", "HTTP_ACCESS_CONTROL_REQUEST_METHOD": "GET"}
    assert [wsgi(app, method="OPTIONS", **preflight).status for _ in range(3)] == [200] * 3
    assert [wsgi(app, **preflight).status for _ in range(2)] == [200, 429]
    assert wsgi(app, method="OPTIONS", HTTP_ORIGIN="https://a.example").status == 429


def test_limits_can_be_configured_elsewhere(flint_limiter: MemoryLimiter) -> None:
    app: Any = FlintMiddleware(hello, limiter=flint_limiter, key="k")
    flint_limiter.limit("k", rate=1, per="1h")
    assert [wsgi(app).status for _ in range(2)] == [200, 429]


def test_a_cost_that_can_never_pass_is_denied(flint_limiter: MemoryLimiter) -> None:
    answer = wsgi(limited(flint_limiter, cost=lambda environ: 3))
    assert (answer.status, answer["retry-after"]) == (429, None)


def test_keys_costs_and_exempt_paths_are_of_the_environment(flint_limiter: MemoryLimiter) -> None:
    app = limited(
        flint_limiter,
        key_func=lambda environ: environ.get("HTTP_X_USER"),
        cost=lambda environ: int(environ["HTTP_X_COST"]),
        exempt_paths=["/größe/*"],
    )
    assert wsgi(app, HTTP_X_USER="u", HTTP_X_COST="2")["x-ratelimit-remaining"] == "0"
    assert wsgi(app, HTTP_X_USER="u", HTTP_X_COST="1").status == 429
    assert wsgi(app)["ratelimit"] is None
    assert wsgi(app, "/größe/x".encode().decode("latin-1"), HTTP_X_USER="u")["ratelimit"] is None


def test_the_client_address_is_a_key(flint_limiter: MemoryLimiter) -> None:
    app = limited(flint_limiter, key_func=client_address(trusted_hops=1))
    wsgi(app, HTTP_X_FORWARDED_FOR="6.6.6.6, 192.0.2.9")
    wsgi(app, REMOTE_ADDR="")
    assert [status["key"] for status in flint_limiter.list(keys=True)] == ["192.0.2.9", "unix"]


def test_of_limits_behind_each_other_the_older_fields_are_of_the_inner_one(flint_limiter: MemoryLimiter) -> None:
    answer = wsgi(limited(flint_limiter, limited(flint_limiter, key="in", policy="in"), rate=9))
    assert [value for name, value in answer.fields if name == "ratelimit-policy"] == [
        '"in";q=2;w=60',
        '"default";q=9;w=60',
    ]
    assert answer["x-ratelimit-limit"] == "2"


def test_flask(flint_limiter: MemoryLimiter) -> None:
    import flask

    app = flask.Flask(__name__)

    @app.get("/")
    def root() -> str:
        return "hello"

    app.wsgi_app = limited(flint_limiter, app.wsgi_app, key_func=client_address())  # type: ignore[method-assign]
    answers = [app.test_client().get("/") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["RateLimit"] == '"default";r=1;t=30'
    assert answers[2].json == {"detail": "rate limit exceeded"}


def test_what_a_view_of_flask_is_denied_is_429(flint_limiter: MemoryLimiter) -> None:
    """Symptom: RateLimitExceeded in a view was a 500."""
    import flask

    app = flask.Flask(__name__)
    app.register_error_handler(flint.RateLimitExceeded, rate_limit_exceeded)

    @app.get("/")
    @flint_limiter.rate_limit("view", rate=1, per="90500ms")
    def root() -> str:
        return "hello"

    first, second = [app.test_client().get("/") for _ in range(2)]
    assert (first.status_code, second.status_code) == (200, 429)
    assert (second.json, second.headers["Retry-After"]) == ({"detail": "rate limit exceeded"}, "91")
