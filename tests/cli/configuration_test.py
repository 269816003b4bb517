"""`flint server start --config --limits`, SIGHUP and `flint config check`."""

import http.client
import json
import signal
import subprocess
import unittest

from harness import DONE, FLINT, USAGE, FlintTest, Server, environment, flint, wait_until

LIMITS = '[[limits]]\nkey = "a"\nlimit = "1/s"\n[[limits]]\nkey = "p:*"\nlimit = "2/s"\noverride = true\n'


class ConfigurationTest(FlintTest):
    def setUp(self):
        super().setUp()
        self.config = self.folder / "flint.toml"
        self.limits_file = self.folder / "limits.toml"

    def server(self, *arguments, **options):
        server = Server(self.data_dir, *arguments, **options)
        server.__enter__()
        self.addCleanup(server.__exit__)
        return server

    def limits(self):
        statuses = self.ok(self.local("limit", "list", "--json")).json()
        return {status["key"]: (status["rate"], status["source"]) for status in statuses}

    def reload(self, server, line):
        before = server.logged().count(f'"{line}"')
        server.process.send_signal(signal.SIGHUP)
        wait_until(lambda: server.logged().count(f'"{line}"') > before, f"{line} after SIGHUP")

    def told(self, server, event):
        lines = [json.loads(line) for line in server.logged().splitlines()]
        return [line["message"] for line in lines if line["event"] == event]

    def start(self, *arguments, env=None):
        """Of a start that fails."""
        done = subprocess.run([FLINT, "--data-dir", self.data_dir, "server", "start", *arguments], check=False,
                              env=environment(env), stdin=subprocess.DEVNULL, capture_output=True, timeout=60)
        return done.returncode, done.stderr.decode()


class OptionsTest(ConfigurationTest):
    def test_arguments_win_over_the_environment_which_wins_over_the_file(self):
        other = self.folder / "other"
        self.config.write_text(f'data-dir = "of-the-file"\nsync = "batch"\ntoken = "of-the-file-and-long"\n')
        for arguments, env, data_dir, token in (
                ([], {}, self.folder / "of-the-file", "of-the-file-and-long"),
                ([], {"FLINT_DATA_DIR": str(other), "FLINT_SERVER_TOKEN": "of-the-environment"}, other,
                 "of-the-environment"),
                (["--data-dir", self.data_dir, "--token", "of-the-arguments"],
                 {"FLINT_DATA_DIR": str(other), "FLINT_SERVER_TOKEN": "of-the-environment"}, self.data_dir,
                 "of-the-arguments")):
            with self.subTest(arguments=arguments, env=env):
                log = (self.folder / "log").open("w+")
                self.addCleanup(log.close)
                bind = f"unix:{self.folder}/socket"
                process = subprocess.Popen(
                    [FLINT, *arguments, "server", "start", "--config", self.config, "--bind", bind],
                    env=environment(env), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
                self.addCleanup(process.wait)
                self.addCleanup(process.kill)
                wait_until(lambda: (data_dir / "flint.sock").exists() or process.poll() is not None, "the server")
                self.assertIsNone(process.poll(), (self.folder / "log").read_text())
                wait_until(lambda: "with a token" in (self.folder / "log").read_text(), "the server to listen")
                self.assertIn("sync mode batch", (self.folder / "log").read_text())
                self.ok(flint("--server", bind, "limit", "list", env={"FLINT_SERVER_TOKEN": token}))
                wrong = flint("--server", bind, "limit", "list", env={"FLINT_SERVER_TOKEN": "x"})
                self.assertNotEqual(wrong.code, DONE)
                process.send_signal(signal.SIGTERM)
                self.assertEqual(process.wait(60), DONE)

    def test_all_that_is_wrong_is_said_with_its_line(self):
        self.config.write_text("sync = \"sometimes\"\nthreads = 300\nmax-blocking = \"many\"\nno-map = 1\n"
                               "colour = \"red\"\nconfig = \"x\"\nbind = \"nowhere\"\nlog-level = [1]\n"
                               "[[limits]]\nkey = \"a\"\nlimit = \"often\"\n")
        code, err = self.start("--config", self.config)
        self.assertEqual(code, USAGE, err)
        checked = flint("config", "check", self.config)
        self.assertEqual(checked.code, USAGE)
        self.assertEqual(sorted(checked.err.splitlines()), sorted(err.splitlines()))
        told = {line.removeprefix(f"{self.config}:").split(":")[0]: line for line in err.splitlines()}
        self.assertEqual(sorted(told, key=int), ["1", "2", "3", "4", "5", "6", "7", "8", "11"])
        for line, words in (("1", "sync must be always or batch"), ("2", "threads must be from 0 to 256"),
                            ("3", "max-blocking must be a whole number"), ("4", "no-map must be true or false"),
                            ("5", '"colour" is not an option of'), ("6", '"config" is not an option of'),
                            ("8", "log-level must be a string"), ("11", "limit ")):
            self.assertIn(words, told[line])
        self.assertFalse(self.data_dir.exists())

    def test_a_wrong_file_is_refused_before_anything_is_touched(self):
        (self.folder / "directory").mkdir()
        for option in ("--config", "--limits"):
            for name, words in (("nothing", "No such file"), ("directory", "is a directory")):
                code, err = self.start(option, self.folder / name)
                self.assertEqual(code, USAGE, err)
                self.assertIn(words, err)
            self.assertEqual(self.start(option, "-")[0], USAGE)
            bad = self.folder / "bad"
            bad.write_bytes(b"\xff")
            code, err = self.start(option, bad)
            self.assertEqual((code, err), (USAGE, f"{bad}:1: This is not valid UTF-8.\n"))
        self.limits_file.write_text(LIMITS + 'x = 1\n')
        code, err = self.start("--limits", self.limits_file)
        self.assertEqual(code, USAGE)
        self.assertIn(f"{self.limits_file}:8:", err)
        self.config.write_text('limits = "nothing.toml"\n')
        code, err = self.start("--config", self.config)
        self.assertTrue(err.startswith(f"{self.config}:1: ") and "nothing.toml" in err, err)
        self.assertFalse(self.data_dir.exists())

    def test_what_only_the_limiter_sees_ends_the_start_with_its_line(self):
        self.limits_file.write_text(LIMITS + '[[limits]]\nkey = "a*b"\nlimit = "1/s"\n')
        code, err = self.start("--limits", self.limits_file, "--bind", f"unix:{self.folder}/s")
        self.assertEqual(code, USAGE)
        self.assertIn(f"{self.limits_file}:9: key", err)

    def test_a_key_in_both_files_is_a_mistake(self):
        self.config.write_text('[[limits]]\nkey = "a"\nlimit = "5/s"\n')
        self.limits_file.write_text(LIMITS)
        code, err = self.start("--config", self.config, "--limits", self.limits_file)
        self.assertEqual(code, USAGE)
        self.assertEqual(err, f'{self.limits_file}:2: The key "a" has a limit in {self.config} already, on line 2.\n')

    def test_check_says_that_a_sound_file_is_sound(self):
        self.limits_file.write_text(LIMITS)
        self.config.write_text('limits = "limits.toml"\nthreads = 2\nlock-timeout = 5\nno-map = false\n')
        self.assertEqual(self.ok(flint("config", "check", self.config)).out,
                         f"{self.config} is sound: 3 options, 2 limits.\n")
        self.assertEqual(self.ok(flint("config", "check", self.limits_file, "--json")).json(),
                         {"ok": True, "options": 0, "limits": 2, "gates": 0})
        self.config.write_text('[[gates]]\nname = "a"\nkey = "ip:{client}"\n')
        self.assertEqual(self.ok(flint("config", "check", self.config)).out,
                         f"{self.config} is sound: 0 options, 0 limits, 1 gate.\n")
        self.config.write_text('[[gates]]\nname = "a"\nkey = "ip:{ip}"\ndeny_status = 200\n')
        outcome = flint("config", "check", self.config)
        self.assertEqual(outcome.code, USAGE)
        self.assertIn(f"{self.config}:3: key can have {{client}} and {{header:NAME}} in it", outcome.err)
        self.assertIn(f"{self.config}:4: deny_status must be an integer from 400 to 599.\n", outcome.err)
        self.assertEqual(flint("config", "check").code, USAGE)


class LimitsTest(ConfigurationTest):
    def test_limits_of_the_file_are_the_files(self):
        self.ok(self.local("limit", "add", "mine", "7/s"))
        self.ok(self.local("limit", "add", "a", "9/s"))
        self.limits_file.write_text(LIMITS)
        self.server("--limits", self.limits_file)
        self.assertEqual(self.limits(), {"a": (1, "file"), "mine": (7, "set"), "p:*": (2, "file")})
        for change in (["limit", "add", "a", "5/s"], ["limit", "delete", "a"], ["limit", "delete", "p:*"]):
            self.refused(self.local(*change), USAGE, "comes from the limits file: change it there.")
            document = self.local(*change, "--json").json()
            self.assertEqual(document["code"], "conflict")
        self.ok(self.local("limit", "add", "a", "1/s"))
        self.ok(self.local("limit", "check", "a"))
        self.ok(self.local("limit", "reset", "a"))
        self.assertIn("1 limit", self.ok(self.local("limit", "delete", "--prefix", "m")).out)
        self.ok(self.local("limit", "delete", "--prefix", "a"))
        mine = self.folder / "mine.toml"
        mine.write_text('[[limits]]\nkey = "other"\nlimit = "3/s"\n')
        self.ok(self.local("limit", "apply", "-f", mine, "--prune"))
        self.assertEqual(self.limits(), {"a": (1, "file"), "other": (3, "set"), "p:*": (2, "file")})
        mine.write_text('[[limits]]\nkey = "other"\nlimit = "4/s"\n[[limits]]\nkey = "a"\nlimit = "4/s"\n')
        refused = self.local("limit", "apply", "-f", mine)
        self.assertEqual(refused.code, USAGE)
        self.assertIn(f"{mine}:4: ", refused.err)
        self.assertEqual(self.limits()["other"], (3, "set"))

    def test_what_is_no_longer_in_the_file_goes_at_the_next_start(self):
        self.limits_file.write_text(LIMITS)
        with Server(self.data_dir, "--limits", self.limits_file) as server:
            self.ok(self.local("limit", "add", "mine", "7/s"))
            server.stop()
        self.limits_file.write_text(LIMITS.split("[[limits]]\nkey = \"p")[0])
        with Server(self.data_dir, "--limits", self.limits_file) as server:
            self.assertEqual(self.limits(), {"a": (1, "file"), "mine": (7, "set")})
            server.process.kill()
        with Server(self.data_dir) as server:
            self.assertEqual(self.limits(), {"a": (1, "file"), "mine": (7, "set")})
            self.ok(self.local("limit", "add", "a", "5/s"))
            self.assertEqual(self.limits()["a"], (5, "set"))

    def test_sighup_reads_the_limits_again(self):
        self.limits_file.write_text(LIMITS)
        server = self.server("--limits", self.limits_file)
        self.ok(self.local("limit", "add", "mine", "7/s"))
        self.limits_file.write_text('[[limits]]\nkey = "a"\nlimit = "3/s"\n[[limits]]\nkey = "b"\nlimit = "4/s"\n')
        self.reload(server, "limits_read")
        self.assertEqual(self.limits(), {"a": (3, "file"), "b": (4, "file"), "mine": (7, "set")})
        self.assertIn('3 limits applied: "a" set to 3/s, from 1/s; "b" set to 4/s; "p:*" deleted, 2/s override',
                      self.told(server, "limits_read")[-1])
        for text in ('[[limits]]\nkey = "a"\nlimit = "often"\n', "[[limits]", 'y = 1\n',
                     '[[limits]]\nkey = "b*c"\nlimit = "1/s"\n'):
            self.limits_file.write_text(text)
            self.reload(server, "configuration_kept")
            self.assertEqual(self.limits(), {"a": (3, "file"), "b": (4, "file"), "mine": (7, "set")})
        told = self.told(server, "configuration_kept")
        self.assertTrue(any(f"SIGHUP: {self.limits_file}:3: limit " in line for line in told), told)
        self.assertTrue(any(f"{self.limits_file}:2: key" in line for line in told), told)
        self.limits_file.unlink()
        self.reload(server, "configuration_kept")
        self.limits_file.write_text("")
        self.reload(server, "limits_read")
        self.assertEqual(self.limits(), {"mine": (7, "set")})
        self.assertEqual(server.stop(), DONE)

    def test_sighup_reads_the_gates_again(self):
        def gate(name, limit):
            return f'[[gates]]\nname = "{name}"\nkey = "{name}"\nlimit = "{limit}"\n'

        def status(name):
            client = http.client.HTTPConnection(server.bind, timeout=60)
            client.request("POST", f"/v1/gate/{name}")
            answer = client.getresponse()
            client.close()
            return answer.status, answer.getheader("RateLimit-Policy")

        self.config.write_text(gate("a", "5/h"))
        server = self.server("--config", self.config)
        self.assertEqual(status("a"), (204, '"default";q=5'))
        self.assertEqual(status("b")[0], 404)
        self.config.write_text(gate("a", "7/h") + gate("b", "1/h"))
        self.reload(server, "gates_read")
        wait_until(lambda: status("a") == (204, '"default";q=7'), "the new gates")
        wait_until(lambda: status("b") == (429, '"default";q=1'), "the last unit of the new gate")
        for text in (gate("a", "often"), gate("a", "9/h") + '[[limits]]\nkey = "b*c"\nlimit = "1/s"\n'):
            self.config.write_text(text)
            self.reload(server, "configuration_kept")
            self.assertEqual(status("a"), (204, '"default";q=7'))
        self.config.write_text("")
        self.reload(server, "gates_read")
        wait_until(lambda: status("a")[0] == 404, "the gates to go")

    def test_sighup_reads_the_configuration_again(self):
        self.config.write_text('threads = 1\ntoken = "a-token-that-is-long-enough"\n' + LIMITS)
        server = self.server("--config", self.config)
        self.assertEqual(self.limits(), {"a": (1, "file"), "p:*": (2, "file")})
        self.config.write_text('threads = 2\ntoken = "another-token-that-is-long"\n[[limits]]\nkey = "c"\n'
                               'limit = "1/s"\n')
        self.reload(server, "token_replaced")
        self.assertEqual(self.limits(), {"c": (1, "file")})
        self.assertEqual(len(self.told(server, "needs_restart")), 1)
        self.assertIn("threads", self.told(server, "needs_restart")[0])
        env = {"FLINT_SERVER_TOKEN": "another-token-that-is-long"}
        self.ok(flint("--server", server.url, "limit", "list", env=env))
        self.config.write_text('threads = 999\n')
        self.reload(server, "configuration_kept")
        self.assertEqual(self.limits(), {"c": (1, "file")})

    def test_a_reload_under_load_loses_no_check(self):
        self.limits_file.write_text('[[limits]]\nkey = "a"\nlimit = "1000000/d fixed_window_counter"\n')
        server = self.server("--limits", self.limits_file)
        allowed = 0
        for number in range(10):
            self.limits_file.write_text(f'[[limits]]\nkey = "a"\nlimit = "{1000001 + number}/d fixed_window_counter"\n')
            server.process.send_signal(signal.SIGHUP)
            for _ in range(5):
                self.ok(self.local("limit", "check", "a"))
                allowed += 1
        wait_until(lambda: len(self.told(server, "limits_read")) >= 2, "a reload")
        self.assertEqual(self.ok(self.local("limit", "status", "a", "--json")).json()["total_allowed"], allowed)


if __name__ == "__main__":
    unittest.main(verbosity=2)
