"""What is of Django alone: its settings, its decorators, and the throttles of the REST framework."""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

import django
import pytest
from django.core.exceptions import ImproperlyConfigured
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpResponse
from django.test import RequestFactory, override_settings
from django.urls import path
from django.utils.decorators import method_decorator
from django.views import View
from doors import field
from rest_framework.response import Response
from rest_framework.views import APIView
from web_support import Answer, asgi, wsgi

import flint
import flint.wsgi
from flint.django import FlintMiddleware, RateLimit, client_address
from flint.drf import FlintScopedThrottle, FlintThrottle
from flint.testing import MemoryLimiter

django.setup()

Site = Callable[..., Answer]
MIDDLEWARE = ["flint.django.FlintMiddleware"]


@pytest.fixture
def site(flint_limiter: MemoryLimiter) -> Iterator[Callable[..., Site]]:
    """Opens a site with one view at `/`, and FLINT in its settings."""
    with contextlib.ExitStack() as stack:

        def open_it(view: Any, *, FLINT: Any = None, **settings: Any) -> Site:
            class Urls:
                urlpatterns = [path("", view), path("items/<str:item>", view)]

            given = {"limiter": flint_limiter} if FLINT is None else FLINT
            stack.enter_context(override_settings(ROOT_URLCONF=Urls(), FLINT=given, **settings))
            application = WSGIHandler()
            return lambda *args, **fields: wsgi(application, *args, **fields)

        yield open_it


def hello(request: Any, item: str = "") -> HttpResponse:
    return HttpResponse("hello")


def user_of(request: Any) -> str | None:
    return field(request, "x-user")


# --- Settings


def test_functions_and_limiters_may_be_dotted_paths(
    site: Callable[..., Site], flint_limiter: MemoryLimiter, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = types.ModuleType("site_limits")
    vars(module).update(limiter=flint_limiter, user=user_of, plan=lambda request: "1/m", gone=None)
    monkeypatch.setitem(sys.modules, "site_limits", module)
    named = {"limiter": "site_limits.limiter", "key_func": "site_limits.user", "rate": "site_limits.plan"}
    ask = site(hello, MIDDLEWARE=MIDDLEWARE, FLINT=named)
    assert [ask(HTTP_X_USER="ann").status for _ in range(2)] == [200, 429]
    several = {"limiter": flint_limiter, "limits": [{"key_func": "site_limits.user", "rate": "2/m"}]}
    ask = site(hello, MIDDLEWARE=MIDDLEWARE, FLINT=several)
    assert ask(HTTP_X_USER="bob")["ratelimit"] == '"limit-1";r=1;t=30'


@pytest.mark.parametrize(
    ("setting", "says"),
    [
        ({}, r"settings.FLINT\['limiter'\] must be a limiter.*not None"),
        ({"limiter": 7}, r"settings.FLINT\['limiter'\] must be a limiter.*not int"),
        ({"limiter": "http://127.0.0.1:7878"}, "not str"),
        ({"limiter": "flint.nowhere.limiter"}, "limiter is flint.nowhere.limiter, which cannot be imported"),
        ([], "settings.FLINT must be a dict, not list"),
        ({"rate": "soon", "key": "k"}, "settings.FLINT: rate needs a whole number"),
        ({"rate": "1/m"}, "settings.FLINT: give either key"),
        ({"key": "k", "rate": "1/m", "exempt_paths": "/a"}, "settings.FLINT: exempt_paths must be a list"),
        ({"key": "k", "rate": "1/m", "colour": "red"}, "settings.FLINT: .*colour"),
        ({"limits": [{"key_func": "no.such.function", "rate": "1/m"}]}, r"limits\[0\]\.key_func is no.such.function"),
        ({"enabled": "no"}, "settings.FLINT: enabled must be a bool"),
    ],
)
def test_a_wrong_setting_is_told_when_the_server_starts(
    site: Callable[..., Site], flint_limiter: MemoryLimiter, setting: Any, says: str
) -> None:
    if isinstance(setting, dict) and setting and "limiter" not in setting:
        setting = {"limiter": flint_limiter, **setting}
    with pytest.raises(ImproperlyConfigured, match=says):
        site(hello, MIDDLEWARE=MIDDLEWARE, FLINT=setting)


def test_without_a_limit_the_middleware_limits_nothing(site: Callable[..., Site]) -> None:
    ask = site(hello, MIDDLEWARE=MIDDLEWARE)
    assert [ask().fields[-1][0] for _ in range(3)] == ["content-type"] * 3


def test_a_test_can_turn_the_limits_off(site: Callable[..., Site], flint_limiter: MemoryLimiter) -> None:
    limit = {"limiter": flint_limiter, "key": "k", "rate": "1/m"}
    ask = site(RateLimit(key="view", rate="1/m")(hello), MIDDLEWARE=MIDDLEWARE, FLINT=limit)
    with override_settings(FLINT={**limit, "enabled": False}):
        assert [ask().status for _ in range(3)] == [200] * 3
    assert [ask().status for _ in range(2)] == [200, 429]


@pytest.mark.parametrize("is_async", [False, True])
def test_what_a_decorated_function_is_denied_is_429(
    site: Callable[..., Site], flint_limiter: MemoryLimiter, is_async: bool
) -> None:
    """Symptom: RateLimitExceeded in a view was a 500."""

    @flint_limiter.rate_limit("view", "1/m")
    def view(request: Any) -> HttpResponse:
        return HttpResponse("view")

    @flint_limiter.rate_limit("view", "1/m")
    async def async_view(request: Any) -> HttpResponse:
        return HttpResponse("view")

    for entry in ("flint.django.FlintMiddleware", "flint.django.RateLimitExceededMiddleware"):
        ask = site(async_view if is_async else view, MIDDLEWARE=[entry])
        first, second = (asyncio.run(asgi(ASGIHandler())) if is_async else ask() for _ in range(2))
        assert (first.status, second.status, second["retry-after"]) == (200, 429, "60")
        assert second.body == b'{"detail": "rate limit exceeded"}'
        flint_limiter.reset("view")


def test_other_errors_of_a_view_stay_what_they_are(site: Callable[..., Site]) -> None:
    def fails(request: Any) -> HttpResponse:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        site(fails, MIDDLEWARE=MIDDLEWARE)()
    with override_settings(DEBUG_PROPAGATE_EXCEPTIONS=False):
        assert site(fails, MIDDLEWARE=MIDDLEWARE)().status == 500


# --- Views


def test_the_limiter_of_a_view_is_that_of_the_settings(site: Callable[..., Site]) -> None:
    """Also of one that was decorated before there were settings."""
    by_item = RateLimit(key_func=lambda request: f"item:{request.resolver_match.kwargs['item']}", rate="1/m")
    ask = site(by_item(hello))
    assert [ask(f"/items/{item}").status for item in "aab"] == [200, 429, 200]
    with override_settings(FLINT={}), pytest.raises(ImproperlyConfigured, match="must be a limiter"):
        ask("/items/a")
    several = RateLimit(limits=[{"key": "a", "rate": "1/m"}, {"key": "b", "rate": "2/m"}])
    ask = site(several(hello))
    assert ask()["ratelimit"] == '"limit-1";r=0;t=60, "limit-2";r=1;t=30'


def test_a_method_of_a_class_can_be_limited(site: Callable[..., Site]) -> None:
    @method_decorator(RateLimit(key="class", rate="1/m"), name="post")
    class Page(View):  # type: ignore[misc]
        def get(self, request: Any) -> HttpResponse:
            return HttpResponse("got")

        def post(self, request: Any) -> HttpResponse:
            return HttpResponse("posted")

    ask = site(Page.as_view())
    assert [ask("/", "POST").status for _ in range(2)] + [ask().status] == [200, 429, 200]


def test_a_decorated_view_stays_what_it_is() -> None:
    limit = RateLimit(key="k", rate="1/m")

    async def later(request: Any) -> HttpResponse:
        """Of the view."""
        return HttpResponse()

    assert limit(later).__doc__ == "Of the view."
    assert asyncio.iscoroutinefunction(limit(later)) and not asyncio.iscoroutinefunction(limit(hello))


def test_the_fields_of_limits_around_each_other(site: Callable[..., Site], flint_limiter: MemoryLimiter) -> None:
    outer = {"limiter": flint_limiter, "key": "all", "rate": "9/m", "policy": "all"}
    ask = site(RateLimit(key="view", rate="2/m", policy="view")(hello), MIDDLEWARE=MIDDLEWARE, FLINT=outer)
    answer = ask()
    assert answer["ratelimit"] == '"view";r=1;t=30, "all";r=8;t=7'
    assert answer["x-ratelimit-limit"] == "2"


def test_the_address_of_a_client_behind_proxies() -> None:
    request = RequestFactory().get("/", REMOTE_ADDR="192.0.2.1", HTTP_X_FORWARDED_FOR="6.6.6.6, 192.0.2.9")
    assert client_address(prefix="ip:")(request) == "ip:192.0.2.1"
    assert client_address(trusted_hops=1)(request) == "192.0.2.9"


def test_a_middleware_is_asynchronous_where_what_it_wraps_is(flint_limiter: MemoryLimiter) -> None:
    async def later(request: Any) -> HttpResponse:
        return HttpResponse()

    with override_settings(FLINT={"limiter": flint_limiter, "key": "k", "rate": "1/m"}):
        assert asyncio.run(FlintMiddleware(later)(RequestFactory().get("/")))["RateLimit"] == '"default";r=0;t=60'
        assert FlintMiddleware(hello)(RequestFactory().get("/")).status_code == 429


def test_the_wsgi_middleware_limits_django_too(site: Callable[..., Site], flint_limiter: MemoryLimiter) -> None:
    site(hello)
    application = flint.wsgi.FlintMiddleware(WSGIHandler(), limiter=flint_limiter, key="k", rate=2, per="1m")
    answers = [wsgi(application) for _ in range(3)]
    assert [answer.status for answer in answers] == [200, 200, 429]
    assert (answers[0].body, answers[0]["x-ratelimit-remaining"]) == (b"hello", "1")


# --- The REST framework


def api_view(*throttles: type[FlintThrottle], **attributes: Any) -> Any:
    class Api(APIView):  # type: ignore[misc]
        authentication_classes = ()
        permission_classes = ()
        throttle_classes = throttles

        def get(self, request: Any, item: str = "") -> Response:
            return Response("hello")

    for name, value in attributes.items():
        setattr(Api, name, value)
    return Api.as_view()


@pytest.fixture
def rest(site: Callable[..., Site], flint_limiter: MemoryLimiter) -> Callable[..., Site]:
    def open_it(*throttles: type[FlintThrottle], rates: Any = None, hops: int | None = None, **attributes: Any) -> Site:
        framework = {
            "DEFAULT_THROTTLE_RATES": rates or {},
            "NUM_PROXIES": hops,
            "UNAUTHENTICATED_USER": None,
            "DEFAULT_RENDERER_CLASSES": ["rest_framework.renderers.JSONRenderer"],
        }
        return site(api_view(*throttles, **attributes), REST_FRAMEWORK=framework)

    return open_it


class Minute(FlintThrottle):
    rate = "2/m"


def test_a_throttle_limits_each_address(rest: Callable[..., Site]) -> None:
    ask = rest(Minute)
    first, second, third = (ask() for _ in range(3))
    assert (first.status, first["ratelimit"], first["retry-after"]) == (200, '"Minute";r=1;t=30', None)
    assert (second["ratelimit-policy"], second["x-ratelimit-remaining"]) == ('"Minute";q=2;w=60', "0")
    assert (third.status, third["retry-after"]) == (429, "30")
    assert json.loads(third.body) == {"detail": "Request was throttled. Expected available in 30 seconds."}
    assert ask(REMOTE_ADDR="192.0.2.2").status == 200


def test_a_client_cannot_choose_its_address(rest: Callable[..., Site]) -> None:
    """The framework's own throttles take the whole of X-Forwarded-For as the client, unless NUM_PROXIES is set."""
    ask = rest(Minute)
    assert [ask(HTTP_X_FORWARDED_FOR=f"192.0.2.{n}").status for n in range(3)] == [200, 200, 429]
    ask = rest(Minute, hops=1)
    assert [ask(HTTP_X_FORWARDED_FOR=f"6.6.6.{n}, 192.0.2.7").status for n in range(3)] == [200, 200, 429]
    assert ask(HTTP_X_FORWARDED_FOR="192.0.2.8").status == 200


def test_a_throttle_limits_each_user(rest: Callable[..., Site]) -> None:
    class ByField:
        def authenticate(self, request: Any) -> Any:
            name = field(request, "x-user")
            return (types.SimpleNamespace(pk=name, is_authenticated=True), None) if name else None

        def authenticate_header(self, request: Any) -> None: ...

    ask = rest(Minute, authentication_classes=[ByField])
    assert [ask(HTTP_X_USER="ann").status for _ in range(3)] == [200, 200, 429]
    assert (ask(HTTP_X_USER="bob").status, ask().status) == (200, 200)


def test_a_scope_has_the_rate_of_the_settings(rest: Callable[..., Site], flint_limiter: MemoryLimiter) -> None:
    class Uploads(FlintThrottle):
        scope = "uploads"

    ask = rest(Uploads, rates={"uploads": "1/day"})
    assert [ask().status for _ in range(2)] == [200, 429]
    assert [status["key"] for status in flint_limiter.list(keys=True)] == ["uploads:192.0.2.1"]
    assert [rest(Uploads, rates={"uploads": None})().status for _ in range(3)] == [200] * 3
    with pytest.raises(ImproperlyConfigured, match="no rate for the scope 'uploads'"):
        rest(Uploads, rates={"other": "1/m"})()
    with pytest.raises(ValueError, match="the answer of get_rate"):
        rest(Uploads, rates={"uploads": "soon"})()
    with pytest.raises(ImproperlyConfigured, match="FlintThrottle must have a rate or a scope"):
        rest(FlintThrottle)()


def test_a_view_may_name_its_scope(rest: Callable[..., Site]) -> None:
    ask = rest(FlintScopedThrottle, rates={"reports": "1/m"}, throttle_scope="reports")
    assert [ask().status for _ in range(2)] == [200, 429]
    assert [rest(FlintScopedThrottle)().status for _ in range(3)] == [200] * 3


def test_several_throttles_are_asked_each(rest: Callable[..., Site]) -> None:
    class Hour(FlintThrottle):
        rate = "5/h"

    answer = rest(Minute, Hour)()
    assert answer["ratelimit"] == '"Minute";r=1;t=30, "Hour";r=4;t=720'
    assert answer["x-ratelimit-limit"] == "2"


def test_a_throttle_may_have_keys_plans_and_costs_of_its_own(
    rest: Callable[..., Site], flint_limiter: MemoryLimiter
) -> None:
    class Own(FlintThrottle):
        def get_key(self, request: Any, view: Any) -> str | None:
            return field(request, "x-user")

        def get_rate(self, request: Any, view: Any) -> str | None:
            return {"paid": "10/m", "free": "2/m"}.get(field(request, "x-plan") or "")

        def get_cost(self, request: Any, view: Any) -> int:
            return len(view.kwargs["item"])

    ask = rest(Own)
    assert ask("/items/ab", HTTP_X_USER="ann", HTTP_X_PLAN="paid")["x-ratelimit-remaining"] == "8"
    assert ask("/items/ab", HTTP_X_USER="bob", HTTP_X_PLAN="free")["x-ratelimit-remaining"] == "0"
    assert ask("/items/ab", HTTP_X_PLAN="free")["ratelimit"] is None
    assert ask("/items/ab", HTTP_X_USER="cyd")["ratelimit"] is None
    never = ask("/items/abc", HTTP_X_USER="dan", HTTP_X_PLAN="free")
    assert (never.status, never["retry-after"]) == (429, None)


def test_a_throttle_may_have_a_limiter_of_its_own(rest: Callable[..., Site], flint_limiter: MemoryLimiter) -> None:
    class Own(Minute):
        limiter = MemoryLimiter()

    ask = rest(Own)
    assert [ask().status for _ in range(3)] == [200, 200, 429]
    assert flint_limiter.list(keys=True) == []
    with override_settings(FLINT={"enabled": False}):
        assert ask().status == 200
