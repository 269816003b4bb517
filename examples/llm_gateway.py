"""A gateway to a language model: each user has so many requests a minute, tokens a minute, and a budget a day.

    flint server start
    UPSTREAM=https://llm.example/v1/chat uvicorn llm_gateway:app --workers 4
    curl -N http://127.0.0.1:8000/chat -H 'X-User: ann' -H 'Idempotency-Key: 7' -d '{"prompt": "hello"}'

What a request will cost is not known before it is done, so it is reserved: the tokens of the prompt and as many as the
answer may have. When the answer has been streamed, or is broken off, the reservation is settled at what was used.

The upstream streams a line of JSON for each token, {"text": "..."}.
"""

import asyncio
import hashlib
import json
import os
from collections.abc import AsyncIterator

import flint
import httpx
from fastapi import FastAPI, Header, HTTPException
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field

UPSTREAM = os.environ.get("UPSTREAM", "http://127.0.0.1:9000/v1/chat")
REQUESTS, TOKENS = "60/m", "40000/m"
# In millionths of a dollar. Budgets begin anew at midnight, UTC.
BUDGET = {"rate": 2_000_000, "align": "day"}
PRICE_OF_TOKEN = 15
TRIES = 3

limiter = flint.SharedLimiter(os.environ.get("FLINT_SERVER", "http://127.0.0.1:7878"), timeout=2.0)
client = httpx.AsyncClient(timeout=60.0)
app = FastAPI()


class Question(BaseModel):
    prompt: str = Field(min_length=1, max_length=20_000)
    max_tokens: int = Field(default=500, ge=1, le=4_000)


def costs(user: str, tokens: int) -> dict[str, int]:
    return {f"tpm:{user}": tokens, f"budget:{user}": tokens * PRICE_OF_TOKEN}


async def reserve(user: str, tokens: int, idempotency_key: str | None) -> flint.Reservation:
    """Of all three or of none. The units of a gateway that dies stay used."""
    limits = {f"rpm:{user}": REQUESTS, f"tpm:{user}": TOKENS, f"budget:{user}": BUDGET}
    asked = {f"rpm:{user}": 1, **costs(user, tokens)}
    items = [{"key": key, "cost": cost, "limit": limits[key]} for key, cost in asked.items()]
    # A client that sends a request again, because it got no answer, is not charged again.
    name = idempotency_key and hashlib.sha256(f"{user}:{idempotency_key}".encode()).hexdigest()
    try:
        return await limiter.areserve(items, ttl="5m", request_id=name)
    except ValueError as error:
        raise HTTPException(409, str(error)) from None


async def upstream(question: Question) -> httpx.Response:
    """An answer that has begun. One that is refused for a moment is asked for again, on the same reservation."""
    for attempt in range(TRIES):
        request = client.build_request("POST", UPSTREAM, json=question.model_dump())
        response = await client.send(request, stream=True)
        if response.status_code == 200:
            return response
        await response.aclose()
        if response.status_code not in (429, 503) or attempt == TRIES - 1:
            break
        await asyncio.sleep(0.1 * 2**attempt)
    raise HTTPException(502, f"the upstream answers {response.status_code}")


async def stream(user: str, held: flint.Reservation, response: httpx.Response, used: int) -> AsyncIterator[str]:
    try:
        async for line in response.aiter_lines():
            used += 1
            yield json.loads(line)["text"]
    finally:
        # Also of an answer that nobody wants to hear any more: the tokens have been made.
        try:
            await held.acommit(costs(user, used))
        finally:
            await response.aclose()


@app.post("/chat")
async def chat(
    question: Question, x_user: str = Header(), idempotency_key: str | None = Header(default=None)
) -> StreamingResponse:
    prompt_tokens = len(question.prompt) // 4 + 1
    user = flint.valid_key(x_user)[:100]
    held = await reserve(user, prompt_tokens + question.max_tokens, idempotency_key)
    if not held:
        denied = held.results[-1]
        raise HTTPException(429, f"{denied.key} is used up", headers=flint.headers(denied))
    try:
        response = await upstream(question)
    except BaseException:
        await held.acancel()
        raise
    headers = {"X-Tokens-Left": str(held.results[1].remaining)}
    return StreamingResponse(stream(user, held, response, prompt_tokens), media_type="text/plain", headers=headers)
