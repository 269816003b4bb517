"""The client of a server, which shares one limiter between processes."""

from __future__ import annotations

from datetime import datetime, timezone
from os import PathLike
from typing import TYPE_CHECKING, Literal, TypeVar

from flint_limiter import _arguments, _batch, _calls, _endpoint, _limits, _requests
from flint_limiter._contract import AbstractLimiter
from flint_limiter._errors import FlintError
from flint_limiter._http import Client
from flint_limiter._outage import Outage
from flint_limiter._requests import Call
from flint_limiter._reservation import Reservation
from flint_limiter._result import CheckResult
from flint_limiter._steps import arun, run
from flint_limiter._types import (
    Algorithm,
    Align,
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
    Settings,
    Settled,
    Statuses,
    Windows,
)
from flint_limiter._waiting import Queues

if TYPE_CHECKING:
    from ssl import SSLContext

    from flint_limiter._leases import Leases

Answer = TypeVar("Answer")

# The retry time in the result of a check without a decision.
_RETRY_UNAVAILABLE_MS = 1_000
_MAX_LEASE = 1_000_000
_ON_ERROR = ("raise", "allow", "deny")


class SharedLimiter(AbstractLimiter):
    """A limiter that asks a server (`flint server start`). Any number of processes share the server's limits.

    `server` is `http://HOST:PORT`, or `unix:PATH` for a socket such as `flint.sock` in the server's data directory, or
    `https://HOST` for a proxy in front of the server; a path, as in `https://HOST/flint`, is where the proxy has it.
    `token` is the server's token, if it has one. Nothing is sent before the first call.

    With `https://`, the server's certificate must name the host, and one of the authorities that the system trusts must
    have issued it, or one in the file `ca`. `cert` is a file with the certificate of this client, for a proxy that asks
    for one, and `key` one with its key, if that is not in the same file. These files are in PEM form, and are read now;
    ValueError names the one that cannot be used. For anything else, such as a key with a passphrase, give an
    `ssl_context` in place of them.

    `timeout` applies to a whole call, in seconds, connecting included, with the handshake of TLS (but not the lookup of
    a host name in a synchronous call). `list` requests 10,000 keys at a time, and each request has that timeout. An
    answer longer than 1 MiB, or 64 MiB if it lists something, is refused, and so is an answer about another key or
    cost. If the server cannot be reached, or does not answer in time, calls raise FlintConnectionError. A check without
    a `request_id` is never sent again if the server may have received it; in that case, whether it was charged is
    unknown.

    `on_error` defines the outcome of a check that gets no decision, because the server cannot be reached, or because
    the server or a proxy answers with something else (a status of 500 or above, an HTML page). `"raise"` raises;
    `"allow"` and `"deny"` return that answer as a result that is `degraded`. Such results are counted
    (`degraded_checks`) and reported to the logger `flint`, at most once a minute. After the first one, checks are
    answered at once without asking the server, while one check asks again from time to time (after 0.5 s, then twice as
    long each time, at most 10 s). Wrong arguments, a key without a limit and a wrong token always raise, and so do
    errors of all other calls.

    With `lease` above 1, checks of a key that come one after another take up to so many units in one call, as a
    reservation, and are then answered in this process. What is not spent within 200 ms, or within a tenth of the
    period, is given back, and so it is at the close; what a process that dies had leased stays used. In any period no
    more units pass than the limit allows plus `lease` for each SharedLimiter. `remaining` and the reset times of a
    result are those of when the units were taken. A check with `dry_run` or a `request_id`, and check_all, always ask
    the server. The counters of a key count the calls that took units, not the checks that spent them.

    A child of fork() uses its own connections, and has no leases of its parent.
    """

    __slots__ = ("__weakref__", "_client", "_leases", "_outage", "_queues", "_server", "_timeout")

    def __init__(
        self,
        server: str = "http://127.0.0.1:7878",
        token: str | None = None,
        timeout: float = 10.0,
        *,
        on_error: Literal["raise", "allow", "deny"] = "raise",
        ca: str | PathLike[str] | None = None,
        cert: str | PathLike[str] | None = None,
        key: str | PathLike[str] | None = None,
        ssl_context: SSLContext | None = None,
        lease: int = 1,
    ) -> None:
        endpoint = _endpoint.endpoint(server)
        self._server = endpoint.url
        self._timeout = _arguments.seconds(timeout, "timeout")
        tls = None
        if endpoint.tls or any(given is not None for given in (ca, cert, key, ssl_context)):
            from flint_limiter import _tls

            tls = _tls.context(endpoint, ca, cert, key, ssl_context)
        self._client = Client(endpoint, _arguments.token(token), self._timeout, tls)
        self._queues = Queues()
        self._outage = Outage(endpoint.url, self._timeout, _arguments.choice(on_error, "on_error", _ON_ERROR))
        most = _arguments.integer(lease, "lease", _MAX_LEASE)
        self._leases: Leases | None = None
        if most > 1:
            from flint_limiter._leases import Leases

            self._leases = Leases(self, self._outage, most)

    @property
    def server(self) -> str:
        """The server's address, as it was given."""
        return self._server

    @property
    def timeout(self) -> float:
        """The timeout of a whole call, in seconds."""
        return self._timeout

    @property
    def degraded_checks(self) -> int:
        """The number of checks that `on_error` has answered in place of the server; a check_all counts once, and
        a batch as many times as it has checks."""
        return self._outage.count

    def _send(self, call: Call[Answer]) -> Answer:
        return call.answer(self._client.send(call.request), self._server)

    async def _asend(self, call: Call[Answer]) -> Answer:
        return call.answer(await self._client.asend(call.request), self._server)

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
        self._send(_calls.limit(key, limit, rate, per, algorithm, burst, windows, align, timezone, override, mode))

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
        call = _calls.limit(key, limit, rate, per, algorithm, burst, windows, align, timezone, override, mode)
        await self._asend(call)

    def check(
        self,
        key: str,
        cost: int = 1,
        *,
        limit: CarriedLimit | None = None,
        dry_run: bool = False,
        request_id: str | None = None,
    ) -> CheckResult:
        leases = self._leases if dry_run is False and request_id is None else None
        if leases is not None and (leased := leases.take(key, cost, limit)) is not None:
            return leased
        call = _calls.check(key, cost, limit, dry_run, request_id)
        if leases is not None and (leased := run(leases.steps(key, cost, limit))) is not None:
            return leased
        try:
            with self._outage.attempt():
                result = self._send(call)
        except FlintError as error:
            return self._without_decision(error, *_arguments.check(key, cost))
        if leases is not None:
            leases.checked(result)
        return result

    async def acheck(
        self,
        key: str,
        cost: int = 1,
        *,
        limit: CarriedLimit | None = None,
        dry_run: bool = False,
        request_id: str | None = None,
    ) -> CheckResult:
        leases = self._leases if dry_run is False and request_id is None else None
        if leases is not None and (leased := leases.take(key, cost, limit)) is not None:
            return leased
        call = _calls.check(key, cost, limit, dry_run, request_id)
        if leases is not None and (leased := await arun(leases.steps(key, cost, limit))) is not None:
            return leased
        try:
            with self._outage.attempt():
                result = await self._asend(call)
        except FlintError as error:
            return self._without_decision(error, *_arguments.check(key, cost))
        if leases is not None:
            leases.checked(result)
        return result

    def check_all(
        self, items: Items, *, dry_run: bool = False, request_id: str | None = None
    ) -> CheckAllResult:
        asked, dry = _limits.items(items), _arguments.flag(dry_run, "dry_run")
        call = _requests.check_all(asked, dry, _arguments.request_id(request_id, dry))
        try:
            with self._outage.attempt():
                return self._send(call)
        except FlintError as error:
            return self._all_without_decision(error, asked)

    async def acheck_all(
        self, items: Items, *, dry_run: bool = False, request_id: str | None = None
    ) -> CheckAllResult:
        asked, dry = _limits.items(items), _arguments.flag(dry_run, "dry_run")
        call = _requests.check_all(asked, dry, _arguments.request_id(request_id, dry))
        try:
            with self._outage.attempt():
                return await self._asend(call)
        except FlintError as error:
            return self._all_without_decision(error, asked)

    def check_batch(self, checks: Checks) -> BatchResults:
        asked = _limits.checks(checks)
        readable = _batch.readable(asked)
        try:
            with self._outage.attempt():
                results = self._send(_requests.check_batch(readable))
        except FlintError as error:
            results = self._each_without_decision(error, readable)
        return _batch.in_order(asked, self._decided(results, readable))

    async def acheck_batch(self, checks: Checks) -> BatchResults:
        asked = _limits.checks(checks)
        readable = _batch.readable(asked)
        try:
            with self._outage.attempt():
                results = await self._asend(_requests.check_batch(readable))
        except FlintError as error:
            results = self._each_without_decision(error, readable)
        return _batch.in_order(asked, self._decided(results, readable))

    def _each_without_decision(self, error: FlintError, checks: list[_arguments.Check]) -> BatchResults:
        allowed = self._outage.without_decision(error, len(checks))
        return [_undecided(*check[:2], allowed) for check in checks]

    def _decided(self, results: BatchResults, checks: list[_arguments.Check]) -> BatchResults:
        """With the answer of `on_error` where a single check failed as the server would, on a full disk."""
        if self._outage.decision == "raise":
            return results
        return [
            self._without_decision(one.error, *check[:2])
            if isinstance(one.error, FlintError) and one.error.undecided
            else one
            for one, check in zip(results, checks)
        ]

    def _without_decision(self, error: FlintError, key: str, cost: int) -> CheckResult:
        return _undecided(key, cost, self._outage.without_decision(error))

    def _all_without_decision(self, error: FlintError, items: list[_arguments.Item]) -> CheckAllResult:
        if self._outage.without_decision(error):
            return {"allowed": True, "denied_key": None, "results": [_undecided(*item[:2], True) for item in items]}
        return {"allowed": False, "denied_key": items[0][0], "results": [_undecided(*items[0][:2], False)]}

    def apply(self, limits: Settings, *, prune: bool = False, dry_run: bool = False) -> LimitChanges:
        return self._send(_calls.apply(limits, prune, dry_run))

    async def aapply(self, limits: Settings, *, prune: bool = False, dry_run: bool = False) -> LimitChanges:
        return await self._asend(_calls.apply(limits, prune, dry_run))

    def charge(
        self, key: str, cost: int, *, limit: CarriedLimit | None = None, request_id: str | None = None
    ) -> CheckResult:
        call = _calls.charge(key, cost, limit, request_id)
        try:
            with self._outage.attempt():
                return self._send(call)
        except FlintError as error:
            return self._without_decision(error, *_arguments.check(key, cost))

    async def acharge(
        self, key: str, cost: int, *, limit: CarriedLimit | None = None, request_id: str | None = None
    ) -> CheckResult:
        call = _calls.charge(key, cost, limit, request_id)
        try:
            with self._outage.attempt():
                return await self._asend(call)
        except FlintError as error:
            return self._without_decision(error, *_arguments.check(key, cost))

    def reserve(
        self,
        items: ReservedItems,
        *,
        ttl: Period,
        on_expiry: OnExpiry = "keep",
        request_id: str | None = None,
    ) -> Reservation:
        asked = _limits.reserve(items, ttl, on_expiry, request_id)
        try:
            with self._outage.attempt():
                return Reservation(self, *self._send(_requests.reserve(*asked)))
        except FlintError as error:
            return Reservation(self, self._all_without_decision(error, asked[0]), None, None)

    async def areserve(
        self,
        items: ReservedItems,
        *,
        ttl: Period,
        on_expiry: OnExpiry = "keep",
        request_id: str | None = None,
    ) -> Reservation:
        asked = _limits.reserve(items, ttl, on_expiry, request_id)
        try:
            with self._outage.attempt():
                return Reservation(self, *(await self._asend(_requests.reserve(*asked))))
        except FlintError as error:
            return Reservation(self, self._all_without_decision(error, asked[0]), None, None)

    def commit(self, reservation: str, costs: Costs | None = None) -> Settled:
        return self._settled(self._send(_calls.commit(reservation, costs)))

    async def acommit(self, reservation: str, costs: Costs | None = None) -> Settled:
        return self._settled(await self._asend(_calls.commit(reservation, costs)))

    def cancel(self, reservation: str) -> Settled:
        return self._settled(self._send(_requests.cancel(_arguments.reservation(reservation))))

    async def acancel(self, reservation: str) -> Settled:
        return self._settled(await self._asend(_requests.cancel(_arguments.reservation(reservation))))

    def renew(self, reservation: str, ttl: Period) -> ReservationStatus:
        return self._send(_calls.renew(reservation, ttl))

    async def arenew(self, reservation: str, ttl: Period) -> ReservationStatus:
        return await self._asend(_calls.renew(reservation, ttl))

    def reservation(self, reservation: str) -> ReservationStatus:
        return self._send(_requests.reservation(_arguments.reservation(reservation)))

    async def areservation(self, reservation: str) -> ReservationStatus:
        return await self._asend(_requests.reservation(_arguments.reservation(reservation)))

    def reset(self, key: str) -> None:
        self._send(_requests.reset(_arguments.key(key)))

    async def areset(self, key: str) -> None:
        await self._asend(_requests.reset(_arguments.key(key)))

    def delete(self, key: str) -> None:
        self._send(_requests.delete(_arguments.key(key)))

    async def adelete(self, key: str) -> None:
        await self._asend(_requests.delete(_arguments.key(key)))

    def reset_prefix(self, prefix: str) -> int:
        return self._send(_requests.reset_prefix(_arguments.nonempty_prefix(prefix)))

    async def areset_prefix(self, prefix: str) -> int:
        return await self._asend(_requests.reset_prefix(_arguments.nonempty_prefix(prefix)))

    def delete_prefix(self, prefix: str) -> int:
        return self._send(_requests.delete_prefix(_arguments.nonempty_prefix(prefix)))

    async def adelete_prefix(self, prefix: str) -> int:
        return await self._asend(_requests.delete_prefix(_arguments.nonempty_prefix(prefix)))

    def status(self, key: str) -> LimitStatus | None:
        call = _requests.status(_arguments.key(key))
        return _requests.none_without_limit(call, self._client.send(call.request), self._server)

    async def astatus(self, key: str) -> LimitStatus | None:
        call = _requests.status(_arguments.key(key))
        return _requests.none_without_limit(call, await self._client.asend(call.request), self._server)

    def list(self, *, prefix: str = "", after: str = "", limit: int | None = None, keys: bool = False) -> Statuses:
        listing = _requests.Listing(*_arguments.page(prefix, after, limit, keys))
        while (page := listing.next_page()) is not None:
            self._send(page)
        return listing.statuses

    async def alist(
        self, *, prefix: str = "", after: str = "", limit: int | None = None, keys: bool = False
    ) -> Statuses:
        listing = _requests.Listing(*_arguments.page(prefix, after, limit, keys))
        while (page := listing.next_page()) is not None:
            await self._asend(page)
        return listing.statuses

    def history(self, key: str, *, limit: int = 100) -> Events:
        return self._send(_requests.history(_arguments.key(key), _arguments.rows(limit)))

    async def ahistory(self, key: str, *, limit: int = 100) -> Events:
        return await self._asend(_requests.history(_arguments.key(key), _arguments.rows(limit)))

    def top(self, *, by: str = "denied", limit: int = 20) -> Statuses:
        return self._send(_calls.top(by, limit))

    async def atop(self, *, by: str = "denied", limit: int = 20) -> Statuses:
        return await self._asend(_calls.top(by, limit))

    def doctor(self) -> DoctorReport:
        return self._send(_requests.doctor())

    async def adoctor(self) -> DoctorReport:
        return await self._asend(_requests.doctor())

    def decisions(self) -> Decisions:
        """`AbstractLimiter.decisions()`; of the server's `/metrics`, which a proxy may not pass on."""
        return self._send(_requests.decisions())

    async def adecisions(self) -> Decisions:
        return await self._asend(_requests.decisions())

    def flush(self) -> None:
        self._send(_requests.flush())

    async def aflush(self) -> None:
        await self._asend(_requests.flush())

    def compact(self) -> None:
        self._send(_requests.compact())

    async def acompact(self) -> None:
        await self._asend(_requests.compact())

    def close(self) -> None:
        """Give back what is leased, and close the connections. Later calls raise StorageError, but a second close does
        nothing."""
        if self._leases is not None:
            self._leases.close()
        self._client.close()
        self._outage.forget()
        self._queues.closed()


def _undecided(key: str, cost: int, allowed: bool) -> CheckResult:
    after_ms = 0 if allowed else _RETRY_UNAVAILABLE_MS
    return CheckResult(key, allowed, cost, 0, 0, datetime.now(timezone.utc), 0, after_ms, "unavailable")
