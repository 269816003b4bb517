"""The tests of style notice what they should: each is run on a small project made here, with one thing wrong in it."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

from style_test import LAYERS

STYLE_TEST = Path(__file__).with_name("style_test.py")

SOUND = {
    **{f"src/{layer}/CMakeLists.txt": f"flint_layer({layer} SOURCES a.cc)\n" for layer in LAYERS},
    "CMakeLists.txt": "project(flint VERSION 1.2.3)\n",
    "CHANGELOG.md": "## [1.2.3] - 2026-01-01\n",
    "dev": "case $subcommand in\n  build | test)\n    ;;\nesac\n",
    "include/flint/a.h": "#pragma once\n\n#include <string>\n",
    "src/io/a.h": '#pragma once\n\n#include "flint/a.h"\n',
    "ARCHITECTURE.md": "`include/`, " + ", ".join(f"`src/{layer}/`" for layer in LAYERS) + "\n",
    "README.md": "`./dev test`, `src/io/a.h`, [more](src/io)\n",
}


class BitesTest(unittest.TestCase):
    def report(self, rule, changes):
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {**SOUND, **changes}.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text)
            done = subprocess.run([sys.executable, str(STYLE_TEST), rule], env={**os.environ, "FLINT_ROOT": folder},
                                  stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
            return done.returncode, done.stdout

    def assert_found(self, rule, name, text, message):
        status, report = self.report(rule, {name: text})
        self.assertEqual(1, status, report)
        self.assertIn(message, report)

    def test_nothing_is_found_in_a_sound_project(self):
        for rule in ("Layers", "Files", "Versions", "Documents", "Tests"):
            status, report = self.report(rule, {})
            self.assertEqual(0, status, report)

    def test_layers(self):
        self.assert_found("Layers", "src/base/b.h", '#include "io/a.h"\n', "b.h:1: 'base' may not include 'io/a.h'")
        self.assert_found("Layers", "src/storage/b.h", '#include "algorithm/a.h"\n', "'storage' may not include")
        self.assert_found("Layers", "src/io/CMakeLists.txt", "flint_layer(io SOURCES a.cc\n  DEPENDS base storage)\n",
                          "'io' may not depend on 'storage'")
        self.assert_found("Layers", "src/io/b.h", '#include "testing/a.h"\n', "'io' may not include 'testing/a.h'")
        self.assert_found("Layers", "src/io/b.h", "#include <io/a.h>\n", "own headers are included in quotes")
        self.assert_found("Layers", "src/io/b.h", '#include "a.h"\n', "is no file of")
        self.assert_found("Layers", "include/flint/b.h", "#include <fmt/format.h>\n", "public header may not include")
        self.assert_found("Layers", "src/other/b.h", "\n", "the layer 'other' is not in the table")

    def test_circles(self):
        status, report = self.report("Layers", {"src/io/b.h": '#include "io/c.h"\n',
                                                "src/io/c.h": '#include "io/d.h"\n',
                                                "src/io/d.cc": '#include "io/b.h"\n'})
        self.assertEqual(1, status, report)
        self.assertIn("a circle of includes: io/b, io/c, io/d", report)
        for line in ("from flint_limiter.a import A", "from flint_limiter import a"):
            status, report = self.report("Layers", {"python/flint_limiter/_a.py": "from flint_limiter._b import B\n",
                                                    "python/flint_limiter/_b.py": line.replace(" a", " _a")
                                                    .replace(".a", "._a") + "\n"})
            self.assertEqual(1, status, report)
            self.assertIn("a circle of imports: _a, _b", report)

    def test_what_is_private_to_a_module(self):
        self.assert_found("Layers", "python/flint_limiter/a.py", "x = error._hidden\n", "_hidden is private")
        self.assert_found("Layers", "python/flint_limiter/a.py", "self.x._hidden()\n", "_hidden is private")

    def test_files(self):
        self.assert_found("Files", "src/io/b.cc", "\n" * 501, "501 lines")
        self.assert_found("Files", "bench/program", "#!/bin/sh\n" + "x" * 121 + "\n", "121 columns")
        self.assert_found("Files", "src/io/b.cc", "x" * 121 + "\n", "121 columns")
        self.assert_found("Files", "src/io/b.cc", "int x; \n", "white space at the end")
        self.assert_found("Files", "src/io/b.cc", "int x;", "no newline at the end")
        self.assert_found("Files", "src/io/b.h", "int x;\n", "no '#pragma once'")
        self.assert_found("Files", "src/io/b.cc", "// TO" + "DO: later\n", "src/io/b.cc:1")
        self.assert_found("Files", "src/io/b.cc", 'open("/ho' + 'me/someone/x");\n', "src/io/b.cc:1")

    def test_versions(self):
        self.assert_found("Versions", "CHANGELOG.md", "## [1.2.4] - 2026-01-01\n", "1.2.4")
        self.assert_found("Versions", "python/pyproject.toml", 'version = "1.2.2"\n', "1.2.2")

    def test_documents(self):
        self.assert_found("Documents", "docs/a.md", "`src/io/gone.h`\n", "there is no src/io/gone.h")
        self.assert_found("Documents", "docs/a.md", "[x](gone.md#part)\n", "the link to gone.md")
        self.assert_found("Documents", "docs/a.md", "`./dev tset`\n", "there is no ./dev tset")
        self.assert_found("Documents", "ARCHITECTURE.md", "`include/`\n", "nothing says what src/io/ holds")

    def test_tests(self):
        self.assert_found("Tests", "src/io/b_test.cc", "\n", "in no CMakeLists.txt")
        self.assert_found("Tests", "src/io/b_test.cc", "sleep_for(1s);\n", "wait for a condition")
        gone = "--- a/src/io/gone.cc\n+++ b/src/io/gone.cc\n@@ -1 +1 @@\n-a\n+b\n"
        self.assert_found("Tests", "tests/planted/a.patch", gone, "tests/planted/a.patch: error")


if __name__ == "__main__":
    unittest.main(verbosity=2)
