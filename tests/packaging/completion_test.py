"""What bash and zsh complete, against what the program itself says: every command, every option, every word of one."""

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

COMPLETIONS = Path(os.environ["FLINT_ROOT"]) / "packaging/completions"
FLINT = Path(sys.argv.pop(1)).resolve()

# Where a value must be one of a few words, the program names them when it is given another.
LISTING = re.compile(r" must be ((?:[a-z_]+, )*[a-z_]+ or [a-z_]+)(?:, not |\.)")

ZSH_STUBS = r"""
compadd() { while [[ $1 == -* ]]; do [[ $1 == -- ]] && { shift; break }; shift; done; print -rl -- "$@" }
_files() { print -r -- files }
_describe() { local each; for each in "${(@P)2}"; do print -r -- "${each%%:*}"; done }
compset() { }
"""


def flint(*words, cwd=None):
    return subprocess.run([FLINT, *words], cwd=cwd, capture_output=True, text=True, stdin=subprocess.DEVNULL,
                          check=False)


class Command:
    def __init__(self, words):
        self.words = tuple(words)
        text = flint(*words, "--help").stdout
        usage = re.search(r"^Usage: flint \[OPTIONS\] (.*)$", text, re.MULTILINE).group(1)
        # A command line that lacks nothing: the operand and, for `limit add`, one of the two forms of a limit.
        self.complete = [*words, *re.sub(r"\[.*?\]", "", usage.removeprefix(" ".join(words))).split()]
        if "--rate N" in usage:
            self.complete += ["--rate", "1", "--per", "1s"]
        self.options = dict(re.findall(r"^  (--[\w-]+) ?([A-Z]*)  ", text, re.MULTILINE))

    def words_of(self, option):
        """The words that the program says an option takes."""
        with tempfile.TemporaryDirectory() as folder:
            flint("limit", "add", "KEY", "1/s", cwd=folder)
            listed = LISTING.search(flint(*self.complete, option, "no-such-word", cwd=folder).stderr)
        return set(re.split(r", | or ", listed.group(1))) if listed else set()


COMMANDS = [Command(line[2:].split("  ")[0].split()) for line in
            re.search(r"^Commands:\n(.*?)\n\n", flint("--help").stdout, re.MULTILINE | re.DOTALL).group(1).splitlines()]
GLOBAL = dict(re.findall(r"^  (--[\w-]+) ?([A-Z]*)  ", flint("--help").stdout, re.MULTILINE))


class Shell:
    """A line is a list of words, of which the last is completed."""

    def answers(self, lines):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "a-folder").mkdir()
            (Path(folder) / "a-file").touch()
            (Path(folder) / "a-folder/flint").symlink_to(FLINT)
            script = self.start + "".join(self.request(["flint", *line]) + "\necho '=='\n" for line in lines)
            done = subprocess.run(self.command, input=script, cwd=folder, capture_output=True, text=True, check=True,
                                  env={**os.environ, "PATH": f"{folder}/a-folder:{os.environ['PATH']}"})
        assert done.stderr == "", done.stderr
        return [answer.split() for answer in done.stdout.split("==\n")[:-1]]


class Bash(Shell):
    command = ["bash", "--norc", "--noprofile"]
    start = f". {shlex.quote(str(COMPLETIONS / 'flint.bash'))}\n"

    def request(self, line):
        return (f"COMP_WORDS=({shlex.join(line)}) COMP_CWORD={len(line) - 1}; "
                f"_flint flint {shlex.quote(line[-1])} {shlex.quote(line[-2])}; printf '%s\\n' \"${{COMPREPLY[@]}}\"")


class Zsh(Shell):
    command = ["zsh", "-f"]
    # Without its last line, which a shell that completes runs.
    start = ZSH_STUBS + (COMPLETIONS / "_flint").read_text().removesuffix('_flint "$@"\n')

    def request(self, line):
        return f"words=({shlex.join(line)}) CURRENT={len(line)}; _flint"


class Completion:
    """For each shell."""

    def check(self, expected):
        """`expected`: {line: candidates}"""
        for line, got in zip(expected, self.shell.answers(expected)):
            # zsh leaves it to the caller to drop what does not match.
            got = {word for word in got if word.startswith(line[-1].rpartition("=")[2])}
            self.assertEqual(set(expected[line]), got, f"flint {' '.join(line)}<Tab>")

    def test_each_word_of_each_command(self):
        expected = {("",): {command.words[0] for command in COMMANDS}}
        for command in COMMANDS:
            for place, word in enumerate(command.words):
                before = command.words[:place]
                line = (*before, word[:1])
                expected[line] = {other.words[place] for other in COMMANDS
                                  if other.words[:place] == before and other.words[place].startswith(word[:1])}
        self.check(expected)

    def test_each_option_of_each_command(self):
        self.check({("--",): set(GLOBAL), **{(*command.words, "--"): set(command.options) for command in COMMANDS}})

    def test_each_word_that_an_option_takes(self):
        expected = {}
        for command in COMMANDS:
            for option in command.options.keys() - GLOBAL.keys():
                value = command.options[option]
                if value and value not in ("N", "TIME", "FILE"):
                    expected[(*command.words, option, "")] = command.words_of(option)
        self.assertIn({"always", "batch"}, expected.values())
        self.check(expected)

    def test_options_before_and_within_a_command(self):
        self.check({
            ("--data-dir", "limit", "lo"): {"log"},
            ("--json", "limit", "--timeout", "1s", "ch"): {"charge", "check", "check-all", "check-batch"},
            ("limit", "add", "k", "--rate", "5", "--al"): {"--algorithm", "--align"},
            ("limit", "--ti"): {"--timeout"},
        })

    def test_files_and_folders(self):
        files = {"a-file", "a-folder"} if isinstance(self.shell, Bash) else {"files"}
        folders = files - {"a-file"}
        of_options = {(*command.words, option, ""): files for command in COMMANDS
                      for option, value in command.options.items() if value == "FILE"}
        self.assertIn(("server", "start", "--config", ""), of_options)
        self.check({("--token-file", ""): files, ("limit", "list", "--data-dir", ""): folders, **of_options})

    def test_nothing_where_anything_may_stand(self):
        self.check({
            ("limit", "check", ""): (),
            ("limit", "check", "--", "-"): (),
            ("limit", "check", "[a*$(b", ""): (),
            ("limit", "add", "k", "--rate", ""): (),
            ("nonsense", ""): (),
            ("doctor", ""): (),
        })


class BashTest(Completion, unittest.TestCase):
    shell = Bash()

    def test_bash_takes_an_option_apart_at_the_equals_sign(self):
        self.check({
            ("server", "start", "--sync", "="): {"always", "batch"},
            ("server", "start", "--sync", "=", "b"): {"batch"},
            ("--data-dir", "=", "limit", "lo"): {"log"},
        })


@unittest.skipUnless(shutil.which("zsh"), "zsh is not installed")
class ZshTest(Completion, unittest.TestCase):
    shell = Zsh()

    def test_a_value_behind_an_equals_sign(self):
        self.check({("server", "start", "--sync="): {"always", "batch"}})


if __name__ == "__main__":
    unittest.main(verbosity=2)
