"""The server of a data directory that whoever needs it starts, and that ends by itself when nobody does."""

from __future__ import annotations

import fcntl
import json
import os
import re
import signal
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

from flint_limiter._connection import Request, Response
from flint_limiter._endpoint import endpoint
from flint_limiter._errors import DataDirLocked, FlintConnectionError, FlintError, StorageError
from flint_limiter._http import Client
from flint_limiter._peer import SocketPlace
from flint_limiter._printable import printable

_HEALTH = Request("GET", "/v1/health", None, True)
_OK = 200
_CREDENTIALS = struct.Struct("iII")  # pid, uid, gid
_FIRST_PAUSE_S = 0.002
_LONGEST_PAUSE_S = 0.05
# Nothing of Flint's, which would change what the server is told, and nothing of a service manager's, to which the
# server would report itself in the name of this program.
_KEPT_ENVIRONMENT = ("HOME", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "LD_PRELOAD", "PATH", "TMPDIR", "TZDIR")
_LOCKED = re.compile(r"the data directory is in use: the lock .* is held")
_HOLDER = re.compile(r"Its holder says: process ([0-9]{1,10}), (embedded|server)")


class ServerOptions(NamedTuple):
    """What a server is told, by the names that it tells; None: what is usual."""

    sync: str | None = None
    flush_every_ms: int | None = None
    flush_every_events: int | None = None
    max_unsynced_ms: int | None = None
    max_keys: int | None = None
    on_full: str | None = None
    exit_when_idle_ms: int | None = None


_NAMES = tuple(ServerOptions.__annotations__)
_USUAL = ServerOptions("always", 100, 100, 1000, 10_000_000, "deny", 60_000)


class DirectoryServer:
    """The server of one data directory. Threads and forked children: any."""

    __slots__ = ("_data_dir", "_endpoint", "_options", "_path")

    def __init__(self, data_dir: bytes, options: ServerOptions) -> None:
        #: Absolute, so that it is the same wherever the program goes.
        self._path = os.path.abspath(data_dir)
        self._data_dir = os.fsdecode(self._path)
        self._options = options
        path = os.path.join(self._data_dir, "flint.sock")
        self._endpoint = endpoint(f"unix:{path}")

    @property
    def data_dir(self) -> str:
        return self._data_dir

    @property
    def url(self) -> str:
        return self._endpoint.url

    def ensure(self, timeout_s: float) -> None:
        """Returns when a server with these options answers; starts one where there is none."""
        deadline = time.monotonic() + timeout_s
        pause_s = _FIRST_PAUSE_S
        why: FlintError = FlintConnectionError(f"no server of {printable(self._data_dir)} answers")
        self._prepare()
        while True:
            left_s = deadline - time.monotonic()
            if left_s <= 0:
                raise why
            health = self._ask(left_s)
            if health is None:
                with self._start_lock() as is_ours:
                    if is_ours and self._ask(left_s) is None:
                        failed = self._start(deadline)
                        if failed is None:
                            return
                        why = failed
            elif self._is_outdated(health):
                self._end(health)
            else:
                self._compare(health)
                return
            time.sleep(max(0, min(pause_s, deadline - time.monotonic())))
            pause_s = min(pause_s * 2, _LONGEST_PAUSE_S)

    def _prepare(self) -> None:
        try:
            os.makedirs(self._path, 0o700, exist_ok=True)
            owner = os.stat(self._path).st_uid
        except OSError as error:
            raise _failed(f"cannot create the data directory {self._data_dir}: {error.strerror}") from error
        if os.geteuid() not in (0, owner):
            raise _failed(
                f"the data directory {self._data_dir} belongs to user {owner}, and this process is of user "
                f"{os.geteuid()}. Use a directory of your own, or a server with an address (flint server start --bind)"
            )

    def _ask(self, timeout_s: float) -> dict[str, Any] | None:
        """What the server tells of itself; None if there is none."""
        client = Client(self._endpoint, None, timeout_s)
        try:
            response = client.send(_HEALTH)
        except FlintConnectionError as error:
            if isinstance(error.__cause__, (FileNotFoundError, ConnectionError)):
                return None
            raise
        finally:
            client.close()
        if not isinstance(response, Response) or response.status != _OK:  # it has failed, and is about to end
            return None
        health = json.loads(response.body)
        return health if isinstance(health, dict) else {}

    @contextmanager
    def _start_lock(self) -> Iterator[bool]:
        """Of many processes that find no server, one starts it. The directory's own lock is what counts: this one only
        saves the others the work."""
        directory = os.open(self._path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
        finally:
            os.close(directory)

    def _start(self, deadline: float) -> FlintError | None:
        """None: it answers. An error: another process has the directory, for a moment at least."""
        owner = os.stat(self._path)
        as_owner: dict[str, Any] = {}
        if os.geteuid() == 0 and owner.st_uid != 0:
            # Whoever owns the directory chooses what its files are: root must not write to them.
            as_owner = {"user": owner.st_uid, "group": owner.st_gid, "extra_groups": []}
        try:
            done = subprocess.run(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.PIPE,
                cwd="/",
                env={name: os.environ[name] for name in _KEPT_ENVIRONMENT if name in os.environ},
                timeout=max(deadline - time.monotonic(), 0.001),
                **as_owner,
            )
        except subprocess.TimeoutExpired:
            return FlintConnectionError(
                f"the server of {printable(self._data_dir)} has not opened the directory within the timeout; it goes on"
            )
        except OSError as error:
            raise _failed(f"cannot run {self._command()[0]}: {error.strerror}") from error
        said = done.stderr.decode(errors="replace").strip()
        # Where this program ignores its children's ends, or another part of it waits for them, the code is always 0;
        # and the system may have said something of its own, such as that a library cannot be preloaded.
        if done.returncode == 0 and (not said or self._ask(max(deadline - time.monotonic(), 0.001)) is not None):
            return None
        if not said:
            return FlintConnectionError(f"the server of {printable(self._data_dir)} was killed as it started")
        if not _LOCKED.search(said):
            raise _failed(f"cannot start the server of {self._data_dir}: {said.removeprefix('flint: ')}")
        return self._locked(said)

    def _locked(self, said: str) -> FlintError:
        holder = _HOLDER.search(said)
        error = DataDirLocked(printable(said.removeprefix("flint: ")))
        if holder is None:
            return error
        error.process_id, error.is_server = int(holder[1]), holder[2] == "server"
        # A server is about to answer, or to end. A text that names a process which has ended is of an earlier holder.
        if error.is_server or not _lives(error.process_id):
            return error
        raise DataDirLocked(
            f"{error} A flint.Limiter has the directory for itself. Close it, or use flint.open() there as well."
        ).with_holder(error)

    def _command(self) -> list[str]:
        options = self._options
        usual = [given if given is not None else other for given, other in zip(options, _USUAL)]
        words = [_program(), "--data-dir", self._data_dir, "server", "start", "--detach", "--bind", "none"]
        for name, value in zip(_NAMES, usual):
            if name == "exit_when_idle_ms":
                words += ["--exit-when-idle", f"{value}ms"]
            else:
                words += [f"--{name.replace('_', '-')}", str(value)]
        return [*words, "--log-format", "text", "--log-file", os.path.join(self._data_dir, "server.log")]

    def _compare(self, health: dict[str, Any]) -> None:
        running = health.get("options")
        told = running if isinstance(running, dict) else {}
        # One that was started by hand has the options that the operator gave it.
        by_hand = told.get("exit_when_idle_ms") is None
        other = []
        for name, given, usual in zip(_NAMES, self._options, _USUAL):
            wanted = given if given is not None else None if by_hand else usual
            if wanted is not None and told.get(name) != wanted and not (by_hand and name == "exit_when_idle_ms"):
                other.append(f"{name} is {told.get(name)!r} there and {wanted!r} here")
        if other:
            raise ValueError(
                printable(
                    f"the server of {self._data_dir} (process {health.get('pid')}) runs with other options: "
                    f"{', '.join(other)}. Give the same options everywhere, or end that server first"
                )
            )

    def _is_outdated(self, health: dict[str, Any]) -> bool:
        """Whether it was started by an older Flint. One that was started by hand is its operator's to replace."""
        options = health.get("options")
        if not isinstance(options, dict) or options.get("exit_when_idle_ms") is None:
            return False
        return _numbers(str(health.get("version"))) < _numbers(_version())

    def _end(self, health: dict[str, Any]) -> None:
        """Asks the server to end, by its process id: the kernel's word for who listens at the socket."""
        pid = health.get("pid")
        try:
            with SocketPlace(self._endpoint.path) as place, socket.socket(socket.AF_UNIX) as connected:
                connected.connect(place.address)
                place.check_peer(connected)
                credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
                listener, user, _ = _CREDENTIALS.unpack(credentials)
                # Held open, it is the process that was alive then, whoever has its number by now.
                process = os.pidfd_open(listener) if listener == pid else -1
        except (FileNotFoundError, ConnectionError, ProcessLookupError):
            return  # it has ended
        if process < 0:
            raise _failed(
                f"the server of {self._data_dir} is of Flint {health.get('version')}, and this is {_version()}: end "
                f"it (process {pid} where it runs), and the next call starts a new one"
            )
        try:
            if self._ask(1.0) == health:
                signal.pidfd_send_signal(process, signal.SIGTERM)
        except ProcessLookupError:
            return
        except PermissionError as error:
            raise _failed(
                f"the server of {self._data_dir} (process {pid}) is of Flint {health.get('version')} and of user "
                f"{user}, who has to end it"
            ) from error
        finally:
            os.close(process)


def _failed(message: str) -> StorageError:
    error = StorageError(printable(message))
    error.undecided = True  # on_error applies
    return error


def _lives(process_id: int) -> bool:
    try:
        os.kill(process_id, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def _program() -> str:
    """The command that was installed with this package."""
    packages = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    # PREFIX/lib/pythonX.Y/site-packages has it in PREFIX/bin, and pip's --target DIR in DIR/bin.
    for folder in (os.path.join(packages, "..", "..", "..", "bin"), os.path.join(packages, "bin")):
        program = os.path.normpath(os.path.join(folder, "flint"))
        if os.access(program, os.X_OK):
            return program
    from importlib.metadata import PackageNotFoundError, files

    try:
        for file in files("flint-limiter") or ():
            if file.name == "flint" and file.parent.name == "bin":
                return str(file.locate())
    except PackageNotFoundError:
        pass
    raise _failed("the flint command is not where pip installs it: install the package flint-limiter again")


def _version() -> str:
    from importlib.metadata import version

    return version("flint-limiter")


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"[0-9]+", version))
