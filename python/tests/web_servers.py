"""Real web servers with several workers, and the load of many clients at once."""

from __future__ import annotations

import http.client
import os
import re
import subprocess
import threading
from collections import Counter
from pathlib import Path

from support import PATIENCE_S, wait_until


class WebServer:
    """Runs `command`, which says where it listens, in `folder`, whose application.py is `application`. That answers
    `/worker` with the process id of its worker, without a limit."""

    def __init__(self, command: list[str], folder: Path, application: str, flint_server: str) -> None:
        (folder / "application.py").write_text(application)
        environment = {**os.environ, "FLINT_SERVER": flint_server}
        environment.pop("DJANGO_SETTINGS_MODULE", None)
        self._process = subprocess.Popen(command, cwd=folder, env=environment, stderr=subprocess.PIPE, text=True)
        assert self._process.stderr is not None
        said = ""
        for line in self._process.stderr:
            said += line
            if listening := re.search(r"http://127.0.0.1:(\d+)", line):
                self.port = int(listening[1])
                break
        else:
            raise AssertionError(f"the web server ended: {said}")
        # It goes on talking, of requests that failed for one.
        self._reader = threading.Thread(target=self._process.stderr.read)
        self._reader.start()

    def wait_for(self, workers: int) -> None:
        """Until each of so many workers has answered."""
        seen: set[bytes] = set()

        def all_answered() -> bool:
            try:
                status, body = self.get("/worker")
            except ConnectionError:  # it tells its port before a worker listens there
                return False
            assert status == 200, body
            seen.add(body)
            return len(seen) == workers

        wait_until(all_answered, "all workers to answer")

    def get(self, path: str, key: str = "") -> tuple[int, bytes]:
        """On a connection of its own, so that any worker may take it."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request("GET", path, headers={"X-Key": key})
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE_S)
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()


class Load:
    """Threads that send requests until two in a row of each are denied."""

    def __init__(self, server: WebServer, key: str, clients: int) -> None:
        self.statuses: Counter[int] = Counter()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._run, args=(server, key)) for _ in range(clients)]
        for thread in self._threads:
            thread.start()

    def _run(self, server: WebServer, key: str) -> None:
        denied = 0
        while denied < 2:
            status = server.get("/", key)[0]
            denied = denied + 1 if status == 429 else 0
            with self._lock:
                self.statuses[status] += 1

    def join(self) -> None:
        for thread in self._threads:
            thread.join()
