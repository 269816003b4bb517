"""`flint limit apply` and `flint limit export`: files of limits, over a directory and over a server."""

import json
import os
import random
import unittest

from harness import FAILED, USAGE, FlintTest, Server, comparable, flint

ALGORITHMS = ["token_bucket", "sliding_window_log", "fixed_window_counter", "sliding_window_counter"]


def limit(key, text, *more):
    return "\n".join(["[[limits]]", f"key = {json.dumps(key, ensure_ascii=False)}", f'limit = "{text}"', *more, ""])


def rules(statuses):
    names = ("key", "rate", "per_millis", "align", "timezone", "burst", "algorithm", "mode", "override")
    found = []
    for status in statuses:
        windows = [rules([window]) for window in status.get("windows", [])]
        found.append({name: status[name] for name in names if name in status} | {"windows": windows})
    return found


class LimitsFile:
    """Once over the directory and once over a server that holds it."""

    def write(self, text, name="limits.toml"):
        path = self.folder / name
        path.write_text(text, encoding="utf-8")
        return path

    def apply(self, text, *arguments):
        return self.run_flint("limit", "apply", "-f", self.write(text), *arguments)

    def limits(self):
        return {status["key"]: status for status in self.ok(self.run_flint("limit", "list", "--json")).json()}

    def test_shows_the_difference_and_makes_it(self):
        self.ok(self.run_flint("limit", "add", "old", "1/s"))
        self.ok(self.run_flint("limit", "add", "kept", "5/m"))
        self.ok(self.run_flint("limit", "check", "old"))
        text = limit("kept", "5/m") + limit("old", "2/s") + limit("ip:*", "9/m burst 20", "override = true")
        dry = self.ok(self.apply(text, "--dry-run", "--prune"))
        self.assertEqual(dry.out, "+ ip:*  9/m burst 20 override\n~ old   1/s -> 2/s\n"
                                  "1 added, 1 changed, 0 removed, 1 unchanged.\n"
                                  "This was a dry run: nothing has changed.\n")
        self.assertEqual(sorted(self.limits()), ["kept", "old"])
        done = self.ok(self.apply(text))
        self.assertEqual(done.out, dry.out.removesuffix("This was a dry run: nothing has changed.\n"))
        self.assertEqual(self.limits()["old"]["rate"], 2)
        self.assertEqual(self.limits()["old"]["total_allowed"], 1)
        self.assertTrue(self.limits()["ip:*"]["override"])
        self.assertEqual(self.ok(self.apply(text)).out, "0 added, 0 changed, 0 removed, 3 unchanged.\n")

    def test_prune_deletes_what_is_not_in_the_file(self):
        self.ok(self.apply(limit("a", "1/s") + limit("b", "1/s") + limit("c:*", "1/s")))
        done = self.ok(self.apply(limit("b", "1/s"), "--prune"))
        self.assertEqual(done.out, "- a    1/s\n- c:*  1/s\n0 added, 0 changed, 2 removed, 1 unchanged.\n")
        self.assertEqual(list(self.limits()), ["b"])
        self.ok(self.apply(limit("b", "1/s")))
        self.ok(self.apply("", "--prune"))
        self.assertEqual(self.limits(), {})

    def test_json_is_the_answer_of_the_api(self):
        answer = self.ok(self.apply(limit("a", "1/s"), "--json")).json()
        self.assertEqual(answer, {"changes": [{"key": "a", "before": None, "after": {
            "rate": 1, "per_millis": 1000, "burst": 1, "algorithm": "token_bucket", "mode": "enforce",
            "override": False}}],
            "unchanged": 0})

    def test_reads_standard_input(self):
        done = self.run_flint("limit", "apply", "-f", "-", input=limit("a", "1/s").encode())
        self.assertEqual(self.ok(done).out, "+ a  1/s\n1 added, 0 changed, 0 removed, 0 unchanged.\n")
        wrong = self.run_flint("limit", "apply", "--file=-", input=b"[[limits]]\nkey = 5\n")
        self.assertEqual(wrong.code, USAGE)
        self.assertEqual(wrong.err, "standard input:2: key must be a string, not an integer.\n")

    def test_everything_that_is_wrong_is_said_and_nothing_happens(self):
        self.ok(self.apply(limit("a", "1/s")))
        before = self.limits()
        wrong = self.apply(limit("a", "2/s") + limit("b", "often") + limit("c", "1/s", "colour = 1") + limit("", "1/s"))
        self.assertEqual(wrong.code, USAGE)
        lines = wrong.err.splitlines()
        file = self.folder / "limits.toml"
        self.assertEqual([line.split(" ")[0] for line in lines], [f"{file}:6:", f"{file}:10:", f"{file}:12:"])
        self.assertIn('"colour" is not a field of a limit', lines[1])
        self.assertEqual(comparable(self.limits()), comparable(before))
        document = self.apply(limit("b", "often"), "--json")
        self.assertEqual(document.json()["code"], "invalid_argument")
        self.assertTrue(document.json()["error"].startswith(f"{file}:3: limit "))

    def test_what_only_the_limiter_sees_is_said_with_its_line(self):
        wrong = self.apply(limit("a", "1/s") + limit("b*c", "1/s"))
        self.assertEqual(wrong.code, USAGE)
        self.assertTrue(wrong.err.startswith(f'{self.folder / "limits.toml"}:5: key "b*c" has a *'), wrong.err)
        self.assertEqual(self.limits(), {})

    def test_what_is_no_limits_file_is_refused(self):
        (self.folder / "directory").mkdir()
        for name, words in (("directory", "is a directory"), ("nothing", "No such file")):
            self.refused(self.run_flint("limit", "apply", "-f", self.folder / name), USAGE, words)
        for text in (b"\xff\xfe", b"{}", b"[[limits]", b'key = "a"', b"\x00", b"limits = 1"):
            (self.folder / "file").write_bytes(text)
            wrong = self.run_flint("limit", "apply", "-f", self.folder / "file")
            self.assertEqual(wrong.code, USAGE, wrong.out)
            self.assertRegex(wrong.err, rf"\A{self.folder}/file:1: .+\.\n\Z")
        self.refused(self.run_flint("limit", "apply"), USAGE, "needs --file FILE")
        self.refused(self.run_flint("limit", "apply", "-f"), USAGE, "needs a value")
        self.assertEqual(self.limits(), {})

    def test_what_is_exported_is_what_is_applied(self):
        """A random history of limits comes back as it was, in another directory."""
        dice = random.Random(int(os.environ.get("FLINT_TEST_SEED", "1")))
        keys = ["k", "quo\"te", "back\\slash", "ü€😀", "ip:*", "*", "a = [b] # c", "'", "-x", "x" * 512, "[[x]]"]
        for _ in range(12):
            text = ""
            for key in dice.sample(keys, dice.randrange(len(keys))):
                algorithm = dice.choice(ALGORITHMS)
                rule = f"rate = {dice.choice([1, 7, 2**40])}\nper = \"{dice.choice(['1ms', '90s', '7d', '1501ms'])}\""
                text += f"[[limits]]\nkey = {json.dumps(key, ensure_ascii=False)}\n{rule}\n"
                text += f'algorithm = "{algorithm}"\n'
                if algorithm == "token_bucket" and dice.random() < 0.5:
                    text += f"burst = {dice.choice([1, 7, 2**40])}\n"
                if key.endswith("*") and dice.random() < 0.5:
                    text += "override = true\n"
                if dice.random() < 0.3:
                    text += f'mode = "{dice.choice(["shadow", "block", "enforce"])}"\n'
            for number, rule in enumerate(["10/s burst 20, 1000/h", "5 per calendar month in Europe/Berlin, 7/s"]):
                if dice.random() < 0.5:
                    text += limit(f"windows {number}", rule)
            if dice.random() < 0.5:
                text += '[[limits]]\nkey = "parts"\nwindows = [{ rate = 5, per = "1m" }, { rate = 7, align = "day" }]\n'
            self.ok(self.apply(text, *(["--prune"] if dice.random() < 0.3 else [])))
            exported = self.ok(self.run_flint("limit", "export")).out
            other = self.folder / f"other-{dice.random()}"
            self.ok(flint("--data-dir", other, "limit", "apply", "-f", self.write(exported, "exported.toml")))
            back = self.ok(flint("--data-dir", other, "limit", "list", "--json")).json()
            self.assertEqual(rules(back), rules(self.limits().values()))
            self.assertEqual(self.ok(flint("--data-dir", other, "limit", "export")).out, exported)
            body = self.ok(self.run_flint("limit", "export", "--json")).json()
            self.assertEqual([one["key"] for one in body["limits"]], list(self.limits()))

    def test_export_takes_a_prefix_and_writes_rate_strings(self):
        self.ok(self.apply(limit("a:1", "100/m burst 150") + limit("a:*", "5/s", "override = true")
                           + limit("b", "1/s")))
        exported = self.ok(self.run_flint("limit", "export", "--prefix", "a:")).out
        self.assertEqual(exported, "# Limits. Apply them with: flint limit apply -f FILE\n"
                                   '\n[[limits]]\nkey = "a:*"\nlimit = "5/s"\noverride = true\n'
                                   '\n[[limits]]\nkey = "a:1"\nlimit = "100/m burst 150"\n')
        self.assertEqual(self.ok(self.run_flint("limit", "export", "--prefix", "z")).out, "")
        self.assertEqual(self.ok(self.run_flint("limit", "export", "--prefix", "z", "--json")).json(), {"limits": []})

    def test_ten_thousand_limits_are_applied_at_once(self):
        text = "".join(limit(f"tenant:{number:05}:requests", f"{number + 1}/m") for number in range(10_000))
        self.assertEqual(self.ok(self.apply(text)).out.splitlines()[-1],
                         "10000 added, 0 changed, 0 removed, 0 unchanged.")
        self.assertEqual(len(self.limits()), 10_000)
        exported = self.ok(self.run_flint("limit", "export")).out
        self.assertEqual(self.ok(self.apply(exported, "--prune")).out,
                         "0 added, 0 changed, 0 removed, 10000 unchanged.\n")
        self.refused(self.apply(text + limit("one more", "1/s")), USAGE, "at most 10000, not 10001")


class Lines:
    """`limit add --from`, over a directory and over a server."""

    def add(self, *lines, arguments=()):
        text = "".join(f"{line}\n" for line in lines).encode()
        return self.run_flint("limit", "add", "--from", "-", *arguments, input=text)

    def test_lines_are_added(self):
        done = self.ok(self.add('{"key":"a","limit":"1/s"}', "", '{"key":"p:*","rate":2,"per":60,"override":true}'))
        self.assertEqual(done.out, "2 added, 0 changed, 0 unchanged.\n")
        self.assertEqual(done.err, "")
        done = self.ok(self.add('{"key":"a","limit":"3/s"}', '{"key":"a","limit":"1/s"}', arguments=["--json"]))
        self.assertEqual(done.json(), {"added": 0, "changed": 2, "unchanged": 0})
        self.assertEqual(self.limits()["a"]["rate"], 1)
        self.assertEqual(self.ok(self.add()).out, "0 added, 0 changed, 0 unchanged.\n")

    def test_a_file_without_an_end_of_line(self):
        file = self.write('{"key":"a","limit":"1/s"}', "lines")
        self.ok(self.run_flint("limit", "add", "--from", file))
        self.assertEqual(list(self.limits()), ["a"])

    def test_a_wrong_line_ends_it_and_it_says_how_far_it_came(self):
        lines = [json.dumps({"key": f"k{number:04}", "limit": "1/s"}) for number in range(2500)]
        lines[2100] = '{"key":"k","limit":"often"}'
        lines[2300] = '{"key":"k","rats":1}'
        done = self.add(*lines)
        self.assertEqual(done.code, USAGE)
        told = done.err.splitlines()
        self.assertTrue(told[0].startswith("standard input:2101: limit "), told)
        self.assertTrue(told[1].startswith("standard input:2301: rats is not a field"), told)
        self.assertEqual(told[2], "flint: The lines up to 2000 were applied, and none after that. "
                                  "2000 added, 0 changed, 0 unchanged.")
        self.assertEqual(len(self.limits()), 2000)
        self.assertEqual(self.add(*lines[:2100]).out, "100 added, 0 changed, 2000 unchanged.\n")

    def test_wrong_lines_of_every_kind(self):
        for line in ("{", "5", "[]", "null", '{"key":"k"}', '{"limit":"1/s"}', '{"key":"","limit":"1/s"}',
                     '{"key":"k","limit":"1/s","limit":"1/s"}', '{"key":"k","limit":"1/s"} x',
                     '{"key":"k","limit":"1/s","override":true}', '{"key":"a*b","limit":"1/s"}',
                     '{"key":"' + "k" * 20_000 + '","limit":"1/s"}', '{"key":"k","rate":0,"per":1}', "\x00"):
            with self.subTest(line=line[:40]):
                done = self.add('{"key":"fine","limit":"1/s"}', line)
                self.assertEqual(done.code, USAGE, done.out)
                self.assertTrue(done.err.startswith("standard input:2: "), done.err)
                self.assertIn("Nothing was applied.", done.err)
        done = self.run_flint("limit", "add", "--from", "-", input=b'{"key":"\xff","limit":"1/s"}\n')
        self.assertIn("standard input:1: ", done.err)
        self.assertEqual(self.limits(), {})

    def test_what_stands_beside_it_is_refused(self):
        for arguments in (["k"], ["k", "1/s"], ["--limit=1/s"], ["--override"]):
            self.refused(self.run_flint("limit", "add", *arguments, "--from", "-"), USAGE, "takes the place of")
        self.refused(self.run_flint("limit", "add"), USAGE, "needs KEY [LIMIT]")
        self.refused(self.run_flint("limit", "add", "--from", self.folder / "nothing"), USAGE, "No such file")
        self.assertEqual(self.run_flint("limit", "add", "--from", self.folder).code, USAGE)


class OverADirectory(Lines, LimitsFile, FlintTest):
    def setUp(self):
        super().setUp()
        self.ok(self.local("limit", "add", "first", "1/s"))
        self.ok(self.local("limit", "delete", "first"))

    def run_flint(self, *arguments, **options):
        return self.local(*arguments, **options)

    def test_applying_creates_the_directory_and_a_dry_run_does_not(self):
        file = self.write(limit("a", "1/s"))
        new = self.folder / "new"
        self.refused(flint("--data-dir", new, "limit", "apply", "-f", file, "--dry-run"), FAILED)
        self.assertFalse(new.exists())
        self.refused(flint("--data-dir", new, "limit", "export"), FAILED)
        self.assertEqual(flint("--data-dir", new, "limit", "apply", "-f", self.write("x", "bad")).code, USAGE)
        self.assertFalse(new.exists())
        self.ok(flint("--data-dir", new, "limit", "apply", "-f", file))
        self.assertTrue(new.exists())


class OverAServer(Lines, LimitsFile, FlintTest):
    def setUp(self):
        super().setUp()
        self.server = Server(self.data_dir, "--sync", "batch")
        self.server.__enter__()
        self.addCleanup(self.server.__exit__)

    def run_flint(self, *arguments, **options):
        return flint("--server", self.server.url, *arguments, **options)

    def test_the_log_tells_of_it(self):
        self.ok(self.apply(limit("a", "1/s") + limit("b", "2/s")))
        self.ok(self.apply(limit("a", "3/s"), "--prune", "--dry-run"))
        self.ok(self.apply(limit("a", "3/s"), "--prune"))
        told = [json.loads(line)["message"] for line in self.server.logged().splitlines()]
        told = [line for line in told if "applied" in line]
        self.assertEqual(len(told), 2, told)
        self.assertIn('2 limits applied: "a" set to 1/s; "b" set to 2/s', told[0])
        self.assertIn('2 limits applied: "a" set to 3/s, from 1/s; "b" deleted, 2/s', told[1])

    def test_the_log_tells_of_what_a_worker_did(self):
        # Symptom: `limit delete --prefix` left no line in the log of the server, unlike `limit delete`.
        self.ok(self.apply(limit("a:1", "1/s") + limit("a:2", "2/s")))
        self.ok(self.run_flint("limit", "delete", "--prefix", "a:"))
        self.assertIn('2 limits and keys that begin with \\"a:\\" deleted, by ', self.server.logged())


if __name__ == "__main__":
    unittest.main(verbosity=2)
