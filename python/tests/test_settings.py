"""apply(), export() and backup(): many limits at once, and copies."""

from __future__ import annotations

import json
import os
import random
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest
from support import Server, flint_program

import flint
from flint.testing import MemoryLimiter

#: As a reader of TOML gives the `limits` of a limits file.
FILE: list[Any] = [
    {"key": "kept", "limit": "5/m"},
    {"key": "old", "rate": 2, "per": "1s"},
    {"key": "ip:*", "limit": "9/m burst 20", "override": True, "mode": "shadow"},
    {
        "key": "org",
        "windows": [{"rate": 10, "per": "1s"}, {"rate": 1000, "align": "month", "timezone": "Europe/Berlin"}],
    },
]


def program(*arguments: str) -> str:
    done = subprocess.run([flint_program(), *arguments], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_limits_file_is_applied_and_exported(limiter: Any) -> None:
    limiter.limit("old", "1/s")
    limiter.limit("kept", "5/m")
    limiter.limit("other", "5/m")
    limiter.check("old")
    dry = limiter.apply(FILE, prune=True, dry_run=True)
    assert [status["key"] for status in limiter.list()] == ["kept", "old", "other"]

    done = limiter.apply(FILE, prune=True)
    assert done == dry
    assert done["unchanged"] == 1
    # In byte order.
    assert [change["key"] for change in done["changes"]] == ["ip:*", "old", "org", "other"]
    added, changed, windows, deleted = done["changes"]
    assert added["before"] is None and deleted["after"] is None
    assert added["after"] == {
        "rate": 9,
        "per_millis": 60_000,
        "burst": 20,
        "algorithm": "token_bucket",
        "mode": "shadow",
        "override": True,
    }
    assert (changed["before"]["rate"], changed["after"]["rate"]) == (1, 2)
    assert [window["per_millis"] for window in windows["after"]["windows"]] == [1000, None]
    assert windows["after"]["windows"][1]["timezone"] == "Europe/Berlin"
    # What was used stays used.
    assert limiter.status("old")["total_allowed"] == 1
    assert limiter.apply(FILE) == {"changes": [], "unchanged": 4}

    exported = limiter.export()
    assert exported == [
        {"key": "ip:*", "limit": "9/m burst 20", "override": True, "mode": "shadow"},
        {"key": "kept", "limit": "5/m"},
        {"key": "old", "limit": "2/s"},
        {"key": "org", "limit": "10/s, 1000/calendar month in Europe/Berlin"},
    ]
    assert limiter.apply(exported, prune=True) == {"changes": [], "unchanged": 4}
    assert limiter.export(prefix="o") == exported[2:]
    assert limiter.apply([], prune=True)["unchanged"] == 0
    assert limiter.export() == []


@pytest.mark.parametrize(
    ("limits", "kind", "words"),
    [
        (None, TypeError, "limits must be a list of dicts"),
        ({"key": "k", "limit": "1/s"}, TypeError, "limits must be a list of dicts"),
        ("k", TypeError, "limits must be a list of dicts"),
        (["k"], TypeError, r"limits\[0\] must be a dict"),
        ([{"limit": "1/s"}], ValueError, r"limits\[0\]\.key is missing"),
        ([{"key": "k"}], ValueError, r"limits\[0\]\.limit is missing"),
        ([{"key": "k", "rate": 1}], ValueError, r"limits\[0\]\.per is missing"),
        ([{"key": 1, "limit": "1/s"}], TypeError, r"limits\[0\]\.key must be a str"),
        ([{"key": "k", "limit": "1/x"}], ValueError, r"limits\[0\]\.limit "),
        ([{"key": "k", "limit": 1}], TypeError, r"limits\[0\]\.limit must be a str"),
        ([{"key": "k", "limit": "1/s", "per": "1s"}], ValueError, r"limits\[0\]\.limit takes the place"),
        ([{"key": "k", "limit": "1/s", "cost": 1}], ValueError, r"limits\[0\] must have no members but .*'cost'"),
        ([{"key": "k", "windows": []}], ValueError, r"limits\[0\]\.windows must be 1 to 8"),
        ([{"key": "k", "limit": "1/s", "mode": "off"}], ValueError, r"limits\[0\]\.mode must be 'enforce'"),
        ([{"key": "k*", "limit": "1/s", "override": 1}], TypeError, r"limits\[0\]\.override must be a bool"),
        ([{"key": "k", "limit": "1/s", "override": True}], ValueError, r"limits\[1\]\.override"),
        ([{"key": "k", "limit": "1/s"}, {"key": "k", "limit": "2/s"}], ValueError, r"limits\[2\]\.key"),
        ([{"key": "k*l", "limit": "1/s"}], ValueError, r"limits\[1\]: key"),
    ],
)
def test_one_wrong_limit_changes_nothing(limiter: Any, limits: Any, kind: type[Exception], words: str) -> None:
    if r"[1\]" in words or r"[2\]" in words:
        # What only the engine knows, it says of the right one.
        limits = [{"key": "good", "limit": "1/s"}, *limits]
    with pytest.raises(kind, match=words):
        limiter.apply(limits)
    assert limiter.list() == []


def test_flags_are_bools(limiter: Any) -> None:
    for name in ("prune", "dry_run"):
        with pytest.raises(TypeError, match=f"{name} must be a bool"):
            limiter.apply([], **{name: 1})


def random_limits(dice: random.Random) -> list[dict[str, Any]]:
    def window() -> dict[str, Any]:
        if dice.random() < 0.2:
            zone = {"timezone": dice.choice(["UTC", "Europe/Berlin", "Etc/GMT+5"])} if dice.random() < 0.5 else {}
            return {"rate": dice.randint(1, 1 << 40), "align": dice.choice(["day", "week", "month", "year"]), **zone}
        per = dice.choice(["1ms", "250ms", "1s", "90s", "60m", "1h", "36h", "366d", f"{dice.randint(1, 10**9)}ms"])
        made = {"rate": dice.randint(1, 1 << 40), "per": per}
        algorithm = dice.choice(
            ["token_bucket", "sliding_window_log", "fixed_window_counter", "sliding_window_counter", ""]
        )
        if algorithm:
            made["algorithm"] = algorithm
        if algorithm in ("", "token_bucket") and dice.random() < 0.5:
            made["burst"] = dice.choice([made["rate"], dice.randint(1, 1 << 40)])
        return made

    limits = []
    for number in range(dice.randint(1, 12)):
        limit = window()
        if dice.random() < 0.3:
            limit = {"windows": [{"rate": 5, "per": f"{i + 1}s"} for i in range(dice.randint(1, 8))]}
        pattern = dice.random() < 0.3
        more = {"override": True} if pattern and dice.random() < 0.5 else {}
        mode = {"mode": dice.choice(["enforce", "shadow", "block"])} if dice.random() < 0.4 else {}
        limits.append({"key": f"k{number}é\"\\" + ("*" if pattern else ""), **limit, **more, **mode})
    return limits


def test_what_is_exported_is_what_was_applied(server: Server) -> None:
    seed = int(os.environ.get("FLINT_TEST_SEED") or random.randrange(1 << 32))
    rounds = int(os.environ.get("FLINT_TEST_ROUNDS") or 50)
    print(f"FLINT_TEST_SEED={seed}")
    with flint.SharedLimiter(server.url) as shared, MemoryLimiter() as memory:
        for turn in range(rounds):
            limits: Any = random_limits(random.Random(seed + turn))
            assert shared.apply(limits, prune=True) == memory.apply(limits, prune=True)
            exported = memory.export()
            assert shared.export() == exported
            assert memory.apply(exported, prune=True) == {"changes": [], "unchanged": len(limits)}
            if turn % 25 == 0:
                # The command spells it as this package does.
                assert json.loads(program("--server", server.url, "limit", "export", "--json")) == {"limits": exported}


def test_a_copy_has_all_that_was_decided(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with flint.Limiter("data", sync="batch") as limiter:
        limiter.limit("k", "1000/d fixed_window_counter")
        stop = threading.Event()

        def work() -> None:
            while not stop.is_set():
                limiter.check("k")

        worker = threading.Thread(target=work)
        worker.start()
        used_before = 0
        (tmp_path / "elsewhere").mkdir()
        monkeypatch.chdir(tmp_path / "elsewhere")
        for name in ("one", "two"):
            used_before = limiter.list()[0]["total_allowed"]
            report = limiter.backup(name)
            used_after = limiter.list()[0]["total_allowed"]
            assert (report["directory"], report["limits"]) == (name, 1)
            with flint.Limiter(name) as copy:
                assert used_before <= copy.list()[0]["total_allowed"] <= used_after
        stop.set()
        worker.join()
        limiter.limit("denied", "1/d")
        assert [limiter.allow("denied") for _ in range(3)] == [True, False, False]
        limiter.backup(tmp_path / "three")
        with flint.Limiter(tmp_path / "three") as copy:
            assert copy.top()[0]["key"] in ("denied", "k")
            assert next(one for one in copy.list() if one["key"] == "denied")["total_denied"] == 2

        for wrong, kind, words in (
            ("one", ValueError, "empty"),
            ("no/such", flint.StorageError, "does not exist"),
            ("", ValueError, "directory must be a path"),
            (1, TypeError, "directory must be a path"),
        ):
            with pytest.raises(kind, match=words):
                limiter.backup(wrong)  # type: ignore[arg-type]
    with pytest.raises(flint.StorageError, match="closed"):
        limiter.backup("four")
    assert not Path("four").exists()


def test_the_directory_of_a_server_can_be_copied(server: Server, tmp_path: Path, loop: Any) -> None:
    with flint.SharedLimiter(server.socket) as limiter:
        limiter.limit("k", "5/d")
        limiter.check("k", 2)
    assert flint.backup(server.data_dir, tmp_path / "copy")["last_seq"] >= 2
    with flint.Limiter(tmp_path / "copy") as copy:
        assert copy.check("k").remaining == 2
        assert loop.run_until_complete(copy.abackup(tmp_path / "again"))["limits"] == 1
    with pytest.raises(flint.StorageError, match="absent"):
        flint.backup(tmp_path / "absent", tmp_path / "third")


def test_a_limiter_in_memory_has_no_files_to_copy(flint_limiter: MemoryLimiter, tmp_path: Path) -> None:
    with pytest.raises(flint.StorageError, match="in memory"):
        flint_limiter.backup(tmp_path / "copy")
