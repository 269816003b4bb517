"""Bytes to and from a connected socket, plain or over TLS.

A session of TLS reads and writes memory, and what it has for the other side goes through the plain socket. So one
implementation serves threads and event loops, and an idle connection belongs to neither.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, Protocol, TypeVar

Answer = TypeVar("Answer")

CHUNK = 65_536


class Io(Protocol):
    """Waits for sockets, up to a deadline. Raises OSError; TimeoutError past the deadline."""

    async def resolve(self, host: str, port: int) -> list[tuple[Any, ...]]: ...
    async def connect(self, sock: socket.socket, address: Any) -> None: ...
    async def send(self, sock: socket.socket, data: bytes) -> None: ...
    async def receive(self, sock: socket.socket) -> bytes: ...
    async def call(self, function: Callable[[float], None]) -> None:
        """Calls what blocks, with the seconds that are left."""

    async def pause(self, seconds: float) -> None: ...


class Stream(Protocol):
    """Used by one call at a time. Owns its socket."""

    def send(self, io: Io, data: bytes) -> Awaitable[None]: ...
    def receive(self, io: Io) -> Awaitable[bytes]:
        """Some bytes; none at the end."""

    def silent(self) -> bool:
        """Whether the other side has neither ended the connection nor said anything."""

    def close(self) -> None: ...


class PlainStream:
    __slots__ = ("_sock",)

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock

    def send(self, io: Io, data: bytes) -> Awaitable[None]:
        return io.send(self._sock, data)

    def receive(self, io: Io) -> Awaitable[bytes]:
        return io.receive(self._sock)

    def silent(self) -> bool:
        return _silent(self._sock)

    def close(self) -> None:
        self._sock.close()


class TlsStream:
    """Raises ssl.SSLError, an OSError, for what TLS finds wrong.

    close() says nothing to the server: in a forked child, the parent goes on with the connection.
    """

    __slots__ = ("_from_server", "_session", "_sock", "_to_server")

    def __init__(self, sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
        self._sock = sock
        self._from_server = ssl.MemoryBIO()
        self._to_server = ssl.MemoryBIO()
        self._session = context.wrap_bio(self._from_server, self._to_server, server_hostname=host)

    async def shake_hands(self, io: Io) -> None:
        await self._run(io, self._session.do_handshake)

    async def send(self, io: Io, data: bytes) -> None:
        left = memoryview(data)
        while left:
            written = await self._run(io, partial(self._session.write, left))
            left = left[written:]

    async def receive(self, io: Io) -> bytes:
        try:
            return await self._run(io, partial(self._session.read, CHUNK))
        except ssl.SSLEOFError:
            # Without the farewell of TLS. How long an answer is, HTTP says, or else the JSON in it.
            return b""

    def silent(self) -> bool:
        return not self._from_server.pending and not self._session.pending() and _silent(self._sock)

    def close(self) -> None:
        self._sock.close()

    async def _run(self, io: Io, step: Callable[[], Answer]) -> Answer:
        while True:
            try:
                answer = step()
            except ssl.SSLWantReadError:
                await self._flush(io)
                data = await io.receive(self._sock)
                if data:
                    self._from_server.write(data)
                else:
                    self._from_server.write_eof()
            except ssl.SSLError:
                # It leaves an alert, which tells the server why.
                try:
                    await self._flush(io)
                except OSError:
                    pass
                raise
            else:
                await self._flush(io)
                return answer

    async def _flush(self, io: Io) -> None:
        if self._to_server.pending:
            await io.send(self._sock, self._to_server.read())


def _silent(sock: socket.socket) -> bool:
    sock.setblocking(False)
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
