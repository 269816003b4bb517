"""The configuration file that is packaged as an example: sound as it is and with its settings taken up, and whole."""

import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

EXAMPLE = Path(os.environ["FLINT_ROOT"]) / "packaging/flint.toml"
FLINT = Path(sys.argv.pop(1)).resolve()
# What a file cannot set, and what it sets instead of having limits itself.
NOT_THERE = {"config", "limits", "log-file", "exit-when-idle", "detach"}


class ConfigurationTest(unittest.TestCase):
    def setUp(self):
        text = EXAMPLE.read_text()
        self.settings = re.sub(r"^#(?! |$)", "", text, flags=re.MULTILINE)

    def check(self, text):
        with tempfile.NamedTemporaryFile("w", suffix=".toml") as file:
            file.write(text)
            file.flush()
            done = subprocess.run([FLINT, "config", "check", file.name], capture_output=True, text=True, check=False)
        self.assertEqual((0, ""), (done.returncode, done.stderr))
        return done.stdout

    def test_it_is_sound_and_changes_nothing(self):
        self.assertIn("is sound: 0 options, 0 limits.", self.check(EXAMPLE.read_text()))

    def test_each_option_of_the_program_is_there_with_its_default(self):
        usage = subprocess.run([FLINT, "server", "start", "--help"], capture_output=True, text=True, check=True).stdout
        own = re.search(r"^Options of this command:\n(.*?)\n\n", usage, re.MULTILINE | re.DOTALL).group(1)
        options = dict(re.findall(r"^  --([\w-]+) *\w* +(.*)$", own, re.MULTILINE))
        shown = dict(re.findall(r"^([\w-]+) = \"?(.*?)\"?$", self.settings.partition("[[limits]]")[0], re.MULTILINE))
        self.assertEqual(options.keys() - NOT_THERE, shown.keys())
        for name, value in shown.items():
            default = re.search(rf"(\S+) \(default\)|\(default ({re.escape(value)})\b", options[name])
            if default is None:
                self.assertEqual(("no-map", "false"), (name, value))
            else:
                self.assertEqual(value, default[1] or default[2])
        # A flag that is false counts for nothing.
        self.assertIn(f"is sound: {len(shown) - 1} options, 2 limits, 1 gate.", self.check(self.settings))


if __name__ == "__main__":
    unittest.main(verbosity=2)
