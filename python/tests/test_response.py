"""How answers in HTTP are read, and which are refused."""

from __future__ import annotations

import random

import pytest

from flint_limiter._response import Answers, NotHttp, Response, TooLong

PLAIN = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{\r\n1;x=y\r\n}\r\n0\r\nT: 1\r\n\r\n"


def read_all(*pieces: bytes, most: int = 1000) -> list[Response]:
    answers, found = Answers(), []
    for piece in pieces:
        answers.add(piece)
        while (response := answers.take(most)) is not None:
            found.append(response)
    return found


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (PLAIN, Response(200, b"{}")),
        (CHUNKED, Response(200, b"{}")),
        (b"HTTP/1.1 204 No Content\r\n\r\n", Response(204, b"")),
        (b"HTTP/1.1 404 \r\ncontent-length:\t2 \r\n\r\n[]", Response(404, b"[]")),
        (b"HTTP/1.1 500\r\nContent-Length: 0\r\n\r\n", Response(500, b"")),
        (b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n" + PLAIN, Response(200, b"{}")),
        (b"HTTP/1.1 200 OK\r\nConnection: x, Close\r\nContent-Length: 1\r\n\r\n1", Response(200, b"1", True)),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\n1", Response(200, b"1", True)),
    ],
)
def test_an_answer_is_read_whatever_the_pieces_in_which_it_comes(raw: bytes, expected: Response) -> None:
    assert read_all(raw) == [expected]
    assert read_all(*(bytes([byte]) for byte in raw)) == [expected]
    assert read_all(*(raw[at : at + 7] for at in range(0, len(raw), 7))) == [expected]


def test_answers_follow_one_another() -> None:
    seed = random.randrange(1 << 32)
    print(f"seed {seed}")
    pieces = random.Random(seed)
    wanted = pieces.choices([PLAIN, CHUNKED, b"HTTP/1.1 404 No\r\nContent-Length: 5\r\n\r\nhello"], k=200)
    raw = b"".join(wanted)
    cuts = sorted(pieces.sample(range(1, len(raw)), 100))
    found = read_all(*(raw[begin:end] for begin, end in zip([0, *cuts], [*cuts, len(raw)])))
    assert [one.status for one in found] == [404 if b"404" in one else 200 for one in wanted]
    assert {one.body for one in found} == {b"{}", b"hello"}


def test_without_a_length_the_end_of_the_connection_ends_it() -> None:
    assert read_all(b"HTTP/1.1 200 OK\r\n\r\n[", b"1]") == []
    assert read_all(b"HTTP/1.1 200 OK\r\n\r\n[", b"1]", b"") == [Response(200, b"[1]", True)]


@pytest.mark.parametrize(
    "raw",
    [
        b"SSH-2.0",
        b"HTTP/2 200\r\n\r\n",
        b"HTTP/1.1 OK\r\n\r\n",
        b"HTTP/1.1 0200 OK\r\n\r\n",
        b"HTTP/1.1 101 Switching Protocols\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nno field\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\r\n folded\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nA: b\nContent-Length: 1\r\n\r\n1",
        b"HTTP/1.1 200 OK\r\nA: \0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\n1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1_0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1, 1\r\n\r\n1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 1\r\n\r\n1",
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x1\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\n{}\r\n0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nno field\r\n\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 20_000,
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;" + b"x" * 10_000,
    ],
)
def test_what_can_be_understood_in_two_ways_is_refused(raw: bytes) -> None:
    with pytest.raises(NotHttp):
        read_all(raw)


@pytest.mark.parametrize("whole", [PLAIN, CHUNKED])
def test_an_end_in_the_middle_is_none_of_an_answer(whole: bytes) -> None:
    for size in range(1, len(whole)):
        with pytest.raises(NotHttp, match="in the middle"):
            read_all(whole[:size], b"")


@pytest.mark.parametrize(
    "raw",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n6\r\n123456\r\n5\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nfffffffffffffff\r\n",
        b"HTTP/1.1 200 OK\r\n\r\n12345678901",
    ],
)
def test_an_answer_that_is_too_long_is_not_read_to_its_end(raw: bytes) -> None:
    with pytest.raises(TooLong):
        read_all(raw, most=10)
