#!/usr/bin/env python3
"""Kills a real server with SIGKILL while clients check, starts it again, and counts what was forgotten.

Acknowledged grants that a restart forgets are lost; grants beyond what the limit allows are over-admitted. Both must be
0. A check without an answer may cost quota, and may never grant it.

Usage: kill_loop.py FLINT [--rounds 10] [--mode always|batch] [--clients 4] [--seed N]
"""

import argparse
import http.client
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time

# Windows of a year: within a run no unit comes back, so what is spent is what was ever granted.
LARGE, SMALL = 10**9, 5000


class Server:
    def __init__(self, flint, directory, mode):
        self.command = [flint, "--data-dir", directory, "server", "start", "--bind", "127.0.0.1:0", "--sync", mode]
        self.process = None
        self.port = 0

    def start(self):
        self.process = subprocess.Popen(self.command, stderr=subprocess.PIPE, stdin=subprocess.DEVNULL, text=True)
        for line in self.process.stderr:
            if "http://127.0.0.1:" in line:
                self.port = int(line.split("http://127.0.0.1:")[1].split()[0].split("/")[0])
                threading.Thread(target=self.process.stderr.read, daemon=True).start()
                return
        sys.exit(f"the server did not start: {self.process.wait()}")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=20)


def post(connection, path, body):
    connection.request("POST", path, json.dumps(body), {"Content-Type": "application/json"})
    answer = connection.getresponse()
    return answer.status, json.loads(answer.read())


class Client(threading.Thread):
    """Checks random costs of its own key and of one that all share, until the connection breaks."""

    def __init__(self, port, name, seed):
        super().__init__(daemon=True)
        self.port, self.name_, self.random = port, name, random.Random(seed)
        self.acknowledged = {}  # key -> units
        self.unanswered = {}
        self.denied = 0

    def run(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=10)
        while True:
            items = [{"key": key, "cost": self.random.randint(1, 5)} for key in ("shared", self.name_, "small")]
            items = items if self.random.random() < 0.3 else [self.random.choice(items)]
            try:
                status, answer = post(connection, "/v1/check-all", {"items": items})
            except (OSError, http.client.HTTPException, ValueError):
                for item in items:
                    self.unanswered[item["key"]] = self.unanswered.get(item["key"], 0) + item["cost"]
                return
            assert status == 200, (status, answer)
            if not answer["allowed"]:
                self.denied += 1
                continue
            for item in items:
                self.acknowledged[item["key"]] = self.acknowledged.get(item["key"], 0) + item["cost"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("flint")
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--mode", choices=["always", "batch"], default="always")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    arguments = parser.parse_args()
    print(f"seed {arguments.seed}", flush=True)
    chance = random.Random(arguments.seed)

    limits = {"shared": LARGE, "small": SMALL, **{f"client-{n}": LARGE for n in range(arguments.clients)}}
    acknowledged, unanswered, denied, lost, over = dict.fromkeys(limits, 0), dict.fromkeys(limits, 0), 0, 0, 0
    with tempfile.TemporaryDirectory(dir=".") as directory:
        server = Server(arguments.flint, os.path.join(directory, "data"), arguments.mode)
        server.start()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
        for key, rate in limits.items():
            algorithm = "sliding_window_log" if key == "shared" else "fixed_window_counter"
            limit = {"key": key, "rate": rate, "per": "366d", "algorithm": algorithm}
            assert post(connection, "/v1/limits", limit)[0] == 200
        for _ in range(arguments.rounds):
            clients = [Client(server.port, f"client-{n}", chance.random()) for n in range(arguments.clients)]
            for client in clients:
                client.start()
            time.sleep(chance.uniform(0.02, 0.4))
            server.kill()
            for client in clients:
                client.join()
                denied += client.denied
                for key, units in client.acknowledged.items():
                    acknowledged[key] += units
                for key, units in client.unanswered.items():
                    unanswered[key] += units
            server.start()
            connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=10)
            for key, rate in limits.items():
                connection.request("GET", f"/v1/limits/{key}")
                status = json.loads(connection.getresponse().read())
                spent = rate - status["remaining"]
                lost += max(0, acknowledged[key] - spent)
                over += max(0, acknowledged[key] - rate) + max(0, spent - acknowledged[key] - unanswered[key])
                assert status["total_allowed_cost"] == spent, (key, status, spent)
        code = server.stop()
    print(f"{arguments.mode}: {arguments.rounds} kills, {sum(acknowledged.values())} units acknowledged, "
          f"{denied} checks denied, {sum(unanswered.values())} units unanswered; "
          f"lost {lost}, over-admitted {over}, exit status of the clean stop {code}")
    return 1 if lost or over or code else 0


if __name__ == "__main__":
    sys.exit(main())
