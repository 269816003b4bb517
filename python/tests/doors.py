"""The entry points of the web, as one: each limits an application that answers everything with `hello`."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import django
import fastapi
import flask
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test import override_settings
from django.urls import re_path
from starlette.responses import PlainTextResponse
from web_support import Answer, asgi, wsgi

import flint
import flint.django
import flint.fastapi
import flint.flask
import flint.wsgi

METHODS = ["GET", "HEAD", "POST", "PUT", "OPTIONS"]

Application = Any
Teapot = Callable[[str], Any]


@dataclass(frozen=True)
class Door:
    name: str
    #: Makes the application, of a limiter and options; what it needs is open as long as the stack.
    build: Callable[[contextlib.ExitStack, flint.AbstractLimiter, dict[str, Any]], Application]
    #: What on_denied returns for an answer with the status 418 and this text.
    teapot: Teapot
    #: Whether functions may be coroutine functions.
    takes_coroutines: bool

    def ask(self, application: Application, method: str = "GET", path: str = "/", **fields: str) -> Answer:
        """The answer to a request with `fields`: x_user is `X-User`."""
        if isinstance(application, (ASGIHandler, fastapi.FastAPI, flint.fastapi.FlintMiddleware)):
            named = [(name.replace("_", "-"), value) for name, value in fields.items()]
            return asyncio.run(asgi(application, path, method, named))
        return wsgi(application, path, method, **{f"HTTP_{name.upper()}": value for name, value in fields.items()})


def field(request: Any, name: str) -> str | None:
    """A field of a request of any framework."""
    if isinstance(request, dict):
        value = request.get(f"HTTP_{name.upper().replace('-', '_')}")
        assert value is None or isinstance(value, str)
        return value
    found: str | None = request.headers.get(name)
    return found


async def _hello_asgi(scope: Any, receive: Any, send: Any) -> None:
    await PlainTextResponse("hello")(scope, receive, send)


def _hello_wsgi(environ: Any, start_response: Any) -> list[bytes]:
    start_response("200 OK", [("Content-Type", "text/plain")])
    return [b"hello"]


def _asgi_middleware(stack: Any, limiter: flint.AbstractLimiter, options: dict[str, Any]) -> Application:
    return flint.fastapi.FlintMiddleware(_hello_asgi, limiter=limiter, **options)


def _wsgi_middleware(stack: Any, limiter: flint.AbstractLimiter, options: dict[str, Any]) -> Application:
    return flint.wsgi.FlintMiddleware(_hello_wsgi, limiter=limiter, **options)


def _fastapi_dependency(stack: Any, limiter: flint.AbstractLimiter, options: dict[str, Any]) -> Application:
    app = fastapi.FastAPI()
    limit = flint.fastapi.RateLimit(limiter, **options)

    @app.api_route("/{path:path}", methods=METHODS, dependencies=[fastapi.Depends(limit)])
    async def hello() -> str:
        return "hello"

    return app


def _flask_extension(stack: Any, limiter: flint.AbstractLimiter, options: dict[str, Any]) -> Application:
    app = _flask(lambda view: view)
    flint.flask.Flint(app, limiter=limiter, **options)
    return app


def _flask_view(stack: Any, limiter: flint.AbstractLimiter, options: dict[str, Any]) -> Application:
    return _flask(flint.flask.RateLimit(limiter, **options))


def _flask(decorator: Callable[[Any], Any]) -> flask.Flask:
    app = flask.Flask("doors", static_folder=None)
    app.config["PROPAGATE_EXCEPTIONS"] = True

    def hello(path: str = "") -> str:
        return "hello"

    limited = decorator(hello)
    app.add_url_rule("/", "root", limited, methods=METHODS, provide_automatic_options=False)
    app.add_url_rule("/<path:path>", "hello", limited, methods=METHODS, provide_automatic_options=False)
    return app


def _django(stack: contextlib.ExitStack, view: Any, **settings: Any) -> None:
    class Urls:
        urlpatterns = [re_path("", view)]

    django.setup()
    stack.enter_context(override_settings(ROOT_URLCONF=Urls(), **settings))


def _hello_django(request: Any) -> HttpResponse:
    return HttpResponse("hello")


async def _ahello_django(request: Any) -> HttpResponse:
    return HttpResponse("hello")


def _django_middleware(
    handler: Callable[[], Application], view: Any
) -> Callable[[contextlib.ExitStack, flint.AbstractLimiter, dict[str, Any]], Application]:
    def build(stack: contextlib.ExitStack, limiter: flint.AbstractLimiter, options: dict[str, Any]) -> Application:
        middleware = ["flint.django.FlintMiddleware"]
        _django(stack, view, MIDDLEWARE=middleware, FLINT={"limiter": limiter, **options})
        try:
            return handler()
        except django.core.exceptions.ImproperlyConfigured as error:
            # The others raise what is its cause.
            raise error.__cause__ or error

    return build


def _django_view(
    handler: Callable[[], Application], view: Any
) -> Callable[[contextlib.ExitStack, flint.AbstractLimiter, dict[str, Any]], Application]:
    def build(stack: contextlib.ExitStack, limiter: flint.AbstractLimiter, options: dict[str, Any]) -> Application:
        _django(stack, flint.django.RateLimit(limiter, **options)(view), MIDDLEWARE=[])
        return handler()

    return build


def _werkzeug_teapot(text: str) -> Any:
    return flask.Response(text, 418)


def _django_teapot(text: str) -> Any:
    return HttpResponse(text, status=418)


DOORS = [
    Door("asgi", _asgi_middleware, lambda text: PlainTextResponse(text, 418), True),
    Door("fastapi", _fastapi_dependency, lambda text: fastapi.HTTPException(418, text), True),
    Door("wsgi", _wsgi_middleware, _werkzeug_teapot, False),
    Door("flask", _flask_extension, _werkzeug_teapot, False),
    Door("flask-view", _flask_view, lambda text: (text, 418), False),
    Door("django", _django_middleware(WSGIHandler, _hello_django), _django_teapot, False),
    Door("django-async", _django_middleware(ASGIHandler, _ahello_django), _django_teapot, True),
    Door("django-view", _django_view(WSGIHandler, _hello_django), _django_teapot, False),
    Door("django-async-view", _django_view(ASGIHandler, _ahello_django), _django_teapot, True),
]
