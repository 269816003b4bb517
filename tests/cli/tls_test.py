"""The command over TLS: a real nginx in front of a real server, with certificates that openssl makes for the test."""

import socket
import unittest

from harness import DENIED, DONE, FAILED, USAGE, flint
from tls_proxy import TlsProxyTest, openssl


class TlsTest(TlsProxyTest):
    def ask(self, name, *arguments, host="localhost", ca="ca", env=None):
        trust = ["--ca", self.folder / f"{ca}.pem"] if ca else []
        return flint("--server", self.url(name, host), *trust, *arguments, env=env)

    def test_the_command_works_through_a_proxy_that_speaks_tls(self):
        self.start_proxy(plain=("server", ""))
        self.ok(self.ask("plain", "limit", "add", "user:42/a", "2/h"))
        for code in (DONE, DONE, DENIED):
            self.ok(self.ask("plain", "limit", "check", "user:42/a"), code)
        # By address: the certificate names it, too. And with all that the environment can say.
        env = {"FLINT_SERVER": self.url("plain", "127.0.0.1"), "FLINT_SERVER_CA": str(self.folder / "ca.pem")}
        status = self.ok(flint("--json", "limit", "status", "user:42/a", env=env)).json()
        self.assertEqual((2, 1), (status["total_allowed"], status["total_denied"]))
        # Several requests on one connection, and an answer in many pieces.
        (self.folder / "many").write_text("".join(f'{{"key":"many:{i}","limit":"5/m"}}\n' for i in range(2500)))
        self.ok(self.ask("plain", "limit", "add", "--from", self.folder / "many"))
        listed = self.ok(self.ask("plain", "--json", "limit", "list", "--prefix", "many:")).json()
        self.assertEqual(2500, len(listed))

    def test_a_certificate_that_nobody_vouches_for_is_not_believed(self):
        self.authority("other")
        self.start_proxy(plain=("server", ""))
        for ca in ("other", None):
            self.refused(self.ask("plain", "limit", "check", "k", ca=ca), FAILED, "is not trusted", "--ca")
        self.assertEqual([], self.ok(self.local("--json", "limit", "list")).json())

    def test_a_certificate_for_another_name_is_not_believed(self):
        self.certificate("elsewhere", "DNS:elsewhere.example,IP:127.0.0.2")
        self.start_proxy(wrong=("elsewhere", ""))
        for host in ("localhost", "127.0.0.1"):
            self.refused(self.ask("wrong", "limit", "check", "k", host=host), FAILED,
                         f'is not for the host "{host}"', "FLINT_SERVER")

    def test_an_expired_certificate_is_not_believed(self):
        self.certificate("expired", "DNS:localhost", days=-1)
        self.start_proxy(old=("expired", ""))
        self.refused(self.ask("old", "limit", "check", "k"), FAILED, "has expired")

    def test_a_proxy_that_asks_for_a_certificate_gets_it(self):
        self.authority("clients")
        self.certificate("client", "DNS:client", issuer="clients")
        self.certificate("stranger", "DNS:stranger")
        verify = f"ssl_client_certificate {self.folder}/clients.pem; ssl_verify_client on;"
        self.start_proxy(strict=("server", verify))
        certificate, key = self.folder / "client.pem", self.folder / "client.key"
        self.ok(self.ask("strict", "--cert", certificate, "--key", key, "limit", "add", "k", "5/m"))
        env = {"FLINT_SERVER_CERT": str(certificate), "FLINT_SERVER_KEY": str(key)}
        self.ok(self.ask("strict", "limit", "check", "k", env=env))
        both = self.folder / "both.pem"
        both.write_text(certificate.read_text() + key.read_text())
        # The key of the environment belongs to the certificate there.
        self.ok(self.ask("strict", "--cert", both, "limit", "check", "k", env={"FLINT_SERVER_KEY": "/absent"}))

        self.refused(self.ask("strict", "limit", "check", "k"), FAILED, "client certificate", "--cert and --key")
        stranger = ["--cert", self.folder / "stranger.pem", "--key", self.folder / "stranger.key"]
        self.refused(self.ask("strict", *stranger, "limit", "check", "k"), FAILED, "or another one", "--cert and --key")
        status = self.ok(self.local("--json", "limit", "status", "k")).json()
        self.assertEqual(2, status["total_allowed"])

    def test_what_is_no_flint_server_is_called_that(self):
        self.start_proxy(plain=("server", ""))
        port, ca = self.ports["plain"], self.folder / "ca.pem"
        page = flint("--server", f"https://localhost:{port}", "--ca", ca, "limit", "check", "k")
        self.refused(page, FAILED, "HTTP 404 without a Flint error", "--server and FLINT_SERVER")
        self.refused(flint("--server", f"http://localhost:{port}/flint", "limit", "check", "k"), FAILED,
                     "TLS is spoken there: write https://")
        without_tls = self.server.url.replace("http:", "https:")
        self.refused(flint("--server", without_tls, "limit", "check", "k"), FAILED, "No TLS is spoken", "http://")

    def test_files_that_cannot_be_used_are_named(self):
        ca, key = self.folder / "ca.pem", self.folder / "ca.key"
        (self.folder / "empty").write_text("")
        self.certificate("client", "DNS:client")
        client = self.folder / "client.pem"
        openssl("ec", "-in", self.folder / "client.key", "-aes128", "-passout", "pass:secret",
                "-out", self.folder / "locked.key")
        for options, words in (
                (["--ca", "absent"], ["CA file", '"absent"', "No such file"]),
                (["--ca", self.folder / "empty"], ["CA file", "no certificate in PEM form"]),
                (["--cert", key, "--key", key], ["certificate", "no certificate in PEM form"]),
                (["--cert", client], ["key", "no private key in PEM form"]),
                (["--cert", client, "--key", "absent"], ["key", '"absent"', "No such file"]),
                (["--cert", client, "--key", key], ["key", "not that of the certificate"]),
                (["--cert", client, "--key", self.folder / "locked.key"], ["key", "without a passphrase"]),
                (["--key", key], ["without its certificate", "--cert and --key"]),
        ):
            self.refused(flint("--server", "https://localhost:1", *options, "limit", "list"), USAGE, *words)
        for server in (["--server", self.server.url], ["--data-dir", self.data_dir]):
            self.refused(flint(*server, "--ca", ca, "limit", "list"), USAGE, "--ca is for a server at https://")

    def test_a_server_that_says_nothing_costs_no_more_than_the_timeout(self):
        with socket.socket() as silent:
            silent.bind(("127.0.0.1", 0))
            silent.listen()
            url = f"https://127.0.0.1:{silent.getsockname()[1]}"
            self.refused(flint("--server", url, "--timeout", "200ms", "limit", "list"), FAILED, "no answer in time")


if __name__ == "__main__":
    unittest.main(verbosity=2)
