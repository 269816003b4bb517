"""Bytes to a server and its answers; the harness of the command's tests starts the server."""

import http.client
import json
import socket
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "cli"))

TOKEN = "s3cret"
DEADLINE = 60


class Answer:
    def __init__(self, response):
        self.status = response.status
        self.fields = {name.lower(): value for name, value in response.getheaders()}
        self.body = response.read()
        self.closes = response.will_close

    def json(self):
        return json.loads(self.body)


class Connection:
    """One connection on which requests are sent as they are given, one after the other."""

    def __init__(self, address):
        self.address = address
        host, _, port = address.rpartition(":")
        self.socket = socket.create_connection((host, int(port)), timeout=DEADLINE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def send(self, request):
        try:
            self.socket.sendall(request)
        except OSError:
            pass  # A server that has seen enough has answered, and need not take the rest.

    def receive(self, method="GET"):
        response = http.client.HTTPResponse(self.socket, method=method)
        response.begin()
        with response:
            return Answer(response)


class Client:
    """Asks on one connection for as long as the server keeps it, then on the next."""

    def __init__(self, address):
        self.address = address
        self.connection = None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.forget()

    def forget(self):
        if self.connection:
            self.connection.socket.close()
        self.connection = None

    def send(self, request, method="GET"):
        if not self.connection:
            self.connection = Connection(self.address)
        self.connection.send(request)
        answer = self.connection.receive(method)
        if answer.closes:
            self.forget()
        return answer

    def call(self, method, target, body=None, *fields):
        return self.send(request_bytes(method, target, body, *fields), method)


def request_bytes(method, target, body=None, *fields, host="localhost", version="HTTP/1.1", length=None):
    """A request whose body, if any, is JSON: bytes as they are, anything else encoded."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    lines = [f"{method} {target} {version}", f"Host: {host}", *fields]
    if body is not None:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body) if length is None else length}"]
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")
