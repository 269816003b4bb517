"""The HTTP API as requests and answers: what each call sends, and what it makes of the JSON that comes back."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

from flint_limiter import _accelerated, _answers, _arguments
from flint_limiter._connection import Request, Response
from flint_limiter._errors import LimitNotConfigured
from flint_limiter._failures import exception_from_server, not_from_flint, of_proxy
from flint_limiter._result import CheckResult
from flint_limiter._settings import Setting
from flint_limiter._types import (
    BatchResults,
    CheckAllResult,
    Decisions,
    DoctorReport,
    Events,
    LimitChanges,
    LimitStatus,
    ReservationStatus,
    Statuses,
)

if TYPE_CHECKING:
    from flint_limiter._connection import Answered

Answer = TypeVar("Answer")

# Of a list that is asked for in several calls.
_PAGE = 10_000
# The longest answers, in bytes: 128 decisions about the longest keys, 1,000 of them, and 10,000 statuses.
_SHORT = 1 << 20
_BATCH = 4 << 20
_LONG = 64 << 20


def _json(body: bytes) -> Any:
    from json import loads

    return loads(body)


class Call(Generic[Answer]):
    __slots__ = ("_decode", "_read", "request")

    def __init__(
        self, request: Request, read: Callable[[Any], Answer], decode: Callable[[bytes], Any] = _json
    ) -> None:
        """`decode` makes the document of the body of a 200; `read` tells what that means if it answers what was asked,
        and else raises ValueError, LookupError or TypeError."""
        self.request = request
        self._read = read
        self._decode = decode

    def answer(self, response: Answered, server: str) -> Answer:
        """What the caller gets; raises what `server` refused or failed with."""
        if not isinstance(response, Response):
            return cast(Answer, response)
        try:
            if response.status == 200:
                if self.request.decides is not None and _accelerated.read_decision is not None:
                    decision = _accelerated.read_decision(response.body, *self.request.decides)
                    if decision is not None:
                        return cast(Answer, decision)
                return self._read(self._decode(response.body))
            document = _json(response.body)
            code, message = document["code"], document["error"]
            if not (isinstance(code, str) and isinstance(message, str)):
                raise TypeError
        except _answers.Strange as error:
            raise not_from_flint(response.status, server, str(error)) from None
        except (ValueError, LookupError, TypeError, AttributeError, RecursionError):
            why = f"it is not what Flint's API answers{of_proxy(response.body)}"
            raise not_from_flint(response.status, server, why) from None
        raise exception_from_server(response.status, code, message)


def limit(key: str, limit: _arguments.Limit, override: bool, mode: str) -> Call[None]:
    return Call(_post("/v1/limits", _setting(key, limit, override, mode), repeatable=True), _answers.nothing)


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
    return Call(request, _answers.changes)


def check(
    key: str,
    cost: int,
    limit: _arguments.Limit | None = None,
    dry_run: bool = False,
    request_id: str | None = None,
) -> Call[CheckResult]:
    repeatable = dry_run or request_id is not None
    body = f'{{"key": {_text(key)}, "cost": {cost}'
    if limit is not None:
        body += f', "limit": {_rule_text(limit)}'
    if dry_run:
        body += ', "dry_run": true'
    if request_id is not None:
        body += f', "request_id": {_text(request_id)}'
    request = Request("POST", "/v1/check", f"{body}}}".encode("ascii"), repeatable, _SHORT, (key, cost))
    return Call(request, partial(_answers.decision, key=key, cost=cost))


@lru_cache(maxsize=1024)
def _rule_text(limit: _arguments.Limit) -> str:
    from json import dumps

    return dumps(_rule(limit))


def check_all(items: Sequence[_arguments.Item], dry_run: bool, request_id: str | None) -> Call[CheckAllResult]:
    options = _options(dry_run, request_id)
    body = {"items": [_item(*item) for item in items], **options}
    return Call(_post("/v1/check-all", body, repeatable=bool(options)), partial(_answers.decisions, asked=items))


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
    return Call(request, lambda document: _answers.batch_results(document, checks))


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


def charge(key: str, cost: int, limit: _arguments.Limit | None, request_id: str | None) -> Call[CheckResult]:
    body = {**_item(key, cost, limit), **_options(False, request_id)}
    call = _post("/v1/charge", body, repeatable=request_id is not None)
    return Call(call, partial(_answers.decision, key=key, cost=cost))


def reserve(
    items: Sequence[_arguments.Item], ttl_ms: int, on_expiry: str, request_id: str | None
) -> Call[tuple[CheckAllResult, str | None, datetime | None]]:
    body = {"items": [_item(*item) for item in items], "ttl": f"{ttl_ms}ms", **_options(False, request_id)}
    if on_expiry != "keep":
        body["on_expiry"] = on_expiry
    call = _post("/v1/reserve", body, repeatable=request_id is not None)
    return Call(call, partial(_answers.reserved, asked=items))


# Settling again answers what the first time answered.


def commit(reservation: str, costs: Mapping[str, int]) -> Call[list[CheckResult]]:
    body: dict[str, Any] = {"reservation": reservation}
    if costs:
        body["costs"] = costs
    return Call(_post("/v1/commit", body, repeatable=True), _answers.settled)


def cancel(reservation: str) -> Call[list[CheckResult]]:
    return Call(_post("/v1/cancel", {"reservation": reservation}, repeatable=True), _answers.settled)


def renew(reservation: str, ttl_ms: int) -> Call[ReservationStatus]:
    body = {"reservation": reservation, "ttl": f"{ttl_ms}ms"}
    return Call(_post("/v1/renew", body, repeatable=True), partial(_answers.reservation, name=reservation))


def reservation(name: str) -> Call[ReservationStatus]:
    return Call(_get(f"/v1/reservations/{name}"), partial(_answers.reservation, name=name))


def reset(key: str) -> Call[None]:
    return Call(_post("/v1/reset", {"key": key}), _answers.nothing)


def reset_prefix(prefix: str) -> Call[int]:
    return Call(_post("/v1/reset-prefix", {"prefix": prefix}), lambda document: _answers.count(document["reset"]))


def delete(key: str) -> Call[None]:
    return Call(_delete(_path("/v1/limits/", key)), _answers.nothing)


def delete_prefix(prefix: str) -> Call[int]:
    target = f"/v1/limits?{_query({'prefix': prefix})}"
    return Call(_delete(target), lambda document: _answers.count(document["deleted"]))


def status(key: str) -> Call[LimitStatus]:
    def read(document: Any) -> LimitStatus:
        if document["key"] != key:
            raise _answers.Strange("it is about another key")
        return _answers.status(document)

    return Call(_get(_path("/v1/limits/", key)), read)


def _path(before: str, key: str) -> str:
    from urllib.parse import quote

    return before + quote(key, safe="")


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
        page = _answers.rows(document, self._page, _answers.status)
        last = self._after.encode()
        for one in page:
            key = one["key"].encode()
            if not one["key"].startswith(self._prefix) or key <= last:
                raise _answers.Strange("its keys are not those that were asked for, in order")
            last = key
        if page:
            self._after = page[-1]["key"]
        self._left = self._left - len(page) if len(page) == self._page else 0
        self.statuses += page
        return page


def history(key: str, limit: int) -> Call[Events]:
    request = _get(_path("/v1/history/", key), {"limit": limit}, _LONG)
    return Call(request, lambda document: _answers.rows(document, limit, _answers.event))


def top(by: str, limit: int) -> Call[Statuses]:
    request = _get("/v1/top", {"by": by, "limit": limit}, _LONG)
    return Call(request, lambda document: _answers.rows(document, limit, _answers.status))


def doctor() -> Call[DoctorReport]:
    return Call(_get("/v1/doctor", None, _LONG), _answers.report)


def decisions() -> Call[Decisions]:
    return Call(_get("/metrics"), _answers.decisions_total, bytes.decode)


def flush() -> Call[None]:
    return Call(_post("/v1/log/flush", {}, repeatable=True), _answers.nothing)


def compact() -> Call[None]:
    return Call(_post("/v1/log/compact", {}, repeatable=True), _answers.nothing)


def none_without_limit(call: Call[LimitStatus], response: Answered, server: str) -> LimitStatus | None:
    try:
        return call.answer(response, server)
    except LimitNotConfigured:
        return None


def _get(path: str, query: dict[str, Any] | None = None, most: int = _SHORT) -> Request:
    return Request("GET", f"{path}?{_query(query)}" if query else path, None, repeatable=True, most=most)


def _post(path: str, body: dict[str, Any], *, repeatable: bool = False) -> Request:
    return Request("POST", path, _dumped(body), repeatable, _SHORT)


def _short(body: dict[str, Any]) -> bytes:
    """As short as it gets: there is a limit to a body."""
    from json import dumps

    return dumps(body, ensure_ascii=False, separators=(",", ":")).encode()


def _dumped(body: dict[str, Any]) -> bytes:
    from json import dumps

    return dumps(body).encode("ascii")


def _text(value: str) -> str:
    from json.encoder import encode_basestring_ascii

    return encode_basestring_ascii(value)


def _query(given: dict[str, Any]) -> str:
    from urllib.parse import urlencode

    return urlencode(given)


def _delete(target: str) -> Request:
    return Request("DELETE", target, None, repeatable=False, most=_SHORT)
