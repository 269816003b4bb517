"""The two forms of a limit in arguments: a rate string, or rate, per, algorithm and burst."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, Union

from flint_limiter import _arguments, _rate_string

_MEMBERS = ("rate", "per", "algorithm", "burst", "align", "timezone")
_PLACE_OF = "takes the place of rate, per, algorithm and burst: leave out"


def limit(
    text: object,
    rate: object,
    per: object,
    algorithm: object,
    burst: object,
    windows: object = None,
    align: object = None,
    timezone: object = None,
) -> _arguments.Limit:
    """Of limit() and rate_limit(); None is what was not given."""
    if text is not None:
        if given := _given(
            windows=windows, rate=rate, per=per, algorithm=algorithm, burst=burst, align=align, timezone=timezone
        ):
            raise TypeError(f"limit {_PLACE_OF} {given}, or limit.")
        return _rate_string.parse(_arguments.text(text, "limit"))
    if windows is not None:
        if given := _given(rate=rate, per=per, algorithm=algorithm, burst=burst, align=align, timezone=timezone):
            raise TypeError(f"windows {_PLACE_OF} {given}, or windows.")
        return _in_windows(windows, "windows")
    if rate is None and per is None and align is None:
        raise TypeError("limit must be given: a str such as '100/m', or both rate and per.")
    if align is not None or timezone is not None:
        members = {"per": per, "algorithm": algorithm, "burst": burst, "align": align, "timezone": timezone}
        return _in_calendar({"rate": rate, **{name: value for name, value in members.items() if value is not None}}, "")
    return _in_fields(rate, per, algorithm, burst)


LimitOrFunction = Union[_arguments.Limit, Callable[..., Any]]


def limit_of_calls(
    limit: object, rate: object, per: object, algorithm: object, burst: object, within: str
) -> LimitOrFunction:
    """Of rate_limit(): `limit`, or `rate` in its place, may be a rate string, a dict, or a function that returns one of
    these two. `within` is put before the names."""
    if limit is None:
        read = limit_of_requests(rate, per, algorithm, burst, within)
        if read is None:
            raise TypeError(f"{within}limit must be given: a str such as '100/m', or both rate and per.")
        return read
    if given := _given(rate=rate, per=per, algorithm=algorithm, burst=burst):
        raise TypeError(
            f"{within}limit takes the place of rate, per, algorithm and burst: leave out {given}, or limit."
        )
    return limit if callable(limit) else _carried(limit, f"{within}limit")


def limit_of_requests(
    rate: object, per: object, algorithm: object, burst: object, within: str
) -> LimitOrFunction | None:
    """Of the web: likewise `rate`; None of all is for limits that are configured elsewhere."""
    if isinstance(rate, (str, Mapping)) or callable(rate):
        if given := _given(per=per, algorithm=algorithm, burst=burst):
            kind = "function" if callable(rate) else "str" if isinstance(rate, str) else "dict"
            raise TypeError(
                f"{within}rate is a {kind}, which takes the place of per, algorithm and burst: leave out {given}."
            )
        return rate if callable(rate) else _carried(rate, f"{within}rate")
    if (rate is None) != (per is None):
        raise TypeError(f"give both {within}rate and per, or neither when the limits are configured elsewhere.")
    if rate is not None:
        return _in_fields(rate, per, algorithm, burst, within)
    if algorithm is not None or burst is not None:
        raise TypeError(f"{within}algorithm and burst need rate and per.")
    return None


def carried(value: object, name: str = "limit") -> _arguments.Limit | None:
    """Of a check: a rate string, or a dict of its parts; None where the check carries none."""
    if value is None:
        return None
    if isinstance(value, _arguments.Limit):  # of our own: read before
        return value
    return _carried(value, name)


def _carried(value: object, name: str) -> _arguments.Limit:
    if isinstance(value, str):
        return _parsed(value if type(value) is str else _arguments.text(value, name), name)
    if not isinstance(value, Mapping):
        found = _arguments.type_name(value)
        raise TypeError(f"{name} must be a str such as '100/m' or a dict with rate and per, not {found}.")
    if "mode" in value:
        raise ValueError(f"{name}.mode cannot come with a check: set it with the limit of a key or of a pattern.")
    return in_members(value, name)


def in_members(value: Mapping[str, object], name: str) -> _arguments.Limit:
    """Of a dict that has nothing but a limit in fields: one window, or windows."""
    if "windows" not in value:
        return _in_dict(value, name)
    if len(value) > 1:
        raise ValueError(f"{name}.windows takes the place of all other members.")
    return _in_windows(value["windows"], f"{name}.windows")


def _in_dict(value: Mapping[str, object], name: str) -> _arguments.Limit:
    """One window."""
    if value.keys() - set(_MEMBERS):
        raise ValueError(f"{name} must have no members but rate, per, algorithm, burst, align and timezone.")
    if "align" in value or "timezone" in value:
        return _in_calendar(value, f"{name}.")
    for member in ("rate", "per"):
        if member not in value:
            raise ValueError(f"{name}.{member} is missing.")
    algorithm = value.get("algorithm", "token_bucket")
    return _arguments.limit(value["rate"], value["per"], algorithm, value.get("burst"), f"{name}.")


def _in_calendar(value: Mapping[str, object], within: str) -> _arguments.Limit:
    for member in ("align", "rate"):
        if member not in value:
            raise ValueError(f"{within}{member} is missing: timezone and align go with it.")
    for member in ("per", "burst"):
        if member in value:
            raise ValueError(f"{within}{member} must be left out with align.")
    return _arguments.calendar(value["rate"], value["align"], value.get("timezone"), value.get("algorithm"), within)


def _in_windows(value: object, name: str) -> _arguments.Limit:
    if not isinstance(value, (list, tuple)):
        raise TypeError(f"{name} must be a list of dicts with rate and per, not {_arguments.type_name(value)}.")
    if not 1 <= len(value) <= _arguments.MAX_WINDOWS:
        raise ValueError(f"{name} must be 1 to {_arguments.MAX_WINDOWS}, not {len(value)}.")
    windows: list[_arguments.Limit] = []
    for i, one in enumerate(value):
        if not isinstance(one, Mapping):
            raise TypeError(f"{name}[{i}] must be a dict with rate and per, not {_arguments.type_name(one)}.")
        window = _in_dict(one, f"{name}[{i}]")
        if window.algorithm == "concurrency" and len(value) > 1:
            raise ValueError(
                f"{name}[{i}].algorithm must not be concurrency: it is a limit of its own; "
                "reserve several keys at once."
            )
        if any(window.is_same_window(before) for before in windows):
            length = f"a {window.length}" if window.align else window.length
            raise ValueError(f"{name} must not have two windows of {length}: keep one of them.")
        windows.append(window)
    return _arguments.of_windows(windows)


@lru_cache(maxsize=1024)
def _parsed(text: str, name: str) -> _arguments.Limit:
    """With a check comes mostly the same text as with the one before."""
    return _rate_string.parse(_arguments.text(text, name), name)


def items(value: object) -> list[_arguments.Item]:
    """Of check_all, with the limits that they carry."""
    return _arguments.items(value, carried)


def _reserved_items(value: object) -> list[_arguments.Item]:
    """Of reserve(): the same, or a dict of keys and costs."""
    return items(list(value.items()) if isinstance(value, Mapping) else value)


def reserve(
    value: object, ttl: object, on_expiry: object, request_id: object
) -> tuple[list[_arguments.Item], int, str, str | None]:
    """The arguments of reserve(); `ttl` in milliseconds."""
    return (
        _reserved_items(value),
        _arguments.period(ttl, "ttl"),
        _arguments.choice(on_expiry, "on_expiry", ("keep", "return")),
        _arguments.request_id(request_id, False),
    )


def checks(value: object) -> list[_arguments.Check | ValueError]:
    """Of check_batch, with the limits that they carry."""
    return _arguments.checks(value, carried)


def _given(**arguments: object) -> str:
    return ", ".join(name for name, value in arguments.items() if value is not None)


def _in_fields(rate: object, per: object, algorithm: object, burst: object, within: str = "") -> _arguments.Limit:
    return _arguments.limit(rate, per, "token_bucket" if algorithm is None else algorithm, burst, within)
