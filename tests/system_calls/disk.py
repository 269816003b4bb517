"""Real file systems in files, and the disks that a power loss leaves."""

import fcntl
import os
import shutil
import struct
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from traced import FLINT, Server, wait_until

KEY = {"key": "user:1", "rate": 1000, "per": "1d", "algorithm": "fixed_window_counter"}
OWN_MOUNTS = "FLINT_TEST_HAS_OWN_MOUNTS"
FIBMAP, FIGETBSZ = 1, 2


def run(*command):
    done = subprocess.run([str(part) for part in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)
    return done.returncode, done.stdout


def reason_to_skip(kind):
    if os.geteuid() != 0:
        return "only root may mount"
    if OWN_MOUNTS not in os.environ:
        return "no mount namespace may be had here"
    if kind != "tmpfs" and not shutil.which(f"mkfs.{kind}", path="/usr/sbin:/sbin"):
        return f"mkfs.{kind} is not installed"
    return None


def fill(folder):
    """Leaves not a block free in the file system."""
    with open(folder / "filler", "wb", buffering=0) as filler:
        for size in (1 << 20, 4096, 512):
            while True:
                try:
                    if filler.write(b"x" * size) < size:
                        break
                except OSError:
                    break
        os.fsync(filler.fileno())


class Disk:
    """A file system in a file, or a tmpfs of 1 MiB, mounted until the end of the `with`."""

    def __init__(self, kind, image, folder):
        self.kind = kind
        self.image = image
        self.folder = folder
        # ext4 writes its journal by itself every five seconds, which would hide a sync that does nothing.
        self.options = {"ext4": "loop,commit=3600", "tmpfs": "size=1m"}.get(kind, "loop")

    def __enter__(self):
        self.folder.mkdir()
        code, said = run("mount", "-t", self.kind, "-o", self.options, self.image, self.folder)
        if code != 0:
            raise unittest.SkipTest(f"{self.kind} in a file cannot be mounted here: {said}")
        return self

    def __exit__(self, *_):
        wait_until(lambda: run("umount", self.folder)[0] == 0, f"{self.folder} to be unmounted")
        self.folder.rmdir()


class DiskTest(unittest.TestCase):
    def setUp(self):
        # Short, since the path of a Unix socket has at most 107 bytes.
        self.folder = Path(tempfile.mkdtemp(prefix="flint-power-")).resolve()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.losses = 0

    def require(self, kind):
        reason = reason_to_skip(kind)
        if reason:
            self.skipTest(reason)

    def make_disk(self, kind, *options):
        image = self.folder / f"{kind}.image"
        image.touch()
        os.truncate(image, (320 if kind == "xfs" else 64) << 20)  # XFS takes no less
        code, said = run(f"/usr/sbin/mkfs.{kind}", "-q", "-f" if kind == "xfs" else "-F", *options, image)
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

    def lose_writes(self, disk):
        """What the segments' pages hold and the disk does not never reaches it, though the kernel shows it as before.

        So it is after a write-back that failed."""
        before = disk.image.read_bytes()
        code, said = run("sync", "-f", disk.folder)
        self.assertEqual(code, 0, said)
        lost = 0
        with open(disk.image, "r+b") as image:
            for segment in sorted((disk.folder / "data").glob("log-*.flog")):
                with open(segment, "rb") as file:
                    [size] = struct.unpack("i", fcntl.ioctl(file, FIGETBSZ, struct.pack("i", 0)))
                    for number in range(-(-segment.stat().st_size // size)):
                        [block] = struct.unpack("i", fcntl.ioctl(file, FIBMAP, struct.pack("i", number)))
                        image.seek(block * size)
                        old = before[block * size:(block + 1) * size]
                        if block and image.read(size) != old:
                            image.seek(block * size)
                            image.write(old)
                            lost += 1
        self.assertGreater(lost, 0, "nothing was in memory only")

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


def in_own_mounts(program):
    """Starts this program anew where its mounts are its own, and go when it is killed; or goes on without."""
    if OWN_MOUNTS in os.environ or os.geteuid() != 0 or run("unshare", "--mount", "true")[0] != 0:
        return
    os.environ[OWN_MOUNTS] = "yes"
    os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, program, str(FLINT)])
