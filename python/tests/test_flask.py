"""What is of Flask alone: the extension, and the decorator of views."""

from __future__ import annotations

import json
from typing import Any

import flask
import pytest
from web_support import wsgi
from werkzeug.exceptions import TooManyRequests

import flint
from flint.flask import Flint, RateLimit, client_address
from flint.testing import MemoryLimiter


@pytest.fixture
def app() -> flask.Flask:
    app = flask.Flask("site", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True
    app.add_url_rule("/", "root", lambda: "hello")
    return app


def test_the_extension_limits_all_requests(app: flask.Flask, flint_limiter: MemoryLimiter) -> None:
    extension = Flint(app, limiter=flint_limiter, key_func=client_address(), rate="2/m")
    assert app.extensions["flint"] is extension
    assert [wsgi(app, path).status for path in ("/", "/nowhere", "/")] == [200, 404, 429]
    denied = wsgi(app)
    assert json.loads(denied.body) == {"detail": "rate limit exceeded"}
    assert (denied["content-type"], denied["retry-after"]) == ("application/json", "30")
    assert wsgi(app, REMOTE_ADDR="192.0.2.2").status == 200


def test_the_extension_can_be_made_before_the_application(app: flask.Flask, flint_limiter: MemoryLimiter) -> None:
    extension = Flint(limiter=flint_limiter, key="k", rate="1/m")
    for one in (app, flask.Flask("other")):
        extension.init_app(one)
    assert [wsgi(app).status for _ in range(2)] == [200, 429]


def test_without_a_limit_the_extension_makes_decorators(app: flask.Flask, flint_limiter: MemoryLimiter) -> None:
    extension = Flint(app, limiter=flint_limiter)

    @app.get("/items/<item>")
    @extension.limit(key_func=lambda request: f"item:{(request.view_args or {})['item']}", rate="1/m")
    def items(item: str) -> str:
        return item

    assert items.__name__ == "items"
    assert [wsgi(app).status for _ in range(3)] == [200] * 3
    assert [wsgi(app, f"/items/{item}").status for item in "aab"] == [200, 429, 200]


def test_the_address_of_a_client_behind_proxies(app: flask.Flask, flint_limiter: MemoryLimiter) -> None:
    Flint(app, limiter=flint_limiter, key_func=client_address(trusted_hops=1, prefix="ip:"), rate="1/m")
    wsgi(app, HTTP_X_FORWARDED_FOR="6.6.6.6, 192.0.2.9")
    assert [status["key"] for status in flint_limiter.list(keys=True)] == ["ip:192.0.2.9"]


def test_the_error_handler_of_the_application_answers_denials(app: flask.Flask, flint_limiter: MemoryLimiter) -> None:
    Flint(app, limiter=flint_limiter, key="k", rate="1/m")

    @app.errorhandler(429)
    def denied(error: TooManyRequests) -> Any:
        return f"too many: {error.description}", 429

    wsgi(app)
    answer = wsgi(app)
    assert (answer.status, answer.body) == (429, b"too many: rate limit exceeded")
    assert (answer["retry-after"], answer["ratelimit"]) == ("60", '"default";r=0;t=60')


def test_a_denial_may_be_a_problem_in_json(app: flask.Flask, flint_limiter: MemoryLimiter) -> None:
    Flint(app, limiter=flint_limiter, key="k", rate="1/m", policy="all", problem_json=True)
    wsgi(app)
    answer = wsgi(app)
    assert answer["content-type"] == "application/problem+json"
    assert json.loads(answer.body)["violated-policies"] == ["all"]


def test_what_a_decorated_function_is_denied_is_429(app: flask.Flask, flint_limiter: MemoryLimiter) -> None:
    Flint(app, limiter=flint_limiter)
    app.add_url_rule("/report", view_func=flint_limiter.rate_limit("report", "1/h")(lambda: "made"))
    assert [wsgi(app, "/report").status for _ in range(2)] == [200, 429]


def test_a_coroutine_function_can_be_a_view(app: flask.Flask, flint_limiter: MemoryLimiter) -> None:
    @app.get("/later")
    @RateLimit(flint_limiter, key="later", rate="1/m")
    async def later() -> str:
        return "later"

    first, second = wsgi(app, "/later"), wsgi(app, "/later")
    assert (first.status, first.body, second.status) == (200, b"later", 429)


def test_a_test_can_turn_the_limits_off(app: flask.Flask, flint_limiter: MemoryLimiter) -> None:
    Flint(app, limiter=flint_limiter, key="k", rate="1/m")
    app.config["FLINT_ENABLED"] = False
    assert [wsgi(app).status for _ in range(3)] == [200] * 3
    app.config["FLINT_ENABLED"] = True
    assert [wsgi(app).status for _ in range(2)] == [200, 429]


def test_the_fields_of_limits_around_each_other(app: flask.Flask, flint_limiter: MemoryLimiter) -> None:
    extension = Flint(app, limiter=flint_limiter, key="all", rate="9/m", policy="all")
    app.add_url_rule("/view", view_func=extension.limit(key="view", rate="2/m", policy="view")(lambda: "view"))
    answer = wsgi(app, "/view")
    assert [value for name, value in answer.fields if name == "ratelimit"] == ['"view";r=1;t=30', '"all";r=8;t=7']
    assert answer["x-ratelimit-limit"] == "2"


def test_a_view_that_fails_has_the_fields_too(app: flask.Flask, flint_limiter: MemoryLimiter) -> None:
    app.config["PROPAGATE_EXCEPTIONS"] = False

    @app.get("/fails")
    @RateLimit(flint_limiter, key="k", rate="2/m")
    def fails() -> str:
        raise ZeroDivisionError

    answer = wsgi(app, "/fails")
    assert (answer.status, answer["ratelimit"]) == (500, '"default";r=1;t=30')


def test_options_without_a_limit_are_an_error(app: flask.Flask, flint_limiter: MemoryLimiter) -> None:
    for options in ({"rate": "1/m"}, {"methods": ["GET"]}, {"enabled": True}):
        with pytest.raises(TypeError, match="give either key"):
            Flint(app, limiter=flint_limiter, **options)
    with pytest.raises(flint.LimitNotConfigured):
        Flint(app, limiter=flint_limiter, key="elsewhere")
        wsgi(app)
