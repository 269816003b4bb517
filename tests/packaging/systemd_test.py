"""A service manager as systemd is one: the server tells it how it is doing, and serves the socket that it passes on.

The unit files are examined by systemd's own tool where there is one.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import unittest
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(os.environ["FLINT_ROOT"])
sys.path.insert(0, str(ROOT / "tests/cli"))

from harness import DEADLINE, DONE, FAILED, FLINT, USAGE, FlintTest, environment, flint  # noqa: E402

PACKAGING = ROOT / "packaging"


def health(connection):
    """What the server answers on an open connection, which is closed then."""
    with connection, connection.makefile("rb") as answer:
        connection.settimeout(DEADLINE)
        connection.sendall(b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return answer.read().decode()


class ServiceTest(FlintTest):
    def setUp(self):
        super().setUp()
        self.address = str(self.folder / "notify")
        self.manager = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(self.manager.close)
        self.manager.settimeout(DEADLINE)
        self.manager.bind(self.address)

    def next_notice(self):
        return self.manager.recv(4096).decode()

    def notices_until(self, start):
        notices = []
        while not notices or not notices[-1].startswith(start):
            notices.append(self.next_notice())
        return notices

    @contextmanager
    def service(self, *arguments, bind="127.0.0.1:0", passed=(), env=None):
        """`flint server start` as systemd starts it; the sockets `passed` become descriptors 3, 4 ..."""
        moves = " ".join(f"{place}<&{taken.fileno()}" for place, taken in enumerate(passed, 3))
        script = 'exec "$@"'
        if passed:
            script = f"exec {moves}; export LISTEN_FDS={len(passed)} LISTEN_PID=$$; {script}"
        process = subprocess.Popen(
            ["bash", "-c", script, "bash", FLINT, "--data-dir", self.data_dir, "server", "start", "--bind", bind,
             *arguments],
            env=environment({"NOTIFY_SOCKET": self.address, **(env or {})}), pass_fds=[s.fileno() for s in passed],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.wait()
            process.stdout.close()

    def stop(self, process):
        process.send_signal(signal.SIGTERM)
        self.assertEqual(DONE, process.wait(DEADLINE))

    def refused_service(self, *arguments, **options):
        """What a server says that is not to start."""
        with self.service(*arguments, **options) as process:
            said = process.communicate(timeout=DEADLINE)[0].decode()
            self.assertEqual(USAGE, process.returncode, said)
        notice = self.next_notice()
        self.assertTrue(notice.startswith("STATUS=failed: "), notice)
        self.assertIn(notice.removeprefix("STATUS=failed: "), said)
        self.assertFalse(self.data_dir.exists())
        return said


class Notices(ServiceTest):
    def test_ready_means_that_clients_can_connect_and_stopping_comes_before_the_end(self):
        with self.service() as process:
            self.assertEqual(f"STATUS=opening the data directory {self.data_dir}", self.next_notice())
            ready = self.next_notice()
            self.assertRegex(ready, rf"\AREADY=1\nSTATUS=serving {self.data_dir} on http://127.0.0.1:\d+\Z")
            port = int(ready.rpartition(":")[2])
            self.assertIn('{"ok":true', health(socket.create_connection(("127.0.0.1", port))))
            self.stop(process)
        self.assertEqual("STOPPING=1\nSTATUS=finishing requests in progress", self.next_notice())

    def test_an_abstract_address(self):
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as abstract:
            abstract.settimeout(DEADLINE)
            abstract.bind("")  # The kernel chooses a name.
            name = "@" + abstract.getsockname()[1:].decode()
            with self.service(env={"NOTIFY_SOCKET": name}) as process:
                self.assertTrue(abstract.recv(4096).startswith(b"STATUS="))
                self.assertTrue(abstract.recv(4096).startswith(b"READY=1\n"))
                self.stop(process)

    def test_a_manager_that_has_gone_does_not_stop_the_server(self):
        with self.service() as process:
            self.notices_until("READY=1")
            self.manager.close()
            os.unlink(self.address)
            self.stop(process)

    def test_why_the_server_did_not_start(self):
        with self.service() as first:
            self.notices_until("READY=1")
            with self.service() as second:
                self.assertEqual(FAILED, second.wait(DEADLINE))
            notice = self.notices_until("STATUS=failed: ")[-1]
            self.assertIn(str(first.pid), notice)
            self.stop(first)

    def test_storage_that_fails_is_told_and_is_the_exit_code_that_restarts(self):
        with self.service() as process:
            self.notices_until("READY=1")
            (self.data_dir / "flint.lock").unlink()
            flint("--server", f"unix:{self.data_dir}/flint.sock", "limit", "add", "k", "--rate", "1", "--per", "1s")
            self.assertEqual(FAILED, process.wait(DEADLINE))
        self.assertRegex(self.next_notice(), r"\ASTOPPING=1\nSTATUS=.*flint\.lock")


class PassedSockets(ServiceTest):
    def listening(self, host="127.0.0.1"):
        taken = socket.create_server((host, 0), backlog=8)
        self.addCleanup(taken.close)
        return taken

    def test_clients_wait_before_the_start_and_between_two_servers(self):
        held = self.listening()
        for _ in range(2):
            # Nobody accepts yet.
            waiting = socket.create_connection(held.getsockname())
            # The port that is given is not bound: another process has it.
            with self.service(passed=[held], bind=f"127.0.0.1:{self.listening().getsockname()[1]}") as process:
                self.assertIn('{"ok":true', health(waiting))
                self.assertIn(f"http://127.0.0.1:{held.getsockname()[1]}", self.notices_until("READY=1")[-1])
                self.stop(process)

    def test_a_socket_in_the_file_system_keeps_its_name(self):
        path = self.folder / "passed.sock"
        with socket.socket(socket.AF_UNIX) as held:
            held.bind(str(path))
            held.listen()
            with self.service(passed=[held]) as process:
                self.assertIn(f"unix:{path}", self.notices_until("READY=1")[-1])
                answer = flint("--server", f"unix:{path}", "limit", "list", "--json")
                self.assertEqual([], json.loads(self.ok(answer).out))
                self.stop(process)
            self.assertTrue(path.is_socket())

    def test_an_address_that_others_reach_needs_a_token(self):
        open_to_all = self.listening("0.0.0.0")
        self.assertIn("set a token", self.refused_service(passed=[open_to_all]))
        with self.service(passed=[open_to_all], env={"FLINT_SERVER_TOKEN": "secret"}) as process:
            self.notices_until("READY=1")
            connection = socket.create_connection(("127.0.0.1", open_to_all.getsockname()[1]))
            self.assertIn(" 401 ", health(connection).splitlines()[0])
            self.stop(process)

    def test_what_cannot_be_served_is_refused_with_what_to_change(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as datagrams, socket.socket() as idle:
            self.assertIn("not a stream socket", self.refused_service(passed=[datagrams]))
            self.assertIn("does not listen", self.refused_service(passed=[idle]))
        self.assertIn("one ListenStream=", self.refused_service(passed=[self.listening(), self.listening()]))

    def test_a_socket_for_another_process_is_left_alone(self):
        with self.service(env={"LISTEN_FDS": "1", "LISTEN_PID": "1"}) as process:
            self.assertIn("http://127.0.0.1:", self.notices_until("READY=1")[-1])
            self.stop(process)


class Units(FlintTest):
    def setUp(self):
        super().setUp()
        (self.folder / "bin").mkdir()
        (self.folder / "bin/flint").symlink_to(FLINT)
        unit = (PACKAGING / "flint.service.in").read_text().replace("@FLINT_BIN_DIR@", str(self.folder / "bin"))
        (self.folder / "flint.service").write_text(unit)
        shutil.copy(PACKAGING / "flint.socket", self.folder)
        self.unit = unit

    def setting(self, name):
        return re.findall(rf"^{name}=(.*)$", self.unit, re.MULTILINE)

    def test_the_service_runs_a_command_that_exists(self):
        words = self.setting("ExecStart")[0].split()
        self.assertEqual("$FLINT_ARGUMENTS", words[-1])
        self.ok(flint(*words[1:-1], "--help"))
        self.assertEqual(["notify"], self.setting("Type"))
        self.assertEqual(["/bin/kill -HUP $MAINPID"], self.setting("ExecReload"))
        self.assertIn(f"FLINT_DATA_DIR=/var/lib/{self.setting('StateDirectory')[0]}", self.setting("Environment")[0])

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_systemd_finds_nothing_wrong(self):
        # Where the manual page is not installed yet, there is none to find.
        done = subprocess.run(["systemd-analyze", "verify", "--man=no", self.folder / "flint.service",
                               self.folder / "flint.socket"], capture_output=True, text=True, check=False)
        self.assertEqual("", done.stdout + done.stderr)
        self.assertEqual(0, done.returncode)

    @unittest.skipUnless(shutil.which("systemd-analyze"), "systemd-analyze is not installed")
    def test_the_service_is_locked_in(self):
        done = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=15",
                               self.folder / "flint.service"], capture_output=True, text=True, check=False)
        self.assertEqual(0, done.returncode, done.stdout + done.stderr)


if __name__ == "__main__":
    unittest.main(verbosity=2)
