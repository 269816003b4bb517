"""A real nginx in front of a real server, with certificates that openssl makes for the test."""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

from support import Server, wait_until

_CONFIGURATION = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log {folder}/access.log;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  proxy_http_version 1.1;
  map $request_uri $as_sent {{ "~^/flint(/.*)$" $1; }}
  log_format connections "$connection $connection_requests $request_uri";
  server {{
    listen 127.0.0.1:{port} ssl;
    access_log {folder}/connections.log connections;
    ssl_certificate {certificate}.pem;
    ssl_certificate_key {certificate}.key;
    {more}
    location /flint/ {{ proxy_pass {upstream}$as_sent; proxy_set_header Host 127.0.0.1; }}
    location = / {{ return 200 "a page"; }}
  }}
}}
"""
_CURVE = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def openssl(*arguments: object) -> None:
    done = subprocess.run(
        ["openssl", *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    assert done.returncode == 0, done.stdout.decode()


class Certificates:
    """Files NAME.pem and NAME.key in `folder`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def pem(self, name: str) -> Path:
        return self.folder / f"{name}.pem"

    def key(self, name: str) -> Path:
        return self.folder / f"{name}.key"

    def authority(self, name: str) -> None:
        use = ("-addext", "keyUsage=critical,keyCertSign")
        files = ("-keyout", self.key(name), "-out", self.pem(name))
        openssl("req", "-x509", *_CURVE, "-days", 1, "-subj", f"/CN={name}", *use, *files)

    def certificate(self, name: str, names: str, days: int = 1, issuer: str = "ca") -> None:
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\nauthorityKeyIdentifier=keyid\n")
        openssl("req", *_CURVE, "-subj", f"/CN={name}", "-keyout", self.key(name), "-out", request)
        signed = ("-CA", self.pem(issuer), "-CAkey", self.key(issuer), "-CAcreateserial", "-days", days)
        openssl("x509", "-req", "-in", request, *signed, "-extfile", extensions, "-out", self.pem(name))


def free_port() -> int:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
        return port


class Proxy:
    """nginx with TLS on a port of its own, which has `server` at /flint. Ended by stop(), by its pid."""

    def __init__(self, server: Server, certificates: Certificates, certificate: str = "server", more: str = "") -> None:
        self.folder = certificates.folder / "nginx"
        self.folder.mkdir()
        self.port = free_port()
        configuration = self.folder / "nginx.conf"
        configuration.write_text(
            _CONFIGURATION.format(
                user="user root;" if os.geteuid() == 0 else "",
                folder=self.folder,
                port=self.port,
                certificate=certificates.folder / certificate,
                more=more,
                upstream=server.url,
            )
        )
        # Debian has it where only root looks.
        path = f"{os.environ.get('PATH', '')}:/usr/sbin"
        self._process = subprocess.Popen(
            ["nginx", "-p", self.folder, "-c", configuration, "-e", self.folder / "error.log"],
            stdin=subprocess.DEVNULL,
            env={**os.environ, "PATH": path},
        )
        wait_until(self._accepts, "nginx to listen")

    def _accepts(self) -> bool:
        assert self._process.poll() is None, (self.folder / "error.log").read_text()
        with socket.socket() as sock:
            return sock.connect_ex(("127.0.0.1", self.port)) == 0

    def url(self, host: str = "localhost") -> str:
        return f"https://{host}:{self.port}/flint"

    def requests(self, count: int = 0) -> list[list[str]]:
        """Of each request so far, which must get to be `count`: its connection, its number there, and its target."""
        log = self.folder / "connections.log"
        # It is written after the answer is sent.
        wait_until(lambda: len(log.read_text().splitlines()) >= count, f"{count} requests")
        return [line.split() for line in log.read_text().splitlines()]

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait()
