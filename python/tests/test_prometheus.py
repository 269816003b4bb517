"""The metrics, which other programs must be able to read."""

from __future__ import annotations

import asyncio
import shutil
import socket
import subprocess
from typing import Any

import pytest
from fastapi import FastAPI
from hypothesis import given, strategies
from prometheus_client import CollectorRegistry, Counter, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from support import Server
from test_http import answer, read_request, serving
from web_support import asgi

import flint
from flint.prometheus import CONTENT_TYPE, add_prometheus_route, prometheus_collector, prometheus_metrics
from flint.testing import MemoryLimiter

NAMES = (
    ("flint_limit_info", "gauge"),
    ("flint_limit_rate", "gauge"),
    ("flint_limit_per_millis", "gauge"),
    ("flint_limit_remaining", "gauge"),
    ("flint_limit_reset_at_seconds", "gauge"),
    ("flint_requests_allowed_total", "counter"),
    ("flint_requests_denied_total", "counter"),
    ("flint_would_deny_total", "counter"),
    ("flint_request_cost_allowed_total", "counter"),
    ("flint_request_cost_denied_total", "counter"),
    ("flint_decisions_total", "counter"),
    ("flint_rule_decisions_total", "counter"),
    ("flint_rule_keys", "gauge"),
    ("flint_rule_forgotten_keys_total", "counter"),
)
#: In the families of rules, where there is no pattern.
RULE_SAMPLES = 7


def read(text: str) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    """Name of a series -> its labels -> its value."""
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            series = found.setdefault(sample.name, {})
            labels = tuple(sorted(sample.labels.items()))
            assert labels not in series, f"{sample.name}{labels} is there twice"
            series[labels] = sample.value
    return found


def judge(text: str) -> None:
    """Prometheus' own program must find nothing wrong, on machines that have it."""
    if promtool := shutil.which("promtool"):
        done = subprocess.run([promtool, "check", "metrics"], input=text, capture_output=True, text=True)
        assert (done.returncode, done.stdout + done.stderr) == (0, "")


def fill(limiter: flint.AbstractLimiter) -> None:
    limiter.limit("a", rate=3, per="1m")
    limiter.limit('b "\\" ü', rate=5, per="1h", algorithm="sliding_window_log")
    limiter.limit("c", rate=10, per="1s")
    limiter.check("a", cost=2)
    limiter.check("a", cost=2)
    limiter.check("c", cost=4)


def of_rules(decisions: dict[str, tuple[int, int, int]]) -> dict[tuple[tuple[str, str], ...], int]:
    return {
        (("outcome", outcome), ("rule", rule)): count
        for rule, counts in decisions.items()
        for outcome, count in zip(("allowed", "denied", "would_deny"), counts)
    }


def test_every_metric_of_every_key(flint_limiter: MemoryLimiter) -> None:
    fill(flint_limiter)
    text = prometheus_metrics(flint_limiter, include_key_label=True)
    a = (("algorithm", "token_bucket"), ("key", "a"))
    b = (("algorithm", "sliding_window_log"), ("key", 'b "\\" ü'))
    c = (("algorithm", "token_bucket"), ("key", "c"))
    now = flint_limiter.clock.now().timestamp()
    judge(text)
    assert read(text) == {
        "flint_limit_info": {a: 1, b: 1, c: 1},
        "flint_limit_rate": {a: 3, b: 5, c: 10},
        "flint_limit_per_millis": {a: 60_000, b: 3_600_000, c: 1_000},
        "flint_limit_remaining": {a: 1, b: 5, c: 6},
        "flint_limit_reset_at_seconds": {a: now + 40, b: now, c: now + 0.4},
        "flint_requests_allowed_total": {a: 1, b: 0, c: 1},
        "flint_requests_denied_total": {a: 1, b: 0, c: 0},
        "flint_would_deny_total": {a: 0, b: 0, c: 0},
        "flint_request_cost_allowed_total": {a: 2, b: 0, c: 4},
        "flint_request_cost_denied_total": {a: 2, b: 0, c: 0},
        "flint_decisions_total": {(("outcome", "allowed"),): 2, (("outcome", "denied"),): 1},
        "flint_rule_decisions_total": of_rules({"exact": (2, 1, 0), "carried": (0, 0, 0)}),
        "flint_rule_forgotten_keys_total": {(("rule", "carried"),): 0},
    }
    assert [(line.split()[2], line.split()[3]) for line in text.splitlines() if "# TYPE" in line] == list(NAMES)
    assert 'flint_limit_reset_at_seconds{key="c",algorithm="token_bucket"} 1893456000.400\n' in text


def test_by_default_series_are_by_algorithm_and_added_up(flint_limiter: MemoryLimiter) -> None:
    """Symptom: 300,000 keys were as many series of each metric, and a scrape took 230 MB."""
    fill(flint_limiter)
    found = read(prometheus_metrics(flint_limiter))
    bucket, log = (("algorithm", "token_bucket"),), (("algorithm", "sliding_window_log"),)
    assert found["flint_limit_info"] == {bucket: 2, log: 1}
    assert found["flint_limit_rate"] == {bucket: 13, log: 5}
    assert found["flint_limit_per_millis"] == {bucket: 60_000, log: 3_600_000}
    assert found["flint_limit_remaining"] == {bucket: 7, log: 5}
    assert found["flint_limit_reset_at_seconds"][bucket] == flint_limiter.clock.now().timestamp() + 40
    assert found["flint_request_cost_allowed_total"] == {bucket: 6, log: 0}


def test_keys_can_be_made_coarser(flint_limiter: MemoryLimiter) -> None:
    for key in ("user:1", "user:2", "org:1"):
        flint_limiter.limit(key, rate=3, per=1)
        flint_limiter.check(key)
    found = read(prometheus_metrics(flint_limiter, "acme_rate", key_label_func=lambda key: key.partition(":")[0]))
    assert {dict(labels)["key"]: value for labels, value in found["acme_rate_requests_allowed_total"].items()} == {
        "user": 2,
        "org": 1,
    }


def test_no_limits_are_no_series(flint_limiter: MemoryLimiter) -> None:
    text = prometheus_metrics(flint_limiter)
    judge(text)
    assert list(read(text)) == [
        "flint_decisions_total",
        "flint_rule_decisions_total",
        "flint_rule_forgotten_keys_total",
    ]


LABELS = strategies.text(strategies.characters(exclude_categories=["Cs"]), max_size=20)


@given(labels=strategies.lists(LABELS, max_size=6, unique=True))
def test_any_label_is_read_as_it_was_written(labels: list[str]) -> None:
    with MemoryLimiter() as limiter:
        for index in range(len(labels)):
            limiter.limit(f"{index}", rate=1, per=1)
        text = prometheus_metrics(limiter, key_label_func=lambda key: labels[int(key)])
    # The parser splits at whatever str.splitlines() does; the format only at line feeds.
    if not any(len(label.splitlines()) > 1 or label.splitlines() != [label] for label in labels if label):
        assert {dict(sample)["key"] for sample in read(text).get("flint_limit_info", {})} == set(labels)
    assert text.count("\n") == 2 * len(NAMES) + (len(NAMES) - 4) * len(labels) + 2 + RULE_SAMPLES


def test_keys_come_by_pages(flint_limiter: MemoryLimiter, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flint.prometheus._PAGE", 2)
    for count in range(5):
        flint_limiter.limit(f"{count}", rate=1, per=1)
        assert len(read(prometheus_metrics(flint_limiter, include_key_label=True))["flint_limit_info"]) == count + 1


def test_a_route_serves_them_in_either_mode(raw_limiter: flint.AbstractLimiter) -> None:
    fill(raw_limiter)
    app = FastAPI()
    add_prometheus_route(app, raw_limiter, include_key_label=True)
    flint.add_prometheus_route(app, raw_limiter, "/m2", prefix="x")

    async def both() -> Any:
        return await asgi(app, "/metrics"), await asgi(app, "/m2"), await asgi(app, "/metrics", method="POST")

    first, second, posted = asyncio.run(both())
    assert (first.status, first["content-type"]) == (200, CONTENT_TYPE)
    assert len(read(first.body.decode())["flint_limit_info"]) == 3
    assert len(read(second.body.decode())["x_limit_info"]) == 2
    assert posted.status == 405
    assert flint.CONTENT_TYPE is CONTENT_TYPE
    assert app.openapi()["paths"] == {}


@pytest.mark.parametrize(
    ("arguments", "kind", "names"),
    [
        ({"prefix": "9a"}, ValueError, "prefix"),
        ({"prefix": "a-b"}, ValueError, "prefix"),
        ({"prefix": "job:a"}, ValueError, "recording rules"),
        ({"prefix": None}, TypeError, "prefix"),
        ({"key_label_func": "x"}, TypeError, "key_label_func"),
        ({"key_label_func": lambda key: 7}, TypeError, "key_label_func"),
    ],
)
def test_wrong_arguments(
    flint_limiter: MemoryLimiter, arguments: dict[str, Any], kind: type[Exception], names: str
) -> None:
    flint_limiter.limit("k", rate=1, per=1)
    with pytest.raises(kind, match=names):
        prometheus_metrics(flint_limiter, **arguments)
    with pytest.raises(kind, match=names):
        list(prometheus_collector(flint_limiter, **arguments).collect())


@pytest.mark.parametrize("arguments", [{}, {"include_key_label": True}, {"key_label_func": len}, {"prefix": "x"}])
def test_a_collector_has_the_same_series(flint_limiter: MemoryLimiter, arguments: dict[str, Any]) -> None:
    if "key_label_func" in arguments:
        arguments = {"key_label_func": lambda key: str(len(key))}
    fill(flint_limiter)
    registry = CollectorRegistry()
    registry.register(prometheus_collector(flint_limiter, **arguments))
    found = read(generate_latest(registry).decode())
    assert found.pop(f"{arguments.get('prefix', 'flint')}_up") == {(): 1}
    assert found == read(prometheus_metrics(flint_limiter, **arguments))
    assert flint.prometheus_collector is prometheus_collector


def test_decisions_by_limits_that_checks_carry_are_counted(raw_limiter: flint.AbstractLimiter) -> None:
    """Symptom: requests of the middleware were in no metric, for their keys are in no list and are forgotten."""
    for key, allowed in (("ann", True), ("ann", False), ("bob", True)):
        assert raw_limiter.allow(key, limit="1/d") is allowed
    raw_limiter.delete("ann")
    found = read(prometheus_metrics(raw_limiter, "x"))["x_decisions_total"]
    assert found == {(("outcome", "allowed"),): 2, (("outcome", "denied"),): 1}


def test_decisions_are_counted_by_rule(flint_limiter: MemoryLimiter) -> None:
    flint_limiter.limit("exact", "9/h")
    flint_limiter.limit('a "b\\*', "1/s")
    flint_limiter.limit("shadow:*", "1/h", mode="shadow")
    for key in ("exact", 'a "b\\c', 'a "b\\c', 'a "b\\d', "shadow:1", "shadow:1"):
        flint_limiter.check(key)
    flint_limiter.check("session", limit="5/h")
    text = prometheus_metrics(flint_limiter)
    judge(text)
    found = read(text)
    assert found["flint_rule_decisions_total"] == of_rules(
        {"exact": (1, 0, 0), "carried": (1, 0, 0), 'a "b\\*': (2, 1, 0), "shadow:*": (1, 0, 1)}
    )
    assert found["flint_rule_keys"] == {(("rule", 'a "b\\*'),): 2, (("rule", "shadow:*"),): 1}
    registry = CollectorRegistry()
    registry.register(prometheus_collector(flint_limiter))
    collected = read(generate_latest(registry).decode())
    assert {name: collected[name] for name in found} == found


def test_where_a_proxy_keeps_the_decisions_back_the_limits_are_there() -> None:
    def serve(connection: socket.socket) -> None:
        while request := read_request(connection):
            found = request.startswith(b"GET /v1/limits")
            connection.sendall(answer(b"[]" if found else b"<html>", "200 OK" if found else "404 Not Found"))

    with serving(serve) as proxy, flint.SharedLimiter(proxy.url) as limiter:
        text = prometheus_metrics(limiter)
        assert list(read(text)) == ["flint_degraded_checks_total"]
        registry = CollectorRegistry()
        registry.register(prometheus_collector(limiter))
        assert read(generate_latest(registry).decode())["flint_up"] == {(): 1}


def test_a_collector_of_a_server_out_of_reach_spoils_no_other_metric(
    server: Server, caplog: pytest.LogCaptureFixture
) -> None:
    with flint.SharedLimiter(server.url, on_error="allow") as limiter:
        limiter.limit("k", rate=1, per="1d")
        registry = CollectorRegistry()
        Counter("own", "The program's own.", registry=registry).inc()
        registry.register(prometheus_collector(limiter))
        assert len(read(generate_latest(registry).decode())["flint_limit_info"]) == 1
        server.kill()
        assert limiter.allow("k")
        found = read(generate_latest(registry).decode())
    assert (found["own_total"], found["flint_up"], found["flint_degraded_checks_total"]) == ({(): 1}, {(): 0}, {(): 1})
    assert "flint_limit_info" not in found
    assert "Metrics of limits are left out" in caplog.text


def test_checks_that_a_server_did_not_decide_are_counted(server: Server) -> None:
    with flint.SharedLimiter(server.url, on_error="allow") as limiter:
        text = prometheus_metrics(limiter)
    judge(text)
    assert read(text)["flint_degraded_checks_total"] == {(): 0}
