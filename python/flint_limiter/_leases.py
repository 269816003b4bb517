"""Leases: units that a SharedLimiter takes in one call and spends by itself.

A lease is a reservation of up to `most` units. It stays charged whatever becomes of this process, so leases never let
more pass than the limit, but for the time between the charge and the check that spends it: a lease ends a tenth of the
period after it was asked for, and a client has one for a key. So in any period no more pass than the limit allows plus
`most` for each client.

Asked for is a lease when checks of a key come one after another, and there are units for it. Everything else, and
whatever a lease cannot answer, is a check of its own.
"""

from __future__ import annotations

import os
import threading
import time
import weakref
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from datetime import timedelta
from typing import TYPE_CHECKING

from flint_limiter import _log
from flint_limiter._errors import FlintError
from flint_limiter._result import CheckResult
from flint_limiter._steps import Ask, Steps

if TYPE_CHECKING:
    from flint_limiter._outage import Outage
    from flint_limiter._reservation import Reservation, ReservingLimiter
    from flint_limiter._types import CarriedLimit, LimitStatus

# How long a lease lives that nothing is taken from, and how long a check is the last one of a key that is busy.
_IDLE_S = 0.2
_PART_OF_PERIOD = 0.1
# After an answer that was short of units, others may have them first.
_PAUSE_S = 0.01
# How long a limit is taken for what it was.
_STATUS_S = 1.0
_EVERY_S = 0.05
_DAY_S = 86_400.0
_MAX_KNOWN = 10_000

_now = time.monotonic


class _Lease:
    __slots__ = ("id", "left", "most", "result", "until", "used_at")

    def __init__(self, id: str, result: CheckResult, until: float) -> None:
        self.id = id
        self.most = result.cost
        self.left = result.cost
        #: Of the reservation.
        self.result = result
        self.until = until
        self.used_at = _now()

    def is_over(self, now: float) -> bool:
        return now >= self.until or now - self.used_at >= _IDLE_S


class _Known:
    """What is known of a key."""

    __slots__ = (
        "filling",
        "lease",
        "limit",
        "paused_until",
        "per_s",
        "remaining",
        "remaining_at",
        "seen_at",
        "status_at",
    )

    def __init__(self, limit: CarriedLimit | None) -> None:
        self.limit = limit
        self.lease: _Lease | None = None
        #: Done when the lease that is asked for is there, or will not be.
        self.filling: Future[None] | None = None
        self.seen_at = 0.0
        self.paused_until = 0.0
        self.per_s = 0.0
        self.status_at = 0.0
        self.remaining = 0
        self.remaining_at = 0.0


class _Done:
    """A step: waits for a lease that another call asks for."""

    __slots__ = ("_future",)

    def __init__(self, future: Future[None]) -> None:
        self._future = future

    def take(self) -> None:
        self._future.result()

    def atake(self) -> Awaitable[None]:
        import asyncio

        return asyncio.shield(asyncio.wrap_future(self._future))


class Leases:
    """Of one SharedLimiter. Threads and event loops: any. A child of fork() begins without any."""

    __slots__ = ("__weakref__", "_closed", "_keeper", "_known", "_limiter", "_lock", "_most", "_outage", "_over")

    def __init__(self, limiter: ReservingLimiter, outage: Outage, most: int) -> None:
        self._limiter = weakref.ref(limiter)
        self._outage = outage
        self._most = most
        self._forget()
        _all.add(self)

    def _forget(self) -> None:
        self._lock = threading.Lock()
        self._known: dict[str, _Known] = {}
        #: To be given back.
        self._over: list[_Lease] = []
        self._keeper: threading.Thread | None = None
        self._closed = False

    def take(self, key: str, cost: int, limit: CarriedLimit | None) -> CheckResult | None:
        """From the lease that is there. None if it is not enough, and for arguments that are wrong."""
        if type(key) is not str or type(cost) is not int or cost < 1:
            return None
        known = self._known.get(key)
        if known is None or known.lease is None:
            return None
        now = _now()
        with self._lock:
            lease = known.lease
            if lease is None or lease.left < cost or lease.is_over(now) or known.limit != limit:
                return None
            lease.left -= cost
            lease.used_at = known.seen_at = now
            left = lease.left
        result = lease.result
        return CheckResult(
            key,
            True,
            cost,
            result.limit,
            result.remaining + left,
            result.reset_at,
            result.reset_after_ms,
            0,
            result.algorithm,
            False,
            None,
            result.windows,
        )

    def checked(self, result: CheckResult) -> None:
        """By a check of its own."""
        known = self._known.get(result.key)
        if known is not None:
            known.remaining, known.remaining_at = result.remaining, _now()

    def steps(self, key: str, cost: int, limit: CarriedLimit | None) -> Steps[CheckResult | None]:
        """From a lease that is asked for. None if there is to be none."""
        while True:
            with self._lock:
                known = self._busy(key, cost, limit)
                if known is None:
                    return None
                filling = known.filling
                if filling is None:
                    mine = known.filling = Future()
            if filling is None:
                is_full = False
                try:
                    is_full = yield from self._fill(known, key, cost)
                finally:
                    with self._lock:
                        known.filling = None
                        known.paused_until = 0.0 if is_full else _now() + _PAUSE_S
                    mine.set_result(None)
                return self.take(key, cost, limit)
            yield _Done(filling)
            if (result := self.take(key, cost, limit)) is not None:
                return result

    def _busy(self, key: str, cost: int, limit: CarriedLimit | None) -> _Known | None:
        """The key, if there is to be a lease of it. With the lock held."""
        now = _now()
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= _MAX_KNOWN:
                self._known = {name: one for name, one in self._known.items() if one.lease or one.filling}
            known = self._known[key] = _Known(limit)
        elif known.limit != limit and known.lease is None and known.filling is None:
            known.limit, known.status_at = limit, 0.0
        is_busy = now - known.seen_at < _IDLE_S
        known.seen_at = now
        if self._closed or not is_busy or known.limit != limit or now < known.paused_until or cost > self._most:
            return None
        return known

    def _fill(self, known: _Known, key: str, cost: int) -> Steps[bool]:
        """Asks for a lease. Whether there are as many units as there may be."""
        limiter = self._limiter()
        if limiter is None:
            return False
        began = _now()
        is_old = began - known.status_at > _STATUS_S
        if is_old or (known.remaining < self._most and began - known.remaining_at > _PAUSE_S):
            try:
                with self._outage.attempt():
                    status: LimitStatus | None = yield Ask(limiter, "status", key)
            except FlintError as error:
                return self._failed(error)
            if status is None or status["mode"] != "enforce":
                return False
            known.per_s, known.status_at = _shortest_s(status), began
            known.remaining, known.remaining_at = status["remaining"], _now()
        wanted = min(self._most, known.remaining)
        if wanted < max(cost, 2):
            return False
        asked_at, life_s = _now(), known.per_s * _PART_OF_PERIOD
        item = {"key": key, "cost": wanted, "limit": known.limit}
        try:
            held: Reservation = yield Ask(limiter, "reserve", [item], ttl=_millis(life_s + 1.0))
        except FlintError as error:
            return self._failed(error)
        result = held.results[-1]
        known.remaining, known.remaining_at = result.remaining, _now()
        if held.id is None:
            return False
        if result.would_deny is not None or result.degraded:
            yield Ask(limiter, "cancel", held.id)
            return False
        self._begin(known, _Lease(held.id, result, asked_at + life_s))
        return wanted == self._most

    def _failed(self, error: FlintError) -> bool:
        """The check will meet it, too; but with `on_error="raise"` that would be a second timeout."""
        if error.undecided and self._outage.decision == "raise":
            raise error
        return False

    def _begin(self, known: _Known, lease: _Lease) -> None:
        with self._lock:
            if known.lease is not None and known.lease.left:
                self._over.append(known.lease)
            known.lease = lease
            if self._keeper is None and not self._closed:
                self._keeper = threading.Thread(target=self._keep, name="flint-leases", daemon=True)
                self._keeper.start()

    def _keep(self) -> None:
        """Gives back what is idle; ends when there is no lease."""
        while True:
            time.sleep(_EVERY_S)
            now = _now()
            with self._lock:
                if self._keeper is not threading.current_thread():
                    return
                self._end(lambda lease: lease.is_over(now))
                over, self._over = self._over, []
                if not over and not any(known.lease for known in self._known.values()):
                    self._keeper = None
                    return
            self._give_back(over)

    def _end(self, which: Callable[[_Lease], bool]) -> None:
        """With the lock held."""
        for known in self._known.values():
            lease = known.lease
            if lease is not None and which(lease):
                known.lease = None
                if lease.left:
                    self._over.append(lease)

    def _give_back(self, over: list[_Lease]) -> None:
        limiter = self._limiter()
        if limiter is None:
            return
        for lease in over:
            try:
                limiter.commit(lease.id, {lease.result.key: lease.most - lease.left})
            except FlintError as error:
                _log.debug("Leased units are not given back (%s).", error)

    def close(self) -> None:
        """Gives back everything."""
        with self._lock:
            self._closed = True
            self._keeper = None
            self._end(lambda lease: True)
            over, self._over = self._over, []
        self._give_back(over)


def _shortest_s(status: LimitStatus) -> float:
    """The shortest period of the limit, in seconds; that of a calendar window is a day."""
    periods = [window["per_millis"] for window in status.get("windows", [])] or [status["per_millis"]]
    return min(_DAY_S if millis is None else millis / 1000 for millis in periods)


def _millis(seconds: float) -> timedelta:
    return timedelta(milliseconds=min(int(seconds * 1000), 86_400_000))


_all: weakref.WeakSet[Leases] = weakref.WeakSet()


def _forget_all() -> None:
    for leases in _all:
        leases._forget()


os.register_at_fork(after_in_child=_forget_all)
