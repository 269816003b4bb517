"""Answers in HTTP/1.1, read strictly: what two readers could understand in two ways is refused."""

from __future__ import annotations

import re
from typing import NamedTuple

_MAX_HEAD = 64 << 10
_MAX_LINE = 4 << 10
# Of a body, in place of its length.
_CHUNKED = -1
_UNTIL_END = -2
_STATUS = re.compile(rb"HTTP/1\.([01]) ([1-5][0-9][0-9])(?: [\t\x20-\x7e\x80-\xff]*)?")
_FIELD = re.compile(rb"([!#$%&'*+.^_`|~0-9A-Za-z-]+):[ \t]*([\t\x20-\x7e\x80-\xff]*)")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_CHUNK = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_NO_CONTENT = (204, 304)
_CUT = "it ended in the middle of an answer"


class NotHttp(Exception):
    """What comes is no answer, or not a whole one."""


class TooLong(Exception):
    """An answer that no Flint server gives, and that is not read to its end."""


class Response(NamedTuple):
    status: int
    body: bytes
    #: Nothing more comes on the connection, and no later request on it is acted on.
    closes: bool = False


class _Head(NamedTuple):
    status: int
    length: int
    closes: bool


class Answers:
    """The answers that come on one connection, in order."""

    __slots__ = ("_at", "_chunks", "_data", "_ended", "_head")

    def __init__(self) -> None:
        self._data = bytearray()
        #: Where in it what is not taken yet begins.
        self._at = 0
        self._ended = False
        #: Of the answer whose body is not whole yet.
        self._head: _Head | None = None
        self._chunks: list[bytes] = []

    @property
    def begun(self) -> bool:
        """Whether a part of an answer has come that is not taken."""
        return self._head is not None or len(self._data) > self._at

    def add(self, data: bytes) -> None:
        """What has come; b"" at the end of the connection."""
        if self._at:
            del self._data[: self._at]
            self._at = 0
        self._data += data
        self._ended = not data

    def take(self, most: int) -> Response | None:
        """The next answer; None until it is whole. Raises NotHttp, and TooLong if its body is longer than `most`."""
        head = self._head or self._next_head()
        if head is None:
            return None
        self._head = head
        if head.length > most:
            raise TooLong(most)
        if head.length >= 0:
            body = self._exactly(head.length)
        elif head.length == _CHUNKED:
            body = self._in_chunks(most)
        else:
            body = self._to_the_end(most)
        if body is None:
            return None
        self._head = None
        return Response(head.status, body, head.closes)

    def _next_head(self) -> _Head | None:
        while True:
            end = self._data.find(b"\r\n\r\n", self._at)
            if end < 0:
                self._expect_head()
                return None
            raw = bytes(self._data[self._at : end])
            head = _known.get(raw) or _read_head(raw)
            self._at = end + 4
            # Those below announce the answer.
            if head.status >= 200:
                return head

    def _expect_head(self) -> None:
        """Refuses at once what will be none."""
        begun = bytes(self._data[self._at : self._at + 5])
        if not b"HTTP/".startswith(begun):
            raise NotHttp(f"it begins with {begun!r}")
        if len(self._data) - self._at > _MAX_HEAD:
            raise NotHttp("its head has no end")
        if self._ended and begun:
            raise NotHttp(_CUT)

    def _exactly(self, length: int) -> bytes | None:
        end = self._at + length
        if len(self._data) < end:
            return self._wait()
        body = bytes(self._data[self._at : end])
        self._at = end
        return body

    def _to_the_end(self, most: int) -> bytes | None:
        if len(self._data) - self._at > most:
            raise TooLong(most)
        return self._exactly(len(self._data) - self._at) if self._ended else None

    def _in_chunks(self, most: int) -> bytes | None:
        while True:
            line_end = self._data.find(b"\r\n", self._at)
            if line_end < 0 or line_end - self._at > _MAX_LINE:
                return self._wait(_MAX_LINE)
            size_of = _CHUNK.fullmatch(bytes(self._data[self._at : line_end]))
            if size_of is None:
                raise NotHttp("a chunk of it has no size")
            size = int(size_of[1], 16)
            if size == 0:
                return self._after_chunks(line_end + 2)
            if sum(map(len, self._chunks)) + size > most:
                raise TooLong(most)
            end = line_end + 2 + size
            if len(self._data) < end + 2:
                return self._wait()
            if self._data[end : end + 2] != b"\r\n":
                raise NotHttp("a chunk of it is longer than it says")
            self._chunks.append(bytes(self._data[line_end + 2 : end]))
            self._at = end + 2

    def _after_chunks(self, at: int) -> bytes | None:
        """Past the trailer, which says nothing that is wanted."""
        while True:
            end = self._data.find(b"\r\n", at)
            if end < 0 or end - self._at > _MAX_LINE:
                return self._wait(_MAX_LINE)
            if end == at:
                self._at = end + 2
                body = b"".join(self._chunks)
                self._chunks.clear()
                return body
            if not _FIELD.fullmatch(bytes(self._data[at:end])):
                raise NotHttp("its trailer is no list of fields")
            at = end + 2

    def _wait(self, most: int | None = None) -> bytes | None:
        if self._ended:
            raise NotHttp(_CUT)
        if most is not None and len(self._data) - self._at > most:
            raise NotHttp("a line of it has no end")
        return None


# Heads that came last. A server says the same one again and again, up to its date.
_known: dict[bytes, _Head] = {}
_MAX_KNOWN = 64


def _read_head(raw: bytes) -> _Head:
    line, *fields = raw.split(b"\r\n")
    started = _STATUS.fullmatch(line)
    if started is None:
        raise NotHttp(f"its first line is {line[:60]!r}")
    status = int(started[2])
    if status == 101:
        raise NotHttp("it changes to another protocol")
    closes = started[1] == b"0"
    length: int | None = None
    for field in fields:
        matched = _FIELD.fullmatch(field)
        if matched is None:
            raise NotHttp(f"a field of its head is {field[:60]!r}")
        name, value = matched[1].lower(), matched[2].rstrip(b" \t")
        if name == b"connection":
            closes = closes or b"close" in [one.strip() for one in value.lower().split(b",")]
        elif name in (b"content-length", b"transfer-encoding"):
            if length is not None:
                raise NotHttp("it says its length twice")
            length = _length(name, value)
    if status in _NO_CONTENT:
        length = 0
    head = _Head(status, _UNTIL_END if length is None else length, closes or length is None)
    if len(_known) >= _MAX_KNOWN:
        _known.clear()
    _known[raw] = head
    return head


def _length(name: bytes, value: bytes) -> int:
    if name == b"content-length" and _LENGTH.fullmatch(value):
        return int(value)
    if name == b"transfer-encoding" and value.lower() == b"chunked":
        return _CHUNKED
    raise NotHttp(f"its {name.decode()} is {value[:60]!r}")
