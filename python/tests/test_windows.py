"""Limits of several windows: set, carried, in decorators and middleware, embedded, shared and in memory."""

from __future__ import annotations

import pickle
from datetime import datetime
from typing import Any

import pytest

import flint
from flint_limiter.testing import MemoryLimiter

TEXT = "10/h burst 20, 1000/d fixed_window_counter"
WINDOWS = [{"rate": 10, "per": "1h", "burst": 20}, {"rate": 1000, "per": "1d", "algorithm": "fixed_window_counter"}]
RULES = [
    {"rate": 10, "per_millis": 3_600_000, "burst": 20, "algorithm": "token_bucket"},
    {"rate": 1000, "per_millis": 86_400_000, "burst": None, "algorithm": "fixed_window_counter"},
]

NAMES = ("rate", "per_millis", "burst", "algorithm")


def rules(windows: Any) -> list[dict[str, Any]]:
    return [{name: window[name] for name in NAMES} for window in windows]


@pytest.mark.parametrize("given", [{"limit": TEXT}, {"windows": WINDOWS}], ids=["text", "dicts"])
def test_a_limit_has_several_windows(limiter: Any, given: dict[str, Any]) -> None:
    limiter.limit("k", **given)
    result = limiter.check("k", 5)
    assert (result.allowed, result.limit, result.remaining, result.algorithm) == (True, 20, 15, "token_bucket")
    assert rules(result.windows) == RULES
    assert [window["remaining"] for window in result.windows] == [15, 995]
    assert [window["limit"] for window in result.windows] == [20, 1000]
    assert all(isinstance(window["reset_at"], datetime) for window in result.windows)
    status = limiter.status("k")
    assert (status["rate"], status["per_millis"], status["remaining"]) == (10, 3_600_000, 15)
    assert rules(status["windows"]) == RULES
    assert [window["remaining"] for window in status["windows"]] == [15, 995]
    configured = limiter.history("k")[0]
    assert configured["windows"] == RULES
    assert pickle.loads(pickle.dumps(result)) == result
    document = result.as_dict()
    assert [window["remaining"] for window in document["windows"]] == [15, 995]
    assert all(window["reset_at"].endswith("Z") for window in document["windows"])


def test_a_check_carries_several_windows(limiter: Any) -> None:
    for limit in (TEXT, {"windows": WINDOWS}):
        assert limiter.check("carried", 8, limit=limit).allowed
    denied = limiter.check("carried", 8, limit=TEXT)
    assert (denied.allowed, denied.remaining) == (False, 4)
    assert [window["retry_after_ms"] > 0 for window in denied.windows] == [True, False]
    assert limiter.check_all([{"key": "other", "limit": {"windows": WINDOWS}}])["results"][0].remaining == 19


def test_one_window_is_no_list(limiter: Any) -> None:
    limiter.limit("k", windows=[{"rate": 3, "per": "1h"}])
    assert limiter.check("k").windows == ()
    assert "windows" not in limiter.status("k")
    assert "windows" not in limiter.check("k").as_dict()


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"windows": []}, ValueError, "windows must be 1 to 8, not 0"),
        ({"windows": WINDOWS * 5}, ValueError, "windows must be 1 to 8, not 10"),
        ({"windows": WINDOWS[0]}, TypeError, "windows must be a list of dicts"),
        ({"windows": "10/s"}, TypeError, "windows must be a list of dicts"),
        ({"windows": [WINDOWS[0], "10/s"]}, TypeError, r"windows\[1\] must be a dict"),
        ({"windows": [{"rate": 1}]}, ValueError, r"windows\[0\].per is missing"),
        ({"windows": [{"rate": 0, "per": 1}]}, ValueError, r"windows\[0\].rate must be"),
        ({"windows": [{"rate": True, "per": 1}]}, TypeError, r"windows\[0\].rate must be"),
        ({"windows": [{"rate": 1, "per": "1y"}]}, ValueError, r"windows\[0\].per must be"),
        ({"windows": [{"rate": 1, "per": 1, "x": 1}]}, ValueError, r"windows\[0\] must have no members but"),
        ({"windows": [WINDOWS[0], WINDOWS[0]]}, ValueError, "windows must not have two windows of 1h: keep one"),
        ({"windows": WINDOWS, "rate": 1}, TypeError, "windows takes the place of .*: leave out rate, or windows"),
        ({"windows": WINDOWS, "limit": "1/s"}, TypeError, "limit takes the place of .*: leave out windows, or limit"),
    ],
)
def test_bad_windows_are_refused(limiter: Any, given: dict[str, Any], kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        limiter.limit("k", **given)
    assert limiter.status("k") is None


def test_bad_carried_windows_are_refused(limiter: Any) -> None:
    with pytest.raises(ValueError, match=r"limit.windows\[1\].rate must be"):
        limiter.check("k", limit={"windows": [WINDOWS[0], {"rate": 0, "per": 1}]})
    with pytest.raises(ValueError, match="limit.windows takes the place of all other members"):
        limiter.check("k", limit={"windows": WINDOWS, "rate": 1})
    with pytest.raises(ValueError, match="cost 21 is above the capacity"):
        limiter.check("k", 21, limit=TEXT)


def test_a_function_is_limited_by_several_windows(flint_limiter: MemoryLimiter) -> None:
    @flint_limiter.rate_limit("k", "2/s, 3/h fixed_window_counter")
    def limited() -> bool:
        return True

    assert limited()
    assert limited()
    with pytest.raises(flint.RateLimitExceeded):
        limited()
    flint_limiter.clock.advance("1s")
    assert limited()
    with pytest.raises(flint.RateLimitExceeded) as raised:
        limited()
    assert raised.value.retry_after is not None
    assert raised.value.retry_after > 3000
    with pytest.raises(ValueError, match="cost 3 is above the capacity, 2"):
        flint_limiter.rate_limit("k", "2/s, 3/h", cost=3)
