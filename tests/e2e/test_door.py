"""The LMTP door of a running Mailman: who brought a post, and when it has to wait."""

from __future__ import annotations

import smtplib
import time
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.e2e.house import (
    ANN,
    FORWARDER,
    SECOND_FORWARDER,
    ZONE,
    FurnishedHouse,
    assert_others_accept,
    first_field,
    furnished,
    signed,
)
from tests.house import lmtp, posts
from tests.house.dns_server import DnsServer


pytestmark = pytest.mark.house

HOLD = 20  # seconds; longer than failed look-ups are remembered
MAIL_SERVER = "127.0.0.2"  # may use XFORWARD; 127.0.0.1 may not
SPF = {posts.AUTHOR: "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all"}


@dataclass
class Door:
    """A Mailman that a mail server talks to, and its DNS."""

    house: FurnishedHouse
    dns: DnsServer

    def talk(
        self, octets: bytes, to: str, *xforward: str, sender: str, peer: str
    ) -> list[int]:
        """Hand a post in with XFORWARD commands; how those were answered."""
        with smtplib.LMTP(
            "127.0.0.1", self.house.site.lmtp_port, source_address=(peer, 0)
        ) as connection:
            connection.ehlo()
            codes = [connection.docmd("XFORWARD", each)[0] for each in xforward]
            assert connection.sendmail(sender, [to], octets) == {}
        return codes

    def hand_in(self, octets: bytes, to: str) -> bool:
        """Hand a post in; whether it was taken, and not put off."""
        refused = lmtp.send(self.house.site.lmtp_port, octets, ANN, [to])
        for reply in refused.values():
            assert (reply.code, reply.text[:5]) == (451, "4.4.3")
        return not refused


@pytest.fixture(scope="module")
def running() -> Iterator[Door]:
    settings = {
        "authorized_xforward_hosts": MAIL_SERVER,
        "temperror_hold": f"{HOLD}s",
        "dns_timeout": "2",
        "dns_deadline": "3",
    }
    with (
        DnsServer(ZONE | SPF) as dns,
        furnished(dns.port, arc={"arc": settings}) as house,
    ):
        yield Door(house, dns)


@pytest.fixture
def door(running: Door) -> Iterator[Door]:
    yield running
    running.dns.silent.clear()
    running.house.assert_untroubled()


TOLD = (
    (
        ("NAME=mx.author.example ADDR=192.0.2.1 PORT=25", "HELO=mx.author.example"),
        ANN,
        "arc=none smtp.remote-ip=192.0.2.1; spf=pass smtp.mailfrom=author.example; "
        "dkim=none; dmarc=pass ",
    ),
    (
        ("ADDR=IPV6:2001:db8::1",),
        ANN,
        'arc=none smtp.remote-ip="2001:db8::1"; spf=pass '
        "smtp.mailfrom=author.example; dkim=none; dmarc=pass ",
    ),
    (
        ("ADDR=192.0.2.99",),
        ANN,
        "arc=none smtp.remote-ip=192.0.2.99; spf=fail smtp.mailfrom=author.example; "
        "dkim=none; dmarc=fail ",
    ),
    (
        ("ADDR=192.0.2.1",),
        "ann@elsewhere.example",
        "arc=none smtp.remote-ip=192.0.2.1; spf=none "
        "smtp.mailfrom=elsewhere.example; dkim=none; dmarc=fail ",
    ),
    (("ADDR=192.0.2.1 SOURCE=LOCAL",), ANN, "arc=none; dkim=none; dmarc=fail "),
    ((), ANN, "arc=none; dkim=none; dmarc=fail "),
)


@pytest.mark.parametrize(("xforward", "sender", "results"), TOLD)
def test_spf_is_judged_for_the_client_the_mail_server_names(
    door: Door, xforward: tuple[str, ...], sender: str, results: str
):
    discuss = door.house.make_list()
    post = posts.make_post(ANN, discuss.address)

    codes = door.talk(post, discuss.address, *xforward, sender=sender, peer=MAIL_SERVER)
    copy = door.house.collect(post)[0]

    assert codes == [250] * len(xforward)
    for name in ("Authentication-Results", "ARC-Authentication-Results"):
        assert f"lists.example.org; {results}" in first_field(copy, name)
    assert ANN not in first_field(copy, "ARC-Authentication-Results")
    assert_others_accept(copy.octets)


def test_nobody_else_may_name_a_client(door: Door):
    discuss = door.house.make_list()
    post = posts.make_post(ANN, discuss.address)

    codes = door.talk(
        post, discuss.address, "ADDR=192.0.2.1", sender=ANN, peer="127.0.0.1"
    )

    assert codes == [500]
    results = first_field(door.house.collect(post)[0], "ARC-Authentication-Results")
    assert "arc=none; dkim=none; dmarc=fail " in results


def test_a_post_waits_for_the_dns_and_not_for_ever(door: Door):
    discuss = door.house.make_list()
    lucky, lost = (
        signed(posts.make_post(ANN, discuss.address), {sealer.name: "dkim=pass"})
        for sealer in (FORWARDER, SECOND_FORWARDER)
    )
    keys = [f"s1._domainkey.{each.name}" for each in (FORWARDER, SECOND_FORWARDER)]
    door.dns.silent.update(keys)
    began = time.monotonic()
    assert not door.hand_in(lucky, discuss.address)
    assert not door.hand_in(lost, discuss.address)

    door.dns.silent.discard(keys[0])
    while not door.hand_in(lucky, discuss.address):
        time.sleep(0.5)
    while not door.hand_in(lost, discuss.address):
        time.sleep(0.5)

    assert time.monotonic() - began >= HOLD
    copy = door.house.collect(lucky)[0]
    assert first_field(copy, "ARC-Seal").startswith("i=2; a=rsa-sha256; cv=pass;")
    assert_others_accept(copy.octets)
    copy = door.house.collect(lost)[0]
    assert len(copy.fields("ARC-Seal")) == 1
    site = door.house.site
    assert site.wait_for_log("plugins", "not sealed: chain could not be judged")
    log = site.log("plugins")
    assert "put off, because the DNS does not let its chain be judged" in log


def test_every_recipient_of_a_post_waits(door: Door):
    lists = [door.house.make_list() for _ in range(2)]
    post = signed(posts.make_post(ANN, lists[0].address), {FORWARDER.name: "dkim=pass"})
    # A key that nobody has asked for before, so that no answer is remembered.
    post = post.replace(b"s=s1;", b"s=s2;")
    door.dns.silent.add(f"s2._domainkey.{FORWARDER.name}")
    addresses = [lists[0].address, lists[1].address.replace("@", "-request@")]

    refused = lmtp.send(door.house.site.lmtp_port, post, ANN, addresses)

    assert {name: reply.code for name, reply in refused.items()} == dict.fromkeys(
        addresses, 451
    )
