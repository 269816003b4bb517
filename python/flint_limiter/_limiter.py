"""The embedded limiter."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Literal, TypeVar

from flint_limiter import _arguments, _batch, _limits, _settings
from flint_limiter._commits import Commits
from flint_limiter._contract import AbstractLimiter
from flint_limiter._errors import StorageError
from flint_limiter._locked import wait_for_directory
from flint_limiter._native import LimiterHandle
from flint_limiter._native import backup as _back_up
from flint_limiter._reservation import Reservation
from flint_limiter._result import CheckResult
from flint_limiter._steps import in_thread
from flint_limiter._types import (
    Algorithm,
    Align,
    BackupReport,
    BatchResults,
    CarriedLimit,
    CheckAllResult,
    Checks,
    Costs,
    Decisions,
    DoctorReport,
    Events,
    Items,
    LimitChanges,
    LimitStatus,
    Mode,
    OnExpiry,
    Period,
    ReservationStatus,
    ReservedItems,
    RuleCounts,
    Settings,
    Settled,
    Statuses,
    Windows,
)
from flint_limiter._waiting import Queues

Answer = TypeVar("Answer")


def backup(data_dir: str | os.PathLike[str], directory: str | os.PathLike[str]) -> BackupReport:
    """Copy the data directory `data_dir` to `directory`, which must not exist or be empty, also while a server or
    another process writes to it: the state as of a moment during the call, without the newest denial counts. On return,
    the copy is on stable storage, and was read back and found whole.

    Raises StorageError if a directory cannot be used; `directory` is then empty.
    """
    return _back_up(_arguments.path(data_dir, "data_dir"), _arguments.path(directory, "directory"))


class Limiter(AbstractLimiter):
    """A limiter in this process, which owns the data directory until it is closed or its last reference is dropped.

    `sync="always"`: when an allowed check, a limit or a reset returns, it is on stable storage; threads and coroutines
    that wait at the same time share one sync.

    `sync="batch"`: when one of these calls returns, the operating system has its event, so the death of this process
    loses nothing. A flush starts after `flush_every_ms` (1 to 60,000) or `flush_every_events` (1 to 1,000,000),
    whichever comes first; a crash of the machine loses the events after the last completed flush. Changes wait while
    the oldest event that is not durable is older than `max_unsynced_ms` (1 to 3,600,000), so a crash loses at most that
    plus the duration of one sync.

    `max_keys` (1 to 100,000,000) bounds how many keys live by patterns and by limits that checks carry; keys with a
    limit of their own do not count. Beyond it, a check of a new key consumes nothing, its result is `keys_full`, and
    `on_full` says whether it is allowed.

    Raises DataDirLocked if another process, or another Limiter of this process, has the directory: the message names
    the owner and says what to do. Before that, it waits `lock_timeout` seconds for the directory, blocking the thread.
    The default is ten seconds, which is enough for the old worker to end during a reload; it is zero if the owner is a
    process that will not end soon: this process, its parent, or a server.

    Raises StorageError if the directory cannot be used or is damaged; the directory is then unchanged.

    A child of fork() cannot use the limiter: its calls raise StorageError, and the parent keeps the directory.
    """

    __slots__ = ("__weakref__", "_commits", "_data_dir", "_handle", "_pid", "_queues")

    def __init__(
        self,
        data_dir: str | os.PathLike[str] = ".flint",
        *,
        sync: Literal["always", "batch"] = "always",
        flush_every_ms: int = 100,
        flush_every_events: int = 100,
        max_unsynced_ms: int = 1000,
        lock_timeout: float | None = None,
        max_keys: int = 10_000_000,
        on_full: Literal["deny", "allow"] = "deny",
    ) -> None:
        path = _arguments.path(data_dir, "data_dir")
        always = _arguments.choice(sync, "sync", ("always", "batch")) == "always"
        every_ms = _arguments.integer(flush_every_ms, "flush_every_ms", 60_000)
        every_events = _arguments.integer(flush_every_events, "flush_every_events", 1_000_000)
        unsynced_ms = _arguments.integer(max_unsynced_ms, "max_unsynced_ms", 3_600_000)
        wait_s = None if lock_timeout is None else _arguments.wait(lock_timeout, "lock_timeout")
        most_keys, allow_on_full = _arguments.most_keys(max_keys, on_full)

        def open_it(timeout_ms: int, while_waiting: Callable[[], None] | None) -> LimiterHandle:
            return LimiterHandle.open(
                path,
                always,
                every_ms,
                every_events,
                unsynced_ms,
                timeout_ms,
                most_keys,
                allow_on_full,
                while_waiting,
            )

        self._attach(wait_for_directory(open_it, os.fsdecode(path), wait_s), os.path.abspath(path))

    def _attach(self, handle: LimiterHandle, data_dir: bytes = b"") -> None:
        """`data_dir` is absolute, so that a later chdir() moves nothing; empty for none."""
        self._handle = handle
        self._data_dir = data_dir
        self._commits = Commits()
        self._queues = Queues()
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
        windows: Windows | None = None,
        align: Align | None = None,
        timezone: str | None = None,
        override: bool = False,
        mode: Mode = "enforce",
    ) -> None:
        name, rule = _arguments.key(key), _limits.limit(limit, rate, per, algorithm, burst, windows, align, timezone)
        self._handle.limit(name, rule, _arguments.flag(override, "override"), _arguments.mode(mode))

    def check(
        self,
        key: str,
        cost: int = 1,
        *,
        limit: CarriedLimit | None = None,
        dry_run: bool = False,
        request_id: str | None = None,
    ) -> CheckResult:
        if limit is None and dry_run is False and request_id is None:
            return self._handle.check(key, cost)
        carried, dry = _limits.carried(limit), _arguments.flag(dry_run, "dry_run")
        return self._handle.check_with(key, cost, carried, dry, _arguments.request_id(request_id, dry))

    def allow(
        self,
        key: str,
        cost: int = 1,
        *,
        limit: CarriedLimit | None = None,
        dry_run: bool = False,
        request_id: str | None = None,
    ) -> bool:
        if limit is None and dry_run is False and request_id is None:
            return self._handle.check(key, cost).allowed
        return self.check(key, cost, limit=limit, dry_run=dry_run, request_id=request_id).allowed

    def check_all(
        self, items: Items, *, dry_run: bool = False, request_id: str | None = None
    ) -> CheckAllResult:
        asked, dry = _limits.items(items), _arguments.flag(dry_run, "dry_run")
        return self._handle.check_all(asked, dry, _arguments.request_id(request_id, dry))

    def check_batch(self, checks: Checks) -> BatchResults:
        asked = _limits.checks(checks)
        return _batch.in_order(asked, self._handle.check_batch(_batch.readable(asked)))

    def apply(self, limits: Settings, *, prune: bool = False, dry_run: bool = False) -> LimitChanges:
        asked = _settings.given(limits)
        return self._handle.apply(asked, _arguments.flag(prune, "prune"), _arguments.flag(dry_run, "dry_run"))

    def charge(
        self, key: str, cost: int, *, limit: CarriedLimit | None = None, request_id: str | None = None
    ) -> CheckResult:
        name, units = _arguments.check(key, cost)
        return self._handle.charge(name, units, _limits.carried(limit), _arguments.request_id(request_id, False))

    def reserve(
        self,
        items: ReservedItems,
        *,
        ttl: Period,
        on_expiry: OnExpiry = "keep",
        request_id: str | None = None,
    ) -> Reservation:
        return Reservation(self, *self._handle.reserve(*_limits.reserve(items, ttl, on_expiry, request_id)))

    def commit(self, reservation: str, costs: Costs | None = None) -> Settled:
        return self._settled(self._handle.commit(_arguments.reservation(reservation), _arguments.costs(costs)))

    def cancel(self, reservation: str) -> Settled:
        return self._settled(self._handle.cancel(_arguments.reservation(reservation)))

    def renew(self, reservation: str, ttl: Period) -> ReservationStatus:
        return self._handle.renew(_arguments.reservation(reservation), _arguments.period(ttl, "ttl"))

    def reservation(self, reservation: str) -> ReservationStatus:
        return self._handle.reservation(_arguments.reservation(reservation))

    def reset(self, key: str) -> None:
        self._handle.reset(_arguments.key(key))

    def delete(self, key: str) -> None:
        self._handle.remove(_arguments.key(key))

    def reset_prefix(self, prefix: str) -> int:
        return self._handle.reset_prefix(_arguments.nonempty_prefix(prefix))

    def delete_prefix(self, prefix: str) -> int:
        return self._handle.remove_prefix(_arguments.nonempty_prefix(prefix))

    def status(self, key: str) -> LimitStatus | None:
        return self._handle.status(_arguments.key(key))

    def list(self, *, prefix: str = "", after: str = "", limit: int | None = None, keys: bool = False) -> Statuses:
        return self._handle.list(*_arguments.page(prefix, after, limit, keys))

    def history(self, key: str, *, limit: int = 100) -> Events:
        return self._handle.history(_arguments.key(key), _arguments.rows(limit))

    def top(self, *, by: str = "denied", limit: int = 20) -> Statuses:
        by_denied = _arguments.choice(by, "by", ("denied", "allowed")) == "denied"
        return self._handle.top(by_denied, _arguments.rows(limit))

    def doctor(self) -> DoctorReport:
        return self._handle.doctor()

    def decisions(self) -> Decisions:
        allowed, denied = self._handle.decisions()
        return {"allowed": allowed, "denied": denied}

    def rule_decisions(self) -> RuleCounts:
        """Return what `decisions()` counts by the rule that decided; a server shows the same in its `/metrics`."""
        return self._handle.rule_decisions()

    def flush(self) -> None:
        self._handle.flush()

    def backup(self, directory: str | os.PathLike[str]) -> BackupReport:
        """Copy the data directory to `directory`, which must not exist or be empty, as `flint.backup()` does.

        Everything decided before the call is in the copy, denial counts included. Checks continue meanwhile.
        """
        to = _arguments.path(directory, "directory")
        self.flush()
        if not self._data_dir:
            raise StorageError("this limiter is in memory: it has no files to copy.")
        return _back_up(self._data_dir, to)

    def compact(self) -> None:
        self._handle.compact()

    def close(self) -> None:
        """Flush, mark a clean close and release the directory. Later calls raise StorageError, but a second close does
        nothing. A close in a forked child does nothing either: the limiter belongs to the parent."""
        if self._pid == os.getpid():
            self._handle.close()
            self._queues.closed()

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
        windows: Windows | None = None,
        align: Align | None = None,
        timezone: str | None = None,
        override: bool = False,
        mode: Mode = "enforce",
    ) -> None:
        name, rule = _arguments.key(key), _limits.limit(limit, rate, per, algorithm, burst, windows, align, timezone)
        overrides, checked_mode = _arguments.flag(override, "override"), _arguments.mode(mode)
        await self._durable(await self._of(name, self._handle.limit_deferred, rule, overrides, checked_mode))

    async def acheck(
        self,
        key: str,
        cost: int = 1,
        *,
        limit: CarriedLimit | None = None,
        dry_run: bool = False,
        request_id: str | None = None,
    ) -> CheckResult:
        if limit is None and dry_run is False and request_id is None:
            result, ticket = self._handle.check_deferred(key, cost)
        else:
            carried, dry = _limits.carried(limit), _arguments.flag(dry_run, "dry_run")
            named = _arguments.request_id(request_id, dry)
            result, ticket = self._handle.check_with_deferred(key, cost, carried, dry, named)
        if ticket:
            await self._commits.durable(self._handle, ticket)
        return result

    async def acheck_all(
        self, items: Items, *, dry_run: bool = False, request_id: str | None = None
    ) -> CheckAllResult:
        asked, dry = _limits.items(items), _arguments.flag(dry_run, "dry_run")
        answer, ticket = self._handle.check_all_deferred(asked, dry, _arguments.request_id(request_id, dry))
        await self._durable(ticket)
        return answer

    async def acheck_batch(self, checks: Checks) -> BatchResults:
        asked = _limits.checks(checks)
        results, ticket = self._handle.check_batch_deferred(_batch.readable(asked))
        await self._durable(ticket)
        return _batch.in_order(asked, results)

    async def aapply(self, limits: Settings, *, prune: bool = False, dry_run: bool = False) -> LimitChanges:
        return await in_thread(self.apply, limits, prune=prune, dry_run=dry_run)

    async def acharge(
        self, key: str, cost: int, *, limit: CarriedLimit | None = None, request_id: str | None = None
    ) -> CheckResult:
        name, units = _arguments.check(key, cost)
        carried, named = _limits.carried(limit), _arguments.request_id(request_id, False)
        result, ticket = self._handle.charge_deferred(name, units, carried, named)
        await self._durable(ticket)
        return result

    async def areserve(
        self,
        items: ReservedItems,
        *,
        ttl: Period,
        on_expiry: OnExpiry = "keep",
        request_id: str | None = None,
    ) -> Reservation:
        answer, ticket = self._handle.reserve_deferred(*_limits.reserve(items, ttl, on_expiry, request_id))
        await self._durable(ticket)
        return Reservation(self, *answer)

    async def acommit(self, reservation: str, costs: Costs | None = None) -> Settled:
        named, actual = _arguments.reservation(reservation), _arguments.costs(costs)
        results, ticket = self._handle.commit_deferred(named, actual)
        await self._durable(ticket)
        return self._settled(results)

    async def acancel(self, reservation: str) -> Settled:
        results, ticket = self._handle.cancel_deferred(_arguments.reservation(reservation))
        await self._durable(ticket)
        return self._settled(results)

    async def arenew(self, reservation: str, ttl: Period) -> ReservationStatus:
        named, ttl_ms = _arguments.reservation(reservation), _arguments.period(ttl, "ttl")
        status, ticket = self._handle.renew_deferred(named, ttl_ms)
        await self._durable(ticket)
        return status

    async def areservation(self, reservation: str) -> ReservationStatus:
        return self.reservation(reservation)

    async def areset(self, key: str) -> None:
        await self._durable(await self._of(_arguments.key(key), self._handle.reset_deferred))

    async def adelete(self, key: str) -> None:
        await self._durable(await self._of(_arguments.key(key), self._handle.remove_deferred))

    async def areset_prefix(self, prefix: str) -> int:
        return await in_thread(self.reset_prefix, prefix)

    async def adelete_prefix(self, prefix: str) -> int:
        return await in_thread(self.delete_prefix, prefix)

    async def astatus(self, key: str) -> LimitStatus | None:
        return await self._of(_arguments.key(key), self._handle.status)

    async def alist(
        self, *, prefix: str = "", after: str = "", limit: int | None = None, keys: bool = False
    ) -> Statuses:
        return await in_thread(self.list, prefix=prefix, after=after, limit=limit, keys=keys)

    async def ahistory(self, key: str, *, limit: int = 100) -> Events:
        return await in_thread(self.history, key, limit=limit)

    async def atop(self, *, by: str = "denied", limit: int = 20) -> Statuses:
        return await in_thread(self.top, by=by, limit=limit)

    async def adoctor(self) -> DoctorReport:
        return await in_thread(self.doctor)

    async def adecisions(self) -> Decisions:
        return self.decisions()

    async def aflush(self) -> None:
        await in_thread(self.flush)

    async def abackup(self, directory: str | os.PathLike[str]) -> BackupReport:
        """`backup()` for asyncio."""
        return await in_thread(self.backup, directory)

    async def acompact(self) -> None:
        await in_thread(self.compact)

    async def _of(self, name: str, call: Callable[..., Answer], *arguments: object) -> Answer:
        """What `call` returns for a key; in a thread for a pattern, where it takes as long as the pattern has keys."""
        if name.endswith("*"):
            return await in_thread(call, name, *arguments)
        return call(name, *arguments)

    async def _durable(self, ticket: int) -> None:
        if ticket:
            await self._commits.durable(self._handle, ticket)

