"""Rate limits for FastAPI, Starlette and whatever else speaks ASGI.

    app.add_middleware(FlintMiddleware, limiter=limiter, key_func=client_address(), rate=100, per="1m")

    @app.post("/login", dependencies=[Depends(RateLimit(limiter, key_func=client_address(prefix="login:"),
                                                        rate=5, per="1m"))])

Responses carry `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10) and `X-RateLimit-Limit`,
`-Remaining` and `-Reset` (Unix time, seconds). A denied request is answered with 429 and `Retry-After`.

Needs Starlette, which FastAPI brings.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterable
from typing import Any, Union

from starlette.requests import HTTPConnection, Request
from starlette.responses import JSONResponse, Response
from starlette.status import WS_1008_POLICY_VIOLATION
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

try:
    # FastAPI has exceptions of its own, derived from those of Starlette: its users catch these.
    from fastapi import HTTPException, WebSocketException
except ImportError:
    from starlette.exceptions import HTTPException, WebSocketException  # type: ignore[assignment]

from flint_limiter._client_address import ClientAddress
from flint_limiter._contract import AbstractLimiter
from flint_limiter._errors import RateLimitExceeded
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
    """A `key_func`: the address of the client, behind `prefix`.

    By default that is the peer of the socket. Behind proxies of your own say how many in `trusted_hops`: then the
    address is the one that the outermost of them wrote into `X-Forwarded-For`. Further entries are ignored, for anybody
    can send them. (A server that puts such an address in the place of the peer by itself, as uvicorn does for proxies
    on 127.0.0.1, needs 0.) IPv6 addresses are cut to `ipv6_prefix` bits: whoever has one has a network of them.
    """
    reader = ClientAddress(trusted_hops, ipv6_prefix, prefix)

    def address_of(request: HTTPConnection) -> str:
        client = request.scope.get("client")
        forwarded = ",".join(request.headers.getlist("x-forwarded-for")) if trusted_hops else ""
        return reader.key(client[0] if client else "", forwarded)

    return address_of


class FlintMiddleware:
    """ASGI middleware that checks each HTTP request before the application sees it.

    `key` is one key for all requests; `key_func` makes one of a Starlette `Request` (without its body) and may be a
    coroutine function; None from it lets the request pass without a check, and any text is made a valid key by the rule
    of `flint.valid_key`. `rate`, `per`, `algorithm` and `burst` are the limit of each key, configured before its first
    check in this process; keys of one limiter that have different limits must differ. Without `rate` and `per` the
    limits are configured elsewhere, and a key that has none raises LimitNotConfigured. `cost` is in units, or a
    function of the request that returns them; above the capacity the request is denied, without `Retry-After`.

    `exempt_paths` are paths below `root_path`; `/static/*` stands for all below, but for those with a `..` in them.
    `policy` is the name of the limit in `RateLimit`. `problem_json` answers a denial with application/problem+json
    instead of `{"detail": ...}`.

    Nothing but the start of a response is touched: bodies stream, background tasks run, context variables reach the
    application and back. Websockets, lifespan and the preflight requests of browsers are not limited. What the limiter,
    `key_func` or `cost` raise goes to the server, which answers 500; see `on_error` of SharedLimiter for a server that
    gives no decisions.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limiter: AbstractLimiter,
        key: str | None = None,
        key_func: KeyFunc | None = None,
        rate: int | None = None,
        per: Period | None = None,
        algorithm: Algorithm = "token_bucket",
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
        result = await _decide(self._rule, Request(scope))
        if result is None:
            return await self.app(scope, receive, send)
        fields = [(name.lower().encode(), value.encode()) for name, value in self._rule.fields(result)]
        if not result.allowed:
            return await self._refuse(scope, send, fields)

        async def send_with_fields(message: Message) -> None:
            if message["type"] == "http.response.start":
                message = {**message, "headers": _merged(list(message.get("headers", ())), fields)}
            await send(message)

        await self.app(scope, receive, send_with_fields)

    async def _refuse(self, scope: Scope, send: Send, fields: list[tuple[bytes, bytes]]) -> None:
        body = self._rule.body
        headers = [
            (b"content-type", self._rule.content_type.encode()),
            (b"content-length", b"%d" % len(body)),
            *fields,
        ]
        await send({"type": "http.response.start", "status": 429, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})


#: The name that it had first.
FlintRateLimitMiddleware = FlintMiddleware


async def rate_limit_exceeded(request: HTTPConnection, error: Exception) -> Any:
    """An exception handler: what `rate_limit` denies in a route is answered with 429 instead of 500, and a websocket is
    closed with the code 1008.

    app.add_exception_handler(flint.RateLimitExceeded, rate_limit_exceeded)
    """
    assert isinstance(error, RateLimitExceeded)
    if isinstance(request, WebSocket):
        await request.close(WS_1008_POLICY_VIOLATION, DETAIL)
        return None
    body, fields = exceeded(error)
    return JSONResponse(body, 429, dict(fields))


class RateLimit:
    """The same limit as a dependency of routes: `Depends(RateLimit(limiter, key=..., rate=5, per="1m"))`.

    Takes what FlintMiddleware takes; `key_func` and `cost` see path parameters, too. Answers the CheckResult (None when
    `key_func` says None). A denied request raises HTTPException with status 429 and the fields that FlintMiddleware
    would send. With an allowed one they are added to what the route returns, unless that is a `Response` of its own.

    As a dependency of a websocket's route it limits the handshakes, and `await limit(websocket)` in the route limits
    what it is called for, each message, say. A denial raises WebSocketException: the handshake is refused (403), and a
    connection that has been accepted is closed with the code 1008, unless the route catches it. `key_func` and `cost`
    are given the WebSocket.
    """

    def __init__(
        self,
        limiter: AbstractLimiter,
        *,
        key: str | None = None,
        # Any: a Request or a WebSocket, whichever the function is for.
        key_func: Callable[[Any], _Key] | None = None,
        rate: int | None = None,
        per: Period | None = None,
        algorithm: Algorithm = "token_bucket",
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

    # FastAPI reads these annotations: what it is to give us, and nothing of the answer. A route of a websocket has no
    # Request, but both kinds have an HTTPConnection.
    async def __call__(
        self,
        connection: HTTPConnection,
        response: Response = None,  # type: ignore[assignment]  # FastAPI takes no other annotation for its own
    ) -> CheckResult | None:
        result = await _decide(self._rule, connection)
        if result is None:
            return None
        if not result.allowed and connection.scope["type"] == "websocket":
            raise WebSocketException(WS_1008_POLICY_VIOLATION, DETAIL)
        fields = self._rule.fields(result)
        if not result.allowed:
            raise HTTPException(429, DETAIL, headers=dict(fields))
        for name, value in fields if response is not None else ():
            response.headers.append(name, value)
        return result


async def _decide(rule: Rule, request: HTTPConnection) -> CheckResult | None:
    key = await _value(rule.key(request)) if callable(rule.key) else rule.key
    if key is None:
        return None
    cost = await _value(rule.cost(request)) if callable(rule.cost) else rule.cost
    return await rule.acheck(key, cost)


async def _value(value: Any) -> Any:
    return await value if inspect.isawaitable(value) else value


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
    """`RateLimit` lists limits; of the older fields those of the innermost limit, which are there already, stay."""
    there = {name for name, _ in headers if name.startswith(b"x-ratelimit-")}
    return headers + [field for field in fields if field[0] not in there]
