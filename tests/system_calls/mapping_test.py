"""The log is mapped only where a store to reserved room cannot fail, and what SIGBUS leaves behind where one does."""

import contextlib
import os
import re
import signal
import unittest
from pathlib import Path

from disk import KEY, Disk, DiskTest, fill, in_own_mounts, run
from traced import Server


def mapped_logs(server):
    maps = Path(f"/proc/{server.pid()}/maps").read_text()
    return re.findall(r"rw-s .*(log-\d+\.flog)", maps)


class Mapping(DiskTest):
    @contextlib.contextmanager
    def used_log(self, folder, *arguments):
        """A server with a check in its log."""
        with Server(folder / "data", "--sync", "always", *arguments) as server:
            self.assertEqual(server.post("/v1/limits", KEY)[0], 200)
            self.assertEqual(server.check()[0], 200)
            yield server

    def test_a_full_disk_with_shared_blocks_is_an_answer(self):
        """XFS: `cp -a` of a live directory, then a full disk, and the server died of SIGBUS at the next check."""
        self.require("xfs")
        with Disk("xfs", self.make_disk("xfs", "-m", "reflink=1"), self.folder / "disk") as disk:
            with self.used_log(disk.folder) as server:
                self.assertEqual(mapped_logs(server), [])
                code, said = run("cp", "-a", "--reflink=always", disk.folder / "data", disk.folder / "copy")
                self.assertEqual(code, 0, said)
                fill(disk.folder)
                # XFS gives a file that shares blocks 128 KiB of its own at once: long keys use them up.
                for number in range(3000):
                    status, _ = server.post("/v1/limits", dict(KEY, key=f"{number:0500}"))
                    if status != 200:
                        break
                self.assertEqual(status, 507, "the disk was not full, or something else was wrong")
                (disk.folder / "filler").unlink()
                self.assertEqual(server.check()[0], 200)
                self.assertEqual(server.stop(), 0, server.logged())

    def test_where_no_blocks_are_shared_the_log_is_mapped(self):
        for kind, options in (("ext4", ()), ("xfs", ("-m", "reflink=0"))):
            with self.subTest(kind=kind):
                self.require(kind)
                with Disk(kind, self.make_disk(kind, *options), self.folder / "disk") as disk:
                    with self.used_log(disk.folder) as server:
                        self.assertEqual(len(mapped_logs(server)), 1)
                        self.assertEqual(server.stop(), 0)
                    with self.used_log(disk.folder, "--no-map") as server:
                        self.assertEqual(mapped_logs(server), [])
                        self.assertEqual(server.stop(), 0)


class BusError(DiskTest):
    def setUp(self):
        super().setUp()
        self.require("ext4")
        self.disk = self.enterContext(Disk("ext4", self.make_disk("ext4"), self.folder / "disk"))

    def cut_log(self):
        [log] = (self.disk.folder / "data").glob("log-*.flog")
        os.truncate(log, 0)
        return log

    def test_it_says_which_file_and_dies_of_the_signal(self):
        """The server was gone without a line: a page of the mapped log could not be had."""
        with Server(self.disk.folder / "data", "--sync", "always") as server:
            self.assertEqual(server.post("/v1/limits", KEY)[0], 200)
            log = self.cut_log()
            with self.assertRaises(OSError):
                server.check()
            self.assertEqual(server.wait(), -signal.SIGBUS)
            lines = [line for line in server.logged().splitlines() if "SIGBUS" in line]
            self.assertEqual(len(lines), 1, server.logged())
            self.assertRegex(lines[0], rf"^flint: killed by SIGBUS at byte \d+ of .*/{log.name}: ")
            self.assertRegex(lines[0], r" was cut off\. .*--no-map")

    def test_with_no_map_a_log_that_is_cut_off_is_no_signal(self):
        with Server(self.disk.folder / "data", "--sync", "always", "--no-map") as server:
            self.assertEqual(server.post("/v1/limits", KEY)[0], 200)
            self.cut_log()
            self.assertIn(server.check()[0], (200, 503))
            self.assertNotIn("SIGBUS", server.logged())

    def test_a_signal_from_outside_is_named(self):
        with Server(self.disk.folder / "data") as server:
            server.signal("BUS")
            self.assertEqual(server.wait(), -signal.SIGBUS)
            self.assertIn("flint: killed by SIGBUS: a process sent the signal.", server.logged())


if __name__ == "__main__":
    in_own_mounts(__file__)
    unittest.main(verbosity=2)
