"""Rate limits for FastAPI, Starlette and other ASGI frameworks.

    app.add_middleware(FlintMiddleware, limiter=limiter, key_func=client_address(), rate="100/m")

    @app.post("/login", dependencies=[Depends(RateLimit(limiter, key_func=client_address(prefix="login:"),
                                                        rate="5/m"))])

Responses carry `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10) and `X-RateLimit-Limit`,
`-Remaining` and `-Reset` (Unix time, seconds). A denied request gets a 429 response with `Retry-After`.

Needs Starlette, which FastAPI includes.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, cast

from starlette.datastructures import Headers
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.status import WS_1008_POLICY_VIOLATION
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

try:
    # FastAPI derives its own exceptions from those of Starlette, and its users catch these.
    from fastapi import HTTPException, WebSocketException
except ImportError:
    from starlette.exceptions import HTTPException, WebSocketException  # type: ignore[assignment]

from flint_limiter._admission import Decision
from flint_limiter._client_address import ClientAddress
from flint_limiter._contract import AbstractLimiter
from flint_limiter._errors import RateLimitExceeded
from flint_limiter._header_fields import LISTS, fields_of
from flint_limiter._result import CheckResult
from flint_limiter._web import DETAIL, Paths, RequestLimits, ResponseStart, exceeded, is_preflight, strange_denial
from flint_limiter._websocket import FlintWebSocketMiddleware

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from flint_limiter._options import RequestOptions

_LISTS = {name.lower().encode() for name in LISTS}

# In the scope of a request: the decisions that wait for the response.
_SETTLED_LATER = "flint.settled_later"

__all__ = [
    "FlintMiddleware",
    "FlintRateLimitMiddleware",
    "FlintResponses",
    "FlintWebSocketMiddleware",
    "RateLimit",
    "client_address",
    "rate_limit_exceeded",
]


def client_address(
    *, trusted_hops: int = 0, ipv6_prefix: int = 64, prefix: str = ""
) -> Callable[[HTTPConnection], str]:
    """Return a `key_func` whose key is `prefix` followed by the address of the client.

    By default, the address is that of the socket's peer. If the application runs behind your own proxies, set
    `trusted_hops` to their number: the address is then the one that the outermost of them wrote into `X-Forwarded-For`.
    Further entries are ignored, because any client can send them. (Use 0 with a server that itself replaces the peer by
    such an address, as uvicorn does for proxies on 127.0.0.1.) IPv6 addresses are cut to `ipv6_prefix` bits, because a
    client that has one address has a whole network of them.
    """
    reader = ClientAddress(trusted_hops, ipv6_prefix, prefix)

    def address_of(request: HTTPConnection) -> str:
        client = request.scope.get("client")
        forwarded = ",".join(request.headers.getlist("x-forwarded-for")) if trusted_hops else ""
        return reader.key(client[0] if client else "", forwarded)

    return address_of


class FlintMiddleware:
    """ASGI middleware that checks each HTTP request before the application sees it.

    `key` is one key for all requests. `key_func` takes a Starlette `Request` (without its body) and returns a key;
    `flint.valid_key` makes any text that it returns a valid key.

    `rate` is the limit of each key, which each check carries (see `check()` of a limiter): a rate string such as
    `"100/m"` or `"10/s burst 20"`, a dict with `rate` and `per`, or a number of units, which goes with `per`,
    `algorithm` and `burst`. It may be a function of the request that returns a rate string or a dict, such as the one
    of the user's plan. Without `rate`, the limits are configured elsewhere, and a key without a limit raises
    LimitNotConfigured. `cost` is a number of units, or a function of the request that returns one. If the cost is above
    the capacity, the request is denied, without `Retry-After`. `policy` is the name of the limit in `RateLimit`
    (`default`).

    `limits` replaces these arguments where a request needs several limits: a list of 1 to 128 dicts whose members are
    the arguments above. It is one decision (see `check_all()`): a request that any limit denies consumes from none. The
    keys of each limit must begin with a prefix of its own. Where a dict has no `policy`, that is `limit-1`, `limit-2`
    and so on.

    `exempt_when` is a function of the request that returns whether it is exempt, a bool. `exempt_paths` are paths below
    `root_path` that are exempt; `/static/*` matches all paths below `/static/`, except those that contain `..`.
    `methods` are the HTTP methods that are limited; `GET` includes `HEAD`. With `enabled=False` all requests are exempt
    and the limiter is never asked, as a test may want it.

    All functions may be coroutine functions. If `key_func`, or a function that is `rate` or `cost`, returns None, that
    limit does not hold for the request. Any other answer of a wrong type or value raises TypeError or ValueError. An
    exception of a function or of the limiter goes to the server, which answers 500; for a Flint server that gives no
    decisions, see `on_error` of SharedLimiter.

    A denial is answered with 429 and `{"detail": "rate limit exceeded"}`, or with `problem_json` as
    application/problem+json. `on_denied` replaces that: a function of the request and of the CheckResult that denied,
    which returns a Starlette `Response`. The header fields are added to it.

    `deduct_when` is a function of the response (its `status_code` and `headers`) that returns whether the request
    counts, a bool: with `lambda response: response.status_code == 401` only wrong passwords do. Until the response is
    known the request counts, so that parallel requests do not pass the limit. An exception of the application is a
    response with 500. A request that is broken off counts.

    The middleware changes only the start of a response: bodies stream, background tasks run, and context variables
    reach the application and come back. Websockets, lifespan and the preflight requests of browsers are not limited.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limiter: AbstractLimiter,
        exempt_paths: Iterable[str] = (),
        problem_json: bool = False,
        **options: Unpack[RequestOptions[Request]],
    ) -> None:
        self.app = app
        self._limits = RequestLimits(limiter, problem_json=problem_json, **options)
        self._exempt = Paths(exempt_paths, "exempt_paths")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if not self._is_limited(scope):
            return await self.app(scope, receive, send)
        request = Request(scope)
        decision = await self._limits.adecide(request)
        if decision is None:
            return await self.app(scope, receive, send)
        told = _Told(send, [(self._limits, decision)])
        send_with_fields = told.send
        if decision.allowed:
            return await told.answer(self.app, scope, receive)
        if not self._limits.answers_denials:
            return await self._refuse(scope, send_with_fields, self._limits.body(decision))
        answer = await self._limits.adenial(request, decision)
        if not callable(answer):
            raise strange_denial(answer, "a Response")
        await cast("ASGIApp", answer)(scope, receive, send_with_fields)

    async def _refuse(self, scope: Scope, send: Send, body: bytes) -> None:
        headers = [
            (b"content-type", self._limits.content_type.encode()),
            (b"content-length", b"%d" % len(body)),
        ]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    def _is_limited(self, scope: Scope) -> bool:
        if scope["type"] != "http" or not self._limits.holds_for(scope["method"]):
            return False
        return not (_route_path(scope) in self._exempt or _is_preflight(scope))


class _Told:
    """Adds the fields of decisions to a response, once it is known which of them count."""

    def __init__(self, send: Send, decisions: list[tuple[RequestLimits, Decision]]) -> None:
        self._send = send
        self._decisions = decisions
        self._begun = False

    async def answer(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        try:
            await app(scope, receive, self.send)
        except Exception:
            # The server answers it with 500.
            if not self._begun:
                await self._settle(500, [])
            raise

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._begun = True
            headers = list(message.get("headers", ()))
            await self._settle(message["status"], headers)
            for _, decision in self._decisions:
                fields = [(name.lower().encode(), value.encode()) for name, value in fields_of(decision)]
                headers = _merged(headers, fields)
            message = {**message, "headers": headers}
        await self._send(message)

    async def _settle(self, status: int, headers: list[tuple[bytes, bytes]]) -> None:
        for index, (limits, decision) in enumerate(self._decisions):
            if decision.reservation is not None:
                settled = await limits.asettle(decision, ResponseStart(status, Headers(raw=headers)))
                self._decisions[index] = limits, settled


class FlintResponses:
    """ASGI middleware that tells a RateLimit with `deduct_when` what the response is, which a dependency does not see:
    `app.add_middleware(FlintResponses)`."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _SETTLED_LATER in scope:
            return await self.app(scope, receive, send)
        decisions: list[tuple[RequestLimits, Decision]] = []
        scope[_SETTLED_LATER] = decisions
        await _Told(send, decisions).answer(self.app, scope, receive)


#: The original name of FlintMiddleware.
FlintRateLimitMiddleware = FlintMiddleware


async def rate_limit_exceeded(request: HTTPConnection, error: Exception) -> Any:
    """Exception handler: answers a denial by `rate_limit` in a route with 429 instead of 500, and closes a websocket
    with the code 1008.

    app.add_exception_handler(flint.RateLimitExceeded, rate_limit_exceeded)
    """
    assert isinstance(error, RateLimitExceeded)
    if isinstance(request, WebSocket):
        await request.close(WS_1008_POLICY_VIOLATION, DETAIL)
        return None
    body, fields = exceeded(error)
    return JSONResponse(body, 429, dict(fields))


class RateLimit:
    """The same limits as a dependency of routes: `Depends(RateLimit(limiter, key=..., rate="5/m"))`.

    Takes the arguments of FlintMiddleware, except `exempt_paths` and `problem_json`; its functions also see path
    parameters. The dependency returns the CheckResult, or None if the request is exempt; of several limits, the result
    of the one with the least left. A denied request raises HTTPException with status 429 and the header fields that
    FlintMiddleware would send. `on_denied` replaces that: it returns the exception to raise; an HTTPException gets the
    header fields. For an allowed request, these fields are added to the response, unless the route returns its own
    `Response`.

    With `deduct_when` the application needs `app.add_middleware(FlintResponses)`, which adds the header fields. (In a
    websocket everything counts.)

    As a dependency of a websocket route, it limits the handshakes. Inside the route, `await limit(websocket)` limits
    any operation, such as each message. A denial raises WebSocketException: the handshake is refused (403), and an
    accepted connection is closed with the code 1008 unless the route catches the exception. The functions receive the
    WebSocket, and `methods` does not matter.
    """

    def __init__(
        self,
        limiter: AbstractLimiter,
        # Any: a Request or a WebSocket, whichever the functions are for.
        **options: Unpack[RequestOptions[Any]],
    ) -> None:
        self._limits = RequestLimits(limiter, **options)

    # FastAPI reads the annotations of the parameters to know what to pass; it does not use the one of the result. A
    # websocket route has no Request, but both kinds of route have an HTTPConnection.
    async def __call__(
        self,
        connection: HTTPConnection,
        response: Response = None,  # type: ignore[assignment]  # FastAPI takes no other annotation for its own
    ) -> CheckResult | None:
        is_websocket = connection.scope["type"] == "websocket"
        if not is_websocket and not self._limits.holds_for(connection.scope["method"]):
            return None
        waiting = connection.scope.get(_SETTLED_LATER)
        if self._limits.settles and waiting is None and not is_websocket:
            raise RuntimeError("deduct_when of a dependency needs app.add_middleware(flint.fastapi.FlintResponses).")
        decision = await self._limits.adecide(connection)
        if decision is None:
            return None
        if not decision.allowed:
            raise await self._denial(connection, decision)
        if decision.reservation is not None:
            if waiting is None:
                await decision.reservation.acommit()  # there is no response: it counts
            else:
                waiting.insert(0, (self._limits, decision))
        elif response is not None:
            for name, value in fields_of(decision):
                response.headers.append(name, value)
        return decision.deciding.result

    async def _denial(self, connection: HTTPConnection, decision: Decision) -> BaseException:
        if self._limits.answers_denials:
            error = await self._limits.adenial(connection, decision)
            if not isinstance(error, BaseException):
                raise strange_denial(error, "an exception")
            if isinstance(error, StarletteHTTPException):
                there = {name.lower() for name in error.headers or ()}
                fields = {name: value for name, value in fields_of(decision) if name.lower() not in there}
                error.headers = {**fields, **(error.headers or {})}
            return error
        if connection.scope["type"] == "websocket":
            return WebSocketException(WS_1008_POLICY_VIOLATION, DETAIL)
        return HTTPException(429, DETAIL, headers=dict(fields_of(decision)))


def _is_preflight(scope: Scope) -> bool:
    if scope["method"] != "OPTIONS":
        return False
    headers = dict(scope["headers"])
    return is_preflight("OPTIONS", headers.get(b"origin"), headers.get(b"access-control-request-method"))


def _route_path(scope: Scope) -> str:
    path: str = scope["path"]
    root: str = scope.get("root_path", "")
    return path[len(root) :] if root and path.startswith(root + "/") else path


def _merged(headers: list[tuple[bytes, bytes]], fields: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
    there = {name.lower() for name, _ in headers}
    return headers + [field for field in fields if field[0] not in there or field[0] in _LISTS]
