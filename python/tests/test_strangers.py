"""Whom a SharedLimiter believes: sockets of other users, answers of strangers, and text that deceives."""

from __future__ import annotations

import json
import logging
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from support import AsyncStyle, Server
from test_http import DECISION, FakeServer, answer, read_request, serving

import flint

Limit = Callable[..., Any]
SELF, OTHER = 10_001, 10_002  # users that need no name


@pytest.fixture(params=["sync", "async"])
def shared(request: pytest.FixtureRequest, loop: Any) -> Iterator[Limit]:
    """Makes a SharedLimiter, called in either way."""
    made = []

    def make(server: str, **options: Any) -> Any:
        limiter = flint.SharedLimiter(server, **options)
        made.append(limiter)
        return limiter if request.param == "sync" else AsyncStyle(limiter, loop)

    yield make
    for limiter in made:
        limiter.close()


@contextmanager
def says(*bodies: bytes) -> Iterator[FakeServer]:
    """A server that gives these answers in turn, the last one over again."""
    given = list(bodies)

    def serve(connection: socket.socket) -> None:
        while request := read_request(connection):
            server.requests.append(request)
            connection.sendall(answer(given.pop(0) if len(given) > 1 else given[0]))

    with serving(serve) as server:
        yield server


def status(key: str, **members: Any) -> dict[str, Any]:
    names = ("total_allowed", "total_denied", "total_allowed_cost", "total_denied_cost", "would_deny", "reserved")
    counters = dict.fromkeys(names, 0)
    times = dict.fromkeys(("last_allowed_at", "last_denied_at", "last_reset_at"))
    rule = {"rate": 1, "per_millis": 1, "burst": None, "algorithm": "token_bucket"}
    always = {"key": key, "source": "set", "mode": "enforce", "remaining": 1, "reset_at": "2026-11-23T18:22:02.123Z"}
    return {**always, **rule, **counters, **times, **members}


def of(document: Any) -> bytes:
    return json.dumps(document).encode()


def decision(**members: Any) -> dict[str, Any]:
    return {**json.loads(DECISION), **members}


EVENT = {"seq": 1, "at": "2026-11-23T18:22:02.123Z", "kind": "allowed", "cost": 1, "count": 1}


def checks(document: dict[str, Any], **members: Any) -> dict[str, Any]:
    return {"allowed": True, "denied_key": None, "results": [document], **members}


NOTHING: list[Any] = [None, [], {}, "x", 1, True]
STRANGE: list[tuple[str, tuple[Any, ...], Any]] = [
    *(("check", ("k",), odd) for odd in NOTHING),
    ("check", ("k",), decision(key="other")),
    ("check", ("k",), decision(cost=2)),
    ("check", ("k",), decision(allowed=1)),
    ("check", ("k",), decision(allowed="no")),
    ("check", ("k",), decision(remaining=-1)),
    ("check", ("k",), decision(remaining=1.5)),
    ("check", ("k",), decision(limit=10**30)),
    ("check", ("k",), decision(retry_after_ms=True)),
    ("check", ("k",), decision(retry_after_ms=None)),
    ("check", ("k",), decision(would_deny=1)),
    ("check", ("k",), decision(reset_at="2026-11-23")),
    ("check", ("k",), decision(algorithm=None)),
    ("check_all", (["k"],), decision()),
    ("check_all", (["k"],), checks(decision(key="other"))),
    ("check_all", (["k"],), checks(decision(allowed=False))),
    ("check_all", (["k"],), checks(decision(), denied_key="k")),
    ("check_all", (["k"],), checks(decision(), results=[])),
    ("check_all", (["k"],), checks(decision(), results=[decision(), decision()])),
    ("check_all", (["k", "l"],), checks(decision())),
    ("check_batch", (["k"],), {"results": []}),
    ("check_batch", (["k"],), {"results": [decision(), decision()]}),
    ("check_batch", (["k"],), {"results": [decision(key="other")]}),
    ("check_batch", (["k"],), {"results": [{"error": "no"}]}),
    ("check_batch", (["k"],), {"results": [{"error": 1, "code": "limit_not_found"}]}),
    ("check_batch", (["k"],), {"results": {}}),
    ("check_all", (["k"],), checks(decision(allowed=False), allowed=False, denied_key="other")),
    ("status", ("k",), status("other")),
    ("status", ("k",), status("k", rate="1")),
    ("list", (), {}),
    ("list", (), [None]),
    ("list", (), [status("b"), status("a")]),
    ("list", (), [status("a"), status("a")]),
    ("top", (), [status("a")] * 21),
    ("top", (), [status("a", total_denied=None)]),
    ("history", ("k",), [{**EVENT, "seq": "1"}]),
    ("history", ("k",), [{**EVENT, "kind": "configured"}]),
    ("history", ("k",), [EVENT] * 101),
    ("doctor", (), {"ok": True}),
    ("decisions", (), {"allowed": 1, "denied": 1}),
    ("decisions", (), 'flint_decisions_total{outcome="allowed"} 1'),
    ("reset", ("k",), {"ok": 1}),
    ("flush", (), None),
]


@pytest.mark.parametrize(("method", "arguments", "document"), STRANGE)
def test_an_answer_to_something_else_is_not_believed(
    shared: Limit, method: str, arguments: tuple[Any, ...], document: Any
) -> None:
    """The decision about another key was returned, and `{"allowed": "no"}` was an allowed check."""
    with says(of(document)) as server:
        with pytest.raises(flint.FlintServerError, match="none of a Flint server") as raised:
            getattr(shared(server.url), method)(*arguments)
        assert server.url in str(raised.value)
        if method == "check":
            assert shared(server.url, on_error="deny").check("k").degraded


def test_a_list_is_asked_for_in_pages(shared: Limit, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list came in one answer of any size, which was read to its end."""
    monkeypatch.setattr("flint_limiter._requests._PAGE", 2)
    pages = [[status("a"), status("b")], [status("c"), status("d")], [status("e")]]
    with says(*map(of, pages), of([])) as server:
        assert [one["key"] for one in shared(server.url).list()] == ["a", "b", "c", "d", "e"]
        asked = [request.split(b" ")[1] for request in server.requests]
        assert asked == [b"/v1/limits?limit=2", b"/v1/limits?after=b&limit=2", b"/v1/limits?after=d&limit=2"]
    with says(of(pages[0]), of(pages[1][:1])) as server:
        assert len(shared(server.url).list(limit=3)) == 3
    with says(of(pages[0])) as server, pytest.raises(flint.FlintServerError, match="in order"):
        shared(server.url).list()  # the same page for ever


CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
MIB = 1 << 20


@pytest.mark.parametrize(
    ("head", "piece", "bound"),
    [
        (b"HTTP/1.1 200 OK\r\n", b"X-Field: value\r\n" * 100, MIB),
        (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 1_000, MIB),
        (CHUNKED + b"1;", b"x" * 1_000, MIB),
        (CHUNKED + b"1\r\n1\r\n0\r\nX: ", b"x" * 1_000, MIB),
        (CHUNKED + b"1\r\n1\r\n0\r\n", b"X: y\r\n" * 200, MIB),
        (CHUNKED, b"10000\r\n" + b" " * 65_536 + b"\r\n", 2 * MIB),
        (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65_536, 2 * MIB),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", b" " * 65_536, MIB),
    ],
    ids=["head", "field", "extension", "trailer", "trailers", "chunks", "no length", "length"],
)
def test_an_answer_without_an_end_is_not_read(shared: Limit, head: bytes, piece: bytes, bound: int) -> None:
    """An answer of any size was read: 1.7 GiB in 2 s."""
    sent = 0

    def serve(connection: socket.socket) -> None:
        nonlocal sent
        read_request(connection)
        with suppress(OSError):
            connection.sendall(head)
            while sent < 1 << 30:
                sent += connection.send(piece)

    with serving(serve) as server:
        with pytest.raises(flint.FlintConnectionError):
            shared(server.url, timeout=20.0).check("k")
    assert sent < bound + 8 * MIB  # what the sockets' buffers take


def test_a_long_path_is_none_for_a_socket(shared: Limit, tmp_path: Path) -> None:
    """`AF_UNIX path too long`, where the command reached the server."""
    data_dir = tmp_path / ("d" * 120) / ("e" * 120) / "data"
    data_dir.parent.mkdir(parents=True)
    server = Server(data_dir)
    try:
        limiter = shared(server.socket)
        limiter.limit("k", rate=2, per="1h")
        assert limiter.check("k")
    finally:
        server.stop()
    with pytest.raises(flint.FlintConnectionError):
        shared(f"unix:{tmp_path}/{'s' * 200}.sock").check("k")


def test_a_dead_socket_is_said_to_be_one(shared: Limit, tmp_path: Path) -> None:
    """`Connection refused` at a socket that a killed server had left sent people to a server that was gone."""
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "dead.sock"))
    with pytest.raises(flint.FlintConnectionError, match="no server listens there any more"):
        shared(f"unix:{tmp_path}/dead.sock").check("k")


LISTENER = """
import os, socket, sys
os.setuid(int(sys.argv[2])) if int(sys.argv[2]) else None
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
os.chmod(sys.argv[1], 0o666)
listener.listen()
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    got = connection.recv(65536)
    print(repr(got), flush=True)
    if got:
        connection.sendall(sys.argv[3].encode())
    connection.close()
"""


@contextmanager
def listening(path: Path, user: int, reply: bytes) -> Iterator[list[str]]:
    """A process of `user` that listens at `path`; afterwards what it was sent."""
    arguments = [sys.executable, "-c", LISTENER, str(path), str(user), reply.decode()]
    process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    received: list[str] = []
    try:
        yield received
    finally:
        process.kill()
        received.append(process.communicate()[0])
        path.unlink()


def test_a_unix_socket_gets_the_token_only_when_it_asks(shared: Limit, tmp_path: Path) -> None:
    """The token went to any Unix socket."""
    path = tmp_path / "s.sock"
    with listening(path, 0, answer(DECISION, "200 OK", b"Connection: close")) as received:
        assert shared(f"unix:{path}", token="s3cret").check("k")
    assert "HTTP/1.1" in received[0]
    assert "s3cret" not in received[0]
    unauthorized = answer(b'{"error":"no","code":"unauthorized"}', "401 Unauthorized", b"Connection: close")
    with listening(path, 0, unauthorized) as received:
        with pytest.raises(flint.FlintServerError):
            shared(f"unix:{path}", token="s3cret").check("k")
    assert received[0].count("s3cret") == 1


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root, to act as two other users")
@pytest.mark.parametrize(
    ("owner", "listens", "fate"),
    [(SELF, SELF, "believed"), (SELF, 0, "believed"), (0, SELF, "believed"), (0, OTHER, "refused"),
     (SELF, OTHER, "refused"), (OTHER, OTHER, "warned of")],
)  # fmt: skip
def test_the_user_at_the_other_end_is_checked(tmp_path: Path, owner: int, listens: int, fate: str) -> None:
    """Another user's process at a socket was believed."""
    place = Path("/tmp") / f"flint-peer-{os.getpid()}"  # pytest's own directories are closed to other users
    place.mkdir()
    try:
        os.chown(place, owner, owner)
        os.chmod(place, 0o777)
        with listening(place / "s.sock", listens, answer(DECISION, "200 OK", b"Connection: close")) as received:
            outcome = _check_as(SELF, f"unix:{place}/s.sock")
    finally:
        place.rmdir()
    if fate == "refused":
        assert f"a process of user {listens} listens there" in outcome
        assert "HTTP" not in received[0]
    else:
        assert "True" in outcome
        assert (f"belongs to user {OTHER}" in outcome) is (fate == "warned of")


def _check_as(user: int, server: str) -> str:
    """What a check as `user` says, logs and all, in a forked child."""
    reading, writing = os.pipe()
    pid = os.fork()
    if pid == 0:
        with suppress(BaseException):
            with os.fdopen(writing, "w") as said:
                os.setuid(user)
                logging.getLogger("flint").addHandler(logging.StreamHandler(said))
                try:
                    said.write(str(flint.SharedLimiter(server).allow("k")))
                except flint.FlintConnectionError as error:
                    said.write(str(error))
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading) as said:
        text = said.read()
    os.waitpid(pid, 0)
    return text


DECEPTIVE = "\u202e\u2066\u200b\u00ad\u3164\u2800\u00a0\U000e0041\ufe0f\u115f\u180e\u2060"


def test_an_exception_acts_on_no_terminal(shared: Limit, server: Server) -> None:
    """Escape sequences of a server, and invisible characters of keys, were raw in the text of exceptions."""
    hostile = {"error": "\x1b[2J" + DECEPTIVE, "code": "limit_not_found"}

    def serve(connection: socket.socket) -> None:
        while read_request(connection):
            connection.sendall(answer(of(hostile), "404 Not Found"))

    with serving(serve) as fake:
        with pytest.raises(flint.LimitNotConfigured) as raised:
            shared(fake.url).check("k")
    assert str(raised.value).startswith("\\u001b[2J\\u202e\\u2066")
    for character in DECEPTIVE:
        with pytest.raises(flint.LimitNotConfigured) as raised:
            shared(server.socket).check(f"a{character}b")
        assert character not in str(raised.value)
        assert f"{ord(character):04x}" in str(raised.value)
    with pytest.raises(flint.FlintConnectionError) as unreachable:
        shared("unix:/no/\x1b[2J/s").check("k")
    assert "\x1b" not in str(unreachable.value)


def test_threads_may_be_told_to_show_the_token_at_once(tmp_path: Path) -> None:
    """A thread whose request met the 401 while another one learned of it was refused for good."""
    path = tmp_path / "s.sock"
    unauthorized = answer(b'{"error":"no","code":"unauthorized"}', "401 Unauthorized", b"Connection: close")
    with listening(path, 0, unauthorized) as received:
        limiter = flint.SharedLimiter(f"unix:{path}", token="s3cret")
        begin = threading.Barrier(8)

        def ask() -> None:
            begin.wait()
            with pytest.raises(flint.FlintServerError):
                limiter.check("k")

        threads = [threading.Thread(target=ask) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert received[0].count("s3cret") == 8
