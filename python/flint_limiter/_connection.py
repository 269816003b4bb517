"""One connection to a server: a request, its answer, and whether another one may follow."""

from __future__ import annotations

import errno
import os
from typing import TYPE_CHECKING, NamedTuple, Union

from flint_limiter import _accelerated
from flint_limiter._response import Answers, NotHttp, Response
from flint_limiter._stream import Io, Stream

if TYPE_CHECKING:
    from flint_limiter._accelerated import Undone
    from flint_limiter._result import CheckResult

    #: A decision: of a request that asks for one, read already.
    Answered = Union[Response, CheckResult]


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
    #: The key and the cost that it asks a decision about. Such a request is answered soon, so that others may be sent
    #: behind it on the same connection.
    decides: tuple[str, int] | None = None


class Lost(Exception):
    """A connection ended before the answer began: one that had been used before, or one to a Unix socket whose server
    did not read the whole request."""

    def __init__(self, complete: bool, pause: bool) -> None:
        #: Whether the server may have had the whole request, and thus may have acted on it.
        self.complete = complete
        #: Whether to wait a moment before it is sent again.
        self.pause = pause


class Connection:
    """One stream and what HTTP remembers of it. Used by one call at a time, or by one Pipeline."""

    __slots__ = ("answers", "idle_since", "is_local", "reusable", "stream", "used")

    def __init__(self, stream: Stream, is_local: bool = False) -> None:
        self.stream = stream
        self.answers = Answers()
        #: Whether an answer has come on it.
        self.used = False
        #: Whether no request is under way, nor can one be half done.
        self.reusable = True
        #: A Unix socket.
        self.is_local = is_local
        #: When it was given back, by the monotonic clock.
        self.idle_since = 0.0

    def close(self) -> None:
        self.stream.close()

    def still_open(self) -> bool:
        """Whether an idle connection can be used again: the server has neither ended it nor said anything."""
        return self.stream.silent()

    def lost(self, complete: bool) -> Lost:
        return Lost(complete, pause=not self.used)

    async def round_trip(self, io: Io, data: bytes, request: Request) -> Answered:
        self.reusable = False
        left_s = io.blocking_s()
        if request.decides is not None and left_s is not None and _accelerated.exchange is not None:
            sock = self.stream.plain
            if sock is not None:
                answer = _accelerated.exchange(sock.fileno(), data, left_s, *request.decides)
                if not isinstance(answer, tuple):
                    self.used = self.reusable = True
                    return answer
                self._take_over(answer, len(data))
                return await self._receive(io, request.most)
        try:
            await self.stream.send(io, data)
        except TimeoutError:
            raise
        except OSError:
            if self.used or self.is_local:
                raise self.lost(complete=False) from None
            raise
        return await self._receive(io, request.most)

    def _take_over(self, undone: Undone, size: int) -> None:
        sent, received, error = undone
        if received:
            self.answers.add(received)
        if error == errno.ETIMEDOUT:
            raise TimeoutError
        if error and sent < size:
            if self.used or self.is_local:
                raise self.lost(complete=False)
            raise OSError(error, os.strerror(error))
        if error:
            self._ended(OSError(error, os.strerror(error)))

    async def _receive(self, io: Io, most: int) -> Response:
        while True:
            response = self.answers.take(most)
            if response is not None:
                self.used = True
                # What came behind the answer would be taken for the next one.
                self.reusable = not response.closes and not self.answers.begun
                return response
            try:
                data = await self.stream.receive(io)
            except OSError as error:
                if self.stream.is_final(error):
                    raise
                self._ended(error)
            else:
                if data:
                    self.answers.add(data)
                else:
                    self._ended(None)

    def _ended(self, error: OSError | None) -> None:
        """The connection has, before the answer is whole. Raises unless the end is what completes it."""
        if not self.answers.begun:
            raise self.end_without_answer(error)
        self.answers.add(b"")

    def end_without_answer(self, error: OSError | None) -> Exception:
        """Of a request that was sent in full."""
        if isinstance(error, ConnectionResetError) and self.is_local:
            # At a Unix socket, the kernel says this, and not that the connection has ended, if the other side closed
            # it, or died, with bytes of the request unread.
            return self.lost(complete=False)
        if self.used:
            return self.lost(complete=True)
        return ConnectionResetError("the server closed the connection without an answer")


__all__ = ["Connection", "Lost", "NotHttp", "Request", "Response"]
