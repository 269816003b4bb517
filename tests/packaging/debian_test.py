"""`cpack` makes the Debian packages: what they say, what is in them, and that the command in them runs.

Nothing is installed: the packages are unpacked into a folder.
"""

import gzip
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(os.environ["FLINT_ROOT"])
BUILD = Path(os.environ["FLINT_BUILD"])
TOOLS = ("cpack", "dpkg-deb", "dpkg-shlibdeps", "file", "gzip")


def run(*command):
    done = subprocess.run([str(part) for part in command], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False)
    if done.returncode != 0:
        raise AssertionError(f"{' '.join(map(str, command))} ended with {done.returncode}:\n{done.stdout}")
    return done.stdout


@unittest.skipUnless(all(map(shutil.which, TOOLS)), f"one of {', '.join(TOOLS)} is not installed")
class DebianTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = Path(tempfile.mkdtemp(prefix="flint-debian-"))
        # Quick to pack; what is in it does not depend on it.
        run("cpack", "-G", "DEB", "--config", BUILD / "CPackConfig.cmake", "-B", cls.folder,
            "-D", "CPACK_DEBIAN_COMPRESSION_TYPE=zstd")
        cls.packages = {run("dpkg-deb", "--field", path, "Package").strip(): path for path in cls.folder.glob("*.deb")}
        cls.version = re.search(r"^project\(.* VERSION (\S+)", (ROOT / "CMakeLists.txt").read_text(), re.M).group(1)

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.folder)

    def fields(self, package):
        lines = run("dpkg-deb", "--field", self.packages[package])
        return dict(re.findall(r"^([\w-]+): (.*(?:\n .*)*)", lines, re.MULTILINE))

    def command_root(self):
        """The package of the command, unpacked."""
        root = self.folder / "root"
        if not root.exists():
            run("dpkg-deb", "--raw-extract", self.packages["flint-limiter"], root)
        return root

    def files(self, package):
        listed = run("dpkg-deb", "--contents", self.packages[package])
        return set(re.findall(r"^-.* \./(.*)$", listed, re.MULTILINE))

    def test_four_packages(self):
        self.assertEqual({"flint-limiter", "libflint-limiter-dev", "libflint-limiter-client-dev", "libflint-limiter-c"},
                         set(self.packages))

    def test_what_the_packages_say(self):
        for package, section in (("flint-limiter", "net"), ("libflint-limiter-dev", "libdevel"),
                                 ("libflint-limiter-client-dev", "libdevel"), ("libflint-limiter-c", "libs")):
            fields = self.fields(package)
            self.assertEqual(section, fields["Section"])
            self.assertEqual(self.version, fields["Version"])
            self.assertRegex(fields["Description"], r"\A\S.*\n \S")
            self.assertRegex(fields["Maintainer"], r"\A\S.* <\S+@\S+\.\S+>\Z")
        self.assertRegex(self.fields("flint-limiter")["Depends"], r"\badduser\b.*\blibc6 \(>= ")
        self.assertRegex(self.fields("libflint-limiter-dev")["Depends"], r"\blibfmt-dev\b")
        self.assertRegex(self.fields("libflint-limiter-client-dev")["Depends"],
                         r"\blibflint-limiter-dev \(= .*libssl-dev")
        self.assertRegex(self.fields("libflint-limiter-c")["Depends"], r"\blibssl3\b")

    def test_what_is_in_them(self):
        documents = {f"usr/share/doc/flint-limiter/{path.relative_to(ROOT)}"
                     for path in (ROOT / "docs").rglob("*") if path.is_file()}
        self.assertEqual({
            "usr/bin/flint",
            "usr/lib/systemd/system/flint.service", "usr/lib/systemd/system/flint.socket",
            "usr/share/bash-completion/completions/flint", "usr/share/zsh/vendor-completions/_flint",
            "usr/share/man/man1/flint.1.gz",
            "usr/share/doc/flint-limiter/README.md", "usr/share/doc/flint-limiter/changelog.gz",
            "usr/share/doc/flint-limiter/copyright",
            *(f"usr/share/doc/flint-limiter/examples/{name}" for name in ("flint.toml", "alerts.yml", "flint.json")),
            *documents}, self.files("flint-limiter"))
        headers = {f"usr/include/flint-limiter/flint/{path.name}" for path in (ROOT / "include/flint").iterdir()}
        files = self.files("libflint-limiter-dev")
        self.assertLess(headers, files)
        for name in ("libflint-limiter.a", "pkgconfig/flint-limiter.pc", "flint-limiter-config.cmake"):
            self.assertTrue(any(path.startswith("usr/lib/") and path.endswith(f"/{name}") for path in files), files)
        self.assertEqual(set(), files & self.files("flint-limiter"))
        client, interface = self.files("libflint-limiter-client-dev"), self.files("libflint-limiter-c")
        self.assertTrue(any(path.endswith("/libflint-limiter-client.a") for path in client), client)
        self.assertTrue(any(path.endswith("/pkgconfig/flint-limiter-client.pc") for path in client), client)
        self.assertIn("usr/include/flint-limiter/flint_limiter.h", interface)
        self.assertTrue(any(path.endswith(f"/libflint-limiter-c.so.{self.version}") for path in interface), interface)
        self.assertEqual(set(), files & (client | interface))

    def test_all_belongs_to_root_and_nobody_else_can_write(self):
        for package in self.packages.values():
            for line in run("dpkg-deb", "--contents", package).splitlines():
                self.assertRegex(line, r"^([d-]rw[x-]r-[x-]r-[x-]|lrwxrwxrwx) root/root ")

    def test_the_command_runs_and_the_service_names_it(self):
        root = self.command_root()
        self.assertEqual(f"flint {self.version}\n", run(root / "usr/bin/flint", "--version"))
        unit = (root / "usr/lib/systemd/system/flint.service").read_text()
        self.assertIn("\nExecStart=/usr/bin/flint server start ", unit)
        self.assertNotIn("@", unit.replace("@system-service", "").replace("~@privileged @resources", ""))

    def test_scripts_and_papers_are_as_debian_wants_them(self):
        root = self.command_root()
        for script in ("postinst", "postrm", "prerm"):
            run("sh", "-n", root / "DEBIAN" / script)
            self.assertEqual(0o755, (root / "DEBIAN" / script).stat().st_mode & 0o777)
        terms = (root / "usr/share/doc/flint-limiter/copyright").read_text()
        # The same words as in LICENSE, in Debian's form.
        told = re.sub(r"^ \.?", "", terms[terms.rindex("License: "):], flags=re.MULTILINE)
        self.assertIn(re.sub(r"\s+", " ", (ROOT / "LICENSE").read_text().split("\n", 4)[4]).strip(),
                      re.sub(r"\s+", " ", told))
        with gzip.open(root / "usr/share/doc/flint-limiter/changelog.gz", "rt") as changes:
            self.assertIn(f"## [{self.version}]", changes.read())


if __name__ == "__main__":
    unittest.main(verbosity=2)
