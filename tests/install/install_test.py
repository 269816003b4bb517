"""A program of another project builds against an installed Flint, and runs.

Installs the build tree FLINT_BUILD into a temporary folder, moves it, and builds examples/embedded.cc from there: with
CMake's find_package and with pkg-config. The same for examples/shared.cc, which asks a server, and examples/check.c.
"""

import os
import re
import shutil
import subprocess
import tempfile
import time
import unittest
from pathlib import Path

ROOT = Path(os.environ["FLINT_ROOT"])
BUILD = Path(os.environ["FLINT_BUILD"])
COMPILER = os.environ.get("CXX", "c++")


def run(*command, **options):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False, **options)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


class InstallTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="flint-install-"))
        first = cls.folder / "first"
        run("cmake", "--install", BUILD, "--prefix", first)
        # What names the folder that it was first installed into breaks here.
        cls.prefix = first.rename(cls.folder / "moved")

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def installed(self, pattern):
        return sorted(str(path.relative_to(self.prefix)) for path in self.prefix.glob(pattern) if path.is_file())

    def check_example(self, program):
        """Seven checks against a limit of five, twice: the second run finds the limit used up."""
        libraries = self.prefix / Path(self.installed("lib*/**/flint-limiter.pc")[0]).parents[1]
        # Where a shared library is found that is installed in no place that the system knows.
        environment = {**os.environ, "LD_LIBRARY_PATH": str(libraries)}
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            first = run(program, cwd=place, env=environment).splitlines()
            self.assertEqual([f"{n}: allowed, {5 - n} left" for n in range(1, 6)], first[:5])
            self.assertRegex(first[5], r"^6: denied, try again in \d+ ms$")
            self.assertRegex(first[6], r"^7: denied, try again in \d+ ms$")
            second = run(program, cwd=place, env=environment).splitlines()
            self.assertRegex(second[0], r"^1: denied, try again in \d+ ms$")

    def libraries(self):
        """What lets a program find a shared library that is installed in no place that the system knows."""
        package = self.prefix / self.installed("lib*/**/flint-limiter.pc")[0]
        return {**os.environ, "LD_LIBRARY_PATH": str(package.parents[1])}

    def check_shared(self, program):
        """A program that asks a server, over its socket."""
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            data, flint = Path(place) / "data", self.prefix / "bin/flint"
            server = subprocess.Popen([flint, "--data-dir", data, "server", "start", "--bind", f"unix:{place}/s"],
                                      stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                give_up_at = time.monotonic() + 60
                while not (Path(place) / "s").exists() and time.monotonic() < give_up_at:
                    self.assertIsNone(server.poll(), "the server ended")
                    time.sleep(0.01)
                said = run(program, f"unix:{place}/s", env=self.libraries()).splitlines()
            finally:
                server.terminate()
                server.wait()
            self.assertEqual(["1: allowed", "2: allowed", "3: denied", "after waiting: allowed"], said)

    def check_c(self, program):
        with tempfile.TemporaryDirectory(dir=self.folder) as place:
            said = run(program, cwd=place, env=self.libraries()).splitlines()
            self.assertEqual([f"{n}: allowed, {3 - n} left" for n in range(1, 4)], said[:3])
            self.assertRegex(said[4], r"^5: denied, try again in \d+ ms$")

    def test_files_are_where_packagers_expect_them(self):
        self.assertEqual(["bin/flint"], self.installed("bin/*"))
        self.assertIn("include/flint-limiter/flint/limiter.h", self.installed("include/**/*"))
        self.assertEqual([], [name for name in self.installed("include/**/*")
                              if not re.fullmatch(r"include/flint-limiter/(flint/\w+|flint_limiter)\.h", name)])
        self.assertEqual(1, len(self.installed("lib*/**/flint-limiter.pc")))
        self.assertEqual(1, len(self.installed("lib*/**/flint-limiter-config.cmake")))
        self.assertIn("share/doc/flint-limiter/LICENSE", self.installed("share/**/*"))
        for name in ("doc/flint-limiter/docs/cli.md", "man/man1/flint.1", "zsh/site-functions/_flint",
                     "bash-completion/completions/flint"):
            self.assertIn(f"share/{name}", self.installed("share/**/*"))

    def test_the_library_holds_nothing_that_only_tests_need(self):
        library = next(name for name in self.installed("lib*/**/libflint-limiter.*") if name.endswith((".a", ".so")))
        symbols = run("nm", "--demangle", *(["--dynamic"] if library.endswith(".so") else []), self.prefix / library)
        self.assertIn("flint::Limiter::open(", symbols)
        self.assertEqual([], [line for line in symbols.splitlines() if "flint::testing" in line])

    def test_the_service_names_the_program_where_it_was_installed(self):
        self.assertEqual(["lib/systemd/system/flint.service", "lib/systemd/system/flint.socket"],
                         self.installed("lib/systemd/**/*"))
        unit = (self.prefix / "lib/systemd/system/flint.service").read_text()
        self.assertIn(f"\nExecStart={self.folder}/first/bin/flint server start ", unit)

    def test_the_command_says_its_version(self):
        version = re.search(r"^project\(.* VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(), re.MULTILINE).group(1)
        self.assertIn(version, run(self.prefix / "bin/flint", "--version"))

    def test_each_header_compiles_alone(self):
        for header in self.installed("include/**/*.h"):
            source = self.folder / "alone.cc"
            source.write_text(f"#include <{Path(header).relative_to('include/flint-limiter')}>\n")
            run(COMPILER, "-std=c++20", "-Wall", "-Wextra", "-Wpedantic", "-Werror", "-fsyntax-only",
                f"-I{self.prefix / 'include/flint-limiter'}", source)

    def test_a_program_builds_with_cmake(self):
        tree = self.folder / "cmake"
        run("cmake", "-S", ROOT / "examples", "-B", tree, "-G", "Ninja", f"-DCMAKE_PREFIX_PATH={self.prefix}")
        run("cmake", "--build", tree)
        self.check_example(tree / "embedded")
        self.check_shared(tree / "shared")
        self.check_c(tree / "check")

    def test_a_program_builds_with_pkg_config(self):
        package = self.prefix / self.installed("lib*/**/flint-limiter.pc")[0]
        flags = run("pkg-config", "--cflags", "--libs", "flint-limiter",
                    env={**os.environ, "PKG_CONFIG_PATH": str(package.parent)}).split()
        program = self.folder / "embedded"
        run(COMPILER, "-std=c++20", ROOT / "examples/embedded.cc", *flags, "-o", program)
        self.check_example(program)
        # The embedded limiter links neither TLS nor JSON.
        needed = run("readelf", "--dynamic", program)
        self.assertNotRegex(needed, "libssl|libboost")

    def test_programs_of_the_other_libraries_build_with_pkg_config(self):
        package = self.prefix / self.installed("lib*/**/flint-limiter.pc")[0]
        search = {**os.environ, "PKG_CONFIG_PATH": str(package.parent)}
        for name, source, compiler, check in (("client", "shared.cc", [COMPILER, "-std=c++20"], self.check_shared),
                                              ("c", "check.c", ["cc", "-std=c99", "-Wall", "-Wextra", "-Wpedantic",
                                                                "-Werror"], self.check_c)):
            flags = run("pkg-config", "--cflags", "--libs", f"flint-limiter-{name}", env=search).split()
            program = self.folder / f"program-{name}"
            run(*compiler, ROOT / "examples" / source, *flags, "-o", program)
            check(program)


if __name__ == "__main__":
    unittest.main(verbosity=2)
