"""Bytes to and from a connected socket, plain or, in _tls_stream.py, over TLS."""

from __future__ import annotations

import socket
from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from flint_limiter import _accelerated

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

    def blocking_s(self) -> float | None:
        """The seconds that are left, if the thread may wait; TimeoutError if that is none. None for an event loop."""


class Stream(Protocol):
    """Used by one call at a time. Owns its socket."""

    def send(self, io: Io, data: bytes) -> Awaitable[None]: ...
    def receive(self, io: Io) -> Awaitable[bytes]:
        """Some bytes; none at the end."""

    def silent(self) -> bool:
        """Whether the other side has neither ended the connection nor said anything."""

    @property
    def plain(self) -> socket.socket | None:
        """The socket itself, if the bytes go through it as they are."""

    def is_final(self, error: OSError) -> bool:
        """Whether receive() failed for another reason than that the connection has ended."""

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
        return silent(self._sock)

    @property
    def plain(self) -> socket.socket | None:
        return self._sock

    def is_final(self, error: OSError) -> bool:
        return isinstance(error, TimeoutError)

    def close(self) -> None:
        self._sock.close()


def silent(sock: socket.socket) -> bool:
    if _accelerated.silent is not None:
        return _accelerated.silent(sock.fileno())
    sock.setblocking(False)
    try:
        sock.recv(1, socket.MSG_PEEK)
    except BlockingIOError:
        return True
    except OSError:
        pass
    return False
