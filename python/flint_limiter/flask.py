"""Rate limits for Flask.

    Flint(app, limiter=limiter, key_func=client_address(), rate="100/m")  # all requests

    @app.post("/login")
    @RateLimit(limiter, key_func=client_address(prefix="login:"), rate="5/m")
    def log_in(): ...

Header fields and denials are the same as in flint.fastapi. Needs Flask.
"""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from flask import Flask, Request, Response, after_this_request, current_app, request
from werkzeug.exceptions import TooManyRequests

from flint_limiter import wsgi
from flint_limiter._admission import Decision
from flint_limiter._contract import AbstractLimiter
from flint_limiter._errors import RateLimitExceeded
from flint_limiter._header_fields import LISTS, fields_of
from flint_limiter._web import DETAIL, Paths, RequestLimits, is_preflight
from flint_limiter.wsgi import rate_limit_exceeded

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from flint_limiter._options import RequestOptions

__all__ = ["Flint", "RateLimit", "client_address", "rate_limit_exceeded"]

# In the environment of a request: what its response tells of.
_TOLD = "flint.decisions"

_Told = tuple[RequestLimits, Decision]

View = TypeVar("View", bound=Callable[..., Any])


def client_address(*, trusted_hops: int = 0, ipv6_prefix: int = 64, prefix: str = "") -> Callable[[Request], str]:
    """Return a `key_func` whose key is `prefix` followed by the address of the client, as in flint.fastapi."""
    address_of = wsgi.client_address(trusted_hops=trusted_hops, ipv6_prefix=ipv6_prefix, prefix=prefix)
    return lambda request: address_of(request.environ)


class RateLimit:
    """Limits of a view, as a decorator below that of the route. It also takes coroutine functions.

    The arguments are those of flint.fastapi.FlintMiddleware, except `exempt_paths`. Its functions take the Flask
    `Request`, with `view_args`, and are synchronous. A denied request gets a 429 response with the header fields: it
    raises `werkzeug.exceptions.TooManyRequests`, so that an error handler of the application for 429 can answer it.
    `on_denied` replaces that: it returns whatever a view may return. With `app.config["FLINT_ENABLED"] = False` nothing
    is limited, as a test may want it.
    """

    def __init__(
        self, limiter: AbstractLimiter, *, problem_json: bool = False, **options: Unpack[RequestOptions[Request]]
    ) -> None:
        self._limits = RequestLimits(limiter, problem_json=problem_json, **options)

    def __call__(self, view: View) -> View:
        def limited(*args: Any, **kwargs: Any) -> Any:
            denial = _denial(self._limits)
            return current_app.ensure_sync(view)(*args, **kwargs) if denial is None else denial

        return functools.wraps(view)(limited)  # type: ignore[return-value]  # it takes and returns what the view does


class Flint:
    """Limits of all requests of an application, as a Flask extension: `Flint(app, ...)`, or `init_app(app)` later.

    The arguments are those of flint.fastapi.FlintMiddleware, with functions and denials as in `RateLimit`. Without any
    limit, no request is limited. `limit(...)` makes a RateLimit for a view, with the same limiter. A denial by
    `limiter.rate_limit`, in a view or in a function that it calls, is answered with 429. The preflight requests of
    browsers are not limited.
    """

    def __init__(
        self,
        app: Flask | None = None,
        *,
        limiter: AbstractLimiter,
        exempt_paths: Iterable[str] = (),
        problem_json: bool = False,
        **options: Unpack[RequestOptions[Request]],
    ) -> None:
        self.limiter = limiter
        self._exempt = Paths(exempt_paths, "exempt_paths")
        self._limits = RequestLimits(limiter, problem_json=problem_json, **options) if options else None
        if app is not None:
            self.init_app(app)

    def init_app(self, app: Flask) -> None:
        app.extensions["flint"] = self
        app.register_error_handler(RateLimitExceeded, rate_limit_exceeded)
        if self._limits is not None:
            app.before_request(self._before_request)

    def limit(self, *, problem_json: bool = False, **options: Unpack[RequestOptions[Request]]) -> RateLimit:
        """Return a decorator for a view: see RateLimit."""
        return RateLimit(self.limiter, problem_json=problem_json, **options)

    def _before_request(self) -> Response | None:
        assert self._limits is not None
        return None if request.path in self._exempt else _denial(self._limits)


def _denial(limits: RequestLimits) -> Response | None:
    """The answer to the current request if it is denied; None if the view may run."""
    if not current_app.config.get("FLINT_ENABLED", True) or not limits.holds_for(request.method):
        return None
    if is_preflight(
        request.method, request.headers.get("Origin"), request.headers.get("Access-Control-Request-Method")
    ):
        return None
    decision = limits.decide(request)
    if decision is None:
        return None
    _tell(limits, decision)
    if decision.allowed:
        return None
    if limits.answers_denials:
        return current_app.make_response(limits.denial(request, decision))
    raise TooManyRequests(DETAIL, Response(limits.body(decision), 429, content_type=limits.content_type))


def _tell(limits: RequestLimits, decision: Decision) -> None:
    """Adds fields to the response, before those of limits around this one."""
    told: list[_Told] = request.environ.setdefault(_TOLD, [])
    if not told:
        after_this_request(functools.partial(_with_fields, told))
    told.insert(0, (limits, decision))


def _with_fields(told: list[_Told], response: Response) -> Response:
    fields = [fields_of(limits.settle(decision, response)) for limits, decision in told]
    for name, value in itertools.chain.from_iterable(fields):
        if name in LISTS or name not in response.headers:
            response.headers.add(name, value)
    return response
