"""The dependency that limits routes of FastAPI."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Coroutine
from typing import Any

from fastapi import Depends, FastAPI, Response
from web_support import asgi

import flint
from flint.fastapi import RateLimit, rate_limit_exceeded
from flint.testing import MemoryLimiter


def run(coroutine: Coroutine[Any, Any, Any]) -> Any:
    return asyncio.run(coroutine)


def application(limiter: flint.AbstractLimiter) -> FastAPI:
    app = FastAPI()
    per_item = RateLimit(limiter, key_func=lambda request: f"item:{request.path_params['item']}", rate=1, per="1m")

    @app.get("/items/{item}", dependencies=[Depends(per_item)])
    async def read(item: str) -> str:
        return item

    @app.get("/left")
    async def left(result: flint.CheckResult = Depends(RateLimit(limiter, key="left", rate=5, per=1))) -> int:
        return result.remaining

    @app.get("/own", dependencies=[Depends(RateLimit(limiter, key="own", rate=1, per=1))])
    async def own() -> Response:
        return Response("own")

    return app


def test_a_route_can_have_a_limit_of_its_own(flint_limiter: MemoryLimiter) -> None:
    app = application(flint_limiter)
    first, second, other = [run(asgi(app, f"/items/{item}")) for item in ("a", "a", "b")]
    assert (first.status, first["ratelimit"], first["retry-after"]) == (200, '"default";r=0;t=60', None)
    assert (second.status, json.loads(second.body)) == (429, {"detail": "rate limit exceeded"})
    assert (second["retry-after"], second["x-ratelimit-remaining"]) == ("60", "0")
    assert other.status == 200


def test_a_route_gets_the_result_when_it_asks_for_it(flint_limiter: MemoryLimiter) -> None:
    app = application(flint_limiter)
    assert [run(asgi(app, "/left")).body for _ in range(2)] == [b"4", b"3"]


def test_a_route_with_a_response_of_its_own_is_limited_too(flint_limiter: MemoryLimiter) -> None:
    app = application(flint_limiter)
    assert [run(asgi(app, "/own")).status for _ in range(2)] == [200, 429]


def test_a_dependency_shows_in_no_schema(flint_limiter: MemoryLimiter) -> None:
    paths = application(flint_limiter).openapi()["paths"]
    assert "parameters" not in paths["/left"]["get"]


def test_what_a_decorated_route_is_denied_is_429(flint_limiter: MemoryLimiter) -> None:
    """Symptom: RateLimitExceeded in a route was a 500."""
    app = FastAPI()
    app.add_exception_handler(flint.RateLimitExceeded, rate_limit_exceeded)

    @app.get("/")
    @flint_limiter.rate_limit("route", rate=1, per="90500ms")
    async def root() -> str:
        return "hello"

    first, second = [run(asgi(app)) for _ in range(2)]
    assert (first.status, second.status, second["retry-after"]) == (200, 429, "91")
    assert json.loads(second.body) == {"detail": "rate limit exceeded"}
