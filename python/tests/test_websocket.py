"""RateLimit on routes of websockets: the handshake, and messages."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from fastapi import Depends, FastAPI, WebSocket, WebSocketException
from web_support import asgi, http_scope

import flint
from flint.fastapi import FlintWebSocketMiddleware, RateLimit, client_address, rate_limit_exceeded
from flint.testing import MemoryLimiter


async def connect(app: Any, *messages: str, path: str = "/ws") -> list[Any]:
    """What a server is told to send to a client that connects to `path` and sends `messages`."""
    scope = {**http_scope(path), "type": "websocket", "scheme": "ws", "subprotocols": []}
    del scope["method"]
    incoming: list[Any] = [{"type": "websocket.connect"}]
    incoming += [{"type": "websocket.receive", "text": message} for message in messages]
    incoming.append({"type": "websocket.disconnect", "code": 1000})
    sent: list[Any] = []

    async def receive() -> Any:
        return incoming.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await app(scope, receive, send)
    return sent


def types(messages: list[Any]) -> list[str]:
    return [message["type"].removeprefix("websocket.") for message in messages]


def test_a_dependency_limits_the_handshakes(flint_limiter: MemoryLimiter) -> None:
    """Symptom: RateLimit.__call__() missing 1 required positional argument: 'request', for each client."""
    app = FastAPI()
    limit = RateLimit(flint_limiter, key_func=client_address(prefix="ws:"), rate=1, per="1h")
    seen: list[Any] = []

    @app.websocket("/ws")
    async def route(socket: WebSocket, result: flint.CheckResult = Depends(limit)) -> None:
        seen.append(result.remaining)
        await socket.accept()
        await socket.close()

    assert types(asyncio.run(connect(app))) == ["accept", "close"]
    refused = asyncio.run(connect(app))
    # Before it is accepted a close is a handshake that is answered with 403.
    assert types(refused) == ["close"]
    assert (refused[0]["code"], refused[0]["reason"]) == (1008, "rate limit exceeded")
    assert seen == [0]
    assert [status["key"] for status in flint_limiter.list(keys=True)] == ["ws:192.0.2.1"]


def test_a_route_limits_its_messages(flint_limiter: MemoryLimiter) -> None:
    app = FastAPI()
    limit = RateLimit(flint_limiter, key_func=lambda socket: f"room:{socket.path_params['room']}", rate=2, per="1h")

    @app.websocket("/rooms/{room}")
    async def route(socket: WebSocket) -> None:
        await socket.accept()
        async for message in socket.iter_text():
            await limit(socket)
            await socket.send_text(message)

    sent = asyncio.run(connect(app, "a", "b", "c", "d", path="/rooms/1"))
    assert types(sent) == ["accept", "send", "send", "close"]
    assert sent[-1]["code"] == 1008


def test_a_route_can_answer_a_denial_itself(flint_limiter: MemoryLimiter) -> None:
    app = FastAPI()
    limit = RateLimit(flint_limiter, key="all", rate=1, per="1h")

    @app.websocket("/ws")
    async def route(socket: WebSocket) -> None:
        await socket.accept()
        async for message in socket.iter_text():
            try:
                await limit(socket)
            except WebSocketException as denied:
                message = denied.reason
            await socket.send_text(message)

    sent = asyncio.run(connect(app, "a", "b"))
    assert [message.get("text") for message in sent] == [None, "a", "rate limit exceeded"]


def test_one_limit_serves_requests_and_websockets(flint_limiter: MemoryLimiter) -> None:
    app = FastAPI()
    limit = RateLimit(flint_limiter, key="all", rate=2, per="1h")

    @app.get("/", dependencies=[Depends(limit)])
    async def root() -> str:
        return "hello"

    @app.websocket("/ws", dependencies=[Depends(limit)])
    async def route(socket: WebSocket) -> None:
        await socket.accept()
        await socket.close()

    assert asyncio.run(asgi(app))["x-ratelimit-remaining"] == "1"
    assert types(asyncio.run(connect(app))) == ["accept", "close"]
    assert types(asyncio.run(connect(app))) == ["close"]
    assert asyncio.run(asgi(app)).status == 429


def test_a_route_can_call_it_for_a_request(flint_limiter: MemoryLimiter) -> None:
    from starlette.exceptions import HTTPException
    from starlette.requests import Request

    limit = RateLimit(flint_limiter, key="all", rate=1, per="1h")
    assert asyncio.run(limit(Request(http_scope())))
    with pytest.raises(HTTPException) as raised:
        asyncio.run(limit(Request(http_scope())))
    assert raised.value.status_code == 429


def test_a_decorated_function_of_a_websocket_closes_it(flint_limiter: MemoryLimiter) -> None:
    app = FastAPI()
    app.add_exception_handler(flint.RateLimitExceeded, rate_limit_exceeded)

    @flint_limiter.rate_limit("work", rate=1, per="1h")
    async def work() -> None: ...

    @app.websocket("/ws")
    async def route(socket: WebSocket) -> None:
        await socket.accept()
        async for message in socket.iter_text():
            await work()
            await socket.send_text(message)

    sent = asyncio.run(connect(app, "a", "b"))
    assert types(sent) == ["accept", "send", "close"]
    assert sent[-1]["code"] == 1008


def test_a_websocket_has_the_options_of_a_request(flint_limiter: MemoryLimiter) -> None:
    """Plans, several keys, exemptions and answers; it has no method, so `methods` lets none pass unlimited."""
    app = FastAPI()
    limit = RateLimit(
        flint_limiter,
        limits=[
            {"key": "plan", "rate": lambda socket: {"rate": 1, "per": "1h"}},
            {"key_func": client_address(prefix="ws:"), "rate": "5/h"},
        ],
        exempt_when=lambda socket: socket.url.path == "/exempt",
        methods=["POST"],
        on_denied=lambda socket, result: WebSocketException(4008, result.key),
    )

    @app.websocket("/{path}", dependencies=[Depends(limit)])
    async def route(socket: WebSocket, path: str) -> None:
        await socket.accept()
        await socket.close()

    assert [types(asyncio.run(connect(app, path="/exempt"))) for _ in range(3)] == [["accept", "close"]] * 3
    assert types(asyncio.run(connect(app))) == ["accept", "close"]
    (refused,) = asyncio.run(connect(app))
    assert (refused["type"], refused["code"], refused["reason"]) == ("websocket.close", 4008, "plan")
    status = flint_limiter.status("ws:192.0.2.1")
    assert status is not None and status["remaining"] == 4


def echo() -> tuple[FastAPI, list[Any]]:
    """An application that sends every message back, and what it saw."""
    app = FastAPI()
    seen: list[Any] = []

    @app.websocket("/ws")
    async def route(socket: WebSocket) -> None:
        await socket.accept()
        try:
            async for message in socket.iter_text():
                seen.append(message)
                await socket.send_text(message)
        finally:
            seen.append("end")

    @app.get("/")
    async def root() -> str:
        return "hello"

    return app, seen


def test_the_middleware_closes_at_a_message_too_many(flint_limiter: MemoryLimiter) -> None:
    app, seen = echo()
    limited = FlintWebSocketMiddleware(app, limiter=flint_limiter, key_func=client_address(prefix="ws:"), rate="2/h")
    sent = asyncio.run(connect(limited, "a", "b", "c", "d"))
    assert types(sent) == ["accept", "send", "send", "close"]
    assert (sent[-1]["code"], sent[-1]["reason"]) == (1008, "rate limit exceeded")
    assert seen == ["a", "b", "end"]
    # Another connection of the same client has nothing left; requests are not limited.
    assert types(asyncio.run(connect(limited, "a"))) == ["accept", "close"]
    assert [asyncio.run(asgi(limited)).status for _ in range(4)] == [200] * 4


def test_the_middleware_drops_messages_too_many(flint_limiter: MemoryLimiter) -> None:
    app, seen = echo()
    limited = FlintWebSocketMiddleware(app, limiter=flint_limiter, key="all", rate="2/h", excess="drop")
    assert types(asyncio.run(connect(limited, "a", "b", "c", "d"))) == ["accept", "send", "send"]
    assert seen == ["a", "b", "end"]


def test_the_middleware_with_functions(flint_limiter: MemoryLimiter) -> None:
    app, _ = echo()
    limited = FlintWebSocketMiddleware(
        app,
        limiter=flint_limiter,
        key_func=lambda socket: socket.query_params.get("user"),
        rate="2/h",
        exempt_when=lambda socket: socket.headers.get("x-staff") == "yes",
    )
    # Without a key the limit does not hold.
    assert types(asyncio.run(connect(limited, "a", "b", "c"))) == ["accept", "send", "send", "send"]


def test_wrong_options_of_the_middleware(flint_limiter: MemoryLimiter) -> None:
    app, _ = echo()
    with pytest.raises(ValueError, match="excess"):
        excess: Any = "wait"
        FlintWebSocketMiddleware(app, limiter=flint_limiter, key="k", rate="2/h", excess=excess)
    with pytest.raises(TypeError, match="key"):
        FlintWebSocketMiddleware(app, limiter=flint_limiter, rate="2/h")
