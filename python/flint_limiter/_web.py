"""What a middleware limits by, and what HTTP is told of a decision: the same for ASGI and WSGI."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flint_limiter import _arguments
from flint_limiter._admission import Admission, Decision
from flint_limiter._header_fields import policy_name, retry_after_s
from flint_limiter._keyed_limit import KeyedLimit
from flint_limiter._limits import limit_of_requests
from flint_limiter._steps import function

if TYPE_CHECKING:
    from flint_limiter._checker import Checker
    from flint_limiter._errors import RateLimitExceeded
    from flint_limiter._types import Algorithm, Period

DETAIL = "rate limit exceeded"

_PROBLEM: dict[str, Any] = {
    # Both as draft-ietf-httpapi-ratelimit-headers registers them.
    "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
    "title": "Request cannot be satisfied as assigned quota has been exceeded",
    "status": 429,
    "detail": DETAIL,
}


def exceeded(error: RateLimitExceeded) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The JSON and the fields of a 429 for a function that was denied: see rate_limit."""
    return {"detail": DETAIL}, [("Retry-After", str(retry_after_s(error.retry_after * 1000)))]


class Rule:
    """A limit for requests. `key` is the key of all of them; `key_func` makes one of each (None: not limited)."""

    __slots__ = ("_admission", "_problem", "content_type")

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
        if key is not None and callable(key):
            raise TypeError("key must be a str: a function is for key_func.")
        keyed = KeyedLimit(
            function(key_func, "key_func") if key is None else key,
            limit_of_requests(rate, per, algorithm, burst),
            cost,
            policy=policy_name(policy),
            names=("key" if key_func is None else "key_func", "rate", "cost"),
        )
        self._admission = Admission(limiter, [keyed])
        self._problem = problem_json
        self.content_type = "application/problem+json" if problem_json else "application/json"

    def decide(self, request: Any) -> Decision | None:
        """None if the request is not limited."""
        return self._admission.decide(request)

    async def adecide(self, request: Any) -> Decision | None:
        return await self._admission.adecide(request)

    def body(self, decision: Decision) -> bytes:
        """Of the answer to a request that was denied."""
        if self._problem:
            document = {**_PROBLEM, "violated-policies": [decision.deciding.policy]}
        else:
            document = {"detail": DETAIL}
        return json.dumps(document, separators=(",", ":")).encode()


def is_preflight(method: str, origin: object, requested_method: object) -> bool:
    """Whether a browser asks, before a request to another site, if it may send it: that is not the page's request."""
    return method == "OPTIONS" and bool(origin) and bool(requested_method)


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
