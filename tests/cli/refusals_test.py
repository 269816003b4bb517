"""Wrong usage and wrong arguments: exit code 2 and a sentence that says what is allowed, in every mode."""

import unittest

from harness import FAILED, USAGE, FlintTest, Server, comparable, flint

NOT_DIGITS = ["", " 5", "5 ", "+5", "-5", "1.5", "1e3", "0x10", "five", "1,000"]
RATE_STRINGS = ["", " ", "5", "5/", "/m", "five/m", "5/M", "5/week", "5/60", "0/m", "-5/m", "1.5/m", "5/m burst",
                "5/m burst 0", "5/m leaky", "5/m, 50/60s", "1,000/h", "5/m;", "5\n/m", "5/\x1b[31m", "٥/m",
                "1" * 5000 + "/m"]
OUT_OF_RANGE = ["0", str(2**40 + 1), str(2**63), str(2**64 - 1), str(2**64), str(10**30)]


class UsageTest(FlintTest):
    def usage(self, *arguments, words=(), **options):
        self.refused(flint(*arguments, cwd=self.folder, **options), USAGE, *words)

    def test_words(self):
        for words in ([], ["limit"], ["log"], ["server"]):
            # Help on standard error, and not for the exit code of a success: a script's variable may be empty.
            outcome = flint(*words, cwd=self.folder)
            self.assertEqual((outcome.code, outcome.out), (USAGE, ""))
            self.assertEqual(outcome.err, flint(*words, "--help").out)
            self.assertEqual(flint(*words, "--json", cwd=self.folder).json()["code"], "invalid_argument")
        self.usage("help", "chek", words=['"chek"'])
        self.usage("check", "k", words=["flint limit check"])
        self.usage("limit", "chek", "k", words=["limit chek"])
        self.usage("limit check", "k", words=["limit check"])
        self.usage("", words=["no command"])

    def test_options(self):
        self.usage("limit", "check", "k", "--colour", words=["--colour"])
        self.usage("limit", "check", "k", "-j", words=["-j"])
        self.usage("limit", "check", "k", "--json=1", words=["--json"])
        self.usage("limit", "check", "k", "--cost", words=["--cost N"])
        self.usage("limit", "check", "k", "--cost", "1", "--cost", "2", words=["twice"])
        self.usage("--cost", "1", "limit", "check", "k", words=["--cost"])
        self.usage("doctor", "--json", "--repair=yes", words=["--repair"])

    def test_operands(self):
        self.usage("limit", "check", words=["KEY"])
        self.usage("limit", "check", "a", "b", words=['"b"'])
        self.usage("limit", "check-all", words=["ITEM"])
        self.usage("limit", "check-batch", words=["ITEM"])
        self.usage("limit", "list", "a", words=['"a"'])
        self.usage("limit", "add", "k", words=["such as 100/m"])
        self.usage("limit", "add", "k", "--burst", "5", words=["such as 100/m"])
        self.usage("limit", "add", "k", "--rate", "5", words=["--per"])
        self.usage("limit", "add", "k", "--per", "5", words=["--rate"])
        self.usage("limit", "add", "--rate", "5", "--per", "1m", words=["KEY"])
        self.usage("limit", "add", "k", "5/m", "--limit", "5/m", words=["given twice", '"5/m"'])
        self.usage("limit", "add", "k", "j", "5/m", words=['"j"'])
        self.usage("limit", "add", "k", *["1"] * 101, words=["does not take"])
        self.usage("limit", "check-all", *[f"k{i}" for i in range(129)], words=["k128"])
        self.usage("limit", "check-batch", *[f"k{i}" for i in range(1001)], words=["k1000"])

    def test_places(self):
        self.usage("--data-dir", "d", "--server", "http://h", "limit", "list", words=["--data-dir", "--server"])
        self.usage("limit", "list", words=["FLINT_DATA_DIR", "FLINT_SERVER"],
                   env={"FLINT_DATA_DIR": "d", "FLINT_SERVER": "http://h"})
        self.usage("--data-dir", "", "limit", "list", words=["--data-dir"])
        for url in ("127.0.0.1:7878", "http://", "https://h:0", "http://h:port", "http://h/a?b", "unix:"):
            self.usage("--server", url, "limit", "list", words=["http://HOST:PORT"])
        self.usage("--server", "http://h", "server", "start", words=["--data-dir"])
        self.usage("--server", "http://h", "doctor", "--repair", words=["--repair"])
        self.usage("--timeout", "soon", "limit", "list", words=["--timeout"])

    def test_tokens(self):
        self.usage("--token", "", "limit", "list", words=["--token"])
        self.usage("--token", "a\r\nb: c", "limit", "list", words=["--token"])
        self.usage("--token-file", "absent", "limit", "list", words=["absent"])
        self.usage("--token", "a", "--token-file", "b", "limit", "list", words=["--token-file"])
        self.usage("limit", "list", words=["FLINT_SERVER_TOKEN"], env={"FLINT_SERVER_TOKEN": "two words"})

    def test_text_that_is_not_utf8(self):
        self.usage("limit", "check", b"k\xff", words=["Argument 3", "UTF-8"])
        self.usage("limit", "status", b"\xed\xa0\x80", words=["UTF-8"])

    def tearDown(self):
        self.assertEqual(list(self.folder.iterdir()), [], "wrong usage made something")


class OriginalTest(FlintTest):
    def test_a_directory_of_the_original_is_refused_and_left_alone(self):
        # Symptom: a directory of the Rust original was taken as empty, and everybody was forgiven.
        self.data_dir.mkdir(mode=0o700)
        for name in ("flint.aof", "flint.snapshot"):
            with self.subTest(name):
                (self.data_dir / name).write_text("{}\n")
                for command in (["limit", "add", "k", "--rate", "1", "--per", "1s"], ["limit", "check", "k"],
                                ["limit", "status", "k"], ["limit", "list"], ["server", "start"]):
                    self.refused(self.local(*command), FAILED, "flint.aof", "original Flint")
                doctor = self.local("doctor")
                self.assertEqual(doctor.code, FAILED, doctor.out)
                self.assertIn("original Flint", doctor.out)
                left = {path.name for path in self.data_dir.iterdir()} - {"flint.lock"}
                self.assertEqual(left, {name})
                (self.data_dir / name).unlink()


class ArgumentTest(FlintTest):
    """What the API refuses, it refuses in the same words wherever it runs."""

    def setUp(self):
        super().setUp()
        self.ok(self.local("limit", "add", "k", "--rate", "5", "--per", "1m"))
        self.before = self.limits()

    def limits(self):
        return comparable(self.ok(self.local("limit", "list", "--json")).json())

    def cases(self):
        add = ["limit", "add", "k"]
        for number in NOT_DIGITS + OUT_OF_RANGE:
            yield "rate", [*add, f"--rate={number}", "--per=1m"]
            yield "burst", [*add, "--rate=5", "--per=1m", f"--burst={number}"]
            yield "cost", ["limit", "check", "k", f"--cost={number}"]
        for number in OUT_OF_RANGE:
            yield "cost", ["limit", "check-all", f"k={number}"]
        for number in NOT_DIGITS:
            yield "limit", ["limit", "list", f"--limit={number}"]
            yield "limit", ["limit", "history", "k", f"--limit={number}"]
            yield "limit", ["limit", "top", f"--limit={number}"]
        for per in ("", "0", "-1m", "1.5s", "1 m", "1w", "m", "367d", "0ms", "99999999999999999999d"):
            yield "per", [*add, "--rate=5", f"--per={per}"]
        for text in RATE_STRINGS:
            yield "limit", [*add, "--", text]
            yield "limit", [*add, f"--limit={text}"]
        for option in ("--rate=5", "--per=1m", "--burst=5", "--algorithm=token_bucket"):
            yield "limit", [*add, "5/m", option]
            yield "limit", [*add, "--limit=5/m", option]
        yield "algorithm", [*add, "--rate=5", "--per=1m", "--algorithm=leaky"]
        yield "burst", [*add, "--rate=5", "--per=1m", "--burst=9", "--algorithm=sliding_window_log"]
        yield "capacity", ["limit", "check", "k", "--cost=6"]
        yield "by", ["limit", "top", "--by=luck"]
        for key in ("", "  ", "a\nb", "\x1b[31m", "x" * 513):
            yield "key", ["limit", "add", key, "--rate=5", "--per=1m"]
            yield "key", ["limit", "check", key]
            yield "key", ["limit", "check-all", key]
            yield "key", ["limit", "status", key]
            yield "key", ["limit", "history", key]
            yield "key", ["limit", "reset", key]

    def check(self, *where):
        sentences = []
        for word, arguments in self.cases():
            with self.subTest(where=where, arguments=arguments):
                outcome = flint(*where, *arguments)
                self.assertEqual(outcome.out, "")
                self.refused(outcome, USAGE)
                self.assertIn(word, outcome.err.lower())
                self.assertNotIn("\x1b", outcome.err)
                sentences.append(outcome.err)
        return sentences

    def test_in_the_same_words_everywhere(self):
        embedded = self.check("--data-dir", self.data_dir)
        with Server(self.data_dir) as server:
            self.assertEqual(self.check("--server", server.url), embedded)
        self.assertEqual(self.limits(), self.before)

    def test_an_error_is_one_json_document_too(self):
        for arguments, code in ((["limit", "check", "absent"], "limit_not_found"),
                                (["limit", "check", "k", "--cost=x"], "invalid_argument"),
                                (["limit", "check", "k", "--cost=0"], "invalid_argument"),
                                (["limit", "chek", "k"], "invalid_argument"),
                                (["limit", "check", "k", "--cast=1"], "invalid_argument")):
            outcome = self.ok(self.local(*arguments, "--json"), USAGE)
            self.assertEqual(outcome.json()["code"], code)
            self.assertTrue(outcome.err.startswith(f"flint: {outcome.json()['error']}"), outcome.err)
        outcome = self.ok(flint("--data-dir", self.folder / "typo", "limit", "list", "--json"), FAILED)
        self.assertEqual(outcome.json()["code"], "not_found")


if __name__ == "__main__":
    unittest.main(verbosity=2)
