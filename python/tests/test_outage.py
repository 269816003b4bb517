"""A server that gives no decisions: what checks answer then, who is asked how often, and what is logged and counted."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from support import AsyncStyle, Server
from test_http import DECISION, FakeServer, Serve, answer, answers, hangs, read_request, serving, styled
from web_support import asgi, wsgi

import flint
import flint.fastapi
import flint.wsgi
from flint_limiter import _outage

__all__ = ["styled"]  # a fixture

JSON_503 = answer(b'{"error":"Storage failed.","code":"storage_failed"}', "503 Failed", b"Connection: close")
HTML_502 = answer(b"<html><body>Bad Gateway</body></html>", "502 Bad Gateway", b"Connection: close")

# What a server, or something in its place, may say that is no decision.
NO_DECISIONS = {
    "closes": b"",
    "not HTTP": b"SSH-2.0-OpenSSH_9.2\r\n",
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
    "302 to a login page": answer(b"", "302 Found", b"Location: https://login.example/"),
    "403 of a proxy": answer(b"<html>", "403 Forbidden"),
    "404 of a proxy": answer(b"<html>", "404 Not Found"),
    "408": answer(b'{"error":"Too slow.","code":"timeout"}', "408 Request Timeout"),
    "429 of a proxy": answer(b"slow down", "429 Too Many Requests"),
    "500": answer(b"oops", "500 Internal Server Error"),
    "502 of a proxy": HTML_502,
    "502 of JSON": answer(b'{"error":1,"code":[]}', "502 Bad Gateway"),
    "503 stopping": answer(b'{"error":"Stopping.","code":"closed"}', "503 Service Unavailable"),
    "503 too busy": answer(b'{"error":"Busy.","code":"unavailable"}', "503 Service Unavailable"),
    "503 storage failed": JSON_503,
    "504 of a proxy": answer(b"", "504 Gateway Timeout"),
    "507 disk full": answer(b'{"error":"Full.","code":"disk_full"}', "507 Insufficient Storage"),
    "200 of HTML": answer(b"<html>"),
    "200 of another JSON": answer(b'{"ok":true}'),
    "200 of null": answer(b"null"),
    "204": answer(b"", "204 No Content"),
}

# What is for the caller to mend.
MISTAKES = {
    "400": (answer(b'{"error":"cost is odd.","code":"invalid_argument"}', "400 Bad Request"), ValueError),
    "401": (answer(b'{"error":"No token.","code":"unauthorized"}', "401 Unauthorized"), flint.FlintServerError),
    "403": (answer(b'{"error":"Not so.","code":"forbidden"}', "403 Forbidden"), flint.FlintServerError),
    "404": (answer(b'{"error":"No limit.","code":"limit_not_found"}', "404 Not Found"), flint.LimitNotConfigured),
}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(_outage, "_now", clock)
    return clock


def always(reply: bytes) -> Serve:
    def serve(connection: Any) -> None:
        while read_request(connection):
            connection.sendall(reply)

    return serve


def ways_to_check(limiter: flint.SharedLimiter) -> dict[str, Callable[[], bool]]:
    """Each way to ask whether something is allowed."""

    def guarded(wrapped: Callable[[], Any], loop: bool = False) -> Callable[[], bool]:
        def call() -> bool:
            try:
                asyncio.run(wrapped()) if loop else wrapped()
            except flint.RateLimitExceeded:
                return False
            return True

        return call

    @limiter.rate_limit("f", rate=1, per="1m")
    def function() -> None:
        pass

    @limiter.rate_limit("f", rate=1, per="1m")
    async def coroutine() -> None:
        pass

    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    def site(environ: Any, start: Any) -> list[bytes]:
        start("200 OK", [])
        return []

    limit: Any = {"limiter": limiter, "key": "k", "rate": 1, "per": "1m"}
    return {
        "check": lambda: bool(limiter.check("k")),
        "acheck": lambda: bool(asyncio.run(limiter.acheck("k"))),
        "allow": lambda: limiter.allow("k"),
        "aallow": lambda: asyncio.run(limiter.aallow("k")),
        "check_all": lambda: limiter.check_all(["a", ("b", 2)])["allowed"],
        "acheck_all": lambda: asyncio.run(limiter.acheck_all(["a"]))["allowed"],
        "allow_all": lambda: limiter.allow_all(["a"]),
        "aallow_all": lambda: asyncio.run(limiter.aallow_all(["a"])),
        "function": guarded(function),
        "coroutine": guarded(coroutine, loop=True),
        "ASGI": lambda: asyncio.run(asgi(flint.fastapi.FlintMiddleware(app, **limit))).status == 200,
        "WSGI": lambda: wsgi(flint.wsgi.FlintMiddleware(site, **limit)).status == 200,
    }


@pytest.mark.parametrize("name", NO_DECISIONS)
def test_on_error_covers_every_answer_that_is_no_decision(clock: Clock, name: str) -> None:
    """A server, or a proxy before it, answered 502, 503, 504, 507 or HTML: on_error="allow" raised all the same."""
    with serving(answers(NO_DECISIONS[name])) as server:
        with flint.SharedLimiter(server.url, on_error="allow") as limiter:
            for count, (way, allowed) in enumerate(ways_to_check(limiter).items(), 1):
                assert allowed(), way
                assert limiter.degraded_checks == count, way
                clock.now += 60
        with flint.SharedLimiter(server.url, on_error="deny") as limiter:
            for way, allowed in ways_to_check(limiter).items():
                assert not allowed(), way
                clock.now += 60
        with flint.SharedLimiter(server.url) as limiter:
            for allowed in ways_to_check(limiter).values():
                with pytest.raises(flint.FlintError):
                    allowed()
            assert limiter.degraded_checks == 0


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_of_the_caller_is_never_allowed(name: str) -> None:
    reply, kind = MISTAKES[name]
    with serving(always(reply)) as server, flint.SharedLimiter(server.url, on_error="allow") as limiter:
        for allowed in ways_to_check(limiter).values():
            with pytest.raises(kind):
                allowed()
        assert limiter.degraded_checks == 0


def test_other_calls_raise_whatever_on_error_is(styled: Any) -> None:
    with serving(always(HTML_502)) as server, flint.SharedLimiter(server.url, on_error="allow") as limiter:
        use = styled(limiter)
        assert use.check("k").degraded
        for call in (use.list, use.flush, lambda: use.status("k"), lambda: use.limit("k", rate=1, per=1)):
            with pytest.raises(flint.FlintServerError, match="HTTP 502"):
                call()


def test_a_degraded_result_says_so(server: Server) -> None:
    """Which of a program's checks nobody decided was invisible."""
    with flint.SharedLimiter(server.url, on_error="allow") as limiter:
        limiter.limit("k", rate=1, per="1d")
        assert [limiter.check("k").degraded for _ in range(2)] == [False, False]
        server.kill()
        result = limiter.check("k")
        assert (result.degraded, result.allowed, result.limit, result.remaining) == (True, True, 0, 0)
        assert all(one.degraded for one in limiter.check_all(["a", "b"])["results"])
        assert limiter.degraded_checks == 2


def test_a_hung_server_costs_one_timeout(styled: Any) -> None:
    """Symptom: each request waited for the whole timeout while the server hung."""
    with serving(hangs) as server, flint.SharedLimiter(server.url, timeout=0.25, on_error="allow") as limiter:
        use = styled(limiter)
        assert all(use.allow(f"k{each}") for each in range(200))
        # One waited, and perhaps a few later ones that asked again; 200 would have waited for 50 s.
        assert server.connections < 10
        wrapped = limiter.rate_limit(lambda n: f"f{n}", rate=1, per="1m")(str)
        assert [wrapped(n) for n in range(200)] == [str(n) for n in range(200)]
        assert server.connections < 20
        assert limiter.degraded_checks == 400


def test_one_check_asks_again_after_a_pause_that_grows(clock: Clock, styled: Any) -> None:
    with serving(always(JSON_503)) as server, flint.SharedLimiter(server.url, on_error="allow") as limiter:
        use = styled(limiter)

        def asked(after_s: float) -> int:
            clock.now += after_s
            before = len(limiter_requests)
            assert use.allow("k") and use.allow("k")
            return len(limiter_requests) - before

        limiter_requests: list[str] = []
        send, asend = limiter._send, limiter._asend

        def count(call: Any) -> Any:
            limiter_requests.append("")
            return send(call)

        async def acount(call: Any) -> Any:
            limiter_requests.append("")
            return await asend(call)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(flint.SharedLimiter, "_send", lambda _, call: count(call))
            patch.setattr(flint.SharedLimiter, "_asend", lambda _, call: acount(call))
            assert asked(0) == 1
            for pause in (0.5, 1, 2, 4, 8, 10, 10):
                assert asked(pause - 0.01) == 0
                assert asked(0.02) == 1
                clock.now -= 0.01


def test_a_decision_ends_the_pause(clock: Clock, styled: Any) -> None:
    with serving(answers(JSON_503), answers(*[answer(DECISION)] * 9)) as server:
        with flint.SharedLimiter(server.url, on_error="deny") as limiter:
            use = styled(limiter)
            assert [use.check("k").degraded for _ in range(2)] == [True, True]
            clock.now += 0.6
            assert [use.check("k").degraded for _ in range(3)] == [False, False, False]


def test_that_an_argument_is_wrong_is_an_answer(clock: Clock) -> None:
    with serving(answers(HTML_502), answers(MISTAKES["404"][0], answer(DECISION))) as server:
        with flint.SharedLimiter(server.url, on_error="allow") as limiter:
            assert limiter.check("k").degraded
            clock.now += 0.6
            with pytest.raises(flint.LimitNotConfigured):
                limiter.check("k")
            assert not limiter.check("k").degraded


def test_while_one_asks_again_the_others_do_not(clock: Clock) -> None:
    asked, go_on = threading.Event(), threading.Event()

    def slow(connection: Any) -> None:
        read_request(connection)
        asked.set()
        go_on.wait(30)
        connection.sendall(answer(DECISION))

    with serving(answers(JSON_503), slow) as server:
        with flint.SharedLimiter(server.url, on_error="allow", timeout=60) as limiter:
            assert limiter.check("k").degraded
            clock.now += 0.6
            found: list[bool] = []
            probe = threading.Thread(target=lambda: found.append(limiter.check("k").degraded))
            probe.start()
            assert asked.wait(30)
            assert all(limiter.check("k").degraded for _ in range(20))
            assert server.connections == 2
            go_on.set()
            probe.join()
            assert found == [False]


def test_a_cancelled_check_lets_the_next_one_ask(clock: Clock, loop: asyncio.AbstractEventLoop) -> None:
    """The one that asks again was cancelled, and so nobody ever asked again."""
    heard = threading.Event()

    def hears(connection: socket.socket) -> None:
        read_request(connection)
        heard.set()
        hangs(connection)

    async def use(limiter: flint.SharedLimiter) -> None:
        assert (await limiter.acheck("k")).degraded
        clock.now += 0.6
        probe = asyncio.ensure_future(limiter.acheck("k"))
        # Until the question has come: on a connection on which none was asked, the next one asks.
        while not heard.is_set():
            await asyncio.sleep(0.001)
        probe.cancel()
        with pytest.raises(asyncio.CancelledError):
            await probe
        assert not (await limiter.acheck("k")).degraded

    with serving(answers(JSON_503), hears, answers(answer(DECISION))) as server:
        with flint.SharedLimiter(server.url, on_error="allow", timeout=60) as limiter:
            loop.run_until_complete(use(limiter))


def test_a_check_of_which_nothing_is_heard_is_replaced(clock: Clock) -> None:
    """The thread that asked again was not copied into the forked child, which never asked again."""
    with serving(answers(JSON_503), answers(answer(DECISION))) as server:
        with flint.SharedLimiter(server.url, on_error="allow", timeout=2) as limiter:
            assert limiter.check("k").degraded
            clock.now += 0.6
            limiter._outage.attempt()  # asks, and ends in the parent
            clock.now += 2.9
            assert limiter.check("k").degraded
            clock.now += 0.2
            assert not limiter.check("k").degraded


def test_many_calls_that_fail_at_once_are_one_failure(clock: Clock) -> None:
    """100 concurrent calls that fail would have made the first pause the longest."""
    outage = _outage.Outage("http://test", 1.0, "allow")
    error = flint.FlintConnectionError("no answer")
    attempts = [outage.attempt() for _ in range(100)]
    for attempt in attempts:
        with pytest.raises(flint.FlintConnectionError), attempt:
            raise error
    clock.now += 0.5
    outage.attempt()


def test_a_closed_limiter_says_so(clock: Clock, caplog: pytest.LogCaptureFixture, styled: Any) -> None:
    with serving(always(HTML_502)) as server:
        limiter = flint.SharedLimiter(server.url, on_error="allow")
        use = styled(limiter)
        assert use.allow("k")
        limiter.close()
        caplog.clear()
        for _ in range(2):
            with pytest.raises(flint.StorageError, match="closed"):
                use.allow("k")
    assert not caplog.records


def test_it_is_logged_once_a_minute(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    """Symptom: a service failed open for days, and nothing said so."""
    caplog.set_level(logging.INFO, "flint")
    with serving(*[answers(HTML_502)] * 3, always(answer(DECISION))) as server:
        with flint.SharedLimiter(server.url, on_error="allow") as limiter:
            for _ in range(50):
                limiter.check("k")
            assert [(record.name, record.levelname) for record in caplog.records] == [("flint", "WARNING")]
            assert "HTTP 502" in caplog.text and "'allow'" in caplog.text
            clock.now += 59
            limiter.check("k")
            assert len(caplog.records) == 1
            clock.now += 2
            limiter.check("k")
            assert len(caplog.records) == 2
            assert "52 so far" in caplog.messages[1]
            clock.now += 10
            assert not limiter.check("k").degraded
            assert "decides again" in caplog.messages[2] and "answered 52 checks" in caplog.messages[2]


def test_raising_is_not_counted_and_asks_each_time(styled: Any) -> None:
    with serving(answers(HTML_502)) as server, flint.SharedLimiter(server.url) as limiter:
        for count in range(1, 4):
            with pytest.raises(flint.FlintServerError):
                styled(limiter).check("k")
            assert server.connections == count
        assert limiter.degraded_checks == 0


def test_threads_count_every_check(tmp_path: Path) -> None:
    with flint.SharedLimiter(f"unix:{tmp_path}/none", on_error="allow") as limiter:
        threads = [
            threading.Thread(target=lambda: [limiter.check("k") for _ in range(500)]) for _ in range(8)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert limiter.degraded_checks == 4000


def test_a_child_forked_while_the_lock_is_held_goes_on(tmp_path: Path) -> None:
    """Another thread of the parent held the lock at the fork: the child waited for it for ever."""
    with flint.SharedLimiter(f"unix:{tmp_path}/none", on_error="allow") as limiter:
        assert limiter.allow("k")
        with _outage._lock:
            pid = os.fork()
            if pid == 0:
                os._exit(0 if limiter.allow("k") and limiter.degraded_checks == 2 else 1)
        assert os.waitpid(pid, 0)[1] == 0


def test_where_it_asks_and_how_long_can_be_read(tmp_path: Path) -> None:
    with flint.SharedLimiter(f"unix:{tmp_path}/none", timeout=3) as limiter:
        assert (limiter.server, limiter.timeout) == (f"unix:{tmp_path}/none", 3.0)
        with pytest.raises(AttributeError):
            limiter.timeout = 1.0  # type: ignore[misc]
