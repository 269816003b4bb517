"""A flint server whose system calls strace writes down, and what its calls were."""

import http.client
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

FLINT = Path(sys.argv.pop(1)).resolve()
DEADLINE = 60
CALLS = ("openat,mkdir,mkdirat,write,pwrite64,pwritev,fallocate,ftruncate,fdatasync,fsync,sync_file_range,msync,"
         "rename,renameat,renameat2,unlink,unlinkat,flock,recvfrom,recvmsg,read,sendto,sendmsg")
ENVIRONMENT = {name: value for name, value in os.environ.items() if not name.startswith("FLINT_")}


def reason_to_skip():
    """Why no process can be traced here, or None."""
    if not shutil.which("strace"):
        return "strace is not installed"
    tried = subprocess.run(["strace", "-f", "-o", "/dev/null", "true"], stdin=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, check=False)
    return f"strace may not trace here: {tried.stderr.decode()}" if tried.returncode != 0 else None


def wait_until(condition, what):
    give_up_at = time.monotonic() + DEADLINE
    while not condition():
        if time.monotonic() > give_up_at:
            raise AssertionError(f"waited {DEADLINE} s in vain: {what}")
        time.sleep(0.01)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=DEADLINE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Server:
    """`flint server start`, under strace if it is given options; ended by the `with`."""

    def __init__(self, data_dir, *arguments, strace=None):
        self.data_dir = Path(data_dir)
        # Beside the data directory, and short: the path of a Unix socket has at most 107 bytes.
        self.socket = self.data_dir.parent / "socket"
        tracer = [] if strace is None else ["strace", "-f", "-y", "-s", "512", "-e", "signal=none", *strace]
        self.log = tempfile.TemporaryFile()
        self.process = subprocess.Popen(
            [*tracer, FLINT, "--data-dir", data_dir, "server", "start", "--bind", f"unix:{self.socket}",
             "--threads", "1", *arguments],
            env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log)
        self.traced = strace is not None

    def __enter__(self):
        try:
            wait_until(self._listens, "the server to listen")
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.signal("KILL")
            self.process.wait(DEADLINE)
        self.log.close()

    def _listens(self):
        if self.process.poll() is not None:
            raise AssertionError(f"the server ended with {self.process.returncode}: {self.logged()}")
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.socket)) == 0

    def pid(self):
        own = self.process.pid
        if not self.traced:
            return own
        return int(Path(f"/proc/{own}/task/{own}/children").read_text().split()[0])

    def signal(self, name):
        # kill(1) knows the signals by name, and a process that has just ended is no error.
        subprocess.run(["kill", f"-{name}", str(self.pid())], stderr=subprocess.DEVNULL, check=False)

    def stop(self):
        self.signal("TERM")
        return self.wait()

    def abandon(self):
        """A kill while strace holds a system call back, and so would not notice that the server has ended."""
        self.signal("KILL")
        self.process.kill()
        self.process.wait(DEADLINE)

    def wait(self):
        """The exit status; strace ends with that of the server."""
        return self.process.wait(DEADLINE)

    def logged(self):
        # Without moving the place in the file, which is the server's as well: it would write over what it wrote.
        return os.pread(self.log.fileno(), os.fstat(self.log.fileno()).st_size, 0).decode(errors="replace")

    def connection(self):
        return UnixConnection(self.socket)

    def post(self, path, body=None, connection=None):
        """(status, answer), over a connection of its own or a given one."""
        used = connection or self.connection()
        used.request("POST", path, None if body is None else json.dumps(body), {"Content-Type": "application/json"})
        answer = used.getresponse()
        content = json.loads(answer.read())
        if connection is None:
            used.close()
        return answer.status, content

    def check(self, key="user:1", connection=None):
        return self.post("/v1/check", {"key": key}, connection)


class Call:
    """One system call. `begin` and `end` are places in the order of all calls' beginnings and ends."""

    def __init__(self, begin, name, arguments):
        self.begin = begin
        self.end = None
        self.name = name
        self.arguments = arguments
        self.result = None

    @property
    def ok(self):
        return self.result is not None and not self.result.startswith(("-", "?"))

    @property
    def path(self):
        """Of the descriptor that is the first argument."""
        match = re.match(r"-?\w+<([^>]*)>", self.arguments)
        return match.group(1) if match else ""

    def names(self):
        """The arguments in quotes: of a rename, from and to."""
        return re.findall(r'"((?:[^"\\]|\\.)*)"', self.arguments)

    def __repr__(self):
        return f"{self.begin}-{self.end} {self.name}({self.arguments[:160]}) = {self.result}"


LINE = re.compile(r"^(\d+) +(?:<\.\.\. (\w+) resumed>|(\w+)\()(.*)$")
RESULT = re.compile(r"^(.*?)\) += (-?\w+.*)$")


def read_trace(path):
    """The calls of a trace, in the order in which they began."""
    calls, open_calls = [], {}
    for place, line in enumerate(Path(path).read_text(errors="replace").splitlines()):
        match = LINE.match(line)
        if not match:
            continue
        thread, resumed, begun, rest = match.groups()
        if begun:
            call = Call(place, begun, "")
            calls.append(call)
        else:
            call = open_calls.pop(thread)
        unfinished = rest.removesuffix(" <unfinished ...>")
        if unfinished != rest:
            call.arguments += unfinished
            open_calls[thread] = call
            continue
        result = RESULT.match(rest)
        if result:
            call.arguments += result.group(1)
            call.result = result.group(2)
            call.end = place
    return calls


class TraceTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        reason = reason_to_skip()
        if reason:
            raise unittest.SkipTest(reason)

    def setUp(self):
        self.folder = Path(tempfile.mkdtemp(prefix="flint-calls-")).resolve()
        self.addCleanup(shutil.rmtree, self.folder, ignore_errors=True)
        self.data_dir = self.folder / "data"
        self.trace = self.folder / "trace"

    def ok(self, answer):
        self.assertEqual(answer[0], 200, answer[1])
        return answer[1]

    def traced(self, *arguments, more_calls=""):
        return Server(self.data_dir, *arguments, strace=["-o", self.trace, "-e", f"trace={CALLS}{more_calls}"])
