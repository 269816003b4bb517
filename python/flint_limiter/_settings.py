"""Limits as a limits file has them: what apply() takes and says, and what export() returns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, cast

from flint_limiter import _arguments, _limits, _rate_string
from flint_limiter._types import LimitSetting, LimitStatus, Statuses

#: What apply() sets: a key, its limit, whether it overrides, and its mode.
Setting = tuple[str, _arguments.Limit, bool, str]

_OPTIONS = ("key", "override", "mode")
_MEMBERS = (*_OPTIONS, "limit", "windows", "rate", "per", "algorithm", "burst", "align", "timezone")


def given(value: object, name: str = "limits") -> list[Setting]:
    """Of apply()."""
    if isinstance(value, (str, bytes, Mapping)) or not isinstance(value, Iterable):
        raise TypeError(f"{name} must be a list of dicts with key and limit, not {_arguments.type_name(value)}.")
    return [_setting(one, f"{name}[{i}]") for i, one in enumerate(value)]


def _setting(value: object, name: str) -> Setting:
    if not isinstance(value, Mapping):
        raise TypeError(f"{name} must be a dict with key and limit, not {_arguments.type_name(value)}.")
    if unknown := value.keys() - set(_MEMBERS):
        raise ValueError(f"{name} must have no members but {', '.join(_MEMBERS)}: leave out {min(map(repr, unknown))}.")
    if "key" not in value:
        raise ValueError(f"{name}.key is missing.")
    key = _arguments.key(value["key"], f"{name}.key")
    override = _arguments.flag(value.get("override", False), f"{name}.override")
    mode = _arguments.mode(value.get("mode", "enforce"), f"{name}.mode")
    return key, _limit({member: value[member] for member in value if member not in _OPTIONS}, name), override, mode


def _limit(members: dict[str, Any], name: str) -> _arguments.Limit:
    if "limit" in members:
        if len(members) > 1:
            raise ValueError(f"{name}.limit takes the place of rate, per and all that goes with them: keep one.")
        return _rate_string.parse(_arguments.text(members["limit"], f"{name}.limit"), f"{name}.limit")
    if not members:
        raise ValueError(f"{name}.limit is missing: a str such as '100/m', or rate and per.")
    return _limits.in_members(members, name)


def of_statuses(statuses: Statuses) -> list[LimitSetting]:
    return [_of_status(status) for status in statuses]


def _of_status(status: LimitStatus) -> LimitSetting:
    windows = [_members(window) for window in status.get("windows", [])]
    spelt_out = {"windows": windows} if len(windows) > 1 else _members(status)
    limit = _limits.in_members(spelt_out, "limit")
    text = _rate_string.shown(limit)
    setting: dict[str, Any] = {"key": status["key"], **({"limit": text} if _says(text, limit) else spelt_out)}
    if status.get("override"):
        setting["override"] = True
    if status["mode"] != "enforce":
        setting["mode"] = status["mode"]
    return cast(LimitSetting, setting)


def _members(rule: Mapping[str, Any]) -> dict[str, Any]:
    """One window, from a status to the arguments of limit()."""
    members: dict[str, Any] = {"rate": rule["rate"]}
    if rule["per_millis"] is None:
        return {**members, "align": rule["align"], "timezone": rule["timezone"]}
    members.update(per=f"{rule['per_millis']}ms", algorithm=rule["algorithm"])
    if rule["burst"] not in (None, rule["rate"]):
        members["burst"] = rule["burst"]
    return members


def _says(text: str, limit: _arguments.Limit) -> bool:
    """Whether `text` can say `limit`: not every name of a time zone can stand in one."""
    try:
        return _rate_string.parse(text) == limit
    except ValueError:
        return False
