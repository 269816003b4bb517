"""The limits of a limiter as metrics for Prometheus.

    flint.add_prometheus_route(app, limiter)              # FastAPI and Starlette: GET /metrics
    text = flint.prometheus_metrics(limiter)              # anywhere else; serve it as flint.prometheus.CONTENT_TYPE

Every key is a series, with its name as a label: where keys are many, or are nobody's business, leave the label out or
make it coarser. Series that then have the same labels become one: counts, rates and what remains are added up, and of
periods and times it is the greatest.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple

from flint_limiter import _arguments

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from flint_limiter._contract import AbstractLimiter
    from flint_limiter._types import LimitStatus

__all__ = ["CONTENT_TYPE", "add_prometheus_route", "prometheus_metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_PREFIX = re.compile("[a-zA-Z_:][a-zA-Z0-9_:]*")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
# Statuses that are asked for at once, so that a scrape of very many keys holds neither server nor client for long.
_PAGE = 10_000


class _Metric(NamedTuple):
    name: str
    kind: str
    help: str
    value: Callable[[LimitStatus], int]
    merged: Callable[[int, int], int]
    #: In how many parts of a unit the value counts; 1 or 1000.
    scale: int = 1


def _add(one: int, other: int) -> int:
    return one + other


_METRICS = (
    _Metric("limit_info", "gauge", "Limits, one each.", lambda s: 1, _add),
    _Metric("limit_rate", "gauge", "Units per period.", lambda s: s["rate"], _add),
    _Metric("limit_per_millis", "gauge", "Period of the rate, in milliseconds.", lambda s: s["per_millis"], max),
    _Metric("limit_remaining", "gauge", "Whole units left.", lambda s: s["remaining"], _add),
    _Metric(
        "limit_reset_at_seconds",
        "gauge",
        "When the quota is back to what it promises, in seconds since 1970.",
        lambda s: (s["reset_at"] - _EPOCH) // _MILLISECOND,
        max,
        1000,
    ),
    _Metric("requests_allowed_total", "counter", "Checks that were allowed.", lambda s: s["total_allowed"], _add),
    _Metric("requests_denied_total", "counter", "Checks that were denied.", lambda s: s["total_denied"], _add),
    _Metric(
        "request_cost_allowed_total",
        "counter",
        "Units of checks that were allowed.",
        lambda s: s["total_allowed_cost"],
        _add,
    ),
    _Metric(
        "request_cost_denied_total",
        "counter",
        "Units of checks that were denied.",
        lambda s: s["total_denied_cost"],
        _add,
    ),
)


def prometheus_metrics(
    limiter: AbstractLimiter,
    prefix: str = "flint",
    include_key_label: bool = True,
    key_label_func: Callable[[str], str] | None = None,
) -> str:
    """All limits in the text format 0.0.4, with the labels `algorithm` and, if `include_key_label`, `key`: the key, or
    what `key_label_func` makes of it.

    Reads every status, and changes nothing. Blocks: from a coroutine call it with `asyncio.to_thread`.
    """
    if not _PREFIX.fullmatch(_arguments.text(prefix, "prefix")):
        raise ValueError("prefix must be letters, digits, '_' and ':', and begin with no digit.")
    if key_label_func is not None and not callable(key_label_func):
        raise TypeError(f"key_label_func must be callable, not {_arguments.type_name(key_label_func)}.")

    series: dict[str, list[int]] = {}
    for status in _statuses(limiter):
        labels = f'algorithm="{status["algorithm"]}"'
        if include_key_label:
            label = status["key"] if key_label_func is None else key_label_func(status["key"])
            labels = f'key="{_escaped(_arguments.text(label, "the answer of key_label_func"))}",{labels}'
        values = [metric.value(status) for metric in _METRICS]
        if known := series.get(labels):
            values = [metric.merged(*pair) for metric, pair in zip(_METRICS, zip(known, values))]
        series[labels] = values

    lines: list[str] = []
    for index, metric in enumerate(_METRICS):
        name = f"{prefix}_{metric.name}"
        lines += (f"# HELP {name} {metric.help}\n", f"# TYPE {name} {metric.kind}\n")
        lines += (f"{name}{{{labels}}} {_shown(values[index], metric.scale)}\n" for labels, values in series.items())
    return "".join(lines)


def add_prometheus_route(
    app: Starlette,
    limiter: AbstractLimiter,
    path: str = "/metrics",
    *,
    prefix: str = "flint",
    include_key_label: bool = True,
    key_label_func: Callable[[str], str] | None = None,
) -> None:
    """Let a FastAPI or Starlette application answer `GET path` with `prometheus_metrics(limiter, ...)`.

    The path is for you to protect, and to name in `exempt_paths` of a FlintMiddleware.
    """
    from starlette.responses import Response

    async def metrics(request: Request) -> Response:
        text = await asyncio.to_thread(prometheus_metrics, limiter, prefix, include_key_label, key_label_func)
        return Response(text, headers={"content-type": CONTENT_TYPE})

    app.add_route(path, metrics, methods=["GET"], include_in_schema=False)


def _statuses(limiter: AbstractLimiter) -> Iterator[LimitStatus]:
    page = limiter.list(limit=_PAGE)
    while page:
        yield from page
        if len(page) < _PAGE:
            return
        page = limiter.list(after=page[-1]["key"], limit=_PAGE)


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _shown(value: int, scale: int) -> str:
    return str(value) if scale == 1 else f"{value // scale}.{value % scale:03}"
