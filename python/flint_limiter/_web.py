"""What a middleware limits by, and what HTTP is told of a decision: the same for ASGI and WSGI."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flint_limiter import _arguments
from flint_limiter._admission import Admission
from flint_limiter._keys import fixed_key
from flint_limiter._limits import limit_of_requests
from flint_limiter._result import CheckResult

if TYPE_CHECKING:
    from flint_limiter._checker import Checker
    from flint_limiter._errors import RateLimitExceeded
    from flint_limiter._types import Algorithm, Period

DETAIL = "rate limit exceeded"

_PROBLEM = {
    # Both as draft-ietf-httpapi-ratelimit-headers registers them.
    "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
    "title": "Request cannot be satisfied as assigned quota has been exceeded",
    "status": 429,
    "detail": DETAIL,
}


def exceeded(error: RateLimitExceeded) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The JSON and the fields of a 429 for a function that was denied: see rate_limit."""
    return {"detail": DETAIL}, [("Retry-After", str(max(1, math.ceil(error.retry_after))))]


class Rule:
    """A limit for requests. `key` is the key of all of them; `key_func` makes one of each (None: not limited)."""

    __slots__ = ("_policy_field", "_policy_name", "admission", "body", "content_type", "cost", "key")

    def __init__(
        self,
        limiter: Checker,
        *,
        key: str | None,
        key_func: Callable[[Any], Any] | None,
        rate: int | str | None,
        per: Period | None,
        algorithm: Algorithm | None,
        burst: int | None,
        cost: int | Callable[[Any], Any],
        policy: str,
        problem_json: bool = False,
    ) -> None:
        if (key is None) == (key_func is None):
            raise TypeError("give either key, for one limit of all requests, or key_func, which makes a key of each.")
        if key_func is not None and not callable(key_func):
            raise TypeError(f"key_func must be callable, not {_arguments.type_name(key_func)}.")
        #: A key, or what makes one of a request.
        self.key: str | Callable[[Any], Any] = key_func or fixed_key(key)
        limit = limit_of_requests(rate, per, algorithm, burst)
        self.admission = Admission(limiter, limit)
        capacity = None if limit is None else limit.capacity
        if not callable(cost) and _arguments.units(cost, "cost") > (capacity or cost):
            raise ValueError(f"cost {cost} is above the capacity, {capacity}: it could never pass.")
        #: Units, or what makes them of a request.
        self.cost = cost

        name = _arguments.text(policy, "policy")
        if not name or not name.isascii() or not name.isprintable():
            raise ValueError("policy must be one or more printable ASCII characters.")
        quoted = name.replace("\\", "\\\\").replace('"', '\\"')
        self._policy_name = f'"{quoted}"'
        #: None when the limits are configured elsewhere.
        self._policy_field: str | None = None
        if limit is not None:
            seconds, rest = divmod(limit.per_millis, 1000)
            # A window is told in whole seconds or not at all.
            self._policy_field = f"{self._policy_name};q={limit.rate}" + ("" if rest else f";w={seconds}")

        problem = {**_PROBLEM, "violated-policies": [name]}
        self.content_type = "application/problem+json" if problem_json else "application/json"
        self.body = json.dumps(problem if problem_json else {"detail": DETAIL}, separators=(",", ":")).encode()

    def check(self, key: str, cost: int) -> CheckResult:
        try:
            return self.admission.check(key, cost)
        except ValueError as error:
            return _never_passes(cost, self.admission.peek(key), error)

    async def acheck(self, key: str, cost: int) -> CheckResult:
        try:
            return await self.admission.acheck(key, cost)
        except ValueError as error:
            return _never_passes(cost, await self.admission.apeek(key), error)

    def fields(self, result: CheckResult) -> list[tuple[str, str]]:
        """The header fields of a response. Times are in seconds, rounded up."""
        fields: list[tuple[str, str]] = []
        if result.cost > result.limit and not result.degraded:
            return fields  # it can never pass, so there is no time to name
        reset_s = -(-result.reset_after_ms // 1000)
        if not result.allowed:
            retry_s = max(1, -(-result.retry_after_ms // 1000))
            reset_s = max(reset_s, retry_s)
            fields.append(("Retry-After", str(retry_s)))
        if not result.degraded:  # else it is not known what is left
            fields += (
                ("RateLimit", f"{self._policy_name};r={result.remaining};t={reset_s}"),
                ("RateLimit-Policy", self._policy_field or f"{self._policy_name};q={result.limit}"),
                ("X-RateLimit-Limit", str(result.limit)),
                ("X-RateLimit-Remaining", str(result.remaining)),
                ("X-RateLimit-Reset", str(math.ceil(result.reset_at.timestamp()))),
            )
        return fields


def is_preflight(method: str, origin: object, requested_method: object) -> bool:
    """Whether a browser asks, before a request to another site, if it may send it: that is not the page's request."""
    return method == "OPTIONS" and bool(origin) and bool(requested_method)


def _never_passes(cost: int, peeked: CheckResult, error: ValueError) -> CheckResult:
    """The denial of a cost above the capacity: that a request is large, or an operator has lowered the limit, is no
    reason for the request to fail. Raises `error` if it is about something else."""
    if peeked.degraded or cost <= peeked.limit:
        raise error
    remaining = peeked.remaining + peeked.cost if peeked.allowed else peeked.remaining
    return CheckResult(peeked.key, False, cost, peeked.limit, remaining, peeked.reset_at, 0, 0, peeked.algorithm)


class Paths:
    """Paths, each as it is or, with `/*` at its end, all that begin with what stands before the `*`.

    Those with a segment `..` are never among the latter: what resolves it finds something that stands elsewhere.
    """

    __slots__ = ("_exact", "_prefixes")

    def __init__(self, paths: Iterable[str], name: str) -> None:
        if isinstance(paths, (str, bytes)) or not isinstance(paths, Iterable):
            raise TypeError(f"{name} must be a list of paths, not {_arguments.type_name(paths)}.")
        checked = [_arguments.text(path, f"{name}[{index}]") for index, path in enumerate(paths)]
        for index, path in enumerate(checked):
            if not path.startswith("/") or "*" in path.removesuffix("/*"):
                raise ValueError(f"{name}[{index}] must begin with '/', with no '*' but a '/*' at its end.")
        self._exact = frozenset(path for path in checked if not path.endswith("/*"))
        self._prefixes = tuple(path[:-1] for path in checked if path.endswith("/*"))

    def __contains__(self, path: str) -> bool:
        return path in self._exact or (path.startswith(self._prefixes) and ".." not in path.split("/"))
