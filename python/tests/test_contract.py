"""Every method, of every kind of limiter, for threads and for asyncio: one suite that all of them pass."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

import flint

ALGORITHMS = ("token_bucket", "sliding_window_log", "fixed_window_counter", "sliding_window_counter")

STATUS_FIELDS = [
    "key",
    "rate",
    "per_millis",
    "burst",
    "algorithm",
    "source",
    "mode",
    "remaining",
    "reset_at",
    "total_allowed",
    "total_denied",
    "total_allowed_cost",
    "total_denied_cost",
    "would_deny",
    "reserved",
    "last_allowed_at",
    "last_denied_at",
    "last_reset_at",
]


def is_recent(time: datetime) -> bool:
    return time.tzinfo is timezone.utc and abs(datetime.now(timezone.utc) - time) < timedelta(minutes=1)


def test_a_check_consumes_and_says_what_is_left(limiter: Any) -> None:
    limiter.limit("api:user-42", rate=3, per="1d")
    result = limiter.check("api:user-42", cost=2)
    assert type(result) is flint.CheckResult
    assert result
    assert (result.key, result.allowed, result.cost, result.limit) == ("api:user-42", True, 2, 3)
    assert (result.remaining, result.retry_after_ms, result.algorithm) == (1, 0, "token_bucket")
    assert 0 < result.reset_after_ms <= 57_600_000
    until_reset = (result.reset_at - datetime.now(timezone.utc)).total_seconds() * 1000
    assert abs(until_reset - result.reset_after_ms) < 60_000


def test_a_denied_check_consumes_nothing_and_says_when_to_come_back(limiter: Any) -> None:
    limiter.limit("k", rate=3, per="1d")
    limiter.check("k", cost=2)
    denied = limiter.check("k", cost=3)
    assert not denied
    assert denied.allowed is False
    assert denied.remaining == 1
    assert 57_000_000 < denied.retry_after_ms <= 57_600_000
    assert limiter.check("k", cost=1)


def test_allow_is_the_short_form(limiter: Any) -> None:
    limiter.limit("k", rate=2, per="1d")
    assert [limiter.allow("k"), limiter.allow("k", cost=2), limiter.allow("k"), limiter.allow("k")] == [
        True,
        False,
        True,
        False,
    ]


@pytest.mark.parametrize("algorithm", ALGORITHMS)
def test_each_algorithm_admits_its_rate_and_no_more(limiter: Any, algorithm: str) -> None:
    limiter.limit("k", rate=5, per="1d", algorithm=algorithm)
    results = [limiter.check("k") for _ in range(7)]
    assert [bool(result) for result in results] == [True] * 5 + [False] * 2
    assert [result.remaining for result in results] == [4, 3, 2, 1, 0, 0, 0]
    assert {result.algorithm for result in results} == {algorithm}


def test_a_burst_is_the_capacity_of_a_token_bucket(limiter: Any) -> None:
    limiter.limit("k", rate=1, per="1d", burst=4)
    assert limiter.check("k", cost=4).limit == 4
    assert limiter.status("k")["burst"] == 4


@pytest.mark.parametrize(
    ("per", "millis"),
    [
        (1, 1_000),
        ("1", 1_000),
        ("250ms", 250),
        ("10s", 10_000),
        ("1m", 60_000),
        ("1h", 3_600_000),
        ("366d", 31_622_400_000),
        (timedelta(minutes=5), 300_000),
        (timedelta(milliseconds=1), 1),
    ],
)
def test_a_period_is_seconds_a_text_or_a_timedelta(limiter: Any, per: Any, millis: int) -> None:
    limiter.limit("k", rate=1, per=per)
    assert limiter.status("k")["per_millis"] == millis


def test_check_all_consumes_all_or_nothing(limiter: Any) -> None:
    limiter.limit("a", rate=3, per="1d")
    limiter.limit("b", rate=10, per="1d", algorithm="sliding_window_log")
    limiter.limit("c", rate=1, per="1d")

    answer = limiter.check_all(["a", ("b", 4), {"key": "c"}])
    assert list(answer) == ["allowed", "denied_key", "results"]
    assert (answer["allowed"], answer["denied_key"]) == (True, None)
    assert [type(result) for result in answer["results"]] == [flint.CheckResult] * 3
    assert [(result.key, result.cost, result.remaining) for result in answer["results"]] == [
        ("a", 1, 2),
        ("b", 4, 6),
        ("c", 1, 0),
    ]

    denied = limiter.check_all([{"key": "a", "cost": 2}, ["c", 1], "b"])
    assert (denied["allowed"], denied["denied_key"]) == (False, "c")
    assert [(result.key, result.allowed, result.remaining) for result in denied["results"]] == [
        ("a", True, 2),
        ("c", False, 0),
    ]
    assert [limiter.status(key)["total_denied"] for key in "abc"] == [0, 0, 1]
    assert [limiter.status(key)["remaining"] for key in "abc"] == [2, 6, 0]


def test_allow_all_is_the_short_form(limiter: Any) -> None:
    limiter.limit("a", rate=1, per="1d")
    limiter.limit("b", rate=2, per="1d")
    assert limiter.allow_all(iter(["a", "b"])) is True
    assert limiter.allow_all(("a", "b")) is False
    assert limiter.status("b")["remaining"] == 1


def test_a_status_has_the_fields_of_the_api_and_times_that_are_aware(limiter: Any) -> None:
    assert limiter.status("nobody") is None
    limiter.limit("k", rate=10, per="1m", algorithm="fixed_window_counter")
    fresh = limiter.status("k")
    assert list(fresh) == STATUS_FIELDS
    assert (fresh["key"], fresh["rate"], fresh["per_millis"], fresh["burst"]) == ("k", 10, 60_000, None)
    assert (fresh["algorithm"], fresh["remaining"]) == ("fixed_window_counter", 10)
    assert [fresh[name] for name in STATUS_FIELDS[9:]] == [0] * 6 + [None] * 3
    assert (fresh["mode"], is_recent(fresh["reset_at"])) == ("enforce", True)

    limiter.check("k", cost=8)
    limiter.check("k", cost=3)
    limiter.check("k", cost=4)
    limiter.reset("k")
    used = limiter.status("k")
    assert [used[name] for name in STATUS_FIELDS[9:15]] == [1, 2, 8, 7, 0, 0]
    assert all(is_recent(used[name]) for name in STATUS_FIELDS[15:])


def test_a_status_changes_nothing(limiter: Any) -> None:
    limiter.limit("k", rate=2, per="1d")
    limiter.check("k")
    assert [limiter.status("k")["remaining"] for _ in range(20)] == [1] * 20
    assert limiter.status("k")["total_allowed"] == 1


def test_what_was_used_stays_used_when_the_limit_changes(limiter: Any) -> None:
    limiter.limit("k", rate=10, per="1d")
    limiter.check("k", cost=6)
    limiter.limit("k", rate=8, per="1d")
    assert limiter.status("k")["remaining"] == 2
    limiter.limit("k", rate=4, per="1d", algorithm="sliding_window_log")
    assert limiter.status("k")["remaining"] == 0


def test_a_limit_with_the_same_values_changes_nothing(limiter: Any) -> None:
    for _ in range(3):
        limiter.limit("k", rate=10, per="1d")
    assert [event["kind"] for event in limiter.history("k")] == ["configured"]


def test_reset_gives_the_full_quota_back_and_keeps_the_counters(limiter: Any) -> None:
    limiter.limit("k", rate=2, per="1d")
    limiter.check("k", cost=2)
    assert not limiter.allow("k")
    limiter.reset("k")
    assert limiter.check("k").remaining == 1
    assert limiter.status("k")["total_allowed_cost"] == 3


def test_the_list_is_in_byte_order_and_can_be_paged(limiter: Any) -> None:
    keys = ["b", "a/1", "a/2", "ä", "a/3", "Z", "emoji \N{SNOWMAN}"]
    for key in keys:
        limiter.limit(key, rate=1, per="1d")
    in_order = sorted(keys, key=str.encode)
    assert [status["key"] for status in limiter.list()] == in_order
    assert list(limiter.list()[0]) == STATUS_FIELDS
    assert [status["key"] for status in limiter.list(prefix="a/")] == ["a/1", "a/2", "a/3"]
    assert [status["key"] for status in limiter.list(prefix="a/", after="a/1", limit=1)] == ["a/2"]
    assert [status["key"] for status in limiter.list(after=in_order[4])] == in_order[5:]
    assert limiter.list(prefix="nobody") == []


def test_the_history_is_what_the_log_remembers_of_a_key(limiter: Any) -> None:
    limiter.limit("other", rate=1, per="1d")
    limiter.limit("k", rate=2, per="1m", burst=3)
    limiter.check("k", cost=3)
    for _ in range(2):
        limiter.check("k", cost=3)
    limiter.flush()
    limiter.reset("k")
    configured, allowed, denied, reset = limiter.history("k")
    assert configured["kind"] == "configured"
    assert [configured[name] for name in ("rate", "per_millis", "burst", "algorithm")] == [2, 60_000, 3, "token_bucket"]
    assert (allowed["kind"], allowed["cost"], allowed["count"]) == ("allowed", 3, 1)
    assert (denied["kind"], denied["cost"], denied["count"]) == ("denied", 6, 2)
    assert list(reset) == ["seq", "at", "kind", "cost", "count"]
    assert (reset["kind"], reset["cost"], reset["count"]) == ("reset", 0, 1)
    assert all(is_recent(event["at"]) for event in (configured, allowed, denied, reset))
    assert configured["seq"] < allowed["seq"] < denied["seq"] < reset["seq"]
    assert limiter.history("k", limit=2) == [denied, reset]


def test_top_lists_the_keys_with_the_most_denials_or_grants(limiter: Any) -> None:
    for key, grants, denials in (("a", 1, 2), ("b", 3, 0), ("c", 2, 5)):
        limiter.limit(key, rate=grants, per="1d")
        for _ in range(grants + denials):
            limiter.check(key)
    assert [status["key"] for status in limiter.top()] == ["c", "a"]
    assert [status["key"] for status in limiter.top(by="allowed")] == ["b", "c", "a"]
    assert [status["total_denied"] for status in limiter.top(by="denied", limit=1)] == [5]


def test_decisions_are_counted_from_the_open_on(limiter: Any) -> None:
    assert limiter.decisions() == {"allowed": 0, "denied": 0}
    limiter.limit("set", "2/d")
    limiter.check_all(["set", {"key": "carried", "limit": "1/d"}])
    limiter.check_all(["set", {"key": "carried", "limit": "1/d"}])
    limiter.check("set", dry_run=True)
    assert limiter.decisions() == {"allowed": 2, "denied": 1}


def test_doctor_finds_a_used_directory_well(limiter: Any) -> None:
    limiter.limit("k", rate=1, per="1d")
    limiter.flush()
    begun = limiter.doctor()["last_seq"]
    limiter.check("k")
    limiter.flush()
    report = limiter.doctor()
    assert report["ok"] is True
    # Where the directory is may be worth a notice, and says nothing against it: TMPDIR may be a tmpfs.
    findings = [finding for finding in report["findings"] if " is on tmpfs: " not in finding["message"]]
    assert (report["limits"], report["failed"], report["degraded"], findings) == (1, False, False, [])
    assert report["last_seq"] == report["durable_seq"] == begun + 1
    assert report["aof_bytes"] > 0
    assert report["snapshot_exists"] is False


def test_compaction_writes_a_snapshot_and_changes_no_limit(limiter: Any) -> None:
    limiter.limit("k", rate=5, per="1d")
    limiter.check("k", cost=2)
    limiter.compact()
    assert limiter.doctor()["snapshot_exists"] is True
    assert limiter.check("k").remaining == 2


@pytest.mark.parametrize(
    "key",
    [
        "a/b//c",
        "/",
        ".",
        "..",
        "%2F",
        "100%",
        "a?b=c&d#e",
        "a b+c",
        '"quoted\\',
        "Grüße",
        "\N{SNOWMAN}" * 170,
        "\U0001f600",
        "k" * 512,
        " leading",
        "-",
    ],
)
def test_any_text_that_may_be_a_key_is_one(limiter: Any, key: str) -> None:
    limiter.limit(key, rate=2, per="1d")
    assert limiter.check(key).key == key
    assert limiter.check_all([(key, 1)])["results"][0].key == key
    assert limiter.check_all([key])["denied_key"] == key
    assert limiter.status(key)["key"] == key
    assert limiter.history(key)[0]["kind"] == "configured"
    assert [status["key"] for status in limiter.list(prefix=key)] == [key]
    limiter.reset(key)


def test_a_key_without_a_limit_cannot_be_used(limiter: Any) -> None:
    limiter.limit("known", rate=1, per="1d")
    calls: list[Callable[[], object]] = [
        lambda: limiter.check("nobody"),
        lambda: limiter.allow("nobody"),
        lambda: limiter.check_all(["known", "nobody"]),
        lambda: limiter.allow_all(["known", "nobody"]),
        lambda: limiter.reset("nobody"),
        lambda: limiter.history("nobody"),
        lambda: limiter.delete("nobody"),
        lambda: limiter.check("nobody", dry_run=True),
    ]
    for call in calls:
        with pytest.raises(flint.LimitNotConfigured, match="nobody"):
            call()
    assert limiter.status("known")["remaining"] == 1


def test_a_cost_that_could_never_pass_is_an_error_that_names_the_capacity(limiter: Any) -> None:
    limiter.limit("k", rate=3, per="1d")
    with pytest.raises(ValueError, match=r"cost 4 .*3"):
        limiter.check("k", cost=4)
    with pytest.raises(ValueError, match=r"cost 4 .*3"):
        limiter.check_all([("k", 4)])
    assert limiter.status("k")["total_denied"] == 0


def test_a_key_twice_in_one_check_all_is_an_error(limiter: Any) -> None:
    limiter.limit("k", rate=3, per="1d")
    with pytest.raises(ValueError, match="more than once"):
        limiter.check_all(["k", ("k", 1)])
    assert limiter.status("k")["remaining"] == 3


def test_texts_and_numbers_of_derived_classes_are_taken_by_their_value(limiter: Any) -> None:
    class Text(str):
        def __str__(self) -> str:
            return "something else"

    class Number(int):
        def __repr__(self) -> str:
            return "something else"

    limiter.limit(Text("k"), rate=Number(3), per=Text("1d"), algorithm=Text("sliding_window_log"))
    result = limiter.check(Text("k"), cost=Number(2))
    assert (result.key, type(result.key), result.cost) == ("k", str, 2)
    assert limiter.check_all([(Text("k"), Number(1))])["results"][0].remaining == 0


def test_after_close_every_call_raises_and_a_second_close_does_nothing(limiter: Any) -> None:
    limiter.limit("k", rate=1, per="1d")
    limiter.close()
    limiter.close()
    calls: list[Callable[[], object]] = [
        lambda: limiter.limit("k", rate=2, per="1d"),
        lambda: limiter.check("k"),
        lambda: limiter.allow("k"),
        lambda: limiter.check_all(["k"]),
        lambda: limiter.allow_all(["k"]),
        lambda: limiter.reset("k"),
        lambda: limiter.status("k"),
        lambda: limiter.list(),
        lambda: limiter.history("k"),
        lambda: limiter.top(),
        lambda: limiter.doctor(),
        lambda: limiter.decisions(),
        lambda: limiter.flush(),
        lambda: limiter.compact(),
    ]
    for call in calls:
        with pytest.raises(flint.StorageError, match="closed"):
            call()


def test_a_limiter_is_a_context_manager(raw_limiter: flint.AbstractLimiter) -> None:
    with raw_limiter as entered:
        assert entered is raw_limiter
    with pytest.raises(flint.StorageError, match="closed"):
        raw_limiter.list()


def test_a_limiter_is_an_asynchronous_context_manager(raw_limiter: flint.AbstractLimiter, loop: Any) -> None:
    async def enter_and_leave() -> None:
        async with raw_limiter as entered:
            assert entered is raw_limiter

    loop.run_until_complete(enter_and_leave())
    with pytest.raises(flint.StorageError, match="closed"):
        raw_limiter.list()


def test_a_limiter_is_no_value_to_be_pickled(raw_limiter: flint.AbstractLimiter) -> None:
    with pytest.raises(TypeError, match="cannot be pickled"):
        pickle.dumps(raw_limiter)
