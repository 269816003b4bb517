"""The Dockerfile without Docker: it copies what is there, its commands run, and so does its probe."""

import json
import os
import re
import subprocess
import sys
import unittest
from pathlib import Path

ROOT = Path(os.environ["FLINT_ROOT"])
sys.path.insert(0, str(ROOT / "tests/cli"))

from harness import DONE, USAGE, FlintTest, Server  # noqa: E402

# Instructions of one line each.
LINES = re.sub(r"\\\n\s*", "", (ROOT / "packaging/Dockerfile").read_text()).splitlines()


def instruction(start):
    return [line for line in LINES if line.startswith(start)]


def words(line):
    """The list that an instruction ends with."""
    return json.loads(line[line.index("["):])


class DockerfileTest(FlintTest):
    def probe(self, port):
        command = [word.replace("/7878", f"/{port}") for word in words(instruction("HEALTHCHECK")[0])]
        return subprocess.run(command, capture_output=True, check=False).returncode

    def test_what_it_copies_is_there(self):
        copied = [line.split()[1] for line in instruction("COPY ")]
        self.assertIn(".", copied)
        for path in copied:
            self.assertTrue((ROOT / path).exists(), path)
        groups = re.findall(r'\$1 == "(\w+)"', "\n".join(LINES))
        listed = {line.split()[0] for line in (ROOT / "packaging/debian-packages.txt").read_text().splitlines()
                  if line and not line.startswith("#")}
        self.assertEqual(set(), set(groups) - listed)

    def test_the_container_does_not_start_without_a_token_and_does_with_one(self):
        arguments = words(instruction("CMD ")[0])
        self.assertEqual(["flint"], words(instruction("ENTRYPOINT ")[0]))
        free = [word.replace(":7878", ":0") for word in arguments]
        self.refused(self.local(*free), USAGE, "set a token")
        self.assertEqual(DONE, self.local(*arguments, "--help").code)

    def test_the_probe_tells_a_server_that_is_ready(self):
        with Server(self.data_dir, env={"FLINT_SERVER_TOKEN": "secret"}) as server:
            port = server.bind.rpartition(":")[2]
            self.assertEqual(0, self.probe(port))
            server.stop()
        self.assertNotEqual(0, self.probe(port))

    def test_what_the_container_is(self):
        self.assertEqual(["USER flint"], instruction("USER "))
        data_dir = instruction("ENV FLINT_DATA_DIR=")[0].partition("=")[2]
        self.assertEqual([f"VOLUME {data_dir}"], instruction("VOLUME "))
        self.assertEqual(["EXPOSE 7878"], instruction("EXPOSE "))


if __name__ == "__main__":
    unittest.main(verbosity=2)
