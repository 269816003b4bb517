"""The HTTP API as requests and answers: what each call sends, and what it makes of the JSON that comes back."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from flint_limiter import _arguments, _tls
from flint_limiter._errors import LimitNotConfigured
from flint_limiter._failures import exception_from_server, not_from_flint
from flint_limiter._http import Request, Response
from flint_limiter._result import CheckResult, FailedCheck
from flint_limiter._settings import Setting
from flint_limiter._types import (
    BatchResults,
    CheckAllResult,
    Decisions,
    DoctorReport,
    Event,
    Events,
    LimitChanges,
    LimitStatus,
    Statuses,
    WindowStatus,
)

Answer = TypeVar("Answer")

_DECISIONS_TOTAL = re.compile(r'^flint_decisions_total\{outcome="(allowed|denied)"\} ([0-9]{1,20})$', re.MULTILINE)

# Of a list that is asked for in several calls.
_PAGE = 10_000
# The longest answers, in bytes: 128 decisions about the longest keys, 1,000 of them, and 10,000 statuses.
_SHORT = 1 << 20
_BATCH = 4 << 20
_LONG = 64 << 20


@dataclass(slots=True)
class Call(Generic[Answer]):
    """Not a NamedTuple: in Python 3.10 that cannot be generic."""

    request: Request
    #: What the document of a 200 means, if it answers what was asked; else ValueError, LookupError or TypeError.
    read: Callable[[Any], Answer]
    #: Makes the document of the body of a 200.
    decode: Callable[[bytes], Any] = json.loads

    def answer(self, response: Response, server: str) -> Answer:
        """What the caller gets; raises what `server` refused or failed with."""
        try:
            if response.status == 200:
                return self.read(self.decode(response.body))
            document = json.loads(response.body)
            code, message = document["code"], document["error"]
            if not (isinstance(code, str) and isinstance(message, str)):
                raise TypeError
        except _Strange as error:
            raise not_from_flint(response.status, server, str(error)) from None
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            why = f"it is not what Flint's API answers{_tls.of_proxy(response.body)}"
            raise not_from_flint(response.status, server, why) from None
        raise exception_from_server(response.status, code, message)


class _Strange(Exception):
    """An answer that has the form of one, but not to what was asked."""


def limit(key: str, limit: _arguments.Limit, override: bool, mode: str) -> Call[None]:
    return Call(_post("/v1/limits", _setting(key, limit, override, mode), repeatable=True), _nothing)


def _setting(key: str, limit: _arguments.Limit, override: bool, mode: str) -> dict[str, Any]:
    body = {"key": key, **_rule(limit)}
    if override:
        body["override"] = True
    if mode != "enforce":
        body["mode"] = mode
    return body


def apply(settings: Sequence[Setting], prune: bool, dry_run: bool) -> Call[LimitChanges]:
    body = {"limits": [_setting(*setting) for setting in settings], "prune": prune, "dry_run": dry_run}
    # Sent again, it would say that nothing changed.
    request = Request("POST", "/v1/apply", _short(body), dry_run, _LONG)
    return Call(request, _changes)


def check(
    key: str,
    cost: int,
    limit: _arguments.Limit | None = None,
    dry_run: bool = False,
    request_id: str | None = None,
) -> Call[CheckResult]:
    options = _options(dry_run, request_id)
    body = {**_item(key, cost, limit), **options}
    return Call(_post("/v1/check", body, repeatable=bool(options)), lambda document: _decision(document, key, cost))


def check_all(items: Sequence[_arguments.Item], dry_run: bool, request_id: str | None) -> Call[CheckAllResult]:
    options = _options(dry_run, request_id)
    body = {"items": [_item(*item) for item in items], **options}
    return Call(_post("/v1/check-all", body, repeatable=bool(options)), lambda document: _decisions(document, items))


def _options(dry_run: bool, request_id: str | None) -> dict[str, Any]:
    """What makes a check one that can be sent again; empty if it cannot."""
    options: dict[str, Any] = {"dry_run": True} if dry_run else {}
    if request_id is not None:
        options["request_id"] = request_id
    return options


def check_batch(checks: Sequence[_arguments.Check]) -> Call[BatchResults]:
    body = {"checks": [{**_item(*check[:3]), **_options(*check[3:])} for check in checks]}
    repeatable = all(_options(*check[3:]) for check in checks)
    request = Request("POST", "/v1/check-batch", _short(body), repeatable, _BATCH)
    return Call(request, lambda document: _batch_results(document, checks))


def _item(key: str, cost: int, limit: _arguments.Limit | None) -> dict[str, Any]:
    if limit is None:
        return {"key": key, "cost": cost}
    return {"key": key, "cost": cost, "limit": _rule(limit)}


def _rule(limit: _arguments.Limit) -> dict[str, Any]:
    if limit.further:
        return {"windows": [_rule(window) for window in limit.windows]}
    if limit.align:
        return {"rate": limit.rate, "align": limit.align, **({"timezone": limit.timezone} if limit.timezone else {})}
    rule: dict[str, Any] = {"rate": limit.rate, "per": f"{limit.per_millis}ms", "algorithm": limit.algorithm}
    if limit.burst is not None:
        rule["burst"] = limit.burst
    return rule


def reset(key: str) -> Call[None]:
    return Call(_post("/v1/reset", {"key": key}), _nothing)


def reset_prefix(prefix: str) -> Call[int]:
    return Call(_post("/v1/reset-prefix", {"prefix": prefix}), lambda document: _count(document["reset"]))


def delete(key: str) -> Call[None]:
    return Call(_delete(_limit_path(key)), _nothing)


def delete_prefix(prefix: str) -> Call[int]:
    target = f"/v1/limits?{urlencode({'prefix': prefix})}"
    return Call(_delete(target), lambda document: _count(document["deleted"]))


def status(key: str) -> Call[LimitStatus]:
    def read(document: Any) -> LimitStatus:
        if document["key"] != key:
            raise _Strange("it is about another key")
        return _status(document)

    return Call(_get(_limit_path(key)), read)


def _limit_path(key: str) -> str:
    return f"/v1/limits/{quote(key, safe='')}"


class Listing:
    """A list in pages: each is bounded and judged, and its keys come after those before it, so that there is an end."""

    __slots__ = ("_after", "_keys", "_left", "_page", "_prefix", "statuses")

    def __init__(self, prefix: str, after: str, limit: int, keys: bool) -> None:
        self._prefix = prefix
        self._after = after
        self._left = limit
        self._keys = "true" if keys else ""
        self.statuses: Statuses = []

    def next_page(self) -> Call[Statuses] | None:
        """What to ask next. None when `statuses` is all."""
        if self._left == 0:
            return None
        self._page = min(self._left, _PAGE)
        given = {"prefix": self._prefix, "after": self._after, "limit": self._page, "keys": self._keys}
        return Call(_get("/v1/limits", {name: value for name, value in given.items() if value}, _LONG), self._read)

    def _read(self, document: Any) -> Statuses:
        page = _rows(document, self._page, _status)
        last = self._after.encode()
        for one in page:
            key = one["key"].encode()
            if not one["key"].startswith(self._prefix) or key <= last:
                raise _Strange("its keys are not those that were asked for, in order")
            last = key
        if page:
            self._after = page[-1]["key"]
        self._left = self._left - len(page) if len(page) == self._page else 0
        self.statuses += page
        return page


def history(key: str, limit: int) -> Call[Events]:
    request = _get(f"/v1/history/{quote(key, safe='')}", {"limit": limit}, _LONG)
    return Call(request, lambda document: _rows(document, limit, _event))


def top(by: str, limit: int) -> Call[Statuses]:
    return Call(_get("/v1/top", {"by": by, "limit": limit}, _LONG), lambda document: _rows(document, limit, _status))


def doctor() -> Call[DoctorReport]:
    return Call(_get("/v1/doctor", None, _LONG), _report)


def decisions() -> Call[Decisions]:
    return Call(_get("/metrics"), _decisions_total, bytes.decode)


def flush() -> Call[None]:
    return Call(_post("/v1/log/flush", {}, repeatable=True), _nothing)


def compact() -> Call[None]:
    return Call(_post("/v1/log/compact", {}, repeatable=True), _nothing)


def none_without_limit(call: Call[LimitStatus], response: Response, server: str) -> LimitStatus | None:
    try:
        return call.answer(response, server)
    except LimitNotConfigured:
        return None


def _get(path: str, query: dict[str, Any] | None = None, most: int = _SHORT) -> Request:
    return Request("GET", f"{path}?{urlencode(query)}" if query else path, None, repeatable=True, most=most)


def _post(path: str, body: dict[str, Any], *, repeatable: bool = False) -> Request:
    return Request("POST", path, json.dumps(body).encode(), repeatable, _SHORT)


def _short(body: dict[str, Any]) -> bytes:
    """As short as it gets: there is a limit to a body."""
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _delete(target: str) -> Request:
    return Request("DELETE", target, None, repeatable=False, most=_SHORT)


def _count(value: Any) -> int:
    if not _is_count(value):
        raise TypeError
    count: int = value
    return count


def _nothing(document: Any) -> None:
    if document["ok"] is not True:
        raise ValueError


def _time(text: str) -> datetime:
    time = datetime.fromisoformat(text.replace("Z", "+00:00"))
    if time.tzinfo is None:
        raise ValueError
    return time


def _is_text(value: object) -> bool:
    return type(value) is str


def _is_truth(value: object) -> bool:
    return type(value) is bool


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < 1 << 63


def _is_count_or_null(value: object) -> bool:
    return value is None or _is_count(value)


_Fields = dict[str, Callable[[object], bool]]

_RULE: _Fields = {
    "rate": _is_count,
    "per_millis": _is_count_or_null,
    "burst": _is_count_or_null,
    "algorithm": _is_text,
}
_DECISION: _Fields = {
    "allowed": _is_truth,
    **dict.fromkeys(("limit", "remaining", "reset_after_ms"), _is_count),
    "retry_after_ms": _is_count_or_null,
    "algorithm": _is_text,
}
_WINDOW: _Fields = {
    **_RULE,
    **dict.fromkeys(("limit", "remaining", "reset_after_ms", "retry_after_ms"), _is_count),
}
_KEYS_FULL = "keys_full"
# What a single check is answered with, where that is not the caller's fault.
_STATUS_OF_ENTRY = {"disk_full": 507, "io_error": 500}
_DECISIONS: _Fields = {"allowed": _is_truth}
_STATUS: _Fields = {
    "key": _is_text,
    **dict.fromkeys(("source", "mode"), _is_text),
    "remaining": _is_count,
    **dict.fromkeys(("total_allowed", "total_denied", "total_allowed_cost", "total_denied_cost"), _is_count),
    "would_deny": _is_count,
    **_RULE,
}
_STATUS_AT_TIMES: _Fields = {"pattern": _is_text, "override": _is_truth, "keys": _is_count}
_SETTING: _Fields = {**_RULE, "mode": _is_text, "override": _is_truth}
_EVENT: _Fields = {"seq": _is_count, "kind": _is_text, "cost": _is_count, "count": _is_count}
_REPORT: _Fields = {
    **dict.fromkeys(("ok", "snapshot_exists", "failed", "degraded"), _is_truth),
    **dict.fromkeys(("limits", "aof_bytes", "snapshot_bytes", "last_seq", "durable_seq"), _is_count),
    "data_dir": _is_text,
}
_FINDING: _Fields = {"fatal": _is_truth, "message": _is_text}
_FILE: _Fields = {
    **dict.fromkeys(("name", "kind"), _is_text),
    **dict.fromkeys(("bytes", "first_seq", "last_seq", "records", "valid_bytes"), _is_count),
}


def _members(document: Any, fields: _Fields) -> None:
    for name, fits in fields.items():
        if not fits(document[name]):
            raise TypeError


def _decision(document: Any, key: str, cost: int) -> CheckResult:
    if document["key"] != key or document["cost"] != cost:
        raise _Strange("it is about another key or cost")
    _members(document, _DECISION)
    if document["allowed"] and document["retry_after_ms"] is None:
        raise _Strange("it contradicts itself")
    would_deny = document.get("would_deny")
    if would_deny is not None and not _is_truth(would_deny):
        raise TypeError
    return CheckResult(
        key,
        document["allowed"],
        cost,
        document["limit"],
        document["remaining"],
        _time(document["reset_at"]),
        document["reset_after_ms"],
        document["retry_after_ms"],
        document["algorithm"],
        document.get("code") == _KEYS_FULL,
        would_deny,
        _windows(document),
    )


def _windows(document: Any) -> tuple[WindowStatus, ...]:
    """Of a decision or a status; () where the limit has one window."""
    windows = document.get("windows", [])
    if type(windows) is not list:
        raise TypeError
    for window in windows:
        _members(window, _WINDOW)
        window["reset_at"] = _time(window["reset_at"])
    return tuple(windows)


def _decisions(document: Any, asked: Sequence[_arguments.Item]) -> CheckAllResult:
    _members(document, _DECISIONS)
    allowed, denied_key, given = document["allowed"], document["denied_key"], document["results"]
    if type(given) is not list or not 1 <= len(given) <= len(asked):
        raise _Strange("it has not the results that were asked for")
    results = [_decision(one, *item[:2]) for one, item in zip(given, asked)]
    # All pass, or all but the last of those that were decided.
    whole = denied_key is None and len(given) == len(asked) if allowed else denied_key == results[-1].key
    if not whole or results[-1].allowed is not allowed or not all(one.allowed for one in results[:-1]):
        raise _Strange("it contradicts itself")
    return {"allowed": allowed, "denied_key": denied_key, "results": results}


def _batch_results(document: Any, asked: Sequence[_arguments.Check]) -> BatchResults:
    given = document["results"]
    if type(given) is not list or len(given) != len(asked):
        raise _Strange("it has not the results that were asked for")
    return [_batch_result(one, *check[:2]) for one, check in zip(given, asked)]


def _batch_result(document: Any, key: str, cost: int) -> CheckResult | FailedCheck:
    if "error" not in document:
        return _decision(document, key, cost)
    _members(document, {"error": _is_text, "code": _is_text})
    code = document["code"]
    return FailedCheck(exception_from_server(_STATUS_OF_ENTRY.get(code, 400), code, document["error"]))


def _rows(document: Any, most: int, read: Callable[[Any], Answer]) -> list[Answer]:
    if type(document) is not list or len(document) > most:
        raise _Strange("it is not a list of at most as many as were asked for")
    return [read(one) for one in document]


def _status(document: Any) -> LimitStatus:
    _members(document, _STATUS)
    document["reset_at"] = _time(document["reset_at"])
    for name in ("last_allowed_at", "last_denied_at", "last_reset_at"):
        if document[name] is not None:
            document[name] = _time(document[name])
    _members(document, {name: fits for name, fits in _STATUS_AT_TIMES.items() if name in document})
    _windows(document)
    status: LimitStatus = document
    return status


def _changes(document: Any) -> LimitChanges:
    _members(document, {"unchanged": _is_count})
    for change in document["changes"]:
        _members(change, {"key": _is_text})
        for setting in (change["before"], change["after"]):
            if setting is not None:
                _members(setting, _SETTING)
                for window in setting.get("windows", []):
                    _members(window, _RULE)
    changes: LimitChanges = document
    return changes


def _event(document: Any) -> Event:
    _members(document, _EVENT)
    if document["kind"] == "configured":
        _members(document, {**_RULE, "mode": _is_text})
        for window in document.get("windows", []):
            _members(window, _RULE)
    document["at"] = _time(document["at"])
    event: Event = document
    return event


def _decisions_total(metrics: str) -> Decisions:
    found = {outcome: int(count) for outcome, count in _DECISIONS_TOTAL.findall(metrics)}
    return {"allowed": found["allowed"], "denied": found["denied"]}


def _report(document: Any) -> DoctorReport:
    _members(document, _REPORT)
    for name, fields in (("findings", _FINDING), ("files", _FILE)):
        if type(document[name]) is not list:
            raise TypeError
        for one in document[name]:
            _members(one, fields)
    report: DoctorReport = document
    return report
