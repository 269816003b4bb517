"""The manual page names each command, option, variable and exit code that the program's help tells of, and no other."""

import os
import re
import shutil
import subprocess
import sys
import unittest
from pathlib import Path

PAGE = Path(os.environ["FLINT_ROOT"]) / "packaging/flint.1"
FLINT = Path(sys.argv.pop(1)).resolve()


def help_of(*words):
    return subprocess.run([FLINT, *words, "--help"], capture_output=True, text=True, check=True).stdout


class ManualTest(unittest.TestCase):
    def setUp(self):
        page = PAGE.read_text()
        # The text without fonts, and with hyphens that are plain.
        self.text = re.sub(r"\\f[BIR]", "", re.sub(r"^\.\w+ ?", "", page, flags=re.MULTILINE)).replace(r"\-", "-")
        listed = re.search(r"^Commands:\n(.*?)\n\n", help_of(), re.MULTILINE | re.DOTALL).group(1)
        self.commands = [line[2:].split("  ")[0] for line in listed.splitlines()]

    def test_commands_and_options_are_those_of_the_program(self):
        options = {option for command in self.commands
                   for option in re.findall(r"^  (--[\w-]+)", help_of(*command.split()), re.MULTILINE)}
        self.assertEqual(options | {"--name"}, set(re.findall(r"--[a-z][\w-]*", self.text)))
        section = self.text[self.text.index("\nCOMMANDS\n"):self.text.index("\nOPTIONS\n")]
        self.assertEqual(self.commands, re.findall(rf"^({'|'.join(sorted(self.commands, reverse=True))})(?![\w-])",
                                                   section, re.MULTILINE))

    def test_variables_and_exit_codes_are_those_of_the_program(self):
        told = help_of()
        self.assertEqual(set(re.findall(r"\b(?:FLINT_\w+|NO_COLOR)", told)),
                         set(re.findall(r"\b(?:FLINT_\w+|NO_COLOR)", self.text)))
        section = self.text[self.text.index("\nEXIT STATUS\n"):self.text.index("\nENVIRONMENT\n")]
        self.assertEqual(re.findall(r"^  (\d)  ", told, re.MULTILINE), re.findall(r"^(\d)$", section, re.MULTILINE))

    @unittest.skipUnless(shutil.which("mandoc"), "mandoc is not installed")
    def test_mandoc_finds_nothing_wrong(self):
        done = subprocess.run(["mandoc", "-Tlint", "-Wstyle", PAGE], capture_output=True, text=True, check=False)
        self.assertEqual("", done.stdout + done.stderr)

    @unittest.skipUnless(shutil.which("man") and shutil.which("groff"), "man or groff is not installed")
    def test_man_finds_nothing_wrong(self):
        done = subprocess.run(["man", "--warnings", "--encoding=UTF-8", "--local-file", PAGE], capture_output=True,
                              text=True, check=False, env={**os.environ, "MANWIDTH": "100", "MANROFFSEQ": ""})
        self.assertEqual("", done.stderr)
        self.assertIn("FLINT(1)", done.stdout)


if __name__ == "__main__":
    unittest.main(verbosity=2)
