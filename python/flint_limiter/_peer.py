"""Whom to believe at a Unix socket: the owner of its directory, root, and the caller's own user."""

from __future__ import annotations

import os
import socket
import struct

_CREDENTIALS = struct.Struct("iII")  # pid, uid, gid
_LONGEST_ADDRESS = 107
_ROOT = 0


class StrangeListenerError(OSError):
    """A process of a user who is not to be believed listens at a socket."""


class SocketPlace:
    """The place of a socket. Keeps its directory open, so that the one that is judged is the one that is used."""

    __slots__ = ("_directory", "_owner", "_path", "address")

    def __init__(self, path: str) -> None:
        parent, name = os.path.split(path)
        self._path = path
        self._directory = os.open(parent or ".", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        self._owner = os.fstat(self._directory).st_uid
        #: What connect() takes: `path`, or, if that is longer than an address, the same place by way of the directory.
        self.address = path
        if len(os.fsencode(path)) > _LONGEST_ADDRESS:
            self.address = f"/proc/self/fd/{self._directory}/{name}"

    def __enter__(self) -> SocketPlace:
        return self

    def __exit__(self, *_: object) -> None:
        os.close(self._directory)

    @property
    def foreign_owner(self) -> int | None:
        """The user who decides what is answered here, if that is neither root nor the caller."""
        return None if _trusted(self._owner) else self._owner

    def check_peer(self, connected: socket.socket) -> None:
        credentials = connected.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, _CREDENTIALS.size)
        _, peer, _ = _CREDENTIALS.unpack(credentials)
        if peer != self._owner and not _trusted(peer):
            raise StrangeListenerError(
                f"a process of user {peer} listens there, but the directory belongs to user {self._owner}; "
                "nothing was asked there"
            )


def _trusted(user: int) -> bool:
    return user in (_ROOT, os.geteuid())
