"""The header fields that tell of a decision, as draft-ietf-httpapi-ratelimit-headers-10 defines them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING

from flint_limiter import _arguments
from flint_limiter._admission import Decision, Outcome

if TYPE_CHECKING:
    from flint_limiter._arguments import Limit
    from flint_limiter._result import CheckResult
    from flint_limiter._types import WindowStatus

Fields = list[tuple[str, str]]

#: These list all limits, also those of several middlewares. Every other field has one value: if the answer has it, from
#: an inner limit or from the program, that stays.
LISTS = ("RateLimit", "RateLimit-Policy")


def fields_of(decision: Decision) -> Fields:
    """Times are in seconds, rounded up. None for what can never pass, since there is no time to name, and for limits in
    mode shadow, since a client need not keep to them."""
    decision = Decision([outcome for outcome in decision.outcomes if outcome.is_enforced])
    if not decision.outcomes or decision.deciding.never_passes:
        return []
    deciding = decision.deciding
    fields: Fields = []
    if not decision.allowed:
        fields.append(("Retry-After", str(retry_after_s(deciding.retry_after_ms or 0))))
    # Of the others it is not known what is left.
    known = [outcome for outcome in decision.outcomes if not outcome.result.degraded]
    if known:
        fields.append(("RateLimit", ", ".join(map(_left, known))))
        fields.append(("RateLimit-Policy", ", ".join(map(_policy, known))))
    result = deciding.result
    if not result.degraded:
        fields += (
            ("X-RateLimit-Limit", str(result.limit)),
            ("X-RateLimit-Remaining", str(result.remaining)),
            ("X-RateLimit-Reset", str(math.ceil(result.reset_at.timestamp()))),
        )
    return fields


def headers(result: CheckResult, *, policy: str = "default") -> dict[str, str]:
    """Return the header fields that tell an HTTP client of `result`: `RateLimit` and `RateLimit-Policy`, as
    draft-ietf-httpapi-ratelimit-headers-10 defines them, and for a denial `Retry-After`.

    `policy` is the name of the limit in the first two: one or more printable ASCII characters. Times are in seconds,
    rounded up; `Retry-After` is at least 1. A result that is `degraded` says nothing of what is left, so only
    `Retry-After` can be there.
    """
    fields = fields_of(Decision([Outcome(result, _arguments.policy(policy), None)]))
    return {name: value for name, value in fields if not name.startswith("X-")}


def retry_after_s(retry_after_ms: float) -> int:
    return max(1, math.ceil(retry_after_ms / 1000))


def _left(outcome: Outcome) -> str:
    result = outcome.result
    if result.windows:
        return ", ".join(_left_of_window(name, window) for name, window in _named(outcome.policy, result.windows))
    reset_s = -(-result.reset_after_ms // 1000)
    if not result.allowed:
        reset_s = max(reset_s, retry_after_s(outcome.retry_after_ms or 0))
    return f"{_quoted(outcome.policy)};r={result.remaining};t={reset_s}"


def _named(policy: str, windows: Sequence[WindowStatus]) -> Iterator[tuple[str, WindowStatus]]:
    """Each window of a limit that has several is a policy: `default-1` and so on."""
    return ((_quoted(f"{policy}-{number}"), window) for number, window in enumerate(windows, start=1))


def _left_of_window(name: str, window: WindowStatus) -> str:
    reset_s = -(-max(window["reset_after_ms"], window["retry_after_ms"]) // 1000)
    return f"{name};r={window['remaining']};t={reset_s}"


def _policy(outcome: Outcome) -> str:
    result, limit = outcome.result, outcome.limit
    if result.windows:
        named = _named(outcome.policy, result.windows)
        return ", ".join(_policy_of_window(name, window["rate"], window["per_millis"]) for name, window in named)
    if limit is not None and _holds(limit, result):
        return _policy_of_limit(outcome.policy, limit)
    return f"{_quoted(outcome.policy)};q={result.limit}"


def _holds(limit: Limit, result: CheckResult) -> bool:
    """Whether the result is of the limit that the check carried, rather than of one that an operator has set."""
    return limit.capacity == result.limit and limit.algorithm == result.algorithm


@lru_cache(maxsize=1024)
def _policy_of_limit(name: str, limit: Limit) -> str:
    return _policy_of_window(_quoted(name), limit.rate, limit.per_millis)


def _policy_of_window(name: str, rate: int, per_millis: int | None) -> str:
    """Of a calendar window, whose length is not always the same, the period is left out."""
    seconds, rest = divmod(per_millis or 0, 1000)
    # A period is told in whole seconds or not at all.
    return f"{name};q={rate}" + (f";w={seconds}" if seconds and not rest else "")


@lru_cache(maxsize=1024)
def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
