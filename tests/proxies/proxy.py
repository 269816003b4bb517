"""A real proxy with a configuration of docs/proxies.md between a client and a program, and Flint beside it."""

import http.client
import http.server
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

ROOT = Path(os.environ["FLINT_ROOT"])
sys.path.insert(0, str(ROOT / "tests/cli"))

from harness import DEADLINE, FlintTest, Server, free_port, wait_until  # noqa: E402

DOCUMENT = (ROOT / "docs/proxies.md").read_text(encoding="utf-8")
# What a browser sends with a form, and more than a gate would read.
BROWSER = {"Origin": "https://example.org", "Sec-Fetch-Site": "cross-site", "Cookie": "session=" + "c" * 6000,
           "Content-Type": "application/x-www-form-urlencoded", "Referer": "https://example.org/form"}


def program(name):
    """Installed, or as ./dev unpacks it."""
    path = f"{os.environ['PATH']}:/usr/sbin:{ROOT}/build/unpacked/{name}/usr/sbin:{ROOT}/build/unpacked/{name}/usr/bin"
    return shutil.which(name, path=path)


def block(language, number=0):
    return re.findall(rf"^```{language}\n(.*?)^```$", DOCUMENT, re.MULTILINE | re.DOTALL)[number]


class Program(http.server.BaseHTTPRequestHandler):
    """The program behind the proxy: says what it was asked, with the status that the path names."""

    protocol_version = "HTTP/1.1"

    def answer(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.asked.append((self.command, self.path, self.headers, body))
        status = re.match(r"/status/(\d+)", self.path)
        self.send_response(int(status.group(1)) if status else 200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    do_GET = do_POST = do_PUT = do_DELETE = answer

    def log_message(self, *_):
        pass


class ProxyTest(FlintTest):
    """`self.ask()` goes through the proxy, of which a subclass knows how to start it."""

    def setUp(self):
        super().setUp()
        self.flint_port, self.program_port, self.port = free_port(), free_port(), free_port()
        self.behind = http.server.ThreadingHTTPServer(("127.0.0.1", self.program_port), Program)
        self.behind.daemon_threads = True
        self.behind.asked = []
        thread = threading.Thread(target=self.behind.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        self.addCleanup(thread.join)
        self.addCleanup(self.behind.server_close)
        self.addCleanup(self.behind.shutdown)
        self.flint = None

    def with_ports(self, text):
        ports = {"7878": self.flint_port, "8000": self.program_port, "8080": self.port}
        return re.sub(r"(?<=[: ])(7878|8000|8080)\b", lambda found: str(ports[found.group()]), text)

    def start_flint(self, limit="3/h", extra=""):
        """With the gates of the document, whose limits are such that a test can spend them."""
        gates = re.search(r"^cat > flint.toml <<'END'\n(.*?)^END$", DOCUMENT, re.MULTILINE | re.DOTALL).group(1)
        config = self.folder / "flint.toml"
        config.write_text(re.sub(r'(?m)^limit = .*$', f'limit = "{limit}"', gates) + extra)
        self.flint = Server(self.data_dir, "--config", str(config), "--sync", "batch",
                            bind=f"127.0.0.1:{self.flint_port}")
        self.flint.__enter__()
        self.addCleanup(self.flint.__exit__)

    def start_proxy(self, *command):
        log = open(self.folder / "proxy.log", "ab")
        self.addCleanup(log.close)
        process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                   env={**os.environ, "HOME": str(self.folder), "XDG_DATA_HOME": str(self.folder),
                                        "XDG_CONFIG_HOME": str(self.folder)})
        self.addCleanup(self.end, process)

        def listens():
            self.assertIsNone(process.poll(), self.logged())
            with socket.socket() as probe:
                return probe.connect_ex(("127.0.0.1", self.port)) == 0

        wait_until(listens, f"{command[0]} to listen")

    @staticmethod
    def end(process):
        if process.poll() is None:
            process.send_signal(signal.SIGTERM)
            process.wait(DEADLINE)

    def logged(self):
        return (self.folder / "proxy.log").read_text(errors="replace")

    def ask(self, method="GET", path="/", body=None, fields=None, source="127.0.0.1"):
        """(status, header fields in lower case)"""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=DEADLINE, source_address=(source, 0))
        try:
            connection.putrequest(method, path)
            for name, value in (fields or {}).items():
                for one in value if isinstance(value, list) else [value]:
                    connection.putheader(name, one)
            if body is not None:
                connection.putheader("Content-Length", str(len(body)))
            connection.endheaders(body)
            answer = connection.getresponse()
            answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()

    def keys(self):
        listed = self.ok(self.local("--json", "limit", "list", "--keys")).json()
        return {status["key"]: status["total_allowed"] for status in listed}

    def passes(self, remaining, **request):
        asked = len(self.behind.asked)
        status, fields = self.ask(**request)
        self.assertEqual(status, 200, self.logged())
        self.assertEqual(len(self.behind.asked), asked + 1)
        self.assertRegex(fields["ratelimit"], rf'\A"default";r={remaining};t=\d+\Z')
        self.assertEqual(fields["ratelimit-policy"], '"default";q=3')
        self.assertNotIn("retry-after", fields)

    def is_denied(self, with_wait=True, **request):
        asked = len(self.behind.asked)
        status, fields = self.ask(**request)
        self.assertEqual(status, 429, self.logged())
        self.assertEqual(len(self.behind.asked), asked, "a request that is denied does not pass")
        if not with_wait:
            self.assertNotIn("retry-after", fields)
            return
        self.assertIn(int(fields["retry-after"]), range(1, 1201))
        self.assertRegex(fields["ratelimit"], r'\A"default";r=0;t=\d+\Z')
        self.assertEqual(fields["ratelimit-policy"], '"default";q=3')
