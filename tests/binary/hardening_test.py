"""The finished program is hardened as the build means it to be: what readelf says, not what the flags say."""

import json
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

PROGRAM = Path(sys.argv.pop(1))


def readelf(*options):
    done = subprocess.run(["readelf", "--wide", *options, str(PROGRAM)], check=True, capture_output=True, text=True)
    return done.stdout


class HardeningTest(unittest.TestCase):
    def test_it_is_position_independent(self):
        self.assertRegex(readelf("--file-header"), r"Type:\s+DYN")
        self.assertRegex(readelf("--dynamic"), r"\(FLAGS_1\).*\bPIE\b")

    def test_its_relocations_are_read_only_before_main(self):
        self.assertIn("GNU_RELRO", readelf("--program-headers"))
        self.assertRegex(readelf("--dynamic"), r"\(FLAGS\).*BIND_NOW|\(FLAGS_1\).*\bNOW\b")

    def test_its_stack_is_not_executable(self):
        stack = re.search(r"GNU_STACK.*", readelf("--program-headers")).group()
        self.assertRegex(stack, r"\bRW\b")

    def test_no_segment_is_writable_and_executable(self):
        self.assertNotRegex(readelf("--program-headers"), r"LOAD.*\bRWE\b")

    def test_it_checks_its_stack(self):
        self.assertIn("__stack_chk_fail", readelf("--dyn-syms"))

    def test_it_checks_sizes_that_it_passes_to_the_library(self):
        self.assertRegex(readelf("--dyn-syms"), r"__\w+_chk\b(?<!__stack_chk)")

    def test_every_file_was_compiled_with_the_flags_that_leave_no_trace(self):
        commands = json.loads((Path(os.environ["FLINT_BUILD"]) / "compile_commands.json").read_text())
        own = [entry for entry in commands if "/src/" in entry["file"]]
        self.assertTrue(own)
        for entry in own:
            for flag in ("-fstack-clash-protection", "-fstack-protector-strong", "-D_FORTIFY_SOURCE=2"):
                self.assertIn(flag, entry["command"], entry["file"])


if __name__ == "__main__":
    unittest.main(verbosity=2)
