"""Bytes over TLS.

A session of TLS reads and writes memory, and what it has for the other side goes through the plain socket. So one
implementation serves threads and event loops, and an idle connection belongs to neither.
"""

from __future__ import annotations

import socket
import ssl
from collections.abc import Callable
from functools import partial
from typing import TypeVar

from flint_limiter._stream import CHUNK, Io, silent

Answer = TypeVar("Answer")


class TlsStream:
    """A Stream. Raises ssl.SSLError, an OSError, for what TLS finds wrong.

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
        return not self._from_server.pending and not self._session.pending() and silent(self._sock)

    @property
    def plain(self) -> socket.socket | None:
        return None

    def is_final(self, error: OSError) -> bool:
        return isinstance(error, (TimeoutError, ssl.SSLError))

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
