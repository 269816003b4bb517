"""A server and commands on a real disk without a free block."""

import contextlib
import json
import subprocess
import unittest

from disk import KEY, Disk, DiskTest, fill, in_own_mounts, run
from traced import ENVIRONMENT, FLINT, Server, UnixConnection, wait_until

SPENT = dict(KEY, key="spent", rate=1)


def get(server, path):
    with contextlib.closing(UnixConnection(server.socket)) as connection:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()


def remaining(server):
    status, said = get(server, "/v1/limits/user%3A1")
    if status != 200:
        raise AssertionError(f"{status}: {said}")
    return json.loads(said)["remaining"]


class FullDisk(DiskTest):
    @contextlib.contextmanager
    def disk(self, kind):
        self.require(kind)
        image = "none" if kind == "tmpfs" else self.make_disk(kind)
        with Disk(kind, image, self.folder / "disk") as disk:
            yield disk

    def use_and_kill(self, data):
        with Server(data, "--sync", "always") as server:
            for limit in (KEY, SPENT):
                self.assertEqual(server.post("/v1/limits", limit)[0], 200)
            for key in ("user:1", "user:1", "spent"):
                self.assertTrue(server.check(key)[1]["allowed"])
            server.signal("KILL")
            server.wait()

    def check_what_a_full_disk_answers(self, server):
        self.assertEqual(remaining(server), KEY["rate"] - 2)
        self.assertEqual(get(server, "/v1/limits")[0], 200)
        history = json.loads(get(server, "/v1/history/user%3A1")[1])
        self.assertEqual([event["kind"] for event in history], ["configured", "allowed", "allowed"])
        status, decision = server.check("spent")
        self.assertEqual((status, decision["allowed"]), (200, False))
        for path, body in (("/v1/check", {"key": "user:1"}), ("/v1/limits", dict(KEY, key="new")),
                           ("/v1/reset", {"key": "spent"}), ("/v1/log/flush", None), ("/v1/log/compact", None)):
            status, said = server.post(path, body)
            self.assertEqual((status, said["code"]), (507, "disk_full"), (path, said))
        self.assertEqual(get(server, "/readyz")[0], 200)
        self.assertIn("\nflint_storage_waits_for_room 1\n", get(server, "/metrics")[1])
        self.assertIn("No space left on device", get(server, "/v1/doctor")[1])
        self.assertEqual(remaining(server), KEY["rate"] - 2)

    def commands(self, data):
        def flint(*arguments):
            done = subprocess.run([FLINT, "--data-dir", data, *arguments], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            return done.returncode, done.stdout
        self.assertEqual(flint("limit", "list")[0], 0)
        code, said = flint("limit", "check", "user:1")
        self.assertEqual(code, 3, said)
        self.assertIn("No space left on device", said)
        self.assertEqual(flint("doctor")[0], 0)

    def test_a_server_starts_without_a_free_block_and_goes_on(self):
        """After a kill, with less than a mebibyte free, the server did not start."""
        for kind in ("ext4", "tmpfs"):
            with self.subTest(kind=kind), self.disk(kind) as disk:
                data = disk.folder / "data"
                self.use_and_kill(data)
                fill(disk.folder)
                self.commands(data)
                names = sorted(path.name for path in data.iterdir())
                with Server(data) as server:
                    self.check_what_a_full_disk_answers(server)
                    server.signal("KILL")
                    server.wait()
                self.assertEqual(sorted(path.name for path in data.iterdir()), names)
                with Server(data) as server:
                    self.check_what_a_full_disk_answers(server)
                    self.assertIn("nothing can be logged", server.logged())
                    (disk.folder / "filler").unlink()
                    wait_until(lambda: "room_again" in server.logged(), "the server to go on by itself")
                    status, decision = server.check()
                    self.assertEqual((status, decision["remaining"]), (200, KEY["rate"] - 3))
                    self.assertIn("\nflint_storage_waits_for_room 0\n", get(server, "/metrics")[1])
                    self.assertEqual(server.stop(), 0, server.logged())
                with Server(data) as server:
                    self.assertEqual(remaining(server), KEY["rate"] - 3)
                    # Those of the server that was killed are lost, as denial counts may be.
                    self.assertEqual(json.loads(get(server, "/v1/limits/spent")[1])["total_denied"], 1)

    def test_denials_that_cannot_be_logged_are_told_at_the_end(self):
        for kind in ("ext4", "tmpfs"):
            with self.subTest(kind=kind), self.disk(kind) as disk:
                data = disk.folder / "data"
                self.use_and_kill(data)
                fill(disk.folder)
                with Server(data) as server:
                    self.assertFalse(server.check("spent")[1]["allowed"])
                    self.assertEqual(server.stop(), 3, server.logged())
                    self.assertIn("close_failed", server.logged())
                (disk.folder / "filler").unlink()
                with Server(data) as server:
                    self.assertEqual(remaining(server), KEY["rate"] - 2)

    def test_after_a_clean_restart_a_check_takes_the_room_that_there_is(self):
        """507 with hundreds of kilobytes free: the segment that was opened again wanted its mebibyte back."""
        with self.disk("ext4") as disk:
            data = disk.folder / "data"
            with Server(data) as server:
                self.assertEqual(server.post("/v1/limits", KEY)[0], 200)
                self.assertEqual(server.stop(), 0)
            with open(disk.folder / "room", "wb") as room:
                room.write(bytes(400_000))
            run("sync", "-f", disk.folder)
            fill(disk.folder)
            with Server(data) as server:
                self.assertEqual(server.check()[0], 507)
                (disk.folder / "room").unlink()
                wait_until(lambda: server.check()[0] == 200, "a check in the room that there is")
                self.assertEqual(server.stop(), 0, server.logged())


if __name__ == "__main__":
    in_own_mounts(__file__)
    unittest.main(verbosity=2)
