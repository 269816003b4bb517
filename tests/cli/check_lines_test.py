"""`flint limit check-batch --from`: checks as lines of JSON, over a directory and over a server."""

import json
import unittest

from harness import DENIED, DONE, USAGE, FlintTest, Server, flint


class CheckLines:
    def prepare(self):
        self.ok(self.run_flint("limit", "add", "a", "2/h"))

    def check(self, *lines, arguments=()):
        text = "".join(f"{line}\n" for line in lines).encode()
        return self.run_flint("limit", "check-batch", "--from", "-", *arguments, input=text)

    def answers(self, done):
        return [json.loads(line) for line in done.out.splitlines()]

    def remaining(self, key="a"):
        return json.loads(self.run_flint("limit", "status", key, "--json").out)["remaining"]

    def test_each_line_is_answered_by_a_line_in_order(self):
        for arguments in ([], ["--json"]):
            self.ok(self.run_flint("limit", "reset", "a"))
            done = self.check('{"key":"a"}', "", '{"key":"b","limit":"5/h","cost":2.0}', '{"key":"a","dry_run":true}',
                              '{"key":"a","request_id":"x"}', '{"key":"a"}', arguments=arguments)
            self.assertEqual(done.code, DONE if arguments else DENIED, done.err)
            self.assertEqual(done.err, "")
            shown = [(answer["key"], answer["allowed"], answer["cost"]) for answer in self.answers(done)]
            again = bool(arguments)  # the request x was made before the reset, so it takes nothing now
            self.assertEqual(shown, [("a", True, 1), ("b", True, 2), ("a", True, 1), ("a", True, 1), ("a", again, 1)])
        self.assertEqual(self.ok(self.check()).out, "")
        self.assertEqual(self.check('{"key":"c","limit":"5/h"}').code, DONE)

    def test_a_check_that_fails_leaves_the_others_and_is_told_with_its_line(self):
        done = self.check('{"key":"a"}', '{"key":"nobody"}', '{"key":"a","cost":3}', '{"key":"a"}')
        self.assertEqual(done.code, USAGE)
        answers = self.answers(done)
        self.assertEqual([answer.get("code") for answer in answers],
                         [None, "limit_not_found", "invalid_argument", None])
        self.assertTrue(answers[3]["allowed"])
        told = done.err.splitlines()
        self.assertTrue(told[0].startswith('standard input:2: '), told)
        self.assertIn("nobody", told[0])
        self.assertTrue(told[1].startswith('standard input:3: '), told)
        self.assertEqual(len(told), 2)

    def test_many_failures_are_told_in_few_lines(self):
        done = self.check(*['{"key":"nobody"}'] * 1500)
        self.assertEqual(done.code, USAGE)
        self.assertEqual(len(self.answers(done)), 1500)
        self.assertEqual(len(done.err.splitlines()), 21)
        self.assertIn("0 allowed, 0 denied, 1500 failed.", done.err)

    def test_a_wrong_line_ends_it_and_it_says_how_far_it_came(self):
        lines = [json.dumps({"key": f"k{number:04}", "limit": "1/h"}) for number in range(2500)]
        lines[2100] = '{"key":"k","cost":"much"}'
        lines[2300] = '{"key":"k","rats":1}'
        done = self.check(*lines)
        self.assertEqual(done.code, USAGE)
        told = done.err.splitlines()
        self.assertTrue(told[0].startswith("standard input:2101: cost "), told)
        self.assertTrue(told[1].startswith("standard input:2301: rats is not a field"), told)
        self.assertEqual(told[2], "flint: The lines up to 2000 were decided, and none after that. "
                                  "2000 allowed, 0 denied, 0 failed.")
        self.assertEqual([answer["key"] for answer in self.answers(done)], [f"k{number:04}" for number in range(2000)])
        done = self.check(*lines[:2100])
        self.assertEqual([answer["allowed"] for answer in self.answers(done)], [False] * 2000 + [True] * 100)

    def test_wrong_lines_of_every_kind(self):
        for line in ("{", "5", "[]", "null", '"a"', '{"cost":1}', '{"key":""}', '{"key":"k","key":"k"}',
                     '{"key":"k"} x', '{"key":"k","cost":0}', '{"key":"k","limit":"often"}', "\x00",
                     '{"key":"' + "k" * 20_000 + '"}', '{"key":"' + "k" * 600 + '"}'):
            with self.subTest(line=line[:40]):
                done = self.check('{"key":"a"}', line)
                self.assertEqual(done.code, USAGE, done.out)
                self.assertTrue(done.err.startswith("standard input:2: "), done.err)
                self.assertIn("Nothing was decided.", done.err)
                self.assertEqual(done.out, "")
        self.assertEqual(self.remaining(), 2)

    def test_long_lines_fit_in_smaller_groups(self):
        windows = [{"rate": 5 * hours, "per": f"{hours}h"} for hours in range(1, 9)]
        lines = [json.dumps({"key": str(number) + "é" * 240, "limit": {"windows": windows}})
                 for number in range(3000)]
        done = self.ok(self.check(*lines))
        self.assertEqual([answer["key"] for answer in self.answers(done)], [json.loads(line)["key"] for line in lines])

    def test_a_file_and_what_stands_beside_it(self):
        file = self.folder / "checks"
        file.write_text('{"key":"a"}')
        self.assertEqual(self.answers(self.ok(self.run_flint("limit", "check-batch", "--from", file)))[0]["key"], "a")
        for arguments in (["a"], ["--limit=1/s"], ["--dry-run"]):
            self.refused(self.run_flint("limit", "check-batch", *arguments, "--from", "-"), USAGE, "takes the place of")
        self.refused(self.run_flint("limit", "check-batch"), USAGE, "needs ITEM")
        self.refused(self.run_flint("limit", "check-batch", "--from", self.folder / "nothing"), USAGE, "No such file")
        self.assertEqual(self.run_flint("limit", "check-batch", "--from", self.folder).code, USAGE)


class OverADirectory(CheckLines, FlintTest):
    def setUp(self):
        super().setUp()
        self.prepare()

    def run_flint(self, *arguments, **options):
        return self.local(*arguments, **options)


class OverAServer(CheckLines, FlintTest):
    def setUp(self):
        super().setUp()
        self.server = Server(self.data_dir, "--sync", "batch")
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)
        self.prepare()

    def run_flint(self, *arguments, **options):
        return flint("--server", self.server.url, *arguments, **options)


if __name__ == "__main__":
    unittest.main(verbosity=2)
