"""Who sent a request: what is believed of X-Forwarded-For, and how addresses become keys."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, strategies

from flint_limiter._client_address import ClientAddress


@pytest.mark.parametrize(
    ("hops", "forwarded", "address"),
    [
        (0, "", "10.0.0.1"),
        (0, "6.6.6.6", "10.0.0.1"),
        (1, "", "10.0.0.1"),
        (1, "192.0.2.1", "192.0.2.1"),
        (1, "6.6.6.6, 192.0.2.1", "192.0.2.1"),
        (2, "6.6.6.6, 192.0.2.1, 10.0.0.2", "192.0.2.1"),
        (2, "10.0.0.2", "10.0.0.2"),
        (1, "192.0.2.1:4711", "192.0.2.1"),
        (1, "[2001:db8::1]:4711", "2001:db8::/64"),
        (1, "unknown", "10.0.0.1"),
        (2, "192.0.2.1, unknown", "10.0.0.1"),
        (2, "unknown, 10.0.0.2", "10.0.0.2"),
        (1, "1.2.3", "10.0.0.1"),
        (1, "1" * 100_000, "10.0.0.1"),
    ],
)
def test_only_what_trusted_hops_wrote_is_believed(hops: int, forwarded: str, address: str) -> None:
    assert ClientAddress(hops, 64, "").key("10.0.0.1", forwarded) == address


@pytest.mark.parametrize(
    ("peer", "prefix", "address"),
    [
        ("2001:db8:1:2:3:4:5:6", 64, "2001:db8:1:2::/64"),
        ("2001:DB8:1:2:0:0:0:1", 128, "2001:db8:1:2::1"),
        ("2001:db8:1:2:3:4:5:6", 48, "2001:db8:1::/48"),
        ("::ffff:192.0.2.1", 64, "192.0.2.1"),
        ("fe80::1%eth0", 64, "fe80::/64"),
        ("192.0.2.1", 1, "192.0.2.1"),
        ("", 64, "unix"),
        ("testclient", 64, "testclient"),
    ],
)
def test_an_address_has_one_spelling_and_ipv6_is_cut_to_its_network(peer: str, prefix: int, address: str) -> None:
    assert ClientAddress(0, prefix, "ip:").key(peer, "") == f"ip:{address}"


@given(strategies.text(max_size=60), strategies.integers(0, 4))
def test_what_a_client_sends_never_changes_what_trusted_hops_say(sent: str, hops: int) -> None:
    told = ", ".join(f"192.0.2.{hop}" for hop in range(hops))
    forged = f"{sent}, {told}" if told else sent
    expected = "192.0.2.0" if hops else "10.0.0.1"
    assert ClientAddress(hops, 64, "").key("10.0.0.1", forged) == expected


@pytest.mark.parametrize(
    ("arguments", "kind", "names"),
    [
        ((-1, 64, ""), ValueError, "trusted_hops"),
        ((True, 64, ""), TypeError, "trusted_hops"),
        ((0, 0, ""), ValueError, "ipv6_prefix"),
        ((0, 129, ""), ValueError, "ipv6_prefix"),
        ((0, 64, None), TypeError, "prefix"),
    ],
)
def test_wrong_arguments(arguments: Any, kind: type[Exception], names: str) -> None:
    with pytest.raises(kind, match=names):
        ClientAddress(*arguments)
