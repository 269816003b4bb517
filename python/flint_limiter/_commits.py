"""How coroutines wait for group commits: no thread each, one wake-up of the loop for a commit and all it covers."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from flint_limiter._native import CommitSignal, LimiterHandle

if TYPE_CHECKING:
    import asyncio


class Commits:
    """The waits of one limiter, in whatever event loops it is used. Threads: each loop's own."""

    __slots__ = ("_loops",)

    def __init__(self) -> None:
        self._loops: WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopCommits] = WeakKeyDictionary()

    async def durable(self, handle: LimiterHandle, ticket: int) -> None:
        """Returns when `ticket` is on stable storage; raises StorageError when that cannot be known."""
        from asyncio import get_running_loop

        loop = get_running_loop()
        commits = self._loops.get(loop)
        if commits is None:
            # Waits that were abandoned with their loop would keep it for ever. (keyrefs() is one step, in which no
            # other thread can add its loop.)
            for reference in self._loops.keyrefs():
                known = reference()
                if known is not None and known.is_closed():
                    self._loops.pop(known, None)
            commits = self._loops[loop] = _LoopCommits()
        await commits.durable(loop, handle, ticket)


class _LoopCommits:
    """The waits in one event loop.

    The loop polls the signal's descriptor only while somebody waits. So nothing keeps the limiter alive but those who
    wait for it, and dropping its last reference releases its directory whatever the loop does.
    """

    __slots__ = ("_armed", "_newest", "_signal", "_waiting")

    def __init__(self) -> None:
        self._signal = CommitSignal()
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self._newest = 0
        self._armed = False

    async def durable(self, loop: asyncio.AbstractEventLoop, handle: LimiterHandle, ticket: int) -> None:
        if not self._armed:
            # In a moment: who else is ready to run now shall be covered by the same commit.
            self._armed = True
            loop.add_reader(self._signal.fileno(), self._wake, loop, handle)
            loop.call_soon(self._arm, handle)
        self._newest = max(self._newest, ticket)
        future = loop.create_future()
        self._waiting.append((ticket, future))
        await future

    def _arm(self, handle: LimiterHandle) -> None:
        handle.notify(self._signal, self._newest)

    def _wake(self, loop: asyncio.AbstractEventLoop, handle: LimiterHandle) -> None:
        durable, failure = self._signal.take()
        while self._waiting and (failure or self._waiting[0][0] <= durable):
            ticket, future = self._waiting.popleft()
            if future.done():  # cancelled
                continue
            if ticket <= durable or failure is None:
                future.set_result(None)
            else:
                future.set_exception(type(failure)(*failure.args))
        if self._waiting:
            self._arm(handle)
        else:
            loop.remove_reader(self._signal.fileno())
            self._armed = False
