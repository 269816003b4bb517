"""Rate limits for Flask, Django and other WSGI frameworks (PEP 3333).

    # Flask
    app.wsgi_app = FlintMiddleware(app.wsgi_app, limiter=limiter, key_func=client_address(), rate="100/m")
    # Django, in wsgi.py
    application = FlintMiddleware(get_wsgi_application(), limiter=limiter, key="all", rate="100/s")

Header fields and denials are the same as in flint.fastapi. Needs only the standard library.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast
from wsgiref.headers import Headers

from flint_limiter._admission import Decision
from flint_limiter._client_address import ClientAddress
from flint_limiter._contract import AbstractLimiter
from flint_limiter._errors import RateLimitExceeded
from flint_limiter._header_fields import LISTS, fields_of
from flint_limiter._web import Paths, RequestLimits, ResponseStart, exceeded, is_preflight, strange_denial

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment
    from typing_extensions import Unpack

    from flint_limiter._options import RequestOptions

__all__ = ["FlintMiddleware", "client_address", "rate_limit_exceeded"]

Environ = dict[str, Any]


def client_address(*, trusted_hops: int = 0, ipv6_prefix: int = 64, prefix: str = "") -> Callable[[Environ], str]:
    """Return a `key_func` whose key is `prefix` followed by the address of the client, as in flint.fastapi."""
    reader = ClientAddress(trusted_hops, ipv6_prefix, prefix)

    def address_of(environ: Environ) -> str:
        return reader.key(environ.get("REMOTE_ADDR", ""), environ.get("HTTP_X_FORWARDED_FOR", ""))

    return address_of


def rate_limit_exceeded(error: RateLimitExceeded) -> tuple[dict[str, str], int, list[tuple[str, str]]]:
    """Flask error handler: answers a denial by `rate_limit` in a view with 429 instead of 500.

    app.register_error_handler(flint.RateLimitExceeded, rate_limit_exceeded)
    """
    body, fields = exceeded(error)
    return body, 429, fields


class FlintMiddleware:
    """WSGI middleware that checks each request before the application sees it.

    The arguments are those of flint.fastapi.FlintMiddleware, except that its functions take the WSGI environment and
    are synchronous. `on_denied` returns a WSGI application, as Flask's and Werkzeug's `Response` is one. Responses are
    passed on as they are produced, with header fields added. An exception from the limiter or a function goes to the
    server. Threads: any. An embedded `Limiter` serves one process, so servers with several processes need a
    SharedLimiter.
    """

    def __init__(
        self,
        app: WSGIApplication,
        *,
        limiter: AbstractLimiter,
        exempt_paths: Iterable[str] = (),
        problem_json: bool = False,
        **options: Unpack[RequestOptions[Environ]],
    ) -> None:
        self.app = app
        self._limits = RequestLimits(limiter, problem_json=problem_json, **options)
        self._exempt = Paths(exempt_paths, "exempt_paths")

    def __call__(self, environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        decision = None if self._is_exempt(environ) else self._limits.decide(environ)
        if decision is None:
            return self.app(environ, start_response)
        told = decision

        def start_with_fields(status: str, headers: list[tuple[str, str]], *exc_info: Any) -> Callable[[bytes], object]:
            nonlocal told
            told = self._limits.settle(told, ResponseStart(int(status[:3]), Headers(list(headers))))
            return start_response(status, _merged(headers, fields_of(told)), *exc_info)

        if decision.allowed:
            return self._answer(environ, start_with_fields, decision)
        if not self._limits.answers_denials:
            return self._refuse(environ, start_with_fields, self._limits.body(decision))
        answer = self._limits.denial(environ, decision)
        if not callable(answer):
            raise strange_denial(answer, "a WSGI application")
        return cast("WSGIApplication", answer)(environ, start_with_fields)

    def _answer(self, environ: Environ, start_response: StartResponse, decision: Decision) -> Iterable[bytes]:
        try:
            return self.app(environ, start_response)
        except Exception:
            # The server answers it with 500, unless the response has begun, which has settled it.
            self._limits.settle(decision, ResponseStart(500, Headers([])))
            raise

    def _refuse(self, environ: Environ, start_response: StartResponse, body: bytes) -> Iterable[bytes]:
        headers = [("Content-Type", self._limits.content_type), ("Content-Length", str(len(body)))]
        start_response("429 Too Many Requests", headers)
        return [] if environ["REQUEST_METHOD"] == "HEAD" else [body]

    def _is_exempt(self, environ: Environ) -> bool:
        method = environ["REQUEST_METHOD"]
        if not self._limits.holds_for(method) or _path(environ) in self._exempt:
            return True
        return is_preflight(
            method,
            environ.get("HTTP_ORIGIN"),
            environ.get("HTTP_ACCESS_CONTROL_REQUEST_METHOD"),
        )


def _path(environ: Environ) -> str:
    # WSGI gives the bytes of a path as characters.
    raw: str = environ.get("PATH_INFO", "")
    return raw.encode("latin-1", "replace").decode("utf-8", "replace")


def _merged(headers: list[tuple[str, str]], fields: list[tuple[str, str]]) -> list[tuple[str, str]]:
    there = {name.lower() for name, _ in headers}
    return [*headers, *(field for field in fields if field[0].lower() not in there or field[0] in LISTS)]
