"""What a machine finds after a power loss, on real file systems: everything that was acknowledged in `always`.

A file system in a file is mounted; a server works on it; the file is copied while all is mounted and the server stands
still: the copy holds what had been written to the disk at that moment, and nothing that was only in memory.

Both file systems write a new file's name together with its content, so a missing sync of a directory shows in
order_test.py only.
"""

import unittest

from disk import KEY, Disk, DiskTest, in_own_mounts
from traced import Server


class PowerLoss(DiskTest):
    def lose_power(self, kind):
        self.require(kind)
        image = self.make_disk(kind)
        copies = []
        with Disk(kind, image, self.folder / "before") as disk:
            with Server(disk.folder / "data", "--sync", "always") as server:
                self.assertEqual(server.post("/v1/limits", KEY)[0], 200)
                copies.append((0, self.copy_of(server, image)))
                for checks in range(1, 41):
                    self.assertEqual(server.check()[0], 200)
                    if checks in (1, 20, 40):
                        copies.append((checks, self.copy_of(server, image)))
                    if checks in (10, 30):
                        self.assertEqual(server.post("/v1/log/compact")[0], 200)
                        copies.append((checks, self.copy_of(server, image)))
                self.assertEqual(server.stop(), 0)
        for checks, copy in copies:
            with self.subTest(kind=kind, acknowledged=checks):
                self.assertEqual(self.used_after_loss(kind, copy), checks)

    def test_ext4(self):
        self.lose_power("ext4")

    def test_ext2(self):
        self.lose_power("ext2")


if __name__ == "__main__":
    in_own_mounts(__file__)
    unittest.main(verbosity=2)
