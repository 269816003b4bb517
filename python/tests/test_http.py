"""What a SharedLimiter does with servers and networks that misbehave: against a server that does as each test says."""

from __future__ import annotations

import asyncio
import gc
import os
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from support import AsyncStyle, Server, use_python_alone

import flint

Serve = Callable[[socket.socket], None]

DECISION = (
    b'{"key":"k","allowed":true,"cost":1,"limit":2,"remaining":1,"reset_at":"2026-11-23T18:22:02.123Z",'
    b'"reset_after_ms":600,"retry_after_ms":0,"algorithm":"token_bucket"}'
)


def answer(body: bytes, status: str = "200 OK", *fields: bytes) -> bytes:
    head = [b"HTTP/1.1 " + status.encode(), b"Content-Type: application/json", b"Content-Length: %d" % len(body)]
    return b"\r\n".join([*head, *fields]) + b"\r\n\r\n" + body


def read_request(connection: socket.socket) -> bytes:
    """Head and body of one request; empty at the end of the connection."""
    data = b""
    while b"\r\n\r\n" not in data:
        more = connection.recv(65_536)
        if not more:
            return b""
        data += more
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for field in head.split(b"\r\n")[1:]:
        name, _, value = field.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        body += connection.recv(65_536)
    return head + b"\r\n\r\n" + body


class FakeServer:
    """Each connection, in the order in which they come, is served by the next of `serve`, the last one over again."""

    def __init__(self, *serve: Serve) -> None:
        self.requests: list[bytes] = []
        self.connections = 0
        self._serve = serve
        self._threads: list[threading.Thread] = []
        self._open: list[socket.socket] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=512)
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)

    def _start(self, run: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=run, args=arguments)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            serve = self._serve[min(self.connections, len(self._serve) - 1)]
            self.connections += 1
            self._open.append(connection)
            self._start(self._run, serve, connection)

    def _run(self, serve: Serve, connection: socket.socket) -> None:
        with connection:
            try:
                serve(connection)
            except OSError:
                pass

    def close(self) -> None:
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        for connection in self._open:
            try:
                connection.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        for thread in self._threads:
            thread.join()


@contextmanager
def serving(*serve: Serve) -> Iterator[FakeServer]:
    server = FakeServer(*serve)
    try:
        yield server
    finally:
        server.close()


def answers(*bodies: bytes) -> Serve:
    """Answers one request with each, then closes."""

    def serve(connection: socket.socket) -> None:
        for body in bodies:
            if not read_request(connection):
                return
            connection.sendall(body)

    return serve


def hangs(connection: socket.socket) -> None:
    while read_request(connection):
        pass


@pytest.fixture(params=("sync", "async", "sync-pure", "async-pure"))
def styled(
    request: pytest.FixtureRequest, loop: asyncio.AbstractEventLoop, monkeypatch: pytest.MonkeyPatch
) -> Callable[[flint.AbstractLimiter], Any]:
    """Makes of a limiter one that is used from a thread or a coroutine; with the extension, or in Python alone."""
    if request.param.endswith("-pure"):
        use_python_alone(monkeypatch)
    if request.param.startswith("sync"):
        return lambda limiter: limiter
    return lambda limiter: AsyncStyle(limiter, loop)


def test_what_is_sent(styled: Any) -> None:
    seen = []

    def serve(connection: socket.socket) -> None:
        while request := read_request(connection):
            seen.append(request)
            connection.sendall(answer(DECISION if b"check" in request else b"[]"))

    with serving(serve) as server, flint.SharedLimiter(server.url, token="s3cret") as limiter:
        use = styled(limiter)
        assert use.check("k").remaining == 1
        assert use.list(prefix="a&b=ü ", limit=3) == []
        assert server.connections == 1
    check, listing = seen
    head, _, body = check.partition(b"\r\n\r\n")
    line, *fields = head.split(b"\r\n")
    assert line == b"POST /v1/check HTTP/1.1"
    sent = dict(field.lower().split(b": ") for field in fields)
    assert sent[b"host"] == server.url.removeprefix("http://").encode()
    assert sent[b"authorization"] == b"bearer s3cret"
    assert sent[b"content-type"] == b"application/json"
    assert body == b'{"key": "k", "cost": 1}'
    assert listing.startswith(b"GET /v1/limits?prefix=a%26b%3D%C3%BC+&limit=3 HTTP/1.1\r\n")


def test_a_check_is_not_sent_again_when_the_server_may_have_seen_it(styled: Any) -> None:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer(DECISION))
        seen.append(read_request(connection))

    seen: list[bytes] = []
    with serving(serve) as server, flint.SharedLimiter(server.url) as limiter:
        use = styled(limiter)
        assert use.check("k")
        with pytest.raises(flint.FlintConnectionError, match="before the answer"):
            use.check("k")
        assert (server.connections, len(seen)) == (1, 1)


@pytest.mark.parametrize(
    ("reply", "call"),
    [
        (b"[]", lambda use: use.top()),
        (b'{"ok":true}', lambda use: use.limit("k", rate=1, per=1)),
        (b'{"ok":true}', lambda use: use.flush()),
        (b'{"ok":true}', lambda use: use.compact()),
    ],
)
def test_what_can_be_done_twice_is_sent_again_when_an_idle_connection_ends(
    styled: Any, reply: bytes, call: Any
) -> None:
    def first(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(answer(reply))
        read_request(connection)

    with serving(first, answers(answer(reply))) as server, flint.SharedLimiter(server.url) as limiter:
        use = styled(limiter)
        assert not call(use)
        assert not call(use)
        assert server.connections == 2


def test_a_reset_is_not_sent_again_when_the_server_may_have_seen_it(styled: Any) -> None:
    """A second one would give back what was consumed since the first."""

    def serve(connection: socket.socket) -> None:
        for _ in range(2):
            read_request(connection)
            connection.sendall(answer(b'{"ok":true}'))
        read_request(connection)

    with serving(serve) as server, flint.SharedLimiter(server.url) as limiter:
        use = styled(limiter)
        use.flush()
        use.reset("k")
        with pytest.raises(flint.FlintConnectionError, match="before the answer"):
            use.reset("k")
        assert server.connections == 1


def test_a_connection_that_the_server_closed_while_idle_is_not_used(styled: Any) -> None:
    closed = threading.Event()

    def first(connection: socket.socket) -> None:
        answers(answer(DECISION))(connection)
        connection.shutdown(socket.SHUT_RDWR)
        closed.set()

    with serving(first, answers(answer(DECISION))) as server, flint.SharedLimiter(server.url) as limiter:
        use = styled(limiter)
        assert use.check("k")
        assert closed.wait(10)
        assert use.check("k")
        assert server.connections == 2


@pytest.mark.parametrize("at_once", [True, False])
def test_a_connection_that_says_something_unasked_is_not_used(styled: Any, at_once: bool) -> None:
    said = threading.Event()
    unasked = answer(b"[]", "408 Request Timeout")

    def first(connection: socket.socket) -> None:
        answers(answer(DECISION) + unasked * at_once)(connection)
        connection.sendall(unasked * (not at_once))
        said.set()
        read_request(connection)

    with serving(first, answers(answer(DECISION))) as server, flint.SharedLimiter(server.url) as limiter:
        use = styled(limiter)
        assert use.check("k")
        assert said.wait(10)
        assert use.check("k")
        assert server.connections == 2


def test_a_connection_that_the_server_wants_to_close_is_not_kept(styled: Any) -> None:
    closing = answer(DECISION, "200 OK", b"Connection: close")
    with serving(answers(closing)) as server, flint.SharedLimiter(server.url) as limiter:
        use = styled(limiter)
        assert use.check("k") and use.check("k")
        assert server.connections == 2


def test_an_answer_in_chunks_is_put_together(styled: Any) -> None:
    def serve(connection: socket.socket) -> None:
        read_request(connection)
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n")
        for byte in b"[  ]":
            connection.sendall(b"1\r\n" + bytes([byte]) + b"\r\n")
        connection.sendall(b"0\r\n\r\n")
        read_request(connection)

    with serving(serve) as server, flint.SharedLimiter(server.url) as limiter:
        assert styled(limiter).list() == []


def drips(connection: socket.socket) -> None:
    read_request(connection)
    for byte in answer(DECISION):
        connection.sendall(bytes([byte]))
        time.sleep(0.02)


@pytest.mark.parametrize("serve", [hangs, drips], ids=["silent", "slow"])
def test_the_timeout_is_for_the_whole_call(styled: Any, serve: Serve) -> None:
    with serving(serve) as server, flint.SharedLimiter(server.url, timeout=0.25) as limiter:
        began = time.monotonic()
        with pytest.raises(flint.FlintConnectionError, match="no answer within 0.25 s"):
            styled(limiter).check("k")
        # The answer would take 5 s, with never more than 0.02 s between two bytes.
        assert time.monotonic() - began < 4


@pytest.mark.parametrize(
    "reply",
    [
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n",
        b"\x16\x03\x01" * 20,
        b"",
    ],
)
def test_what_is_not_http_is_a_connection_error(styled: Any, reply: bytes) -> None:
    with serving(answers(reply)) as server, flint.SharedLimiter(server.url) as limiter:
        with pytest.raises(flint.FlintConnectionError, match=server.url):
            styled(limiter).check("k")


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"hello",
        b"\xff",
        b"null",
        b"[]",
        b"{}",
        DECISION.replace(b"2026", b"year"),
        b'{"allowed":true}',
        b"[" * 100_000,  # raised RecursionError, which is no FlintError
    ],
)
def test_what_is_not_flint_is_a_server_error(styled: Any, body: bytes) -> None:
    with serving(answers(answer(body))) as server, flint.SharedLimiter(server.url) as limiter:
        with pytest.raises(flint.FlintServerError, match="none of a Flint server") as raised:
            styled(limiter).check("k")
        assert raised.value.status == 200


@pytest.mark.parametrize(
    ("status", "body", "kind", "words"),
    [
        ("401 Unauthorized", b'{"error":"No token.","code":"unauthorized"}', flint.FlintServerError, "No token"),
        ("503 Busy", b'{"error":"Stopping.","code":"closed"}', flint.FlintServerError, "Stopping"),
        ("503 Failed", b'{"error":"A write failed.","code":"storage_failed"}', flint.StorageError, "A write failed"),
        ("507 Full", b'{"error":"The disk is full.","code":"disk_full"}', flint.StorageError, "disk is full"),
        ("404 Not Found", b'{"error":"No limit.","code":"limit_not_found"}', flint.LimitNotConfigured, "No limit"),
        ("404 Not Found", b"<html>", flint.FlintServerError, "none of a Flint server"),
        ("400 Bad Request", b'{"error":"cost is odd.","code":"invalid_argument"}', ValueError, "cost is odd"),
        ("502 Bad Gateway", b'{"error":1,"code":[]}', flint.FlintServerError, "none of a Flint server"),
    ],
)
def test_what_the_server_refuses_is_an_exception(
    styled: Any, status: str, body: bytes, kind: type[Exception], words: str
) -> None:
    with serving(answers(answer(body, status))) as server:
        with flint.SharedLimiter(server.url) as limiter, pytest.raises(kind, match=words) as raised:
            styled(limiter).check("k")
        assert type(raised.value) is kind


@pytest.mark.parametrize("on_error", ["allow", "deny"])
def test_on_error_decides_when_the_server_is_out_of_reach(styled: Any, tmp_path: Path, on_error: Any) -> None:
    use = styled(flint.SharedLimiter(f"unix:{tmp_path}/nobody.sock", on_error=on_error))
    allowed = on_error == "allow"
    result = use.check("k", cost=3)
    assert (result.key, bool(result), result.cost, result.algorithm) == ("k", allowed, 3, "unavailable")
    assert (result.limit, result.remaining, result.retry_after_ms) == (0, 0, 0 if allowed else 1000)
    assert use.allow("k") is allowed
    answered = use.check_all(["a", ("b", 2)])
    assert (answered["allowed"], answered["denied_key"]) == (allowed, None if allowed else "a")
    assert [each.key for each in answered["results"]] == (["a", "b"] if allowed else ["a"])
    assert use.allow_all(["a"]) is allowed
    for call in (use.list, use.flush, lambda: use.status("k"), lambda: use.limit("k", rate=1, per=1)):
        with pytest.raises(flint.FlintConnectionError, match="nobody.sock"):
            call()
    with pytest.raises(ValueError, match="cost"):
        use.check("k", cost=0)


def test_on_error_decides_when_the_server_is_silent(styled: Any) -> None:
    with serving(hangs) as server, flint.SharedLimiter(server.url, timeout=0.1, on_error="deny") as limiter:
        assert styled(limiter).check("k").algorithm == "unavailable"


def test_a_server_that_refuses_connections_is_named(styled: Any) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    with pytest.raises(flint.FlintConnectionError, match=f"{url}: .*refused"):
        styled(flint.SharedLimiter(url)).check("k")


def test_coroutines_share_a_bounded_number_of_connections(server: Server, loop: asyncio.AbstractEventLoop) -> None:
    async def use() -> list[bool]:
        with flint.SharedLimiter(server.url) as limiter:
            await limiter.alimit("k", rate=1000, per="1d")
            outcome = await asyncio.gather(*(limiter.aallow("k") for _ in range(1200)))
            sockets = sum(issubclass(type(thing), socket.socket) for thing in gc.get_objects())  # asks no proxy
            assert sockets < 100
            return outcome

    assert sum(loop.run_until_complete(use())) == 1000


def test_a_cancelled_call_leaves_no_half_read_answer_behind(loop: asyncio.AbstractEventLoop) -> None:
    asked = threading.Event()
    go_on = threading.Event()

    def first(connection: socket.socket) -> None:
        read_request(connection)
        asked.set()
        go_on.wait(10)
        connection.sendall(answer(b'["of the first"]'))

    async def use(limiter: flint.SharedLimiter) -> None:
        call = asyncio.ensure_future(limiter.alist())
        await asyncio.to_thread(asked.wait, 10)
        call.cancel()
        with pytest.raises(asyncio.CancelledError):
            await call
        go_on.set()
        assert await limiter.acheck("k")

    with serving(first, answers(answer(DECISION))) as server, flint.SharedLimiter(server.url) as limiter:
        loop.run_until_complete(use(limiter))


def test_one_limiter_serves_many_event_loops(server: Server) -> None:
    with flint.SharedLimiter(server.url) as limiter:
        limiter.limit("k", rate=100, per="1d")
        for left in range(99, 89, -1):
            assert asyncio.run(limiter.acheck("k")).remaining == left
        threads = [threading.Thread(target=lambda: asyncio.run(limiter.acheck("k"))) for _ in range(10)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert limiter.check("k").remaining == 79


def test_a_forked_child_uses_connections_of_its_own(server: Server) -> None:
    with flint.SharedLimiter(server.url) as limiter:
        limiter.limit("k", rate=1000, per="1d")
        children = []
        for _ in range(4):
            pid = os.fork()
            if pid == 0:
                os._exit(0 if all(limiter.allow("k") for _ in range(50)) else 1)
            children.append(pid)
        assert all(limiter.allow("k") for _ in range(50))
        assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 4
        assert limiter.check("k", cost=750).remaining == 0


def test_it_works_where_the_extension_cannot(server: Server) -> None:
    import subprocess
    import sys

    program = (
        "import sys; sys.modules['flint_limiter._native'] = None\n"
        "import asyncio, flint\n"
        "with flint.SharedLimiter(sys.argv[1]) as limiter:\n"
        "    limiter.limit('k', rate=2, per='1d')\n"
        "    assert limiter.check('k').remaining == 1\n"
        "    assert asyncio.run(limiter.acheck('k')).remaining == 0\n"
        "try:\n"
        "    flint.Limiter\n"
        "except ImportError as error:\n"
        "    print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, server.url], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "flint.Limiter needs the extension module" in done.stdout
    assert "flint.SharedLimiter does not" in done.stdout


def test_a_token_is_asked_for(tmp_path: Path, styled: Any) -> None:
    server = Server(tmp_path / "data", "--token", "right")
    try:
        for token in (None, "wrong"):
            with flint.SharedLimiter(server.url, token) as limiter, pytest.raises(flint.FlintServerError) as raised:
                styled(limiter).list()
            assert raised.value.status == 401
        with flint.SharedLimiter(server.url, "right") as limiter:
            assert styled(limiter).list() == []
        with flint.SharedLimiter(server.socket) as limiter:
            assert styled(limiter).list() == []
    finally:
        server.stop()


def test_an_ipv6_address_is_in_brackets() -> None:
    try:
        listener = socket.create_server(("::1", 0), family=socket.AF_INET6)
    except OSError:
        pytest.skip("no IPv6 here")
    with listener, flint.SharedLimiter(f"http://[::1]:{listener.getsockname()[1]}/") as limiter:

        def serve() -> None:
            with listener.accept()[0] as connection:
                answers(answer(DECISION))(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        assert limiter.check("k")
        thread.join()
