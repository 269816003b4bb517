#!/usr/bin/env python3
"""Counts the instructions of fixed workloads with callgrind.

    tests/instructions/measure.py WORKLOADS FLINT

WORKLOADS and FLINT are the programs that a build makes (`workloads`, `flint`). Each line printed is a row of
budgets.txt. To compare two commits, run it for the programs of both.

Each workload runs twice, with few operations and with many: the difference is the cost of the operations alone,
without start and end.
"""

import json
import os
import platform
import re
import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FEW = 200
# Operations beyond FEW.
MANY = {"check_batch": 10_000, "check_always": 2_000, "check_always_decide": 10_000, "check_denied": 10_000,
        "check_all_of_four": 2_500, "check_window": 10_000, "check_by_pattern": 10_000, "check_carried": 10_000,
        "birth_by_pattern": 10_000, "birth_carried": 10_000, "birth_and_end": 10_000, "replay": 10_000,
        "http_check": 2_000, "http_denied": 2_000, "http_always": 2_000, "http_gate": 2_000}
# Those of a server: its sync mode, whether the checks are allowed, and whether a gate is asked.
SERVED = {"http_check": ("batch", True, False), "http_denied": ("batch", False, False),
          "http_always": ("always", True, False), "http_gate": ("batch", True, True)}
DEADLINE = 120
# epoll_wait and epoll_pwait, as /proc shows them; and the threads of the server that wait in them when nothing is to be
# done: the main thread, the acceptor and one I/O thread.
EPOLL_WAITS = {"x86_64": ("232 ", "281 "), "aarch64": ("22 ",)}.get(platform.machine())
LOOPS = 3

# What glibc and others choose by the processor's features is chosen alike everywhere.
ENVIRONMENT = {**{name: value for name, value in os.environ.items() if not name.startswith("FLINT_")},
               "GLIBC_TUNABLES": "glibc.cpu.hwcaps=-AVX2,-AVX,-AVX512F,-AVX512VL,-ERMS,-FSRM,-BMI2"}


def scratch_parent():
    """Memory, which every Linux has and where the log is mapped as on ext4; else the usual temporary folder."""
    return "/dev/shm" if os.access("/dev/shm", os.W_OK) else None


def callgrind(out, *options):
    return ["valgrind", "--quiet", "--tool=callgrind", "--separate-threads=yes", f"--callgrind-out-file={out}",
            *options]


def counted(folder):
    """Instructions of each thread, in the order in which they were started."""
    totals = [re.search(r"^totals: (\d+)", path.read_text(), re.MULTILINE)
              for path in sorted(folder.glob("callgrind.out-*"))]
    return [int(total.group(1)) if total else 0 for total in totals]


def embedded(workloads, name, operations, folder):
    counting = callgrind(folder / "callgrind.out", "--collect-atstart=no", "--toggle-collect=measured")
    subprocess.run([*counting, workloads, name, str(operations), folder], env=ENVIRONMENT, stdin=subprocess.DEVNULL,
                   check=True, timeout=DEADLINE)


class Client:
    """One connection that sends a request and reads its answer, and then the next.

    Each request is sent when the server waits for it. One that came before the server had asked for it would save it
    the wait, some 350 instructions, and whether it does is the scheduler's choice: the counts differed by 3 %.
    """

    def __init__(self, path, server):
        self.threads = Path(f"/proc/{server.pid}/task")
        give_up_at = time.monotonic() + DEADLINE
        while True:
            self.socket = socket.socket(socket.AF_UNIX)
            self.socket.settimeout(DEADLINE)
            try:
                return self.socket.connect(str(path))
            except OSError:
                self.socket.close()
                if server.poll() is not None or time.monotonic() > give_up_at:
                    raise
                time.sleep(0.05)

    def waits(self):
        """Whether the server waits for a request; true as well where that may not be looked at."""
        if EPOLL_WAITS is None:
            return True
        try:
            calls = [(thread / "syscall").read_text() for thread in self.threads.iterdir()]
        except OSError:
            return True
        return sum(call.startswith(EPOLL_WAITS) for call in calls) == LOOPS

    def post(self, path, body):
        payload = json.dumps(body).encode()
        head, rest = self.ask(f"POST {path} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                              f"Content-Length: {len(payload)}\r\n\r\n".encode() + payload)
        length = int(re.search(rb"(?i)content-length: (\d+)", head).group(1))
        while len(rest) < length:
            rest += self.receive()
        return json.loads(rest)

    def passes(self, key):
        """Asks a gate."""
        head, _ = self.ask(f"GET /v1/gate?key={key} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
        return head.startswith(b"HTTP/1.1 204 ")

    def ask(self, request):
        """The head of the answer, and what has come behind it."""
        give_up_at = time.monotonic() + DEADLINE
        while not self.waits():
            if time.monotonic() > give_up_at:
                raise RuntimeError("the server does not wait for requests")
        self.socket.sendall(request)
        answer = b""
        while b"\r\n\r\n" not in answer:
            answer += self.receive()
        head, _, rest = answer.partition(b"\r\n\r\n")
        return head, rest

    def receive(self):
        received = self.socket.recv(65536)
        if not received:
            raise RuntimeError("the server ended the connection")
        return received


def served(flint, sync, allowed, by_gate, operations, folder):
    """`operations` checks, one after the other, over one connection to a server of one thread."""
    data = folder / "data"
    server = subprocess.Popen(
        [*callgrind(folder / "callgrind.out"), flint, "--data-dir", data, "server", "start", "--bind",
         f"unix:{folder / 'socket'}", "--sync", sync, "--flush-every-events", "1000000", "--threads", "1"],
        env=ENVIRONMENT, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    try:
        client = Client(folder / "socket", server)
        rate = 1 << 40 if allowed else 1
        if client.post("/v1/limits", {"key": "user:1", "rate": rate, "per": "1d"}) != {"ok": True}:
            raise RuntimeError("the limit was not taken")
        client.post("/v1/check", {"key": "user:1"})
        for _ in range(operations):
            passed = client.passes("user:1") if by_gate else client.post("/v1/check", {"key": "user:1"})["allowed"]
            if passed != allowed:
                raise RuntimeError("a check was decided otherwise than meant")
        server.terminate()
        if server.wait(DEADLINE) != 0:
            raise RuntimeError(f"the server ended with {server.returncode}: {server.stderr.read().decode()}")
    finally:
        if server.poll() is None:
            server.kill()
            server.wait()
        server.stderr.close()


def per_operation(workloads, flint, name):
    counts = []
    for operations in (FEW, FEW + MANY[name]):
        with tempfile.TemporaryDirectory(prefix="flint-instructions-", dir=scratch_parent()) as place:
            folder = Path(place)
            if name in SERVED:
                served(flint, *SERVED[name], operations, folder)
            else:
                embedded(workloads, name, operations, folder)
            counts.append(counted(folder))
    # Of the thread that does them. The others wake up at times of their own.
    return max(many - few for few, many in zip(*counts)) / MANY[name]


def main():
    workloads, flint = (Path(argument).resolve() for argument in sys.argv[1:3])
    for name in MANY:
        print(f"{name:20} {per_operation(workloads, flint, name):9.0f}", flush=True)


if __name__ == "__main__":
    main()
