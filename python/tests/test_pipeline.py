"""Many coroutines that check through one connection: against servers that answer, end and hang in the middle."""

from __future__ import annotations

import asyncio
import os
import socket
import tempfile
import threading
import time
from collections.abc import Coroutine, Iterator
from pathlib import Path
from typing import Any

import pytest
from support import Server, use_python_alone, wait_until
from test_http import answer, hangs, read_request, serving

import flint

MANY = 100


def decision(key: str) -> bytes:
    return (
        b'{"key":"%s","allowed":true,"cost":1,"limit":2,"remaining":1,"reset_at":"2026-11-23T18:22:02.123Z",'
        b'"reset_after_ms":600,"retry_after_ms":0,"algorithm":"token_bucket"}' % key.encode()
    )


class Requests:
    """Those of one connection, however they come."""

    def __init__(self, connection: socket.socket) -> None:
        self._connection = connection
        self._data = b""
        self.keys: list[str] = []

    def __iter__(self) -> Iterator[str]:
        """The key of each."""
        while True:
            *whole, self._data = self._data.split(b"}")
            for one in whole:
                self.keys.append(one.partition(b'"key": "')[2].partition(b'"')[0].decode())
                yield self.keys[-1]
            more = self._connection.recv(1 << 16)
            if not more:
                return
            self._data += more


def answers_all(connection: socket.socket) -> None:
    for key in Requests(connection):
        connection.sendall(answer(decision(key)))


async def check_many(limiter: flint.SharedLimiter, count: int = MANY, **options: Any) -> list[Any]:
    checks = (limiter.acheck(f"k{each}", **options) for each in range(count))
    return await asyncio.gather(*checks, return_exceptions=True)


def kinds(results: list[Any]) -> list[str]:
    return [one.key if isinstance(one, flint.CheckResult) else type(one).__name__ for one in results]


KEYS = [f"k{each}" for each in range(MANY)]


@pytest.fixture(params=("native", "pure"), autouse=True)
def reader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "pure":
        use_python_alone(monkeypatch)


def test_they_share_a_connection_and_each_gets_its_own_answer() -> None:
    with serving(answers_all) as server, flint.SharedLimiter(server.url) as limiter:
        for _ in range(3):
            assert kinds(asyncio.run(check_many(limiter))) == KEYS
        assert server.connections == 1


def test_against_the_real_server(server: Server) -> None:
    async def use(limiter: flint.SharedLimiter) -> None:
        await limiter.alimit("k", rate=1000, per="1d")
        results = await asyncio.gather(*(limiter.acheck("k") for _ in range(1200)))
        assert [one.remaining for one in results] == [*range(999, -1, -1), *[0] * 200]
        assert [one.allowed for one in results] == [True] * 1000 + [False] * 200
        missing = await check_many(limiter)
        assert kinds(missing) == ["LimitNotConfigured"] * MANY
        wide = await asyncio.gather(*(limiter.acheck("ä" * 200 + str(each), limit="1/d") for each in range(2000)))
        assert all(wide)

    for url in (server.url, server.socket):
        with flint.SharedLimiter(url) as limiter:
            limiter.delete_prefix("k")
            limiter.delete_prefix("ä")
            asyncio.run(use(limiter))


def test_what_takes_long_holds_up_no_check() -> None:
    go_on = threading.Event()

    def slow(connection: socket.socket) -> None:
        read_request(connection)
        go_on.wait(30)
        connection.sendall(answer(b"[]"))

    async def use(limiter: flint.SharedLimiter) -> None:
        listing = asyncio.ensure_future(limiter.alist())
        while server.connections < 1:
            await asyncio.sleep(0.001)
        assert kinds(await check_many(limiter)) == KEYS
        assert not listing.done()
        go_on.set()
        assert await listing == []

    with serving(slow, answers_all) as server, flint.SharedLimiter(server.url) as limiter:
        asyncio.run(use(limiter))


def test_after_an_answer_that_closes_the_others_are_asked_again() -> None:
    """HTTP says that no later request on that connection is acted on."""

    def closes_after_ten(connection: socket.socket) -> None:
        for count, key in enumerate(Requests(connection), 1):
            if count == 10:
                connection.sendall(answer(decision(key), "200 OK", b"Connection: close"))
                return
            connection.sendall(answer(decision(key)))

    with serving(closes_after_ten, closes_after_ten, answers_all) as server:
        with flint.SharedLimiter(server.url) as limiter:
            assert kinds(asyncio.run(check_many(limiter))) == KEYS
            assert server.connections == 3


def ends_after_ten(connection: socket.socket) -> None:
    for count, key in enumerate(Requests(connection), 1):
        connection.sendall(answer(decision(key)))
        if count == 10:
            return


def test_after_an_end_without_a_word_what_may_be_charged_is_not_asked_again() -> None:
    with serving(ends_after_ten, answers_all) as server, flint.SharedLimiter(server.url) as limiter:
        results = asyncio.run(check_many(limiter))
        assert kinds(results) == KEYS[:10] + ["FlintConnectionError"] * 90
        assert "before the answer" in str(results[10])
        assert kinds(asyncio.run(check_many(limiter))) == KEYS
    with serving(ends_after_ten, ends_after_ten, answers_all) as server, flint.SharedLimiter(server.url) as limiter:
        assert kinds(asyncio.run(check_many(limiter, dry_run=True))) == KEYS


def test_a_new_connection_is_proven_by_one_request_alone() -> None:
    """A server that ends as they come has got one of them, and the others are asked at the next."""
    got: list[list[str]] = []

    def ends_at_once(connection: socket.socket) -> None:
        requests = Requests(connection)
        got.append(requests.keys)
        next(iter(requests))

    with serving(ends_at_once, answers_all) as server, flint.SharedLimiter(server.url) as limiter:
        assert kinds(asyncio.run(check_many(limiter))) == ["FlintConnectionError", *KEYS[1:]]
        assert (got, server.connections) == ([["k0"]], 2)


def test_what_a_unix_socket_did_not_read_is_asked_again(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "s"))
        listener.listen()

        def serve() -> None:
            for _ in range(2):
                unread, _ = listener.accept()
                wait_until(lambda: len(unread.recv(1, socket.MSG_PEEK)) == 1, "the request")
                unread.close()
            connection, _ = listener.accept()
            with connection:
                answers_all(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        with flint.SharedLimiter(f"unix:{tmp_path}/s") as limiter:
            assert kinds(asyncio.run(check_many(limiter))) == KEYS
        thread.join()


def test_a_server_that_hangs_in_the_middle_fails_those_that_wait_and_nobody_else() -> None:
    def hangs_after_ten(connection: socket.socket) -> None:
        requests = Requests(connection)
        for count, key in enumerate(requests, 1):
            if count <= 10:
                connection.sendall(answer(decision(key)))

    async def use(limiter: flint.SharedLimiter) -> None:
        began = time.monotonic()
        assert kinds(await check_many(limiter)) == KEYS[:10] + ["FlintConnectionError"] * 90
        assert 0.25 <= time.monotonic() - began < 20
        assert kinds(await check_many(limiter)) == KEYS

    with serving(hangs_after_ten, answers_all) as server:
        with flint.SharedLimiter(server.url, timeout=0.25) as limiter:
            asyncio.run(use(limiter))
        assert server.connections == 2


def test_cancelled_checks_leave_the_others_alone() -> None:
    go_on = threading.Event()

    def waits(connection: socket.socket) -> None:
        for count, key in enumerate(Requests(connection)):
            if count:
                go_on.wait(30)
            connection.sendall(answer(decision(key)))

    async def use(limiter: flint.SharedLimiter) -> None:
        first = [asyncio.ensure_future(limiter.acheck(key)) for key in KEYS]
        await first[0]
        await asyncio.sleep(0.01)
        for one in first[1::2]:
            one.cancel()
        await asyncio.sleep(0)
        # On a connection of its own: nobody can say when those that were cancelled are answered.
        assert kinds(await check_many(limiter, 3)) == KEYS[:3]
        go_on.set()
        results = await asyncio.gather(*first, return_exceptions=True)
        assert kinds(results[::2]) == KEYS[::2]
        assert kinds(results[1::2]) == ["CancelledError"] * 50

    with serving(waits, answers_all) as server, flint.SharedLimiter(server.url) as limiter:
        asyncio.run(use(limiter))
        assert server.connections == 2


def test_when_all_are_cancelled_the_connection_is_closed() -> None:
    async def use(limiter: flint.SharedLimiter) -> None:
        checks = [asyncio.ensure_future(limiter.acheck(key)) for key in KEYS]
        while server.connections < 1:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)
        for one in checks:
            one.cancel()
        assert kinds(await asyncio.gather(*checks, return_exceptions=True)) == ["CancelledError"] * MANY

    with serving(hangs) as server, flint.SharedLimiter(server.url) as limiter:
        before = len(os.listdir("/proc/self/fd"))
        asyncio.run(use(limiter))
        wait_until(lambda: len(os.listdir("/proc/self/fd")) <= before + 1, "the connection to be closed")


@pytest.mark.parametrize("raw", [b"SSH-2.0-x\r\n", answer(b"[")[:-1] + b"", answer(decision("k0")) + b"unasked"])
def test_what_is_no_answer_fails_what_waits(raw: bytes) -> None:
    def odd(connection: socket.socket) -> None:
        next(iter(Requests(connection)))
        connection.sendall(raw)

    with serving(odd, answers_all) as server, flint.SharedLimiter(server.url) as limiter:
        results = asyncio.run(check_many(limiter))
        assert kinds(results)[1:] == KEYS[1:]
        assert kinds(results)[0] in ("k0", "FlintConnectionError", "FlintServerError")
        assert server.connections == 2


def test_more_than_the_sockets_take_at_once_is_written_bit_by_bit() -> None:
    async def use(limiter: flint.SharedLimiter) -> list[Any]:
        return await asyncio.gather(*(limiter.acheck(f"{each}-" + "x" * 500) for each in range(10_000)))

    def slowly(connection: socket.socket) -> None:
        time.sleep(0.2)  # both buffers fill meanwhile
        answers_all(connection)

    with serving(slowly) as server, flint.SharedLimiter(server.url, timeout=120) as limiter:
        results = asyncio.run(use(limiter))
        assert [one.key.partition("-")[0] for one in results] == [str(each) for each in range(10_000)]
        assert server.connections == 1


def test_a_loop_that_ends_in_the_middle_leaves_nothing_behind() -> None:
    async def leave(limiter: flint.SharedLimiter) -> None:
        asyncio.ensure_future(limiter.acheck("k"))
        while server.connections < 1:
            await asyncio.sleep(0.001)
        await asyncio.sleep(0.01)

    def run_and_leave(use: Coroutine[Any, Any, None]) -> None:
        loop = asyncio.new_event_loop()
        loop.run_until_complete(use)
        for left in asyncio.all_tasks(loop):
            left._log_destroy_pending = False  # type: ignore[attr-defined]
        loop.close()

    with serving(hangs, answers_all) as server, flint.SharedLimiter(server.url) as limiter:
        before = len(os.listdir("/proc/self/fd"))
        run_and_leave(leave(limiter))
        assert kinds(asyncio.run(check_many(limiter))) == KEYS
        assert server.connections == 2
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= before, "all connections to be closed")


def test_a_child_of_fork_within_a_loop_has_a_connection_of_its_own(server: Server) -> None:
    async def use(limiter: flint.SharedLimiter) -> None:
        checks = [asyncio.ensure_future(limiter.acheck("k", limit="1000/d")) for _ in range(MANY)]
        await checks[0]
        child = os.fork()
        if child == 0:
            code = 1
            try:
                asyncio.events._set_running_loop(None)
                results = asyncio.run(check_many(limiter, 50, limit="1000/d"))
                code = 0 if kinds(results) == KEYS[:50] else 2
            finally:
                os._exit(code)
        results = await asyncio.gather(*checks)
        assert [one.remaining for one in results] == list(range(999, 899, -1))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0

    with flint.SharedLimiter(server.url) as limiter:
        asyncio.run(use(limiter))


def test_the_token_is_shown_to_a_socket_that_asks_for_it() -> None:
    def asks(connection: socket.socket) -> None:
        while request := read_request(connection):
            key = request.partition(b'"key": "')[2].partition(b'"')[0].decode()
            if b"Authorization: Bearer s3cret" in request:
                connection.sendall(answer(decision(key)))
            else:
                connection.sendall(answer(b'{"error":"No token.","code":"unauthorized"}', "401 Unauthorized"))

    with tempfile.TemporaryDirectory() as folder, socket.socket(socket.AF_UNIX) as listener:
        listener.bind(f"{folder}/s")
        listener.listen()

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                asks(connection)

        thread = threading.Thread(target=serve)
        thread.start()
        with flint.SharedLimiter(f"unix:{folder}/s", "s3cret") as limiter:
            assert kinds(asyncio.run(check_many(limiter, 1))) == KEYS[:1]
        thread.join()
