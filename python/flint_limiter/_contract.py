"""The contract of every limiter, embedded or talking to a server, and the methods that build on it."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping
from types import TracebackType
from typing import Any, TypeVar

from flint_limiter import _settings
from flint_limiter._admission import Admission
from flint_limiter._decorator import Guard
from flint_limiter._errors import RateLimitExceeded
from flint_limiter._keyed_limit import limits_of_calls
from flint_limiter._result import CheckResult
from flint_limiter._steps import in_thread
from flint_limiter._types import (
    Algorithm,
    Align,
    BatchResults,
    CarriedLimit,
    CheckAllResult,
    Checks,
    Decisions,
    DoctorReport,
    Events,
    Items,
    LimitStatus,
    LimitChanges,
    Mode,
    Period,
    SettingList,
    Settings,
    Statuses,
    Windows,
)
from flint_limiter._waiting import WaitingLimiter

Function = TypeVar("Function", bound=Callable[..., Any])
Self = TypeVar("Self", bound="AbstractLimiter")


class AbstractLimiter(WaitingLimiter):
    """A rate limiter that remembers: the common interface of `Limiter` and `SharedLimiter`.

    Keys are 1 to 512 bytes of UTF-8 without control characters; rates, bursts and costs are ints from 1 to 2**40. An
    argument of a wrong type raises TypeError, a wrong value ValueError; both name the argument, and the call has no
    effect. A denial is a result, not an exception. Times are aware datetimes in UTC.

    Threads: any method may be called from any thread. Each method has an asyncio twin with a leading `a` that never
    blocks the event loop. Cancelling a call stops the wait, not the operation: a check may have been charged.
    """

    __slots__ = ()

    # --- Limits and checks

    @abstractmethod
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
        """Set the limit of a key or of a pattern, given either as a rate string, such as `"100/m"`,
        `"100 per minute"`, `"10/s burst 20"` or `"10/s, 1000/h"`, or as `rate` units per `per` (an int of seconds, a
        str like `"1m"`, or a timedelta) with an `algorithm` (the default is `"token_bucket"`) and a `burst`, or as
        `windows`, a list of 1 to 8 dicts with these names. A check passes if every window allows it, and then all of
        them count it. `align` in place of `per` makes the window a `"day"`, `"week"` (from Monday on), `"month"` or
        `"year"` of the calendar, in UTC or in the `timezone` with an IANA name; the algorithm is then
        `"fixed_window_counter"`. With the algorithm `"concurrency"`, at most `rate` slots are held at any time, each at
        most `per`: see `reserve()`.

        A name that ends in `*` is a pattern's: every key that begins with what is before the `*` has a usage of its
        own, from its first allowed check on, unless a limit was set for exactly this key. With `override` it holds also
        where a check carries a limit; that is an error with another key. A changed pattern holds at once for all its
        keys.

        A new key starts with full quota. If the key already has these values, nothing is written. If the values differ,
        the units in use stay in use, up to the new capacity: remaining becomes the new capacity minus the units in use,
        and no wait is longer than the new limit takes from empty to full. `burst` is the capacity of a token bucket;
        the default is `rate`.

        With the `mode` "shadow", checks that do not fit are allowed, consume nothing, and are counted: their results
        have a true `would_deny`. "block" denies all checks; their `retry_after_ms` is None. A pattern in one of these
        modes also has `override`. A change of the mode alone leaves usage as it is, and a call without `mode` sets
        "enforce".
        """

    @abstractmethod
    def apply(self, limits: Settings, *, prune: bool = False, dry_run: bool = False) -> LimitChanges:
        """Set up to 10,000 limits of different keys and patterns: all of them or, on any failure, none. No check is
        decided in between.

        A limit is a dict as an entry of a limits file: `{"key": "api:*", "limit": "100/m"}`, or with the parts of the
        limit (`rate`, `per`, `algorithm`, `burst`, `align`, `timezone`, or `windows`) in place of `limit`, and with
        `override` and `mode` if they are not the defaults. Each is set as `limit()` does. With `prune`, the limits and
        patterns that are not given are deleted. With `dry_run`, nothing changes.

        Returns what changed: `{"changes": [{"key": ..., "before": ..., "after": ...}, ...], "unchanged": int}`. An
        error names the limit and its member, as in `limits[3].rate`.
        """

    def export(self, *, prefix: str = "") -> SettingList:
        """Return the limits and patterns whose names begin with `prefix`, in byte order of their names, as `apply()`
        takes them: with rate strings where those can say it."""
        return _settings.of_statuses(self.list(prefix=prefix))

    @abstractmethod
    def check(
        self,
        key: str,
        cost: int = 1,
        *,
        limit: CarriedLimit | None = None,
        dry_run: bool = False,
        request_id: str | None = None,
    ) -> CheckResult:
        """Decide whether `cost` units of `key` may pass now and, if so, consume them. The result is true when allowed.

        `limit` is a limit that the check carries: a rate string such as `"100/m"`, or a dict with `rate`, `per` and, if
        they are not the defaults, `algorithm` and `burst`. The limit that holds is the one that was set for exactly
        this key; else that of the longest matching pattern with `override`; else the one that the check carries; else
        that of the longest matching pattern. A key that is decided by several limits in turn has its usage counted
        under each of the last four, so that to alternate between them grants nothing. A key without a limit of its own
        is forgotten once its full quota is back, which changes no decision.

        With `dry_run` the result is what a check would be told, and nothing is consumed, counted or created.

        With a `request_id` (1 to 64 visible ASCII characters) a check can be made again: for ten minutes after it was
        charged, also across restarts, a repeat consumes and counts nothing, and gets the first result, but without
        `windows`. A denied check is decided again. Another key, cost or `limit` with the same id raises ValueError, and
        so does `dry_run`.

        Raises LimitNotConfigured if no limit holds, and ValueError for a cost above the capacity (it could never pass)
        and for the name of a pattern.
        """

    @abstractmethod
    def check_all(
        self, items: Items, *, dry_run: bool = False, request_id: str | None = None
    ) -> CheckAllResult:
        """Make one decision over 1 to 128 distinct keys: consume from all of them, or from none.

        An item is `"key"`, `("key", cost)` or `{"key": ..., "cost": ..., "limit": ...}`; `limit`, `dry_run` and
        `request_id` are as in `check()`. Returns
        `{"allowed": bool, "denied_key": str | None, "results": [CheckResult, ...]}`: `denied_key` is the first key, in
        the given order, that denied, and its result is the last of `results`. If any item is in error, the whole call
        fails and nothing is consumed.
        """

    @abstractmethod
    def check_batch(self, checks: Checks) -> BatchResults:
        """Make up to 1,000 checks in one call, each decided by itself, in the given order. Their results are in the
        same order, and they share one wait for storage, or one request.

        A check is `"key"`, `("key", cost)` or `{"key": ..., "cost": ..., "limit": ..., "dry_run": ...,
        "request_id": ...}`, as in `check()`. One that `check()` would refuse, for a wrong value or a key without a
        limit, leaves the others as they are: its result is a FailedCheck, which is false and has the exception as its
        `error`. The `error` of a decision is None. A wrong type raises TypeError, and nothing is decided.
        """

    def allow(
        self,
        key: str,
        cost: int = 1,
        *,
        limit: CarriedLimit | None = None,
        dry_run: bool = False,
        request_id: str | None = None,
    ) -> bool:
        """Return whether `check()` with these arguments is allowed."""
        return self.check(key, cost, limit=limit, dry_run=dry_run, request_id=request_id).allowed

    def allow_all(self, items: Items, *, dry_run: bool = False, request_id: str | None = None) -> bool:
        """Return whether `check_all()` with these arguments is allowed."""
        return self.check_all(items, dry_run=dry_run, request_id=request_id)["allowed"]

    @abstractmethod
    def reset(self, key: str) -> None:
        """Give `key` its full quota back; of a pattern, each of its keys. Its counters stay. Raises LimitNotConfigured
        if no limit holds for the key."""

    @abstractmethod
    def delete(self, key: str) -> None:
        """Delete the limit of `key`, and forget the key with its usage, which forgives it; a pattern that matches it
        holds from then on.

        The keys of a deleted pattern fall to the next pattern that matches, and what they have in use stays in use.
        Raises LimitNotConfigured if there is neither a limit nor a key of this name.
        """

    @abstractmethod
    def reset_prefix(self, prefix: str) -> int:
        """`reset()` every limit, pattern and key whose name begins with `prefix`, which must not be empty. Return how
        many there were. Some at a time: checks continue, and what a crash cuts short is done in part."""

    @abstractmethod
    def delete_prefix(self, prefix: str) -> int:
        """`delete()` every limit, pattern and key whose name begins with `prefix`, which must not be empty. Return how
        many there were. Some at a time: checks continue, and what a crash cuts short is done in part."""

    # --- Queries, which change nothing

    @abstractmethod
    def status(self, key: str) -> LimitStatus | None:
        """Return the status of a key or of a pattern, or None if no limit holds. Polling does not slow a refill.

        That of a pattern says how many keys live by it, and sums up the counters of all its keys, also of those that
        are forgotten.
        """

    @abstractmethod
    def list(self, *, prefix: str = "", after: str = "", limit: int | None = None, keys: bool = False) -> Statuses:
        """Return the statuses of limits and patterns in byte order of their names: those with `prefix`, after the name
        `after`, at most `limit`. With `keys` also of the keys that have no limit of their own.

        Checks continue concurrently: each status is exact, but the list does not show one instant.
        """

    @abstractmethod
    def history(self, key: str, *, limit: int = 100) -> Events:
        """Return the newest `limit` (at most 10,000) events of `key` that the log on disk still retains, newest last.

        Raises LimitNotConfigured if no limit holds for the key.
        """

    @abstractmethod
    def top(self, *, by: str = "denied", limit: int = 20) -> Statuses:
        """Return the `limit` (at most 10,000) keys with the most denials, or with `by="allowed"` the most grants; most
        first.

        Keys that have none are omitted.
        """

    @abstractmethod
    def doctor(self) -> DoctorReport:
        """Report the state of the data directory. `ok` is false if an operator should look at it."""

    @abstractmethod
    def decisions(self) -> Decisions:
        """Return how many decisions allowed and denied since the directory was opened, by this limiter or by the
        server: of all keys, also of those that live by limits which checks carry. Each key that a check_all allows
        counts as one. For metrics: a restart begins with 0."""

    # --- Storage

    @abstractmethod
    def flush(self) -> None:
        """Put everything decided before the call on stable storage, denial counts included, and then return."""

    @abstractmethod
    def compact(self) -> None:
        """Write a snapshot and drop the log before the previous snapshot. This also happens automatically."""

    @abstractmethod
    def close(self) -> None:
        """Release all resources. Later calls raise StorageError, but a second close does nothing."""

    def __enter__(self: Self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()

    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError(f"a {type(self).__name__} cannot be pickled: make one in each process, see SharedLimiter")

    # --- The same methods for asyncio

    @abstractmethod
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
        """`limit()` for asyncio."""

    @abstractmethod
    async def aapply(self, limits: Settings, *, prune: bool = False, dry_run: bool = False) -> LimitChanges:
        """`apply()` for asyncio."""

    async def aexport(self, *, prefix: str = "") -> SettingList:
        """`export()` for asyncio."""
        return _settings.of_statuses(await self.alist(prefix=prefix))

    @abstractmethod
    async def acheck(
        self,
        key: str,
        cost: int = 1,
        *,
        limit: CarriedLimit | None = None,
        dry_run: bool = False,
        request_id: str | None = None,
    ) -> CheckResult:
        """`check()` for asyncio."""

    @abstractmethod
    async def acheck_all(
        self, items: Items, *, dry_run: bool = False, request_id: str | None = None
    ) -> CheckAllResult:
        """`check_all()` for asyncio."""

    @abstractmethod
    async def acheck_batch(self, checks: Checks) -> BatchResults:
        """`check_batch()` for asyncio."""

    async def aallow(
        self,
        key: str,
        cost: int = 1,
        *,
        limit: CarriedLimit | None = None,
        dry_run: bool = False,
        request_id: str | None = None,
    ) -> bool:
        """`allow()` for asyncio."""
        return (await self.acheck(key, cost, limit=limit, dry_run=dry_run, request_id=request_id)).allowed

    async def aallow_all(self, items: Items, *, dry_run: bool = False, request_id: str | None = None) -> bool:
        """`allow_all()` for asyncio."""
        return (await self.acheck_all(items, dry_run=dry_run, request_id=request_id))["allowed"]

    @abstractmethod
    async def areset(self, key: str) -> None:
        """`reset()` for asyncio."""

    @abstractmethod
    async def adelete(self, key: str) -> None:
        """`delete()` for asyncio."""

    @abstractmethod
    async def areset_prefix(self, prefix: str) -> int:
        """`reset_prefix()` for asyncio."""

    @abstractmethod
    async def adelete_prefix(self, prefix: str) -> int:
        """`delete_prefix()` for asyncio."""

    @abstractmethod
    async def astatus(self, key: str) -> LimitStatus | None:
        """`status()` for asyncio."""

    @abstractmethod
    async def alist(
        self, *, prefix: str = "", after: str = "", limit: int | None = None, keys: bool = False
    ) -> Statuses:
        """`list()` for asyncio."""

    @abstractmethod
    async def ahistory(self, key: str, *, limit: int = 100) -> Events:
        """`history()` for asyncio."""

    @abstractmethod
    async def atop(self, *, by: str = "denied", limit: int = 20) -> Statuses:
        """`top()` for asyncio."""

    @abstractmethod
    async def adoctor(self) -> DoctorReport:
        """`doctor()` for asyncio."""

    @abstractmethod
    async def adecisions(self) -> Decisions:
        """`decisions()` for asyncio."""

    @abstractmethod
    async def aflush(self) -> None:
        """`flush()` for asyncio."""

    @abstractmethod
    async def acompact(self) -> None:
        """`compact()` for asyncio."""

    async def aclose(self) -> None:
        """`close()` for asyncio."""
        await in_thread(self.close)

    async def __aenter__(self: Self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.aclose()

    # --- As a decorator

    def rate_limit(
        self,
        key: str | Callable[..., Any] | None = None,
        limit: CarriedLimit | Callable[..., Any] | None = None,
        *,
        rate: int | CarriedLimit | Callable[..., Any] | None = None,
        per: Period | None = None,
        algorithm: Algorithm | None = None,
        burst: int | None = None,
        cost: int | Callable[..., Any] | None = None,
        limits: Iterable[Mapping[str, Any]] | None = None,
        exempt_when: Callable[..., Any] | None = None,
        on_denied: Callable[[RateLimitExceeded], Any] | None = None,
        enabled: bool = True,
        deduct_when: Callable[[Any], Any] | None = None,
    ) -> Callable[[Function], Function]:
        """Limit the calls of a function: a denied call raises RateLimitExceeded, and the function does not run.

        Works on functions, coroutine functions, generators and asynchronous generators; the last three are checked when
        they begin to run, not when they are created.

        `key` is a key, or a function of the call's arguments that returns one. The limit is a rate string or a dict
        (`limit` or `rate`), or `rate` units with `per`, `algorithm` and `burst`; or a function of the call's arguments
        that returns one of the first two. Each check carries it: see `check()`. `cost` is a number of units (1), or
        a function that returns one. `limits` replaces these arguments where a call needs several limits: a list of 1 to
        128 dicts with `key`, `rate`, `per`, `algorithm`, `burst` and `cost`. It is one decision: see `check_all()`.

        `exempt_when` is a function of the call's arguments that returns whether the call is exempt, a bool. With
        `enabled=False` all calls are exempt, and the limiter is never asked. Functions may be coroutine functions where
        the decorated function is one. If `key`, or a function that is the limit or `cost`, returns None, that limit
        does not hold for the call; any other answer of a wrong type or value raises TypeError or ValueError.

        `deduct_when` is a function of what the call returned, or of the exception that it raised, which returns whether
        the call counts, a bool. Until then the call counts, so that parallel calls do not pass the limit. (Not for
        generators.)

        `on_denied` is a function of the RateLimitExceeded that returns what a denied call returns. (Generators always
        raise.)
        """
        return Guard(
            Admission(
                self,
                limits_of_calls(
                    limits,
                    key=key,
                    limit=limit,
                    rate=rate,
                    per=per,
                    algorithm=algorithm,
                    burst=burst,
                    cost=cost,
                ),
                exempt_when=exempt_when,
                enabled=enabled,
                deduct_when=deduct_when,
            ),
            on_denied,
        ).wrap
