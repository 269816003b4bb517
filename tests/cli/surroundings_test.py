"""The command among others: held directories, mistyped paths, outputs that lead nowhere, servers that are none."""

import os
import socket
import subprocess
import sys
import threading
import time
import unittest

from harness import DENIED, DONE, FAILED, USAGE, FLINT, FlintTest, Server, environment, flint

READS = [["limit", "list"], ["limit", "status", "k"], ["limit", "history", "k"], ["limit", "top"], ["doctor"]]
CHANGES = [["limit", "check", "k"], ["limit", "check-all", "k"], ["limit", "reset", "k"], ["log", "flush"],
           ["log", "compact"], ["doctor", "--repair"]]


class DirectoryTest(FlintTest):
    def test_a_mistyped_path_creates_nothing(self):
        for arguments in READS + CHANGES:
            with self.subTest(arguments=arguments):
                self.refused(self.local(*arguments), FAILED, str(self.data_dir))
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_a_directory_of_other_things_is_left_as_it_is(self):
        self.data_dir.mkdir()
        (self.data_dir / "notes.txt").write_text("mine")
        for arguments in READS + CHANGES:
            with self.subTest(arguments=arguments):
                self.refused(self.local(*arguments), FAILED, str(self.data_dir))
        self.assertEqual([path.name for path in self.data_dir.iterdir()], ["notes.txt"])

    def test_a_file_is_no_directory(self):
        self.data_dir.write_text("")
        for arguments in READS + CHANGES + [["limit", "add", "k", "--rate=1", "--per=1s"], ["server", "start"]]:
            with self.subTest(arguments=arguments):
                self.assertEqual(self.local(*arguments).code, FAILED)

    def test_only_add_creates_and_only_for_the_owner(self):
        self.ok(self.local("limit", "add", "k", "--rate", "1", "--per", "1h"))
        self.assertEqual(self.data_dir.stat().st_mode & 0o777, 0o700)

    def test_the_environment_names_the_directory_and_options_win(self):
        self.ok(self.local("limit", "add", "k", "--rate", "1", "--per", "1h"))
        variables = {"FLINT_DATA_DIR": str(self.data_dir)}
        self.ok(flint("limit", "status", "k", env=variables))
        self.assertEqual(flint("--data-dir", self.folder / "no", "limit", "status", "k", env=variables).code, FAILED)
        with Server(self.data_dir) as server:
            variables = {"FLINT_SERVER": server.url}
            self.ok(flint("limit", "status", "k", env=variables))
            self.assertEqual(
                flint("--data-dir", self.folder / "no", "limit", "status", "k", env=variables).code, FAILED)

    def test_the_default_is_a_folder_here(self):
        self.ok(flint("limit", "add", "k", "--rate", "1", "--per", "1h", cwd=self.folder))
        self.assertTrue((self.folder / ".flint").is_dir())

    def test_a_store_that_lost_its_manifest_is_not_said_to_be_none(self):
        """A check said that there was no data directory, and how to create one, where there was a log."""
        self.ok(self.local("limit", "add", "k", "--rate", "9", "--per", "1h"))
        (self.data_dir / "manifest").unlink()
        self.refused(self.local("limit", "check", "k"), FAILED, "manifest", "doctor --repair")
        self.assertIn("Dropped: nothing", self.ok(self.local("doctor", "--repair")).out)
        self.ok(self.local("limit", "check", "k"))

    def test_a_damaged_directory_is_refused_examined_and_repaired(self):
        self.ok(self.local("limit", "add", "k", "--rate", "9", "--per", "1h"))
        for _ in range(5):
            self.ok(self.local("limit", "check", "k"))
        self.ok(self.local("log", "compact"))
        self.ok(self.local("doctor"))
        for path in self.data_dir.iterdir():
            if path.name.endswith((".lock", ".sock")):
                continue
            content = bytearray(path.read_bytes())
            content[40:80] = bytes(byte ^ 0xff for byte in content[40:80])
            path.write_bytes(content)
        self.refused(self.local("limit", "check", "k"), FAILED, "doctor")
        self.assertIn("does not open", self.ok(self.local("doctor"), FAILED).out)
        self.assertIs(self.ok(self.local("doctor", "--json"), FAILED).json()["ok"], False)
        repaired = self.ok(self.local("doctor", "--repair")).out
        self.assertIn("Repaired", repaired)
        self.assertIn("repair-1-", repaired)
        self.assertTrue([path for path in self.data_dir.iterdir() if path.name.startswith("repair-1-")])
        self.ok(self.local("limit", "list"))


class HeldDirectoryTest(FlintTest):
    def setUp(self):
        super().setUp()
        self.ok(self.local("limit", "add", "k", "--rate", "1000000", "--per", "1h"))

    def test_commands_at_the_same_time_wait_for_each_other(self):
        command = [FLINT, "--data-dir", self.data_dir, "limit", "check", "k"]
        running = [subprocess.Popen(command, env=environment(), stdout=subprocess.DEVNULL) for _ in range(8)]
        self.assertEqual([process.wait(60) for process in running], [DONE] * 8)
        status = self.ok(self.local("limit", "status", "k", "--json")).json()
        self.assertEqual(status["total_allowed"], 8)

    def test_another_process_is_named(self):
        holder = subprocess.Popen(
            [sys.executable, "-c",
             "import fcntl, sys\n"
             "file = open(sys.argv[1], 'r+b')\n"
             "fcntl.flock(file, fcntl.LOCK_EX)\n"
             "print('held', flush=True)\n"
             "sys.stdin.read()", self.data_dir / "flint.lock"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        try:
            self.assertEqual(holder.stdout.readline(), b"held\n")
            for arguments in READS[:-1] + CHANGES:
                with self.subTest(arguments=arguments):
                    self.refused(self.local("--lock-timeout", "0", *arguments), FAILED, str(self.data_dir))
            self.ok(self.local("doctor"))
        finally:
            holder.communicate()
        self.ok(self.local("limit", "check", "k"))

    def test_what_may_not_be_read_is_not_called_damage(self):
        # Symptom: another user's `flint doctor` said "The data directory is damaged and does not open".
        self.ok(self.local("limit", "add", "k", "--rate", "1", "--per", "1h"))
        (self.data_dir / "manifest").rename(self.data_dir / "moved")
        # Not read for another reason than the mode of a file, which does not hinder root.
        os.mkfifo(self.data_dir / "manifest")
        report = self.ok(self.local("doctor"), FAILED).out
        self.assertIn("does not open", report)
        self.assertIn(str(self.data_dir / "manifest"), report)
        self.assertNotIn("damage", report)

    def test_a_server_is_asked(self):
        with Server(self.data_dir) as server:
            for arguments in READS + CHANGES[:-1]:
                with self.subTest(arguments=arguments):
                    self.ok(self.local(*arguments))
            self.refused(self.local("doctor", "--repair"), FAILED, str(server.process.pid))
            self.refused(self.local("server", "start", "--bind", "127.0.0.1:0"), FAILED, str(server.process.pid))

    def test_a_path_that_is_too_long_for_a_socket_is_none_for_a_directory(self):
        self.data_dir = self.folder / ("d" * 120) / "data"
        self.data_dir.parent.mkdir()
        with Server(self.data_dir) as server:
            self.ok(self.local("limit", "add", "k", "--rate", "1", "--per", "1h"))
            self.ok(self.local("limit", "list"))
            self.ok(flint("--server", f"unix:{self.data_dir}/flint.sock", "limit", "list"))
            self.assertEqual(server.stop(), DONE)


class OutputTest(FlintTest):
    def setUp(self):
        super().setUp()
        self.ok(self.local("limit", "add", "k", "--rate", "1", "--per", "1h"))

    def test_a_full_device_is_a_failure(self):
        with open("/dev/full", "wb") as full:
            self.refused(self.local("limit", "list", stdout=full), FAILED, "standard output")
            self.assertEqual(self.local("--help", stdout=full).code, FAILED)
            self.assertEqual(self.local("limit", "check", "k", "--json", stdout=full).code, FAILED)

    def shell(self, line):
        done = subprocess.run(["bash", "-c", line], env=environment({"FLINT": str(FLINT), "DIR": str(self.data_dir)}),
                              capture_output=True, timeout=60, check=False)
        return done.returncode, done.stdout.decode(), done.stderr.decode()

    def test_a_closed_output_is_a_failure_and_no_file_takes_its_place(self):
        code, _, err = self.shell('"$FLINT" --data-dir "$DIR" limit check k >&-')
        self.assertEqual(code, FAILED)
        self.assertIn("standard output", err)
        self.assertEqual(self.shell('"$FLINT" --data-dir "$DIR" limit check k <&- 2>&-')[0], DENIED)
        self.assertEqual(self.shell('"$FLINT" --data-dir "$DIR" limit check k <&- >&- 2>&-')[0], FAILED)
        status = self.ok(self.local("limit", "status", "k", "--json")).json()
        self.assertEqual((status["total_allowed"], status["total_denied"]), (1, 2))
        self.ok(self.local("doctor"))

    def test_a_reader_that_has_gone_is_none(self):
        code, _, err = self.shell('"$FLINT" --data-dir "$DIR" limit list --json | true; exit "${PIPESTATUS[0]}"')
        self.assertEqual((code, err), (DONE, ""))


class StrangeServer:
    """Answers the first connection with some bytes, or not at all."""

    def __init__(self, answer, then_close=True):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.answer, self.then_close = answer, then_close
        self.done = threading.Event()
        self.thread = threading.Thread(target=self.serve)

    def serve(self):
        connection, _ = self.listener.accept()
        with connection:
            connection.recv(65536)
            connection.sendall(self.answer)
            if not self.then_close:
                self.done.wait(60)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.done.set()
        self.thread.join()
        self.listener.close()


def http(body, head="HTTP/1.1 200 OK", length=None):
    size = len(body) if length is None else length
    return f"{head}\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n".encode() + body


class StrangeServerTest(FlintTest):
    def answered(self, answer, *arguments, **options):
        with StrangeServer(answer, **options) as server:
            return flint("--server", server.url, "--timeout", "500ms", *arguments)

    def test_nobody_listens(self):
        self.refused(flint("--server", "http://127.0.0.1:9", "limit", "list"), FAILED, "Cannot reach", "--server")
        self.refused(flint("--server", f"unix:{self.folder}/no.sock", "limit", "list"), FAILED, "Cannot reach")
        self.refused(flint("--server", "http://no-such-host.invalid", "--timeout", "5s", "limit", "list"), FAILED)

    def test_no_answer_in_time(self):
        begun = time.monotonic()
        self.refused(self.answered(b"", "limit", "list", then_close=False), FAILED, "in time")
        self.refused(self.answered(b"HTTP/1.1 200 OK\r\n", "limit", "check", "k", then_close=False), FAILED, "in time",
                     "unknown")
        self.refused(self.answered(http(b"[", length=9), "limit", "list", then_close=False), FAILED, "in time")
        self.assertLess(time.monotonic() - begun, 30)

    def test_half_an_answer(self):
        for answer in (b"", b"HTTP/1.1 2", http(b'{"allowed":true', length=99)):
            self.refused(self.answered(answer, "limit", "check", "k"), FAILED, "no whole answer")
        outcome = self.answered(http(b'[{"key":"k"}', length=99), "limit", "list", "--json")
        self.assertEqual(outcome.code, FAILED)

    def test_what_is_not_flint(self):
        for answer in (b"SSH-2.0-OpenSSH_9.2\r\n", b"\x00" * 100):
            self.assertEqual(self.answered(answer, "limit", "check", "k").code, FAILED)
        for answer in (http(b"<html>"), http(b"<html>", head="HTTP/1.1 404 Not Found"), http(b""), http(b"{}{}")):
            self.refused(self.answered(answer, "limit", "check", "k"), FAILED, "Flint server")

    def test_an_answer_may_not_write_to_the_terminal_what_it_likes(self):
        hostile = (rb'[{"key":"\u001b]0;owned\u0007","rate":1,"per_millis":1,"burst":null,"algorithm":"\u001b[2J",'
                   rb'"remaining":1,"reset_at":"\u202e","total_allowed":0,"total_denied":0,"total_allowed_cost":0,'
                   rb'"total_denied_cost":0,"last_allowed_at":"\u001b","last_denied_at":null,"last_reset_at":null}]')
        self.assertNotIn("\x1b", self.ok(self.answered(http(hostile), "limit", "list")).out)
        error = http(rb'{"error":"\u001b[2J","code":"x"}', head="HTTP/1.1 400 Bad Request")
        self.refused(self.answered(error, "limit", "list"), USAGE, "u001b")

    def test_the_token_goes_to_the_server_and_nowhere_else(self):
        received = []

        class Recorder(StrangeServer):
            def serve(self):
                connection, _ = self.listener.accept()
                with connection:
                    received.append(connection.recv(65536))
                    connection.sendall(http(b'{"error":"no","code":"unauthorized"}', "HTTP/1.1 401 Unauthorized"))

        with Recorder(b"") as server:
            outcome = flint("--server", server.url, "--token", "s3cret", "limit", "status", "a/b")
        self.assertEqual(outcome.code, USAGE)
        self.assertNotIn("s3cret", outcome.out + outcome.err)
        self.assertIn(b"Authorization: Bearer s3cret\r\n", received[0])
        self.assertTrue(received[0].startswith(b"GET /v1/limits/a%2Fb HTTP/1.1\r\n"))


if __name__ == "__main__":
    unittest.main(verbosity=2)
