"""The alerts and the board that are shipped: valid, and about metrics that a real server has."""

import json
import os
import re
import shutil
import subprocess
import sys
import unittest
import urllib.request
from pathlib import Path

import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))
from harness import FlintTest, Server  # noqa: E402

ROOT = Path(os.environ.get("FLINT_ROOT", Path(__file__).resolve().parents[2]))
ALERTS = ROOT / "packaging/prometheus/alerts.yml"
BOARD = ROOT / "packaging/grafana/flint.json"
METRIC = re.compile(r"\bflint_\w+")


def promtool():
    return shutil.which("promtool", path=f"{os.environ['PATH']}:{ROOT}/build/unpacked/prometheus/usr/bin")


def expressions(node):
    if isinstance(node, dict):
        for name, member in node.items():
            if name in ("expr", "query", "definition") and isinstance(member, str):
                yield member
            else:
                yield from expressions(member)
    elif isinstance(node, list):
        for member in node:
            yield from expressions(member)


class MonitoringTest(FlintTest):
    def setUp(self):
        super().setUp()
        self.alerts = yaml.safe_load(ALERTS.read_text())
        self.board = json.loads(BOARD.read_text())

    def series(self):
        """The names of all series of a server that has a pattern."""
        with Server(self.data_dir, "--sync", "batch") as server:
            body = json.dumps({"key": "ip:*", "limit": "5/m"}).encode()
            request = urllib.request.Request(server.url + "/v1/limits", body, {"Content-Type": "application/json"})
            urllib.request.urlopen(request, timeout=60).close()
            with urllib.request.urlopen(server.url + "/metrics", timeout=60) as answer:
                return set(re.findall(r"^(flint_\w+)", answer.read().decode(), re.MULTILINE))

    def test_both_ask_for_series_that_there_are(self):
        there = self.series()
        for name, document in (("alerts", self.alerts), ("board", self.board)):
            named = {metric for expression in expressions(document) for metric in METRIC.findall(expression)}
            self.assertGreater(len(named), 6, name)
            self.assertEqual(named - there, set(), name)

    def test_promtool_accepts_the_alerts(self):
        tool = promtool()
        self.assertIsNotNone(tool, "./dev test unpacks Debian's prometheus, which has promtool")
        done = subprocess.run([tool, "check", "rules", str(ALERTS)], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("SUCCESS: 9 rules found", done.stdout)

    def test_each_alert_is_described(self):
        page = (ROOT / "docs/operations.md").read_text()
        for rule in self.alerts["groups"][0]["rules"]:
            self.assertIn(f"`{rule['alert']}`", page)
            self.assertEqual({"summary", "description"}, set(rule["annotations"]))

    def test_no_two_panels_lie_on_each_other(self):
        taken = set()
        for panel in self.board["panels"]:
            place = panel["gridPos"]
            cells = {(x, y) for x in range(place["x"], place["x"] + place["w"])
                     for y in range(place["y"], place["y"] + place["h"])}
            self.assertEqual(cells & taken, set(), panel["title"])
            self.assertLessEqual(place["x"] + place["w"], 24)
            taken |= cells


if __name__ == "__main__":
    unittest.main(verbosity=2)
