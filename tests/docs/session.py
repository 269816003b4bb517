"""One shell in one empty folder, in which the commands of one document run, and the servers that they start."""

import os
import re
import select
import shlex
import shutil
import socket
import subprocess
import tempfile
import time
from pathlib import Path

SHOWN_PORT = "7878"
COMMAND_SECONDS = 30
SERVER_SECONDS = 15


class SessionError(Exception):
    pass


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return str(probe.getsockname()[1])


class Session:
    """Close it: it ends the shell and the server, and removes the folder."""

    def __init__(self, flint):
        self.folder = Path(tempfile.mkdtemp(prefix="flint-docs-"))
        self.port = free_port()
        self.server = None
        # The commands find `flint` on the PATH, as a reader's do, and none of the settings of this machine.
        programs = self.folder / "bin"
        programs.mkdir()
        (programs / "flint").symlink_to(Path(flint).resolve())
        self.place = self.folder / "place"
        self.place.mkdir()
        self.environment = {
            "PATH": f"{programs}:{os.environ.get('PATH', '/usr/bin:/bin')}",
            "HOME": str(self.folder),
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "no_proxy": "*",
        }
        self.shell = subprocess.Popen(
            ["bash", "--norc", "--noprofile"], cwd=self.place, env=self.environment, stdin=subprocess.PIPE,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        self.mark = f"<end-{os.getpid()}-{self.port}>"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for process in filter(None, (self.server, self.shell)):
            process.kill()
            process.wait()
        self.shell.stdin.close()
        self.shell.stdout.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def run(self, command):
        """Runs it in the shell: (its exit status, the lines that it printed, with the port that documents show)."""
        # The status is put back, so that the document may `echo $?`.
        script = f"{{ {self._with_real_port(command)}\n}} </dev/null\n" \
                 f"__status=$?; echo; echo '{self.mark}' $__status; (exit $__status)\n"
        self.shell.stdin.write(script.encode())
        self.shell.stdin.flush()
        printed, status = self._read_to_mark(command)
        lines = printed.replace(f":{self.port}", f":{SHOWN_PORT}").split("\n")
        while lines and not lines[-1].strip():
            lines.pop()
        return status, lines

    def _read_to_mark(self, command):
        end = re.compile(rb"\n" + re.escape(self.mark.encode()) + rb" (\d+)\n")
        deadline, printed = time.monotonic() + COMMAND_SECONDS, b""
        while True:
            match = end.search(b"\n" + printed)
            if match:
                return printed[:match.start()].decode(errors="replace"), int(match[1])
            left = deadline - time.monotonic()
            if left <= 0 or not select.select([self.shell.stdout], [], [], left)[0]:
                raise SessionError(f"did not end within {COMMAND_SECONDS} s: {command}")
            chunk = os.read(self.shell.stdout.fileno(), 65536)
            if not chunk:
                raise SessionError(f"ended the shell: {command}")
            printed += chunk

    def _with_real_port(self, command):
        return re.sub(rf"(?<=127\.0\.0\.1:){SHOWN_PORT}\b|(?<=localhost:){SHOWN_PORT}\b", self.port, command)

    def start_server(self, command):
        """Starts what `./dev serve ...` or `flint server start ...` starts, and returns when it answers."""
        self.stop_server()
        command = self._with_real_port(command.strip().removesuffix("&").strip())
        if command.startswith("./dev serve"):
            rest = command.removeprefix("./dev serve")
            bind = "" if "--bind" in rest else f" --bind 127.0.0.1:{self.port}"
            command = f"flint --data-dir .flint server start{bind}{rest}"
        address = re.search(r"--bind[= ](\S+)", command)
        if address is None:
            raise SessionError(f"the server needs a --bind that the test can replace: {command}")
        log = self.folder / "server.log"
        # The document's variables apply: it may have exported a token.
        status, lines = self.run("export -p")
        exported = "\n".join(lines) if status == 0 else ""
        with log.open("wb") as out:
            self.server = subprocess.Popen(["bash", "-c", f"{exported}\nexec {command}"], cwd=self.place, stdout=out,
                                           stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL, env=self.environment)
        deadline = time.monotonic() + SERVER_SECONDS
        while not self._answers(shlex.split(address[1])[0]):
            if self.server.poll() is not None or time.monotonic() > deadline:
                raise SessionError(f"the server does not answer: {command}\n{log.read_text(errors='replace')}")
            time.sleep(0.02)

    def _answers(self, address):
        try:
            if address.startswith("unix:"):
                with socket.socket(socket.AF_UNIX) as client:
                    client.connect(str(self.place / address.removeprefix("unix:")))
            else:
                host, port = address.rsplit(":", 1)
                socket.create_connection((host.strip("[]"), int(port)), timeout=1).close()
            return True
        except (OSError, ValueError):
            return False

    def stop_server(self):
        """Stops it as an operator would; a server that does not exit with 0 then is an error."""
        if self.server is None:
            return
        server, self.server = self.server, None
        if server.poll() is None:
            server.terminate()
        try:
            status = server.wait(timeout=SERVER_SECONDS)
        except subprocess.TimeoutExpired:
            server.kill()
            server.wait()
            raise SessionError("the server did not stop after SIGTERM") from None
        if status != 0:
            raise SessionError(f"the server ended with {status}:\n" + (self.folder / "server.log").read_text())
