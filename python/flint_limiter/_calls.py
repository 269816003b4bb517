"""What a SharedLimiter's callers give, as calls: the arguments are read before anything is sent."""

from __future__ import annotations

from flint_limiter import _arguments, _limits, _requests, _settings
from flint_limiter._requests import Call
from flint_limiter._result import CheckResult
from flint_limiter._types import LimitChanges, ReservationStatus, Settled, Statuses


def limit(
    key: object,
    limit: object,
    rate: object,
    per: object,
    algorithm: object,
    burst: object,
    windows: object,
    align: object,
    timezone: object,
    override: object,
    mode: object,
) -> Call[None]:
    name, rule = _arguments.key(key), _limits.limit(limit, rate, per, algorithm, burst, windows, align, timezone)
    return _requests.limit(name, rule, _arguments.flag(override, "override"), _arguments.mode(mode))


def check(key: object, cost: object, limit: object, dry_run: object, request_id: object) -> Call[CheckResult]:
    if limit is None and dry_run is False and request_id is None:
        return _requests.check(*_arguments.check(key, cost))
    carried, dry = _limits.carried(limit), _arguments.flag(dry_run, "dry_run")
    return _requests.check(*_arguments.check(key, cost), carried, dry, _arguments.request_id(request_id, dry))


def apply(limits: object, prune: object, dry_run: object) -> Call[LimitChanges]:
    asked = _settings.given(limits)
    return _requests.apply(asked, _arguments.flag(prune, "prune"), _arguments.flag(dry_run, "dry_run"))


def charge(key: object, cost: object, limit: object, request_id: object) -> Call[CheckResult]:
    name, units = _arguments.check(key, cost)
    return _requests.charge(name, units, _limits.carried(limit), _arguments.request_id(request_id, False))


def commit(reservation: object, costs: object) -> Call[Settled]:
    return _requests.commit(_arguments.reservation(reservation), _arguments.costs(costs))


def renew(reservation: object, ttl: object) -> Call[ReservationStatus]:
    return _requests.renew(_arguments.reservation(reservation), _arguments.period(ttl, "ttl"))


def top(by: str, limit: int) -> Call[Statuses]:
    return _requests.top(_arguments.choice(by, "by", ("denied", "allowed")), _arguments.rows(limit))
