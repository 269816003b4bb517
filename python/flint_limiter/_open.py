"""flint.open: one limiter for all processes that open a directory."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Literal

from flint_limiter import _arguments
from flint_limiter._shared import SharedLimiter

if TYPE_CHECKING:
    from flint_limiter._server import DirectoryServer

_MOST_MS = 366 * 86_400_000
_LEAST_IDLE_MS = 100


class DirectoryLimiter(SharedLimiter):
    """What `flint.open()` returns: a SharedLimiter that starts the server of its directory whenever there is none."""

    __slots__ = ("_directory",)

    def __init__(
        self,
        directory: DirectoryServer,
        timeout: float,
        on_error: Literal["raise", "allow", "deny"],
    ) -> None:
        super().__init__(directory.url, None, timeout, on_error=on_error)
        self._directory = directory
        directory.ensure(self._timeout)
        self._client.revive = directory.ensure

    @property
    def data_dir(self) -> str:
        """The data directory, as an absolute path."""
        return self._directory.data_dir


def open(
    data_dir: str | os.PathLike[str] = ".flint",
    *,
    sync: Literal["always", "batch"] | None = None,
    flush_every_ms: int | None = None,
    flush_every_events: int | None = None,
    max_unsynced_ms: int | None = None,
    max_keys: int | None = None,
    on_full: Literal["deny", "allow"] | None = None,
    exit_when_idle: float | None = None,
    timeout: float = 10.0,
    on_error: Literal["raise", "allow", "deny"] = "raise",
) -> DirectoryLimiter:
    """The limiter of a data directory, which is the same one for every process that opens it.

    The first to open it starts a server (`flint server start`) that listens only on `flint.sock` in the directory, and
    all are its clients: the workers of a web server, a reloader and its child, forks, notebooks. The server ends when
    it has not been used for `exit_when_idle` seconds (default 60), and a later call starts it again. A server that was
    killed is replaced in the same way; nothing that it granted is forgotten. Its log is `server.log` in the directory.

    `sync`, `flush_every_ms`, `flush_every_events`, `max_unsynced_ms`, `max_keys` and `on_full` are those of `Limiter`,
    with the same defaults. All who open a directory give the same ones: where a server runs with others, ValueError
    names them. A server that was started by hand is used as it is, and only the options that are given must be its own.
    A server of an older Flint, unless it was started by hand, is asked to end, and a new one takes its place.

    `timeout` and `on_error` are those of `SharedLimiter`; a start of the server counts as part of the call.

    Raises DataDirLocked if a `Limiter` has the directory, StorageError if it cannot be used, is another user's, or the
    server cannot be started (the message has the server's own words), FlintConnectionError past the timeout.

    A child of fork() uses its own connections.
    """
    from flint_limiter._server import DirectoryServer, ServerOptions

    options = ServerOptions(
        None if sync is None else _arguments.choice(sync, "sync", ("always", "batch")),
        _optional(flush_every_ms, "flush_every_ms", 60_000),
        _optional(flush_every_events, "flush_every_events", 1_000_000),
        _optional(max_unsynced_ms, "max_unsynced_ms", 3_600_000),
        _optional(max_keys, "max_keys", _arguments.MAX_MAX_KEYS),
        None if on_full is None else _arguments.choice(on_full, "on_full", ("deny", "allow")),
        None if exit_when_idle is None else _idle_ms(exit_when_idle),
    )
    directory = DirectoryServer(_arguments.path(data_dir, "data_dir"), options)
    return DirectoryLimiter(directory, timeout, on_error)


def _optional(value: object, name: str, most: int) -> int | None:
    return None if value is None else _arguments.integer(value, name, most)


def _idle_ms(value: object) -> int:
    millis = round(_arguments.seconds(value, "exit_when_idle") * 1000)
    if not _LEAST_IDLE_MS <= millis <= _MOST_MS:
        raise ValueError("exit_when_idle must be at least 0.1 seconds.")
    return millis
