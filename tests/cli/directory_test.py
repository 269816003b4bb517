"""One data directory: many commands at once, root beside its owner, links and modes that expose it."""

import os
import socket
import stat
import subprocess
import unittest

from harness import DONE, FAILED, FLINT, FlintTest, Server, environment, flint, wait_until

SHORT, LONG = "secret", "a-token-of-many-characters"


class ManyCommands(FlintTest):
    def test_all_that_run_at_once_are_done(self):
        """12 of 120 commands on one directory failed: those that had waited longest for it were overtaken."""
        self.ok(self.local("limit", "add", "k", "--rate", "1000", "--per", "1d"))
        # However long 120 commands take on this machine, each gets its turn.
        command = [FLINT, "--data-dir", self.data_dir, "--lock-timeout", "1h", "limit", "check", "k"]
        running = [subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) for _ in range(120)]
        self.assertEqual([process.wait() for process in running], [DONE] * 120)
        self.assertEqual(self.ok(self.local("limit", "status", "k", "--json")).json()["total_allowed"], 120)

    def test_a_holder_that_stays_is_named_after_the_timeout(self):
        self.ok(self.local("limit", "add", "k", "--rate", "9", "--per", "1d"))
        with Server(self.data_dir) as server:
            (self.data_dir / "flint.sock").unlink()  # a server that cannot be talked to
            for wait in ("0", "50ms"):
                outcome = self.local("--lock-timeout", wait, "limit", "check", "k")
                self.refused(outcome, FAILED, f"process {server.process.pid}")


@unittest.skipIf(os.geteuid() != 0, "only root can act for another user")
class Root(FlintTest):
    OWNER = 12345

    def setUp(self):
        super().setUp()
        self.data_dir.mkdir(mode=0o700)
        os.chown(self.data_dir, self.OWNER, self.OWNER)

    def owners(self):
        return {path.name: (path.lstat().st_uid, path.lstat().st_gid) for path in self.data_dir.iterdir()}

    def test_a_command_leaves_no_files_of_root(self):
        """One `sudo flint` left files of root's, and from then on the owner of the directory was refused."""
        self.ok(self.local("limit", "add", "k", "--rate", "9", "--per", "1d"))
        self.ok(self.local("log", "compact"))
        self.ok(self.local("limit", "check", "k"))
        with Server(self.data_dir, "--token", LONG) as server:
            self.ok(flint("--server", server.url, "--token", LONG, "limit", "check", "k"))
            self.assertIn("flint.sock", self.owners())
            self.assertEqual(set(self.owners().values()), {(self.OWNER, self.OWNER)}, self.owners())
            server.process.kill()
            server.process.wait()
        newest = max(self.data_dir.glob("log-*.flog"))
        with open(newest, "r+b") as torn:  # a tail that is copied aside
            torn.seek(newest.stat().st_size - 64)
            torn.write(b"x" * 64)
        self.ok(self.local("limit", "check", "k"))
        self.assertTrue(list(self.data_dir.glob("tail-*")), self.owners())
        self.assertEqual(set(self.owners().values()), {(self.OWNER, self.OWNER)}, self.owners())


class Exposed(FlintTest):
    def setUp(self):
        super().setUp()
        self.ok(self.local("limit", "add", "k", "--rate", "9", "--per", "1d"))

    def test_a_lock_file_with_another_name_is_not_written(self):
        """`flint.lock` was a hard link to another file, which then said "process 7, embedded"."""
        other = self.folder / "other"
        other.write_text("precious")
        lock = self.data_dir / "flint.lock"
        lock.unlink()
        os.link(other, lock)
        self.refused(self.local("limit", "check", "k"), FAILED, str(lock), "hard link")
        self.assertEqual(other.read_text(), "precious")
        lock.unlink()
        lock.symlink_to(other)
        self.refused(self.local("limit", "check", "k"), FAILED, str(lock), "symbolic link")
        self.assertEqual(other.read_text(), "precious")
        lock.unlink()
        self.ok(self.local("limit", "check", "k"))

    def test_no_file_that_is_written_may_have_another_name(self):
        """A copy of hard links (cp -al) changed together with the store."""
        for name in sorted(path.name for path in self.data_dir.glob("log-*.flog")):
            os.link(self.data_dir / name, self.folder / name)
            before = (self.folder / name).read_bytes()
            self.refused(self.local("limit", "check", "k"), FAILED, name, "hard link")
            self.assertEqual((self.folder / name).read_bytes(), before)

    def test_a_directory_that_others_can_use_is_reported(self):
        self.assertNotIn("other users", self.ok(self.local("doctor")).out)
        for mode, word in ((0o755, "read"), (0o777, "write to"), (0o710, "read"), (0o730, "write to")):
            self.data_dir.chmod(mode)
            self.assertIn(f"other users can {word} the data directory", self.ok(self.local("doctor")).out)
        with Server(self.data_dir) as server:
            wait_until(lambda: "other users can write to the data directory" in server.logged(), "the finding")
            self.assertIn("other users can write to", self.ok(self.local("doctor")).out)
        self.assertEqual(stat.S_IMODE(self.data_dir.stat().st_mode), 0o730)

    def test_a_token_that_others_can_read_is_reported(self):
        file = self.folder / "token"
        file.write_text(LONG)
        for mode, reported in ((0o644, True), (0o620, True), (0o600, False)):
            file.chmod(mode)
            with Server(self.data_dir, "--token-file", file) as server:
                self.assertEqual("the token file" in server.logged(), reported, oct(mode))
                self.assertEqual("the token file" in self.ok(self.local("doctor")).out, reported, oct(mode))

    def test_a_short_token_is_reported_where_others_can_try(self):
        for host, token, reported in (("0.0.0.0", SHORT, True), ("0.0.0.0", LONG, False), ("127.0.0.1", SHORT, False)):
            with socket.socket() as probe:
                probe.bind(("127.0.0.1", 0))
                port = probe.getsockname()[1]
            with Server(self.data_dir, "--token", token, bind=f"{host}:{port}") as server:
                self.assertEqual("fewer than 16 characters" in server.logged(), reported, (host, token))
                self.assertEqual("fewer than 16 characters" in self.ok(self.local("doctor")).out, reported)

    def test_a_server_starts_where_no_socket_can_be_made(self):
        """Where the file system has no Unix sockets the server did not start, although it had its port."""
        (self.data_dir / "flint.sock").mkdir()
        server = Server(self.data_dir)
        # Only its port can be waited for.
        server._listens = lambda: server._accepts(server.bind)
        with server:
            self.ok(flint("--server", server.url, "limit", "check", "k"))
            self.assertIn("flint.sock", server.logged())
            self.assertIn("--server", server.logged())
            self.assertEqual(server.stop(), DONE)
        self.assertEqual(self.local("limit", "check", "k").code, DONE)


if __name__ == "__main__":
    unittest.main(verbosity=2)
