"""The types of what the entry points of the web take. For type checkers: nothing imports this at run time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Generic, TypedDict, TypeVar, Union

from flint_limiter._result import CheckResult
from flint_limiter._types import Algorithm, CarriedLimit, Period

Request = TypeVar("Request")
Value = TypeVar("Value")

_OrAwaitable = Union[Value, Awaitable[Value]]
#: A function of a request; a coroutine function only where the framework has an event loop.
Of = Callable[[Request], _OrAwaitable[Union[Value, None]]]


class RequestLimit(TypedDict, Generic[Request], total=False):
    """One limit of requests; an entry of `limits`."""

    #: One key for all requests; or
    key: str | None
    #: a function of the request that returns its key. None: the limit does not hold for this request.
    key_func: Of[Request, str] | None
    #: A rate string; a dict; a number of units, with `per`; or a function of the request that returns one of the first
    #: two. None, and no function: the limits are configured elsewhere.
    rate: Union[int, CarriedLimit, Of[Request, CarriedLimit], None]
    per: Period | None
    algorithm: Algorithm | None
    burst: int | None
    #: Units, or a function of the request that returns them.
    cost: Union[int, Of[Request, int]]
    #: The name of the limit in `RateLimit`.
    policy: str | None


class MessageOptions(RequestLimit[Request], total=False):
    """What limits the messages of a websocket."""

    #: Several limits, of which a request needs all: one decision.
    limits: Iterable[Mapping[str, Any]] | None
    #: A request for which this returns True is not limited.
    exempt_when: Callable[[Request], _OrAwaitable[bool]] | None
    #: False: nothing is limited, and the limiter is not asked.
    enabled: bool


class RequestOptions(MessageOptions[Request], total=False):
    """What limits the requests of an entry point."""

    #: The methods whose requests are limited, HEAD with GET; None: all.
    methods: Iterable[str] | None
    #: Makes the answer to a request that is denied.
    on_denied: Callable[[Request, CheckResult], Any] | None
    #: A function of the response: a request for which it returns False is not counted.
    deduct_when: Callable[[Any], _OrAwaitable[bool]] | None
