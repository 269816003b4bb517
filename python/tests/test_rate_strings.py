"""Limits as text: in each mode, around functions and requests, and read as the engine reads them."""

from __future__ import annotations

import asyncio
import http.client
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from support import Server
from web_support import asgi, wsgi

import flint
from flint import fastapi
from flint import wsgi as wsgi_layer
from flint.testing import MemoryLimiter

MOST = 2**40
Rule = tuple[int, int, str, "int | None"]

GOOD: list[tuple[str, Rule]] = [
    ("100/m", (100, 60_000, "token_bucket", 100)),
    ("100 per minute", (100, 60_000, "token_bucket", 100)),
    ("5 PER 15 Minutes", (5, 900_000, "token_bucket", 5)),
    ("10/s burst 20", (10, 1_000, "token_bucket", 20)),
    ("  1_000 / 250ms  token_bucket BURST 1_0 ", (1000, 250, "token_bucket", 10)),
    ("1000/day fixed_window_counter", (1000, 86_400_000, "fixed_window_counter", None)),
    ("7/2hrs sliding_window_log", (7, 7_200_000, "sliding_window_log", None)),
    (f"{MOST}/366d sliding_window_counter", (MOST, 366 * 86_400_000, "sliding_window_counter", None)),
]


@pytest.mark.parametrize(("text", "rule"), GOOD)
def test_a_limit_is_set_by_its_text(limiter: Any, text: str, rule: Rule) -> None:
    limiter.limit("positional", text)
    limiter.limit("named", limit=text)
    for key in ("positional", "named"):
        status = limiter.status(key)
        assert (status["rate"], status["per_millis"], status["algorithm"], status["burst"]) == rule


def test_a_limit_in_memory_is_set_by_its_text(flint_limiter: MemoryLimiter) -> None:
    flint_limiter.limit("k", "3/m")
    assert [flint_limiter.allow("k") for _ in range(4)] == [True, True, True, False]
    flint_limiter.clock.advance("20s")
    assert flint_limiter.allow("k")
    asyncio.run(flint_limiter.alimit("k", "5/m burst 9"))
    assert flint_limiter.check("k").limit == 9


@pytest.mark.parametrize("given_too", [{"rate": 1}, {"per": "1m"}, {"algorithm": "token_bucket"}, {"burst": 3}])
def test_both_forms_of_a_limit_together_are_refused(limiter: Any, given_too: dict[str, Any]) -> None:
    words = f"limit takes the place of .*: leave out {next(iter(given_too))}, or limit"
    with pytest.raises(TypeError, match=words):
        limiter.limit("k", "5/s", **given_too)
    assert limiter.status("k") is None


def test_a_limit_must_be_there(limiter: Any) -> None:
    for arguments in ({}, {"burst": 3}):
        with pytest.raises(TypeError, match=r"limit must be given: a str such as '100/m', or both rate and per\."):
            limiter.limit("k", **arguments)
    with pytest.raises(TypeError, match="per must be"):
        limiter.limit("k", rate=3)


def test_a_function_is_limited_by_a_text(flint_limiter: MemoryLimiter) -> None:
    @flint_limiter.rate_limit("positional", "1/h burst 2")
    def positional() -> int:
        return 1

    @flint_limiter.rate_limit(lambda: "named", limit="1/h", cost=1)
    async def named() -> int:
        return 2

    assert (positional(), positional(), asyncio.run(named())) == (1, 1, 2)
    with pytest.raises(flint.RateLimitExceeded):
        positional()
    with pytest.raises(flint.RateLimitExceeded):
        asyncio.run(named())
    with pytest.raises(ValueError, match="cost 3 is above the capacity, 2"):
        flint_limiter.rate_limit("k", "1/h burst 2", cost=3)
    flint_limiter.rate_limit("k", "1/h burst 2", cost=2)
    with pytest.raises(TypeError, match="leave out per, or limit"):
        flint_limiter.rate_limit("k", "1/h", per="1m")
    with pytest.raises(TypeError, match="limit must be given"):
        flint_limiter.rate_limit("k")
    with pytest.raises(ValueError, match="limit must not have two rates per 1h. Keep one of them"):
        flint_limiter.rate_limit("k", "1/h, 5/60m")


def asgi_answer(limiter: MemoryLimiter, **arguments: Any) -> Any:
    async def hello(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"hello"})

    return asyncio.run(asgi(fastapi.FlintMiddleware(hello, limiter=limiter, key="k", **arguments)))


def wsgi_answer(limiter: MemoryLimiter, **arguments: Any) -> Any:
    def hello(environ: Any, start_response: Any) -> list[bytes]:
        start_response("200 OK", [])
        return [b"hello"]

    return wsgi(wsgi_layer.FlintMiddleware(hello, limiter=limiter, key="k", **arguments))


@pytest.mark.parametrize("answer", [asgi_answer, wsgi_answer])
def test_requests_are_limited_by_a_text(flint_limiter: MemoryLimiter, answer: Callable[..., Any]) -> None:
    first, second = [answer(flint_limiter, rate="2 per 30 s burst 9", cost=9) for _ in range(2)]
    assert (first.status, first["x-ratelimit-limit"], second.status) == (200, "9", 429)
    assert first["ratelimit-policy"] == '"default";q=2;w=30'
    status = flint_limiter.status("k")
    assert status is not None
    assert (status["rate"], status["per_millis"], status["burst"]) == (2, 30_000, 9)


@pytest.mark.parametrize("answer", [asgi_answer, wsgi_answer])
def test_requests_are_limited_by_several_windows(flint_limiter: MemoryLimiter, answer: Callable[..., Any]) -> None:
    first, second, third = [answer(flint_limiter, rate="2/s, 9/h fixed_window_counter") for _ in range(3)]
    assert (first.status, second.status, third.status) == (200, 200, 429)
    assert first["x-ratelimit-limit"] == "2"
    assert first["ratelimit-policy"] == '"default-1";q=2;w=1, "default-2";q=9;w=3600'
    assert first["ratelimit"] == '"default-1";r=1;t=1, "default-2";r=8;t=3600'
    assert third["retry-after"] == "1"


@pytest.mark.parametrize("answer", [asgi_answer, wsgi_answer])
@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"rate": ""}, ValueError, r"rate must not be empty\. Write it like 100/m"),
        ({"rate": "5/M"}, ValueError, 'rate has an unknown unit of time, "M"'),
        ({"rate": "5/s, 9/1000ms"}, ValueError, "rate must not have two rates per 1s"),
        ({"rate": "5/s\ud800"}, ValueError, "rate must be valid Unicode"),
        ({"rate": "5/s", "per": "1s"}, TypeError, "rate is a str, which takes the place .*: leave out per"),
        ({"rate": "5/s", "burst": 5}, TypeError, "leave out burst"),
        ({"rate": "5/s", "algorithm": "token_bucket", "burst": 5}, TypeError, "leave out algorithm, burst"),
        ({"rate": "5/s", "cost": 6}, ValueError, "cost 6 is above the capacity, 5"),
        ({"rate": b"5/s"}, TypeError, "rate and per"),
        ({"rate": b"5/s", "per": "1s"}, TypeError, "rate must be an int"),
    ],
)
def test_a_bad_rate_of_requests_is_refused(
    flint_limiter: MemoryLimiter,
    answer: Callable[..., Any],
    arguments: dict[str, Any],
    kind: type[Exception],
    words: str,
) -> None:
    with pytest.raises(kind, match=words):
        answer(flint_limiter, **arguments)
    assert flint_limiter.list() == []


# --- The package and the engine read the same texts, and refuse the others in the same words


class Engine:
    """A server, which is asked in JSON: the package does not see the texts."""

    def __init__(self, server: Server) -> None:
        self._connection = http.client.HTTPConnection(server.url.removeprefix("http://"))

    def close(self) -> None:
        self._connection.close()

    def _ask(self, method: str, path: str, body: Any = None) -> Any:
        encoded = None if body is None else json.dumps(body)
        self._connection.request(method, path, encoded, {"Content-Type": "application/json"})
        return json.load(self._connection.getresponse())

    def outcome(self, text: str) -> Any:
        """The rule that `text` set, or the sentence that refused it."""
        answer = self._ask("POST", "/v1/limits", {"key": "k", "limit": text})
        if "error" in answer:
            return answer["error"]
        return rule_of(self._ask("GET", "/v1/limits/k"))


def rule_of(status: Any) -> Rule:
    return status["rate"], status["per_millis"], status["algorithm"], status["burst"]


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Engine]:
    server = Server(tmp_path_factory.mktemp("served") / "data", "--sync", "batch")
    engine = Engine(server)
    yield engine
    engine.close()
    server.stop()


@pytest.fixture(scope="module")
def package() -> Iterator[MemoryLimiter]:
    with MemoryLimiter() as limiter:
        yield limiter


def outcome(limiter: MemoryLimiter, text: str) -> Any:
    try:
        limiter.limit("k", text)
    except ValueError as error:
        return str(error)
    return rule_of(limiter.status("k"))


WORDS = "s m M ms secs Minute hrs day d week mo years per PER burst Burst token_bucket TOKEN_BUCKET sliding_window_log"
MARKS = ["/", " ", "  ", ",", ";", "|", ".", "-", "=", '"', "\\", "\t", "\n", "\0", "\x7f", "ü", "٣", "𝟙"]
NUMBERS = ["1", "20", "1_0", "_", "__", "0", "007", str(MOST), str(MOST + 1), str(2**64), "9" * 50]
PIECES = st.sampled_from([*WORDS.split(), *MARKS, *NUMBERS, "leaky", "and", "x" * 50])
EIGHT = ",".join(["1/s"] * 8)
STARTS = st.sampled_from(["", "1/s", "5 per 2 hours", "1/s burst 5 ", "1/d token_bucket ", "3/5ms,", EIGHT])


@settings(max_examples=1500, deadline=None)
@example(start="", pieces=["5/s", " " * 1021])
@example(start="", pieces=["5/s", " " * 1022])
@example(start="", pieces=["ü" * 513])
@example(start=EIGHT, pieces=[",1/s"])
@given(start=STARTS, pieces=st.lists(st.one_of(PIECES, PIECES, PIECES, st.text(max_size=3)), max_size=8))
def test_a_text_means_the_same_to_the_package_and_to_the_engine(
    engine: Engine, package: MemoryLimiter, start: str, pieces: list[str]
) -> None:
    text = start + "".join(pieces)
    told = outcome(package, text)
    assert told == engine.outcome(text)
    if isinstance(told, str):
        assert told.startswith("limit ") and told.endswith(".") and len(told) < 250
