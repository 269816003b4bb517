"""Who sent a request: the address to limit by, from the socket and from what trusted proxies say."""

from __future__ import annotations

import functools
import ipaddress

from flint_limiter import _arguments

_MAX_HOPS = 32
# Longer than any address with a port: what is remembered stays small.
_MAX_TEXT = 80


class ClientAddress:
    """Reads addresses. `trusted_hops` is how many proxies of ours a request comes through, each of which appends to
    `X-Forwarded-For` whom it got the request from: 0 believes the socket only. What stands further left in that field,
    the client may have written, so it is never looked at.

    IPv6 addresses are cut to `ipv6_prefix` bits, since whoever has one has a whole network of them.
    """

    __slots__ = ("_ipv6_prefix", "_prefix", "_trusted_hops")

    def __init__(self, trusted_hops: int, ipv6_prefix: int, prefix: str) -> None:
        self._trusted_hops = _arguments.integer(trusted_hops, "trusted_hops", _MAX_HOPS, least=0)
        self._ipv6_prefix = _arguments.integer(ipv6_prefix, "ipv6_prefix", 128)
        self._prefix = _arguments.text(prefix, "prefix")

    def key(self, peer: str, forwarded_for: str) -> str:
        """`peer` is empty for a Unix socket; `forwarded_for` holds the fields of the request, joined by commas."""
        # A name that is no address (of a test client, say) is its own key.
        address = _normal(peer, self._ipv6_prefix) or peer or "unix"
        entries = forwarded_for.split(",") if self._trusted_hops else []
        for entry in entries[: -self._trusted_hops - 1 : -1]:
            hop = _normal(entry, self._ipv6_prefix)
            if hop is None:
                break  # "unknown" and such: the hop that wrote it is the last that we know
            address = hop
        return self._prefix + address


def _normal(text: str, ipv6_prefix: int) -> str | None:
    """An address, or a network, in one spelling; None when it is none. A port is left out."""
    return _parsed(text, ipv6_prefix) if len(text) <= _MAX_TEXT else None


@functools.lru_cache(maxsize=4096)
def _parsed(text: str, ipv6_prefix: int) -> str | None:
    bare = text.strip()
    if bare.startswith("["):
        bare = bare[1:].partition("]")[0]
    elif bare.count(":") == 1:
        bare = bare.partition(":")[0]
    try:
        address = ipaddress.ip_address(bare.partition("%")[0])
    except ValueError:
        return None
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return str(address.ipv4_mapped)
        if ipv6_prefix < 128:
            return str(ipaddress.ip_network((address, ipv6_prefix), strict=False))
    return str(address)
