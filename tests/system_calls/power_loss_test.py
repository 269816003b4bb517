"""What a machine finds after a power loss, on real file systems: everything that was acknowledged in `always`.

A file system in a file is mounted; a server works on it; the file is copied while all is mounted and the server stands
still: the copy holds what had been written to the disk at that moment, and nothing that was only in memory.

Both file systems write a new file's name together with its content, so a missing sync of a directory shows in
order_test.py only.
"""

import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from traced import FLINT, Server, wait_until

KEY = {"key": "user:1", "rate": 1000, "per": "1d", "algorithm": "fixed_window_counter"}
OWN_MOUNTS = "FLINT_TEST_HAS_OWN_MOUNTS"


def run(*command):
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def reason_to_skip(kind):
    if os.geteuid() != 0:
        return "only root may mount"
    if OWN_MOUNTS not in os.environ:
        return "no mount namespace may be had here"
    if not shutil.which(f"mkfs.{kind}", path="/usr/sbin:/sbin"):
        return f"mkfs.{kind} is not installed"
    return None


class Disk:
    """A file system in a file, mounted until the end of the `with`."""

    def __init__(self, kind, image, folder):
        self.kind = kind
        self.image = image
        self.folder = folder
        # ext4 writes its journal by itself every five seconds, which would hide a sync that does nothing.
        self.options = "loop,commit=3600" if kind == "ext4" else "loop"

    def __enter__(self):
        self.folder.mkdir()
        code, said = run("mount", "-t", self.kind, "-o", self.options, self.image, self.folder)
        if code != 0:
            raise unittest.SkipTest(f"{self.kind} in a file cannot be mounted here: {said}")
        return self

    def __exit__(self, *_):
        wait_until(lambda: run("umount", self.folder)[0] == 0, f"{self.folder} to be unmounted")
        self.folder.rmdir()


class PowerLoss(unittest.TestCase):
    def setUp(self):
        # Short, since the path of a Unix socket has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="flint-power-")).resolve()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.losses = 0

    def make_disk(self, kind):
        image = self.folder / f"{kind}.image"
        image.touch()
        os.truncate(image, 64 << 20)
        code, said = run(f"/usr/sbin/mkfs.{kind}", "-q", "-F", image)
        self.assertEqual(code, 0, said)
        return image

    def copy_of(self, server, image):
        """The disk as a power loss now would leave it."""
        state = Path(f"/proc/{server.pid()}/stat")
        server.signal("STOP")
        wait_until(lambda: state.read_text().rpartition(")")[2].split()[0] == "T", "the server to stand still")
        self.losses += 1
        copy = self.folder / f"copy-{self.losses}.image"
        try:
            code, said = run("cp", "--sparse=always", image, copy)
        finally:
            server.signal("CONT")
        self.assertEqual(code, 0, said)
        return copy

    def used_after_loss(self, kind, copy):
        if kind == "ext2":  # as at a boot; it counts blocks and links anew
            run("/usr/sbin/fsck.ext2", "-y", "-f", copy)
        with Disk(kind, copy, self.folder / "after") as disk:
            data = disk.folder / "data"
            self.assertTrue(data.is_dir(), "the data directory is gone")
            code, said = run(FLINT, "--data-dir", data, "doctor")
            self.assertEqual(code, 0, said)
            with Server(data) as server:
                status, decision = server.check()
                self.assertEqual((status, decision["allowed"]), (200, True), decision)
                self.assertEqual(server.stop(), 0)
            return KEY["rate"] - decision["remaining"] - 1

    def lose_power(self, kind):
        reason = reason_to_skip(kind)
        if reason:
            self.skipTest(reason)
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


def in_own_mounts():
    """Starts this program anew where its mounts are its own, and go when it is killed; or goes on without."""
    if OWN_MOUNTS in os.environ or os.geteuid() != 0 or run("unshare", "--mount", "true")[0] != 0:
        return
    os.environ[OWN_MOUNTS] = "yes"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, __file__, str(FLINT)])


if __name__ == "__main__":
    in_own_mounts()
    unittest.main(verbosity=2)
