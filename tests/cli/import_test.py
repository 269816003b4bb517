"""`flint import`: directories of the original Flint, made here byte by byte as it writes them."""

import hashlib
import json
import os
import random
import signal
import subprocess
import time
import unittest
from datetime import datetime, timedelta, timezone

from harness import DONE, FAILED, FLINT, USAGE, FlintTest, environment, flint

KEYS = 2000


def time_text(ago_s=0.0):
    return (datetime.now(timezone.utc) - timedelta(seconds=ago_s)).isoformat().replace("+00:00", "Z")


def compact(value):
    return json.dumps(value, separators=(",", ":"))


def line(event, **more):
    entry = {"version": 1, "ts": time_text(), "event": event, **more}
    return compact(entry | {"checksum": hashlib.sha256(compact(entry).encode()).hexdigest()}) + "\n"


def configured(key, rate=10, per_millis=86_400_000, algorithm="token_bucket"):
    return {"type": "LIMIT_CONFIGURED",
            "config": {"key": key, "rate": rate, "per_millis": per_millis, "algorithm": algorithm}}


def event(kind, key, cost=1):
    return {"type": kind, "key": key, "at": time_text(), "cost": cost}


def snapshot(keys, offset=0):
    """Of keys with a fixed window of 10 a day that is used up."""
    configs = {key: {"key": key, "rate": 10, "per_millis": 86_400_000, "algorithm": "fixed_window_counter"}
               for key in keys}
    metrics = {"total_allowed": 3, "total_denied": 2, "total_allowed_cost": 10, "total_denied_cost": 4,
               "last_allowed_at": time_text(), "last_denied_at": None, "last_reset_at": None}
    state = {"buckets": {}, "configs": configs,
             "fixed_windows": {key: {"count": 10, "window_start": time_text()} for key in keys},
             "history": [event("ALLOW", "k")], "metrics": {key: metrics for key in keys}, "sliding_windows": {}}
    text = compact({"aof_offset": offset, "created_at": time_text(), "format_version": 1, "state": state})
    return json.dumps({"format_version": 1, "created_at": time_text(),
                       "checksum": hashlib.sha256(text.encode()).hexdigest(), "snapshot": text}, indent=2) + "\n"


class ImportTest(FlintTest):
    def setUp(self):
        super().setUp()
        self.old = self.folder / "old"
        self.old.mkdir()

    def put(self, log=None, state=None):
        if log is not None:
            (self.old / "flint.aof").write_text(log)
        if state is not None:
            (self.old / "flint.snapshot").write_text(state)

    def import_it(self, *arguments, **options):
        return self.local("import", self.old, *arguments, **options)

    def statuses(self):
        return {status["key"]: status for status in self.ok(self.local("limit", "list", "--json")).json()}


class WholeTest(ImportTest):
    def setUp(self):
        super().setUp()
        log = "".join(map(line, (configured("a"), event("ALLOW", "a", 7), event("DENY", "a", 4),
                                 configured("z", algorithm="sliding_window_log"), event("ALLOW", "z", 10),
                                 {"type": "ALLOW_ALL", "items": [{"key": "a", "cost": 1}], "at": time_text()})))
        self.put(log, snapshot(["m"]))

    def test_limits_usage_and_counters_come_over(self):
        before = {path.name: path.read_bytes() for path in self.old.iterdir()}
        done = self.ok(self.import_it())
        self.assertIn('Imported 3 limits from "', done.out)
        self.assertIn("flint.snapshot: 1 key.", done.out)
        self.assertIn("LIMIT_CONFIGURED 2, ALLOW 2, ALLOW_ALL 1, DENY 1, RESET 0", done.out)
        self.assertEqual(done.err, "")
        statuses = self.statuses()
        self.assertEqual({key: status["remaining"] for key, status in statuses.items()}, {"a": 2, "m": 0, "z": 0})
        self.assertEqual(statuses["a"]["total_denied_cost"], 4)
        self.assertEqual(statuses["m"]["total_allowed_cost"], 10)
        self.assertEqual(self.local("limit", "check", "m").code, 1)
        self.assertEqual({path.name: path.read_bytes() for path in self.old.iterdir()}, before)
        self.ok(self.local("doctor"))

    def test_json(self):
        answer = self.ok(self.import_it("--json")).json()
        self.assertEqual(answer["log_events"],
                         {"limit_configured": 2, "allow": 2, "allow_all": 1, "deny": 1, "reset": 0})
        self.assertEqual((answer["ok"], answer["limits"], answer["snapshot_limits"], answer["torn_line"]),
                         (True, 3, 1, None))

    def test_a_torn_last_line_is_said(self):
        with open(self.old / "flint.aof", "a", encoding="utf-8") as log:
            log.write('{"version":1,"ts":"2026')
        self.assertIn("Line 7 of flint.aof, the last one, was cut off", self.ok(self.import_it()).out)

    def test_replaces_nothing(self):
        self.ok(self.local("limit", "add", "mine", "--rate", "1", "--per", "1s"))
        self.refused(self.import_it(), USAGE, "holds 1 limit already")
        self.assertEqual(list(self.statuses()), ["mine"])

    def test_the_refusal_of_the_directory_names_the_command(self):
        refused = flint("--data-dir", self.old, "limit", "list")
        self.refused(refused, FAILED, f"flint --data-dir OTHER import {self.old}")


class RefusalTest(ImportTest):
    def test_usage(self):
        self.refused(self.local("import"), USAGE, "DIR")
        self.refused(self.local("import", "a", "b"), USAGE, "does not take")
        self.refused(flint("--server", "http://h", "import", "a"), USAGE, "--data-dir")
        self.refused(self.import_it(), USAGE, "neither flint.snapshot nor flint.aof")
        self.refused(self.local("import", self.folder / "absent"), USAGE, "absent")
        self.assertFalse(self.data_dir.exists())

    def test_what_is_wrong_is_said_with_file_and_line(self):
        self.put(line(configured("k")) + "nonsense\n" + line(event("ALLOW", "k")))
        self.refused(self.import_it(), FAILED, f"{self.old}/flint.aof:2: ", "not valid JSON")
        failed = self.import_it("--json")
        self.assertEqual(failed.json()["code"], "corruption", failed.out)
        self.put(line(configured("k")), "{}")
        self.refused(self.import_it(), FAILED, f"{self.old}/flint.snapshot:1: ", "format_version is missing")
        self.assertFalse(self.data_dir.exists(), "a refusal made the data directory")

    def test_escapes_of_strangers_stay_on_paper(self):
        self.put(line(event("ALLOW", "\u202e\u009bk")))
        refused = self.import_it()
        self.refused(refused, FAILED, "flint.aof:1: ")
        self.assertTrue(refused.err.isascii() or "\u202e" not in refused.err, refused.err)


class KillTest(ImportTest):
    """Symptom: a command that was killed in the middle of an import left a directory that opened with keys forgiven."""

    def test_killed_at_any_time_it_is_all_or_nothing(self):
        keys = [f"key {number}" for number in range(KEYS)]
        self.put(line(configured("first")), snapshot(keys))
        began = time.monotonic()
        self.ok(self.import_it())
        whole_s = time.monotonic() - began
        seed = int(os.environ.get("FLINT_TEST_SEED") or random.randrange(2**31))
        print(f"FLINT_TEST_SEED={seed}")
        dice = random.Random(seed)
        killed = 0
        for number in range(20):
            self.data_dir = self.folder / f"data-{number}"
            process = subprocess.Popen([FLINT, "--data-dir", self.data_dir, "import", self.old],
                                       env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            began = time.monotonic()
            try:
                process.wait(dice.uniform(0, whole_s))
                # The machine had more to do when the time was taken: without this, all could be done before their kill.
                whole_s = time.monotonic() - began
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.wait()
                killed += 1
            self.expect_all_or_nothing(process.returncode)
            if not self.is_whole():
                self.ok(self.import_it())
            self.assertTrue(self.is_whole())
        self.assertGreater(killed, 0, "none was killed")

    def is_whole(self):
        listed = self.local("limit", "list", "--json")
        return listed.code == DONE and len(listed.json()) == KEYS + 1

    def expect_all_or_nothing(self, code):
        listed = self.local("limit", "list", "--json")
        if listed.code == DONE:
            statuses = listed.json()
            self.assertIn(len(statuses), (0, KEYS + 1))
            self.assertTrue(all(status["remaining"] == 0 for status in statuses if status["key"] != "first"))
            self.assertTrue(statuses or code != DONE)
        else:
            self.assertEqual(listed.code, FAILED, listed.err)
            began = 'Run "flint import" again' in listed.err
            self.assertTrue(began or listed.json()["code"] == "not_found", listed.err)


if __name__ == "__main__":
    unittest.main(verbosity=2)
