"""`flint server start`: its options, its token and how it ends."""

import http.client
import json
import os
import signal
import socket
import subprocess
import time
import unittest
from pathlib import Path

from harness import (DEADLINE, DENIED, DONE, FAILED, FLINT, USAGE, FlintTest, Server, environment, flint, free_port,
                     wait_until)


def command_line_of(process):
    return Path(f"/proc/{process.pid}/cmdline").read_bytes()


class EndTest(FlintTest):
    def test_it_stops_cleanly_on_both_signals(self):
        for number in (signal.SIGTERM, signal.SIGINT):
            with Server(self.data_dir) as server:
                self.ok(self.local("limit", "add", "k", "--rate", "9", "--per", "1h"))
                self.ok(self.local("limit", "check", "k"))
                self.assertEqual(server.stop(number), DONE, server.logged())
            self.ok(self.local("limit", "status", "k"))

    def test_it_survives_what_asks_for_no_end(self):
        # Symptom: SIGHUP, SIGUSR1 and SIGUSR2 ended the server without a line, and systemd left it down.
        with Server(self.data_dir) as server:
            self.ok(self.local("limit", "add", "k", "--rate", "9", "--per", "1h"))
            asked = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2]
            for number in (*asked, signal.SIGPIPE, signal.SIGXFSZ, signal.SIGHUP):
                server.process.send_signal(number)
                self.ok(self.local("limit", "check", "k"))
            self.assertEqual(server.stop(), DONE, server.logged())
            for number in asked:
                self.assertIn(number.name, server.logged())

    def test_every_other_signal_that_can_be_caught_stops_it_cleanly(self):
        # Symptom: any signal but two ended the server without a line and without a clean close.
        names = ["QUIT", "ALRM", "VTALRM", "PROF", "XCPU", "POLL", "PWR", "STKFLT"]
        numbers = {name: getattr(signal, f"SIG{name}") for name in names if hasattr(signal, f"SIG{name}")}
        for name, number in {**numbers, "40": 40}.items():
            with self.subTest(name), Server(self.data_dir) as server:
                self.assertEqual(server.stop(number), DONE, server.logged())
                self.assertIn(name, server.logged())
                self.assertIn("stopped", server.logged())

    def test_a_clean_stop_loses_no_denial(self):
        with Server(self.data_dir) as server:
            self.ok(self.local("limit", "add", "k", "--rate", "1", "--per", "1h"))
            self.ok(self.local("limit", "check", "k"))
            for _ in range(3):
                self.ok(self.local("limit", "check", "k"), DENIED)
            self.assertEqual(server.stop(), DONE)
        self.assertEqual(self.local("limit", "status", "k", "--json").json()["total_denied"], 3)

    def test_a_kill_loses_no_grant_and_leaves_no_lock(self):
        for sync in ("always", "batch"):
            self.data_dir = self.folder / sync
            with Server(self.data_dir, "--sync", sync) as server:
                self.ok(self.local("limit", "add", "k", "--rate", "9", "--per", "1h"))
                for _ in range(4):
                    self.ok(self.local("limit", "check", "k"))
                server.stop(signal.SIGKILL)
            self.assertEqual(self.local("limit", "status", "k", "--json").json()["total_allowed"], 4)
            self.ok(self.local("limit", "check", "k"))


class IdleTest(FlintTest):
    """A server that somebody starts who needs one, and that ends when nobody does."""

    def detached(self, *arguments):
        return self.local("server", "start", "--bind", "none", "--detach", *arguments)

    def pid(self):
        holder = (self.data_dir / "flint.lock").read_text()
        return int(holder.removeprefix("process ").split(",")[0])

    def test_it_answers_when_the_command_has_ended_and_ends_by_itself(self):
        log = self.folder / "server.log"
        self.ok(self.detached("--exit-when-idle", "300ms", "--log-file", log))
        pid = self.pid()
        self.assertEqual(os.getsid(pid), pid)
        self.ok(self.local("limit", "add", "k", "--rate", "2", "--per", "1d"))
        self.ok(self.local("limit", "check", "k"))
        self.assertIn(f"listening on unix:{self.data_dir}/flint.sock", log.read_text())
        wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the server to end")
        self.assertRegex(log.read_text(), r"info: not used for 300 ms: .*\n.* info: stopped\n\Z")
        self.assertFalse((self.data_dir / "flint.sock").exists())
        self.ok(self.local("limit", "check", "k"))
        self.ok(self.local("limit", "check", "k"), DENIED)

    def test_a_request_now_and_then_keeps_it(self):
        with Server(self.data_dir, "--exit-when-idle", "1s") as server:
            for _ in range(5):
                time.sleep(0.4)
                self.ok(self.local("limit", "list"))
            self.assertIsNone(server.process.poll())
            # A connection that asks nothing does not.
            with socket.socket(socket.AF_UNIX) as idle:
                idle.connect(str(self.data_dir / "flint.sock"))
                self.assertEqual(server.process.wait(DEADLINE), DONE)

    def test_bind_none_leaves_only_the_socket_in_the_directory(self):
        self.ok(self.detached("--exit-when-idle", "10s"))
        pid = self.pid()
        try:
            inodes = {os.readlink(f"/proc/{pid}/fd/{fd}") for fd in os.listdir(f"/proc/{pid}/fd")}
            listening = [line.split()[9] for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
            self.assertFalse(inodes & {f"socket:[{inode}]" for inode in listening})
            other = self.detached()
            self.refused(other, FAILED, f"process {pid}")
        finally:
            os.kill(pid, signal.SIGTERM)
            wait_until(lambda: not Path(f"/proc/{pid}").exists(), "the server to end")

    def test_who_cannot_start_in_the_background_says_why(self):
        self.data_dir.mkdir()
        (self.data_dir / "flint.sock").write_text("")
        self.refused(self.detached("--log-level", "error"), FAILED, "not a socket")
        self.refused(self.detached("--log-file", self.data_dir / "flint.sock" / "log"), FAILED, "Cannot write the log")


class TokenTest(FlintTest):
    def test_a_token_in_an_argument_is_wiped_and_warned_about(self):
        for spelling in (["--token", "s3cret"], ["--token=s3cret"]):
            with self.subTest(spelling=spelling), Server(self.data_dir, *spelling) as server:
                self.assertNotIn(b"s3cret", command_line_of(server.process))
                self.assertIn(b"--token", command_line_of(server.process))
                self.assertEqual(flint("--server", server.url, "limit", "list").code, USAGE)
                self.ok(flint("--server", server.url, "limit", "list", env={"FLINT_SERVER_TOKEN": "s3cret"}))
                self.assertEqual(server.stop(), DONE)
                self.assertIn("FLINT_SERVER_TOKEN", server.logged())
                self.assertNotIn("s3cret", server.logged())

    def test_a_commands_token_is_wiped_before_it_waits_for_anybody(self):
        with socket.create_server(("127.0.0.1", 0)) as mute:
            url = f"http://127.0.0.1:{mute.getsockname()[1]}"
            process = subprocess.Popen([FLINT, "--server", url, "--token", "s3cret", "limit", "list"],
                                       env=environment(), stderr=subprocess.DEVNULL)
            try:
                with mute.accept()[0]:
                    self.assertIn(b"--token", command_line_of(process))
                    self.assertNotIn(b"s3cret", command_line_of(process))
                self.assertEqual(process.wait(60), FAILED)
            finally:
                process.kill()
                process.wait()

    def test_a_token_from_a_file_or_the_environment_is_not_warned_about(self):
        file = self.folder / "token"
        file.write_text("s3cret\n")
        for arguments, variables in ((["--token-file", file], {}), ([], {"FLINT_SERVER_TOKEN": "s3cret"})):
            with Server(self.data_dir, *arguments, env=variables) as server:
                self.assertEqual(flint("--server", server.url, "limit", "list").code, USAGE)
                self.ok(flint("--server", server.url, "--token", "s3cret", "limit", "list"))
                self.assertEqual(server.stop(), DONE)
                self.assertNotIn("process list", server.logged())


class OptionTest(FlintTest):
    def start(self, *arguments, **options):
        return self.local("server", "start", *arguments, **options)

    def test_what_is_refused(self):
        for arguments in (["--bind", ""], ["--bind", "7878"], ["--bind", "127.0.0.1"], ["--bind", "127.0.0.1:99999"],
                          ["--bind", "unix:"], ["--bind", "localhost:http"],
                          ["--sync", "never"], ["--sync", ""],
                          ["--flush-every-ms", "0"], ["--flush-every-ms", "1.5"], ["--flush-every-ms", "99999999"],
                          ["--flush-every-ms", str(2**63)],
                          ["--flush-every-events", "0"], ["--flush-every-events", "-1"],
                          ["--max-unsynced-ms", "0"], ["--max-unsynced-ms", "3600001"],
                          ["--max-blocking", "0"], ["--max-blocking", "1e3"], ["--max-blocking", str(2**63)],
                          ["--carried-limits", "no"], ["--carried-limits", ""],
                          ["--metrics-top-denied", "101"], ["--metrics-top-denied", "-1"],
                          ["--threads", "257"], ["--threads", "+2"], ["--threads", "999999999999"],
                          ["--log-level", "loud"], ["--log-format", "xml"],
                          ["--exit-when-idle", "0"], ["--exit-when-idle", "99ms"], ["--exit-when-idle", "367d"],
                          ["--exit-when-idle", "soon"]):
            with self.subTest(arguments=arguments):
                self.refused(self.start(*arguments), USAGE)
        self.assertFalse(self.data_dir.exists())

    def test_an_address_for_everybody_needs_a_token(self):
        self.refused(self.start("--bind", f"0.0.0.0:{free_port()}"), USAGE, "token")
        self.refused(self.start("--bind", f"[::]:{free_port()}"), USAGE, "token")

    def test_limits_that_come_with_checks_can_be_refused(self):
        self.ok(self.local("limit", "add", "k", "9/h"))
        tokens = self.folder / "tokens"
        tokens.write_text("check checker\nadmin boss\n")
        tokens.chmod(0o600)
        requests = {"check": {"key": "k", "limit": "50/h"},
                    "check-all": {"items": ["k", {"key": "l", "limit": "50/h"}]},
                    "check-batch": {"checks": [{"key": "k"}, {"key": "l", "limit": "50/h"}]},
                    "charge": {"key": "l", "cost": 1, "limit": "50/h"},
                    "reserve": {"items": [{"key": "l", "limit": "50/h"}], "ttl": "1s"},
                    "gate?key=l&limit=50/h": None}
        file = self.folder / "flint.toml"
        file.write_text('carried-limits = "off"\n')
        for arguments in (["--carried-limits", "off"], ["--config", file]):
            with Server(self.data_dir, "--token-file", tokens, *arguments) as server:
                for path, body in requests.items():
                    with self.subTest(path=path, arguments=arguments):
                        answer = self.post(server, "checker", path, body)
                        self.assertEqual((answer[0], answer[1]["code"]), (403, "role_refused"))
                        self.assertIn("--carried-limits off", answer[1]["error"])
                        self.assertIn(self.post(server, "boss", path, body)[0], (200, 204))
                self.assertEqual(self.post(server, "checker", "check", {"key": "k"})[0], 200)
                self.ok(self.local("limit", "check", "m", "--limit", "50/h"))
        with Server(self.data_dir, "--token-file", tokens, "--carried-limits", "on") as server:
            self.assertEqual(self.post(server, "checker", "check", requests["check"])[0], 200)
            allowed = json.loads(self.local("--json", "limit", "status", "k").out)["total_allowed"]
        self.assertEqual(allowed, 9, "a check that is refused takes nothing")

    def post(self, server, token, path, body):
        connection = http.client.HTTPConnection(*server.bind.rsplit(":", 1), timeout=10)
        self.addCleanup(connection.close)
        fields = {"Authorization": f"Bearer {token}"}
        if body is not None:
            fields["Content-Type"] = "application/json"
        connection.request("GET" if body is None else "POST", f"/v1/{path}", body and json.dumps(body), fields)
        answer = connection.getresponse()
        return answer.status, json.loads(answer.read() or "{}")

    def test_an_address_that_is_taken_is_a_failure(self):
        with Server(self.data_dir) as server:
            other = flint("--data-dir", self.folder / "other", "server", "start", "--bind", server.bind)
            self.assertEqual(other.code, FAILED, other.err)
            self.assertIn(server.bind, other.err)

    def test_all_options_together(self):
        arguments = ["--sync", "batch", "--flush-every-ms", "50", "--flush-every-events", "10", "--max-unsynced-ms",
                     "500", "--max-blocking", "4", "--metrics-top-denied", "3", "--threads", "1",
                     "--log-level", "debug"]
        with Server(self.data_dir, *arguments) as server:
            self.ok(self.local("limit", "add", "k", "--rate", "9", "--per", "1h"))
            self.ok(self.local("limit", "check", "k"))
            self.ok(self.local("log", "flush"))
            self.assertEqual(server.stop(), DONE)

    def test_the_servers_place_in_the_environment_is_not_its_own_concern(self):
        with Server(self.data_dir, env={"FLINT_SERVER": "http://elsewhere", "FLINT_DATA_DIR": "elsewhere"}) as server:
            self.assertEqual(server.stop(), DONE)


if __name__ == "__main__":
    unittest.main(verbosity=2)
