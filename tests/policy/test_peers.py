"""Whose mail is left alone."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from mailman_arc.policy.peers import PEERS, is_peer


@pytest.mark.parametrize(
    ("entries", "address", "name", "expected"),
    [
        ("", "192.0.2.1", "a.example", False),
        ("192.0.2.1", "192.0.2.1", "", True),
        ("192.0.2.1", "192.0.2.2", "", False),
        ("192.0.2.1", None, "", False),
        ("192.0.2.0/24", "192.0.2.255", "", True),
        ("192.0.2.0/24", "192.0.3.0", "", False),
        ("[192.0.2.1]", "192.0.2.1", "", True),
        ("2001:DB8::/32", "2001:db8::1", "", True),
        ("2001:db8::/32", "192.0.2.1", "", False),
        ("192.0.2.0/24, !192.0.2.9", "192.0.2.9", "", False),
        ("!192.0.2.9 192.0.2.0/24", "192.0.2.9", "", False),
        ("!192.0.2.0/24 192.0.2.1", "192.0.2.1", "", True),
        ("!192.0.2.0/24 192.0.2.1", "192.0.2.2", "", False),
        ("192.0.2.1 !192.0.2.1", "192.0.2.1", "", False),
        ("a.example", "192.0.2.1", "a.example", True),
        ("a.example", "192.0.2.1", "A.Example.", True),
        ("a.example", "192.0.2.1", "b.a.example", False),
        ("a.example", "192.0.2.1", "", False),
        (".example", None, "a.example", True),
        (".a.example", None, "a.example", False),
        (".a.example", None, "ba.example", False),
        (".example !b.example", None, "b.example", False),
        (".example !.b.example a.b.example", None, "c.b.example", False),
        (".example !.b.example a.b.example", None, "a.b.example", True),
        # Names first.
        ("192.0.2.1 !.example", "192.0.2.1", "a.example", False),
        ("!192.0.2.1 .example", "192.0.2.1", "a.example", True),
    ],
)
def test_the_most_precise_entry_decides(entries, address, name, expected):
    assert is_peer(PEERS.parse(entries), address, name) is expected


@pytest.mark.parametrize(
    "word",
    ["192.0.2", "192.0.2.256", "192.0.2.1/24", "192.0.2.1/33", "!", ".", "!!a.example",
     "*.example", "2001:db8::/129", "a..b", "/etc/peers", "[a.example]", "7", "a.7"],
)  # fmt: skip
def test_what_is_no_client_is_refused(word):
    with pytest.raises(ValueError, match="neither an address, a network nor a host"):
        PEERS.parse(word)


@given(st.text())
def test_any_text_is_a_list_or_refused(text):
    try:
        peers = PEERS.parse(text)
    except ValueError:
        return
    assert PEERS.parse(PEERS.show(peers)) == peers
    assert is_peer(peers, "192.0.2.1", text) in (True, False)
