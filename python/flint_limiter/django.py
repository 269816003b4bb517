"""Rate limits for Django.

    # settings.py
    MIDDLEWARE = [..., "flint.django.FlintMiddleware"]
    FLINT = {"limiter": flint.SharedLimiter(), "key_func": client_address(), "rate": "100/m"}

    # views.py
    @RateLimit(key_func=client_address(prefix="login:"), rate="5/m")
    def log_in(request): ...

Header fields and denials are the same as in flint.fastapi. For the Django REST framework, see flint.drf. Needs Django.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase

from flint_limiter import _django_settings
from flint_limiter._admission import Decision
from flint_limiter._client_address import ClientAddress
from flint_limiter._contract import AbstractLimiter
from flint_limiter._errors import RateLimitExceeded
from flint_limiter._header_fields import LISTS, Fields, fields_of
from flint_limiter._web import Paths, RequestLimits, exceeded, is_preflight, strange_denial

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from flint_limiter._options import RequestOptions

__all__ = ["FlintMiddleware", "RateLimit", "RateLimitExceededMiddleware", "client_address"]

View = TypeVar("View", bound=Callable[..., Any])


def client_address(
    *, trusted_hops: int = 0, ipv6_prefix: int = 64, prefix: str = ""
) -> Callable[[HttpRequest], str]:
    """Return a `key_func` whose key is `prefix` followed by the address of the client, as in flint.fastapi."""
    reader = ClientAddress(trusted_hops, ipv6_prefix, prefix)

    def address_of(request: HttpRequest) -> str:
        return reader.key(request.META.get("REMOTE_ADDR") or "", request.META.get("HTTP_X_FORWARDED_FOR", ""))

    return address_of


class RateLimitExceededMiddleware:
    """Answers a denial by `limiter.rate_limit` in a view with 429 instead of 500; FlintMiddleware does so, too.

    Works with synchronous and asynchronous views, without an extra thread.
    """

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self._get_response = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self._get_response(request)

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        if not isinstance(exception, RateLimitExceeded):
            return None
        body, fields = exceeded(exception)
        return JsonResponse(body, status=429, headers=dict(fields))


class FlintMiddleware(RateLimitExceededMiddleware):
    """Checks each request before the views see it: `MIDDLEWARE = [..., "flint.django.FlintMiddleware"]`, after the
    middleware that sets what its functions use, such as `request.user`.

    `settings.FLINT` is a dict with `limiter` and the arguments of flint.fastapi.FlintMiddleware. Its functions take the
    `HttpRequest`; they may be coroutine functions where the middleware is asynchronous, which it is if what it wraps
    is. `on_denied` returns an `HttpResponse`. A limiter or function may be given as its dotted path. Without any limit,
    no request is limited, and `limiter` is that of the views' RateLimit. A wrong setting raises ImproperlyConfigured
    when the server starts.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        options = _django_settings.options()
        limiter = _django_settings.limiter()
        _django_settings.enabled()  # which is asked again for each request
        for name in ("limiter", "enabled"):
            options.pop(name, None)
        exempt = options.pop("exempt_paths", ())
        self._exempt = _django_settings.configured(lambda: Paths(exempt, "exempt_paths"))
        self._limited = _django_settings.configured(lambda: _Limited(limiter, options)) if options else None

    def __call__(self, request: HttpRequest) -> Any:
        limited = None if request.path_info in self._exempt else self._limited
        if limited is None:
            return self._get_response(request)
        answer = limited.aanswer if self._is_async else limited.answer
        return answer(request, functools.partial(self._get_response, request))


class RateLimit:
    """Limits of a view, as a decorator of functions and coroutine functions; for a method of a class, use Django's
    `method_decorator`.

    The arguments are those of flint.fastapi.FlintMiddleware, except `exempt_paths`. Without `limiter`, it is that of
    `settings.FLINT`. Its functions take the `HttpRequest`, whose `resolver_match` has the arguments of the path; they
    may be coroutine functions if the view is one. `on_denied` returns an `HttpResponse`. If `settings.FLINT` has
    `enabled: False`, nothing is limited.
    """

    def __init__(
        self,
        limiter: AbstractLimiter | None = None,
        *,
        problem_json: bool = False,
        **options: Unpack[RequestOptions[HttpRequest]],
    ) -> None:
        self._limited = _Limited(limiter, {"problem_json": problem_json, **options})

    def __call__(self, view: View) -> View:
        if iscoroutinefunction(view):

            async def alimited(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
                return await self._limited.aanswer(request, functools.partial(view, request, *args, **kwargs))

            return functools.wraps(view)(alimited)  # type: ignore[return-value]  # as the view

        def limited(request: HttpRequest, *args: Any, **kwargs: Any) -> Any:
            return self._limited.answer(request, functools.partial(view, request, *args, **kwargs))

        return functools.wraps(view)(limited)  # type: ignore[return-value]  # as the view


class _Limited:
    """Answers requests within limits."""

    def __init__(self, limiter: AbstractLimiter | None, options: dict[str, Any]) -> None:
        self._limits = RequestLimits(limiter or _django_settings.SettingsLimiter(), **options)

    def answer(self, request: HttpRequest, view: Callable[[], Any]) -> Any:
        decision = self._limits.decide(request) if self._is_limited(request) else None
        if decision is None:
            return view()
        if decision.allowed:
            try:
                answer = view()
            except Exception as error:
                self._limits.settle(decision, _response_to(error))
                raise
            decision = self._limits.settle(decision, answer)
        elif self._limits.answers_denials:
            answer = _response(self._limits.denial(request, decision))
        else:
            answer = self._refusal(decision)
        return _with_fields(answer, fields_of(decision))

    async def aanswer(self, request: HttpRequest, view: Callable[[], Any]) -> Any:
        decision = await self._limits.adecide(request) if self._is_limited(request) else None
        if decision is None:
            return await view()
        if decision.allowed:
            try:
                answer = await view()
            except Exception as error:
                await self._limits.asettle(decision, _response_to(error))
                raise
            decision = await self._limits.asettle(decision, answer)
        elif self._limits.answers_denials:
            answer = _response(await self._limits.adenial(request, decision))
        else:
            answer = self._refusal(decision)
        return _with_fields(answer, fields_of(decision))

    def _is_limited(self, request: HttpRequest) -> bool:
        method = request.method or ""
        if not _django_settings.enabled() or not self._limits.holds_for(method):
            return False
        fields = request.META
        return not is_preflight(
            method, fields.get("HTTP_ORIGIN"), fields.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD")
        )

    def _refusal(self, decision: Decision) -> HttpResponse:
        return HttpResponse(self._limits.body(decision), status=429, content_type=self._limits.content_type)


def _response_to(error: Exception) -> HttpResponse:
    """What Django makes of an exception of a view."""
    for kind, status in ((Http404, 404), (PermissionDenied, 403), (BadRequest, 400), (SuspiciousOperation, 400)):
        if isinstance(error, kind):
            return HttpResponse(status=status)
    return HttpResponse(status=500)


def _response(answer: Any) -> HttpResponseBase:
    if not isinstance(answer, HttpResponseBase):
        raise strange_denial(answer, "an HttpResponse")
    return answer


def _with_fields(response: Any, fields: Fields) -> Any:
    for name, value in fields:
        there = response.get(name)
        if there is None:
            response[name] = value
        elif name in LISTS:
            response[name] = f"{there}, {value}"
    return response
