"""Waiting until units or slots may be taken: `acquire()`.

Whoever is denied joins the queue of its key, and who finds a queue joins it without asking. Only the first of a queue
asks, after the time that its denial named; the others sleep until they are the first. What is in the queue is the
caller's thread or task: there is none that serves the queue.
"""

from __future__ import annotations

import os
import threading
import time
from collections import deque
from collections.abc import Awaitable, Iterable
from typing import TYPE_CHECKING, Any, Protocol, TypeVar, Union, overload

from flint_limiter import _arguments, _limits
from flint_limiter._errors import FlintError
from flint_limiter._reservation import Reservation, ReservingLimiter, to_its_end
from flint_limiter._result import CheckResult
from flint_limiter._steps import Ask, Steps, arun, run

if TYPE_CHECKING:
    from flint_limiter._types import CarriedLimit, LimitStatus, Period, Settled

Acquired = Union[CheckResult, Reservation]

# What nobody can foretell is looked for again after these: a slot that is given back, a key that is not blocked any
# more, quota that an operator gives back.
_SLOT_S = 0.08
_BLOCKED_S = 1.0
_LONGEST_S = 10.0
# Added to a wait, as a part of it and at most this long: so that processes that wait for the same unit do not all come
# back at once.
_JITTER = 0.1
_LONGEST_JITTER_S = 0.1

# Held for a few steps, none of which waits. One lock for all limiters, because a child of fork() must replace it.
_lock = threading.Lock()


def _replace_lock() -> None:
    global _lock
    _lock = threading.Lock()


os.register_at_fork(after_in_child=_replace_lock)


def _uniform(least: float, most: float) -> float:
    from random import uniform

    return uniform(least, most)


class _Sleeper(Protocol):
    """Who waits: sleeps until it is woken, or for a time."""

    def wake(self) -> bool:
        """Of any thread. False if it cannot be woken any more."""
        ...


class _Thread:
    __slots__ = ("_woken",)

    def __init__(self) -> None:
        self._woken = threading.Event()

    def wake(self) -> bool:
        self._woken.set()
        return True

    def sleep(self, seconds: float | None) -> None:
        self._woken.wait(seconds)
        self._woken.clear()


class _Task:
    __slots__ = ("_loop", "_woken")

    def __init__(self) -> None:
        import asyncio

        self._loop = asyncio.get_running_loop()
        self._woken = asyncio.Event()

    def wake(self) -> bool:
        try:
            self._loop.call_soon_threadsafe(self._woken.set)
        except RuntimeError:  # the loop is closed
            return False
        return True

    async def asleep(self, seconds: float | None) -> None:
        alarm = None if seconds is None else self._loop.call_later(seconds, self._woken.set)
        try:
            await self._woken.wait()
        finally:
            if alarm is not None:
                alarm.cancel()
        self._woken.clear()


class _Sleep:
    """A step: sleeps."""

    __slots__ = ("_seconds", "_sleeper")

    def __init__(self, sleeper: Any, seconds: float | None) -> None:
        self._sleeper = sleeper
        self._seconds = seconds

    def take(self) -> None:
        self._sleeper.sleep(self._seconds)

    def atake(self) -> Awaitable[None]:
        slept: Awaitable[None] = self._sleeper.asleep(self._seconds)
        return slept


class _Queue:
    __slots__ = ("denial", "sleepers")

    def __init__(self, denial: CheckResult) -> None:
        self.sleepers: deque[_Sleeper] = deque()
        #: The latest of this key.
        self.denial = denial


class Queues:
    """Who waits at one limiter, for each key that has been denied. A child of fork() begins without any."""

    __slots__ = ("_pid", "_queues")

    def __init__(self) -> None:
        self._queues: dict[str, _Queue] = {}
        self._pid = os.getpid()

    def denial(self, key: str) -> CheckResult | None:
        """The latest one, if anybody waits for the key."""
        queue = self._queues.get(key) if self._queues else None
        return None if queue is None or self._pid != os.getpid() else queue.denial

    def join(self, key: str, sleeper: _Sleeper, denial: CheckResult) -> None:
        with _lock:
            if self._pid != os.getpid():
                self._queues, self._pid = {}, os.getpid()
            queue = self._queues.setdefault(key, _Queue(denial))
            queue.denial = denial
            queue.sleepers.append(sleeper)

    def is_first(self, key: str, sleeper: _Sleeper) -> bool:
        with _lock:
            return self._queues[key].sleepers[0] is sleeper

    def denied(self, key: str, denial: CheckResult) -> None:
        with _lock:
            self._queues[key].denial = denial

    def leave(self, key: str, sleeper: _Sleeper) -> None:
        """Whoever is the first now asks at once. Nothing if it never joined."""
        with _lock:
            queue = self._queues.get(key)
            if queue is None or sleeper not in queue.sleepers:
                return
            queue.sleepers.remove(sleeper)
            self._wake_first(key, queue)

    def given_back(self, keys: Iterable[str]) -> None:
        """Whoever waits for them asks at once."""
        if not self._queues:
            return
        with _lock:
            for key in keys:
                queue = self._queues.get(key)
                if queue is not None:
                    self._wake_first(key, queue)

    def closed(self) -> None:
        """Whoever waits learns it at once."""
        self.given_back(list(self._queues))

    def _wake_first(self, key: str, queue: _Queue) -> None:
        while queue.sleepers and not queue.sleepers[0].wake():
            queue.sleepers.popleft()
        if not queue.sleepers:
            self._queues.pop(key, None)


class _Acquisition:
    """One call of acquire()."""

    __slots__ = (
        "_cost",
        "_deadline",
        "_key",
        "_limit",
        "_limiter",
        "_name",
        "_queues",
        "_sleeper",
        "_ttl",
        "reserving",
    )

    def __init__(
        self,
        limiter: WaitingLimiter,
        sleeper: _Thread | _Task,
        key: object,
        cost: object,
        timeout: object,
        limit: object,
        ttl: Period | None,
    ) -> None:
        self._limiter = limiter
        self._queues = limiter._queues
        self._sleeper = sleeper
        self._key, self._cost = _arguments.check(key, cost)
        self._limit = _limits.carried(limit)
        self._deadline = None if timeout is None else time.monotonic() + _arguments.wait(timeout, "timeout")
        self._ttl = ttl
        if ttl is not None:
            _arguments.period(ttl, "ttl")
        # So that a reservation that was interrupted can be found again.
        self._name = os.urandom(16).hex() if ttl is not None else None
        #: Whether a reservation is asked for and not answered yet.
        self.reserving = False

    def steps(self) -> Steps[Acquired]:
        key, sleeper = self._key, self._sleeper
        denial = self._queues.denial(key)
        has_asked = denial is None
        if denial is None:
            answer = yield from self._ask()
            if answer:
                return answer
            denial = _deciding(answer)
        self._queues.join(key, sleeper, denial)
        pause_s = self._pause_s(denial) if has_asked else 0.0
        while True:
            left_s = None if self._deadline is None else self._deadline - time.monotonic()
            if left_s is not None and left_s <= 0:
                return self._false(self._queues.denial(key) or denial)
            is_first = self._queues.is_first(key, sleeper)
            if not is_first or pause_s > 0:
                # It is woken before the time when it has become the first, or units were given back.
                yield _Sleep(sleeper, _least(left_s, pause_s if is_first else None))
                pause_s = 0.0
                continue
            looked = (yield from self._look()) if has_asked else None
            if looked is None:
                answer, has_asked = (yield from self._ask()), True
                if answer:
                    return answer
                looked = _deciding(answer)
            self._queues.denied(key, looked)
            pause_s = self._pause_s(looked)

    def _ask(self) -> Steps[Acquired]:
        """Takes the units, or counts a denial."""
        if self._ttl is None:
            result: CheckResult = yield Ask(self._limiter, "check", self._key, self._cost, limit=self._limit)
            return result
        self.reserving = True
        item = {"key": self._key, "cost": self._cost, "limit": self._limit}
        held: Reservation = yield Ask(self._limiter, "reserve", [item], ttl=self._ttl, request_id=self._name)
        self.reserving = False
        return held

    def _look(self) -> Steps[CheckResult | None]:
        """The denial that the units would get, which nobody counts; None if it is time to ask."""
        latest = self._queues.denial(self._key)
        if latest is not None and latest.algorithm == "concurrency":
            status: LimitStatus | None = yield Ask(self._limiter, "status", self._key)
            if status is None or status["algorithm"] != "concurrency" or status["remaining"] >= self._cost:
                return None
            return latest
        looked: CheckResult = yield Ask(
            self._limiter, "check", self._key, self._cost, limit=self._limit, dry_run=True
        )
        return None if looked.allowed else looked

    def _pause_s(self, denial: CheckResult) -> float:
        if denial.algorithm == "concurrency":
            # Its time is the latest one: the slot may be given back before.
            return _SLOT_S * _uniform(0.7, 1.0)
        if denial.retry_after_ms is None:
            return _BLOCKED_S
        after_s = denial.retry_after_ms / 1000
        return min(after_s, _LONGEST_S) + _uniform(0.0, min(after_s * _JITTER, _LONGEST_JITTER_S))

    def _false(self, denial: CheckResult) -> Acquired:
        """The result at the timeout: the latest denial, of this call's cost."""
        result = CheckResult(
            self._key,
            False,
            self._cost,
            denial.limit,
            denial.remaining,
            denial.reset_at,
            denial.reset_after_ms,
            denial.retry_after_ms,
            denial.algorithm,
            denial.keys_full,
            None,
            denial.windows,
        )
        if self._ttl is None:
            return result
        return Reservation(
            self._limiter, {"allowed": False, "denied_key": self._key, "results": [result]}, None, None
        )

    def leave(self) -> None:
        self._queues.leave(self._key, self._sleeper)

    def abandon(self) -> None:
        """Gives back what an interrupted call may have taken."""
        run(self._given_back())

    async def aabandon(self) -> None:
        await arun(self._given_back())

    def _given_back(self) -> Steps[None]:
        item = {"key": self._key, "cost": self._cost, "limit": self._limit}
        try:
            # If it was taken, this is what was taken.
            held: Reservation = yield Ask(self._limiter, "reserve", [item], ttl=self._ttl, request_id=self._name)
            if held.id is not None:
                yield Ask(self._limiter, "cancel", held.id)
        except FlintError:
            pass  # it ends by its time


def _deciding(answer: Acquired) -> CheckResult:
    return answer.results[-1] if isinstance(answer, Reservation) else answer


def _least(one: float | None, other: float | None) -> float | None:
    if one is None or other is None:
        return other if one is None else one
    return min(one, other)


class WaitingLimiter(ReservingLimiter):
    """The part of AbstractLimiter that waits."""

    __slots__ = ()

    _queues: Queues

    def _settled(self, results: Settled) -> Settled:
        self._queues.given_back(one.key for one in results)
        return results

    @overload
    def acquire(
        self,
        key: str,
        *,
        cost: int = 1,
        timeout: float | None = None,
        limit: CarriedLimit | None = None,
        ttl: None = None,
    ) -> CheckResult: ...
    @overload
    def acquire(
        self,
        key: str,
        *,
        cost: int = 1,
        timeout: float | None = None,
        limit: CarriedLimit | None = None,
        ttl: Period,
    ) -> Reservation: ...
    def acquire(
        self,
        key: str,
        *,
        cost: int = 1,
        timeout: float | None = None,
        limit: CarriedLimit | None = None,
        ttl: Period | None = None,
    ) -> CheckResult | Reservation:
        """Wait until `cost` units of `key` may pass, and consume them: `check()` that waits. With `timeout`, in
        seconds, the result is false if they could not pass by then; with 0 it does not wait.

        With `ttl` the units are reserved: see `reserve()`. It is needed for slots, which are noticed within 100 ms of
        being free.

        Whoever waits for a key in this limiter gets its units in the order of the calls. The wait is as long as
        `retry_after_ms` says and a little more, so that several processes do not ask at the same moment. A call counts
        at most one denial, unless another process takes the units just before it does.

        A call that is interrupted or cancelled leaves its place, and gives back what it had reserved.
        """
        acquisition = _Acquisition(self, _Thread(), key, cost, timeout, limit, ttl)
        try:
            return run(acquisition.steps())
        except BaseException as error:
            if acquisition.reserving and not isinstance(error, Exception):
                acquisition.abandon()
            raise
        finally:
            acquisition.leave()

    @overload
    async def aacquire(
        self,
        key: str,
        *,
        cost: int = 1,
        timeout: float | None = None,
        limit: CarriedLimit | None = None,
        ttl: None = None,
    ) -> CheckResult: ...
    @overload
    async def aacquire(
        self,
        key: str,
        *,
        cost: int = 1,
        timeout: float | None = None,
        limit: CarriedLimit | None = None,
        ttl: Period,
    ) -> Reservation: ...
    async def aacquire(
        self,
        key: str,
        *,
        cost: int = 1,
        timeout: float | None = None,
        limit: CarriedLimit | None = None,
        ttl: Period | None = None,
    ) -> CheckResult | Reservation:
        """`acquire()` for asyncio."""
        import asyncio

        acquisition = _Acquisition(self, _Task(), key, cost, timeout, limit, ttl)
        try:
            return await arun(acquisition.steps())
        except asyncio.CancelledError:
            if acquisition.reserving:
                await to_its_end(acquisition.aabandon())
            raise
        finally:
            acquisition.leave()
