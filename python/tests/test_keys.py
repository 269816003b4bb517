"""The rule that makes a valid key of any text, and that everything in which a client has a say keeps to it."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from web_support import asgi, http_scope, wsgi

import flint
import flint.fastapi
import flint.wsgi
from flint.testing import MemoryLimiter
from flint_limiter import _arguments

# Text that is no key, and what becomes of it.
HASHED = {
    "": "sha256-e3b0c44298fc1c149afbf4c8996fb924",
    " \t": "sha256-d7b7af63870551553faf46d2286caf4b",
    "user:\r\n": "user:sha256-",
    "user:\x00": "user:sha256-",
    "tenant:7:user:" + "n" * 600: "tenant:7:user:sha256-",
    "\x00:user": "sha256-",
    "user:\udc80": "user:sha256-",
    "u\ud800:ser": "sha256-",
    "用" * 300: "sha256-",
    "p" * 200 + ":" + "n" * 600: "sha256-",
    "a:" * 300: "a:" * 64 + "sha256-",
    ":\x00": "sha256-",
    "user:\x85": "user:sha256-",
    "*": "sha256-",
    "user:*": "user:sha256-",
    "user:a*b": "user:sha256-",
    "tenant:*:user": "tenant:sha256-",
}


@pytest.mark.parametrize("text", ["k", "user:José", "用户", "😀", " x ", "JosÃ©", "k" * 512, "é" * 256])
def test_a_valid_key_stays_as_it_is(text: str) -> None:
    assert flint.valid_key(text) == text


@pytest.mark.parametrize("name", ["Àgnes", "Ștefan", "Иван", "用户", "한국", "😀"])
def test_utf_8_that_was_read_as_latin_1_is_read_again(name: str) -> None:
    assert flint.valid_key(f"user:{name}".encode().decode("latin-1")) == f"user:{name}"


@pytest.mark.parametrize("text", HASHED)
def test_the_rest_is_hashed_and_keeps_its_prefix(text: str) -> None:
    key = flint.valid_key(text)
    assert key.startswith(HASHED[text])
    assert key[: -len("sha256-") - 32] + "sha256-" == HASHED[text] or key == HASHED[text]


def test_different_texts_have_different_keys() -> None:
    texts = ["user:\x00", "user:\x01", "", " ", "\ud800", "\udc80", "user:" + "n" * 600, "user:" + "n" * 601]
    assert len({flint.valid_key(text) for text in texts}) == len(texts)


@given(st.text(st.characters(codec=None), max_size=700))
@example("\x00" * 100_000)
@example(":" * 100_000)
def test_any_text_has_a_valid_key_which_stays_as_it_is(text: str) -> None:
    key = flint.valid_key(text)
    assert _arguments.key(key) == key == flint.valid_key(key)


@pytest.mark.parametrize("value", [None, 1, b"k", ["k"]])
def test_what_is_no_text_is_refused(value: Any) -> None:
    with pytest.raises(TypeError, match="key must be a str"):
        flint.valid_key(value)


# What a client can send as the value of a field that a key is made of.
NAMES = ["José".encode(), "Àgnes".encode(), "用户".encode()]
VALUES = [b"jose", *NAMES, b"\xff\xfe", b"", b"  ", b"n" * 600, b"a\x01b", b"*", b"a*b"]


@pytest.mark.parametrize("value", VALUES)
def test_no_field_of_a_request_makes_it_fail(flint_limiter: MemoryLimiter, value: bytes) -> None:
    """Symptom: a user whose name has a letter such as À (bytes c3 80) in UTF-8 got 500 for each request."""

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def site(environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [])
        return []

    limit: Any = {"limiter": flint_limiter, "rate": 2, "per": "1m"}
    field = value.decode("latin-1")
    middleware = flint.fastapi.FlintMiddleware(app, key_func=lambda r: "asgi:" + r.headers["x-user"], **limit)
    dependency = flint.fastapi.RateLimit(key_func=lambda r: "route:" + r.headers["x-user"], **limit)
    wrapped = flint.wsgi.FlintMiddleware(site, key_func=lambda e: "wsgi:" + e["HTTP_X_USER"], **limit)

    @flint_limiter.rate_limit(lambda name: f"call:{name}", rate=2, per="1m")
    def function(name: str) -> None: ...

    async def served() -> int:
        scope = {**http_scope(), "headers": [(b"x-user", value)]}
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any: ...

        await middleware(scope, receive, send)
        return int(sent[0]["status"])

    async def depended() -> bool:
        from starlette.requests import Request

        return bool(await dependency(Request({**http_scope(), "headers": [(b"x-user", value)]})))

    assert [asyncio.run(served()) for _ in range(3)] == [200, 200, 429]
    assert asyncio.run(depended())
    assert [wsgi(wrapped, HTTP_X_USER=field).status for _ in range(3)] == [200, 200, 429]
    function(field)
    function(field)
    with pytest.raises(flint.RateLimitExceeded):
        function(field)
    assert len(flint_limiter.list(keys=True)) == 4


def test_a_peer_of_any_name_is_limited(flint_limiter: MemoryLimiter) -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    limited = flint.fastapi.FlintMiddleware(
        app, limiter=flint_limiter, key_func=flint.fastapi.client_address(prefix="ip:"), rate=1, per="1m"
    )
    for peer in ("", "x" * 600, "\x00", "fe80::1%" + "z" * 600):
        assert [asyncio.run(asgi(limited, client=(peer, 1))).status for _ in range(2)] == [200, 429]


def test_a_key_that_the_program_wrote_is_not_changed(flint_limiter: MemoryLimiter) -> None:
    """A mistake in the program's own key is told, not hashed."""
    rule: Any = {"rate": 1, "per": 1}
    with pytest.raises(ValueError, match="key"):
        flint.fastapi.RateLimit(flint_limiter, key="", **rule)
    with pytest.raises(ValueError, match="key"):
        flint.wsgi.FlintMiddleware(lambda *given: [], limiter=flint_limiter, key="\n", **rule)
    with pytest.raises(ValueError, match="key"):
        flint_limiter.rate_limit("k" * 513, **rule)
