"""Rate limits for the Django REST framework.

    class BurstThrottle(FlintThrottle):
        rate = "10/s"

    class ReportView(APIView):
        throttle_classes = [BurstThrottle]

The limiter is that of `settings.FLINT`, see flint.django. Needs djangorestframework.
"""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

from django.core.exceptions import ImproperlyConfigured
from rest_framework.request import Request
from rest_framework.settings import api_settings
from rest_framework.throttling import BaseThrottle

from flint_limiter import _django_settings
from flint_limiter._admission import Admission, Decision
from flint_limiter._client_address import ClientAddress
from flint_limiter._contract import AbstractLimiter
from flint_limiter._header_fields import LISTS, fields_of
from flint_limiter._keyed_limit import KeyedLimit
from flint_limiter._types import CarriedLimit

_settings: Any = api_settings

__all__ = ["FlintScopedThrottle", "FlintThrottle"]


class FlintThrottle(BaseThrottle):  # type: ignore[misc]  # the framework has no annotations
    """A throttle class: `rate` units for each user, or for each address if the user is not authenticated.

    Set `rate` (a rate string or a dict) in a subclass, or `scope`: the rate is then the one of this name in
    `REST_FRAMEWORK["DEFAULT_THROTTLE_RATES"]`. A scope with the rate None is not limited. The keys begin with the
    scope, or else with the name of the class, so that throttles with other names have other quotas.

    Override `get_key`, `get_rate` or `get_cost` for other keys, plans and costs; if one of them returns None, the
    throttle does not hold for the request. Each check carries the rate. Responses carry `RateLimit` and
    `RateLimit-Policy`, and denials `Retry-After` (not if the cost is above the capacity).
    """

    #: None: that of settings.FLINT.
    limiter: AbstractLimiter | None = None
    rate: CarriedLimit | None = None
    scope: str | None = None
    cost: int = 1
    #: A function of the response: a request for which it returns False does not count. A method of a subclass, say.
    deduct_when: Any = None
    #: How many proxies of your own a request comes through; None: `REST_FRAMEWORK["NUM_PROXIES"]`, or 0.
    trusted_hops: int | None = None

    def __init__(self) -> None:
        self._wait: float | None = None

    def get_key(self, request: Request, view: Any) -> str | None:
        """The key of a request: any text, see flint.valid_key."""
        name = self.get_scope(view) or type(self).__name__
        user = request.user
        if user and user.is_authenticated:
            return f"{name}:user:{user.pk}"
        return f"{name}:{self.get_address(request)}"

    def get_rate(self, request: Request, view: Any) -> CarriedLimit | None:
        """The limit of a request: a rate string or a dict."""
        if self.rate is not None:
            return self.rate
        scope = self.get_scope(view)
        if scope is None:
            raise ImproperlyConfigured(f"{type(self).__name__} must have a rate or a scope.")
        rates: dict[str, str | None] = _settings.DEFAULT_THROTTLE_RATES
        if scope not in rates:
            raise ImproperlyConfigured(f"REST_FRAMEWORK['DEFAULT_THROTTLE_RATES'] has no rate for the scope {scope!r}.")
        return rates[scope]

    def get_cost(self, request: Request, view: Any) -> int | None:
        """Units, at least 1."""
        return self.cost

    def get_scope(self, view: Any) -> str | None:
        return self.scope

    def get_address(self, request: Request) -> str:
        """The address of the client, as client_address() of flint.django gives it."""
        hops = self.trusted_hops if self.trusted_hops is not None else _settings.NUM_PROXIES or 0
        reader = ClientAddress(hops, 64, "")
        return reader.key(request.META.get("REMOTE_ADDR") or "", request.META.get("HTTP_X_FORWARDED_FOR", ""))

    def allow_request(self, request: Request, view: Any) -> bool:
        if not _django_settings.enabled():
            return True
        name = self.get_scope(view) or type(self).__name__
        limit = KeyedLimit(
            self.get_key,
            self.get_rate,
            self.get_cost,
            policy=name if name.isascii() and name.isprintable() else "default",
            names=("get_key", "get_rate", "get_cost"),
        )
        admission = Admission(
            self.limiter or _django_settings.limiter(), [limit], deduct_when=self.deduct_when
        )
        decision = admission.decide(request, view)
        if decision is None:
            return True
        if decision.allowed and decision.reservation is not None:
            _settle_later(view, admission, decision)
        else:
            _tell(view, decision)
        retry_after_ms = decision.deciding.retry_after_ms
        self._wait = None if retry_after_ms is None else retry_after_ms / 1000
        return decision.allowed

    # As that of the framework's own throttles, whose base class has None.
    def wait(self) -> float | None:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Seconds until the request that was denied could pass; None if it never can."""
        return self._wait


class FlintScopedThrottle(FlintThrottle):
    """The same, with the scope that the view names as its `throttle_scope`. Views without one are not limited."""

    def get_scope(self, view: Any) -> str | None:
        scope: str | None = getattr(view, "throttle_scope", None)
        return scope

    def allow_request(self, request: Request, view: Any) -> bool:
        return self.get_scope(view) is None or super().allow_request(request, view)


def _tell(view: Any, decision: Decision) -> None:
    # What the framework adds to the response, whichever it is.
    headers = getattr(view, "headers", None)
    if isinstance(headers, MutableMapping):
        for field, value in fields_of(decision):
            if field in LISTS and field in headers:
                headers[field] += f", {value}"
            elif field != "Retry-After":  # which the framework sends itself, by wait()
                headers.setdefault(field, value)


def _settle_later(view: Any, admission: Admission, decision: Decision) -> None:
    """When the view, which serves one request, has its response."""
    finalize = view.finalize_response

    def settle(request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        _tell(view, admission.settle(decision, response))
        return finalize(request, response, *args, **kwargs)

    view.finalize_response = settle
