"""Prometheus metrics of the limits of a limiter.

    flint.add_prometheus_route(app, limiter)              # FastAPI and Starlette: GET /metrics
    REGISTRY.register(flint.prometheus_collector(limiter)) # with the package prometheus_client
    text = flint.prometheus_metrics(limiter)              # anywhere else; serve it as flint.CONTENT_TYPE

All limits of one algorithm form one series: counts, rates and remaining units are added up; for periods and times, the
series has the largest value. `include_key_label=True` makes one series per key, with the key as a label: use it only if
there are few keys and they may be shown. `key_label_func` turns keys into coarser labels, and makes one series of each.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Callable, Iterator
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, NamedTuple

from flint_limiter import _arguments
from flint_limiter._errors import FlintError, FlintServerError
from flint_limiter._limiter import Limiter
from flint_limiter._shared import SharedLimiter

if TYPE_CHECKING:
    from prometheus_client.metrics_core import Metric
    from prometheus_client.registry import Collector
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

    from flint_limiter._contract import AbstractLimiter
    from flint_limiter._types import LimitStatus

__all__ = ["CONTENT_TYPE", "add_prometheus_route", "prometheus_collector", "prometheus_metrics"]

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

logger = logging.getLogger("flint")

_DECISIONS = "decisions"
_DECISIONS_HELP = "Decisions since the directory was opened, by outcome: of all keys, also by limits that checks carry."
_DEGRADED = "degraded_checks"
_DEGRADED_HELP = "Checks that on_error of this process answered in place of the server."
_RULE_DECISIONS_HELP = (
    "Decisions since the directory was opened, by outcome and by the rule that made them: a pattern, exact for limits "
    "of their keys, carried for limits that came with checks, other for further patterns."
)
_PREFIX = re.compile("[a-zA-Z_][a-zA-Z0-9_]*")
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)
_MILLISECOND = timedelta(milliseconds=1)
# Number of statuses per request, so that a scrape of very many keys occupies neither server nor client for long.
_PAGE = 10_000


class _Metric(NamedTuple):
    name: str
    kind: str
    help: str
    value: Callable[[LimitStatus], int]
    merged: Callable[[int, int], int]
    #: The number of steps of the value that make one unit: 1 or 1000.
    scale: int = 1


class _Family(NamedTuple):
    name: str
    kind: str
    help: str
    labels: list[str]
    #: The values of the labels, and the number.
    samples: list[tuple[tuple[str, ...], int]]


def _add(one: int, other: int) -> int:
    return one + other


_METRICS = (
    _Metric("limit_info", "gauge", "Limits, one each.", lambda s: 1, _add),
    _Metric("limit_rate", "gauge", "Units per period.", lambda s: s["rate"], _add),
    _Metric("limit_per_millis", "gauge", "Period of the rate, in milliseconds.", lambda s: s["per_millis"] or 0, max),
    _Metric("limit_remaining", "gauge", "Whole units left.", lambda s: s["remaining"], _add),
    _Metric(
        "limit_reset_at_seconds",
        "gauge",
        "When the full quota is back if nothing more is used, in seconds since 1970.",
        lambda s: (s["reset_at"] - _EPOCH) // _MILLISECOND,
        max,
        1000,
    ),
    _Metric("requests_allowed_total", "counter", "Checks that were allowed.", lambda s: s["total_allowed"], _add),
    _Metric("requests_denied_total", "counter", "Checks that were denied.", lambda s: s["total_denied"], _add),
    _Metric(
        "would_deny_total",
        "counter",
        "Checks that limits in mode shadow allowed although they did not fit.",
        lambda s: s["would_deny"],
        _add,
    ),
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
    include_key_label: bool = False,
    key_label_func: Callable[[str], str] | None = None,
) -> str:
    """Return all limits in the text format 0.0.4, with the label `algorithm`. With `include_key_label` or
    `key_label_func`, there is also the label `key`: the key, or the result of `key_label_func` for it.

    Reads every status, and changes nothing. Blocks: from a coroutine, call it with `asyncio.to_thread`.
    """
    selection = _Selection(prefix, include_key_label, key_label_func)
    series = selection.series(limiter)
    lines: list[str] = []
    for index, metric in enumerate(_METRICS):
        name = f"{prefix}_{metric.name}"
        lines += (f"# HELP {name} {metric.help}\n", f"# TYPE {name} {metric.kind}\n")
        for labels, values in series.items():
            shown = ",".join(f'{label}="{_escaped(value)}"' for label, value in zip(selection.labels, labels))
            lines.append(f"{name}{{{shown}}} {_shown(values[index], metric.scale)}\n")
    if decisions := _decisions(limiter):
        name = f"{prefix}_{_DECISIONS}_total"
        lines += (f"# HELP {name} {_DECISIONS_HELP}\n", f"# TYPE {name} counter\n")
        lines += (f'{name}{{outcome="{outcome}"}} {count}\n' for outcome, count in decisions)
    for family in _rule_families(limiter):
        name = f"{prefix}_{family.name}"
        lines += (f"# HELP {name} {family.help}\n", f"# TYPE {name} {family.kind}\n")
        for labels, count in family.samples:
            shown = ",".join(f'{label}="{_escaped(value)}"' for label, value in zip(family.labels, labels))
            lines.append(f"{name}{{{shown}}} {count}\n")
    if isinstance(limiter, SharedLimiter):
        name = f"{prefix}_{_DEGRADED}_total"
        lines += (f"# HELP {name} {_DEGRADED_HELP}\n", f"# TYPE {name} counter\n")
        lines.append(f"{name} {limiter.degraded_checks}\n")
    return "".join(lines)


def prometheus_collector(
    limiter: AbstractLimiter,
    prefix: str = "flint",
    include_key_label: bool = False,
    key_label_func: Callable[[str], str] | None = None,
) -> Collector:
    """Return the same metrics for the package prometheus_client: `REGISTRY.register(prometheus_collector(limiter))`.

    Each scrape reads every status. While the limits cannot be read, the program's other metrics are still served:
    `{prefix}_up` is 0, and the logger `flint` gets a warning.
    """
    from prometheus_client.metrics_core import CounterMetricFamily, GaugeMetricFamily
    from prometheus_client.registry import Collector

    selection = _Selection(prefix, include_key_label, key_label_func)

    class LimitsCollector(Collector):
        def describe(self) -> list[Metric]:
            return []  # otherwise registering it would read the limits

        def collect(self) -> Iterator[Metric]:
            up = GaugeMetricFamily(f"{prefix}_up", "Whether the limits can be read.")
            decisions: list[tuple[str, int]] = []
            rules: list[_Family] = []
            try:
                series = selection.series(limiter)
                decisions = _decisions(limiter)
                rules = _rule_families(limiter)
            except FlintError as error:
                logger.warning("Metrics of limits are left out: %s", error)
                series = None
            up.add_metric([], float(series is not None))
            yield up
            if decisions:
                counter = CounterMetricFamily(f"{prefix}_{_DECISIONS}", _DECISIONS_HELP, labels=["outcome"])
                for outcome, count in decisions:
                    counter.add_metric([outcome], count)
                yield counter
            for of_rules in rules:
                name, counts = f"{prefix}_{of_rules.name}", of_rules.kind == "counter"
                kind = CounterMetricFamily if counts else GaugeMetricFamily
                family = kind(name, of_rules.help, labels=of_rules.labels)
                for label_values, count in of_rules.samples:
                    family.add_metric(label_values, count)
                yield family
            if isinstance(limiter, SharedLimiter):
                yield CounterMetricFamily(f"{prefix}_{_DEGRADED}", _DEGRADED_HELP, limiter.degraded_checks)
            for index, metric in enumerate(_METRICS if series else ()):
                name, counts = f"{prefix}_{metric.name}", metric.kind == "counter"
                kind = CounterMetricFamily if counts else GaugeMetricFamily
                family = kind(name, metric.help, labels=selection.labels)
                for labels, values in (series or {}).items():
                    family.add_metric(labels, values[index] / metric.scale)
                yield family

    return LimitsCollector()


def add_prometheus_route(
    app: Starlette,
    limiter: AbstractLimiter,
    path: str = "/metrics",
    *,
    prefix: str = "flint",
    include_key_label: bool = False,
    key_label_func: Callable[[str], str] | None = None,
) -> None:
    """Make a FastAPI or Starlette application answer `GET path` with `prometheus_metrics(limiter, ...)`.

    Protect the path yourself, and name it in `exempt_paths` of a FlintMiddleware.
    """
    from starlette.responses import Response

    async def metrics(request: Request) -> Response:
        text = await asyncio.to_thread(prometheus_metrics, limiter, prefix, include_key_label, key_label_func)
        return Response(text, headers={"content-type": CONTENT_TYPE})

    app.add_route(path, metrics, methods=["GET"], include_in_schema=False)


class _Selection:
    """Selects the series and computes their values."""

    def __init__(self, prefix: str, include_key_label: bool, key_label_func: Callable[[str], str] | None) -> None:
        if not _PREFIX.fullmatch(_arguments.text(prefix, "prefix")):
            raise ValueError(
                "prefix must be letters, digits and '_', and begin with no digit (':' is for recording rules)."
            )
        if key_label_func is not None and not callable(key_label_func):
            raise TypeError(f"key_label_func must be callable, not {_arguments.type_name(key_label_func)}.")
        self._label_of = key_label_func or (str if include_key_label else None)
        self.labels = ["key", "algorithm"] if self._label_of else ["algorithm"]

    def series(self, limiter: AbstractLimiter) -> dict[tuple[str, ...], list[int]]:
        """Map the label values of each series to the merged values of its metrics."""
        series: dict[tuple[str, ...], list[int]] = {}
        for status in _statuses(limiter):
            labels: tuple[str, ...] = (status["algorithm"],)
            if self._label_of:
                labels = (_arguments.text(self._label_of(status["key"]), "the answer of key_label_func"), *labels)
            values = [metric.value(status) for metric in _METRICS]
            if known := series.get(labels):
                values = [metric.merged(*pair) for metric, pair in zip(_METRICS, zip(known, values))]
            series[labels] = values
        return series


def _statuses(limiter: AbstractLimiter) -> Iterator[LimitStatus]:
    page = limiter.list(limit=_PAGE)
    while page:
        yield from page
        if len(page) < _PAGE:
            return
        page = limiter.list(after=page[-1]["key"], limit=_PAGE)


def _decisions(limiter: AbstractLimiter) -> list[tuple[str, int]]:
    """Outcomes and how many there were. Empty where a proxy does not pass on what tells of them."""
    try:
        decisions = limiter.decisions()
    except FlintServerError:
        return []
    return [("allowed", decisions["allowed"]), ("denied", decisions["denied"])]


def _rule_families(limiter: AbstractLimiter) -> list[_Family]:
    """Of an embedded limiter; a server shows those of its own in its `/metrics`."""
    if not isinstance(limiter, Limiter):
        return []
    decisions: list[tuple[tuple[str, ...], int]] = []
    keys: list[tuple[tuple[str, ...], int]] = []
    forgotten: list[tuple[tuple[str, ...], int]] = []
    for each in limiter.rule_decisions():
        rule = each["rule"]
        outcomes = (("allowed", each["allowed"]), ("denied", each["denied"]), ("would_deny", each["would_deny"]))
        decisions += [((rule, outcome), count) for outcome, count in outcomes]
        if each["keys"] is not None:
            keys.append(((rule,), each["keys"]))
        if rule != "exact":
            forgotten.append(((rule,), each["forgotten_keys"]))
    return [
        _Family("rule_decisions_total", "counter", _RULE_DECISIONS_HELP, ["rule", "outcome"], decisions),
        _Family("rule_keys", "gauge", "Keys that have usage under a pattern.", ["rule"], keys),
        _Family("rule_forgotten_keys_total", "counter", "Keys that were forgotten, by rule.", ["rule"], forgotten),
    ]


def _escaped(label: str) -> str:
    return label.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _shown(value: int, scale: int) -> str:
    return str(value) if scale == 1 else f"{value // scale}.{value % scale:03}"
