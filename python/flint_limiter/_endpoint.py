"""Where a server listens, as users write it."""

from __future__ import annotations

import re
from typing import NamedTuple

from flint_limiter import _arguments

_FORM = "server must be http://HOST:PORT, such as http://127.0.0.1:7878, https://HOST or unix:PATH."
# Segments as they stand in a request, none of which a proxy would resolve or leave out.
_PREFIX = re.compile(r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~%!$&'()*+,;=:@-]+)*")


class Endpoint(NamedTuple):
    #: As the user gave it.
    url: str
    #: Of a Unix socket; empty for TCP.
    path: str
    host: str
    port: int
    #: The value of the Host field.
    authority: str
    tls: bool = False
    #: What stands before the path of each request, such as `/flint` where a proxy has the server there.
    prefix: str = ""


def endpoint(server: object) -> Endpoint:
    """Where `server` is: `http://HOST[:PORT][/PREFIX]` or `https://...`, as in every URL port 80 or 443 when there is
    none, or `unix:PATH`."""
    url = _arguments.text(server, "server")
    if url.startswith("unix:"):
        path = url.removeprefix("unix:")
        if not path or "\0" in path:
            raise ValueError("server must name a socket: unix:PATH.")
        return Endpoint(url, path, "", 0, "localhost")
    scheme, slashes, place = url.partition("://")
    if not slashes or scheme not in ("http", "https"):
        raise ValueError(_FORM)
    tls = scheme == "https"
    authority, slash, path = place.removesuffix("/").partition("/")
    host, port = _split(authority, 443 if tls else 80)
    visible = authority.isascii() and authority.isprintable() and not any(c in " ?#@\\" for c in authority)
    if not visible or not _can_be_looked_up(host) or port is None:
        raise ValueError(_FORM)
    prefix = slash + path
    if not _PREFIX.fullmatch(prefix):
        raise ValueError(f"{_FORM} The path of a proxy may follow, such as /flint, without a query.")
    return Endpoint(url, "", host, port, authority, tls, prefix)


def _can_be_looked_up(host: str) -> bool:
    """Whether its labels are neither empty nor too long: a look-up would raise UnicodeError."""
    try:
        return bool(host.encode("idna")) and host != "."
    except UnicodeError:
        return False


def _split(authority: str, default_port: int) -> tuple[str, int | None]:
    """Host and port, None when that is none; an IPv6 address is in brackets."""
    if authority.startswith("["):
        host, bracket, rest = authority[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            return "", None
        colon, port = rest[:1], rest[1:]
    else:
        host, colon, port = authority.partition(":")
    if not colon:
        return host, default_port
    return host, int(port) if port.isdigit() and len(port) <= 5 and 1 <= int(port) <= 65_535 else None
