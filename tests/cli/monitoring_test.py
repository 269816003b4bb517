"""What a running server tells monitoring systems and supervisors: its metrics, its probes and its log."""

import json
import os
import pty
import resource
import subprocess
import sys
import unittest
import urllib.error
import urllib.request

from harness import DENIED, FAILED, FLINT, FlintTest, Server, environment, wait_until

# A package of Debian's own Python, in Python alone: any interpreter takes it.
sys.path.append("/usr/lib/python3/dist-packages")
from prometheus_client.parser import text_string_to_metric_families  # noqa: E402  (package python3-prometheus-client)


def get(server, path, token=None):
    """Status and text."""
    fields = {"Authorization": f"Bearer {token}"} if token else {}
    try:
        with urllib.request.urlopen(urllib.request.Request(server.url + path, headers=fields), timeout=60) as answer:
            return answer.status, answer.read().decode()
    except urllib.error.HTTPError as refusal:
        with refusal:
            return refusal.code, refusal.read().decode()


def scrape(server, token=None):
    """Metric families by name, as Prometheus understands them."""
    status, text = get(server, "/metrics", token)
    assert status == 200, text
    return {family.name: family for family in text_string_to_metric_families(text)}


def value(families, name, **labels):
    """Of one sample; counters are named without the `_total` of their samples."""
    found = [sample.value for family in families.values() for sample in family.samples
             if sample.name == name and sample.labels == labels]
    assert len(found) == 1, (name, labels, found)
    return found[0]


def of_the_store(entries):
    """Without what a temporary directory in memory adds."""
    return [entry for entry in entries if "nothing there outlives the machine" not in entry["message"]]


class MetricsTest(FlintTest):
    def test_prometheus_reads_what_happened(self):
        with Server(self.data_dir) as server:
            self.ok(self.local("limit", "add", "k", "--rate", "2", "--per", "1h"))
            for code in (0, 0, DENIED):
                self.ok(self.local("limit", "check", "k"), code)
            families = scrape(server)
            self.assertEqual(value(families, "flint_decisions_total", outcome="allowed"), 2)
            self.assertEqual(value(families, "flint_decisions_total", outcome="denied"), 1)
            self.assertEqual(value(families, "flint_check_duration_seconds_count"), 3)
            self.assertEqual(value(families, "flint_keys"), 1)
            self.assertEqual(value(families, "flint_storage_up"), 1)
            self.assertGreater(value(families, "flint_log_bytes"), 0)
            self.assertGreater(value(families, "process_start_time_seconds"), 1.6e9)
            self.ok(self.local("log", "compact"))
            self.assertGreater(value(scrape(server), "flint_snapshot_bytes"), 0)

    def test_every_family_is_typed_and_explained_and_every_histogram_adds_up(self):
        with Server(self.data_dir) as server:
            self.ok(self.local("limit", "add", "k", "--rate", "2", "--per", "1h"))
            self.ok(self.local("limit", "check", "k"))
            families = scrape(server)
        histograms = 0
        for name, family in families.items():
            self.assertTrue(name.startswith("flint_") or name == "process_start_time_seconds", name)
            self.assertIn(family.type, ("counter", "gauge", "histogram"), name)
            self.assertTrue(family.documentation.endswith("."), name)
            if family.type != "histogram":
                continue
            histograms += 1
            buckets = [sample for sample in family.samples if sample.name == name + "_bucket"]
            bounds = [float(sample.labels["le"]) for sample in buckets]
            counts = [sample.value for sample in buckets]
            self.assertEqual(bounds, sorted(set(bounds)), name)
            self.assertEqual(bounds[-1], float("inf"), name)
            self.assertEqual(counts, sorted(counts), name)
            self.assertEqual(counts[-1], value(families, name + "_count"), name)
        self.assertEqual(histograms, 3)

    def test_metrics_need_the_token_and_probes_do_not(self):
        with Server(self.data_dir, env={"FLINT_SERVER_TOKEN": "s3cret"}) as server:
            self.assertEqual(get(server, "/metrics")[0], 401)
            self.assertEqual(value(scrape(server, "s3cret"), "flint_storage_up"), 1)
            for probe in ("/livez", "/readyz"):
                self.assertEqual(get(server, probe), (200, "ok\n"))


class LogTest(FlintTest):
    def test_json_for_programs(self):
        with Server(self.data_dir) as server:
            self.ok(self.local("limit", "add", "k", "--rate", "2", "--per", "1h"))
            self.assertEqual(server.stop(), 0)
            lines = of_the_store(json.loads(line) for line in server.logged().splitlines())
        events = ["opened", "listening", "listening", "changed", "stopping", "stopped"]
        self.assertEqual([line["event"] for line in lines], events)
        for line in lines:
            self.assertEqual(set(line), {"time", "level", "event", "message"})
            self.assertEqual(line["level"], "info")
            self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")
        self.assertIn(f"listening on {server.url} without a token", lines[1]["message"])

    def test_text_for_people(self):
        ours, theirs = pty.openpty()
        with open(ours, "rb", buffering=0) as screen:
            process = subprocess.Popen(
                [FLINT, "--data-dir", self.data_dir, "server", "start", "--bind", "127.0.0.1:0"],
                env=environment(), stdin=subprocess.DEVNULL, stdout=theirs, stderr=theirs)
            try:
                os.close(theirs)
                shown = b""
                while b"flint.sock" not in shown:
                    shown += screen.read(4096)
            finally:
                process.kill()
                process.wait()
        self.assertRegex(shown.decode(), r"^\S+Z info: flint \S+ opened the data directory ")

    def test_the_format_can_be_chosen(self):
        with Server(self.data_dir, "--log-format", "text") as server:
            self.assertEqual(server.stop(), 0)
            self.assertIn(" info: listening on ", server.logged())
        with Server(self.data_dir, "--log-format", "json", "--log-level", "error") as server:
            self.assertEqual(server.stop(), 0)
            self.assertEqual(server.logged(), "")

    def test_damage_that_does_not_hinder_is_told_and_reported(self):
        self.ok(self.local("limit", "add", "k", "--rate", "2", "--per", "1h"))
        for _ in range(2):
            self.ok(self.local("log", "compact"))
        oldest = min(self.data_dir.glob("snapshot-*"))
        oldest.write_bytes(oldest.read_bytes()[:-1] + b"?")
        with Server(self.data_dir) as server:
            wait_until(lambda: oldest.name in server.logged(), "the log to tell of the damage")
            finding = of_the_store(json.loads(line) for line in server.logged().splitlines() if '"finding"' in line)
            self.assertEqual([line["level"] for line in finding], ["warning"])
            self.assertIn(oldest.name, finding[0]["message"])
            report = self.ok(self.local("doctor", "--json"), FAILED).json()
            self.assertEqual([found["message"] for found in of_the_store(report["findings"])], [finding[0]["message"]])
            self.assertIn(oldest.name, [file["name"] for file in report["files"]])
            self.assertIn(oldest.name, self.ok(self.local("doctor"), FAILED).out)

    def test_a_full_disk_is_told(self):
        # Symptom: with a full disk each check was answered with 507, and the log said nothing.
        for i in range(40):  # a snapshot of more than 4,096 bytes, and no line of it in the server's log
            self.ok(self.local("limit", "add", "k" * 200 + str(i), "--rate", "2", "--per", "1h"))
        with Server(self.data_dir) as server:
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (4096, 4096))
            for _ in range(3):
                self.ok(self.local("log", "compact"), FAILED)
            told = [json.loads(line) for line in server.logged().splitlines() if '"disk_full"' in line]
            self.assertLessEqual(len(told), os.cpu_count(), "one a thread in ten seconds")
            self.assertEqual({line["level"] for line in told}, {"warning"})

    def test_one_limit_is_a_limit(self):
        for limits, words in ((1, ": 1 limit, sync"), (2, ": 2 limits, sync")):
            self.ok(self.local("limit", "add", f"k{limits}", "--rate", "2", "--per", "1h"))
            with Server(self.data_dir) as server:
                self.assertIn(words, server.logged())

    def test_no_text_of_a_stranger_makes_a_line_of_its_own(self):
        self.data_dir = self.folder / "a\n\x1b[2J\"b"
        with Server(self.data_dir, "--log-format", "text") as server:
            self.assertIn(r'a\x0a\x1b[2J"b: 0 limits', server.logged().splitlines()[0])
        with Server(self.data_dir, "--log-format", "json") as server:
            message = json.loads(server.logged().splitlines()[0])["message"]
            self.assertIn(r'a\x0a\x1b[2J"b: 0 limits', message)


if __name__ == "__main__":
    unittest.main(verbosity=2)
