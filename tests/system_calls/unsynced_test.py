"""The real program, in batch, over a disk whose syncs are slow."""

import json
import re
import select
import threading
import time
import unittest

from traced import Server, TraceTest, wait_until

KEY = {"key": "user:1", "rate": 1000000, "per": "1d"}
SEGMENT = "log-000000000001.flog"
BOUND_MS = 200


class Unsynced(TraceTest):
    def slow(self, sync_us):
        """A server each of whose syncs of the log takes so long; the trace says when they were, and how long."""
        return Server(self.data_dir, "--sync", "batch", "--max-unsynced-ms", str(BOUND_MS), strace=[
            "-o", self.trace, "-ttt", "-T", "-P", self.data_dir / SEGMENT, "-e", "trace=fdatasync",
            "-e", f"inject=fdatasync:delay_enter={sync_us}"])

    def oldest(self, server):
        connection = server.connection()
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return float(re.search(r"^flint_oldest_unsynced_seconds (\S+)$", text, re.M).group(1))

    def syncs(self):
        """(begin, end) of each sync of the log that ended, in seconds since 1970."""
        lines = self.trace.read_text().splitlines()
        found = re.findall(r" (\d+\.\d+) fdatasync\(.*<(\d+\.\d+)>$", "\n".join(lines), re.M)
        return sorted((float(begin), float(begin) + float(took)) for begin, took in found)

    def test_changes_wait_for_a_sync_that_hangs_and_nothing_else_does(self):
        """Under load 288,728 events were not durable in batch, of which a loss of power would have taken each."""
        with self.slow(600_000_000) as server:
            self.ok(server.post("/v1/limits", KEY))
            self.ok(server.post("/v1/limits", {"key": "once", "rate": 1, "per": "1d"}))
            self.ok(server.check("once"))
            wait_until(lambda: self.oldest(server) > BOUND_MS / 1000, "an event to be too old")
            waiting = server.connection()
            waiting.request("POST", "/v1/check", '{"key":"user:1"}', {"Content-Type": "application/json"})
            # One thread serves all connections: that these are answered shows that it does not wait.
            denied = self.ok(server.check("once"))
            self.assertFalse(denied["allowed"])
            self.assertIn("does not keep up", str(self.get(server, "/v1/doctor")["findings"]))
            self.assertEqual(select.select([waiting.sock], [], [], 0)[0], [], "a change was answered")
            waiting.close()
            server.abandon()

    def test_what_a_crash_would_take_spans_no_more_than_the_bound(self):
        """In batch, events were acknowledged for as long as a sync took, however long that was."""
        with self.slow(700_000) as server:
            self.ok(server.post("/v1/limits", KEY))
            checks = []
            stop_at = time.time() + 5

            def check():
                connection = server.connection()
                while time.time() < stop_at:
                    sent = time.time()
                    self.ok(server.check(connection=connection))
                    checks.append((sent, time.time()))
                    time.sleep(0.02)  # else all of them wait already when an event is surely too old
                connection.close()

            threads = [threading.Thread(target=check) for _ in range(4)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            self.assertEqual(server.stop(), 0)
        self.judge(sorted(checks), self.syncs())

    def judge(self, checks, syncs):
        self.assertGreater(len(syncs), 2)
        waited = 0
        for (begin, _), (_, next_end) in zip(syncs, syncs[1:]):
            # Sent after a sync began, so not durable before the next one ends.
            later = [check for check in checks if begin < check[0]]
            if not later:
                continue
            surely_old_at = min(answered for _, answered in later) + BOUND_MS / 1000
            for sent, answered in later:
                if surely_old_at < sent < next_end:
                    self.assertGreater(answered, next_end, "a change did not wait while an event was too old")
                    waited += 1
        self.assertGreater(waited, 0, "no check came while an event was too old")

    def get(self, server, path):
        connection = server.connection()
        connection.request("GET", path)
        answer = connection.getresponse()
        found = json.loads(answer.read())
        connection.close()
        return found


if __name__ == "__main__":
    unittest.main(verbosity=2)
