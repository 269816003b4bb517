"""The HTTP API as requests and answers: what each call sends, and what it makes of the JSON that comes back."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import quote, urlencode

from flint_limiter import _arguments
from flint_limiter._errors import LimitNotConfigured
from flint_limiter._failures import exception_from_server, not_from_flint
from flint_limiter._http import Endpoint, Request, Response
from flint_limiter._result import CheckResult
from flint_limiter._types import CheckAllResult, DoctorReport, Event, Events, LimitStatus, Statuses

Answer = TypeVar("Answer")

_STATUS_TIMES = ("reset_at", "last_allowed_at", "last_denied_at", "last_reset_at")


@dataclass(slots=True)
class Call(Generic[Answer]):
    """Not a NamedTuple: in Python 3.10 that cannot be generic."""

    request: Request
    #: What the JSON of a 200 means.
    read: Callable[[Any], Answer]

    def answer(self, response: Response) -> Answer:
        """What the caller gets; raises what the server refused or failed with."""
        try:
            document = json.loads(response.body)
            if response.status == 200:
                return self.read(document)
            code, message = document["code"], document["error"]
            if not (isinstance(code, str) and isinstance(message, str)):
                raise TypeError
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            raise not_from_flint(response.status) from None
        raise exception_from_server(response.status, code, message)


def limit(key: str, limit: _arguments.Limit) -> Call[None]:
    body: dict[str, Any] = {
        "key": key,
        "rate": limit.rate,
        "per": f"{limit.per_millis}ms",
        "algorithm": limit.algorithm,
    }
    if limit.burst is not None:
        body["burst"] = limit.burst
    return Call(_post("/v1/limits", body, repeatable=True), _nothing)


def check(key: str, cost: int) -> Call[CheckResult]:
    return Call(_post("/v1/check", {"key": key, "cost": cost}), _result)


def check_all(pairs: Iterable[tuple[str, int]]) -> Call[CheckAllResult]:
    return Call(_post("/v1/check-all", {"items": [{"key": key, "cost": cost} for key, cost in pairs]}), _results)


def reset(key: str) -> Call[None]:
    return Call(_post("/v1/reset", {"key": key}), _nothing)


def status(key: str) -> Call[LimitStatus]:
    return Call(_get(f"/v1/limits/{quote(key, safe='')}"), _status)


def list_limits(prefix: str, after: str, limit: int) -> Call[Statuses]:
    given = {"prefix": prefix, "after": after, "limit": limit}
    return Call(_get("/v1/limits", {name: value for name, value in given.items() if value}), _statuses)


def history(key: str, limit: int) -> Call[Events]:
    return Call(_get(f"/v1/history/{quote(key, safe='')}", {"limit": limit}), _events)


def top(by: str, limit: int) -> Call[Statuses]:
    return Call(_get("/v1/top", {"by": by, "limit": limit}), _statuses)


def doctor() -> Call[DoctorReport]:
    return Call(_get("/v1/doctor"), _report)


def flush() -> Call[None]:
    return Call(_post("/v1/log/flush", {}, repeatable=True), _nothing)


def compact() -> Call[None]:
    return Call(_post("/v1/log/compact", {}, repeatable=True), _nothing)


def none_without_limit(call: Call[LimitStatus], response: Response) -> LimitStatus | None:
    try:
        return call.answer(response)
    except LimitNotConfigured:
        return None


def endpoint(server: object) -> Endpoint:
    """Where `server` is: `http://HOST[:PORT]`, as in every URL port 80 when there is none, or `unix:PATH`."""
    url = _arguments.text(server, "server")
    if url.startswith("unix:"):
        path = url.removeprefix("unix:")
        if not path or "\0" in path:
            raise ValueError("server must name a socket: unix:PATH.")
        return Endpoint(url, path, "", 0, "localhost")
    if url.startswith("https://"):
        raise ValueError("server must not be https: TLS is left to a proxy, so name the server behind it.")
    authority = url.removeprefix("http://").removesuffix("/")
    host, port = _split(authority)
    visible = authority.isascii() and authority.isprintable() and not any(c in " /?#@\\" for c in authority)
    if authority == url or not visible or not _can_be_looked_up(host) or port is None:
        raise ValueError("server must be http://HOST:PORT, such as http://127.0.0.1:7878, or unix:PATH.")
    return Endpoint(url, "", host, port, authority)


def _can_be_looked_up(host: str) -> bool:
    """Whether its labels are neither empty nor too long: a look-up would raise UnicodeError."""
    try:
        return bool(host.encode("idna"))
    except UnicodeError:
        return False


def _split(authority: str) -> tuple[str, int | None]:
    """Host and port, None when that is none; an IPv6 address is in brackets."""
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return "", None
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = authority.partition(":")
    if not colon:
        return host, 80
    return host, int(port) if port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65_535 else None


def _get(path: str, query: dict[str, Any] | None = None) -> Request:
    return Request("GET", f"{path}?{urlencode(query)}" if query else path, None, repeatable=True)


def _post(path: str, body: dict[str, Any], *, repeatable: bool = False) -> Request:
    return Request("POST", path, json.dumps(body).encode(), repeatable)


def _nothing(document: Any) -> None:
    if document["ok"] is not True:
        raise ValueError


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _result(document: Any) -> CheckResult:
    return CheckResult(
        document["key"],
        document["allowed"],
        document["cost"],
        document["limit"],
        document["remaining"],
        _time(document["reset_at"]),
        document["reset_after_ms"],
        document["retry_after_ms"],
        document["algorithm"],
    )


def _results(document: Any) -> CheckAllResult:
    return {
        "allowed": document["allowed"],
        "denied_key": document["denied_key"],
        "results": [_result(one) for one in document["results"]],
    }


def _status(document: Any) -> LimitStatus:
    for name in _STATUS_TIMES:
        if document[name] is not None:
            document[name] = _time(document[name])
    status: LimitStatus = document
    return status


def _statuses(document: Any) -> Statuses:
    return [_status(one) for one in document]


def _event(document: Any) -> Event:
    document["at"] = _time(document["at"])
    event: Event = document
    return event


def _events(document: Any) -> Events:
    return [_event(one) for one in document]


def _report(document: Any) -> DoctorReport:
    document["ok"]
    report: DoctorReport = document
    return report
