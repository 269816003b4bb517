"""./dev serve, with a compiler and a server that do nothing."""

import os
import shutil
import socket
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
IDLE = "#!/bin/sh\necho \"$0 $*\" >&2\n"


class ServeTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory(prefix="flint-dev-")
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        shutil.copy(ROOT / "dev", self.folder)
        (self.folder / "packaging").mkdir()
        for program in ("bin/cmake", "bin/ninja", "build/release/flint"):
            path = self.folder / program
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(IDLE)
            path.chmod(0o755)
        (self.folder / "packaging" / "debian-packages.txt").write_text("")
        (self.folder / "CMakePresets.json").write_text("")

    def serve(self, *arguments):
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        return subprocess.run([self.folder / "dev", "serve", *arguments], env={**os.environ, "PATH": path},
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=60, check=False)

    def test_a_taken_port_is_noticed_before_the_build(self):
        """A taken port was noticed after minutes of building."""
        with socket.create_server(("127.0.0.1", 0)) as taken:
            address = f"127.0.0.1:{taken.getsockname()[1]}"
            done = self.serve("--bind", address)
        self.assertEqual(done.returncode, 1)
        self.assertIn(f"something listens on {address} already", done.stderr)
        self.assertNotIn("ninja", done.stderr)

    def test_it_says_what_to_try(self):
        """After the start nothing said what to try."""
        done = self.serve("--bind", "127.0.0.1:0", "--data-dir", "a b")
        self.assertEqual(done.returncode, 0, done.stderr)
        flint = rf"{self.folder}/build/release/flint --data-dir a\ b"
        self.assertIn(f"Try in another shell: {flint} limit add demo 3/h && {flint} limit check demo\n",
                      done.stderr)
        self.assertIn("flint --data-dir a b server start --bind 127.0.0.1:0", done.stderr)

    def test_what_the_first_screen_needs_is_installed(self):
        """curl, which README.md begins with, was not installed by ./dev serve."""
        packages = (ROOT / "packaging" / "debian-packages.txt").read_text()
        self.assertRegex(packages, r"(?m)^serve +curl ")
        self.assertIn("need build serve", (ROOT / "dev").read_text())


if __name__ == "__main__":
    unittest.main(verbosity=2)
