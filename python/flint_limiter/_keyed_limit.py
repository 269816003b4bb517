"""One limit of requests or calls: what its key is, which limit each check carries, and how many units it asks for.

Each of the three is a value, or a function that makes one of the request (or of the call's arguments).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import islice
from typing import TYPE_CHECKING, Any

from flint_limiter import _arguments, _limits
from flint_limiter._keys import fixed_key, valid_key
from flint_limiter._steps import Steps, call

if TYPE_CHECKING:
    from flint_limiter._arguments import Item, Limit


class KeyedLimit:
    """Immutable. The names of the arguments are those of the entry point, for errors."""

    __slots__ = ("_cost", "_key", "_limit", "key_name", "_limit_name", "_cost_name", "policy")

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
        self.key_name, self._limit_name, self._cost_name = names
        self._key = key if callable(key) else fixed_key(key, self.key_name)
        self._limit = limit
        self._cost = cost
        if not callable(cost):
            units = _arguments.units(cost, self._cost_name)
            if limit is not None and not callable(limit) and units > limit.capacity:
                raise ValueError(
                    f"{self._cost_name} {units} is above the capacity, {limit.capacity}: it could never pass."
                )
        #: The name of the limit in the header fields of responses.
        self.policy = policy

    def item(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Steps[Item | None]:
        """What to check; None if a function returned None, so that this limit does not hold."""
        key, limit, cost = self._key, self._limit, self._cost
        if callable(key):
            key = yield from call(key, self.key_name, args, kwargs)
            if key is None:
                return None
            if not isinstance(key, str):
                found = _arguments.type_name(key)
                raise TypeError(f"the answer of {self.key_name} must be a str or None, not {found}.")
            key = valid_key(key)
        if callable(limit):
            limit = yield from call(limit, self._limit_name, args, kwargs)
            if limit is None:
                return None
            limit = _limits.carried(limit, f"the answer of {self._limit_name}")
        if callable(cost):
            cost = yield from call(cost, self._cost_name, args, kwargs)
            if cost is None:
                return None
            cost = _arguments.units(cost, f"the answer of {self._cost_name}")
        return key, cost, limit


def limits_of_requests(limits: object, **alone: object) -> list[KeyedLimit]:
    """Of the web: `limits`, each a dict of the members that one limit has; or, without them, the one limit whose
    members are the arguments `alone`, each None if it was not given."""
    return _keyed_limits(limits, alone, _limit_of_requests)


def limits_of_calls(limits: object, **alone: object) -> list[KeyedLimit]:
    """Of rate_limit(), likewise."""
    return _keyed_limits(limits, alone, _limit_of_calls)


_Read = Callable[[dict[str, Any], str, str], KeyedLimit]


def _keyed_limits(limits: object, alone: Mapping[str, object], read: _Read) -> list[KeyedLimit]:
    given = _given(alone)
    if limits is None:
        return [read(given, "", "default")]
    if given:
        raise TypeError(f"limits takes the place of {', '.join(alone)}: leave out {', '.join(given)}, or limits.")
    if isinstance(limits, (str, bytes, Mapping)) or not isinstance(limits, Iterable):
        raise TypeError(f"limits must be a list of dicts, not {_arguments.type_name(limits)}.")
    entries = list(islice(limits, _arguments.MAX_ITEMS + 1))
    if not 1 <= len(entries) <= _arguments.MAX_ITEMS:
        found = "more" if entries else "none"
        raise ValueError(f"limits must contain 1 to {_arguments.MAX_ITEMS} limits, not {found}.")
    keyed: list[KeyedLimit] = []
    for index, entry in enumerate(entries):
        within = f"limits[{index}]"
        if not isinstance(entry, Mapping):
            raise TypeError(f"{within} must be a dict, not {_arguments.type_name(entry)}.")
        if odd := [str(name) for name in entry if name not in alone]:
            raise ValueError(f"{within} must have no members but {', '.join(alone)}: leave out {', '.join(odd)}.")
        limit = read(_given(entry), f"{within}.", f"limit-{index + 1}")
        if any(limit.policy == other.policy for other in keyed):
            raise ValueError(f"{within}.policy must be another name than those of the limits before it.")
        keyed.append(limit)
    return keyed


def _given(members: Mapping[str, object]) -> dict[str, Any]:
    return {name: value for name, value in members.items() if value is not None}


# `within` is put before the names in errors, and `policy` is the name of a limit that has none.


def _limit_of_requests(members: dict[str, Any], within: str, policy: str) -> KeyedLimit:
    if ("key" in members) == ("key_func" in members):
        raise TypeError(
            f"give either {within}key, for one limit of all requests, or {within}key_func, which makes a key of each."
        )
    name = "key" if "key" in members else "key_func"
    if name == "key" and callable(members[name]):
        raise TypeError(f"{within}key must be a str: give a function as {within}key_func.")
    if name == "key_func" and not callable(members[name]):
        raise TypeError(f"{within}key_func must be callable, not {_arguments.type_name(members[name])}.")
    part = members.get
    return KeyedLimit(
        members[name],
        _limits.limit_of_requests(part("rate"), part("per"), part("algorithm"), part("burst"), within),
        members.get("cost", 1),
        policy=_arguments.policy(members.get("policy", policy), f"{within}policy"),
        names=(f"{within}{name}", f"{within}rate", f"{within}cost"),
    )


def _limit_of_calls(members: dict[str, Any], within: str, policy: str) -> KeyedLimit:
    if "key" not in members:
        raise TypeError(f"{within}key must be given: a str, or a function of the call's arguments.")
    part = members.get
    name = "limit" if "limit" in members else "rate"
    return KeyedLimit(
        members["key"],
        _limits.limit_of_calls(part("limit"), part("rate"), part("per"), part("algorithm"), part("burst"), within),
        members.get("cost", 1),
        policy=policy,
        names=(f"{within}key", f"{within}{name}", f"{within}cost"),
    )
