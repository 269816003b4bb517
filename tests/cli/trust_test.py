"""Whom the command believes: sockets and directories of other users, and answers of strangers."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import threading
import unittest

from harness import DONE, FAILED, FLINT, USAGE, FlintTest, Server, environment, flint

SELF, OTHER = 10_001, 10_002  # users that need no name


class UnixRecorder:
    """A process that listens at `path`, perhaps as another user, answers all requests alike, and tells what it got."""

    PROGRAM = """
import os, socket, sys
path, user, answer = sys.argv[1], int(sys.argv[2]), sys.argv[3].encode().decode("unicode_escape").encode()
directory = os.open(os.path.dirname(path), os.O_PATH)
os.setuid(user) if user else None
listener = socket.socket(socket.AF_UNIX)
listener.bind(f"/proc/self/fd/{directory}/{os.path.basename(path)}")
os.chmod(path, 0o666)
listener.listen()
print("ready", flush=True)
while True:
    connection, _ = listener.accept()
    with connection:
        got = connection.recv(65536)
        print(repr(got), flush=True)
        if got:
            connection.sendall(answer)
"""

    def __init__(self, path, answer, user=0):
        arguments = [sys.executable, "-c", self.PROGRAM, str(path), str(user),
                     answer.encode("unicode_escape").decode()]
        self.process = subprocess.Popen(arguments, stdout=subprocess.PIPE, text=True)
        assert self.process.stdout.readline() == "ready\n"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def received(self):
        self.process.kill()
        return self.process.stdout.read()


def http(body, status="200 OK"):
    return f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n{body}"


DECISION = ('{"key":"k","allowed":true,"cost":1,"limit":9,"remaining":8,"reset_at":"2026-01-01T00:00:00.000Z",'
            '"reset_after_ms":1,"retry_after_ms":0,"algorithm":"token_bucket"}')
TOKEN = {"FLINT_SERVER_TOKEN": "s3cret"}


@contextlib.contextmanager
def held(lock):
    """Another process that holds a directory."""
    holder = subprocess.Popen(
        [sys.executable, "-c", "import fcntl, sys\nf = open(sys.argv[1], 'a+b')\nfcntl.flock(f, fcntl.LOCK_EX)\n"
                               "print('held', flush=True)\nsys.stdin.read()", lock],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    try:
        holder.stdout.readline()
        yield
    finally:
        holder.communicate()


class SocketTest(FlintTest):
    # Symptom: the command sent its token to whoever owned flint.sock in the data directory, here of the current folder.
    def test_no_token_goes_to_the_socket_of_a_directory(self):
        self.ok(self.local("limit", "add", "k", "--rate", "1", "--per", "1h"))
        for arguments in (["limit", "list"], ["doctor"], ["limit", "check", "k"], ["limit", "reset", "k"],
                          ["limit", "add", "k", "--rate", "1", "--per", "1h"]):
            for answer in (http(DECISION), http('{"error":"no","code":"unauthorized"}', "401 Unauthorized")):
                with self.subTest(arguments=arguments), held(self.data_dir / "flint.lock"), \
                        UnixRecorder(self.data_dir / "flint.sock", answer) as recorder:
                    self.local(*arguments, env=TOKEN)
                    received = recorder.received()
                    self.assertIn("HTTP/1.1", received)
                    self.assertNotIn("s3cret", received)
                os.unlink(self.data_dir / "flint.sock")

    def test_a_token_goes_to_a_named_socket_only_when_it_asks(self):
        path = self.folder / "named.sock"
        with UnixRecorder(path, http(DECISION)) as recorder:
            self.ok(flint("--server", f"unix:{path}", "limit", "check", "k", env=TOKEN))
            self.assertNotIn("s3cret", recorder.received())
        with Server(self.data_dir, bind=f"unix:{self.folder}/asks.sock", env=TOKEN) as server:
            self.ok(flint("--server", server.url, "limit", "list", env=TOKEN))
            self.refused(flint("--server", server.url, "limit", "list"), USAGE, "token")
            self.ok(self.local("limit", "list"))

    def test_a_dead_socket_is_said_to_be_one(self):
        """A stale flint.sock sent people to a server that was gone."""
        path = self.folder / "dead.sock"
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(str(path))
        self.refused(flint("--server", f"unix:{path}", "limit", "list"), FAILED, "no server listens there any more")


@unittest.skipUnless(os.geteuid() == 0, "needs root, to act as two other users")
class UsersTest(FlintTest):
    def setUp(self):
        super().setUp()
        os.chmod(self.folder, 0o755)
        self.binary = self.folder / "flint"  # where users other than root can read it
        shutil.copy(FLINT, self.binary)
        self.data_dir.mkdir()

    def act(self, user, *arguments):
        done = subprocess.run([self.binary, *arguments], env=environment(TOKEN), user=user, group=user,
                              extra_groups=[], stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
        done.out, done.err = done.stdout.decode(), done.stderr.decode()
        done.code = done.returncode
        return done

    def own(self, user, mode=0o755):
        os.chown(self.data_dir, user, user)
        os.chmod(self.data_dir, mode)

    def check(self, user, *where):
        return self.act(user, *(where or ("--data-dir", self.data_dir)), "limit", "check", "k")

    def test_a_process_of_a_third_user_is_asked_nothing(self):
        # Symptom: a socket that another user had put into a directory was asked, and believed: "Allowed".
        self.own(SELF, 0o777)
        lock = self.data_dir / "flint.lock"
        lock.touch()
        os.chmod(lock, 0o666)
        (self.data_dir / "manifest").touch()
        os.chown(self.data_dir / "manifest", SELF, SELF)
        path = self.data_dir / "flint.sock"
        with held(lock), UnixRecorder(path, http(DECISION), OTHER) as recorder:
            for where in ((), ("--server", f"unix:{path}")):
                outcome = self.check(SELF, *where)
                self.assertEqual((outcome.code, outcome.out), (FAILED, ""), outcome.err)
                self.assertIn(f"listens a process of user {OTHER}", outcome.err)
            outcome = self.act(SELF, "--data-dir", self.data_dir, "doctor")
            self.assertIn(f"listens a process of user {OTHER}", outcome.err)
            self.assertNotIn("HTTP", recorder.received())

    def test_an_owner_who_is_neither_the_caller_nor_root_is_named(self):
        path = self.data_dir / "flint.sock"
        for caller in (SELF, 0):
            self.own(OTHER)
            with UnixRecorder(path, http(DECISION), OTHER):
                outcome = self.check(caller, "--server", f"unix:{path}")
            path.unlink()
            self.assertEqual(outcome.code, DONE, outcome.err)
            self.assertIn(f"belongs to user {OTHER}", outcome.err)
            self.assertIn(f"belongs to user {OTHER}", self.act(caller, "--data-dir", self.data_dir, "doctor").err)

    def test_root_the_owner_and_the_caller_are_believed(self):
        path = self.data_dir / "flint.sock"
        for owner, listens in ((SELF, SELF), (SELF, 0), (0, 0), (0, SELF)):
            self.own(owner, 0o777)
            with self.subTest(owner=owner, listens=listens), UnixRecorder(path, http(DECISION), listens):
                outcome = self.check(SELF, "--server", f"unix:{path}")
                self.assertEqual((outcome.code, outcome.err), (DONE, ""))
            path.unlink()

    def test_a_directory_that_others_can_write_is_warned_of(self):
        self.own(SELF, 0o700)
        self.assertEqual(self.act(SELF, "--data-dir", self.data_dir, "limit", "add", "k", "--rate=9", "--per=1h").code,
                         DONE)
        self.assertEqual(self.check(SELF).err, "")
        for mode in (0o722, 0o702, 0o720):
            os.chmod(self.data_dir, mode)
            self.assertIn(f"chmod go-w {self.data_dir}", self.check(SELF).err)


class Stream:
    """A TCP server that sends `head` and then `piece` until the client has had enough; counts what was taken."""

    def __init__(self, head, piece, most=1 << 30):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self.listener.getsockname()[1]}"
        self.head, self.piece, self.most, self.sent = head, piece, most, 0
        self.thread = threading.Thread(target=self.serve)

    def serve(self):
        connection, _ = self.listener.accept()
        with connection, contextlib.suppress(OSError):
            connection.recv(65536)
            connection.sendall(self.head)
            while self.sent < self.most:
                self.sent += connection.send(self.piece)

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *_):
        self.thread.join()
        self.listener.close()


class BoundTest(FlintTest):
    """Symptom: an endless chunk extension was read, and kept, for as long as it came."""

    CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    ANSWERS = {
        "head": (b"HTTP/1.1 200 OK\r\n", b"X-Field: value\r\n" * 100, 1 << 20),
        "line of the head": (b"HTTP/1.1 200 OK\r\nX: ", b"x" * 1000, 1 << 20),
        "chunk extension": (CHUNKED + b"1;", b"x" * 1000, 1 << 20),
        "trailer": (CHUNKED + b"1\r\n1\r\n0\r\nX: ", b"x" * 1000, 1 << 20),
        "trailers": (CHUNKED + b"1\r\n1\r\n0\r\n", b"X: y\r\n" * 200, 1 << 20),
        "chunks": (CHUNKED, b"10000\r\n" + b" " * 65536 + b"\r\n", 66 << 20),
        "body without a length": (b"HTTP/1.1 200 OK\r\n\r\n", b" " * 65536, 66 << 20),
        "declared length": (b"HTTP/1.1 200 OK\r\nContent-Length: 9999999999\r\n\r\n", b" " * 65536, 1 << 20),
    }
    SOCKET_BUFFERS = 8 << 20

    def test_an_answer_without_an_end(self):
        for what, (head, piece, bound) in self.ANSWERS.items():
            with self.subTest(what), Stream(head, piece) as stream:
                self.refused(flint("--server", stream.url, "limit", "list", "--json"), FAILED, stream.url)
            self.assertLess(stream.sent, bound + self.SOCKET_BUFFERS, what)


class KeyTest(FlintTest):
    DECEPTIVE = "\u202e\u2066\u200b\u00ad\u3164\u2800\u00a0\U000e0041\ufe0f\u115f\u180e\u2060"

    def test_what_cannot_be_seen_is_written_out(self):
        """Invisible and bidirectional characters of keys were raw in tables and sentences."""
        keys = [f"a{character}b" for character in self.DECEPTIVE]
        self.ok(self.local("limit", "add", "first", "--rate=1", "--per=1h"))
        for key in keys:
            outcomes = [self.local("limit", *words) for words in (
                ["check", key], ["add", key, "--rate=1", "--per=1h"], ["check", key], ["check-all", key],
                ["status", key], ["reset", key])]
            outcomes.append(self.local(key))
            for outcome in outcomes:
                self.assertNotIn(key, outcome.out + outcome.err)
                self.assertIn(f"{ord(key[1]):04x}", outcome.out + outcome.err)
        for words in (["list"], ["top"], ["top", "--by=allowed"]):
            outcome = self.ok(self.local("limit", *words))
            self.assertFalse(set(self.DECEPTIVE) & set(outcome.out), outcome.out)
        self.assertEqual([status["key"] for status in self.local("limit", "list", "--json").json()],
                         sorted([*keys, "first"], key=str.encode))


if __name__ == "__main__":
    unittest.main(verbosity=2)
