"""`flint backup`: copies of a data directory that is used meanwhile, and copies that are cut short."""

import os
import signal
import subprocess
import threading
import time
import unittest

from harness import DONE, FAILED, FLINT, USAGE, FlintTest, Server, comparable, environment, flint


class BackupTest(FlintTest):
    def setUp(self):
        super().setUp()
        self.copy = self.folder / "copy"

    def limits(self, data_dir):
        return self.ok(flint("--data-dir", data_dir, "limit", "list", "--json")).json()

    def sound(self, data_dir):
        self.assertTrue(self.ok(flint("--data-dir", data_dir, "doctor", "--json")).json()["ok"])

    def test_of_a_directory_that_nobody_uses(self):
        self.ok(self.local("limit", "add", "a", "5/h"))
        self.ok(self.local("limit", "check", "a", "--cost", "3"))
        done = self.ok(self.local("backup", self.copy))
        self.assertRegex(done.out, r'\ACopied 1 limit to ".*/copy", up to event \d+: .* The copy was read back and is '
                                   r"whole\.\n\Z")
        self.sound(self.copy)
        self.assertEqual(comparable(self.limits(self.copy)), comparable(self.limits(self.data_dir)))
        self.assertEqual(self.limits(self.copy)[0]["remaining"], 2)
        self.ok(flint("--data-dir", self.copy, "limit", "check", "a", "--cost", "2"))
        self.assertEqual(self.limits(self.data_dir)[0]["remaining"], 2)
        answer = self.ok(self.local("backup", self.folder / "other", "--json")).json()
        self.assertEqual(sorted(answer), ["bytes", "directory", "last_seq", "limits", "ok"])

    def test_of_a_directory_that_a_server_uses(self):
        for mode in ("always", "batch"):
            with self.subTest(mode=mode), Server(self.folder / mode, "--sync", mode) as server:
                self.ok(flint("--server", server.url, "limit", "add", "a", "1000000/d fixed_window_counter"))
                stop, allowed = threading.Event(), [0]

                def work(url=server.url, stop=stop, allowed=allowed):
                    while not stop.is_set():
                        if flint("--server", url, "limit", "check", "a").code == DONE:
                            allowed[0] += 1

                workers = [threading.Thread(target=work) for _ in range(2)]
                for worker in workers:
                    worker.start()
                try:
                    for number in range(5):
                        before = allowed[0]
                        copy = self.folder / f"copy-{mode}-{number}"
                        self.ok(flint("--data-dir", self.folder / mode, "backup", copy))
                        self.sound(copy)
                        self.assertGreaterEqual(self.limits(copy)[0]["total_allowed"], before)
                        self.ok(flint("--server", server.url, "log", "compact"))
                finally:
                    stop.set()
                    for worker in workers:
                        worker.join()
                self.sound(self.folder / mode)

    def test_what_is_there_is_not_replaced(self):
        self.ok(self.local("limit", "add", "a", "5/h"))
        self.copy.mkdir()
        self.ok(self.local("backup", self.copy))
        self.refused(self.local("backup", self.copy), USAGE, "is not empty")
        self.refused(self.local("backup", self.data_dir), USAGE, "is not empty")
        file = self.folder / "file"
        file.write_text("")
        self.refused(self.local("backup", file), FAILED)
        self.refused(self.local("backup", ""), USAGE)
        self.assertEqual(self.local("backup").code, USAGE)
        self.refused(flint("--data-dir", self.folder / "nothing", "backup", self.folder / "new"), FAILED)
        self.refused(flint("--server", "http://127.0.0.1:1", "backup", self.folder / "new"), USAGE, "--data-dir")

    def test_a_copy_that_is_killed_does_not_open_or_is_whole(self):
        lines = "".join(f'{{"key":"k{number:05}","limit":"{number + 1}/m"}}\n' for number in range(20_000))
        self.ok(self.local("limit", "add", "--from", "-", input=lines.encode()))
        wanted = self.limits(self.data_dir)
        cut_short = 0
        for number in range(25):
            copy = self.folder / f"killed-{number}"
            process = subprocess.Popen([FLINT, "--data-dir", self.data_dir, "backup", copy], env=environment(),
                                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            time.sleep(number * 0.01)  # kills at different places
            process.send_signal(signal.SIGKILL)
            process.wait()
            # Before the mark, which comes first, nothing was copied.
            if not copy.exists() or not {*os.listdir(copy)} - {"backup.unfinished.tmp"}:
                continue
            opened = flint("--data-dir", copy, "limit", "list", "--json")
            if opened.code == DONE:
                self.assertEqual(comparable(opened.json()), comparable(wanted))
            else:
                cut_short += 1
                self.assertIn("is a backup that was cut short", opened.err)
        print(f"({cut_short} cut short)", end=" ")


if __name__ == "__main__":
    unittest.main(verbosity=2)
