"""What the JSON of the HTTP API means: the members that each answer must have, and the value that it is in Python.

What is not of the form that it should be raises ValueError, LookupError or TypeError; what answers another question
raises Strange.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, TypeVar

from flint_limiter import _arguments
from flint_limiter._failures import exception_from_server
from flint_limiter._result import CheckResult, FailedCheck
from flint_limiter._types import (
    BatchResults,
    CheckAllResult,
    Decisions,
    DoctorReport,
    Event,
    LimitChanges,
    LimitStatus,
    ReservationStatus,
    WindowStatus,
)

Answer = TypeVar("Answer")

_DECISIONS_TOTAL = re.compile(r'^flint_decisions_total\{outcome="(allowed|denied)"\} ([0-9]{1,20})$', re.MULTILINE)


class Strange(Exception):
    """An answer that has the form of one, but not to what was asked."""


def count(value: Any) -> int:
    if not is_count(value):
        raise TypeError
    checked: int = value
    return checked


def nothing(document: Any) -> None:
    if document["ok"] is not True:
        raise ValueError


def time(text: str) -> datetime:
    read = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if read.tzinfo is None:
        raise ValueError
    return read


def is_text(value: object) -> bool:
    return type(value) is str


def is_truth(value: object) -> bool:
    return type(value) is bool


def is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def is_count_or_null(value: object) -> bool:
    return value is None or is_count(value)


Fields = dict[str, Callable[[object], bool]]

_RULE: Fields = {
    "rate": is_count,
    "per_millis": is_count_or_null,
    "burst": is_count_or_null,
    "algorithm": is_text,
}
_DECISION: Fields = {
    "allowed": is_truth,
    **dict.fromkeys(("limit", "remaining", "reset_after_ms"), is_count),
    "retry_after_ms": is_count_or_null,
    "algorithm": is_text,
}
_WINDOW: Fields = {
    **_RULE,
    **dict.fromkeys(("limit", "remaining", "reset_after_ms", "retry_after_ms"), is_count),
}
_KEYS_FULL = "keys_full"
_UNKNOWN_TIMEZONE = "unknown_timezone"
# What a single check is answered with, where that is not the caller's fault.
_STATUS_OF_ENTRY = {"disk_full": 507, "io_error": 500}
_DECISIONS: Fields = {"allowed": is_truth}
_STATUS: Fields = {
    "key": is_text,
    **dict.fromkeys(("source", "mode"), is_text),
    "remaining": is_count,
    **dict.fromkeys(("total_allowed", "total_denied", "total_allowed_cost", "total_denied_cost"), is_count),
    **dict.fromkeys(("would_deny", "reserved"), is_count),
    **_RULE,
}
_STATUS_AT_TIMES: Fields = {"pattern": is_text, "override": is_truth, "keys": is_count}
_SETTING: Fields = {**_RULE, "mode": is_text, "override": is_truth}
_EVENT: Fields = {"seq": is_count, "kind": is_text, "cost": is_count, "count": is_count}
_REPORT: Fields = {
    **dict.fromkeys(("ok", "snapshot_exists", "failed", "degraded"), is_truth),
    **dict.fromkeys(("limits", "aof_bytes", "snapshot_bytes", "last_seq", "durable_seq"), is_count),
    "data_dir": is_text,
}
_FINDING: Fields = {"fatal": is_truth, "message": is_text}
_FILE: Fields = {
    **dict.fromkeys(("name", "kind"), is_text),
    **dict.fromkeys(("bytes", "first_seq", "last_seq", "records", "valid_bytes"), is_count),
}


def members(document: Any, fields: Fields) -> None:
    for name, fits in fields.items():
        if not fits(document[name]):
            raise TypeError


def decision(document: Any, key: str, cost: int) -> CheckResult:
    if document["key"] != key or document["cost"] != cost:
        raise Strange("it is about another key or cost")
    members(document, _DECISION)
    if document["allowed"] and document["retry_after_ms"] is None:
        raise Strange("it contradicts itself")
    would_deny = document.get("would_deny")
    if would_deny is not None and not is_truth(would_deny):
        raise TypeError
    return CheckResult(
        key,
        document["allowed"],
        cost,
        document["limit"],
        document["remaining"],
        time(document["reset_at"]),
        document["reset_after_ms"],
        document["retry_after_ms"],
        document["algorithm"],
        document.get("code") == _KEYS_FULL,
        would_deny,
        windows(document),
        _unknown_timezone(document),
    )


def _unknown_timezone(document: Any) -> str | None:
    """Of a decision. No other field names it than the sentence about it, in quotation marks."""
    if document.get("code") != _UNKNOWN_TIMEZONE:
        return None
    _, quote, rest = document["message"].partition('"')
    name, end, _ = rest.partition('"')
    if not (quote and end):
        raise ValueError
    named: str = name
    return named


def windows(document: Any) -> tuple[WindowStatus, ...]:
    """Of a decision or a status; () where the limit has one window."""
    windows = document.get("windows", [])
    if type(windows) is not list:
        raise TypeError
    for window in windows:
        members(window, _WINDOW)
        window["reset_at"] = time(window["reset_at"])
    return tuple(windows)


def decisions(document: Any, asked: Sequence[_arguments.Item]) -> CheckAllResult:
    members(document, _DECISIONS)
    allowed, denied_key, given = document["allowed"], document["denied_key"], document["results"]
    if type(given) is not list or not 1 <= len(given) <= len(asked):
        raise Strange("it has not the results that were asked for")
    results = [decision(one, *item[:2]) for one, item in zip(given, asked)]
    # All pass, or all but the last of those that were decided.
    whole = denied_key is None and len(given) == len(asked) if allowed else denied_key == results[-1].key
    if not whole or results[-1].allowed is not allowed or not all(one.allowed for one in results[:-1]):
        raise Strange("it contradicts itself")
    return {"allowed": allowed, "denied_key": denied_key, "results": results}


def batch_results(document: Any, asked: Sequence[_arguments.Check]) -> BatchResults:
    given = document["results"]
    if type(given) is not list or len(given) != len(asked):
        raise Strange("it has not the results that were asked for")
    return [_batch_result(one, *check[:2]) for one, check in zip(given, asked)]


def _batch_result(document: Any, key: str, cost: int) -> CheckResult | FailedCheck:
    if "error" not in document:
        return decision(document, key, cost)
    members(document, {"error": is_text, "code": is_text})
    code = document["code"]
    return FailedCheck(exception_from_server(_STATUS_OF_ENTRY.get(code, 400), code, document["error"]))


def rows(document: Any, most: int, read: Callable[[Any], Answer]) -> list[Answer]:
    if type(document) is not list or len(document) > most:
        raise Strange("it is not a list of at most as many as were asked for")
    return [read(one) for one in document]


def status(document: Any) -> LimitStatus:
    members(document, _STATUS)
    document["reset_at"] = time(document["reset_at"])
    for name in ("last_allowed_at", "last_denied_at", "last_reset_at"):
        if document[name] is not None:
            document[name] = time(document[name])
    members(document, {name: fits for name, fits in _STATUS_AT_TIMES.items() if name in document})
    windows(document)
    status: LimitStatus = document
    return status


def changes(document: Any) -> LimitChanges:
    members(document, {"unchanged": is_count})
    for change in document["changes"]:
        members(change, {"key": is_text})
        for setting in (change["before"], change["after"]):
            if setting is not None:
                members(setting, _SETTING)
                for window in setting.get("windows", []):
                    members(window, _RULE)
    read: LimitChanges = document
    return read


def event(document: Any) -> Event:
    members(document, _EVENT)
    if document["kind"] == "configured":
        members(document, {**_RULE, "mode": is_text})
        for window in document.get("windows", []):
            members(window, _RULE)
    document["at"] = time(document["at"])
    event: Event = document
    return event


def decisions_total(metrics: str) -> Decisions:
    found = {outcome: int(count) for outcome, count in _DECISIONS_TOTAL.findall(metrics)}
    return {"allowed": found["allowed"], "denied": found["denied"]}


def report(document: Any) -> DoctorReport:
    members(document, _REPORT)
    for name, fields in (("findings", _FINDING), ("files", _FILE)):
        if type(document[name]) is not list:
            raise TypeError
        for one in document[name]:
            members(one, fields)
    report: DoctorReport = document
    return report


_RESERVATION: Fields = {
    **dict.fromkeys(("reservation", "state", "on_expiry"), is_text),
    "items": lambda value: type(value) is list,
}
_RESERVED_ITEM: Fields = {"key": is_text, "cost": is_count}


def reserved(document: Any, asked: Sequence[_arguments.Item]) -> tuple[CheckAllResult, str | None, datetime | None]:
    """The decision, and the name and the end of the reservation if there is one."""
    answer = decisions(document, asked)
    name, expires_at = document["reservation"], document["expires_at"]
    if not answer["allowed"]:
        if name is not None or expires_at is not None:
            raise Strange("it contradicts itself")
        return answer, None, None
    if not is_text(name) or not _arguments.RESERVATION.fullmatch(name):
        raise TypeError
    return answer, name, time(expires_at)


def settled(document: Any) -> list[CheckResult]:
    nothing(document)
    results = document["results"]
    if type(results) is not list:
        raise TypeError
    for one in results:
        members(one, _RESERVED_ITEM)
    return [decision(one, one["key"], one["cost"]) for one in results]


def reservation(document: Any, name: str) -> ReservationStatus:
    members(document, _RESERVATION)
    if document["reservation"] != name:
        raise Strange("it is about another reservation")
    for item in document["items"]:
        members(item, _RESERVED_ITEM)
    for at in ("reserved_at", "expires_at"):
        document[at] = time(document[at])
    document["settled_at"] = None if document["settled_at"] is None else time(document["settled_at"])
    status: ReservationStatus = document
    return status
