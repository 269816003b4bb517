"""HTTP/1.1 to one server, for threads and for coroutines: one implementation, which differs only in who waits.

What is sent and received, and on which connection, is written once, as a coroutine over an `Io`. Called from a thread,
its `Io` blocks, so that the coroutine never suspends and one step runs it to its end. Called from a coroutine, its
`Io` awaits the event loop. An idle connection belongs to no loop and no thread.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
import sys
import time
import weakref
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple, TypeVar

import h11

from flint_limiter import _tls
from flint_limiter._endpoint import Endpoint
from flint_limiter._errors import FlintConnectionError, StorageError
from flint_limiter._peer import SocketPlace
from flint_limiter._printable import printable
from flint_limiter._stream import CHUNK, Io, PlainStream, Stream, TlsStream

logger = logging.getLogger("flint")

Answer = TypeVar("Answer")
_Address = Any  # (host, port, ...) or a path, as the family has it

_MAX_IDLE = 64
_PAUSE_S = 0.01
# Of one event loop to one server, which takes a thousand in all; what is more waits, within its deadline.
_MAX_AT_ONCE = 64
_UNAUTHORIZED = 401


class Request(NamedTuple):
    method: str
    #: Percent-encoded path and query.
    target: str
    #: JSON; None without one.
    body: bytes | None
    #: Sending it twice does the same as sending it once.
    repeatable: bool
    #: The longest answer to it that is read, in bytes.
    most: int = 1 << 20


class Response(NamedTuple):
    status: int
    body: bytes


class _TooLong(Exception):
    """An answer that no Flint server gives, and that is not read to its end."""


class _Lost(Exception):
    """A connection ended before the answer began: one that had been used before, or one to a Unix socket whose server
    did not read the whole request."""

    def __init__(self, complete: bool) -> None:
        #: Whether the server may have had the whole request, and thus may have acted on it.
        self.complete = complete


class _BlockingIo:
    __slots__ = ("_deadline",)

    def __init__(self, timeout: float) -> None:
        self._deadline = time.monotonic() + timeout

    def _ready(self, sock: socket.socket) -> socket.socket:
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        sock.settimeout(left)
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
        left = self._deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError
        function(left)

    async def pause(self, seconds: float) -> None:
        time.sleep(max(0, min(seconds, self._deadline - time.monotonic())))


class _LoopIo:
    """The deadline is the caller's: a timeout around the whole coroutine."""

    __slots__ = ("_deadline", "_loop")

    def __init__(self, timeout: float) -> None:
        self._loop = asyncio.get_running_loop()
        self._deadline = time.monotonic() + timeout

    async def resolve(self, host: str, port: int) -> list[tuple[Any, ...]]:
        return await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    async def connect(self, sock: socket.socket, address: _Address) -> None:
        sock.setblocking(False)
        await self._loop.sock_connect(sock, address)

    async def send(self, sock: socket.socket, data: bytes) -> None:
        await self._loop.sock_sendall(sock, data)

    async def receive(self, sock: socket.socket) -> bytes:
        return await self._loop.sock_recv(sock, CHUNK)

    async def call(self, function: Callable[[float], None]) -> None:
        await self._loop.run_in_executor(None, function, self._deadline - time.monotonic())

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class _Connection:
    """One stream and what HTTP remembers of it. Used by one call at a time."""

    __slots__ = ("_http", "_is_local", "_stream", "_used")

    def __init__(self, stream: Stream, is_local: bool = False) -> None:
        self._stream = stream
        self._http = h11.Connection(h11.CLIENT)
        self._used = False
        # A Unix socket.
        self._is_local = is_local

    def close(self) -> None:
        self._stream.close()

    def still_open(self) -> bool:
        """Whether an idle connection can be used again: the server has neither ended it nor said anything."""
        return self._stream.silent()

    @property
    def is_new(self) -> bool:
        """Whether no answer has come on it."""
        return not self._used

    @property
    def reusable(self) -> bool:
        """Whether no request is under way, nor can one be half done."""
        return self._http.our_state is h11.IDLE and self._http.their_state is h11.IDLE

    async def round_trip(self, io: Io, head: h11.Request, body: bytes | None, most: int) -> Response:
        data = self._http.send(head) or b""
        if body is not None:
            data += self._http.send(h11.Data(data=body)) or b""
        data += self._http.send(h11.EndOfMessage()) or b""
        try:
            await self._stream.send(io, data)
        except TimeoutError:
            raise
        except OSError:
            if self._used or self._is_local:
                raise _Lost(complete=False) from None
            raise
        response = await self._receive(io, most)
        done = self._http.our_state is h11.DONE and self._http.their_state is h11.DONE
        # What came behind the answer would be taken for the next one.
        if done and self._http.trailing_data == (b"", False):
            self._http.start_next_cycle()
            self._used = True
        return response

    async def _receive(self, io: Io, most: int) -> Response:
        status = 0
        body = bytearray()
        anything = False
        while True:
            event = self._http.next_event()
            if event is h11.NEED_DATA:
                try:
                    data = await self._stream.receive(io)
                except (TimeoutError, ssl.SSLError):
                    raise
                except ConnectionResetError:
                    # At a Unix socket, the kernel says this, and not that the connection has ended, if the other side
                    # closed it, or died, with bytes of the request unread.
                    if self._is_local and not anything:
                        raise _Lost(complete=False) from None
                    data = b""
                except OSError:
                    data = b""
                if not data and not anything:
                    if self._used:
                        raise _Lost(complete=True)
                    raise ConnectionResetError("the server closed the connection without an answer")
                anything = True
                self._http.receive_data(data)
            elif isinstance(event, h11.Response):
                status = event.status_code
                for name, value in event.headers:
                    if name == b"content-length" and int(value) > most:
                        raise _TooLong(most)
            elif isinstance(event, h11.Data):
                body += event.data
                if len(body) > most:
                    raise _TooLong(most)
            elif isinstance(event, h11.EndOfMessage):
                return Response(status, bytes(body))


class Client:
    """Requests to one server, on connections that are kept. Any thread and process; a forked child makes its own."""

    __slots__ = (
        "__weakref__",
        "_closed",
        "_endpoint",
        "_gates",
        "_headers",
        "_idle",
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
        self._headers = [("Host", endpoint.authority)]
        self._token = [("Authorization", f"Bearer {token}")] if token is not None else []
        # A Unix socket asks for none, unless it was named for a server that has one.
        self._shows_token = not endpoint.path
        self._warned = False
        #: Called, with the seconds that are left, when nobody listens at the Unix socket: makes somebody do so, or
        #: raises FlintError.
        self.revive: Callable[[float], None] | None = None
        # Nothing but atomic appends and pops, so that a fork in the middle of them leaves no lock behind.
        self._idle: deque[_Connection] = deque()
        self._pid = os.getpid()
        self._closed = False
        self._gates: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]
        self._gates = weakref.WeakKeyDictionary()
        weakref.finalize(self, _close_all, self._idle)

    def close(self) -> None:
        self._closed = True
        _close_all(self._idle)

    def send(self, request: Request) -> Response:
        try:
            return _finish(self._exchange(_BlockingIo(self._timeout), request))
        except (OSError, h11.RemoteProtocolError, _TooLong) as error:
            raise self._unreachable(error) from error

    async def asend(self, request: Request) -> Response:
        loop = asyncio.get_running_loop()
        gate = self._gates.get(loop)
        if gate is None:
            gate = self._gates[loop] = asyncio.Semaphore(_MAX_AT_ONCE)
        try:
            return await _within(self._timeout, self._pass(gate, request))
        except (OSError, asyncio.TimeoutError, h11.RemoteProtocolError, _TooLong) as error:
            raise self._unreachable(error) from error

    async def _pass(self, gate: asyncio.Semaphore, request: Request) -> Response:
        async with gate:
            return await self._exchange(_LoopIo(self._timeout), request)

    async def _exchange(self, io: Io, request: Request) -> Response:
        if self._closed:
            raise StorageError("this SharedLimiter is closed")
        shown = self._shows_token
        head = self._head(request, shown)
        while True:
            connection = self._take_idle() or await self._connect(io)
            try:
                response = await connection.round_trip(io, head, request.body, request.most)
                if response.status != _UNAUTHORIZED or shown or not self._token:
                    return response
                # Only a process that may be believed is connected, and it has done nothing yet.
                self._shows_token = shown = True
                head = self._head(request, shown)
            except _Lost as lost:
                # The server ended an idle connection as we took it up. What it cannot have acted on, or may act on
                # twice, is sent again. Each time round a connection is gone; a new one is lost like this only at a Unix
                # socket whose server ends, or has too many connections.
                if lost.complete and not request.repeatable:
                    raise ConnectionResetError("the connection ended before the answer came") from None
                if connection.is_new:
                    await io.pause(_PAUSE_S)
            finally:
                self._give_back(connection)

    def _head(self, request: Request, with_token: bool) -> h11.Request:
        headers = self._headers + self._token if with_token else self._headers
        if request.body is not None:
            length = ("Content-Length", str(len(request.body)))
            headers = [*headers, ("Content-Type", "application/json"), length]
        return h11.Request(method=request.method, target=self._endpoint.prefix + request.target, headers=headers)

    def _take_idle(self) -> _Connection | None:
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

    def _give_back(self, connection: _Connection) -> None:
        if not connection.reusable or self._closed or len(self._idle) >= _MAX_IDLE:
            connection.close()
            return
        self._idle.append(connection)
        if self._closed:  # since we looked
            _close_all(self._idle)

    async def _connect(self, io: Io) -> _Connection:
        if self._endpoint.path:
            return await self._connect_to_socket(io)
        sock = await self._connect_to_host(io)
        if self._tls is None:
            return _Connection(PlainStream(sock))
        try:
            stream = TlsStream(sock, self._tls, self._endpoint.host)
            await stream.shake_hands(io)
            return _Connection(stream)
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

    async def _connect_to_socket(self, io: Io) -> _Connection:
        while True:
            try:
                return await self._connect_to_listener(io)
            except (FileNotFoundError, ConnectionRefusedError):
                if self.revive is None:
                    raise
            await io.call(self.revive)

    async def _connect_to_listener(self, io: Io) -> _Connection:
        with SocketPlace(self._endpoint.path) as place:
            sock = await _connect_to(io, socket.AF_UNIX, place.address, place.check_peer)
            if place.foreign_owner is not None and not self._warned:
                self._warned = True
                words = "The directory of %s belongs to user %d, who decides what is answered there."
                logger.warning(words, printable(self._endpoint.url), place.foreign_owner)
            return _Connection(PlainStream(sock), is_local=True)

    def _unreachable(self, error: BaseException) -> FlintConnectionError:
        if isinstance(error, (TimeoutError, asyncio.TimeoutError)):
            why = f"there was no answer within {self._timeout:g} s"
        elif isinstance(error, ssl.SSLError):
            why = _tls.problem(error, self._endpoint)
        elif isinstance(error, h11.RemoteProtocolError):
            why = f"what answered is not HTTP ({error})"
        elif isinstance(error, _TooLong):
            why = f"the answer is longer than {error} bytes"
        elif isinstance(error, ConnectionRefusedError) and self._endpoint.path:
            why = (
                "no server listens there any more, and the socket is left over from one that was killed. "
                "Start the server again; it replaces the socket"
            )
        elif isinstance(error, OSError) and error.errno and not isinstance(error, socket.gaierror):
            why = os.strerror(error.errno)
        else:
            why = str(error) or type(error).__name__
        return FlintConnectionError(printable(f"cannot use the Flint server at {self._endpoint.url}: {why}"))


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


def _close_all(connections: deque[_Connection]) -> None:
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


if sys.version_info >= (3, 11):

    async def _within(timeout: float, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        async with asyncio.timeout(timeout):
            return await coroutine

else:

    async def _within(timeout: float, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        return await asyncio.wait_for(coroutine, timeout)
