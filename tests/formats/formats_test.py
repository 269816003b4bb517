"""Data directories of earlier releases, made by their programs: read, and written on in the format of today.

`0.1.0/` holds what that release left after a clean stop: four limits, some checks, a compaction, more checks.
"""

import json
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

FLINT = Path(sys.argv.pop(1)).resolve()
HERE = Path(__file__).resolve().parent
COUNTERS = ("total_allowed", "total_allowed_cost", "total_denied", "total_denied_cost")
# By key: rate, period, burst, algorithm and the counters. What remains depends on the day of the test.
LEFT_BY_0_1_0 = {
    "api:user-42": (100, 86_400_000, 100, "token_bucket", 1, 1, 0, 0),
    "bucket": (1, 31_536_000_000, 7, "token_bucket", 1, 4, 0, 0),
    "door": (5, 31_536_000_000, None, "fixed_window_counter", 1, 5, 1, 1),
    "jobs": (10, 31_536_000_000, None, "sliding_window_log", 2, 4, 0, 0),
}


class Formats(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.data = Path(folder.name) / "data"
        shutil.copytree(HERE / "0.1.0", self.data)

    def flint(self, *arguments):
        done = subprocess.run([FLINT, "--data-dir", self.data, "--json", *arguments], capture_output=True, timeout=60,
                              check=False)
        self.assertEqual((done.returncode, done.stderr), (0, b""))
        return json.loads(done.stdout)

    def files(self):
        return {path.name: path.read_bytes() for path in self.data.iterdir() if path.name != "flint.lock"}

    def states(self):
        return {status["key"]: (status["rate"], status["per_millis"], status["burst"], status["algorithm"],
                                *(status[name] for name in COUNTERS)) for status in self.flint("limit", "list")}

    def test_reading_changes_nothing(self):
        before = self.files()
        self.assertTrue(self.flint("doctor")["ok"])
        self.assertEqual(self.states(), LEFT_BY_0_1_0)
        self.assertEqual(len(self.flint("limit", "history", "jobs")), 3)
        self.assertEqual(self.files(), before)

    def test_the_first_change_is_written_in_the_format_of_today(self):
        before = self.files()
        self.flint("limit", "add", "new", "--rate", "1", "--per", "1h")
        after = self.files()
        self.assertTrue(after["manifest"].startswith(b"flint manifest 2\n"))
        written = {name for name in after if after[name] != before.get(name)}
        self.assertEqual(written, {"manifest", "log-000000000003.flog"}, "a file of 0.1.0 is not written to")
        self.assertEqual(after["log-000000000003.flog"][8], 2)
        self.assertEqual(self.states(), {**LEFT_BY_0_1_0, "new": (1, 3_600_000, 1, "token_bucket", 0, 0, 0, 0)})

    def test_two_compactions_leave_nothing_of_the_old_format(self):
        self.flint("log", "compact")
        self.flint("log", "compact")
        for name, content in self.files().items():
            if name != "manifest":
                self.assertEqual(content[8], 2, name)
        self.assertEqual(self.states(), LEFT_BY_0_1_0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
