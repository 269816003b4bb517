"""examples/llm_gateway.py, with an upstream that streams and sometimes refuses, between real servers."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from fastapi import FastAPI, Request, Response
from fastapi.responses import StreamingResponse
from support import PATIENCE_S, Server, wait_until

import flint

EXAMPLES = Path(__file__).parents[2] / "examples"


class Upstream:
    """Answers each prompt with so many tokens as its first word says; refuses at first if it is told to."""

    def __init__(self) -> None:
        self.refusals = 0
        self.asked = 0
        self.app = FastAPI()
        self.app.post("/v1/chat")(self.chat)

    async def chat(self, request: Request) -> Response:
        self.asked += 1
        if self.refusals > 0:
            self.refusals -= 1
            return Response(status_code=503)
        count = int((await request.json())["prompt"].split()[0])

        async def tokens() -> AsyncIterator[str]:
            for number in range(count):
                yield json.dumps({"text": f"{number} "}) + "\n"
                await asyncio.sleep(0.001)

        return StreamingResponse(tokens())


class Running:
    """An application in a thread, on a port of its own."""

    def __init__(self, app: Any) -> None:
        config = uvicorn.Config(app, port=0, log_level="warning", lifespan="off")
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=self._server.run)
        self._thread.start()
        wait_until(lambda: self._server.started, "the web server")
        port = self._server.servers[0].sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"

    def stop(self) -> None:
        self._server.should_exit = True
        self._thread.join(PATIENCE_S)


@pytest.fixture
def upstream() -> Upstream:
    return Upstream()


@pytest.fixture
def gateway(server: Server, upstream: Upstream, monkeypatch: pytest.MonkeyPatch) -> Iterator[httpx.Client]:
    behind = Running(upstream.app)
    monkeypatch.setenv("FLINT_SERVER", server.url)
    monkeypatch.setenv("UPSTREAM", f"{behind.url}/v1/chat")
    monkeypatch.syspath_prepend(str(EXAMPLES))
    sys.modules.pop("llm_gateway", None)
    from importlib import import_module

    module = import_module("llm_gateway")
    front = Running(module.app)
    with httpx.Client(base_url=front.url, timeout=PATIENCE_S, headers={"X-User": "ann"}) as client:
        yield client
    front.stop()
    behind.stop()
    module.limiter.close()


def used(server: Server, key: str) -> int:
    with flint.SharedLimiter(server.socket) as limiter:
        status = limiter.status(key)
        if status is None:
            return 0
        if status["reserved"]:
            return -1
        return status["rate"] - status["remaining"]


def test_a_request_costs_what_it_used(gateway: httpx.Client, server: Server) -> None:
    answer = gateway.post("/chat", json={"prompt": "5 tokens, please", "max_tokens": 1000})
    assert answer.status_code == 200
    assert answer.text == "0 1 2 3 4 "
    tokens = len("5 tokens, please") // 4 + 1 + 5
    assert int(answer.headers["x-tokens-left"]) < 40_000 - 1000
    wait_until(lambda: used(server, "budget:ann") == tokens * 15, "the settlement")
    # By now the bucket may have been refilled by a token or two.
    assert used(server, "tpm:ann") <= tokens
    assert used(server, "rpm:ann") <= 1


def test_an_upstream_that_refuses_is_asked_again(gateway: httpx.Client, server: Server, upstream: Upstream) -> None:
    upstream.refusals = 2
    assert gateway.post("/chat", json={"prompt": "3"}).text == "0 1 2 "
    assert upstream.asked == 3
    upstream.refusals = 3
    assert gateway.post("/chat", json={"prompt": "3"}).status_code == 502
    # The second one used nothing.
    wait_until(lambda: used(server, "budget:ann") == (1 + 3) * 15, "the settlement")


def test_a_request_that_is_sent_again_is_charged_once(gateway: httpx.Client, server: Server) -> None:
    for _ in range(3):
        answer = gateway.post("/chat", json={"prompt": "7"}, headers={"Idempotency-Key": "one"})
        assert answer.status_code == 200
    wait_until(lambda: used(server, "budget:ann") == (1 + 7) * 15, "the settlement")
    other = gateway.post("/chat", json={"prompt": "7", "max_tokens": 9}, headers={"Idempotency-Key": "one"})
    assert other.status_code == 409


def test_a_client_that_goes_away_pays_for_what_was_made(gateway: httpx.Client, server: Server) -> None:
    with gateway.stream("POST", "/chat", json={"prompt": "3000", "max_tokens": 4000}) as answer:
        for number, _ in enumerate(answer.iter_text()):
            if number == 3:
                break
    wait_until(lambda: 0 < used(server, "budget:ann") < 3000 * 15, "the settlement")


def test_what_is_used_up_is_denied(gateway: httpx.Client) -> None:
    statuses = [gateway.post("/chat", json={"prompt": "1", "max_tokens": 4000}).status_code for _ in range(3)]
    assert statuses == [200] * 3
    answers = [gateway.post("/chat", json={"prompt": "1", "max_tokens": 1}) for _ in range(61)]
    denied = answers[-1]
    assert denied.status_code == 429
    assert denied.json() == {"detail": "rpm:ann is used up"}
    assert int(denied.headers["retry-after"]) >= 1
    assert gateway.post("/chat", json={"prompt": "1"}, headers={"X-User": "bob"}).status_code == 200
