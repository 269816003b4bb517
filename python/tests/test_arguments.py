"""Arguments of every wrong type, size and value: the same exception with the same words, embedded and shared."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import flint

NO_INTS: list[Any] = [None, True, False, 1.0, 1.5, "1", b"1", Decimal(1), [], {}]
OUT_OF_RANGE: list[int] = [0, -1, -(10**30), 2**40 + 1, 2**63, 2**64, 10**5000]
NO_TEXTS: list[Any] = [None, 1, 1.5, b"key", bytearray(b"key"), ["key"], object()]


def each(error: type[Exception], values: Iterable[Any]) -> list[tuple[Any, type[Exception]]]:
    return [(value, error) for value in values]


BAD_KEYS: list[tuple[Any, type[Exception]]] = [
    *each(TypeError, NO_TEXTS),
    ("", ValueError),
    ("k" * 513, ValueError),
    ("\N{SNOWMAN}" * 171, ValueError),
    ("a\0b", ValueError),
    ("\n", ValueError),
    ("a\x7f", ValueError),
    ("a\x85", ValueError),
    ("a\x9f", ValueError),
    (" ", ValueError),
    ("\t", ValueError),
    ("\N{NO-BREAK SPACE}\N{EM SPACE}\N{IDEOGRAPHIC SPACE}\N{LINE SEPARATOR}", ValueError),
    ("\ud800", ValueError),
    ("a\udfff", ValueError),
    ("\ud83d\ude00", ValueError),
]


def without_none(bad_values: list[tuple[Any, type[Exception]]]) -> list[tuple[Any, type[Exception]]]:
    """Where None is the same as leaving the argument out."""
    return [(value, kind) for value, kind in bad_values if value is not None]


BAD_UNITS: list[tuple[Any, type[Exception]]] = [*each(TypeError, NO_INTS), *each(ValueError, OUT_OF_RANGE)]
BAD_PERIODS: list[tuple[Any, type[Exception]]] = [
    *each(TypeError, (None, True, 1.5, b"1m", Decimal(1), [])),
    *each(ValueError, (0, -1, 366 * 86_400 + 1, 10**5000)),
    *each(ValueError, ("", "0s", "m", "1 m", " 1m", "1m ", "1.5m", "-1m", "+1m", "1w", "1e3", "٣s", "367d", "9" * 9)),
    *each(ValueError, (timedelta(0), timedelta(-1), timedelta(microseconds=1), timedelta(days=367), timedelta.max)),
]
BAD_ALGORITHMS: list[tuple[Any, type[Exception]]] = [
    *each(TypeError, (1, b"token_bucket")),
    ("gcra", ValueError),
    ("", ValueError),
]
BAD_RATE_STRINGS: list[tuple[Any, type[Exception]]] = [
    *each(TypeError, NO_TEXTS),
    *each(ValueError, ("", " ", "5", "5/", "/m", "m", "five/m", "5/M", "5/60", "5/week", "5/0s", "5/367d", "5/1.5h")),
    *each(ValueError, ("0/m", "-5/m", "+5/m", "1.5/m", "1e3/m", "1,000/m", "1__0/m", f"{2**40 + 1}/m")),
    *each(ValueError, ("5/m burst", "5/m burst 0", "5/m burst 9 sliding_window_log", "5/m leaky", "5/m, 9/m", "5/m,")),
    *each(ValueError, ("5/m\0", "5/m\n", "5\t/m", "5/m\x1b[0m", "٣/m", "５/m", "5/m\ud800", "9" * 5000 + "/m")),
    ("x" * 10**6, ValueError),
]
BAD_CARRIED: list[tuple[Any, type[Exception]]] = [
    *each(TypeError, (1, 1.5, True, b"5/m", ["5/m"], ("rate", 1), object())),
    *[(text, kind) for text, kind in BAD_RATE_STRINGS if isinstance(text, str)],
    *each(ValueError, ({}, {"rate": 1}, {"per": 1}, {"rate": 1, "per": 1, "limit": "1/m"})),
    ({"rate": 1, "per": 1, 1: 1}, ValueError),
    *[({"rate": rate, "per": 1}, kind) for rate, kind in BAD_UNITS],
    *[({"rate": 1, "per": per}, kind) for per, kind in BAD_PERIODS],
    *[({"rate": 1, "per": 1, "algorithm": algorithm}, kind) for algorithm, kind in BAD_ALGORITHMS],
    *[({"rate": 1, "per": 1, "burst": burst}, kind) for burst, kind in BAD_UNITS[1:]],
    ({"rate": 1, "per": 1, "burst": 2, "algorithm": "sliding_window_log"}, ValueError),
]
BAD_MODES: list[tuple[Any, type[Exception]]] = [
    *each(TypeError, (None, 0, True, b"block", ["block"])),
    *each(ValueError, ("", "Block", "deny", "block ", "bl\u00f6ck")),
]
BAD_FLAGS: list[tuple[Any, type[Exception]]] = each(TypeError, (None, 0, 1, "", "true", b"", [], 1.5))
BAD_PREFIXES: list[tuple[Any, type[Exception]]] = [*each(TypeError, NO_TEXTS), *each(ValueError, ("", "\ud800"))]
BAD_ITEMS: list[tuple[Any, type[Exception]]] = [
    *each(TypeError, (None, 1, "k", b"k", {"key": "k"}, object())),
    ([], ValueError),
    (["k%d" % i for i in range(129)], ValueError),
    *each(TypeError, ([None], [1], [b"k"], [{"k"}], [object()])),
    *each(ValueError, ([()], [("k",)], [("k", 1, 1)], [[]], [{}], [{"cost": 1}], [{"key": "k", "weight": 1}])),
    *[([(key, 1)], kind) for key, kind in BAD_KEYS],
    *[([{"key": key}], kind) for key, kind in BAD_KEYS],
    *[(["k", ("other", cost)], kind) for cost, kind in BAD_UNITS],
    *[([{"key": "k", "cost": cost}], kind) for cost, kind in BAD_UNITS],
    *[(["k", {"key": "k2", "limit": limit}], kind) for limit, kind in BAD_CARRIED],
    ([("k", 1, "5/m")], ValueError),
]
BAD_ROWS: list[tuple[Any, type[Exception]]] = [
    *each(TypeError, NO_INTS),
    *each(ValueError, (0, -1, 10_001, 10**5000)),
]

Call = Callable[[Any, Any], object]
CALLS: list[tuple[str, str, list[tuple[Any, type[Exception]]], Call]] = [
    ("check", "key", BAD_KEYS, lambda limiter, bad: limiter.check(bad)),
    ("check", "cost", BAD_UNITS, lambda limiter, bad: limiter.check("k", cost=bad)),
    ("check", "cost", BAD_UNITS, lambda limiter, bad: limiter.check("k", bad)),
    ("check", "key", BAD_KEYS, lambda limiter, bad: limiter.check(bad, limit="5/m")),
    ("check", "cost", BAD_UNITS, lambda limiter, bad: limiter.check("k", bad, dry_run=True)),
    ("check", "limit", BAD_CARRIED, lambda limiter, bad: limiter.check("k", limit=bad, dry_run=True)),
    ("check", "dry_run", BAD_FLAGS, lambda limiter, bad: limiter.check("k", dry_run=bad)),
    ("allow", "limit", BAD_CARRIED, lambda limiter, bad: limiter.allow("k", limit=bad, dry_run=True)),
    ("allow", "dry_run", BAD_FLAGS, lambda limiter, bad: limiter.allow("k", limit="5/m", dry_run=bad)),
    ("check_all", "dry_run", BAD_FLAGS, lambda limiter, bad: limiter.check_all(["k"], dry_run=bad)),
    ("allow_all", "dry_run", BAD_FLAGS, lambda limiter, bad: limiter.allow_all(["k"], dry_run=bad)),
    ("limit", "override", BAD_FLAGS, lambda limiter, bad: limiter.limit("k:*", "5/m", override=bad)),
    ("limit", "mode", BAD_MODES, lambda limiter, bad: limiter.limit("k", "5/m", mode=bad)),
    ("delete", "key", BAD_KEYS, lambda limiter, bad: limiter.delete(bad)),
    ("delete_prefix", "prefix", BAD_PREFIXES, lambda limiter, bad: limiter.delete_prefix(bad)),
    ("reset_prefix", "prefix", BAD_PREFIXES, lambda limiter, bad: limiter.reset_prefix(bad)),
    ("list", "keys", BAD_FLAGS, lambda limiter, bad: limiter.list(keys=bad)),
    ("allow", "key", BAD_KEYS, lambda limiter, bad: limiter.allow(bad)),
    ("allow", "cost", BAD_UNITS, lambda limiter, bad: limiter.allow("k", cost=bad)),
    ("check_all", "items", BAD_ITEMS, lambda limiter, bad: limiter.check_all(bad)),
    ("allow_all", "items", BAD_ITEMS, lambda limiter, bad: limiter.allow_all(bad)),
    ("limit", "key", BAD_KEYS, lambda limiter, bad: limiter.limit(bad, rate=1, per=1)),
    ("limit", "limit", BAD_RATE_STRINGS, lambda limiter, bad: limiter.limit("k", bad)),
    ("limit", "limit", BAD_RATE_STRINGS, lambda limiter, bad: limiter.limit("k", limit=bad)),
    ("limit", "limit", [(1, TypeError)], lambda limiter, bad: limiter.limit("k", "1/s", burst=bad)),
    ("limit", "rate", BAD_UNITS, lambda limiter, bad: limiter.limit("k", rate=bad, per=1)),
    ("limit", "per", BAD_PERIODS, lambda limiter, bad: limiter.limit("k", rate=1, per=bad)),
    ("limit", "algorithm", BAD_ALGORITHMS, lambda limiter, bad: limiter.limit("k", rate=1, per=1, algorithm=bad)),
    ("limit", "burst", BAD_UNITS[1:], lambda limiter, bad: limiter.limit("k", rate=1, per=1, burst=bad)),
    (
        "limit",
        "burst",
        [(1, ValueError)],
        lambda limiter, bad: limiter.limit("k", rate=1, per=1, algorithm="sliding_window_log", burst=bad),
    ),
    ("status", "key", BAD_KEYS, lambda limiter, bad: limiter.status(bad)),
    ("reset", "key", BAD_KEYS, lambda limiter, bad: limiter.reset(bad)),
    ("history", "key", BAD_KEYS, lambda limiter, bad: limiter.history(bad)),
    ("history", "limit", BAD_ROWS, lambda limiter, bad: limiter.history("k", limit=bad)),
    ("top", "limit", BAD_ROWS, lambda limiter, bad: limiter.top(limit=bad)),
    ("top", "by", [(None, TypeError), ("both", ValueError)], lambda limiter, bad: limiter.top(by=bad)),
    ("list", "prefix", [(1, TypeError), ("\ud800", ValueError)], lambda limiter, bad: limiter.list(prefix=bad)),
    ("list", "after", [(None, TypeError), ("\ud800", ValueError)], lambda limiter, bad: limiter.list(after=bad)),
    ("list", "limit", [("1", TypeError), (0, ValueError)], lambda limiter, bad: limiter.list(limit=bad)),
    ("rate_limit", "key", BAD_KEYS, lambda limiter, bad: limiter.rate_limit(bad, rate=1, per=1)),
    ("rate_limit", "limit", BAD_RATE_STRINGS, lambda limiter, bad: limiter.rate_limit("k", bad)),
    ("rate_limit", "per", without_none(BAD_PERIODS), lambda limiter, bad: limiter.rate_limit("k", rate=1, per=bad)),
    (
        "rate_limit",
        "cost",
        without_none(BAD_UNITS),
        lambda limiter, bad: limiter.rate_limit("k", rate=1, per=1, cost=bad),
    ),
]


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[flint.Limiter]:
    with flint.Limiter(tmp_path_factory.mktemp("arguments"), sync="batch") as limiter:
        yield limiter


@pytest.fixture(scope="module")
def unreachable(tmp_path_factory: pytest.TempPathFactory) -> flint.SharedLimiter:
    """Whatever it sends raises FlintConnectionError; so another exception means that nothing was sent."""
    return flint.SharedLimiter(f"unix:{tmp_path_factory.mktemp('nobody')}/flint.sock")


@pytest.mark.parametrize(("method", "name", "bad_values", "call"), CALLS, ids=[f"{c[0]}-{c[1]}" for c in CALLS])
def test_a_bad_argument_is_named_in_the_same_words_in_both_modes(
    embedded: flint.Limiter,
    unreachable: flint.SharedLimiter,
    method: str,
    name: str,
    bad_values: list[tuple[Any, type[Exception]]],
    call: Call,
) -> None:
    for bad, kind in bad_values:
        with pytest.raises(kind) as raised_here:
            call(embedded, bad)
        with pytest.raises(kind) as raised_there:
            call(unreachable, bad)
        assert type(raised_here.value) is type(raised_there.value) is kind
        assert str(raised_here.value) == str(raised_there.value)
        assert str(raised_here.value).startswith(name)
        assert len(str(raised_here.value)) < 200
    assert embedded.list(keys=True) == []


ASYNC_CALLS = [call for call in CALLS if call[0] != "rate_limit"]


@pytest.mark.parametrize(
    ("method", "name", "bad_values", "call"), ASYNC_CALLS, ids=[f"{c[0]}-{c[1]}" for c in ASYNC_CALLS]
)
def test_the_forms_for_asyncio_refuse_the_same(
    embedded: flint.Limiter,
    unreachable: flint.SharedLimiter,
    loop: Any,
    method: str,
    name: str,
    bad_values: list[tuple[Any, type[Exception]]],
    call: Call,
) -> None:
    class AsAsync:
        def __init__(self, limiter: flint.AbstractLimiter) -> None:
            self._limiter = limiter

        def __getattr__(self, method: str) -> Any:
            asynchronous = getattr(self._limiter, f"a{method}")
            return lambda *args, **kwargs: loop.run_until_complete(asynchronous(*args, **kwargs))

    for bad, kind in bad_values:
        with pytest.raises(kind) as raised_sync:
            call(embedded, bad)
        for limiter in (embedded, unreachable):
            with pytest.raises(kind) as raised:
                call(AsAsync(limiter), bad)
            assert str(raised.value) == str(raised_sync.value)


ANYTHING = st.one_of(
    st.text(st.characters(), max_size=600),
    st.integers(),
    st.integers(1, 2**41),
    st.floats(),
    st.none(),
    st.booleans(),
    st.binary(max_size=20),
    st.timedeltas(),
    st.lists(st.one_of(st.text(max_size=5), st.integers(), st.tuples(st.text(max_size=5), st.integers())), max_size=4),
    st.from_regex(r"[0-9]{1,4}(ms|s|m|h|d|w)?", fullmatch=True),
    st.dictionaries(
        st.sampled_from(["key", "cost", "other"]), st.one_of(st.text(max_size=5), st.integers()), max_size=3
    ),
)


WORDS_OF_THE_ENGINE = ("above the capacity", "more than once", "name of a pattern", "not its last character")


def outcome(limiter: Any, call: Call, argument: object) -> tuple[str, str]:
    """What the arguments themselves led to; past them, both modes differ by design here: one has no server."""
    try:
        call(limiter, argument)
    except (TypeError, ValueError) as error:
        if any(words in str(error) for words in WORDS_OF_THE_ENGINE):
            return "accepted", ""
        return type(error).__name__, str(error)
    except (flint.LimitNotConfigured, flint.FlintConnectionError):
        pass
    return "accepted", ""


@settings(max_examples=300, deadline=None)
@given(index=st.integers(0, len(CALLS) - 1), argument=ANYTHING)
def test_both_modes_agree_on_what_an_argument_may_be(
    embedded: flint.Limiter, unreachable: flint.SharedLimiter, index: int, argument: object
) -> None:
    call = CALLS[index][3]
    assert outcome(embedded, call, argument) == outcome(unreachable, call, argument)


@pytest.mark.parametrize("value", [None, 1, ["a"], object()])
def test_a_data_directory_is_a_path(value: Any) -> None:
    with pytest.raises(TypeError, match="data_dir must be a path"):
        flint.Limiter(value)


@pytest.mark.parametrize("value", ["", "a\0b", b"a\0b"])
def test_a_data_directory_has_a_name(value: Any) -> None:
    with pytest.raises(ValueError, match="data_dir must be a path"):
        flint.Limiter(value)


def test_a_data_directory_may_be_any_kind_of_path(tmp_path: Path) -> None:
    odd = os.fsencode(tmp_path) + b"/\xff\xfe"
    for path in (str(tmp_path / "a"), tmp_path / "b", os.fsencode(tmp_path / "c"), odd, os.fsdecode(odd) + "2"):
        with flint.Limiter(path) as limiter:  # type: ignore[arg-type]
            assert limiter.doctor()["data_dir"] == os.fsdecode(path)
            with pytest.raises(flint.DataDirLocked):
                flint.Limiter(path)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("options", "kind", "words"),
    [
        ({"sync": None}, TypeError, "sync must be a str"),
        ({"sync": "never"}, ValueError, "sync must be 'always' or 'batch'"),
        ({"flush_every_ms": 1.5}, TypeError, "flush_every_ms must be an int"),
        ({"flush_every_ms": 0}, ValueError, "flush_every_ms must be from 1 to 60000"),
        ({"flush_every_ms": 60_001}, ValueError, "flush_every_ms must be from 1 to 60000"),
        ({"flush_every_events": True}, TypeError, "flush_every_events must be an int"),
        ({"lock_timeout": "1"}, TypeError, "lock_timeout must be a number of seconds"),
        ({"lock_timeout": True}, TypeError, "lock_timeout must be a number of seconds"),
        ({"lock_timeout": False}, TypeError, "lock_timeout must be a number of seconds"),
        ({"lock_timeout": -1}, ValueError, "lock_timeout must be from 0 seconds to a day"),
        ({"lock_timeout": float("nan")}, ValueError, "lock_timeout must be from 0 seconds to a day"),
        ({"flush_every_events": 1_000_001}, ValueError, "flush_every_events must be from 1 to 1000000"),
        ({"max_unsynced_ms": "1s"}, TypeError, "max_unsynced_ms must be an int"),
        ({"max_unsynced_ms": 0}, ValueError, "max_unsynced_ms must be from 1 to 3600000"),
        ({"max_unsynced_ms": 3_600_001}, ValueError, "max_unsynced_ms must be from 1 to 3600000"),
        ({"max_keys": "10"}, TypeError, "max_keys must be an int"),
        ({"max_keys": 0}, ValueError, "max_keys must be from 1 to 100000000"),
        ({"max_keys": 100_000_001}, ValueError, "max_keys must be from 1 to 100000000"),
        ({"on_full": None}, TypeError, "on_full must be a str"),
        ({"on_full": "raise"}, ValueError, "on_full must be 'deny' or 'allow'"),
    ],
)
def test_options_out_of_range_create_nothing(
    tmp_path: Path, options: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        flint.Limiter(tmp_path / "data", **options)
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize(
    ("arguments", "kind", "words"),
    [
        ({"server": None}, TypeError, "server must be a str"),
        ({"server": ""}, ValueError, "server must be http://"),
        ({"server": "127.0.0.1:7878"}, ValueError, "server must be http://"),
        ({"server": "https://"}, ValueError, "server must be http://"),
        ({"server": "ftp://host"}, ValueError, "server must be http://"),
        ({"server": "http://"}, ValueError, "server must be http://"),
        ({"server": "http://host:0"}, ValueError, "server must be http://"),
        ({"server": "http://host:65536"}, ValueError, "server must be http://"),
        ({"server": "http://host:7878/a?b"}, ValueError, "The path of a proxy may follow"),
        ({"server": "http://host:7878/a/../b"}, ValueError, "The path of a proxy may follow"),
        ({"server": "https://host//a"}, ValueError, "The path of a proxy may follow"),
        ({"server": "https://host/é"}, ValueError, "The path of a proxy may follow"),
        ({"server": "https://user@host"}, ValueError, "server must be http://"),
        ({"server": "https://."}, ValueError, "server must be http://"),
        ({"server": "http://host\r\nX: y"}, ValueError, "server must be http://"),
        ({"server": "http://[::1"}, ValueError, "server must be http://"),
        # Raised UnicodeError from the first call, whatever on_error said: no look-up takes these labels.
        ({"server": f"http://{'a' * 64}:7878"}, ValueError, "server must be http://"),
        ({"server": "http://host..example:7878"}, ValueError, "server must be http://"),
        ({"server": "unix:"}, ValueError, "server must name a socket"),
        ({"server": "unix:a\0b"}, ValueError, "server must name a socket"),
        ({"token": 1}, TypeError, "token must be a str"),
        ({"token": ""}, ValueError, "token must be"),
        ({"token": "a b"}, ValueError, "token must be"),
        ({"token": "a\r\nX: y"}, ValueError, "token must be"),
        ({"token": "é"}, ValueError, "token must be"),
        ({"timeout": None}, TypeError, "timeout must be a number"),
        ({"timeout": "1"}, TypeError, "timeout must be a number"),
        ({"timeout": True}, TypeError, "timeout must be a number"),
        ({"timeout": 0}, ValueError, "timeout must be above 0"),
        ({"timeout": float("nan")}, ValueError, "timeout must be above 0"),
        ({"timeout": float("inf")}, ValueError, "timeout must be above 0"),
        ({"timeout": 10**400}, ValueError, "timeout must be above 0"),
        ({"on_error": "ignore"}, ValueError, "on_error must be"),
        ({"on_error": None}, TypeError, "on_error must be a str"),
    ],
)
def test_a_shared_limiter_refuses_what_it_cannot_use(
    arguments: dict[str, Any], kind: type[Exception], words: str
) -> None:
    with pytest.raises(kind, match=words):
        flint.SharedLimiter(**arguments)
