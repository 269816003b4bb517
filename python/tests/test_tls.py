"""SharedLimiter over TLS and at the path of a proxy: a real nginx, and for what nginx never does, Python's own TLS."""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from proxies import Certificates, Proxy, openssl
from support import AsyncStyle, Server

import flint

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    made = Certificates(tmp_path_factory.mktemp("certificates"))
    for authority in ("ca", "other", "clients"):
        made.authority(authority)
    made.certificate("server", "DNS:localhost,IP:127.0.0.1")
    made.certificate("elsewhere", "DNS:elsewhere.example,IP:127.0.0.2")
    made.certificate("expired", "DNS:localhost", days=-1)
    made.certificate("client", "DNS:client", issuer="clients")
    made.certificate("stranger", "DNS:stranger")
    return made


@pytest.fixture
def proxy(
    request: pytest.FixtureRequest, server: Server, certificates: Certificates, tmp_path: Path
) -> Iterator[Proxy]:
    """Its certificate and the rest of its configuration are the test's parameter, if it has one."""
    certificate, more = getattr(request, "param", ("server", ""))
    for file in certificates.folder.glob("*.*"):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    here = Certificates(tmp_path)
    proxy = Proxy(server, here, certificate, more.format(clients=here.pem("clients")))
    yield proxy
    proxy.stop()


@pytest.fixture(params=("sync", "async"))
def make(request: pytest.FixtureRequest) -> Iterator[Make]:
    """SharedLimiter, by its methods for threads and by those for asyncio."""
    made: list[flint.SharedLimiter] = []

    def shared(*arguments: Any, **options: Any) -> Any:
        made.append(flint.SharedLimiter(*arguments, **options))
        if request.param == "sync":
            return made[-1]
        return AsyncStyle(made[-1], request.getfixturevalue("loop"))

    yield shared
    for limiter in made:
        limiter.close()


def fails(limiter: Any, *words: str) -> None:
    with pytest.raises(flint.FlintError) as raised:
        limiter.check("k")
    for word in words:
        assert word in str(raised.value)


STRICT = ("server", "ssl_client_certificate {clients}; ssl_verify_client on;")


def test_a_limiter_works_through_a_proxy(make: Make, proxy: Proxy, certificates: Certificates) -> None:
    limiter = make(proxy.url(), ca=certificates.pem("ca"))
    limiter.limit("user:42/a", "2/h")
    assert [limiter.allow("user:42/a") for _ in range(3)] == [True, True, False]
    assert limiter.status("user:42/a")["total_denied"] == 1
    assert limiter.decisions() == {"allowed": 2, "denied": 1}
    # A body and an answer of many records of TLS.
    batch = [{"key": f"many:{i}:{'x' * 400}", "limit": "1000/h"} for i in range(500)]
    assert all(limiter.check_batch(batch))
    assert len(limiter.list(prefix="many:", keys=True)) == 500
    # By address: the certificate names it, too.
    assert make(proxy.url("127.0.0.1") + "/", ca=str(certificates.pem("ca"))).allow("many:", limit="1/h")

    limit, *others = proxy.requests(9)
    assert limit[2] == "/flint/v1/limits" and others[0][2] == "/flint/v1/check"
    # All requests of a limiter were on one connection.
    assert {connection for connection, _, _ in others[:-1]} == {limit[0]} != {others[-1][0]}


# nginx then says the farewell of TLS, and closes.
@pytest.mark.parametrize("proxy", [("server", "keepalive_timeout 100ms;")], indirect=True)
def test_an_idle_connection_that_the_proxy_has_ended_is_replaced(
    make: Make, proxy: Proxy, certificates: Certificates
) -> None:
    limiter = make(proxy.url(), ca=certificates.pem("ca"))
    limiter.limit("k", "9/h")
    time.sleep(0.4)
    assert limiter.check("k").remaining == 8
    assert len({connection for connection, _, _ in proxy.requests(2)}) == 2


def test_what_the_system_trusts_is_trusted(
    make: Make, proxy: Proxy, certificates: Certificates, monkeypatch: pytest.MonkeyPatch
) -> None:
    fails(make(proxy.url()), "its certificate is not trusted", "with ca")
    monkeypatch.setenv("SSL_CERT_FILE", str(certificates.pem("ca")))
    assert make(proxy.url()).allow("k", limit="1/h")


def test_a_certificate_that_nobody_vouches_for_is_not_believed(
    make: Make, proxy: Proxy, server: Server, certificates: Certificates
) -> None:
    fails(make(proxy.url(), ca=certificates.pem("other")), proxy.url(), "its certificate is not trusted", "with ca")
    assert not proxy.requests()
    # It is an outage like others.
    degraded = make(proxy.url(), ca=certificates.pem("other"), on_error="allow").check("k")
    assert degraded and degraded.degraded


@pytest.mark.parametrize("proxy", [("elsewhere", "")], indirect=True)
@pytest.mark.parametrize("host", ["localhost", "127.0.0.1"])
def test_a_certificate_for_another_name_is_not_believed(
    make: Make, proxy: Proxy, certificates: Certificates, host: str
) -> None:
    fails(make(proxy.url(host), ca=certificates.pem("ca")), f"its certificate is not for the host '{host}'")


@pytest.mark.parametrize("proxy", [("expired", "")], indirect=True)
def test_an_expired_certificate_is_not_believed(make: Make, proxy: Proxy, certificates: Certificates) -> None:
    fails(make(proxy.url(), ca=certificates.pem("ca")), "its certificate has expired")


@pytest.mark.parametrize("proxy", [STRICT], indirect=True)
def test_a_proxy_that_asks_for_a_certificate_gets_it(
    make: Make, proxy: Proxy, certificates: Certificates, tmp_path: Path
) -> None:
    ca, cert, key = certificates.pem("ca"), certificates.pem("client"), certificates.key("client")
    make(proxy.url(), ca=ca, cert=cert, key=key).limit("k", "9/h")
    both = tmp_path / "both.pem"
    both.write_text(cert.read_text() + key.read_text())
    assert make(proxy.url(), ca=ca, cert=both).check("k").remaining == 8
    own = ssl.create_default_context(cafile=ca)
    own.load_cert_chain(cert, key)
    assert make(proxy.url(), ssl_context=own).check("k").remaining == 7

    fails(make(proxy.url(), ca=ca), "HTTP 400", "wants a client certificate", "cert and key")
    stranger = {"cert": certificates.pem("stranger"), "key": certificates.key("stranger")}
    fails(make(proxy.url(), ca=ca, **stranger), "or another one", "cert and key")


def test_a_refusal_in_the_handshake_says_what_is_missing(make: Make, certificates: Certificates) -> None:
    strict = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    strict.load_cert_chain(certificates.pem("server"), certificates.key("server"))
    strict.load_verify_locations(certificates.pem("clients"))
    strict.verify_mode = ssl.CERT_REQUIRED
    for version in (ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3):
        strict.maximum_version = version
        with Listener(lambda sock: strict.wrap_socket(sock.dup(), server_side=True).close()) as listener:
            fails(make(listener.url(), ca=certificates.pem("ca")), "refused this client", "cert and key")


def test_what_speaks_no_tls_is_called_that(
    make: Make, server: Server, proxy: Proxy, certificates: Certificates
) -> None:
    ca = certificates.pem("ca")
    fails(make(server.url.replace("http:", "https:"), ca=ca), "no TLS is spoken there", "http://")
    fails(make(proxy.url().replace("https:", "http:")), "TLS is spoken there: write https://")
    fails(make(f"https://localhost:{proxy.port}", ca=ca), "none of a Flint server")
    with Listener(lambda sock: sock.recv(4096)) as listener:
        fails(make(listener.url(), ca=ca), "ended the connection during the handshake")


def test_a_handshake_takes_no_longer_than_the_timeout(make: Make, certificates: Certificates) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"https://127.0.0.1:{silent.getsockname()[1]}"
        began = time.monotonic()
        fails(make(url, ca=certificates.pem("ca"), timeout=0.2), "no answer within 0.2 s")
        assert time.monotonic() - began < 5


def test_the_loop_runs_during_a_handshake(certificates: Certificates) -> None:
    async def main() -> int:
        with socket.create_server(("127.0.0.1", 0)) as silent:
            url = f"https://127.0.0.1:{silent.getsockname()[1]}"
            async with flint.SharedLimiter(url, ca=certificates.pem("ca"), timeout=0.3) as limiter:
                check = asyncio.create_task(limiter.acheck("k"))
                ticks = 0
                while not check.done():
                    await asyncio.sleep(0.01)
                    ticks += 1
                assert isinstance(check.exception(), flint.FlintConnectionError)
                return ticks

    assert asyncio.run(main()) > 3


def test_threads_coroutines_and_a_child_use_one_limiter(proxy: Proxy, certificates: Certificates) -> None:
    async def some(limiter: flint.SharedLimiter) -> list[bool]:
        return await asyncio.gather(*(limiter.aallow("k") for _ in range(50)))

    with flint.SharedLimiter(proxy.url(), ca=certificates.pem("ca")) as limiter:
        limiter.limit("k", "1000/d fixed_window_counter")
        threads = [threading.Thread(target=lambda: [limiter.check("k") for _ in range(20)]) for _ in range(5)]
        for thread in threads:
            thread.start()
        assert all(asyncio.run(some(limiter)))
        for thread in threads:
            thread.join()
        child = os.fork()
        if child == 0:
            # Whatever happens, this process must not go on with pytest.
            try:
                done = all(limiter.allow("k") for _ in range(10))
                limiter.close()
                os._exit(0 if done else 1)
            finally:
                os._exit(2)
        # The parent's connections are its own all the time.
        assert all(limiter.allow("k") for _ in range(10))
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
        assert limiter.check("k").remaining == 1000 - 50 - 100 - 20 - 1


class Listener:
    """Serves each connection by `serve`, which may fail, in a thread."""

    def __init__(self, serve: Callable[[socket.socket], object]) -> None:
        self._socket = socket.create_server(("127.0.0.1", 0))
        self._serve = serve
        self._thread = threading.Thread(target=self._run)

    def url(self) -> str:
        return f"https://localhost:{self._socket.getsockname()[1]}"

    def _run(self) -> None:
        while True:
            try:
                sock, _ = self._socket.accept()
            except OSError:
                return
            with sock:
                try:
                    self._serve(sock)
                except OSError:
                    # What the other side has sent meanwhile must be read, or its alert is lost to a reset.
                    sock.settimeout(0.2)
                    try:
                        while sock.recv(4096):
                            pass
                    except OSError:
                        pass

    def __enter__(self) -> Listener:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        self._thread.join()


def test_files_that_cannot_be_used_are_named(certificates: Certificates, tmp_path: Path) -> None:
    ca, cert, key = certificates.pem("ca"), certificates.pem("client"), certificates.key("client")
    empty, locked = tmp_path / "empty", tmp_path / "locked.key"
    empty.write_text("")
    openssl("ec", "-in", key, "-aes128", "-passout", "pass:secret", "-out", locked)
    server_side = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cases: list[tuple[dict[str, Any], type[Exception], str]] = [
        ({"ca": "absent"}, ValueError, "ca cannot be used: 'absent': No such file"),
        ({"ca": "a\0b"}, ValueError, "ca cannot be used"),
        ({"ca": tmp_path}, ValueError, "ca cannot be used: .*Is a directory"),
        ({"ca": 1}, TypeError, "ca must be the path of a file"),
        ({"ca": empty}, ValueError, "ca holds no certificate in PEM form"),
        ({"cert": key, "key": key}, ValueError, "cert holds no certificate in PEM form"),
        ({"cert": cert}, ValueError, "key holds no private key in PEM form"),
        ({"cert": cert, "key": empty}, ValueError, "key holds no private key in PEM form"),
        ({"cert": cert, "key": "absent"}, ValueError, "key cannot be used: 'absent': No such file"),
        ({"cert": cert, "key": certificates.key("ca")}, ValueError, "key is not that of the certificate"),
        ({"cert": cert, "key": locked}, ValueError, "without a passphrase"),
        ({"key": key}, ValueError, "key must come with its certificate"),
        ({"ssl_context": True}, TypeError, "ssl_context must be an ssl.SSLContext"),
        ({"ssl_context": server_side}, ValueError, "ssl_context must be one of a client"),
        ({"ssl_context": ssl.create_default_context(), "ca": ca}, ValueError, "cannot be combined with ca"),
    ]
    for options, kind, words in cases:
        with pytest.raises(kind, match=words):
            flint.SharedLimiter("https://localhost:1", **options)
    for url in ("http://localhost:1", "unix:flint.sock"):
        with pytest.raises(ValueError, match=re.escape("ca is for a server at https://.")):
            flint.SharedLimiter(url, ca=ca)
