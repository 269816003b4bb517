"""The start of a server: signals that come while it starts, and how many descriptors it takes."""

import fcntl
import http.client
import json
import os
import random
import re
import resource
import signal
import socket
import subprocess
import time
import unittest
from pathlib import Path

from harness import DEADLINE, DONE, FAILED, FLINT, FlintTest, Server, environment, flint, wait_until

ROUNDS = 60
RECORDS = 700_000
REQUEST = (b"POST /v1/check HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 11\r\n\r\n"
           b'{"key":"k"}')


def files_of(folder):
    """Every file but sockets, with its bytes."""
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir()) if path.is_file()}


class Starting:
    """A `flint server start` that nobody waits for."""

    def __init__(self, data_dir, *arguments, limits=None):
        def limit():
            if limits:
                resource.setrlimit(resource.RLIMIT_NOFILE, limits)

        self.process = subprocess.Popen(
            [FLINT, "--data-dir", data_dir, "server", "start", "--bind", "127.0.0.1:0", *arguments],
            env=environment(), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
            preexec_fn=limit)
        self.said = ""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def until(self, words):
        """Reads the log up to the line that has `words`."""
        while words not in self.said:
            line = self.process.stderr.readline().decode()
            if not line:
                raise AssertionError(f"the log ended before \"{words}\": {self.said}")
            self.said += line
        return self.said

    def until_it_catches_signals(self):
        """The first moment of its start that can be told from outside."""
        status = Path(f"/proc/{self.process.pid}/status")
        bit = 1 << (signal.SIGPWR - 1)
        wait_until(lambda: int(re.search(r"SigCgt:\s*(\w+)", status.read_text()).group(1), 16) & bit, "the handlers")

    def end(self):
        self.said += self.process.stderr.read().decode()
        return self.process.wait(DEADLINE)

    def port(self):
        return int(re.search(r"listening on http://127\.0\.0\.1:(\d+)", self.until("flint.sock with")).group(1))


class SignalTest(FlintTest):
    def lock(self):
        """Takes the lock of the directory as another process would; fails when somebody has it."""
        file = open(self.data_dir / "flint.lock", "rb")
        self.addCleanup(file.close)
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return file

    def test_a_signal_while_it_waits_for_the_directory_stops_it_cleanly(self):
        # Symptom: SIGTERM and SIGINT ended a server that started without a line, and with an exit code of failure.
        self.ok(self.local("limit", "add", "k", "--rate", "9", "--per", "1h"))
        for name in ("TERM", "INT", "QUIT", "ALRM", "PWR"):
            with self.subTest(name), self.lock(), Starting(self.data_dir, "--lock-timeout", "1h") as server:
                server.until_it_catches_signals()
                for harmless in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                    server.process.send_signal(harmless)
                server.process.send_signal(getattr(signal, f"SIG{name}"))
                self.assertEqual(server.end(), DONE, server.said)
                last = json.loads(server.said.splitlines()[-1])
                self.assertEqual((last["event"], last["level"]), ("stopped", "info"))
                self.assertIn(f"SIG{name}: stopped before the data directory was open", last["message"])

    def test_two_signals_at_once_stop_a_start_cleanly(self):
        self.ok(self.local("limit", "add", "k", "--rate", "9", "--per", "1h"))
        with self.lock(), Starting(self.data_dir, "--lock-timeout", "1h") as server:
            server.until_it_catches_signals()
            server.process.send_signal(signal.SIGSTOP)
            for number in (signal.SIGALRM, signal.SIGTERM):
                server.process.send_signal(number)
            server.process.send_signal(signal.SIGCONT)
            self.assertEqual(server.end(), DONE, server.said)

    def test_a_token_that_is_replaced_during_the_start_is_read_after_it(self):
        # Symptom: SIGHUP during a long start was lost, and the server went on with the former token.
        file = self.folder / "token"
        file.write_text("first")
        self.ok(self.local("limit", "add", "k", "--rate", "9", "--per", "1h"))
        lock = self.lock()
        with Starting(self.data_dir, "--lock-timeout", "1h", "--token-file", file) as server:
            server.until_it_catches_signals()
            file.write_text("second")
            for number in (signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2):
                server.process.send_signal(number)
            lock.close()
            url = f"http://127.0.0.1:{server.port()}"
            server.until('"token_replaced"')
            self.ok(flint("--server", url, "--token", "second", "limit", "list"))
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.end(), DONE)
            for name in ("SIGUSR1", "SIGUSR2"):
                self.assertIn(f"{name}: ignored", server.said)

    def fill(self):
        """A directory that takes a while to read."""
        with Server(self.data_dir, "--sync", "batch") as server:
            self.ok(self.local("limit", "add", "k", "--rate", "1000000000", "--per", "1d"))
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(str(self.data_dir / "flint.sock"))
                client.settimeout(DEADLINE)
                left = RECORDS
                while left > 0:
                    client.sendall(REQUEST * 500)
                    left -= 500
                    answers, rest = 0, b""
                    while answers < 500:
                        rest += client.recv(1 << 20)
                        answers += rest.count(b'"allowed":true')
                        rest = rest[-13:] if b'"allowed":true' not in rest[-13:] else b""
            self.assertEqual(server.stop(), DONE)

    def test_a_signal_at_any_moment_of_the_start_stops_it_cleanly(self):
        # Symptom: SIGTERM while a long log was read ended the server without a line and a clean close.
        seed = int(os.environ.get("FLINT_TEST_SEED", time.time_ns() % 2**32))
        print(f"FLINT_TEST_SEED={seed}", flush=True)
        dice = random.Random(seed)
        self.fill()
        begin = time.monotonic()
        with Starting(self.data_dir) as server:
            server.until("flint.sock with")
            whole = time.monotonic() - begin
            server.process.send_signal(signal.SIGTERM)
            self.assertEqual(server.end(), DONE)
        early = 0
        for number in range(ROUNDS):
            before = files_of(self.data_dir)
            with self.subTest(number), Starting(self.data_dir) as server:
                server.until_it_catches_signals()
                time.sleep(dice.uniform(0, 2 * whole))
                if dice.random() < 0.5:
                    server.process.send_signal(dice.choice((signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2)))
                server.process.send_signal(dice.choice((signal.SIGTERM, signal.SIGINT)))
                self.assertEqual(server.end(), DONE, server.said)
                self.assertEqual(json.loads(server.said.splitlines()[-1])["event"], "stopped")
            self.lock().close()
            self.assertFalse((self.data_dir / "flint.sock").exists())
            if "before the data directory was open" in server.said:
                early += 1
                self.assertEqual(files_of(self.data_dir), before)
        print(f"{early} of {ROUNDS} were stopped before the directory was open; a whole start takes {whole:.3f} s")
        self.assertEqual(self.local("limit", "status", "k", "--json").json()["total_allowed"], RECORDS)


class DescriptorTest(FlintTest):
    def answer(self, port, target, token=None):
        """The status of an answer on a connection that is kept open."""
        give_up_at = time.monotonic() + DEADLINE
        while True:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=DEADLINE)
            self.addCleanup(connection.close)
            try:
                connection.request("GET", target, headers={"Authorization": f"Bearer {token}"} if token else {})
                answer = connection.getresponse()
                answer.read()
                return answer.status
            except ConnectionError:
                # While a crowd is on its way out, a newcomer may be closed without an answer.
                if time.monotonic() > give_up_at:
                    raise

    # Symptom: below a limit of some 2,300 open files, strangers could use up all descriptors, and neither the owner nor
    # probes nor those with the token got in.
    def test_a_crowd_locks_nobody_out_whatever_the_limit_of_open_files(self):
        for most in (64, 256, 1024):
            self.data_dir = self.folder / str(most)
            file = self.folder / "token"
            file.write_text("s3cret")
            arguments = ["--threads", "1", "--token-file", file]
            with self.subTest(most), Starting(self.data_dir, *arguments, limits=(most, most)) as server:
                port = server.port()
                self.assertIn('"few_descriptors"', server.said)
                for _ in range(most + 50):
                    stranger = socket.create_connection(("127.0.0.1", port))
                    self.addCleanup(stranger.close)
                self.assertEqual(self.answer(port, "/v1/health", "s3cret"), 200)
                self.assertEqual(self.answer(port, "/readyz"), 200)
                self.ok(self.local("limit", "add", "k", "--rate", "9", "--per", "1h"))
                # And one of those who may ask.
                statuses = [self.answer(port, "/v1/health", "s3cret") for _ in range(most // 2)]
                self.assertEqual(set(statuses), {200, 503})
                self.assertEqual(self.answer(port, "/livez"), 200)
                self.ok(self.local("log", "compact"))
                self.ok(self.local("limit", "check", "k"))
                server.process.send_signal(signal.SIGTERM)
                self.assertEqual(server.end(), DONE)
                self.assertNotIn("out_of_descriptors", server.said)

    # Symptom: with few descriptors the server ended with SIGABRT, by an exception of Asio.
    def test_with_too_few_descriptors_it_says_so_and_else_serves(self):
        served = False
        for most in range(8, 90, 3):
            with self.subTest(most), Starting(self.data_dir, "--threads", "1", limits=(most, most)) as server:
                try:
                    server.until("flint.sock with")
                except AssertionError:
                    self.assertFalse(served)
                    self.assertEqual(server.end(), FAILED, server.said)
                    self.assertRegex(server.said, r"(?m)^flint: .*([Tt]oo many open files|limit of open files).*\.$")
                    self.assertFalse(self.data_dir.exists())
                    continue
                served = True
                server.process.send_signal(signal.SIGTERM)
                self.assertEqual(server.end(), DONE)
        self.assertTrue(served)


class JournalTest(FlintTest):
    def test_a_start_that_fails_has_its_priority_in_the_journal(self):
        # Symptom: the line that says why a server did not start had no priority, and `journalctl -p err` left it out.
        with open(self.folder / "journal", "w+b") as journal:
            status = os.fstat(journal.fileno())
            env = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"}
            flint("--data-dir", self.data_dir, "server", "start", "--bind", "nowhere", stderr=journal, env=env)
            flint("--data-dir", self.data_dir, "server", "start", "--nonsense", stderr=journal, env=env)
            journal.seek(0)
            lines = journal.read().decode().splitlines()
        self.assertEqual(2, len(lines), lines)
        for line in lines:
            self.assertRegex(line, r"\A<3>flint: .+\.\Z")


if __name__ == "__main__":
    unittest.main(verbosity=2)
