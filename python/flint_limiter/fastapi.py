"""Rate limits for FastAPI, Starlette and other ASGI frameworks.

    app.add_middleware(FlintMiddleware, limiter=limiter, key_func=client_address(), rate="100/m")

    @app.post("/login", dependencies=[Depends(RateLimit(limiter, key_func=client_address(prefix="login:"),
                                                        rate="5/m"))])

Responses carry `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10) and `X-RateLimit-Limit`,
`-Remaining` and `-Reset` (Unix time, seconds). A denied request gets a 429 response with `Retry-After`.

Needs Starlette, which FastAPI includes.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Union

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

from flint_limiter._client_address import ClientAddress
from flint_limiter._contract import AbstractLimiter
from flint_limiter._errors import RateLimitExceeded
from flint_limiter._header_fields import fields_of
from flint_limiter._result import CheckResult
from flint_limiter._types import Algorithm, Period
from flint_limiter._web import DETAIL, Paths, Rule, exceeded, is_preflight

__all__ = ["FlintMiddleware", "FlintRateLimitMiddleware", "RateLimit", "client_address", "rate_limit_exceeded"]

_Key = Union[str, None, Awaitable[Union[str, None]]]
_Cost = Union[int, Awaitable[int]]
KeyFunc = Callable[[Request], _Key]
CostFunc = Callable[[Request], _Cost]


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

    `key` is one key for all requests. `key_func` takes a Starlette `Request` (without its body) and returns a key; it
    may be a coroutine function. If it returns None, the request passes without a check; `flint.valid_key` makes any
    text that it returns a valid key.

    `rate` is the limit of each key, which each check carries (see `check()` of a limiter): a rate string such as
    `"100/m"` or `"10/s burst 20"`, or a number of units, which goes with `per`, `algorithm` and `burst`. Without
    `rate`, the limits are configured elsewhere, and a key without a limit raises LimitNotConfigured. `cost` is a number
    of units, or a function of the request that returns one. If the cost is above the capacity, the request is denied,
    without `Retry-After`.

    `exempt_paths` are paths below `root_path`; `/static/*` matches all paths below `/static/`, except those that
    contain `..`. `policy` is the name of the limit in `RateLimit`. With `problem_json`, a denial is answered with
    application/problem+json instead of `{"detail": ...}`.

    The middleware changes only the start of a response: bodies stream, background tasks run, and context variables
    reach the application and come back. Websockets, lifespan and the preflight requests of browsers are not limited. An
    exception from the limiter, `key_func` or `cost` goes to the server, which answers 500; for a Flint server that
    gives no decisions, see `on_error` of SharedLimiter.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limiter: AbstractLimiter,
        key: str | None = None,
        key_func: KeyFunc | None = None,
        rate: int | str | None = None,
        per: Period | None = None,
        algorithm: Algorithm | None = None,
        burst: int | None = None,
        cost: int | CostFunc = 1,
        exempt_paths: Iterable[str] = (),
        policy: str = "default",
        problem_json: bool = False,
    ) -> None:
        self.app = app
        self._rule = Rule(
            limiter,
            key=key,
            key_func=key_func,
            rate=rate,
            per=per,
            algorithm=algorithm,
            burst=burst,
            cost=cost,
            policy=policy,
            problem_json=problem_json,
        )
        self._exempt = Paths(exempt_paths, "exempt_paths")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or _route_path(scope) in self._exempt or _is_preflight(scope):
            return await self.app(scope, receive, send)
        decision = await self._rule.adecide(Request(scope))
        if decision is None:
            return await self.app(scope, receive, send)
        fields = [(name.lower().encode(), value.encode()) for name, value in fields_of(decision)]
        if not decision.allowed:
            return await self._refuse(scope, send, fields, self._rule.body(decision))

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _merged(list(message.get("headers", ())), fields)}
            await send(message)

        await self.app(scope, receive, send_with_fields)

    async def _refuse(self, scope: Scope, send: Send, fields: list[tuple[bytes, bytes]], body: bytes) -> None:
        headers = [
            (b"content-type", self._rule.content_type.encode()),
            (b"content-length", b"%d" % len(body)),
            *fields,
        ]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


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
    """The same limit as a dependency of routes: `Depends(RateLimit(limiter, key=..., rate="5/m"))`.

    Takes the limit arguments of FlintMiddleware; `key_func` and `cost` also see path parameters. The dependency returns
    the CheckResult, or None if `key_func` returns None. A denied request raises HTTPException with status 429 and the
    header fields that FlintMiddleware would send. For an allowed request, these fields are added to the response,
    unless the route returns its own `Response`.

    As a dependency of a websocket route, it limits the handshakes. Inside the route, `await limit(websocket)` limits
    any operation, such as each message. A denial raises WebSocketException: the handshake is refused (403), and an
    accepted connection is closed with the code 1008 unless the route catches the exception. `key_func` and `cost`
    receive the WebSocket.
    """

    def __init__(
        self,
        limiter: AbstractLimiter,
        *,
        key: str | None = None,
        # Any: a Request or a WebSocket, whichever the function is for.
        key_func: Callable[[Any], _Key] | None = None,
        rate: int | str | None = None,
        per: Period | None = None,
        algorithm: Algorithm | None = None,
        burst: int | None = None,
        cost: int | Callable[[Any], _Cost] = 1,
        policy: str = "default",
    ) -> None:
        self._rule = Rule(
            limiter,
            key=key,
            key_func=key_func,
            rate=rate,
            per=per,
            algorithm=algorithm,
            burst=burst,
            cost=cost,
            policy=policy,
        )

    # FastAPI reads the annotations of the parameters to know what to pass; it does not use the one of the result. A
    # websocket route has no Request, but both kinds of route have an HTTPConnection.
    async def __call__(
        self,
        connection: HTTPConnection,
        response: Response = None,  # type: ignore[assignment]  # FastAPI takes no other annotation for its own
    ) -> CheckResult | None:
        decision = await self._rule.adecide(connection)
        if decision is None:
            return None
        if not decision.allowed and connection.scope["type"] == "websocket":
            raise WebSocketException(WS_1008_POLICY_VIOLATION, DETAIL)
        fields = fields_of(decision)
        if not decision.allowed:
            raise HTTPException(429, DETAIL, headers=dict(fields))
        for name, value in fields if response is not None else ():
            response.headers.append(name, value)
        return decision.deciding.result


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
    """`RateLimit` lists all limits. The older fields hold one limit: if an inner limit has set them, they stay."""
    there = {name for name, _ in headers if name.startswith(b"x-ratelimit-")}
    return headers + [field for field in fields if field[0] not in there]
