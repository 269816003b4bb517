"""Requests to ASGI and WSGI applications without a server between."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Answer:
    status: int
    #: Names in lower case, in the order in which they came.
    fields: list[tuple[str, str]]
    body: bytes

    def __getitem__(self, name: str) -> str | None:
        """The field `name`; None when it is not there."""
        values = [value for field, value in self.fields if field == name]
        assert len(values) <= 1, f"{name} is there {len(values)} times"
        return values[0] if values else None


def http_scope(
    path: str = "/",
    method: str = "GET",
    fields: Sequence[tuple[str, str]] = (),
    client: tuple[str, int] | None = ("192.0.2.1", 5000),
    query: str = "",
    root_path: str = "",
) -> dict[str, Any]:
    return {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "query_string": query.encode(),
        "root_path": root_path,
        "headers": [(name.lower().encode(), value.encode()) for name, value in fields],
        "client": client,
        "server": ("127.0.0.1", 80),
    }


async def asgi(app: Any, *args: Any, **kwargs: Any) -> Answer:
    """Sends the request of http_scope(...) to `app`."""
    messages: list[Any] = []
    body = [{"type": "http.request", "body": b"", "more_body": False}]

    async def receive() -> Any:
        # After the body, a client that stays.
        return body.pop() if body else await asyncio.Event().wait()

    async def send(message: Any) -> None:
        messages.append(message)

    await app(http_scope(*args, **kwargs), receive, send)
    start, *rest = messages
    assert start["type"] == "http.response.start"
    fields = [(name.decode().lower(), value.decode()) for name, value in start["headers"]]
    return Answer(start["status"], fields, b"".join(message.get("body", b"") for message in rest))


def wsgi(app: Any, path: str = "/", method: str = "GET", **environ: Any) -> Answer:
    started: list[Any] = []
    written: list[bytes] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = [(status, headers)]
        return written.append

    given = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "SCRIPT_NAME": "",
        "QUERY_STRING": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "192.0.2.1",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": io.StringIO(),
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    chunks = app({**given, **environ}, start_response)
    body = b"".join(chunks)
    if hasattr(chunks, "close"):
        chunks.close()
    ((status, headers),) = started
    return Answer(int(status.split()[0]), [(name.lower(), value) for name, value in headers], b"".join(written) + body)
