"""Limits that go by the calendar: set and carried, embedded, shared and in memory."""

from __future__ import annotations

import json
import pickle
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest
from test_http import answer, answers, serving, styled

import flint

__all__ = ["styled"]  # a fixture

RULE = {"rate": 9, "per_millis": None, "burst": None, "algorithm": "fixed_window_counter"}


@pytest.mark.parametrize(
    ("given", "zone"),
    [
        ({"rate": 9, "align": "month"}, "UTC"),
        ({"rate": 9, "align": "month", "timezone": "Europe/Berlin"}, "Europe/Berlin"),
        ({"limit": "9 per calendar month in Asia/Kathmandu"}, "Asia/Kathmandu"),
        ({"windows": [{"rate": 9, "align": "month", "timezone": "UTC"}]}, "UTC"),
    ],
)
def test_a_limit_goes_by_the_calendar(limiter: Any, given: dict[str, Any], zone: str) -> None:
    limiter.limit("k", **given)
    assert limiter.check("k", 4).remaining == 5
    status = limiter.status("k")
    assert {name: status[name] for name in RULE} == RULE
    assert (status["align"], status["timezone"]) == ("month", zone)
    if zone == "UTC":
        now = datetime.now(timezone.utc)
        year, month = divmod(now.year * 12 + now.month, 12)
        # The wall clock is read once a call, and may be a little ahead of or behind the limiter's time.
        assert abs(status["reset_at"] - datetime(year, month + 1, 1, tzinfo=timezone.utc)) < timedelta(seconds=1)
    configured = limiter.history("k")[0]
    assert (configured["align"], configured["timezone"]) == ("month", zone)


def test_a_check_carries_one(limiter: Any) -> None:
    carried = {"rate": 3, "align": "year", "timezone": "America/New_York"}
    assert limiter.check("carried", 2, limit=carried).remaining == 1
    assert limiter.check("carried", 1, limit="3 per calendar year in America/New_York").remaining == 0
    both = {"windows": [{"rate": 9, "per": "1h"}, {"rate": 5, "align": "day"}]}
    result = limiter.check("both", 2, limit=both)
    assert [window["per_millis"] for window in result.windows] == [3_600_000, None]
    assert result.windows[1]["align"] == "day"


@pytest.mark.parametrize(
    ("given", "kind", "words"),
    [
        ({"rate": 9, "align": "hour"}, ValueError, "align must be day, week, month or year"),
        ({"rate": 9, "align": 1}, TypeError, "align must be a str"),
        ({"rate": 9, "align": "day", "per": "1d"}, ValueError, "per must be left out with align"),
        ({"rate": 9, "align": "day", "burst": 9}, ValueError, "burst must be left out with align"),
        ({"rate": 9, "align": "day", "algorithm": "token_bucket"}, ValueError, "align is for fixed_window_counter"),
        ({"rate": 9, "align": "day", "timezone": "Nowhere/Land"}, ValueError, 'timezone must be .*"Nowhere/Land"'),
        ({"rate": 9, "align": "day", "timezone": ""}, ValueError, "timezone must be"),
        ({"rate": 9, "align": "day", "timezone": "a b"}, ValueError, "timezone must be"),
        ({"rate": 9, "align": "day", "timezone": 1}, TypeError, "timezone must be a str"),
        ({"rate": 9, "timezone": "UTC", "per": 1}, ValueError, "align is missing"),
        ({"align": "day"}, TypeError, "rate must be an int"),
        ({"limit": "9/calendar day in Nowhere/Land"}, ValueError, "time ?zone"),
        ({"limit": "9/s", "align": "day"}, TypeError, "leave out align, or limit"),
        ({"windows": [{"rate": 9, "align": "day"}] * 2}, ValueError, "two windows of a calendar day"),
    ],
)
def test_a_bad_one_is_refused(limiter: Any, given: dict[str, Any], kind: type, words: str) -> None:
    with pytest.raises(kind, match=words):
        limiter.limit("k", **given)
    assert limiter.status("k") is None


UNKNOWN = (
    b'{"key":"k","allowed":false,"cost":1,"limit":9,"remaining":0,"reset_at":"2026-11-23T18:22:02.123Z",'
    b'"reset_after_ms":600,"retry_after_ms":600,"algorithm":"fixed_window_counter","code":"unknown_timezone",'
    b'"message":"the time zone \\"Old/Zone\\" of this limit is not known on this machine: install its zone data '
    b'(tzdata), or change the limit."}'
)


def test_a_zone_that_the_machine_no_longer_knows_is_named(styled: Any) -> None:
    """What a server answers after an update of its system that has no data of the zone."""
    body = b'{"allowed":false,"denied_key":"k","results":[' + UNKNOWN + b"]}"
    with serving(answers(answer(UNKNOWN), answer(body))) as server, flint.SharedLimiter(server.url) as limiter:
        use = styled(limiter)
        for result in (use.check("k"), use.check_all(["k"])["results"][0]):
            assert (result.allowed, result.unknown_timezone) == (False, "Old/Zone")
            assert result.as_dict() == json.loads(UNKNOWN)
            assert pickle.loads(pickle.dumps(result)) == result
    without_name = UNKNOWN.replace(b"Old/Zone", b"").replace(b'\\"', b"")
    with serving(answers(answer(without_name))) as server, flint.SharedLimiter(server.url) as limiter:
        with pytest.raises(flint.FlintServerError, match="none of a Flint server"):
            styled(limiter).check("k")
