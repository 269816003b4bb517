"""One limit of requests or calls: what its key is, which limit each check carries, and how many units it asks for.

Each of the three is a value, or a function that makes one of the request (or of the call's arguments).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from flint_limiter import _arguments, _limits
from flint_limiter._keys import fixed_key, valid_key
from flint_limiter._steps import Steps, call

if TYPE_CHECKING:
    from collections.abc import Callable

    from flint_limiter._arguments import Item, Limit


class KeyedLimit:
    """Immutable. The names of the arguments are those of the entry point, for errors."""

    __slots__ = ("_cost", "_key", "_limit", "_names", "policy")

    def __init__(
        self,
        key: str | Callable[..., Any],
        limit: Limit | Callable[..., Any] | None,
        cost: int | Callable[..., Any],
        *,
        policy: str = "default",
        names: tuple[str, str, str] = ("key", "limit", "cost"),
    ) -> None:
        """`limit` is None when the limits are configured elsewhere."""
        key_name, _, cost_name = self._names = names
        self._key = key if callable(key) else fixed_key(key, key_name)
        self._limit = limit
        self._cost = cost
        if not callable(cost):
            units = _arguments.units(cost, cost_name)
            if limit is not None and not callable(limit) and units > limit.capacity:
                raise ValueError(f"{cost_name} {units} is above the capacity, {limit.capacity}: it could never pass.")
        #: The name of the limit in the header fields of responses.
        self.policy = policy

    def item(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Steps[Item | None]:
        """What to check; None if a function returned None, and so this limit does not hold."""
        key_name, limit_name, cost_name = self._names
        key, limit, cost = self._key, self._limit, self._cost
        if callable(key):
            key = yield from call(key, key_name, args, kwargs)
            if key is None:
                return None
            if not isinstance(key, str):
                raise TypeError(f"the answer of {key_name} must be a str or None, not {_arguments.type_name(key)}.")
            key = valid_key(key)
        if callable(limit):
            limit = yield from call(limit, limit_name, args, kwargs)
            if limit is None:
                return None
            limit = _limits.carried(limit, f"the answer of {limit_name}")
        if callable(cost):
            cost = yield from call(cost, cost_name, args, kwargs)
            if cost is None:
                return None
            cost = _arguments.units(cost, f"the answer of {cost_name}")
        return key, cost, limit
