"""After a write that failed, the kernel shows what never reached the disk, and a later sync succeeds over it.

So a server that takes what it reads at its start for what is on the disk acknowledges more and more on top of it, and
everything is gone at the next start of the machine.
"""

import unittest

from disk import KEY, Disk, DiskTest, in_own_mounts
from traced import Server, reason_to_skip


class LostPages(DiskTest):
    def check(self, server, times):
        """What is used, by the answer to the last of so many checks."""
        for _ in range(times):
            status, decision = server.check()
            self.assertEqual((status, decision["allowed"]), (200, True), decision)
        return KEY["rate"] - decision["remaining"]

    def live_on_and_lose_power(self, disk):
        """Two more lives, the first ended in order; then the power goes. Nothing that was answered may be missing."""
        with Server(disk.folder / "data") as server:
            self.check(server, 10)
            self.assertEqual(server.stop(), 0)
        with Server(disk.folder / "data") as server:
            used = self.check(server, 10)
            copy = self.copy_of(server, disk.image)
            self.assertEqual(server.stop(), 0)
        self.assertEqual(self.used_after_loss(disk.kind, copy), used)
        return used

    def test_a_sync_that_failed(self):
        """One EIO of fdatasync; the restart opened, 300 more grants were acknowledged, and the next one was refused."""
        self.require("ext4")
        if reason_to_skip():
            self.skipTest(reason_to_skip())
        with Disk("ext4", self.make_disk("ext4"), self.folder / "before") as disk:
            segment = disk.folder / "data" / "log-000000000001.flog"
            failing = ["-o", self.folder / "trace", "-P", segment, "-e", "trace=fdatasync",
                       "-e", "inject=fdatasync:error=EIO:when=7+"]
            with Server(disk.folder / "data", strace=failing) as server:
                self.assertEqual(server.post("/v1/limits", KEY)[0], 200)
                acknowledged = 0
                while server.check()[0] == 200:
                    acknowledged += 1
                self.assertEqual(server.wait(), 3)
            self.lose_writes(disk)
            self.assertIn(self.live_on_and_lose_power(disk), (acknowledged + 20, acknowledged + 21))

    def test_a_write_back_that_failed_while_nobody_ran(self):
        """505 grants in `batch`, a kill, an error of the kernel's own write-back: after the next ones, 50 were kept."""
        self.require("ext4")
        with Disk("ext4", self.make_disk("ext4"), self.folder / "before") as disk:
            with Server(disk.folder / "data", "--sync", "batch", "--flush-every-ms", "60000", "--flush-every-events",
                        "1000000", "--max-unsynced-ms", "60000") as server:
                self.assertEqual(server.post("/v1/limits", KEY)[0], 200)
                self.assertEqual(self.check(server, 50), 50)
                server.signal("KILL")
                server.wait()
            self.lose_writes(disk)
            self.assertEqual(self.live_on_and_lose_power(disk), 70)


if __name__ == "__main__":
    in_own_mounts(__file__)
    unittest.main(verbosity=2)
