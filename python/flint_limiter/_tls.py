"""What of TLS is ours: whom to trust, which certificate to show, and sentences for what goes wrong."""

from __future__ import annotations

import os
import ssl

from flint_limiter import _arguments
from flint_limiter._endpoint import Endpoint

_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH, _NOT_YET_VALID, _EXPIRED = 62, 64, 9, 10  # X509_V_ERR_...
_NO_TLS = {"WRONG_VERSION_NUMBER", "HTTP_REQUEST", "PACKET_LENGTH_TOO_LONG", "RECORD_LAYER_FAILURE"}
_REFUSALS = (
    "ALERT_CERTIFICATE_REQUIRED",
    "ALERT_HANDSHAKE_FAILURE",
    "ALERT_BAD_CERTIFICATE",
    "ALERT_UNKNOWN_CA",
    "ALERT_CERTIFICATE_EXPIRED",
)
_OTHER_KEY = {"KEY_VALUES_MISMATCH", "KEY_TYPE_MISMATCH"}


def context(
    endpoint: Endpoint, ca: object = None, cert: object = None, key: object = None, given: object = None
) -> ssl.SSLContext | None:
    """What sessions with `endpoint` are made of; None where it speaks no TLS. Reads the files; ValueError names the one
    that cannot be used. `given` is the user's own, in place of the others."""
    named = {"ca": ca, "cert": cert, "key": key, "ssl_context": given}
    present = [name for name, value in named.items() if value is not None]
    if not endpoint.tls:
        if present:
            raise ValueError(f"{present[0]} is for a server at https://.")
        return None
    if given is not None:
        return _checked(given, present)
    if key is not None and cert is None:
        raise ValueError("key must come with its certificate: give both, cert and key.")
    files = {name: _file(value, name) for name, value in named.items() if value is not None}
    made = _trusting(files.get("ca"))
    made.set_alpn_protocols(["http/1.1"])
    if cert is not None:
        _present(made, files["cert"], files.get("key"))
    return made


def _checked(given: object, present: list[str]) -> ssl.SSLContext:
    if not isinstance(given, ssl.SSLContext):
        raise TypeError(f"ssl_context must be an ssl.SSLContext, not {_arguments.type_name(given)}.")
    if given.protocol == ssl.PROTOCOL_TLS_SERVER:
        raise ValueError("ssl_context must be one of a client, such as ssl.create_default_context() makes.")
    if present != ["ssl_context"]:
        raise ValueError(f"ssl_context cannot be combined with {present[0]}: load it into the context.")
    return given


def _file(value: object, name: str) -> str:
    if not isinstance(value, (str, os.PathLike)):
        raise TypeError(f"{name} must be the path of a file, not {_arguments.type_name(value)}.")
    path = os.fsdecode(value)
    try:
        # OpenSSL would not say which file it is.
        with open(path, "rb"):
            return path
    except (OSError, ValueError) as error:
        why = os.strerror(error.errno) if isinstance(error, OSError) and error.errno else str(error)
        raise ValueError(f"{name} cannot be used: {path!r}: {why}.") from None


def _trusting(ca: str | None) -> ssl.SSLContext:
    try:
        made = ssl.create_default_context(cafile=ca)
    except ssl.SSLError:
        raise ValueError(f"ca holds no certificate in PEM form: {ca!r}.") from None
    made.minimum_version = max(made.minimum_version, ssl.TLSVersion.TLSv1_2)
    return made


def _present(made: ssl.SSLContext, cert: str, key: str | None) -> None:
    try:
        # Without a password, OpenSSL would ask at the terminal, of which a program in the background has none.
        made.load_cert_chain(cert, key, password="")
    except (ssl.SSLError, ValueError) as error:
        with open(cert, "rb") as file:
            held = b"-----BEGIN CERTIFICATE-----" in file.read()
        if not held:
            raise ValueError(f"cert holds no certificate in PEM form: {cert!r}.") from None
        if getattr(error, "reason", None) in _OTHER_KEY:
            raise ValueError(f"key is not that of the certificate {cert!r}: {key or cert!r}.") from None
        raise ValueError(
            f"key holds no private key in PEM form without a passphrase: {key or cert!r}. "
            "One with a passphrase can be loaded into an ssl_context."
        ) from None


def problem(error: BaseException, endpoint: Endpoint) -> str | None:
    """In words, why a call failed; None if it is not for a reason of TLS."""
    if not isinstance(error, ssl.SSLError):
        return None
    reason = error.reason or ""
    if isinstance(error, ssl.SSLCertVerificationError):
        return _certificate_problem(error, endpoint)
    if reason in _NO_TLS:
        return "no TLS is spoken there. Write http:// if that is a Flint server without a proxy"
    if reason.endswith(_REFUSALS):
        return (
            f"the server refused this client ({_words(reason)}). It may want a client certificate, or another one: "
            "give it with cert and key"
        )
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        return "the server ended the connection during the handshake of TLS"
    return f"TLS failed ({_words(reason) or error})"


def _certificate_problem(error: ssl.SSLCertVerificationError, endpoint: Endpoint) -> str:
    if error.verify_code in (_HOSTNAME_MISMATCH, _ADDRESS_MISMATCH):
        return (
            f"its certificate is not for the host {endpoint.host!r}. The URL must name the host as the certificate does"
        )
    if error.verify_code == _EXPIRED:
        return "its certificate has expired. It has to be renewed at the server"
    if error.verify_code == _NOT_YET_VALID:
        return "its certificate is not valid yet. Check the clock of this machine"
    return (
        f"its certificate is not trusted: {error.verify_message}. If one of your own authorities issued it, give that "
        "one's certificate with ca"
    )


def _words(reason: str) -> str:
    return reason.lower().replace("_", " ")
