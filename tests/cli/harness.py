"""Runs the real flint program, with and without a server, in folders that are gone afterwards."""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

FLINT = Path(sys.argv.pop(1)).resolve() if len(sys.argv) > 1 else None
DONE, DENIED, USAGE, FAILED = 0, 1, 2, 3
DEADLINE = 60
OWN_VARIABLES = {"FLINT_DATA_DIR", "FLINT_SERVER", "FLINT_SERVER_TOKEN", "FLINT_SERVER_CA", "FLINT_SERVER_CERT",
                 "FLINT_SERVER_KEY", "NO_COLOR"}


def environment(extra=None):
    clean = {name: value for name, value in os.environ.items() if name not in OWN_VARIABLES}
    return {**clean, **(extra or {})}


class Outcome:
    def __init__(self, done):
        self.code = done.returncode
        self.out = done.stdout.decode()
        self.err = done.stderr.decode()

    def json(self):
        return json.loads(self.out)


def flint(*arguments, env=None, cwd=None, **options):
    """Runs flint to its end; both outputs are kept unless `options` send them elsewhere."""
    options.setdefault("stdout", subprocess.PIPE)
    options.setdefault("stderr", subprocess.PIPE)
    if "input" not in options:
        options.setdefault("stdin", subprocess.DEVNULL)
    done = subprocess.run([FLINT, *arguments], env=environment(env), cwd=cwd, timeout=DEADLINE, check=False,
                          **options)
    done.stdout = done.stdout or b""
    done.stderr = done.stderr or b""
    return Outcome(done)


def wait_until(condition, what):
    give_up_at = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > give_up_at:
            raise AssertionError(f"waited {DEADLINE} s in vain: {what}")
        time.sleep(0.01)


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def accepts(family, address):
    with socket.socket(family) as probe:
        try:
            probe.connect(address)
            return True
        except OSError:
            return False


class Server:
    """A `flint server start` on a free port of the loopback, ended by the `with` or by stop()."""

    def __init__(self, data_dir, *arguments, env=None, bind=None):
        self.data_dir = Path(data_dir)
        self.bind = bind or f"127.0.0.1:{free_port()}"
        self.url = self.bind if self.bind.startswith("unix:") else f"http://{self.bind}"
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [FLINT, "--data-dir", data_dir, "server", "start", "--bind", self.bind, *arguments],
            env=environment(env), stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)

    def __enter__(self):
        try:
            wait_until(self._listens, "the server to listen")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self.log.close()

    def _listens(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}: {self.logged()}")
        return self._accepts(str(self.data_dir / "flint.sock")) and self._accepts(self.bind)

    @staticmethod
    def _accepts(address):
        """Whether somebody listens at `HOST:PORT`, `unix:PATH` or a path of any length."""
        if not address.startswith(("unix:", "/")):
            host, _, port = address.rpartition(":")
            return accepts(socket.AF_INET, (host, int(port)))
        path = Path(address.removeprefix("unix:"))
        try:
            directory = os.open(path.parent, os.O_PATH)
        except FileNotFoundError:
            return False
        try:
            return accepts(socket.AF_UNIX, f"/proc/self/fd/{directory}/{path.name}")
        finally:
            os.close(directory)

    def logged(self):
        # Without moving the place in the file, which is the server's as well: it would write over what it wrote.
        return os.pread(self.log.fileno(), os.fstat(self.log.fileno()).st_size, 0).decode(errors="replace")

    def stop(self, number=signal.SIGTERM):
        """The exit code after a signal."""
        self.process.send_signal(number)
        return self.process.wait(DEADLINE)


class FlintTest(unittest.TestCase):
    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="flint-cli-"))
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.data_dir = self.folder / "data"

    def local(self, *arguments, **options):
        return flint("--data-dir", self.data_dir, *arguments, **options)

    def ok(self, outcome, code=DONE):
        self.assertEqual(outcome.code, code, outcome.err)
        return outcome

    def refused(self, outcome, code, *words):
        """Failed with `code` and one sentence for a person that has all `words` in it."""
        self.assertEqual(outcome.code, code, outcome.out + outcome.err)
        self.assertRegex(outcome.err, r"\Aflint: .+\n\Z")
        for word in words:
            self.assertIn(word, outcome.err)


VARYING = re.compile(r"(_at|_after_ms)$|^(at|seq)$")


def comparable(value):
    """An answer without what differs from run to run: times, waits, and the places of events in the log."""
    if isinstance(value, list):
        return [comparable(element) for element in value]
    if isinstance(value, dict):
        return {name: "varies" if VARYING.search(name) and member is not None else comparable(member)
                for name, member in value.items()}
    return value
