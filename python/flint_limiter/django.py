"""Django middleware that answers a denial by `rate_limit` in a view with 429 instead of 500.

    MIDDLEWARE = [..., "flint.django.RateLimitExceededMiddleware"]

To limit all requests, see flint.wsgi.FlintMiddleware. Needs Django.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction

from flint_limiter._errors import RateLimitExceeded
from flint_limiter._web import exceeded

__all__ = ["RateLimitExceededMiddleware"]


class RateLimitExceededMiddleware:
    """Works with synchronous and asynchronous views, without an extra thread."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[Any], Any]) -> None:
        self._get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: Any) -> Any:
        return self._get_response(request)

    def process_exception(self, request: Any, exception: Exception) -> Any:
        from django.http import JsonResponse  # type: ignore[import-untyped]

        if not isinstance(exception, RateLimitExceeded):
            return None
        body, fields = exceeded(exception)
        return JsonResponse(body, status=429, headers=dict(fields))
