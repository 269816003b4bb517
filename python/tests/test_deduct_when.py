"""Requests that count only if their response says so: by each door, also those that come at the same time."""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections import Counter
from typing import Any

import pytest
from django.http import HttpResponse
from doors import DOORS, Door, field
from fastapi import Depends, FastAPI, HTTPException, Request
from starlette.responses import PlainTextResponse, Response
from web_support import asgi

import flint
from flint.fastapi import FlintMiddleware, FlintResponses, RateLimit
from flint.testing import MemoryLimiter


def is_wrong(response: Any) -> bool:
    return bool(response.status_code == 401)


LIMIT = {"key_func": lambda request: field(request, "X-User"), "rate": "3/h"}


@pytest.fixture
def stack() -> Any:
    with contextlib.ExitStack() as stack:
        yield stack


def remaining(limiter: flint.AbstractLimiter, key: str) -> int:
    status = limiter.status(key)
    return 3 if status is None else status["remaining"]


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_what_the_response_says_counts(door: Door, stack: Any, flint_limiter: MemoryLimiter) -> None:
    counts = [False]
    app = door.build(stack, flint_limiter, {**LIMIT, "deduct_when": lambda response: counts[0]})
    if door.name == "fastapi":
        app.add_middleware(FlintResponses)
    for _ in range(5):
        answer = door.ask(app, x_user="ann")
        assert (answer.status, answer["x-ratelimit-remaining"]) == (200, "3")
    counts[0] = True
    assert [door.ask(app, x_user="ann")["x-ratelimit-remaining"] for _ in range(3)] == ["2", "1", "0"]
    denied = door.ask(app, x_user="ann")
    assert denied.status == 429
    assert int(denied["retry-after"] or 0) > 1000
    assert remaining(flint_limiter, "ann") == 0


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_an_answer_that_is_no_bool(door: Door, stack: Any, flint_limiter: MemoryLimiter) -> None:
    app = door.build(stack, flint_limiter, {**LIMIT, "deduct_when": lambda response: 1})
    if door.name == "fastapi":
        app.add_middleware(FlintResponses)
    with pytest.raises(TypeError, match="deduct_when must be a bool"):
        door.ask(app, x_user="ann")


@pytest.mark.parametrize("door", DOORS, ids=lambda door: door.name)
def test_one_that_is_no_function(door: Door, stack: Any, flint_limiter: MemoryLimiter) -> None:
    with pytest.raises(TypeError, match="deduct_when must be callable"):
        door.build(stack, flint_limiter, {**LIMIT, "deduct_when": 401})


def login_app(limiter: flint.AbstractLimiter, kind: str) -> Any:
    app = FastAPI()
    rate = "3/h sliding_window_log"
    options: Any = {"key_func": lambda request: "login", "rate": rate, "deduct_when": is_wrong}
    dependencies = [Depends(RateLimit(limiter, **options))] if kind == "dependency" else []

    @app.post("/login", dependencies=dependencies)
    async def login(request: Request) -> Response:
        await asyncio.sleep(0.05)
        if request.headers.get("x-password") == "right":
            return PlainTextResponse("welcome")
        if request.headers.get("x-password") == "raised":
            raise HTTPException(401)
        return Response(status_code=401)

    if kind == "dependency":
        app.add_middleware(FlintResponses)
    else:
        app.add_middleware(FlintMiddleware, limiter=limiter, **options)
    return app


@pytest.mark.parametrize("kind", ["dependency", "middleware"])
@pytest.mark.parametrize("password", ["wrong", "raised"])
def test_of_many_wrong_passwords_at_once_three_get_through(
    raw_limiter: flint.AbstractLimiter, kind: str, password: str
) -> None:
    app = login_app(raw_limiter, kind)

    async def use() -> Counter[int]:
        fields = [("x-password", password)]
        answers = await asyncio.gather(*(asgi(app, "/login", "POST", fields) for _ in range(20)))
        return Counter(answer.status for answer in answers)

    assert asyncio.run(use()) == {401: 3, 429: 17}
    assert asyncio.run(use()) == {429: 20}


def test_right_passwords_are_not_counted(raw_limiter: flint.AbstractLimiter) -> None:
    app = login_app(raw_limiter, "middleware")

    async def use() -> None:
        for _ in range(6):
            answer = await asgi(app, "/login", "POST", [("x-password", "right")])
            assert (answer.status, answer["x-ratelimit-remaining"]) == (200, "3")

    asyncio.run(use())


def test_with_threads(raw_limiter: flint.AbstractLimiter) -> None:
    from flint.wsgi import FlintMiddleware as WsgiMiddleware
    from web_support import wsgi

    all_there = threading.Barrier(3)

    def app(environ: Any, start_response: Any) -> list[bytes]:
        all_there.wait(20)
        start_response("401 Unauthorized", [])
        return [b"wrong"]

    site = WsgiMiddleware(app, limiter=raw_limiter, key="login", rate="3/h", deduct_when=is_wrong)
    statuses: list[int] = []
    threads = [threading.Thread(target=lambda: statuses.append(wsgi(site, "/").status)) for _ in range(20)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert Counter(statuses) == {401: 3, 429: 17}


def test_an_exception_is_a_response_with_500(flint_limiter: MemoryLimiter) -> None:
    seen: list[int] = []

    def deduct(response: Any) -> bool:
        seen.append(response.status_code)
        return False

    async def broken(scope: Any, receive: Any, send: Any) -> None:
        raise ZeroDivisionError

    def broken_wsgi(environ: Any, start_response: Any) -> list[bytes]:
        raise ZeroDivisionError

    from flint.wsgi import FlintMiddleware as WsgiMiddleware
    from web_support import wsgi

    app = FlintMiddleware(broken, limiter=flint_limiter, key="k", rate="3/h", deduct_when=deduct)
    with pytest.raises(ZeroDivisionError):
        asyncio.run(asgi(app))
    site = WsgiMiddleware(broken_wsgi, limiter=flint_limiter, key="k", rate="3/h", deduct_when=deduct)
    with pytest.raises(ZeroDivisionError):
        wsgi(site)
    assert seen == [500, 500]
    assert remaining(flint_limiter, "k") == 3


def test_a_dependency_without_the_middleware_says_what_is_missing(flint_limiter: MemoryLimiter) -> None:
    app = FastAPI()

    @app.get("/", dependencies=[Depends(RateLimit(flint_limiter, key="k", rate="3/h", deduct_when=is_wrong))])
    async def route() -> str:
        return "hello"

    with pytest.raises(RuntimeError, match="FlintResponses"):
        asyncio.run(asgi(app))


def test_the_decorator_judges_what_a_call_returns_or_raises(flint_limiter: MemoryLimiter) -> None:
    @flint_limiter.rate_limit("login", "2/h", deduct_when=lambda outcome: isinstance(outcome, PermissionError))
    def log_in(password: str) -> str:
        if password != "right":
            raise PermissionError(password)
        return "welcome"

    for _ in range(5):
        assert log_in("right") == "welcome"
    for _ in range(2):
        with pytest.raises(PermissionError):
            log_in("wrong")
    with pytest.raises(flint.RateLimitExceeded):
        log_in("right")


def test_the_decorator_of_a_coroutine_function(flint_limiter: MemoryLimiter) -> None:
    @flint_limiter.rate_limit("login", "3/h", deduct_when=lambda outcome: outcome is False)
    async def log_in(password: str) -> bool:
        await asyncio.sleep(0.01)
        return password == "right"

    async def use() -> list[Any]:
        return await asyncio.gather(*(log_in("wrong") for _ in range(20)), return_exceptions=True)

    outcomes = asyncio.run(use())
    assert outcomes.count(False) == 3
    assert sum(isinstance(one, flint.RateLimitExceeded) for one in outcomes) == 17


def test_generators_have_no_result_to_judge(flint_limiter: MemoryLimiter) -> None:
    with pytest.raises(TypeError, match="deduct_when must be left out for a generator"):

        @flint_limiter.rate_limit("k", "2/h", deduct_when=is_wrong)
        def numbers() -> Any:
            yield 1


def test_a_throttle_of_the_rest_framework(stack: Any, flint_limiter: MemoryLimiter) -> None:
    import django
    from django.core.handlers.wsgi import WSGIHandler
    from django.test import override_settings
    from django.urls import path
    from rest_framework.response import Response as RestResponse
    from rest_framework.views import APIView
    from web_support import wsgi

    from flint.drf import FlintThrottle

    class Login(FlintThrottle):
        rate = "3/h"

        def deduct_when(self, response: Any) -> bool:
            return is_wrong(response)

    class View(APIView):  # type: ignore[misc]
        authentication_classes = ()
        throttle_classes = (Login,)

        def get(self, request: Any) -> RestResponse:
            return RestResponse("hello", 200 if request.headers.get("X-Password") == "right" else 401)

    class Urls:
        urlpatterns = [path("", View.as_view())]

    django.setup()
    framework = {
        "UNAUTHENTICATED_USER": None,
        "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
    }
    settings = {"MIDDLEWARE": [], "FLINT": {"limiter": flint_limiter}, "REST_FRAMEWORK": framework}
    stack.enter_context(override_settings(ROOT_URLCONF=Urls(), **settings))
    site = WSGIHandler()
    for _ in range(4):
        answer = wsgi(site, "/", HTTP_X_PASSWORD="right")
        assert (answer.status, answer["x-ratelimit-remaining"]) == (200, "3")
    assert [wsgi(site, "/").status for _ in range(4)] == [401] * 3 + [429]


def test_exceptions_of_a_django_view(stack: Any, flint_limiter: MemoryLimiter) -> None:
    from django.core.exceptions import PermissionDenied
    from django.http import Http404
    from django.test import RequestFactory

    import flint.django

    seen: list[int] = []

    def deduct(response: Any) -> bool:
        seen.append(response.status_code)
        return True

    @flint.django.RateLimit(flint_limiter, key="k", rate="9/h", deduct_when=deduct)
    def view(request: Any, error: Any) -> HttpResponse:
        raise error

    for error in (PermissionDenied(), Http404(), ZeroDivisionError()):
        with pytest.raises(type(error)):
            view(RequestFactory().get("/"), error)
    assert seen == [403, 404, 500]
    status = flint_limiter.status("k")
    assert status is not None
    assert status["remaining"] == 6
