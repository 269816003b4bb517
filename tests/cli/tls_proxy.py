"""A real nginx in front of a real server, with certificates that openssl makes."""

import os
import socket
import subprocess

from harness import FlintTest, Server, accepts, free_port, wait_until

CONFIGURATION = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
events {{}}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  proxy_http_version 1.1;
  map $request_uri $as_sent {{ "~^/flint(/.*)$" $1; }}
  {servers}
}}
"""
SERVER = """
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {certificate}.pem;
    ssl_certificate_key {certificate}.key;
    {more}
    location /flint/ {{ proxy_pass {upstream}$as_sent; proxy_set_header Host 127.0.0.1; }}
    location = / {{ return 200 "a page"; }}
  }}
"""


def openssl(*arguments):
    done = subprocess.run(["openssl", *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, check=False)
    assert done.returncode == 0, done.stdout.decode()


class TlsProxyTest(FlintTest):
    """A server, and nginx in front of it with certificates for localhost."""

    def setUp(self):
        super().setUp()
        self.authority("ca")
        self.certificate("server", "DNS:localhost,IP:127.0.0.1")
        self.server = self.enterContext(Server(self.data_dir))
        self.ports = {}

    def authority(self, name):
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "1",
                "-subj", f"/CN={name}", "-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.pem")

    def certificate(self, name, names, days=1, issuer="ca"):
        request, extensions = self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        extensions.write_text(f"subjectAltName={names}\n")
        openssl("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-subj", f"/CN={name}",
                "-keyout", self.folder / f"{name}.key", "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", self.folder / f"{issuer}.pem",
                "-CAkey", self.folder / f"{issuer}.key", "-CAcreateserial", "-days", days, "-extfile", extensions,
                "-out", self.folder / f"{name}.pem")

    def start_proxy(self, **servers):
        """nginx with a server for each name: the name of its certificate, and more of its configuration."""
        parts = []
        for name, (certificate, more) in servers.items():
            self.ports[name] = free_port()
            parts.append(SERVER.format(port=self.ports[name], certificate=self.folder / certificate, more=more,
                                       upstream=self.server.url))
        configuration = self.folder / "nginx.conf"
        user = "user root;" if os.geteuid() == 0 else ""
        configuration.write_text(CONFIGURATION.format(user=user, folder=self.folder, servers="".join(parts)))
        process = subprocess.Popen(["nginx", "-p", self.folder, "-c", configuration, "-e", self.folder / "error.log"],
                                   stdin=subprocess.DEVNULL)

        def stop():
            process.terminate()
            process.wait()

        self.addCleanup(stop)
        for port in self.ports.values():
            wait_until(lambda port=port: process.poll() is None and accepts(socket.AF_INET, ("127.0.0.1", port)),
                       "nginx to listen")

    def url(self, name, host="localhost"):
        return f"https://{host}:{self.ports[name]}/flint"
