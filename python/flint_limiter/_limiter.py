"""The embedded limiter."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from typing import Literal

from flint_limiter import _arguments, _limits
from flint_limiter._commits import Commits
from flint_limiter._contract import AbstractLimiter
from flint_limiter._locked import wait_for_directory
from flint_limiter._native import LimiterHandle
from flint_limiter._result import CheckResult
from flint_limiter._types import Algorithm, CheckAllResult, DoctorReport, Events, Items, LimitStatus, Period, Statuses


class Limiter(AbstractLimiter):
    """A limiter in this process, which owns the data directory until it is closed or its last reference is dropped.

    `sync="always"`: when an allowed check, a limit or a reset returns, it is on stable storage; threads and coroutines
    that wait at the same time share one sync.

    `sync="batch"`: when one of these calls returns, the operating system has its event, so the death of this process
    loses nothing. A flush starts after `flush_every_ms` (1 to 60,000) or `flush_every_events` (1 to 1,000,000),
    whichever comes first; a crash of the machine loses the events after the last completed flush. Changes wait while
    the oldest event that is not durable is older than `max_unsynced_ms` (1 to 3,600,000), so a crash loses at most that
    plus the duration of one sync.

    Raises DataDirLocked if another process, or another Limiter of this process, has the directory: the message names
    the owner and says what to do. Before that, it waits `lock_timeout` seconds for the directory, blocking the thread.
    The default is ten seconds, which is enough for the old worker to end during a reload; it is zero if the owner is a
    process that will not end soon: this process, its parent, or a server.

    Raises StorageError if the directory cannot be used or is damaged; the directory is then unchanged.

    A child of fork() cannot use the limiter: its calls raise StorageError, and the parent keeps the directory.
    """

    __slots__ = ("__weakref__", "_commits", "_handle", "_pid")

    def __init__(
        self,
        data_dir: str | os.PathLike[str] = ".flint",
        *,
        sync: Literal["always", "batch"] = "always",
        flush_every_ms: int = 100,
        flush_every_events: int = 100,
        max_unsynced_ms: int = 1000,
        lock_timeout: float | None = None,
    ) -> None:
        path = _arguments.path(data_dir, "data_dir")
        always = _arguments.choice(sync, "sync", ("always", "batch")) == "always"
        every_ms = _arguments.integer(flush_every_ms, "flush_every_ms", 60_000)
        every_events = _arguments.integer(flush_every_events, "flush_every_events", 1_000_000)
        unsynced_ms = _arguments.integer(max_unsynced_ms, "max_unsynced_ms", 3_600_000)
        wait_s = None if lock_timeout is None else _arguments.wait(lock_timeout, "lock_timeout")

        def open_it(timeout_ms: int, while_waiting: Callable[[], None] | None) -> LimiterHandle:
            return LimiterHandle.open(path, always, every_ms, every_events, unsynced_ms, timeout_ms, while_waiting)

        self._attach(wait_for_directory(open_it, os.fsdecode(path), wait_s))

    def _attach(self, handle: LimiterHandle) -> None:
        self._handle = handle
        self._commits = Commits()
        self._pid = os.getpid()

    def limit(
        self,
        key: str,
        limit: str | None = None,
        *,
        rate: int | None = None,
        per: Period | None = None,
        algorithm: Algorithm | None = None,
        burst: int | None = None,
    ) -> None:
        self._handle.limit(_arguments.key(key), *_limits.limit(limit, rate, per, algorithm, burst))

    def check(self, key: str, *, cost: int = 1) -> CheckResult:
        return self._handle.check(key, cost)

    def allow(self, key: str, *, cost: int = 1) -> bool:
        return self._handle.check(key, cost).allowed

    def check_all(self, items: Items) -> CheckAllResult:
        return self._handle.check_all(_arguments.items(items))

    def reset(self, key: str) -> None:
        self._handle.reset(_arguments.key(key))

    def status(self, key: str) -> LimitStatus | None:
        return self._handle.status(_arguments.key(key))

    def list(self, *, prefix: str = "", after: str = "", limit: int | None = None) -> Statuses:
        return self._handle.list(*_arguments.page(prefix, after, limit))

    def history(self, key: str, *, limit: int = 100) -> Events:
        return self._handle.history(_arguments.key(key), _arguments.rows(limit))

    def top(self, *, by: str = "denied", limit: int = 20) -> Statuses:
        by_denied = _arguments.choice(by, "by", ("denied", "allowed")) == "denied"
        return self._handle.top(by_denied, _arguments.rows(limit))

    def doctor(self) -> DoctorReport:
        return self._handle.doctor()

    def flush(self) -> None:
        self._handle.flush()

    def compact(self) -> None:
        self._handle.compact()

    def close(self) -> None:
        """Flush, mark a clean close and release the directory. Later calls raise StorageError, but a second close does
        nothing. A close in a forked child does nothing either: the limiter belongs to the parent."""
        if self._pid == os.getpid():
            self._handle.close()

    # Decisions are made inline, because a decision takes less time than handing it to a thread; then the commit is
    # awaited (ticket 0: there is no commit to wait for). Calls that read or write files run in a thread.

    async def alimit(
        self,
        key: str,
        limit: str | None = None,
        *,
        rate: int | None = None,
        per: Period | None = None,
        algorithm: Algorithm | None = None,
        burst: int | None = None,
    ) -> None:
        rule = _limits.limit(limit, rate, per, algorithm, burst)
        await self._durable(self._handle.limit_deferred(_arguments.key(key), *rule))

    async def acheck(self, key: str, *, cost: int = 1) -> CheckResult:
        result, ticket = self._handle.check_deferred(key, cost)
        if ticket:
            await self._commits.durable(self._handle, ticket)
        return result

    async def acheck_all(self, items: Items) -> CheckAllResult:
        answer, ticket = self._handle.check_all_deferred(_arguments.items(items))
        await self._durable(ticket)
        return answer

    async def areset(self, key: str) -> None:
        await self._durable(self._handle.reset_deferred(_arguments.key(key)))

    async def astatus(self, key: str) -> LimitStatus | None:
        return self.status(key)

    async def alist(self, *, prefix: str = "", after: str = "", limit: int | None = None) -> Statuses:
        return await asyncio.to_thread(self.list, prefix=prefix, after=after, limit=limit)

    async def ahistory(self, key: str, *, limit: int = 100) -> Events:
        return await asyncio.to_thread(self.history, key, limit=limit)

    async def atop(self, *, by: str = "denied", limit: int = 20) -> Statuses:
        return await asyncio.to_thread(self.top, by=by, limit=limit)

    async def adoctor(self) -> DoctorReport:
        return await asyncio.to_thread(self.doctor)

    async def aflush(self) -> None:
        await asyncio.to_thread(self.flush)

    async def acompact(self) -> None:
        await asyncio.to_thread(self.compact)

    async def _durable(self, ticket: int) -> None:
        if ticket:
            await self._commits.durable(self._handle, ticket)

