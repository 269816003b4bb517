"""A reservation as its caller holds it, and the contract of the calls that make and settle reservations."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Sequence
from datetime import datetime
from types import TracebackType
from typing import TYPE_CHECKING, Any, TypeVar

from flint_limiter import _log
from flint_limiter._errors import FlintError, RateLimitExceeded, ReservationNotFound
from flint_limiter._result import CheckResult
from flint_limiter._types import (
    CarriedLimit,
    CheckAllResult,
    Costs,
    OnExpiry,
    Period,
    ReservationStatus,
    ReservedItems,
    Settled,
)

if TYPE_CHECKING:
    import asyncio

Answer = TypeVar("Answer")
_Error = type[BaseException]


class Reservation:
    """The answer to `reserve()`. True if the units are held; false if a key denied them.

    As a context manager, also of `async with`: a denial raises RateLimitExceeded before the block; a block that ends
    with an exception cancels; one that ends without a commit or a cancel settles at the reserved costs.

    Threads: any, one call at a time.
    """

    __slots__ = ("_limiter", "_settled", "allowed", "denied_key", "expires_at", "id", "results")

    def __init__(
        self, limiter: ReservingLimiter, answer: CheckAllResult, id: str | None, expires_at: datetime | None
    ) -> None:
        self._limiter = limiter
        self._settled = False
        self.allowed: bool = answer["allowed"]
        #: The first key, in the given order, that denied; None if all allowed.
        self.denied_key: str | None = answer["denied_key"]
        #: In the given order, up to and including the key that denied.
        self.results: Sequence[CheckResult] = answer["results"]
        #: For `limiter.commit()` and the like, in any process. None if it was denied, or is degraded.
        self.id: str | None = id
        #: None if it has no id.
        self.expires_at: datetime | None = expires_at

    def __bool__(self) -> bool:
        return self.allowed

    def __repr__(self) -> str:
        return f"Reservation(allowed={self.allowed!r}, denied_key={self.denied_key!r}, id={self.id!r})"

    @property
    def degraded(self) -> bool:
        """Whether a result is (see CheckResult). Without an id, its methods have nothing to settle."""
        return any(one.degraded for one in self.results)

    def as_dict(self) -> dict[str, Any]:
        """What the HTTP API says of it, ready for JSON."""
        at = self.expires_at
        return {
            "allowed": self.allowed,
            "denied_key": self.denied_key,
            "results": [one.as_dict() for one in self.results],
            "reservation": self.id,
            "expires_at": None if at is None else at.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        }

    def commit(self, costs: Costs | None = None) -> Settled:
        """`commit()` of the limiter, for this reservation. Raises ReservationNotFound if it was denied."""
        id = self._id()
        return self._done(self.results if id is None else self._limiter.commit(id, costs))

    def cancel(self) -> Settled:
        """`cancel()` of the limiter, for this reservation. Raises ReservationNotFound if it was denied."""
        id = self._id()
        return self._done(self.results if id is None else self._limiter.cancel(id))

    def renew(self, ttl: Period) -> None:
        """`renew()` of the limiter, for this reservation: `expires_at` is the new end."""
        id = self._id()
        if id is not None:
            self.expires_at = self._limiter.renew(id, ttl)["expires_at"]

    async def acommit(self, costs: Costs | None = None) -> Settled:
        """`commit()` for asyncio. It goes on if the task that waits for it is cancelled."""
        id = self._id()
        return self._done(self.results if id is None else await to_its_end(self._limiter.acommit(id, costs)))

    async def acancel(self) -> Settled:
        """`cancel()` for asyncio. It goes on if the task that waits for it is cancelled."""
        id = self._id()
        return self._done(self.results if id is None else await to_its_end(self._limiter.acancel(id)))

    async def arenew(self, ttl: Period) -> None:
        """`renew()` for asyncio."""
        id = self._id()
        if id is not None:
            self.expires_at = (await self._limiter.arenew(id, ttl))["expires_at"]

    def _id(self) -> str | None:
        """None if nothing is held, although it was allowed."""
        if not self.allowed:
            raise ReservationNotFound("the reservation was denied: there is nothing to settle.")
        return self.id

    def _done(self, results: Sequence[CheckResult]) -> Settled:
        self._settled = True
        return list(results)

    def _entered(self) -> None:
        if not self.allowed:
            raise RateLimitExceeded.by(self.results[-1])

    def __enter__(self) -> Reservation:
        self._entered()
        return self

    def __exit__(self, kind: _Error | None, error: BaseException | None, traceback: TracebackType | None) -> None:
        if self._settled:
            return
        if error is None:
            self.commit()
            return
        try:
            self.cancel()
        except FlintError as failure:
            self._not_cancelled(failure)

    async def __aenter__(self) -> Reservation:
        self._entered()
        return self

    async def __aexit__(
        self, kind: _Error | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._settled:
            return
        if error is None:
            await self.acommit()
            return
        if isinstance(error, GeneratorExit):
            return  # the coroutine is dropped, and can wait for nothing more: the reservation ends by its time
        try:
            await self.acancel()
        except FlintError as failure:
            self._not_cancelled(failure)

    def _not_cancelled(self, failure: FlintError) -> None:
        """What ended the block says more than that the units are held until their end."""
        _log.warning("A reservation is not cancelled, and ends by its time (%s).", failure)


# Until they are done: a task that nothing refers to may be collected.
_running: set[asyncio.Task[Any]] = set()


async def to_its_end(coroutine: Coroutine[Any, Any, Answer]) -> Answer:
    """Waits for `coroutine`, which goes on if this task is cancelled (once more)."""
    import asyncio

    task = asyncio.ensure_future(coroutine)
    _running.add(task)
    task.add_done_callback(_ended)
    return await asyncio.shield(task)


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled():
        task.exception()  # was raised where it was waited for, if anybody still waits


class ReservingLimiter(ABC):
    """The part of AbstractLimiter that is about charges and reservations."""

    __slots__ = ()

    @abstractmethod
    def charge(
        self, key: str, cost: int, *, limit: CarriedLimit | None = None, request_id: str | None = None
    ) -> CheckResult:
        """Count `cost` units of usage that has happened, also beyond the limit: what exceeds it is a debt, during which
        everything is denied until it is worked off as usage is. `allowed` of the result says whether the cost fitted;
        it is charged either way.

        `limit` and `request_id` are as in `check()`: without an id, a charge is never sent twice. Raises
        LimitNotConfigured if no limit holds, and ValueError for a key with the algorithm "concurrency".
        """

    @abstractmethod
    def reserve(
        self,
        items: ReservedItems,
        *,
        ttl: Period,
        on_expiry: OnExpiry = "keep",
        request_id: str | None = None,
    ) -> Reservation:
        """Decide like `check_all()` and, if all items are allowed, charge them now and hold them until they are
        settled. Items may also be a dict, `{"rpm:ann": 1, "tpm:ann": 2000}`.

        `commit()` settles at the actual costs; `cancel()` gives everything back. A reservation that nobody settles ends
        after `ttl`: its units stay used, or with `on_expiry="return"` are given back. With a `request_id` the call can
        be made again, as in `check()`. Raises StorageError if there are 1,000,000 reservations.

        Only reservations take the slots of a limit with the algorithm "concurrency", of which at most `rate` are held
        at any time. A slot is free again when its reservation is settled, at the end of `ttl` or, at the latest, after
        `per`.
        """

    @abstractmethod
    def commit(self, reservation: str, costs: Costs | None = None) -> Settled:
        """Settle the reservation with this id at what it really cost: `costs` has the actual costs of keys, from 0 on;
        the others cost what was reserved. What was reserved and not used is given back, as far as it is still in use;
        what was used beyond is charged, as `charge()` does. The slots of a "concurrency" are free again.

        Returns a result for each item, in its order, as of now: `cost` is what the item was charged in the end,
        `allowed` whether it fitted. One that has expired is settled against what was kept or returned. To settle again
        returns what the first time returned. Raises ReservationNotFound if the reservation is not known, or was settled
        or has expired more than ten minutes ago, and ValueError for a key that it does not hold.
        """

    @abstractmethod
    def cancel(self, reservation: str) -> Settled:
        """`commit()` at costs of 0."""

    @abstractmethod
    def renew(self, reservation: str, ttl: Period) -> ReservationStatus:
        """Let the reservation expire `ttl` from now; its slots end then, too, or a `per` from now. Raises
        ReservationNotFound also if it is settled or has expired."""

    @abstractmethod
    def reservation(self, reservation: str) -> ReservationStatus:
        """Return what the reservation with this id holds. Raises ReservationNotFound."""

    @abstractmethod
    async def acharge(
        self, key: str, cost: int, *, limit: CarriedLimit | None = None, request_id: str | None = None
    ) -> CheckResult:
        """`charge()` for asyncio."""

    @abstractmethod
    async def areserve(
        self,
        items: ReservedItems,
        *,
        ttl: Period,
        on_expiry: OnExpiry = "keep",
        request_id: str | None = None,
    ) -> Reservation:
        """`reserve()` for asyncio."""

    @abstractmethod
    async def acommit(self, reservation: str, costs: Costs | None = None) -> Settled:
        """`commit()` for asyncio."""

    @abstractmethod
    async def acancel(self, reservation: str) -> Settled:
        """`cancel()` for asyncio."""

    @abstractmethod
    async def arenew(self, reservation: str, ttl: Period) -> ReservationStatus:
        """`renew()` for asyncio."""

    @abstractmethod
    async def areservation(self, reservation: str) -> ReservationStatus:
        """`reservation()` for asyncio."""
