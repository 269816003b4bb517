"""The header fields that tell of a decision, as draft-ietf-httpapi-ratelimit-headers-10 defines them."""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

from flint_limiter import _arguments

if TYPE_CHECKING:
    from flint_limiter._admission import Decision, Outcome
    from flint_limiter._arguments import Limit
    from flint_limiter._result import CheckResult

Fields = list[tuple[str, str]]


def policy_name(value: object, name: str = "policy") -> str:
    checked = _arguments.text(value, name)
    if not checked or not checked.isascii() or not checked.isprintable():
        raise ValueError(f"{name} must be one or more printable ASCII characters.")
    return checked


def fields_of(decision: Decision) -> Fields:
    """Times are in seconds, rounded up. None for what can never pass, since there is no time to name."""
    deciding = decision.deciding
    if deciding.never_passes:
        return []
    fields: Fields = []
    if not decision.allowed:
        fields.append(("Retry-After", str(retry_after_s(deciding.result.retry_after_ms))))
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


def retry_after_s(retry_after_ms: float) -> int:
    return max(1, math.ceil(retry_after_ms / 1000))


def _left(outcome: Outcome) -> str:
    result = outcome.result
    reset_s = -(-result.reset_after_ms // 1000)
    if not result.allowed:
        reset_s = max(reset_s, retry_after_s(result.retry_after_ms))
    return f"{_quoted(outcome.policy)};r={result.remaining};t={reset_s}"


def _policy(outcome: Outcome) -> str:
    result, limit = outcome.result, outcome.limit
    if limit is not None and _holds(limit, result):
        return _policy_of_limit(outcome.policy, limit)
    return f"{_quoted(outcome.policy)};q={result.limit}"


def _holds(limit: Limit, result: CheckResult) -> bool:
    """Whether the result is of the limit that the check carried, rather than of one that an operator has set."""
    return limit.capacity == result.limit and limit.algorithm == result.algorithm


@lru_cache(maxsize=1024)
def _policy_of_limit(name: str, limit: Limit) -> str:
    seconds, rest = divmod(limit.per_millis, 1000)
    # A window is told in whole seconds or not at all.
    return f"{_quoted(name)};q={limit.rate}" + ("" if rest else f";w={seconds}")


@lru_cache(maxsize=1024)
def _quoted(name: str) -> str:
    escaped = name.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
