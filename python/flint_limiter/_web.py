"""What the entry points of the web limit, and what they answer: the same for every framework."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from flint_limiter import _arguments
from flint_limiter._admission import Admission, Decision
from flint_limiter._header_fields import retry_after_s
from flint_limiter._keyed_limit import limits_of_requests
from flint_limiter._steps import Steps, arun, call, run

if TYPE_CHECKING:
    from flint_limiter._checker import Checker
    from flint_limiter._errors import RateLimitExceeded
    from flint_limiter._result import CheckResult

DETAIL = "rate limit exceeded"

_METHOD = re.compile("[!#$%&'*+.^_`|~0-9A-Z-]+")

_PROBLEM: dict[str, Any] = {
    # Both as draft-ietf-httpapi-ratelimit-headers registers them.
    "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
    "title": "Request cannot be satisfied as assigned quota has been exceeded",
    "status": 429,
    "detail": DETAIL,
}


def exceeded(error: RateLimitExceeded) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """The JSON and the fields of a 429 for a function that was denied: see rate_limit."""
    if error.retry_after is None:
        return {"detail": DETAIL}, []
    return {"detail": DETAIL}, [("Retry-After", str(retry_after_s(error.retry_after * 1000)))]


class RequestLimits:
    """What an entry point of the web limits, and what it answers: its options, which are those of RequestOptions."""

    __slots__ = ("_admission", "_methods", "_on_denied", "_problem", "content_type")

    def __init__(
        self,
        limiter: Checker,
        *,
        key: object = None,
        key_func: object = None,
        rate: object = None,
        per: object = None,
        algorithm: object = None,
        burst: object = None,
        cost: object = None,
        policy: object = None,
        limits: object = None,
        exempt_when: Callable[[Any], Any] | None = None,
        methods: Iterable[str] | None = None,
        on_denied: Callable[[Any, CheckResult], Any] | None = None,
        enabled: bool = True,
        problem_json: bool = False,
        deduct_when: Callable[[Any], Any] | None = None,
    ) -> None:
        self._admission = Admission(
            limiter,
            limits_of_requests(
                limits,
                key=key,
                key_func=key_func,
                rate=rate,
                per=per,
                algorithm=algorithm,
                burst=burst,
                cost=cost,
                policy=policy,
            ),
            exempt_when=exempt_when,
            enabled=enabled,
            deduct_when=deduct_when,
        )
        self._methods = None if methods is None else _read_methods(methods)
        if on_denied is not None and not callable(on_denied):
            raise TypeError(f"on_denied must be callable, not {_arguments.type_name(on_denied)}.")
        self._on_denied = on_denied
        self._problem = _arguments.flag(problem_json, "problem_json")
        self.content_type = "application/problem+json" if problem_json else "application/json"

    def holds_for(self, method: str) -> bool:
        return self._methods is None or method in self._methods

    def decide(self, request: Any) -> Decision | None:
        """None if the request is not limited."""
        return self._admission.decide(request)

    async def adecide(self, request: Any) -> Decision | None:
        return await self._admission.adecide(request)

    @property
    def settles(self) -> bool:
        """Whether the response decides if a request counts."""
        return self._admission.settles

    def settle(self, decision: Decision, response: Any) -> Decision:
        """The decision to tell of, once the response is known."""
        return self._admission.settle(decision, response)

    async def asettle(self, decision: Decision, response: Any) -> Decision:
        return await self._admission.asettle(decision, response)

    @property
    def answers_denials(self) -> bool:
        """Whether a function of the program makes the answers to requests that are denied."""
        return self._on_denied is not None

    def denial(self, request: Any, decision: Decision) -> Any:
        """What that function returns."""
        return run(self._denial(request, decision))

    async def adenial(self, request: Any, decision: Decision) -> Any:
        return await arun(self._denial(request, decision))

    def _denial(self, request: Any, decision: Decision) -> Steps[Any]:
        assert self._on_denied is not None
        answer = yield from call(self._on_denied, "on_denied", (request, decision.deciding.result), {})
        return answer

    def body(self, decision: Decision) -> bytes:
        """Of the answer to a request that was denied, without such a function."""
        if self._problem:
            document = {**_PROBLEM, "violated-policies": [decision.deciding.policy]}
        else:
            document = {"detail": DETAIL}
        return json.dumps(document, separators=(",", ":")).encode()


class ResponseStart:
    """What `deduct_when` sees of a response that is no object of a framework."""

    __slots__ = ("headers", "status_code")

    def __init__(self, status_code: int, headers: Any) -> None:
        self.status_code = status_code
        #: By name, in upper or lower case.
        self.headers = headers


def strange_denial(answer: object, wanted: str) -> TypeError:
    return TypeError(f"the answer of on_denied must be {wanted}, not {_arguments.type_name(answer)}.")


def _read_methods(methods: Iterable[str]) -> frozenset[str]:
    if isinstance(methods, (str, bytes)) or not isinstance(methods, Iterable):
        raise TypeError(f"methods must be a list of HTTP methods, not {_arguments.type_name(methods)}.")
    checked = {_arguments.text(method, f"methods[{index}]").upper() for index, method in enumerate(methods)}
    if not checked or not all(_METHOD.fullmatch(method) for method in checked):
        raise ValueError("methods must be one or more HTTP methods, such as 'POST'.")
    # Frameworks answer HEAD by the function for GET.
    return frozenset(checked | {"HEAD"} if "GET" in checked else checked)


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
