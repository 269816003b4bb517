"""Every command does the same, prints the same and exits the same, whoever answers it."""

import os
import pty
import unittest

from harness import DENIED, DONE, USAGE, FlintTest, Server, flint, comparable

KEY = "api:/user 42?&%=日本"

# (arguments, exit code), in an order in which each finds what it needs.
SCENARIO = [
    (["limit", "add", KEY, "--rate", "3", "--per", "1h"], DONE),
    (["limit", "add", "window", "--rate", "2", "--per", "1d", "--algorithm", "fixed_window_counter"], DONE),
    (["limit", "add", "log", "5/90s", "sliding_window_log"], DONE),
    (["limit", "add", "wide", "--limit", "10 per hour burst 20"], DONE),
    (["limit", "add", "wide", "10/h, 100/h"], USAGE),
    (["limit", "check", KEY], DONE),
    (["limit", "check", KEY, "--cost", "2"], DONE),
    (["limit", "check", KEY], DENIED),
    (["limit", "check", "absent"], USAGE),
    (["limit", "check", "window", "--cost", "3"], USAGE),
    (["limit", "check-all", "window", "log=5", "wide"], DONE),
    (["limit", "check-all", "window", "log=1", "wide"], DENIED),
    (["limit", "check-all", "window", "window"], USAGE),
    (["limit", "check-all", "window", "absent"], USAGE),
    (["limit", "check-batch", "wide=2", "wide", "carried=1", "--limit", "100/d fixed_window_counter"], DONE),
    (["limit", "check-batch", "wide", "window", "window"], DENIED),
    (["limit", "check-batch", "window", "absent", "wide"], USAGE),
    (["limit", "check-batch", "wide", "new", "--limit", "9/d", "--dry-run"], DONE),
    (["limit", "check-batch", "wide", "--limit", "9"], USAGE),
    (["limit", "delete", "carried"], DONE),
    (["limit", "charge", "charged", "--cost", "3", "--limit", "9/d fixed_window_counter"], DONE),
    (["limit", "charge", "charged", "--cost", "9", "--limit", "9/d fixed_window_counter"], DONE),
    (["limit", "charge", "absent", "--cost", "3"], USAGE),
    # A server logs the denials of a tick together, and a command its own.
    (["log", "flush"], DONE),
    (["limit", "reserve", "log=5", "--ttl", "1m"], DENIED),
    (["limit", "reserve", "absent", "--ttl", "1m"], USAGE),
    (["limit", "reserve", "log", "--ttl", "0"], USAGE),
    (["limit", "commit", "0" * 32, "log=1"], USAGE),
    (["limit", "cancel", "0" * 32], USAGE),
    (["limit", "renew", "0" * 32, "--ttl", "1m"], USAGE),
    (["limit", "reservation", "0" * 32], USAGE),
    (["limit", "delete", "charged"], DONE),
    (["limit", "status", KEY], DONE),
    (["limit", "status", "absent"], USAGE),
    (["limit", "list"], DONE),
    (["limit", "list", "--prefix", "w"], DONE),
    (["limit", "list", "--after", "log", "--limit", "1"], DONE),
    (["log", "flush"], DONE),
    (["limit", "history", KEY], DONE),
    (["limit", "history", "log", "--limit", "1"], DONE),
    (["limit", "history", "absent"], USAGE),
    (["limit", "top"], DONE),
    (["limit", "top", "--by", "allowed", "--limit", "2"], DONE),
    (["limit", "top", "--by", "chance"], USAGE),
    (["limit", "reset", KEY], DONE),
    (["limit", "reset", "absent"], USAGE),
    (["limit", "check", KEY, "--cost", "3"], DONE),
    (["log", "flush"], DONE),
    (["log", "compact"], DONE),
    (["limit", "status", KEY], DONE),
    (["limit", "add", "ip:*", "2/d", "fixed_window_counter", "--override"], DONE),
    (["limit", "add", "ip:*:more", "2/d"], USAGE),
    (["limit", "add", "plain", "2/d", "--override"], USAGE),
    (["limit", "check", "once", "--limit", "9/d fixed_window_counter", "--request-id", "order-7"], DONE),
    (["limit", "check", "once", "--limit", "9/d fixed_window_counter", "--request-id", "order-7"], DONE),
    (["limit", "check", "once", "--limit", "8/d fixed_window_counter", "--request-id", "order-7"], USAGE),
    (["limit", "check-all", "once", "--request-id", "order-7"], USAGE),
    (["limit", "check", "once", "--request-id", "a b"], USAGE),
    (["limit", "status", "once"], DONE),
    (["limit", "delete", "once"], DONE),
    (["limit", "add", "shadow", "1/d fixed_window_counter", "--mode", "shadow"], DONE),
    (["limit", "check", "shadow", "--cost", "2"], DONE),
    (["limit", "add", "block", "1/d", "--mode", "block"], DONE),
    (["limit", "check", "block"], DENIED),
    (["limit", "check-all", "shadow", "block"], DENIED),
    (["limit", "check-batch", "shadow=3", "shadow"], DONE),
    (["limit", "status", "shadow"], DONE),
    (["limit", "add", "block", "1/d", "--mode", "deny"], USAGE),
    (["limit", "delete", "shadow"], DONE),
    (["limit", "delete", "block"], DONE),
    (["limit", "check", "ip:1", "--dry-run"], DONE),
    (["limit", "check", "ip:1", "--cost", "2", "--limit", "9/d"], DONE),
    (["limit", "check", "ip:1"], DENIED),
    (["limit", "check", "ip:1", "--dry-run"], DENIED),
    (["limit", "check", "ip:*"], USAGE),
    (["limit", "check", "carried", "--limit", "9/d fixed_window_counter"], DONE),
    (["limit", "check", "carried", "--limit", "9"], USAGE),
    (["limit", "check", "carried"], USAGE),
    (["limit", "check-all", "ip:2", "window=2", "--dry-run"], DENIED),
    (["limit", "status", "ip:*"], DONE),
    (["limit", "status", "ip:1"], DONE),
    (["limit", "status", "ip:unseen"], DONE),
    (["limit", "status", "carried"], DONE),
    (["limit", "list", "--keys"], DONE),
    (["limit", "reset", "ip:*"], DONE),
    (["limit", "check", "ip:1"], DONE),
    (["limit", "reset", "--prefix", "ip:"], DONE),
    (["limit", "reset", "--prefix", ""], USAGE),
    (["limit", "reset"], USAGE),
    (["limit", "reset", KEY, "--prefix", "ip:"], USAGE),
    (["limit", "delete", "wide"], DONE),
    (["limit", "delete", "wide"], USAGE),
    (["limit", "check", "ip:1"], DONE),
    (["limit", "delete", "--prefix", "ip:"], DONE),
    (["limit", "delete"], USAGE),
    (["limit", "list", "--keys"], DONE),
]


class ScenarioTest(FlintTest):
    def play(self, *where, **options):
        """The scenario's answers as `where` gives them."""
        answers = []
        for arguments, code in SCENARIO:
            with self.subTest(where=where, arguments=arguments):
                outcome = self.ok(flint(*where, *arguments, "--json", **options), code)
                self.assertTrue(outcome.out.endswith("\n"))
                answers.append((arguments, comparable(outcome.json())))
        return answers

    def served(self, where):
        with Server(self.data_dir) as server:
            answers = self.play(*where(server))
            self.assertEqual(server.stop(), DONE, server.logged())
        return answers

    def setUp(self):
        super().setUp()
        self.expected = self.play("--data-dir", self.data_dir)
        self.data_dir = self.folder / "served"

    def test_through_the_socket_of_the_directory(self):
        self.assertEqual(self.served(lambda server: ("--data-dir", server.data_dir)), self.expected)

    def test_over_http(self):
        self.assertEqual(self.served(lambda server: ("--server", server.url)), self.expected)

    def test_over_a_unix_socket(self):
        self.assertEqual(self.served(lambda server: ("--server", f"unix:{server.data_dir}/flint.sock")), self.expected)

    def test_over_a_unix_socket_that_the_server_was_told_to_bind(self):
        bind = f"unix:{self.folder}/bound.sock"
        with Server(self.data_dir, bind=bind):
            self.assertEqual(self.play("--server", bind), self.expected)

    def test_with_a_token(self):
        with Server(self.data_dir, env={"FLINT_SERVER_TOKEN": "s3cret"}) as server:
            self.refused(flint("--server", server.url, "limit", "list"), USAGE, "token")
            self.refused(flint("--server", server.url, "--token", "wrong", "limit", "list"), USAGE, "token")
            file = self.folder / "token"
            file.write_text("s3cret\n")
            self.ok(flint("--server", server.url, "--token-file", file, "limit", "list"))
            self.ok(flint("--server", server.url, "--token", "s3cret", "limit", "list"))
            self.assertEqual(self.play("--server", server.url, env={"FLINT_SERVER_TOKEN": "s3cret"}), self.expected)

    def test_what_one_process_does_the_next_one_sees(self):
        self.data_dir = self.folder / "data"
        status = self.ok(self.local("limit", "status", KEY, "--json")).json()
        self.assertEqual((status["total_allowed"], status["total_denied"], status["remaining"]), (3, 1, 0))
        with Server(self.data_dir):
            self.assertEqual(comparable(self.ok(self.local("limit", "status", KEY, "--json")).json()),
                             comparable(status))


class TextTest(FlintTest):
    """What people read."""

    def setUp(self):
        super().setUp()
        self.ok(self.local("limit", "add", "api:x", "--rate", "3", "--per", "1h"))

    def test_a_check(self):
        outcome = self.ok(self.local("limit", "check", "api:x", "--cost", "3"))
        self.assertRegex(outcome.out, r'\AAllowed: 3 of "api:x"; 0 of 3 remaining, full again in \S+ \S.*\.\n\Z')
        outcome = self.ok(self.local("limit", "check", "api:x"), DENIED)
        self.assertRegex(outcome.out, r'\ADenied: 1 of "api:x"; 0 of 3 remaining, .*\nTry again in 20 m\.\n\Z')

    def test_a_check_all(self):
        self.ok(self.local("limit", "add", "b", "--rate", "1", "--per", "1h"))
        self.assertIn("Allowed: 2 keys, all together.", self.ok(self.local("limit", "check-all", "api:x=2", "b")).out)
        outcome = self.ok(self.local("limit", "check-all", "api:x", "b"), DENIED)
        self.assertIn('Denied by "b"; nothing was consumed.', outcome.out)

    def test_tables_are_aligned(self):
        self.ok(self.local("limit", "add", "a:much:longer:key", "--rate", "1000000", "--per", "250ms"))
        for arguments in (["limit", "list"], ["limit", "history", "api:x"]):
            lines = self.ok(self.local(*arguments)).out.splitlines()
            self.assertGreater(len(lines), 1)
            for line in lines[1:]:
                self.assertEqual(line.rstrip(), line)
        titles, longest, short = self.ok(self.local("limit", "list")).out.splitlines()
        column = titles.index("LIMIT")
        self.assertTrue(longest[column:].startswith("1000000/250ms"))
        self.assertTrue(short[column:].startswith("3/h"))

    def test_history_names_the_events(self):
        self.ok(self.local("limit", "check", "api:x", "--cost", "3"))
        self.ok(self.local("limit", "check", "api:x"), DENIED)
        self.ok(self.local("limit", "reset", "api:x"))
        lines = self.ok(self.local("limit", "history", "api:x")).out.splitlines()[1:]
        self.assertEqual([line.split()[2] for line in lines], ["configured", "allowed", "denied", "reset"])

    def test_the_other_answers_are_sentences(self):
        self.assertEqual(self.local("limit", "add", "api:x", "--rate", "4", "--per", "1h").out, "api:x: 4/h\n")
        self.assertEqual(self.local("limit", "add", "api:x", "5 per 60 min", "burst", "9").out,
                         "api:x: 5/h burst 9\n")
        self.assertEqual(self.local("limit", "reset", "api:x").out, '"api:x" has its full quota again.\n')
        self.assertIn("stable storage", self.local("log", "flush").out)
        self.assertIn("snapshot", self.local("log", "compact").out)
        self.assertIn("The data directory is sound.", self.ok(self.local("doctor")).out)
        self.assertIn("No key has been denied yet.", self.ok(self.local("limit", "top")).out)
        self.assertIn("flint limit add KEY", self.ok(self.local("limit", "list", "--prefix", "none")).out)

    def test_patterns_and_deletion_are_told_in_sentences(self):
        where = ["--data-dir", self.data_dir]
        self.ok(flint(*where, "limit", "add", "ip:*", "2/m"))
        self.ok(flint(*where, "limit", "check", "ip:1"))
        self.assertRegex(self.ok(flint(*where, "limit", "status", "ip:1")).out, r'comes from +pattern "ip:\*"')
        self.assertRegex(self.ok(flint(*where, "limit", "status", "ip:*")).out, r"keys +1\n")
        out = self.ok(flint(*where, "limit", "delete", "--prefix", "ip:")).out
        self.assertEqual(out, 'Deleted 2 limits and keys that start with "ip:".\n')

    def test_a_key_that_starts_with_a_dash(self):
        self.ok(self.local("limit", "add", "--rate", "1", "--per", "1h", "--", "--json"))
        self.ok(self.local("limit", "check", "--", "--json"))
        self.ok(self.local("limit", "check", "--", "--json"), DENIED)
        self.refused(self.local("limit", "check", "-k"), USAGE, "flint limit check -- -k")

    def test_a_key_that_ends_like_a_cost(self):
        self.ok(self.local("limit", "add", "page=3", "--rate", "5", "--per", "1h"))
        result = self.ok(self.local("limit", "check-all", "page=3=2", "--json")).json()["results"][0]
        self.assertEqual((result["key"], result["cost"]), ("page=3", 2))

    def on_a_terminal(self, **variables):
        """What a terminal shows of `limit list`."""
        ours, its = pty.openpty()
        self.addCleanup(os.close, ours)
        outcome = self.local("limit", "list", env={"TERM": "xterm", **variables}, stdout=its)
        os.close(its)
        self.ok(outcome)
        return os.read(ours, 65536).decode()

    def test_colours_are_for_terminals_that_want_them(self):
        self.assertIn("\x1b[1m", self.on_a_terminal())
        self.assertNotIn("\x1b", self.on_a_terminal(NO_COLOR="1"))
        self.assertNotIn("\x1b", self.on_a_terminal(TERM="dumb"))
        self.assertNotIn("\x1b", self.local("limit", "list", env={"TERM": "xterm"}).out)


class HelpTest(FlintTest):
    def test_help_and_version_need_no_directory(self):
        for arguments in (["--help"], ["-h"], ["limit", "--help"], ["limit", "check", "-h"], ["--version"]):
            self.ok(flint(*arguments, cwd=self.folder))
        self.assertRegex(flint("--version").out, r"\Aflint \d+\.\d+\.\d+\n\Z")
        self.assertEqual(list(self.folder.iterdir()), [])

    def test_top_level_help_has_three_examples_and_the_exit_codes(self):
        text = flint("--help").out
        self.assertEqual(text[text.index("Examples:"):text.index("Environment")].count("\n  flint "), 3)
        self.assertIn("Exit codes:", text)



class HelpTest(FlintTest):
    def test_help_is_a_command_too(self):
        """`flint help` was an error."""
        for words in ([], ["limit"], ["limit", "check"], ["server", "start"], ["doctor"]):
            wanted = self.ok(flint(*words, "--help"))
            after = [[*words, "help"]] if words in ([], ["limit"]) else []
            for spelling in [["help", *words], *after]:
                outcome = self.ok(flint(*spelling))
                self.assertEqual((outcome.out, outcome.err), (wanted.out, ""), spelling)

    def test_a_key_may_be_named_help(self):
        self.ok(self.local("limit", "add", "help", "--rate", "1", "--per", "1h"))
        self.assertIn('"help"', self.ok(self.local("limit", "check", "help")).out)

    def test_the_version_as_json(self):
        """`flint --version --json` printed text."""
        number = self.ok(flint("--version")).out.split()[1]
        for spelling in (["--version", "--json"], ["--json", "--version"]):
            self.assertEqual(self.ok(flint(*spelling)).json(), {"version": number})


if __name__ == "__main__":
    unittest.main(verbosity=2)
