"""The runner of the documents' commands notices what it should: on documents made here, with a stand-in for flint."""

import tempfile
import unittest
from pathlib import Path

from document import check
from transcript import Block, blocks, commands, matches

STAND_IN = '''#!/usr/bin/env bash
# Answers "pong" on the port of --bind, and otherwise says what it was called with.
while (($# > 0)); do
  case $1 in
    --bind) address=$2 && shift ;;
    --bind=*) address=${1#*=} ;;
    *) words+=("$1") ;;
  esac
  shift
done
if [[ -z ${address:-} ]]; then echo "flint ${words[*]}"; exit; fi
exec python3 -c '
import signal, socketserver, sys
class Pong(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(1024)
        self.request.sendall(b"pong\\n")
signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
socketserver.TCPServer(("127.0.0.1", int(sys.argv[1])), Pong).serve_forever()
' "${address#*:}"
'''

ASK = "exec 3<>/dev/tcp/127.0.0.1/$(cut -d: -f2 <<<127.0.0.1:7878); echo ping >&3; cat <&3"


class DocumentTest(unittest.TestCase):
    def problems(self, text):
        with tempfile.TemporaryDirectory() as folder:
            flint = Path(folder) / "stand-in"
            flint.write_text(STAND_IN)
            flint.chmod(0o755)
            document = Path(folder) / "document.md"
            document.write_text(text)
            return check(document, flint)[1]

    def console(self, *lines, before=""):
        return self.problems("\n".join([before, "```console", *lines, "```", ""]))

    def test_output_as_shown_is_right(self):
        self.assertEqual([], self.console("$ echo one; echo two", "one", "two"))

    def test_other_output_is_a_problem_that_names_line_and_command(self):
        problem, = self.console("$ echo one", "two")
        self.assertIn("document.md:3: $ echo one", problem)

    def test_missing_and_extra_lines_are_problems(self):
        self.assertEqual(1, len(self.console("$ echo one", "one", "two")))
        self.assertEqual(1, len(self.console("$ echo one; echo two", "one")))

    def test_a_command_without_shown_output_must_succeed(self):
        self.assertEqual([], self.console("$ echo unseen"))
        self.assertEqual(1, len(self.console("$ false")))

    def test_an_exit_status_can_be_shown(self):
        self.assertEqual([], self.console("$ echo no; (exit 3)", "no", "$ echo $?", "3"))

    def test_blocks_share_folder_and_variables(self):
        self.assertEqual([], self.problems(
            "```sh\nexport A=7\necho x > file\n```\n```console\n$ echo $A; cat file\n7\nx\n```\n"))

    def test_a_failing_line_of_a_script_is_a_problem(self):
        self.assertEqual(1, len(self.problems("```sh\ntrue\nfalse\ntrue\n```\n")))

    def test_a_command_may_span_lines(self):
        self.assertEqual([], self.console("$ echo one \\", "    two", "one two", "$ cat <<END", "text", "END", "text"))

    def test_skipped_blocks_and_other_languages_do_not_run(self):
        self.assertEqual([], self.problems(
            "<!-- test: skip, ends the shell -->\n```sh\nexit 1\n```\n```text\n$ false\n```\n"))

    def test_a_directive_that_nobody_knows_is_a_problem(self):
        self.assertEqual(1, len(self.problems("<!-- test: skp -->\n```sh\ntrue\n```\n")))

    def test_flint_is_on_the_path(self):
        self.assertEqual([], self.console("$ flint limit list", "flint limit list"))

    def test_the_server_that_a_document_starts_answers(self):
        self.assertEqual([], self.console("$ flint server start --bind 127.0.0.1:7878", f"$ {ASK}", "pong"))
        self.assertEqual([], self.console("$ ./dev serve", f"$ {ASK}", "pong"))

    def test_a_document_that_needs_a_server_gets_one(self):
        self.assertEqual([], self.console(f"$ {ASK}", "pong"))

    def test_a_server_that_cannot_start_is_a_problem(self):
        self.assertIn("does not answer", self.console("$ flint server start --bind 127.0.0.1:x")[0])

    def test_a_command_that_ends_the_shell_is_a_problem(self):
        self.assertIn("ended the shell", self.console("$ exit 0")[0])


class MatchTest(unittest.TestCase):
    def test_times_vary(self):
        self.assertTrue(matches(["at 2026-11-23T18:22:02.123Z"], ["at 2027-01-01T00:00:00.000Z"]))
        self.assertFalse(matches(["at 2026-11-23T18:22:02.123Z"], ["at noon"]))

    def test_numbers_vary_only_when_told(self):
        self.assertFalse(matches(["took 3 s"], ["took 4 s"]))
        self.assertTrue(matches(["took 3 s"], ["took 4.5 s"], numbers_vary=True))

    def test_fields_of_time_and_size_vary_in_json(self):
        self.assertTrue(matches(['{"retry_after_ms":12,"cost":1}'], ['{"retry_after_ms": 5999,"cost":1}']))
        self.assertFalse(matches(['{"retry_after_ms":12,"cost":1}'], ['{"retry_after_ms":12,"cost":2}']))
        self.assertFalse(matches(['{"last_allowed_at":null}'], ['{"last_allowed_at":"2026-11-23T18:22:02.123Z"}']))

    def test_dots_stand_for_any_text(self):
        self.assertTrue(matches(["a ... z"], ["a b c z"]))
        self.assertTrue(matches(["a", "...", "z"], ["a", "b", "c", "z"]))
        self.assertTrue(matches(["a", "..."], ["a"]))
        self.assertFalse(matches(["a", "..."], ["b"]))

    def test_widths_of_columns_vary_but_not_their_order(self):
        self.assertTrue(matches(["KEY  RATE"], ["KEY       RATE   "]))
        self.assertFalse(matches(["KEY  RATE"], ["RATE KEY"]))


class ParseTest(unittest.TestCase):
    def test_blocks_in_lists_lose_their_indent(self):
        block, = blocks("- item\n\n  ```console\n  $ true\n  ```\n")
        self.assertEqual(["$ true"], block.lines)

    def test_a_block_without_an_end_is_an_error(self):
        with self.assertRaises(ValueError):
            blocks("```sh\ntrue\n")

    def test_lines_of_commands_are_those_of_the_document(self):
        found = commands(Block(10, "console", ["$ one", "out", "$ two"]))
        self.assertEqual([(11, "one", ["out"]), (13, "two", None)], [(c.line, c.text, c.shown) for c in found])


if __name__ == "__main__":
    unittest.main(verbosity=2)
