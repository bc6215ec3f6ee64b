"""The parts that DKIM and ARC share; whole verdicts are in the tests of both."""

from __future__ import annotations

import pytest

from mailman_arc.mailauth.canonical import BodyHashes
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.keyrecord import parse_key_record
from mailman_arc.mailauth.message import Field, make_field, read_message
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.signature import (
    CLOCK_SLACK,
    Signature,
    as_relaxed,
    check_signature,
    check_with_keys,
    header_hash_input,
    is_expired,
    parse_signature,
    without_signature,
)
from mailman_arc.mailauth.tags import parse_tag_list
from tests.support.keys import key_record
from tests.support.mail import (
    DKIM,
    NOW,
    POST,
    author,
    changed,
    relay,
    sign_dkim,
    zone_of,
)
from tests.support.zone import txt


GOOD = (
    b" a=rsa-sha256; b=AAAA; bh=AAAA; c=relaxed/relaxed; d=author.example;"
    b" h=from:to; s=s1; t=10; x=11; l=5; q=dns/txt"
)


def parsed(value: bytes, octets: bytes = b"") -> Signature:
    field = make_field(b"DKIM-Signature", value)
    return parse_signature(field, 0, parse_tag_list(value))


def reason_of(value: bytes) -> Reason | None:
    try:
        parsed(value)
    except MalformedField as error:
        return Reason(error.reason)
    return None


def test_a_signature_is_read_to_the_last_tag():
    signature = parsed(GOOD)
    assert signature == Signature(
        field=make_field(b"DKIM-Signature", GOOD),
        position=0,
        algorithm="rsa-sha256",
        signature_octets=b"\0\0\0",
        body_hash=b"\0\0\0",
        signing_domain="author.example",
        selector="s1",
        signed_fields=(b"from", b"to"),
        header_form="relaxed",
        body_form="relaxed",
        form_given=True,
        body_length=5,
        signed_at=10,
        expires_at=11,
    )
    assert signature.key_name == "s1._domainkey.author.example"


@pytest.mark.parametrize("name", ["a", "b", "bh", "d", "h", "s"])
def test_a_required_tag_may_not_be_missing(name):
    old = f" {name}=".encode()
    assert reason_of(changed(GOOD, old, b" unknown=")) is Reason.MISSING_TAG
    upper = f" {name.upper()}=".encode()
    assert reason_of(changed(GOOD, old, upper)) is Reason.MISSING_TAG


@pytest.mark.parametrize("tag", [b" t=10;", b" x=11;", b" l=5;", b"; q=dns/txt"])
def test_an_optional_tag_may_be_missing(tag):
    assert reason_of(changed(GOOD, tag, b"")) is None


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"rsa-sha256", b"rsa-sha1", Reason.SHA1),
        (b"rsa-sha256", b"RSA-SHA256", Reason.UNKNOWN_ALGORITHM),
        (b"rsa-sha256", b"rsa-sha512", Reason.UNKNOWN_ALGORITHM),
        (b"rsa-sha256", b"", Reason.UNKNOWN_ALGORITHM),
        (b" b=AAAA", b" b=", Reason.SYNTAX),
        (b" b=AAAA", b" b=AAA", Reason.SYNTAX),
        (b" b=AAAA", b" b=AA*A", Reason.SYNTAX),
        (b"bh=AAAA", b"bh=", Reason.SYNTAX),
        (b"bh=AAAA", b"bh=%%%%", Reason.SYNTAX),
        (b"c=relaxed/relaxed", b"c=", Reason.SYNTAX),
        (b"c=relaxed/relaxed", b"c=foo/bar", Reason.SYNTAX),
        (b"c=relaxed/relaxed", b"c=relaxed/", Reason.SYNTAX),
        (b"c=relaxed/relaxed", b"c=/relaxed", Reason.SYNTAX),
        (b"c=relaxed/relaxed", b"c=relaxed/simple/simple", Reason.SYNTAX),
        (b"c=relaxed/relaxed", b"c=Relaxed/relaxed", Reason.SYNTAX),
        (b"d=author.example", b"d=", Reason.DOMAIN),
        (b"d=author.example", b"d=***", Reason.DOMAIN),
        (b"d=author.example", b"d=author.example.", Reason.DOMAIN),
        (b"d=author.example", b"d=\xff.example", Reason.DOMAIN),
        (b"s=s1", b"s=", Reason.DOMAIN),
        (b"s=s1", b"s=a b", Reason.DOMAIN),
        (b"h=from:to", b"h=", Reason.SYNTAX),
        (b"h=from:to", b"h= : ", Reason.SYNTAX),
        (b"h=from:to", b"h=to", Reason.FROM_NOT_SIGNED),
        (b"h=from:to", b"h=x-from", Reason.FROM_NOT_SIGNED),
        (b"t=10", b"t=", Reason.SYNTAX),
        (b"t=10", b"t=abc", Reason.SYNTAX),
        (b"t=10", b"t=12 345", Reason.SYNTAX),
        (b"t=10", b"t=-1.2", Reason.SYNTAX),
        (b"t=10", b"t=1234567890123", Reason.SYNTAX),
        (b"x=11", b"x=", Reason.SYNTAX),
        (b"x=11", b"x=10", Reason.SYNTAX),  # must be later than t=
        (b"x=11", b"x=9", Reason.SYNTAX),
        (b"l=5", b"l=", Reason.SYNTAX),
        (b"l=5", b"l=-5", Reason.SYNTAX),
        (b"l=5", b"l=" + b"9" * 77, Reason.SYNTAX),
        (b"q=dns/txt", b"q=dns/foo", Reason.QUERY_METHOD),
        (b"q=dns/txt", b"q=", Reason.QUERY_METHOD),
    ],
)
def test_one_wrong_tag_gives_one_reason(old, new, reason):
    assert reason_of(changed(GOOD, old, new)) is reason


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"h=from:to", b"h=FROM : To"),
        (b"h=from:to", b"h=from:to::date"),  # an empty name is null input
        (b"h=from:to", b"h=from:" + b":".join([b"x"] * 1000)),
        (b"h=from:to", b"h=from:\xff"),
        (b"q=dns/txt", b"q=other : dns/txt"),
        (b"t=10", b"t=10; v=2; z=any:thing"),
        (b"t=10;", b"T=abc;"),
        (b"x=11", b"x=999999999999"),
        (b"l=5", b"l=" + b"9" * 76),
        (b"rsa-sha256", b"ed25519-sha256"),
        (b" b=AAAA", b" b=A A\r\n\tA A "),
        (b"d=author.example", b"d=b\xc3\xbccher.example"),
        (b"s=s1", b"s=a.b.c"),
    ],
)
def test_what_is_unusual_but_allowed_is_read(old, new):
    assert reason_of(changed(GOOD, old, new)) is None


@pytest.mark.parametrize(
    ("tag", "header_form", "body_form"),
    [
        (b"", "simple", "simple"),
        (b" c=simple;", "simple", "simple"),
        (b" c=relaxed;", "relaxed", "simple"),
        (b" c=relaxed/simple;", "relaxed", "simple"),
        (b" c=simple/relaxed;", "simple", "relaxed"),
    ],
)
def test_forms_have_defaults(tag, header_form, body_form):
    signature = parsed(changed(GOOD, b" c=relaxed/relaxed;", tag))
    assert (signature.header_form, signature.body_form) == (header_form, body_form)
    assert signature.form_given is bool(tag)
    relaxed = as_relaxed(signature)
    assert (relaxed.header_form, relaxed.body_form) == ("relaxed", "relaxed")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b" a=1; b=AAAA; c=2", b" a=1; b=; c=2"),
        (b" a=1; b=AA\r\n AA", b" a=1; b="),
        (b" a=1; b= \r\n AAAA \r\n ; c=2", b" a=1; b=; c=2"),
        (b" a=1;\r\n b\t=\tAAAA", b" a=1;\r\n b\t="),
        (b"b=AAAA", b"b="),
        (b" b =AAAA;bh=CC", b" b =;bh=CC"),
        (b" bh=BBBB; b=AAAA", b" bh=BBBB; b="),
        (b" n=x b=1; b=AAAA", b" n=x b=1; b="),
        (b" B=1; b=AAAA; bb=2", b" B=1; b=; bb=2"),
        (b" z=b=2; b=A=", b" z=b=2; b="),
        (b" b=AAAA; b=BBBB", b" b=; b=BBBB"),
        (b" a=1", b" a=1"),
    ],
)
def test_only_the_value_of_b_is_taken_out(value, expected):
    field = without_signature(make_field(b"DKIM-Signature", value))
    assert field == make_field(b"DKIM-Signature", expected)


HEADER = (
    b"DKIM-Signature:%s\r\n"
    b"Received: one\r\nFrom: first\r\nReceived: two\r\nFROM: last\r\nEmpty:\r\n\r\n"
)


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (b"from", [b"from:last"]),
        (b"from:from", [b"from:last", b"from:first"]),
        (b"from:from:from", [b"from:last", b"from:first"]),
        (b"received:from:received", [b"received:two", b"from:last", b"received:one"]),
        (b"from:x-absent", [b"from:last"]),
        (b"from::empty", [b"from:last", b"empty:"]),
        (b"from:dkim-signature", [b"from:last"]),  # never itself
    ],
)
def test_fields_are_picked_from_the_bottom_up(names, expected):
    value = b" a=rsa-sha256; b=AAAA; bh=AAAA; c=relaxed; d=a.example; s=s; h=" + names
    message = read_message(HEADER % value)
    field = message.fields[0]
    signature = parse_signature(field, 0, parse_tag_list(field.value))
    own = b"dkim-signature:" + value.strip().replace(b"AAAA", b"", 1)
    assert header_hash_input(signature, message) == b"\r\n".join([*expected, own])


def test_simple_fields_are_hashed_as_they_stand():
    value = b" a=rsa-sha256; b=AAAA; bh=AAAA; c=simple; d=a.example; s=s; h=from"
    message = read_message(HEADER % value)
    field = message.fields[0]
    signature = parse_signature(field, 0, parse_tag_list(field.value))
    assert header_hash_input(signature, message) == (
        b"FROM: last\r\nDKIM-Signature:" + value.replace(b"AAAA", b"", 1)
    )


def test_another_signature_is_an_ordinary_field():
    value = b" a=rsa-sha256; b=AAAA; bh=AAAA; c=relaxed; d=a.example; s=s;"
    value += b" h=from:dkim-signature:dkim-signature"
    octets = b"DKIM-Signature: b=1\r\nDKIM-Signature:%s\r\nFrom: x\r\n\r\n" % value
    message = read_message(octets)
    field = message.fields[1]
    signature = parse_signature(field, 1, parse_tag_list(field.value))
    lines = header_hash_input(signature, message).split(b"\r\n")
    assert lines[:2] == [b"from:x", b"dkim-signature:b=1"]
    assert len(lines) == 3


@pytest.mark.parametrize(
    ("late_by", "expected"), [(0, False), (CLOCK_SLACK, False), (CLOCK_SLACK + 1, True)]
)
def test_clocks_may_differ_a_little_when_a_signature_expires(late_by, expected):
    assert is_expired(parsed(GOOD), 11 + late_by) is expected


def test_a_signature_without_x_never_expires():
    assert not is_expired(parsed(changed(GOOD, b" x=11;", b"")), 10**15)


def read_signed(octets: bytes) -> tuple[Signature, object]:
    message = read_message(octets)
    field: Field = message.fields[0]
    return parse_signature(field, 0, parse_tag_list(field.value)), message


def test_an_expired_signature_asks_for_no_key():
    octets = sign_dkim(POST, tags=changed(DKIM, b"t=1767607200", b"x=10"))
    signature, message = read_signed(octets)
    zone = zone_of(author())
    bodies = BodyHashes(message.body)
    checked = check_signature(signature, message, bodies, zone, NOW)
    assert checked.reason is Reason.EXPIRED
    assert zone.asked == []


def test_every_key_of_the_selector_is_tried():
    signature, message = read_signed(sign_dkim(POST))
    right, wrong = key_record(author().key), key_record(relay().key)
    zone = zone_of(author()).with_records({author().key_name: txt(wrong, right)})
    bodies = BodyHashes(message.body)
    checked = check_signature(signature, message, bodies, zone, NOW)
    assert checked.reason is None
    assert checked.key == parse_key_record(right, "rsa-sha256")


def test_the_first_key_tried_is_told_when_none_verifies():
    signature, message = read_signed(sign_dkim(POST))
    keys = tuple(
        parse_key_record(
            b"v=DKIM1; t=%s; " % flag + key_record(relay().key)[9:], "rsa-sha256"
        )
        for flag in (b"y", b"s")
    )
    checked = check_with_keys(signature, message, BodyHashes(message.body), keys)
    assert (checked.reason, checked.key) == (Reason.SIGNATURE, keys[0])
