"""Posts of all kinds through real Mailman, judged by implementations not ours."""

from __future__ import annotations

import email
import re

import pytest

from tests.e2e.house import (
    ANN,
    MEMBERS,
    ZONE,
    FurnishedHouse,
    assert_others_accept,
    first_field,
    signed,
)
from tests.house import oracles, posts


pytestmark = pytest.mark.house

LONG_NAME = "minutes of the meeting " * 5 + "final version.pdf"
FORGED = (
    b"Authentication-Results: lists.example.org;"
    b" dmarc=pass header.from=bank.example\r\n"
)


@pytest.fixture(autouse=True)
def _untroubled(house: FurnishedHouse):
    yield
    house.assert_untroubled()


def post_with(to: str, fields: bytes = b"", body: bytes = b"Hello.\r\n") -> bytes:
    """A post with more fields on top and another body."""
    header = posts.make_post(ANN, to).partition(b"\r\n\r\n")[0]
    return fields + header + b"\r\n\r\n" + body


def multipart(to: str, parts: bytes) -> bytes:
    plain = post_with(to, body=parts)
    return re.sub(
        rb'Content-Type: text/plain; charset="utf-8"',
        b'Content-Type: multipart/mixed; boundary="b1"',
        plain,
    )


def test_the_seal_holds_where_the_list_breaks_the_authors_signature(
    house: FurnishedHouse,
):
    discuss = house.make_list()
    post = signed(posts.make_post(ANN, discuss.address))

    copy = house.deliver(post, discuss)

    assert "dkim=pass" in first_field(copy, "Authentication-Results")
    assert "dmarc=pass" in first_field(copy, "Authentication-Results")
    assert first_field(copy, "ARC-Seal").startswith("i=1; a=rsa-sha256; cv=none;")
    assert b"[List" in copy.fields("Subject")[0]
    assert copy.octets.endswith(b"the footer\r\n")
    for opinion in oracles.opinions(copy.octets, ZONE):
        assert opinion.arc == "pass", opinion
        assert opinion.dkim_of(posts.AUTHOR) == "fail", opinion
    log = house.log_of(post)
    assert "arc=none dkim=pass dmarc=pass; sealed i=1 cv=none" in log


def test_a_chain_goes_on(house: FurnishedHouse):
    discuss = house.make_list()
    post = signed(posts.make_post(ANN, discuss.address), {posts.FORWARDER: "dkim=pass"})

    copy = house.deliver(post, discuss)

    assert first_field(copy, "ARC-Seal").startswith("i=2; a=rsa-sha256; cv=pass;")
    results = first_field(copy, "ARC-Authentication-Results")
    assert results.startswith("i=2; lists.example.org; arc=pass header.oldest-pass=0;")
    assert_others_accept(copy.octets)


def test_a_forgery_is_told_truthfully_and_sealed(house: FurnishedHouse):
    discuss = house.make_list()
    post = posts.make_post(f"boss@{posts.BANK}", discuss.address)

    copy = house.deliver(post, discuss)

    results = first_field(copy, "ARC-Authentication-Results")
    assert "dkim=none; dmarc=fail (p=reject) header.from=bank.example" in results
    assert_others_accept(copy.octets)


BODIES = {
    "a line that begins with From": b"Hello.\r\nFrom here on it goes.\r\n",
    "8-bit UTF-8": "Grüße aus Köln.\r\n".encode(),
    "no line end at the end": b"Hello.",
    "blank lines at the end": b"Hello.\r\n\r\n\r\n",
    "dots and white space": b"..\r\n.\r\n \tHello. \t \r\n",
    "a long line": b"x" * 990 + b"\r\n",
}


@pytest.mark.parametrize("body", BODIES.values(), ids=BODIES)
@pytest.mark.parametrize("decorated", [True, False], ids=["footer", "plain"])
def test_any_body_is_judged_as_it_came_and_sealed_as_it_leaves(
    house: FurnishedHouse, body: bytes, decorated: bool
):
    discuss = house.make_list()
    if not decorated:
        discuss.decorate("")
    post = signed(post_with(discuss.address, body=body))

    copy = house.deliver(post, discuss)

    assert "dkim=pass" in first_field(copy, "ARC-Authentication-Results")
    assert_others_accept(copy.octets)


def test_the_header_of_an_attachment_may_be_long(house: FurnishedHouse):
    discuss = house.make_list()
    part = (
        b'--b1\r\nContent-Type: application/pdf; name="%s"\r\n\r\n' % LONG_NAME.encode()
    )
    post = signed(multipart(discuss.address, part + b"JVBERi0=\r\n--b1--\r\n"))

    copy = house.deliver(post, discuss)

    assert "dkim=pass" in first_field(copy, "ARC-Authentication-Results")
    assert b'name="%s"\r\n' % LONG_NAME.encode() in copy.octets
    assert_others_accept(copy.octets)


FIELDS = {
    "two Resent- blocks": b"Resent-From: bob@author.example\r\n"
    b"Resent-Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
    b"Resent-To: list@lists.example.org\r\nReceived: from a by b; x\r\n"
    b"Resent-From: cy@author.example\r\n"
    b"Resent-Date: Mon, 5 Jan 2026 09:00:00 +0000\r\n"
    b"Resent-To: bob@author.example\r\n",
    "Bcc": b"Bcc: secret@author.example\r\nResent-Bcc: hidden@author.example\r\n",
    "repeated fields": b"Sender: one@author.example\r\nSender: two@author.example\r\n"
    b"Autocrypt: addr=a@a; keydata=AA==\r\nAutocrypt: addr=b@b; keydata=BB==\r\n",
    "raw 8-bit octets": b"X-Comment: \xe4\xf6\xfc\r\nKeywords: caf\xc3\xa9\r\n",
    "odd folding": b"References: <a@b>\r\n\t<c@d>\r\n   \t <e@f>\r\n"
    b"X-Long: %s\r\n" % (b"y " * 300),
    "nothing behind a name": b"X-Empty:\r\nX-Blank: \r\n \r\n",
}  # fmt: skip


@pytest.mark.parametrize("fields", FIELDS.values(), ids=FIELDS)
def test_any_header_leaves_with_a_good_seal(house: FurnishedHouse, fields: bytes):
    discuss = house.make_list()
    post = signed(post_with(discuss.address, fields))

    copy = house.deliver(post, discuss)

    assert "dkim=pass" in first_field(copy, "ARC-Authentication-Results")
    assert_others_accept(copy.octets)
    assert b"secret@" not in copy.octets
    assert b"hidden@" not in copy.octets


def test_repeated_fields_are_signed_from_the_bottom_up(house: FurnishedHouse):
    discuss = house.make_list()
    copy = house.deliver(
        signed(post_with(discuss.address, FIELDS["repeated fields"])), discuss
    )
    names = first_field(copy, "ARC-Message-Signature").replace(" ", "")

    assert names.count("autocrypt:") == 2
    upper, lower = copy.fields("Autocrypt")
    swapped = (
        copy.octets.replace(upper, b"@@@").replace(lower, upper).replace(b"@@@", lower)
    )
    assert oracles.ask_dkimpy(swapped, ZONE).arc == "fail"


def test_a_chain_whose_older_signature_an_earlier_hop_broke_passes(
    house: FurnishedHouse,
):
    discuss = house.make_list()
    first = signed(
        posts.make_post(ANN, discuss.address), {posts.FORWARDER: "dkim=pass"}
    )
    changed = first + b"-- \r\nanother footer\r\n"
    post = posts.arc_seal(
        changed, posts.make_domain("second.example", None), "arc=pass; dkim=pass"
    )

    copy = house.deliver(post, discuss)

    results = first_field(copy, "ARC-Authentication-Results")
    assert "arc=pass header.oldest-pass=2;" in results
    assert first_field(copy, "ARC-Seal").startswith("i=3; a=rsa-sha256; cv=pass;")
    assert_others_accept(copy.octets)


def test_a_broken_chain_gets_its_one_set_that_says_so(house: FurnishedHouse):
    discuss = house.make_list()
    post = signed(posts.make_post(ANN, discuss.address), {posts.FORWARDER: "dkim=pass"})
    copy = house.deliver(post + b"changed\r\n", discuss)

    assert first_field(copy, "ARC-Seal").startswith("i=2; a=rsa-sha256; cv=fail;")
    assert "arc=fail (i=1: body has changed)" in first_field(
        copy, "ARC-Authentication-Results"
    )

    again = house.make_list()
    dead = copy.octets.replace(b"Message-ID: <", b"Message-ID: <again")
    copy = house.deliver(dead, again)
    assert len(copy.fields("ARC-Seal")) == 2
    assert "not sealed: chain already failed before us" in house.log_of(dead)


@pytest.mark.parametrize("way", ["door", "inject"])
def test_our_own_name_in_a_field_from_outside_is_not_believed(
    house: FurnishedHouse, way: str
):
    discuss = house.make_list()
    post = FORGED + posts.make_post(f"boss@{posts.BANK}", discuss.address)

    if way == "door":
        house.site.post(post, ANN, discuss)
    else:
        house.site.inject(post, discuss)
    copy = house.collect(post)[0]

    for name in ("Authentication-Results", "ARC-Authentication-Results"):
        assert len(copy.fields(name)) == 1
        assert "dmarc=fail" in first_field(copy, name)
    assert b"dmarc=pass" not in copy.octets
    assert_others_accept(copy.octets)


def test_a_post_that_can_be_read_in_two_ways_is_judged_as_people_read_it(
    house: FurnishedHouse,
):
    discuss = house.make_list()
    genuine = signed(posts.make_post(ANN, discuss.address))
    message_id = b"Message-ID: " + _message_id(genuine).encode()
    evil = b"From: %s\rSubject: pay now\r%s\r\rTo my account.\r\r\n" % (
        ANN.encode(),
        message_id,
    )

    copy = house.deliver(b"X-Note: a\r" + evil + genuine, discuss)

    text = email.message_from_bytes(copy.octets).get_payload(decode=True)
    assert b"To my account." in text
    assert "dmarc=fail" in first_field(copy, "ARC-Authentication-Results")
    assert_others_accept(copy.octets)


def test_a_forged_field_in_mail_to_the_owner_is_not_believed(house: FurnishedHouse):
    discuss = house.make_list()
    discuss.subscribe(["olga@one.example"], "owner")
    post = FORGED + posts.make_post(f"boss@{posts.BANK}", discuss.address)
    owner = discuss.address.replace("@", "-owner@")

    copy = house.deliver(post, owner, copies=1)

    assert b"dmarc=pass" not in copy.octets
    assert "dmarc=fail" in first_field(copy, "ARC-Authentication-Results")
    assert_others_accept(copy.octets)


def test_a_copied_voucher_is_worth_nothing(house: FurnishedHouse):
    discuss = house.make_list(default_nonmember_action="hold")
    genuine = signed(posts.make_post(ANN, discuss.address))
    house.site.post(genuine, ANN, discuss)
    held = house.held(discuss)
    text = held["msg"].replace("\r", "")
    voucher = re.search(r"^X-Mailman-ARC-Arrival:.*\n(?: .*\n)*", text, re.MULTILINE)
    assert voucher
    forged = posts.make_post(f"boss@{posts.BANK}", discuss.address)
    stolen = voucher[0].replace("\n", "\r\n").encode() + forged
    open_list = house.make_list()

    house.site.inject(stolen, open_list)
    copy = house.collect(forged)[0]

    assert not copy.fields("ARC-Seal")
    assert not copy.fields("Authentication-Results")
    assert b"X-Mailman-ARC-Arrival" not in copy.octets
    assert "not sealed: changed between arrival and pipeline" in house.log_of(forged)
    discuss.moderate(held["request_id"], "discard")


def test_a_held_post_keeps_the_verdict_of_its_arrival(house: FurnishedHouse):
    discuss = house.make_list(default_nonmember_action="hold")
    post = signed(posts.make_post(ANN, discuss.address))
    house.site.post(post, ANN, discuss)
    held = house.held(discuss)
    assert "dmarc=pass" in held["msg"]

    discuss.moderate(held["request_id"], "accept")
    copy = house.collect(post)[0]

    assert "dmarc=pass" in first_field(copy, "ARC-Authentication-Results")
    assert b"X-Mailman-ARC-Arrival" not in copy.octets
    assert_others_accept(copy.octets)


def test_a_post_to_two_lists_is_judged_once_and_sealed_for_both(house: FurnishedHouse):
    one, two = house.make_list(), house.make_list(["dora@four.example"])
    post = signed(posts.make_post(ANN, one.address))

    house.post_to(post, [one, two])
    copies = house.sink.wait_for_copies(_message_id(post), 4)

    for copy in copies:
        assert len(copy.fields("Authentication-Results")) == 1
        assert "dmarc=pass" in first_field(copy, "ARC-Authentication-Results")
        assert_others_accept(copy.octets)


def test_each_personalised_copy_has_a_seal_of_its_own(house: FurnishedHouse):
    discuss = house.make_list(personalize="full")
    discuss.decorate("-- \nfor $user_email\n")
    post = signed(posts.make_post(ANN, discuss.address))

    house.site.post(post, ANN, discuss)
    copies = house.collect(post)

    assert len(copies) == len(MEMBERS)
    assert len({copy.octets for copy in copies}) == len(MEMBERS)
    for copy in copies:
        assert copy.recipients[0].encode() in copy.fields("To")[0]
        assert_others_accept(copy.octets)
    assert "copies=3 seals=3" in house.log_of(post)


@pytest.mark.parametrize("forwarded", [False, True], ids=["first", "with a chain"])
def test_an_anonymous_list_seals_and_tells_nothing_of_the_author(
    house: FurnishedHouse, forwarded: bool
):
    discuss = house.make_list(anonymous_list=True)
    chain = {posts.FORWARDER: "dkim=pass"} if forwarded else {}
    post = signed(posts.make_post(ANN, discuss.address), chain)
    before = len(house.sink.deliveries)

    house.site.post(post, ANN, discuss)
    copy = house.sink.wait_for(before + 1)[-1]

    assert b"author.example" not in copy.octets
    assert b"forwarder" not in copy.octets
    assert not copy.fields("DKIM-Signature")
    results = first_field(copy, "ARC-Authentication-Results")
    assert results == "i=1; lists.example.org; dkim=pass; dmarc=pass"
    assert_others_accept(copy.octets)
    line = house.site.wait_for_log("plugins", discuss.list_id)
    assert "; sealed i=1 cv=none; " in line[-1]


def _message_id(post: bytes) -> str:
    found = re.search(rb"^Message-ID: (\S+)", post, re.MULTILINE)
    assert found
    return found[1].decode()
