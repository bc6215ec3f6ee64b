"""Whom SPF checks in a transaction."""

from __future__ import annotations

import pytest

from mailman_arc.mailauth.spf import NOTHING_KNOWN, Envelope, SpfIdentity


IP = "192.0.2.1"
HELO = "mx.author.example"

IDENTITIES = (
    (Envelope(IP, HELO, "ann@author.example"), ("mailfrom", "author.example")),
    (Envelope(IP, None, "ann@author.example"), ("mailfrom", "author.example")),
    (Envelope(IP, HELO, "ANN@Author.Example."), ("mailfrom", "author.example")),
    (Envelope(IP, HELO, '"a@b.example"@c.example'), ("mailfrom", "c.example")),
    (Envelope(IP, HELO, "a@b\xfccher.example"), ("mailfrom", "xn--bcher-kva.example")),
    (Envelope(IP, HELO, ""), ("helo", HELO)),
    (Envelope(IP, "MX.Author.Example", ""), ("helo", HELO)),
)
NO_IDENTITIES = (
    NOTHING_KNOWN,
    Envelope(None, HELO, "ann@author.example"),
    Envelope(IP, HELO, None),
    Envelope(IP, None, ""),
    Envelope(IP, "[192.0.2.1]", ""),
    Envelope(IP, "localhost", ""),
    Envelope(IP, HELO, "ann"),
    Envelope(IP, HELO, "ann@"),
    Envelope(IP, HELO, "ann@localhost"),
    Envelope(IP, HELO, "ann@[192.0.2.1]"),
    Envelope(IP, HELO, "ann@author..example"),
)


@pytest.mark.parametrize(("envelope", "identity"), IDENTITIES)
def test_mail_from_is_checked_or_helo_when_the_reverse_path_is_empty(
    envelope, identity
):
    assert envelope.spf_identity == (SpfIdentity(identity[0]), identity[1])


@pytest.mark.parametrize("envelope", NO_IDENTITIES)
def test_without_client_or_domain_there_is_nobody_to_check(envelope):
    assert envelope.spf_identity is None
