"""Requests of coroutines.

Those for decisions go through one connection of each event loop: what waits is written together, and answered in
order. All else takes time at the server, and so has a connection of its own for each call, as threads have; so has what
goes over TLS.

A pipeline lives from the first request to the last answer; its connection is then as idle as any other. It is proven
by one request alone, if it is new or was idle for long: so that a server which ends meanwhile loses one and not all.
"""

from __future__ import annotations

import asyncio
import os
import socket
import sys
import time
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Any, Protocol, TypeVar
from weakref import WeakKeyDictionary

from flint_limiter._connection import Connection, Lost, Request
from flint_limiter._response import NotHttp, TooLong
from flint_limiter._stream import CHUNK, Io

if TYPE_CHECKING:
    from flint_limiter._connection import Answered

Answer = TypeVar("Answer")
Loop = asyncio.AbstractEventLoop

# Of one event loop to one server, which takes a thousand in all; what is more waits, within its deadline.
_MAX_AT_ONCE = 64
_LONG_IDLE_S = 1.0
_RECEIVED_AT_ONCE = 4 * CHUNK

_now = time.monotonic


class LoopIo:
    """The deadline is the caller's: a timeout around the whole coroutine."""

    __slots__ = ("_deadline", "_loop")

    def __init__(self, loop: Loop, deadline: float) -> None:
        self._loop = loop
        self._deadline = deadline

    def blocking_s(self) -> None:
        return None

    async def resolve(self, host: str, port: int) -> list[tuple[Any, ...]]:
        return await self._loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)

    async def connect(self, sock: socket.socket, address: Any) -> None:
        sock.setblocking(False)
        await self._loop.sock_connect(sock, address)

    async def send(self, sock: socket.socket, data: bytes) -> None:
        sock.setblocking(False)
        await self._loop.sock_sendall(sock, data)

    async def receive(self, sock: socket.socket) -> bytes:
        return await self._loop.sock_recv(sock, CHUNK)

    async def call(self, function: Callable[[float], None]) -> None:
        await self._loop.run_in_executor(None, function, self._deadline - _now())

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)


class Client(Protocol):
    """What _http.py knows of a server."""

    @property
    def timeout(self) -> float: ...
    @property
    def speaks_tls(self) -> bool: ...
    def begin(self) -> bool: ...
    def encoded(self, request: Request, shown: bool) -> bytes: ...
    def asks_for_token(self, answer: Answered, shown: bool) -> bool: ...
    def take_idle(self) -> Connection | None: ...
    def give_back(self, connection: Connection) -> None: ...
    async def exchange(self, io: Io, request: Request) -> Answered: ...
    async def after_loss(self, io: Io, lost: Lost, request: Request) -> None: ...
    async def connect(self, io: Io) -> Connection: ...


class LoopClient:
    """Of one Client and one event loop."""

    __slots__ = ("connecting", "gate", "pid", "pipeline")

    def __init__(self) -> None:
        self.pid = os.getpid()
        #: The one that takes requests.
        self.pipeline: Pipeline | None = None
        #: Done when the coroutine that connects has a connection, or gives up.
        self.connecting: asyncio.Future[None] | None = None
        self.gate = asyncio.Semaphore(_MAX_AT_ONCE)


async def ask(client: Client, loops: WeakKeyDictionary[Loop, LoopClient], request: Request) -> Answered:
    loop = asyncio.get_running_loop()
    mine = loops.get(loop)
    if mine is None or mine.pid != os.getpid():  # a child of fork(), whose parent uses them
        forget_closed(loops)
        mine = loops[loop] = LoopClient()
    deadline = _now() + client.timeout
    if request.decides is None or client.speaks_tls:
        io = LoopIo(loop, deadline)
        return await _by(deadline, _alone(mine.gate, client.exchange(io, request)))
    while True:
        shown = client.begin()
        pipeline = mine.pipeline or await _opened(client, loop, mine, deadline)
        waiting = pipeline.put(client.encoded(request, shown), request, deadline)
        try:
            answer = await waiting.future
            if not client.asks_for_token(answer, shown):
                return answer
        except Lost as lost:
            await _by(deadline, client.after_loss(LoopIo(loop, deadline), lost, request))
        except asyncio.CancelledError:
            pipeline.abandon()
            raise


def forget_closed(loops: WeakKeyDictionary[Loop, LoopClient]) -> None:
    """What waits in a loop keeps it alive, also one that was closed meanwhile."""
    for loop in list(loops):
        if loop.is_closed():
            loops.pop(loop, None)


async def _alone(gate: asyncio.Semaphore, exchange: Coroutine[Any, Any, Answer]) -> Answer:
    try:
        async with gate:
            return await exchange
    finally:
        exchange.close()  # one that never began would complain


async def _opened(client: Client, loop: Loop, mine: LoopClient, deadline: float) -> Pipeline:
    """The pipeline of this loop. Of the coroutines that find none, one connects, and the others wait for it."""
    while mine.pipeline is None:
        connection = client.take_idle()
        if connection is None and mine.connecting is not None:
            await asyncio.wait([mine.connecting], timeout=max(deadline - _now(), 0))
            if deadline <= _now():
                raise TimeoutError
            client.begin()
            continue
        if connection is None:
            connected = mine.connecting = loop.create_future()
            try:
                connection = await _by(deadline, client.connect(LoopIo(loop, deadline)))
            finally:
                mine.connecting = None
                if not connected.done():
                    connected.set_result(None)
            if mine.pipeline is not None:  # another connection had become idle
                client.give_back(connection)
                break
        mine.pipeline = Pipeline(client, loop, mine, connection)
    return mine.pipeline


class _Waiting:
    __slots__ = ("data", "deadline", "end", "future", "most")

    def __init__(self, data: bytes, future: asyncio.Future[Answered], most: int, deadline: float) -> None:
        self.data = data
        self.future = future
        self.most = most
        self.deadline = deadline
        #: Where it ends in all that is sent.
        self.end = 0


class Pipeline:
    """Requests under way on one connection, by coroutines of one loop."""

    __slots__ = (
        "_answers",
        "_client",
        "_connection",
        "_held",
        "_loop",
        "_mine",
        "_proven",
        "_rest",
        "_scheduled",
        "_sent",
        "_size",
        "_sock",
        "_timer",
        "_timer_at",
        "_written",
    )

    def __init__(self, client: Client, loop: Loop, mine: LoopClient, connection: Connection) -> None:
        sock = connection.stream.plain
        assert sock is not None
        sock.setblocking(False)
        self._client = client
        self._loop = loop
        self._mine = mine
        self._connection = connection
        self._answers = connection.answers
        self._sock: socket.socket | None = sock
        self._proven = connection.used and _now() - connection.idle_since < _LONG_IDLE_S
        #: Not sent yet.
        self._held: list[_Waiting] = []
        self._scheduled = False
        #: Sent, at least in part; their answers come in this order.
        self._sent: deque[_Waiting] = deque()
        #: What the kernel has not taken yet.
        self._rest = b""
        #: Bytes of all requests that were sent, and those of them that the kernel has.
        self._size = 0
        self._written = 0
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = float("inf")
        connection.reusable = False
        loop.add_reader(sock.fileno(), self._readable)

    def __del__(self) -> None:
        # Its loop has ended before its answers came.
        if self._sock is not None:
            self._connection.close()

    def put(self, data: bytes, request: Request, deadline: float) -> _Waiting:
        waiting = _Waiting(data, self._loop.create_future(), request.most, deadline)
        self._held.append(waiting)
        if not self._scheduled:
            self._scheduled = True
            self._loop.call_soon(self._flush)
        if deadline < self._timer_at:
            self._alarm(deadline)
        return waiting

    def abandon(self) -> None:
        """Somebody waits no longer. What has been sent is answered nevertheless, so nothing more is sent behind it."""
        if self._sock is None:
            return
        if any(one.future.cancelled() for one in self._sent):
            self._retire()
        self._close_if_unwanted()

    # --- Writing

    def _flush(self) -> None:
        self._scheduled = False
        if self._sock is None or self._rest or not self._held or (not self._proven and self._sent):
            return
        sent = [one for one in self._held if not one.future.done()]
        self._held = [] if self._proven else sent[1:]
        if not sent:
            self._go_on()
            return
        if not self._proven:
            del sent[1:]
        size = self._size
        for one in sent:
            size += len(one.data)
            one.end = size
        self._size = size
        self._sent.extend(sent)
        self._write(b"".join([one.data for one in sent]) if len(sent) > 1 else sent[0].data)

    def _write(self, data: bytes) -> None:
        assert self._sock is not None
        try:
            taken = self._sock.send(data)
        except (BlockingIOError, InterruptedError):
            taken = 0
        except OSError as error:
            self._cannot_write(error)
            return
        self._written += taken
        waited, self._rest = bool(self._rest), data[taken:]
        if self._rest and not waited:
            self._loop.add_writer(self._sock.fileno(), self._writable)
        elif waited and not self._rest:
            self._loop.remove_writer(self._sock.fileno())
            self._flush()

    def _writable(self) -> None:
        self._write(self._rest)

    def _cannot_write(self, error: OSError) -> None:
        """What was sent in full may be answered still."""
        self._retire()
        if self._rest:
            assert self._sock is not None
            self._loop.remove_writer(self._sock.fileno())
            self._rest = b""
        while self._sent and self._sent[-1].end > self._written:
            known = self._connection.used or self._connection.is_local
            failure = self._connection.lost(complete=False) if known else OSError(error.errno, error.strerror)
            _fail(self._sent.pop(), failure)
        self._close_if_unwanted()

    # --- Reading

    def _readable(self) -> None:
        sock = self._sock
        if sock is None:
            return
        failure: OSError | None = None
        try:
            data = sock.recv(_RECEIVED_AT_ONCE)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            failure, data = error, b""
        if data or self._answers.begun:
            self._answers.add(data)
        try:
            self._answer()
        except (NotHttp, TooLong) as error:
            _fail(self._sent.popleft(), error)
            self._end(None)
            return
        if not data:
            self._end(failure)
        elif self._answers.begun and not self._sent:
            self._end(None)  # what nobody has asked for
        else:
            self._go_on()

    def _answer(self) -> None:
        sent = self._sent
        while sent:
            response = self._answers.take(sent[0].most)
            if response is None:
                return
            one = sent.popleft()
            if not one.future.done():
                one.future.set_result(response)
            self._connection.used = self._proven = True
            if response.closes:
                # No later request on it was acted on, says HTTP.
                while sent:
                    _fail(sent.popleft(), self._connection.lost(complete=False))
                self._end(None)

    def _go_on(self) -> None:
        if self._sock is None:
            return
        if self._mine.pipeline is not self:
            self._close_if_unwanted()
        elif self._held:
            self._flush()
        elif not self._sent:
            self._detach()
            self._connection.reusable = True
            self._client.give_back(self._connection)

    # --- The end

    def _retire(self) -> None:
        """It takes no more requests; those that it has not sent go elsewhere."""
        if self._mine.pipeline is self:
            self._mine.pipeline = None
        held, self._held = self._held, []
        for one in held:
            _fail(one, Lost(complete=False, pause=False))

    def _end(self, error: OSError | None) -> None:
        """Nothing more comes on the connection."""
        if self._sock is None:
            return
        self._retire()
        sent = self._sent
        while sent:
            # Of what was sent to a Unix socket and not read, the last request is all that is certain.
            reset = error if len(sent) == 1 else None
            _fail(sent.popleft(), self._connection.end_without_answer(reset))
        self._detach()
        self._connection.close()

    def _close_if_unwanted(self) -> None:
        if all(one.future.done() for one in self._sent) and (self._mine.pipeline is not self):
            self._end(None)

    def _detach(self) -> None:
        assert self._sock is not None
        if self._mine.pipeline is self:
            self._mine.pipeline = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._loop.remove_reader(self._sock.fileno())
        if self._rest:
            self._loop.remove_writer(self._sock.fileno())
        self._sock = None

    # --- Deadlines: one timer for all

    def _alarm(self, deadline: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_at = deadline
        self._timer = self._loop.call_later(max(deadline - _now(), 0), self._late)

    def _late(self) -> None:
        self._timer, self._timer_at = None, float("inf")
        now = _now()
        retired = False
        for waiting in (self._sent, self._held):
            for one in waiting:
                if not one.future.done() and one.deadline <= now:
                    _fail(one, TimeoutError())
                    retired = retired or waiting is self._sent
        if retired:
            self._retire()
            self._close_if_unwanted()
        left = [one.deadline for one in (*self._sent, *self._held) if not one.future.done()]
        if self._sock is not None and left:
            self._alarm(min(left))


def _fail(one: _Waiting, failure: Exception) -> None:
    if not one.future.done():
        one.future.set_exception(failure)


if sys.version_info >= (3, 11):

    async def _by(deadline: float, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        async with asyncio.timeout(deadline - _now()):
            return await coroutine

else:

    async def _by(deadline: float, coroutine: Coroutine[Any, Any, Answer]) -> Answer:
        try:
            return await asyncio.wait_for(coroutine, deadline - _now())
        except asyncio.TimeoutError:
            raise TimeoutError from None


