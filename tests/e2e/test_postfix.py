"""Posts that a real Postfix hands to Mailman, and copies that it passes on.

One Postfix, set up as `example_cfg/postfix.cf` says, stands before Mailman and
behind it.  Its next hops are a server with 8BITMIME and one without.
"""

from __future__ import annotations

import base64
import os
import quopri
import re
import smtplib
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from typing import Any

import pytest

from tests.e2e.house import (
    ANN,
    AUTHOR,
    SITE,
    UNUSED,
    ZONE,
    FurnishedHouse,
    assert_others_accept,
    first_field,
    not_started,
    zones,
)
from tests.house import oracles, posts
from tests.house.lists import MailingList
from tests.house.nsd import authoritative_server
from tests.house.postfix import Client, Postfix, why_none
from tests.house.sink import Delivery, Sink
from tests.house.site import MailmanSite
from tests.house.waiting import PATIENCE, wait_until


pytestmark = pytest.mark.house

# The mail server of the author, as Postfix sees it.
CLIENT = Client("192.0.2.10", "mx.author.example")
SPF = f'@ TXT "v=spf1 ip4:{CLIENT.address} -all"\n'

# Where the members are: at a server with 8BITMIME, at one without, and at one
# without that Postfix is told to send 8-bit text to all the same.
NEW, OLD, UNCONVERTED = "new.example", "old.example", "unconverted.example"
HOPS = (NEW, OLD, UNCONVERTED)
MEMBERS = tuple(f"anne@{hop}" for hop in HOPS)
LISTS = ("footer", "plain")  # the second changes nothing
ALWAYS = "always.lists.example.org"  # where all 8-bit text is encoded
WITHOUT_8BITMIME = ("SIZE 52428800",)  # SMTPUTF8 would mean that it has it

GERMAN = "Grüße aus Köln.\r\n".encode()


def mime(encoding: str, kind: str = 'text/plain; charset="utf-8"') -> bytes:
    return (
        f"MIME-Version: 1.0\r\nContent-Type: {kind}\r\n"
        f"Content-Transfer-Encoding: {encoding}\r\n"
    ).encode()


@dataclass(frozen=True, slots=True)
class Kind:
    """What is special about a post, and what becomes of its signature."""

    body: bytes = b"Shall we meet at noon?\r\n"
    fields: bytes = mime("7bit")
    to: str = "discuss@lists.example.org"
    signed: bool = True
    dkim: str = "pass"  # as it comes to Mailman

    def write(self) -> bytes:
        # From, To, Subject, Date and Message-ID.
        lines = posts.make_post(ANN, self.to).split(b"\r\n")[:5]
        octets = b"\r\n".join([*lines, self.fields, self.body])
        return posts.dkim_sign(octets, AUTHOR) if self.signed else octets


KINDS = {
    "7-bit": Kind(),
    "base64": Kind(base64.encodebytes(GERMAN).rstrip() + b"\r\n", mime("base64")),
    "quoted-printable": Kind(
        quopri.encodestring(GERMAN.rstrip()) + b"\r\n", mime("quoted-printable")
    ),
    "8-bit without a name": Kind(GERMAN, b""),
    # Postfix breaks it on its way to Mailman, which says what it then finds.
    "a long line": Kind(b"long line " * 200 + b"\r\n", dkim="fail (body has changed)"),
    "lines that begin with From": Kind(b"From here\r\n>From there\r\n"),
    "dots": Kind(b".\r\n..\r\n.one\r\n"),
    "no line end at the end": Kind(b"Hello."),
    "200 kB": Kind(b"All work and no play makes Jack a dull boy.\r\n" * 4500),
    "odd folding": Kind(
        fields=mime("7bit") + b"References: <a@b>\r\n\t<c@d>\r\n   \t <e@f>\r\n"
        b"Keywords:\r\n one,\r\n\ttwo \r\n"
    ),
    "a long field": Kind(
        fields=mime("7bit") + b"References:%b\r\n" % (b" <1234@author.example>" * 60)
    ),
    "raw 8-bit fields": Kind(
        fields=mime("7bit") + b"X-Comment: \xe4\xf6\xfc\r\nKeywords: caf\xc3\xa9\r\n"
    ),
    "an incomplete address": Kind(to="friends"),
}  # fmt: skip

# What Postfix encodes for servers without 8BITMIME: all that calls itself 8-bit.
EIGHT_BIT = {
    "8-bit": Kind(GERMAN, mime("8bit")),
    "8-bit by name": Kind(fields=mime("8bit")),
    "an 8-bit part": Kind(
        b"--b1\r\n" + mime("8bit") + b"\r\n" + GERMAN + b"--b1--\r\n",
        mime("8bit", 'multipart/mixed; boundary="b1"'),
    ),
}
UNSIGNED = {
    f"{name}, unsigned": Kind(kind.body, kind.fields, signed=False, dkim="none")
    for name, kind in EIGHT_BIT.items()
}
ALL = {**KINDS, **EIGHT_BIT, **UNSIGNED}


@dataclass
class Mail:
    """A Mailman behind and before a Postfix, and what has become of its posts."""

    house: FurnishedHouse
    postfix: Postfix
    sinks: dict[str, Sink]
    lists: dict[str, MailingList]
    sent: dict[tuple[str, str], bytes] = field(default_factory=dict)

    def post(self, kinds: Iterable[str], lists: Iterable[str] = LISTS) -> None:
        """Send posts of these kinds from the author's server to these lists."""
        for name in lists:
            for kind in kinds:
                octets = ALL[kind].write()
                to = [self.lists[name].address]
                self.postfix.send(octets, ANN, to, client=CLIENT)
                self.sent[kind, name] = octets

    def copy(self, kind: str, to: str, hop: str = NEW) -> Delivery:
        """What came to the member at this hop, once it is there."""
        octets = self.sent[kind, to]
        return self.wait(hop, f"anne@{hop}", Delivery("", (), octets).message_id)

    def resend(self, octets: bytes, server: str = "") -> Delivery:
        """Send a copy again, as Mailman does, from this machine."""
        recipient = f"bob{len(self.sinks[NEW].deliveries)}@{NEW}"
        self.postfix.send(octets, ANN, [recipient], server=server)
        return self.wait(NEW, recipient)

    def wait(self, hop: str, recipient: str, message_id: str = "") -> Delivery:
        return wait_until(
            lambda: [
                each
                for each in self.sinks[hop].deliveries
                if recipient in each.recipients and message_id in each.message_id
            ],
            PATIENCE,
            f"{message_id} for {recipient}",
            lambda: f"{self.postfix.log()[-3000:]}\n{self.house.site.report()}",
        )[0]


@pytest.fixture(scope="module")
def mail() -> Iterator[Mail]:
    if reason := why_none():
        (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)
    zone = zones()
    zone[posts.AUTHOR] += SPF
    with ExitStack() as opened:
        dns = opened.enter_context(authoritative_server(zone))
        new = opened.enter_context(Sink())
        old = opened.enter_context(Sink(WITHOUT_8BITMIME))
        site = MailmanSite(
            0,
            dns.port,
            key=SITE.private_key,
            mailman=not_started(UNUSED),
            arc={f"domain.{ALWAYS}": {"transport_safe": "always"}},
        )
        opened.callback(site.close)
        postfix = opened.enter_context(
            Postfix(
                site.lmtp_port,
                {
                    ALWAYS: f"lmtp:[127.0.0.1]:{site.lmtp_port}",
                    NEW: f"smtp:[127.0.0.1]:{new.port}",
                    OLD: f"smtp:[127.0.0.1]:{old.port}",
                    UNCONVERTED: f"unconverted:[127.0.0.1]:{old.port}",
                },
                servers={
                    # Postfix's default.
                    "rewriting": {
                        "local_header_rewrite_clients": "permit_inet_interfaces"
                    }
                },
                transports={"unconverted": {"disable_mime_output_conversion": "yes"}},
            )
        )
        site.configure_mailman({"mta": {"smtp_port": str(postfix.port)}})
        opened.enter_context(site)
        house = FurnishedHouse(site, new)
        sinks = {NEW: new, OLD: old, UNCONVERTED: old}
        mail = Mail(house, postfix, sinks, make_lists(house))
        mail.post(ALL)
        mail.post(EIGHT_BIT, ["always"])
        yield mail
        house.assert_untroubled()


def make_lists(house: FurnishedHouse) -> dict[str, MailingList]:
    settings: dict[str, Any] = {"require_explicit_destination": False}
    lists = {"footer": house.make_list(MEMBERS, **settings)}
    settings["subject_prefix"] = ""
    lists["plain"] = house.make_list(MEMBERS, **settings)
    lists["always"] = house.make_list(MEMBERS, domain=ALWAYS, **settings)
    for name in ("plain", "always"):
        lists[name].decorate("")
    return lists


def as_mailman_sent(copy: Delivery) -> bytes:
    """A copy without what Postfix put on top."""
    bare, count = re.subn(rb"\AReceived:.*\r\n(?:[ \t].*\r\n)*", b"", copy.octets)
    assert count == 1
    return bare


@pytest.mark.parametrize("to", LISTS)
@pytest.mark.parametrize("kind", ALL)
def test_a_post_is_judged_as_postfix_delivers_it(mail: Mail, kind: str, to: str):
    results = first_field(mail.copy(kind, to), "ARC-Authentication-Results")

    assert f"; dkim={ALL[kind].dkim}" in results


@pytest.mark.parametrize("to", LISTS)
@pytest.mark.parametrize("kind", ALL)
def test_the_seal_holds_behind_postfix(mail: Mail, kind: str, to: str):
    copy = mail.copy(kind, to)

    expected = ALL[kind].dkim if to == "plain" or not ALL[kind].signed else "fail"
    for opinion in oracles.opinions(copy.octets, ZONE):
        assert opinion.arc == "pass", opinion
        assert opinion.dkim_of(posts.AUTHOR) == expected.split()[0], opinion


@pytest.mark.parametrize("hop", [OLD, UNCONVERTED])
@pytest.mark.parametrize("to", LISTS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_server_without_8bitmime_gets_the_same_octets(
    mail: Mail, kind: str, to: str, hop: str
):
    copy = mail.copy(kind, to, hop)

    assert as_mailman_sent(copy) == as_mailman_sent(mail.copy(kind, to))


@pytest.mark.parametrize("to", LISTS)
@pytest.mark.parametrize("kind", [*EIGHT_BIT, *UNSIGNED])
def test_8bit_text_is_sent_as_it_is_where_postfix_is_told_to(
    mail: Mail, kind: str, to: str
):
    copy = mail.copy(kind, to, UNCONVERTED)

    assert as_mailman_sent(copy) == as_mailman_sent(mail.copy(kind, to))


@pytest.mark.parametrize(
    ("kind", "to"),
    [(kind, "footer") for kind in EIGHT_BIT] + [(kind, "plain") for kind in UNSIGNED],
)
def test_8bit_text_is_encoded_before_it_is_sealed(mail: Mail, kind: str, to: str):
    copy = mail.copy(kind, to, OLD)

    assert as_mailman_sent(copy) == as_mailman_sent(mail.copy(kind, to))


@pytest.mark.parametrize("kind", EIGHT_BIT)
def test_what_is_left_alone_for_the_authors_signature_breaks_with_it(
    mail: Mail, kind: str
):
    copy = mail.copy(kind, "plain", OLD)

    for opinion in oracles.opinions(copy.octets, ZONE):
        assert opinion.arc == "fail", opinion
        assert opinion.dkim_of(posts.AUTHOR) == "fail", opinion


def test_addresses_are_not_completed_where_postfix_is_told_so(mail: Mail):
    copy = mail.copy("an incomplete address", "plain")

    again = mail.resend(copy.octets)

    assert again.fields("To") == [b"To: friends"]
    assert_others_accept(again.octets)


def test_an_address_that_postfix_completes_breaks_the_seal(mail: Mail):
    copy = mail.copy("an incomplete address", "plain")

    again = mail.resend(copy.octets, server="rewriting")

    assert again.fields("To") == [b"To: friends@mail.lists.example.org"]
    assert oracles.ask_dkimpy(again.octets, ZONE).arc == "fail"


def test_mailman_learns_from_where_a_post_came(mail: Mail):
    results = first_field(mail.copy("7-bit", "plain"), "ARC-Authentication-Results")

    assert "spf=pass" in results
    assert f"smtp.remote-ip={CLIENT.address}" in results


def test_mail_for_a_list_that_does_not_exist_is_not_taken(mail: Mail):
    nobody = "nobody@lists.example.org"

    with pytest.raises(smtplib.SMTPRecipientsRefused) as refused:
        mail.postfix.send(KINDS["7-bit"].write(), ANN, [nobody], client=CLIENT)

    assert refused.value.recipients[nobody][0] == 550


@pytest.mark.parametrize("kind", EIGHT_BIT)
def test_with_always_the_seal_comes_before_the_authors_signature(mail: Mail, kind: str):
    copy = mail.copy(kind, "always", OLD)

    for opinion in oracles.opinions(copy.octets, ZONE):
        assert opinion.arc == "pass", opinion
        assert opinion.dkim_of(posts.AUTHOR) == "fail", opinion
