"""Whether a request or a call may pass by all of its limits: one decision, which consumes from each of them or from
none. The one core of the decorator, the middlewares, the dependencies and the decorators of views.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from flint_limiter import _arguments, _log
from flint_limiter._errors import FlintError
from flint_limiter._result import CheckResult
from flint_limiter._steps import Ask, Steps, arun, call, run

if TYPE_CHECKING:
    from flint_limiter._arguments import Item, Limit
    from flint_limiter._checker import Checker
    from flint_limiter._keyed_limit import KeyedLimit
    from flint_limiter._reservation import Reservation

# Of a request whose response says whether it counts. One that takes longer counts, unless its response comes within the
# ten minutes for which an expired reservation is known.
_TTL = "1m"


class Outcome(NamedTuple):
    """What one limit says of a request."""

    result: CheckResult
    #: The name of the limit.
    policy: str
    #: The limit that the check carried; None if it is configured elsewhere.
    limit: Limit | None

    @property
    def never_passes(self) -> bool:
        """Whether there is no time at which it could pass: the cost is above the capacity, or the key is blocked."""
        result = self.result
        capacity = min((window["limit"] for window in result.windows), default=result.limit)
        return result.retry_after_ms is None or (result.cost > capacity and not result.degraded)

    @property
    def retry_after_ms(self) -> int | None:
        """None if it never passes."""
        return None if self.never_passes else self.result.retry_after_ms

    @property
    def is_enforced(self) -> bool:
        return self.result.would_deny is None


class Decision(NamedTuple):
    """What all limits say of a request, in their order, up to and including the one that denied."""

    outcomes: Sequence[Outcome]
    #: With `deduct_when`: what is charged until the response is known.
    reservation: Reservation | None = None

    @property
    def allowed(self) -> bool:
        return self.outcomes[-1].result.allowed

    @property
    def deciding(self) -> Outcome:
        """The one that denied, else the one with the least left."""
        if not self.allowed:
            return self.outcomes[-1]
        return min(self.outcomes, key=lambda outcome: outcome.result.remaining)


class Admission:
    """The limits of requests or calls. Threads: any."""

    __slots__ = ("_deduct_when", "_enabled", "_exempt_when", "_limiter", "_limits")

    def __init__(
        self,
        limiter: Checker,
        limits: Sequence[KeyedLimit],
        *,
        exempt_when: Callable[..., Any] | None = None,
        enabled: bool = True,
        deduct_when: Callable[..., Any] | None = None,
    ) -> None:
        self._limiter = limiter
        self._limits = limits
        if exempt_when is not None and not callable(exempt_when):
            raise TypeError(f"exempt_when must be callable, not {_arguments.type_name(exempt_when)}.")
        self._exempt_when = exempt_when
        self._enabled = _arguments.flag(enabled, "enabled")
        if deduct_when is not None and not callable(deduct_when):
            raise TypeError(f"deduct_when must be callable, not {_arguments.type_name(deduct_when)}.")
        self._deduct_when = deduct_when

    def decide(self, /, *args: Any, **kwargs: Any) -> Decision | None:
        """The decision about what the functions of the limits take as arguments; None if no limit holds."""
        return run(self._decision(args, kwargs))

    async def adecide(self, /, *args: Any, **kwargs: Any) -> Decision | None:
        return await arun(self._decision(args, kwargs))

    @property
    def settles(self) -> bool:
        """Whether the response decides if a request counts."""
        return self._deduct_when is not None

    def settle(self, decision: Decision, response: Any) -> Decision:
        """The decision as it is once the response is known, and the units are deducted or given back: without a
        reservation."""
        return decision if decision.reservation is None else run(self._settled(decision, response))

    async def asettle(self, decision: Decision, response: Any) -> Decision:
        return decision if decision.reservation is None else await arun(self._settled(decision, response))

    def _settled(self, decision: Decision, response: Any) -> Steps[Decision]:
        held = decision.reservation
        if held is None or not held.allowed:
            return decision
        assert self._deduct_when is not None
        counts = yield from call(self._deduct_when, "deduct_when", (response,), {})
        if _arguments.flag(counts, "the answer of deduct_when"):
            yield from self._kept(held)
            return Decision(decision.outcomes)
        try:
            results = yield Ask(held, "cancel")
        except FlintError as error:
            _log.warning("A request that does not count stays charged (%s).", error)
            return Decision(decision.outcomes)
        outcomes = [
            Outcome(result, before.policy, before.limit) for before, result in zip(decision.outcomes, results)
        ]
        return Decision(outcomes)

    def _kept(self, held: Reservation) -> Steps[None]:
        try:
            yield Ask(held, "commit")
        except FlintError as error:
            _log.warning("A request that counts is charged, but its reservation is held on (%s).", error)

    def _decision(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Steps[Decision | None]:
        if not self._enabled:
            return None
        if self._exempt_when is not None:
            exempt = yield from call(self._exempt_when, "exempt_when", args, kwargs)
            if _arguments.flag(exempt, "the answer of exempt_when"):
                return None
        asked: list[tuple[KeyedLimit, Item]] = []
        for limit in self._limits:
            item = yield from limit.item(args, kwargs)
            if item is not None:
                asked.append((limit, item))
        if not asked:
            return None
        _refuse_same_keys(asked)
        items = [item for _, item in asked]
        held: Reservation | None = None
        try:
            if self.settles:
                held = yield from self._reserved(items)
                results = held.results
            else:
                results = yield from self._checked(items)
        except ValueError as error:
            results = yield from self._never_passing(items, error)
        outcomes = [Outcome(result, limit.policy, item[2]) for result, (limit, item) in zip(results, asked)]
        return Decision(outcomes, held)

    def _checked(self, items: Sequence[Item]) -> Steps[Sequence[CheckResult]]:
        if len(items) == 1:
            ((key, cost, limit),) = items
            return [(yield Ask(self._limiter, "check", key, cost, limit=limit))]
        results: list[CheckResult] = (yield Ask(self._limiter, "check_all", _in_dicts(items)))["results"]
        return results

    def _reserved(self, items: Sequence[Item]) -> Steps[Reservation]:
        held: Reservation = yield Ask(self._limiter, "reserve", _in_dicts(items), ttl=_TTL)
        return held

    def _never_passing(self, items: Sequence[Item], error: ValueError) -> Steps[Sequence[CheckResult]]:
        """The denial of a cost above the capacity: that a request is large, or an operator has lowered the limit, is no
        reason for the request to fail. Raises `error` if it is about something else."""
        results: list[CheckResult] = []
        for key, cost, limit in items:
            # What a check of the least cost would be told.
            peeked = yield Ask(self._limiter, "check", key, limit=limit, dry_run=True)
            is_enforced = peeked.would_deny is None and not peeked.degraded
            if peeked.retry_after_ms is None or (cost > peeked.limit and is_enforced):
                return [*results, _denial(peeked, cost)]
            results.append(peeked)
        raise error


def _in_dicts(items: Sequence[Item]) -> list[dict[str, Any]]:
    return [{"key": key, "cost": cost, "limit": limit} for key, cost, limit in items]


def _refuse_same_keys(asked: Sequence[tuple[KeyedLimit, Item]]) -> None:
    """One decision is about distinct keys."""
    seen: dict[str, KeyedLimit] = {}
    for limit, (key, _, _) in asked:
        if (other := seen.setdefault(key, limit)) is not limit:
            raise ValueError(
                f"{limit.key_name} and {other.key_name} gave one request the same key: begin the keys of each limit "
                "with a prefix of its own."
            )


def _denial(peeked: CheckResult, cost: int) -> CheckResult:
    remaining = peeked.remaining + peeked.cost if peeked.allowed else peeked.remaining
    retry_after_ms = None if peeked.retry_after_ms is None else 0
    return CheckResult(
        peeked.key, False, cost, peeked.limit, remaining, peeked.reset_at, 0, retry_after_ms, peeked.algorithm
    )
