"""Judge a post, write the verdict into it, and believe only what we wrote."""

from __future__ import annotations

import email
import pickle
import tracemalloc

import pytest
from hypothesis import given, strategies as st
from mailman.email.message import Message
from mailman.utilities.email import add_message_hash

from mailman_arc.mailauth.answers import LookupFailed
from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.authres import parse_authentication_results
from mailman_arc.mailauth.message import read_message
from mailman_arc.plugin.messages import put_on_top, to_octets
from mailman_arc.plugin.reception import (
    MAX_KEPT_HEADER,
    RESULTS_FIELD,
    VOUCHER_FIELD,
    as_received,
    attach_voucher,
    conceal_author,
    judge,
    one_line,
    remove_forgeries,
    take_voucher,
    write_verdict,
)
from mailman_arc.policy.inbound import names_to_look_up
from mailman_arc.policy.trust import Trust
from tests.support.mail import POST, chain_of, changed, sign_dkim, whole_zone


SECRET = b"s" * 32
TRUST = Trust("lists.example", frozenset({"mx.lists.example"}))
RAW = changed(POST, b"Meeting", b"Gr\xfc\xdfe")


def parsed(octets: bytes) -> Message:
    return email.message_from_bytes(octets, Message)


def judged(octets: bytes, trust: Trust = TRUST):
    message = read_message(octets)
    names = names_to_look_up(message, trust)
    zone = whole_zone()
    answers = {name: zone.get(name) for name in names}
    return judge(message, answers, trust).arrival


def at_the_door(octets: bytes) -> Message:
    """The post as the door puts it into the queue."""
    msg = parsed(octets)
    add_message_hash(msg)
    msg["X-MailFrom"] = "ann@author.example"
    verdict = judged(octets)
    write_verdict(msg, verdict, TRUST)
    attach_voucher(msg, verdict, SECRET)
    return msg


def queued(msg: Message) -> Message:
    return pickle.loads(pickle.dumps(msg, protocol=4))


def reread(msg: Message) -> Message:
    return parsed(to_octets(msg, frozenset()))


POSTS = {
    "plain": POST,
    "signed": sign_dkim(POST),
    "with a chain": chain_of(2),
    "with raw octets": RAW,
    "without a body": POST.partition(b"\r\n\r\n")[0] + b"\r\n\r\n",
    "without a Message-ID": changed(POST, b"Message-ID: <1@author.example>\r\n", b""),
    "with a long field": b"X: " + b"word " * 400 + b"\r\n" + POST,
}
WAYS = {"as it is": lambda msg: msg, "a queue": queued, "parsed again": reread}


# The verdict


def test_the_verdict_stands_on_top_and_nothing_else_changes():
    octets = sign_dkim(RAW)
    msg = parsed(octets)

    write_verdict(msg, judged(octets), TRUST)

    first = read_message(to_octets(msg)).fields[0]
    results = parse_authentication_results(first.value)
    assert first.name == b"authentication-results"
    assert results.authserv_id == "lists.example"
    assert [(each.method, each.result) for each in results.methods] == [
        ("arc", "none"),
        ("dkim", "pass"),
        ("dmarc", "none"),
    ]
    assert to_octets(msg) == first.raw + b"\r\n" + octets


def test_the_verdict_can_be_read_through_the_methods_of_the_message():
    msg = at_the_door(sign_dkim(POST))

    assert "dkim=pass" in msg[RESULTS_FIELD]


def test_words_outside_of_ascii_are_held_like_raw_octets():
    trust = Trust("b\xfccher.example")
    msg = parsed(POST)

    write_verdict(msg, judged(POST, trust), trust)

    first = read_message(to_octets(msg)).fields[0]
    assert first.value.startswith(' "b\xfccher.example";'.encode())


def test_the_arrival_has_what_the_seal_needs():
    arrival = judged(chain_of(2))

    assert arrival.chain_status is ChainStatus.PASS
    assert arrival.results.startswith(" lists.example;\r\n arc=pass")
    assert arrival.summary == "arc=pass dkim=none dmarc=none"


def test_a_post_is_judged_without_what_mailman_has_added():
    msg = at_the_door(RAW)
    del msg[RESULTS_FIELD]

    assert as_received(msg) == RAW


def test_results_are_judged_as_the_post_brought_them():
    octets = b"Authentication-Results: mx.lists.example; spf=pass\r\n" + RAW

    assert as_received(parsed(octets)) == octets


# Forgeries

FORGED = (
    b"Authentication-Results: lists.example; dmarc=pass\r\n",
    b"authentication-results:LISTS.example;dmarc=pass\r\n",
    b'AUTHENTICATION-RESULTS:\r\n (comment) "lists.example" 1;\r\n dmarc=pass\r\n',
    b"Authentication-Results: lists.example\r\n",
    b"Authentication-Results: lists.example; dmarc=pass (\xff\r\n",
    b"Authentication-Results: \x00lists.example; dmarc=pass\r\n",
    b"X-Other: yes\rAuthentication-Results: lists.example; dmarc=pass\r\n",
    b"X-Other: yes\nAuthentication-Results: lists.example; dmarc=pass\r\n",
    b"X-Mailman-ARC-Arrival: AAAA\r\n",
    b"x-mailman-arc-arrival: AAAA\r\n BBBB\r\n",
    b"X-Other: yes\rX-Mailman-ARC-Arrival: AAAA\r\n",
    b"X-Mailman-ARC-Arrival: \xff\r\n",
)


@pytest.mark.parametrize("forged", FORGED)
@pytest.mark.parametrize("place", ["above", "below"])
def test_a_forged_field_is_removed(forged, place):
    top = b"" if place == "above" else b"Subject: gr\xfc\xdfe\r\n"
    msg = parsed(top + forged + RAW)

    remove_forgeries(msg, TRUST)

    left = [name.lower() for name, _ in msg.raw_items() if name != "X-Other"]
    assert left == [*(["subject"] if top else []), *_names(RAW)]
    assert to_octets(msg).endswith(RAW)


KEPT = (
    b"Authentication-Results: mx.lists.example; spf=pass\r\n",
    b"Authentication-Results: other.example; dkim=pass\r\n",
    b"Authentication-Results: not.lists.example; dkim=pass\r\n",
    b"Authentication-Results: lists.example.org; dkim=pass\r\n",
    b"Authentication-Results: lists.\r\n example; dmarc=pass\r\n",
    b"Authentication-Results: \r\n",
    b"ARC-Authentication-Results: i=1; lists.example; dkim=pass\r\n",
    b"X-Authentication-Results: lists.example; dkim=pass\r\n",
)


@pytest.mark.parametrize("field", KEPT)
def test_the_fields_of_others_are_kept_octet_for_octet(field):
    msg = parsed(field + RAW)

    remove_forgeries(msg, TRUST)

    assert to_octets(msg) == field + RAW


def test_a_field_of_ours_is_kept_where_our_name_is_trusted():
    octets = b"Authentication-Results: lists.example; spf=pass\r\n" + RAW
    msg = parsed(octets)

    remove_forgeries(msg, Trust("lists.example", frozenset({"LISTS.example"})))

    assert to_octets(msg) == octets


def test_what_stands_in_an_attached_message_is_not_touched():
    octets = (
        b"Content-Type: message/rfc822\r\n\r\n"
        b"Authentication-Results: lists.example; dkim=pass\r\n" + POST
    )
    msg = parsed(octets)

    remove_forgeries(msg, TRUST)

    assert to_octets(msg) == octets


def test_writing_a_verdict_removes_forged_fields():
    octets = b"".join(FORGED[:3]) + POST
    msg = parsed(octets)

    write_verdict(msg, judged(octets), TRUST)

    assert len(msg.get_all(RESULTS_FIELD)) == 1
    assert "dmarc=none" in msg[RESULTS_FIELD]


# The voucher


@pytest.mark.parametrize("octets", POSTS.values(), ids=POSTS)
@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_a_voucher_is_believed_behind_the_door(octets, way):
    msg = way(at_the_door(octets))

    arrival = take_voucher(msg, SECRET).arrival

    assert arrival is not None
    assert arrival.results == judged(octets).results
    assert VOUCHER_FIELD not in msg


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS)
def test_taking_the_voucher_leaves_raw_octets_alone(way):
    msg = way(at_the_door(RAW))

    take_voucher(msg, SECRET)

    del msg[RESULTS_FIELD]
    assert as_received(msg) == RAW


CHANGES = {
    "From": lambda msg: msg.replace_header("From", "eve@other.example"),
    "To": lambda msg: msg.replace_header("To", "other@lists.example"),
    "Subject": lambda msg: msg.replace_header("Subject", "Meeting"),
    "Date": lambda msg: msg.replace_header("Date", "Tue, 6 Jan 2026 10:00:00 +0000"),
    "Message-ID": lambda msg: msg.replace_header("Message-ID", "<2@author.example>"),
    "another From": lambda msg: put_on_top(msg, "From", "eve@other.example"),
    "a new Cc": lambda msg: put_on_top(msg, "Cc", "eve@other.example"),
    "no Subject": lambda msg: msg.__delitem__("Subject"),
}


@pytest.mark.parametrize("change", CHANGES.values(), ids=CHANGES)
def test_it_is_told_that_the_header_has_changed(change):
    msg = at_the_door(POST)
    change(msg)

    assert take_voucher(msg, SECRET).fits_header is False
    assert VOUCHER_FIELD not in msg


def test_it_is_told_that_the_body_has_changed():
    msg = at_the_door(POST)
    msg.set_payload("Hello\n")

    vouched = take_voucher(msg, SECRET)

    assert vouched.fits_header
    assert not vouched.fits_body


def test_other_fields_may_have_changed():
    msg = at_the_door(POST)
    msg["X-Mailman-Rule-Hits"] = "approved"
    msg["Received"] = "from somewhere"
    del msg[RESULTS_FIELD]

    assert take_voucher(msg, SECRET) is not None


@pytest.mark.parametrize("secret", [None, b"", b"t" * 32])
def test_a_voucher_is_not_believed_without_the_secret(secret):
    msg = at_the_door(POST)

    assert take_voucher(msg, secret) is None
    assert VOUCHER_FIELD not in msg


def test_of_two_vouchers_none_is_believed_and_both_are_removed():
    msg = at_the_door(POST)
    put_on_top(msg, VOUCHER_FIELD, msg[VOUCHER_FIELD])

    assert take_voucher(msg, SECRET) is None
    assert VOUCHER_FIELD not in msg


def test_a_voucher_moved_to_another_post_does_not_fit():
    voucher = at_the_door(POST)[VOUCHER_FIELD]
    other = parsed(changed(POST, b"Meeting", b"Another"))
    put_on_top(other, VOUCHER_FIELD, voucher)

    assert not take_voucher(other, SECRET).fits_header


@pytest.mark.parametrize("value", [b"", b"AAAA", b"\xff\xfe", b"=" * 200, b"A" * 9999])
def test_nonsense_is_not_believed(value):
    msg = parsed(VOUCHER_FIELD.encode() + b": " + value + b"\r\n" + POST)

    assert take_voucher(msg, SECRET) is None
    assert to_octets(msg) == POST


def test_a_voucher_that_a_post_brought_along_gives_way_to_ours():
    first = at_the_door(POST)[VOUCHER_FIELD].replace("\n", "\r\n").encode()

    msg = at_the_door(b"%s: %s\r\n%s" % (VOUCHER_FIELD.encode(), first, POST))

    assert len(msg.get_all(VOUCHER_FIELD)) == 1
    assert take_voucher(msg, SECRET) is not None


# A text for the log

LINES = (
    ("<1@author.example>", "<1@author.example>"),
    ("a\r\nb\tc\x00d\x1b[31m\x7f", "a b c d [31m"),
    ("\N{LINE SEPARATOR}a\N{NEXT LINE}b\udcff", "a b"),
    ("x" * 999, "x" * 200),
    (12, "12"),
    ("", ""),
)


@pytest.mark.parametrize(("text", "line"), LINES, ids=ascii)
def test_a_text_from_a_stranger_is_one_line_in_the_log(text, line):
    assert one_line(text) == line


# Any octets

pieces = st.sampled_from(
    [
        *(b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b" ", b";", b"x=", b"\xff", b"\x00"),
        b"From: ann@author.example\r\n",
        b"From: =?utf-8?q?=FF?= <@>\r\n",
        b"Authentication-Results: lists.example; dkim=pass\r\n",
        b"Authentication-Results: mx.lists.example; spf=pass smtp.mailfrom=\xff@b\r\n",
        b"Authentication-Results: mx.lists.example; arc=fail; dkim=pass header.b=x\r\n",
        b"X-Mailman-ARC-Arrival: AAAA\r\n",
        b"DKIM-Signature: v=1; a=rsa-sha256; d=\xff; s=x; h=from; bh=; b=\r\n",
        b"ARC-Seal: i=1; cv=none; b=\xff\r\n",
        b"ARC-Authentication-Results: i=1; \xff\r\n",
        b"ARC-Message-Signature: i=1\r\n",
        b"Content-Type: multipart/mixed; boundary=x\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: message/delivery-status\r\n",
        b"Content-Type: text/plain; charset=\xff\r\n",
        *(b"--x\r\n", b"--x--\r\n", POST, sign_dkim(POST), chain_of(1)),
    ]
)
posts = st.lists(pieces | st.binary(max_size=9), max_size=20).map(b"".join)


@given(posts, st.booleans())
def test_any_octets_get_a_verdict_that_can_be_written_and_vouched_for(octets, dns):
    """Nothing is raised, whatever arrives."""
    msg = parsed(octets)
    message = read_message(as_received(msg))
    names = names_to_look_up(message, TRUST)
    zone = whole_zone()
    found = judge(
        message,
        {name: zone.get(name) if dns else LookupFailed() for name in names},
        TRUST,
    )
    verdict = found.arrival

    assert found.tell().details
    write_verdict(msg, verdict, TRUST)
    attach_voucher(msg, verdict, SECRET)
    written = queued(msg)

    first, second = read_message(to_octets(written)).fields[:2]
    assert first.name == VOUCHER_FIELD.lower().encode()
    assert second.name == b"authentication-results"
    assert parse_authentication_results(second.value).authserv_id == "lists.example"
    assert take_voucher(written, SECRET).arrival == verdict


def test_what_waits_to_be_written_down_keeps_no_bodies():
    def judged_large(number: int):
        octets = changed(POST, b"Meeting", b"%d" % number) + b"x" * 2_000_000
        return judge(read_message(octets), whole_zone(), TRUST)

    judged_large(0)  # has regular expressions and the like made
    tracemalloc.start()
    try:
        waiting = [judged_large(number).tell for number in range(5)]
        kept, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()

    assert kept < 1_000_000
    assert [tell().subject.split()[0] for tell in waiting] == list("01234")


def test_a_large_header_does_not_wait_either():
    large = b"X-Large: " + b"x" * (MAX_KEPT_HEADER - 1000) + b"\r\n"
    found = [
        judge(read_message(octets), whole_zone(), TRUST).tell
        for octets in (large + POST, large * 2 + POST)
    ]

    assert [hasattr(tell, "cache_info") for tell in found] == [True, False]
    assert found[0]().subject == found[1]().subject
    assert found[0]().details == found[1]().details


def _names(octets: bytes) -> list[str]:
    return [field.name.decode() for field in read_message(octets).fields]


def test_concealing_the_author_removes_what_names_him_and_nothing_else():
    telling = (
        b"DKIM-Signature", b"X-Google-DKIM-Signature", b"DomainKey-Signature",
        b"ARC-Seal", b"ARC-Message-Signature", b"ARC-Authentication-Results",
        b"arc-anything", b"Authentication-Results", b"Received-SPF",
        b"X-Original-Authentication-Results",
    )  # fmt: skip
    fields = b"".join(name + b": author.example\r\n" for name in telling)
    msg = parsed(fields + b"X-Archive: gr\xfc\xdfe\r\n" + POST)

    conceal_author(msg)

    assert to_octets(msg) == b"X-Archive: gr\xfc\xdfe\r\n" + POST
