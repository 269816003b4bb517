"""Limits of the messages that come in by websockets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.status import WS_1008_POLICY_VIOLATION
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from starlette.websockets import WebSocket

from flint_limiter import _arguments
from flint_limiter._web import DETAIL, RequestLimits

if TYPE_CHECKING:
    from typing import Literal

    from typing_extensions import Unpack

    from flint_limiter._contract import AbstractLimiter
    from flint_limiter._options import MessageOptions


class FlintWebSocketMiddleware:
    """ASGI middleware that checks each message that a client sends by a websocket, before the application sees it.

    The arguments are those of FlintMiddleware that say what the limits are; functions take the Starlette `WebSocket`,
    and must not receive from it. `excess` says what becomes of a message that is denied: with "close" the connection is
    closed with the code 1008, and the application gets `websocket.disconnect`; with "drop" the application does not
    see the message. Requests and handshakes are not limited.

    app.add_middleware(FlintWebSocketMiddleware, limiter=limiter, key_func=client_address(prefix="ws:"), rate="10/s")
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        limiter: AbstractLimiter,
        excess: Literal["close", "drop"] = "close",
        **options: Unpack[MessageOptions[WebSocket]],
    ) -> None:
        self.app = app
        self._limits = RequestLimits(limiter, **options)
        self._closes = _arguments.choice(excess, "excess", ("close", "drop")) == "close"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "websocket":
            return await self.app(scope, receive, send)
        websocket = WebSocket(scope, receive, send)
        is_closed = False

        async def receive_within_limits() -> Message:
            nonlocal is_closed
            while True:
                message = await receive()
                if is_closed or message["type"] != "websocket.receive" or await self._allows(websocket):
                    return message
                if self._closes:
                    is_closed = True
                    await send({"type": "websocket.close", "code": WS_1008_POLICY_VIOLATION, "reason": DETAIL})
                    return {"type": "websocket.disconnect", "code": WS_1008_POLICY_VIOLATION, "reason": DETAIL}

        async def send_unless_closed(message: Message) -> None:
            if not is_closed:
                await send(message)

        await self.app(scope, receive_within_limits, send_unless_closed)

    async def _allows(self, websocket: Any) -> bool:
        decision = await self._limits.adecide(websocket)
        return decision is None or decision.allowed
