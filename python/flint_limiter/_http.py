"""HTTP/1.1 to one server, for threads and for coroutines: one implementation, which differs only in who waits.

What is sent and received, and on which connection, is written once, as a coroutine over an `Io`. Called from a thread,
its `Io` blocks, so that the coroutine never suspends and one step runs it to its end. Called from a coroutine, its
`Io` awaits the event loop. An idle connection belongs to no loop and no thread. Decisions that coroutines ask for go
another way, many at once on one connection: _pipeline.py.
"""

from __future__ import annotations

import os
import socket
import time
import weakref
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, TypeVar

from flint_limiter import _log
from flint_limiter._connection import Connection, Lost, Request
from flint_limiter._endpoint import Endpoint
from flint_limiter._errors import FlintConnectionError, StorageError
from flint_limiter._peer import SocketPlace
from flint_limiter._printable import printable
from flint_limiter._response import NotHttp, Response, TooLong
from flint_limiter._stream import CHUNK, Io, PlainStream

if TYPE_CHECKING:
    import asyncio
    import ssl

    from flint_limiter._connection import Answered
    from flint_limiter._pipeline import LoopClient

Answer = TypeVar("Answer")
_Address = Any  # (host, port, ...) or a path, as the family has it

_MAX_IDLE = 64
_PAUSE_S = 0.01
_UNAUTHORIZED = 401


class BlockingIo:
    __slots__ = ("_deadline",)

    def __init__(self, timeout: float) -> None:
        self._deadline = time.monotonic() + timeout

    def blocking_s(self) -> float:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        return left

    def _ready(self, sock: socket.socket) -> socket.socket:
        sock.settimeout(self.blocking_s())
        return sock

    async def resolve(self, host: str, port: int) -> list[tuple[Any, ...]]:
        return socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    async def connect(self, sock: socket.socket, address: _Address) -> None:
        self._ready(sock).connect(address)

    async def send(self, sock: socket.socket, data: bytes) -> None:
        self._ready(sock).sendall(data)

    async def receive(self, sock: socket.socket) -> bytes:
        return self._ready(sock).recv(CHUNK)

    async def call(self, function: Callable[[float], None]) -> None:
        function(self.blocking_s())

    async def pause(self, seconds: float) -> None:
        time.sleep(max(0, min(seconds, self._deadline - time.monotonic())))


class Client:
    """Requests to one server, on connections that are kept. Any thread and process; a forked child makes its own."""

    __slots__ = (
        "__weakref__",
        "_closed",
        "_endpoint",
        "_heads",
        "_idle",
        "_loops",
        "_pid",
        "_shows_token",
        "_timeout",
        "_tls",
        "_token",
        "_warned",
        "revive",
    )

    def __init__(
        self, endpoint: Endpoint, token: str | None, timeout: float, tls: ssl.SSLContext | None = None
    ) -> None:
        """`tls` is that of an endpoint that speaks it."""
        self._endpoint = endpoint
        self._tls = tls
        self._timeout = timeout
        self._token = token
        # A Unix socket asks for none, unless it was named for a server that has one.
        self._shows_token = not endpoint.path
        #: Of requests with a body, by path and whether they show the token.
        self._heads: dict[tuple[str, bool], str] = {}
        self._warned = False
        #: Called, with the seconds that are left, when nobody listens at the Unix socket: makes somebody do so, or
        #: raises FlintError.
        self.revive: Callable[[float], None] | None = None
        # Nothing but atomic appends and pops, so that a fork in the middle of them leaves no lock behind.
        self._idle: deque[Connection] = deque()
        self._pid = os.getpid()
        self._closed = False
        # Of coroutines, once there are any.
        self._loops: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, LoopClient] | None = None
        weakref.finalize(self, _close_all, self._idle)

    @property
    def timeout(self) -> float:
        return self._timeout

    @property
    def speaks_tls(self) -> bool:
        return self._tls is not None

    def close(self) -> None:
        self._closed = True
        _close_all(self._idle)
        if self._loops is not None:
            from flint_limiter import _pipeline

            _pipeline.forget_closed(self._loops)

    def send(self, request: Request) -> Answered:
        try:
            return _finish(self.exchange(BlockingIo(self._timeout), request))
        except (OSError, NotHttp, TooLong) as error:
            raise self._unreachable(error) from error

    async def asend(self, request: Request) -> Answered:
        from flint_limiter import _pipeline

        if self._loops is None:
            self._loops = weakref.WeakKeyDictionary()
        try:
            return await _pipeline.ask(self, self._loops, request)
        except (OSError, NotHttp, TooLong) as error:
            raise self._unreachable(error) from error

    async def exchange(self, io: Io, request: Request) -> Answered:
        while True:
            shown = self.begin()
            connection = self.take_idle() or await self.connect(io)
            try:
                answer = await connection.round_trip(io, self.encoded(request, shown), request)
                if not self.asks_for_token(answer, shown):
                    return answer
            except Lost as lost:
                await self.after_loss(io, lost, request)
            finally:
                self.give_back(connection)

    def begin(self) -> bool:
        """Before each attempt: whether it shows the token."""
        if self._closed:
            raise StorageError("this SharedLimiter is closed")
        return self._shows_token

    def asks_for_token(self, answer: Answered, shown: bool) -> bool:
        """Whether a request is sent again, with the token this time."""
        if not isinstance(answer, Response) or answer.status != _UNAUTHORIZED or shown or not self._token:
            return False
        # Only a process that may be believed is connected, and it has done nothing yet.
        self._shows_token = True
        return True

    @staticmethod
    async def after_loss(io: Io, lost: Lost, request: Request) -> None:
        """The server ended an idle connection as we took it up. What it cannot have acted on, or may act on twice, is
        sent again. Each time round a connection is gone; a new one is lost like this only at a Unix socket whose server
        ends, or has too many connections."""
        if lost.complete and not request.repeatable:
            raise ConnectionResetError("the connection ended before the answer came") from None
        if lost.pause:
            await io.pause(_PAUSE_S)

    def encoded(self, request: Request, shown: bool) -> bytes:
        if request.body is None:
            return f"{self._head(request, shown)}\r\n".encode("ascii")
        head = self._heads.get((request.target, shown))
        if head is None:
            # Their paths are a few; a key is in the body.
            head = f"{self._head(request, shown)}Content-Type: application/json\r\nContent-Length: "
            self._heads[request.target, shown] = head
        return f"{head}{len(request.body)}\r\n\r\n".encode("ascii") + request.body

    def _head(self, request: Request, shown: bool) -> str:
        token = f"Authorization: Bearer {self._token}\r\n" if shown and self._token is not None else ""
        line = f"{request.method} {self._endpoint.prefix}{request.target} HTTP/1.1"
        return f"{line}\r\nHost: {self._endpoint.authority}\r\n{token}"

    def take_idle(self) -> Connection | None:
        if self._pid != os.getpid():
            # The parent uses these connections.
            _close_all(self._idle)
            self._pid = os.getpid()
        while True:
            try:
                connection = self._idle.pop()
            except IndexError:
                return None
            if connection.still_open():
                return connection
            connection.close()

    def give_back(self, connection: Connection) -> None:
        if not connection.reusable or self._closed or len(self._idle) >= _MAX_IDLE:
            connection.close()
            return
        connection.idle_since = time.monotonic()
        self._idle.append(connection)
        if self._closed:  # since we looked
            _close_all(self._idle)

    async def connect(self, io: Io) -> Connection:
        if self._endpoint.path:
            return await self._connect_to_socket(io)
        sock = await self._connect_to_host(io)
        if self._tls is None:
            return Connection(PlainStream(sock))
        from flint_limiter._tls_stream import TlsStream

        try:
            stream = TlsStream(sock, self._tls, self._endpoint.host)
            await stream.shake_hands(io)
            return Connection(stream)
        except BaseException:
            sock.close()
            raise

    async def _connect_to_host(self, io: Io) -> socket.socket:
        failure = OSError("the host has no address")
        for family, _, _, _, address in await io.resolve(self._endpoint.host, self._endpoint.port):
            try:
                return await _connect_to(io, family, address)
            except TimeoutError:
                raise
            except OSError as error:
                failure = error
        raise failure

    async def _connect_to_socket(self, io: Io) -> Connection:
        while True:
            try:
                return await self._connect_to_listener(io)
            except (FileNotFoundError, ConnectionRefusedError):
                if self.revive is None:
                    raise
            await io.call(self.revive)

    async def _connect_to_listener(self, io: Io) -> Connection:
        with SocketPlace(self._endpoint.path) as place:
            sock = await _connect_to(io, socket.AF_UNIX, place.address, place.check_peer)
            if place.foreign_owner is not None and not self._warned:
                self._warned = True
                words = "The directory of %s belongs to user %d, who decides what is answered there."
                _log.warning(words, printable(self._endpoint.url), place.foreign_owner)
            return Connection(PlainStream(sock), is_local=True)

    def _unreachable(self, error: BaseException) -> FlintConnectionError:
        why = self._why(error)
        return FlintConnectionError(printable(f"cannot use the Flint server at {self._endpoint.url}: {why}"))

    def _why(self, error: BaseException) -> str:
        if isinstance(error, TimeoutError):
            return f"there was no answer within {self._timeout:g} s"
        if isinstance(error, NotHttp):
            return f"what answered is not HTTP ({error})"
        if isinstance(error, TooLong):
            return f"the answer is longer than {error} bytes"
        if isinstance(error, ConnectionRefusedError) and self._endpoint.path:
            return (
                "no server listens there any more, and the socket is left over from one that was killed. "
                "Start the server again; it replaces the socket"
            )
        if self._tls is not None:
            from flint_limiter import _tls

            if (problem := _tls.problem(error, self._endpoint)) is not None:
                return problem
        if isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
            return os.strerror(error.errno)
        return str(error) or type(error).__name__


async def _connect_to(
    io: Io, family: int, address: _Address, check_peer: Callable[[socket.socket], None] | None = None
) -> socket.socket:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        await io.connect(sock, address)
        if check_peer is not None:
            check_peer(sock)
        if family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock
    except BaseException:
        sock.close()
        raise


def _close_all(connections: deque[Connection]) -> None:
    while True:
        try:
            connections.pop().close()
        except IndexError:
            return


def _finish(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    """The result of a coroutine that never suspends."""
    try:
        coroutine.send(None)
    except StopIteration as finished:
        answer: Answer = finished.value
        return answer
    raise RuntimeError("a coroutine over a blocking Io has suspended")
