"""Limits for keys that nobody configured: carried by checks and given by patterns; dry runs; and what ends limits."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from conftest import MODES, open_limiter
from support import Server

import flint
from flint import testing


@pytest.fixture(params=(*MODES, "memory"))
def raw_limiter(request: pytest.FixtureRequest) -> Iterator[flint.AbstractLimiter]:
    """As everywhere, and one in memory."""
    with testing.MemoryLimiter() if request.param == "memory" else open_limiter(request.param, request) as limiter:
        yield limiter


def keys_of(statuses: list[Any]) -> list[str]:
    return [status["key"] for status in statuses]


# --- Carried limits


def test_a_check_that_carries_its_limit_needs_no_set_up(limiter: Any) -> None:
    results = [limiter.check("ip:1", limit="3/d") for _ in range(4)]
    assert [result.allowed for result in results] == [True, True, True, False]
    assert [result.remaining for result in results] == [2, 1, 0, 0]
    assert limiter.check("ip:2", limit="3/d").remaining == 2
    status = limiter.status("ip:1")
    assert (status["source"], status["rate"], status["total_denied"]) == ("carried", 3, 1)
    assert "pattern" not in status
    assert "keys" not in status
    assert limiter.list() == []
    assert keys_of(limiter.list(keys=True)) == ["ip:1", "ip:2"]
    assert keys_of(limiter.list(keys=True, after="ip:1", limit=1)) == ["ip:2"]


@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("3/d", {"rate": 3, "per": "1d"}),
        ("3/d burst 9", {"rate": 3, "per": 86_400, "burst": 9}),
        ("3/h sliding_window_log", {"rate": 3, "per": "60m", "algorithm": "sliding_window_log"}),
    ],
)
def test_a_carried_limit_is_a_rate_string_or_a_dict(limiter: Any, text: str, parts: dict[str, Any]) -> None:
    limiter.check("a", limit=text)
    limiter.check("b", limit=parts)
    rules = [
        [limiter.status(key)[name] for name in ("rate", "per_millis", "burst", "algorithm", "remaining")]
        for key in "ab"
    ]
    assert rules[0] == rules[1]


def test_every_form_of_a_check_takes_a_limit_and_a_cost_by_its_place(limiter: Any) -> None:
    assert limiter.check("a", 2, limit="5/d").remaining == 3
    assert limiter.allow("a", 3, limit="5/d") is True
    assert limiter.allow("a", cost=1, limit="5/d") is False
    limiter.limit("b", "1/d")
    assert limiter.allow("b", 1) is True
    assert limiter.check("b", 1).allowed is False


def test_which_limit_holds(limiter: Any) -> None:
    def capacity(key: str, limit: str | None = None) -> int:
        number: int = limiter.check(key, limit=limit, dry_run=True).limit
        return number

    limiter.limit("u:*", "10/d")
    limiter.limit("u:vip:*", "20/d", override=True)
    limiter.limit("u:1", "30/d")
    limiter.limit("u:vip:1", "40/d")
    assert [capacity(key) for key in ("u:1", "u:2", "u:vip:1", "u:vip:2")] == [30, 10, 40, 20]
    assert [capacity(key, "5/d") for key in ("u:1", "u:2", "u:vip:1", "u:vip:2", "v")] == [30, 5, 40, 20, 5]


def test_a_key_that_only_carried_limits_brought_to_life_has_none(limiter: Any) -> None:
    limiter.check("k", limit="3/d")
    calls: list[Callable[[], object]] = [lambda: limiter.check("k"), lambda: limiter.check_all(["k"])]
    for call in calls:
        with pytest.raises(flint.LimitNotConfigured, match="k"):
            call()
    limiter.reset("k")
    assert limiter.check("k", limit="3/d").remaining == 2


def test_to_alternate_between_limits_grants_nothing(limiter: Any) -> None:
    allowed = [limiter.allow("k", limit=("5/d", "6/d")[i % 2]) for i in range(20)]
    assert allowed.count(True) <= 6
    assert not limiter.allow("k", limit="4/d")


def test_check_all_carries_limits_item_by_item(limiter: Any) -> None:
    limiter.limit("set", "2/d")
    items = ["set", {"key": "new", "cost": 2, "limit": "3/d"}, {"key": "more", "limit": {"rate": 9, "per": "1d"}}]
    assert [one.remaining for one in limiter.check_all(items)["results"]] == [1, 1, 8]
    denied = limiter.check_all(items)
    assert (denied["allowed"], denied["denied_key"]) == (False, "new")
    assert limiter.allow_all(items) is False
    assert [limiter.status(key)["remaining"] for key in ("set", "new", "more")] == [1, 1, 8]


def test_an_item_in_error_consumes_nothing(limiter: Any) -> None:
    with pytest.raises(ValueError, match="cost 4 .*3"):
        limiter.check_all([{"key": "a", "limit": "3/d"}, {"key": "b", "cost": 4, "limit": "3/d"}])
    with pytest.raises(flint.LimitNotConfigured, match="nobody"):
        limiter.check_all([{"key": "a", "limit": "3/d"}, "nobody"])
    assert limiter.list(keys=True) == []


# --- Dry runs


def test_a_dry_run_answers_and_changes_nothing(limiter: Any) -> None:
    limiter.limit("k", "3/d")
    limiter.check("k", 2)
    assert (limiter.check("k", dry_run=True).allowed, limiter.check("k", dry_run=True).remaining) == (True, 0)
    assert limiter.check("k", 2, dry_run=True).allowed is False
    assert limiter.allow("k", dry_run=True) is True
    assert limiter.allow("k", 3, dry_run=True) is False
    assert limiter.check("new", limit="3/d", dry_run=True).remaining == 2
    assert limiter.check_all(["k", {"key": "new", "limit": "3/d"}], dry_run=True)["allowed"] is True
    assert limiter.allow_all([("k", 2)], dry_run=True) is False
    status = limiter.status("k")
    assert (status["remaining"], status["total_allowed"], status["total_denied"]) == (1, 1, 0)
    assert limiter.status("new") is None
    assert keys_of(limiter.list(keys=True)) == ["k"]


# --- Patterns


def test_each_key_of_a_pattern_has_a_usage_of_its_own(limiter: Any) -> None:
    limiter.limit("ip:*", "2/d")
    assert [limiter.allow("ip:1") for _ in range(3)] == [True, True, False]
    assert limiter.check("ip:2").remaining == 1
    assert limiter.status("ip:3")["remaining"] == 2

    one = limiter.status("ip:1")
    assert (one["source"], one["pattern"], one["remaining"]) == ("pattern", "ip:*", 0)
    assert "override" not in one
    pattern = limiter.status("ip:*")
    assert (pattern["source"], pattern["override"], pattern["keys"]) == ("set", False, 2)
    assert (pattern["total_allowed"], pattern["total_denied"]) == (3, 1)
    assert list(pattern)[:8] == ["key", "rate", "per_millis", "burst", "algorithm", "source", "mode", "override"]

    assert keys_of(limiter.list()) == ["ip:*"]
    assert keys_of(limiter.list(keys=True)) == ["ip:*", "ip:1", "ip:2"]
    assert keys_of(limiter.top(by="denied")) == ["ip:1"]


def test_a_changed_pattern_holds_at_once_for_its_keys(limiter: Any) -> None:
    limiter.limit("ip:*", "2/d")
    limiter.check("ip:1")
    limiter.limit("ip:*", "5/d", override=True)
    assert limiter.status("ip:*")["override"] is True
    assert limiter.status("ip:1")["remaining"] == 4
    assert limiter.check("ip:1", limit="1/d").limit == 5


def test_a_reset_of_a_pattern_resets_its_keys(limiter: Any) -> None:
    limiter.limit("ip:*", "2/d")
    for key in ("ip:1", "ip:2"):
        limiter.check(key, 2)
    limiter.reset("ip:*")
    assert [limiter.check(key).remaining for key in ("ip:1", "ip:2")] == [1, 1]


def test_what_a_pattern_may_not_be(limiter: Any) -> None:
    limiter.limit("ip:*", "2/d")
    calls: list[tuple[str, Callable[[], object]]] = [
        ("name of a pattern", lambda: limiter.check("ip:*")),
        ("name of a pattern", lambda: limiter.check("other:*", limit="2/d")),
        ("name of a pattern", lambda: limiter.check_all(["ip:*"])),
        (r"a \* that is not its last character", lambda: limiter.limit("a*b", "2/d")),
        (r"a \* that is not its last character", lambda: limiter.limit("**", "2/d")),
        ("override is for patterns", lambda: limiter.limit("ip:1", "2/d", override=True)),
        ("cost 3 .*2", lambda: limiter.check("ip:1", 3)),
    ]
    for words, call in calls:
        with pytest.raises(ValueError, match=words):
            call()
    assert keys_of(limiter.list(keys=True)) == ["ip:*"]


def test_a_lone_star_is_the_rule_for_every_other_key(limiter: Any) -> None:
    limiter.limit("*", "2/d")
    assert limiter.check("anything").limit == 2
    assert limiter.status("*")["keys"] == 1


# --- Ends


def test_delete_forgets_a_key_which_then_falls_to_its_pattern(limiter: Any) -> None:
    limiter.limit("ip:*", "5/d")
    limiter.limit("ip:1", "2/d")
    limiter.check("ip:1", 2)
    assert limiter.delete("ip:1") is None
    assert (limiter.check("ip:1").limit, limiter.status("ip:1")["remaining"]) == (5, 4)
    limiter.limit("k", "1/d")
    limiter.delete("k")
    assert limiter.status("k") is None
    with pytest.raises(flint.LimitNotConfigured, match="k"):
        limiter.check("k")


def test_delete_takes_patterns_and_keys_without_a_limit_of_their_own(limiter: Any) -> None:
    limiter.check("carried", 2, limit="3/d")
    limiter.delete("carried")
    assert limiter.check("carried", limit="3/d").remaining == 2

    limiter.limit("*", "9/d")
    limiter.limit("ip:*", "5/d")
    limiter.check("ip:1", 3)
    limiter.delete("ip:*")
    assert (limiter.status("ip:1")["pattern"], limiter.check("ip:1").remaining) == ("*", 5)
    assert keys_of(limiter.list()) == ["*"]


def test_what_is_not_there_cannot_be_deleted(limiter: Any) -> None:
    for key in ("nobody", "nobody:*"):
        with pytest.raises(flint.LimitNotConfigured, match="nobody"):
            limiter.delete(key)


def test_all_with_a_prefix_are_reset_and_deleted(limiter: Any) -> None:
    for key in ("user:1", "user:2", "user +&:3", "org:1"):
        limiter.limit(key, "2/d")
        limiter.check(key, 2)
    limiter.check("user:4", limit="2/d")
    assert limiter.reset_prefix("user:") == 3
    # Without a limit of its own, it may be forgotten by now: its quota is full.
    limiter.check("user:4", limit="2/d")
    assert [limiter.status(key)["remaining"] for key in ("user:1", "user:2", "user +&:3", "org:1")] == [2, 2, 0, 0]
    assert limiter.delete_prefix("user +") == 1
    assert limiter.delete_prefix("user:") == 3
    assert limiter.delete_prefix("user:") == limiter.reset_prefix("user:") == 0
    assert keys_of(limiter.list(keys=True)) == ["org:1"]


def test_after_close_these_calls_raise_too(limiter: Any) -> None:
    limiter.close()
    calls: list[Callable[[], object]] = [
        lambda: limiter.check("k", limit="1/d"),
        lambda: limiter.check("k", dry_run=True),
        lambda: limiter.limit("k:*", "1/d"),
        lambda: limiter.reset("k:*"),
        lambda: limiter.status("k:*"),
        lambda: limiter.delete("k"),
        lambda: limiter.delete("k:*"),
        lambda: limiter.delete_prefix("k"),
        lambda: limiter.reset_prefix("k"),
    ]
    for call in calls:
        with pytest.raises(flint.StorageError, match="closed"):
            call()


def test_what_patterns_and_carried_limits_brought_to_life_outlives_a_restart(tmp_path: Path) -> None:
    with flint.Limiter(tmp_path) as limiter:
        limiter.limit("ip:*", "5/d", override=True)
        limiter.check("ip:1", 2)
        limiter.check("k", 2, limit="5/d")
    with flint.Limiter(tmp_path) as limiter:
        assert limiter.check("ip:1", limit="9/d").remaining == 2
        assert limiter.check("k", limit="5/d").remaining == 2
        assert [status.get("override") for status in limiter.list()] == [True]


# --- The end of usage, and the bound of keys


def test_a_key_without_a_limit_of_its_own_is_forgotten_with_its_full_quota() -> None:
    with testing.MemoryLimiter() as limiter:
        limiter.limit("ip:*", "60/m")
        limiter.check("ip:1", 30)
        limiter.check("k", 30, limit="60/m")
        limiter.clock.advance("2m")
        for i in range(200):  # the birth of a key looks at others
            limiter.check(f"new:{i}", limit="60/m")
        assert not {"ip:1", "k"} & set(keys_of(limiter.list(keys=True)))
        status = limiter.status("ip:*")
        assert status is not None
        assert (status["keys"], status["total_allowed_cost"]) == (0, 30)


@pytest.mark.parametrize("on_full", ["deny", "allow"])
def test_a_server_with_as_many_keys_as_it_may_have_says_so(tmp_path: Path, on_full: str) -> None:
    server = Server(tmp_path / "served", "--max-keys", "1", "--on-full", on_full)
    with flint.SharedLimiter(server.url) as limiter:
        limiter.check("a", limit="5/d")
        full = limiter.check("b", limit="5/d")
        assert full.keys_full
        assert full.allowed is full.degraded is (on_full == "allow")
        assert limiter.degraded_checks == 0, "the server decided"
    server.stop()


@pytest.mark.parametrize("on_full", ["deny", "allow"])
def test_beyond_max_keys_a_new_key_is_answered_as_on_full_says(tmp_path: Path, on_full: Any) -> None:
    limiters: list[flint.Limiter] = [
        flint.Limiter(tmp_path, max_keys=2, on_full=on_full),
        testing.MemoryLimiter(max_keys=2, on_full=on_full),
    ]
    for limiter in limiters:
        with limiter:
            limiter.limit("set", "5/d")
            for key in ("a", "b"):
                assert not limiter.check(key, limit="5/d").keys_full
            full = limiter.check("c", 2, limit="5/d")
            assert full.keys_full
            assert full.allowed is full.degraded is (on_full == "allow")
            assert full.retry_after_ms == (0 if full.allowed else 1000)
            document = full.as_dict()
            assert (document["code"], document["degraded"]) == ("keys_full", full.allowed)
            assert limiter.status("c") is None
            for known in ("a", "set"):
                result = limiter.check(known, limit="5/d")
                assert (result.keys_full, result.degraded) == (False, False)
