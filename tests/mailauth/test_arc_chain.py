"""The structure of a chain; whether it verifies is in test_arc_verify.py."""

from __future__ import annotations

import pytest

from mailman_arc.mailauth.arc.chain import (
    MAX_ARC_FIELDS,
    MAX_INSTANCE,
    Chain,
    chain_digest,
    read_chain,
)
from mailman_arc.mailauth.message import MAX_HEADER_OCTETS, read_message
from mailman_arc.mailauth.reasons import Reason
from tests.support.mail import POST, changed, without_field


RESULTS = b"ARC-Authentication-Results: i=%d; x; none\r\n"
SIGNATURE = b"ARC-Message-Signature: i=%d; b=\r\n"
SEAL = b"ARC-Seal: i=%d; cv=%s; b=\r\n"


def set_of(instance: int, cv: bytes | None = None) -> bytes:
    """A set with the right structure; nothing in it is signed."""
    status = cv if cv is not None else b"none" if instance == 1 else b"pass"
    return SEAL % (instance, status) + SIGNATURE % instance + RESULTS % instance


def chain(octets: bytes) -> Chain:
    return read_chain(read_message(octets))


def sets(length: int) -> bytes:
    return b"".join(set_of(instance) for instance in range(length, 0, -1)) + POST


def test_a_post_without_arc_fields_has_no_chain():
    found = chain(POST)
    assert found == Chain()
    assert found.is_absent


@pytest.mark.parametrize("length", [1, 2, 3, MAX_INSTANCE])
def test_sets_come_oldest_first(length):
    found = chain(sets(length))
    assert [arc_set.instance for arc_set in found.sets] == list(range(1, length + 1))
    assert (found.reason, found.highest, found.ended) == (None, length, False)
    assert not found.is_absent


def test_the_order_of_the_fields_does_not_matter():
    lines = (set_of(1) + set_of(2) + set_of(3)).splitlines(keepends=True)
    for order in (lines, lines[::-1], lines[::2] + lines[1::2]):
        found = chain(b"".join(order) + POST)
        assert [arc_set.instance for arc_set in found.sets] == [1, 2, 3]
        assert found.sets[1].seal.field.raw == b"ARC-Seal: i=2; cv=pass; b="
        assert found.sets[1].results.raw.endswith(b"Results: i=2; x; none")


def test_names_are_read_in_any_case():
    octets = sets(2).replace(b"ARC-Seal", b"arc-SEAL")
    octets = octets.replace(b"ARC-Message-Signature", b"ARC-MESSAGE-signature")
    assert len(chain(octets).sets) == 2


def test_the_position_of_a_field_is_known():
    (only,) = chain(b"X: 1\r\n" + sets(1)).sets
    assert (only.seal.position, only.message_signature.position) == (1, 2)


@pytest.mark.parametrize(
    ("octets", "reason", "instance", "highest"),
    [
        (RESULTS % 1, Reason.GAP, 1, 1),
        (SIGNATURE % 1, Reason.GAP, 1, 1),
        (SEAL % (1, b"none"), Reason.GAP, 1, 1),
        (set_of(3) + set_of(1), Reason.GAP, 2, 3),
        (set_of(2), Reason.GAP, 1, 2),
        (set_of(50), Reason.GAP, 1, 50),
        (set_of(1) + SIGNATURE % 1, Reason.DUPLICATE, None, 1),
        (set_of(1) + RESULTS % 1, Reason.DUPLICATE, None, 1),
        (set_of(1) + SEAL % (1, b"none"), Reason.DUPLICATE, None, 1),
        (set_of(1) + set_of(1), Reason.DUPLICATE, None, 1),
        (set_of(1) + b"ARC-Seal: foo\r\n", Reason.SYNTAX, None, 1),
        (set_of(1) + b"ARC-Message-Signature: i=2; i=2\r\n", Reason.SYNTAX, None, 1),
        (set_of(1) + b"ARC-Seal:\r\n", Reason.INSTANCE, None, 1),
        (b"ARC-Seal: foo\r\n", Reason.SYNTAX, None, 0),
        (set_of(1, b"pass"), Reason.CHAIN_STATUS, 1, 1),
        (set_of(2, b"none") + set_of(1), Reason.CHAIN_STATUS, 2, 2),
        (set_of(2) + set_of(1, b"fail"), Reason.CHAIN_STATUS, 1, 2),
        (set_of(1, b""), Reason.CHAIN_STATUS, 1, 1),
        (set_of(1, b"maybe"), Reason.CHAIN_STATUS, 1, 1),
        (changed(set_of(1), b"cv=none; ", b""), Reason.CHAIN_STATUS, 1, 1),
    ],
)
def test_a_chain_with_one_thing_wrong(octets, reason, instance, highest):
    expected = Chain(reason=reason, instance=instance, highest=highest)
    assert chain(octets + POST) == expected


@pytest.mark.parametrize("word", [b"NONE", b"None", b" none "])
def test_the_case_of_cv_does_not_matter(word):
    assert chain(set_of(1, word) + POST).reason is None


@pytest.mark.parametrize("octets", [b"", b"ARC-Seal: foo\r\n", RESULTS % 2])
@pytest.mark.parametrize("word", [b"fail", b"FAIL"])
def test_a_chain_whose_newest_seal_says_fail_has_ended(octets, word):
    found = chain(octets + set_of(2, word) + set_of(1) + POST)
    expected = Chain(reason=Reason.ALREADY_FAILED, instance=2, highest=2, ended=True)
    assert found == expected


def test_a_chain_that_failed_at_its_first_set_has_ended():
    found = chain(set_of(1, b"fail") + POST)
    assert (found.ended, found.highest) == (True, 1)


def test_a_seal_that_says_fail_below_another_set_does_not_end_the_chain():
    assert not chain(RESULTS % 2 + set_of(1, b"fail") + POST).ended


BAD = [
    b"0", b"00", b"51", b"99", b"100", b"001", b"-1", b"+1", b"", b"a", b"1a", b"1.0",
    b"\xd9\xa1", b"1 0", b"0x1",
]  # fmt: skip


@pytest.mark.parametrize("number", BAD)
@pytest.mark.parametrize(
    "name", [b"Authentication-Results", b"Message-Signature", b"Seal"]
)
def test_an_instance_is_a_number_from_1_to_50(name, number):
    octets = b"ARC-%s: i=%s; cv=none; b=\r\n" % (name, number)
    expected = Chain(reason=Reason.INSTANCE, highest=1)
    assert chain(octets + sets(1)) == expected


@pytest.mark.parametrize("start", [b"ARC-Seal", b"ARC-Message-Signature"])
def test_an_instance_may_not_be_missing(start):
    octets = changed(sets(1), start + b": i=1; ", start + b": I=1; ")
    assert chain(octets).reason is Reason.INSTANCE


def test_an_instance_may_be_the_last_tag_or_have_a_zero_before_it():
    octets = changed(sets(1), b"ARC-Seal: i=1; cv=none; b=", b"ARC-Seal: cv=none;i=01")
    assert chain(octets).reason is None


@pytest.mark.parametrize(
    "prefix",
    [
        b"i=1;",
        b" i=1;",
        b"i=01;",
        b"\t i\t=\t1 ;",
        b"\r\n\ti=1;\r\n\t",
        b" (comment) i = 1 ;",
        b" (a (nested) one) i(c)=(c)1(c);",
        b" (a \\) in it) i=1;",
        b" (a ; in it) i=1;",
        b" (\xff) i=1;",
        b" (" + b"x" * 900 + b") i=1;",
        b" (two) (comments) i=1;",
    ],
)
def test_an_instance_before_results_is_read(prefix):
    octets = changed(sets(1), b" i=1; x; none", prefix + b" x; none")
    assert chain(octets).reason is None


@pytest.mark.parametrize(
    "rest", [b"", b" complete garbage (((", b" \xff\x00;;=", b" i=2;"]
)
def test_what_stands_behind_the_instance_is_not_judged(rest):
    octets = changed(sets(1), b" i=1; x; none", b" i=1;" + rest)
    assert chain(octets).reason is None


@pytest.mark.parametrize(
    "value",
    [
        b" lists.example; i=1; none",
        b" i=1 lists.example; none",
        b" i=1",
        b" I=1; x",
        b" (c i=1; x",
        b" c) i=1; x",
        b" (c)) i=1; x",
        b" i=1(c)0; x",
        b" i=1\\; x",
        b" \\xi=1; x",  # nothing is escaped outside of comments
        b" ai=1; x",
        b" =1; x",
        b" (" + b"x" * 2000 + b") i=1;",
        b"",
    ],
)
def test_results_without_a_clear_instance_break_the_chain(value):
    octets = changed(sets(1), b" i=1; x; none", value)
    assert chain(octets).reason is Reason.INSTANCE


def test_a_first_set_that_lacks_its_results_is_incomplete():
    octets = without_field(sets(2), b"ARC-Authentication-Results: i=1")
    assert chain(octets) == Chain(reason=Reason.GAP, instance=1, highest=2)


def test_more_fields_than_50_sets_have_are_too_many():
    octets = RESULTS % 1 + sets(MAX_INSTANCE)
    assert chain(octets).reason is Reason.INSTANCE
    more = (RESULTS % 1) * MAX_ARC_FIELDS + sets(2)
    assert chain(more).reason is Reason.INSTANCE


def test_fields_inside_an_attached_message_are_not_looked_at():
    assert chain(b"From: a@author.example\r\n\r\n" + sets(1)).is_absent


def test_a_header_that_is_too_long_is_no_absent_chain():
    found = chain(b"X: " + b"x" * MAX_HEADER_OCTETS + b"\r\n" + POST)
    assert found == Chain(reason=Reason.HEADER_TOO_LONG)
    assert not found.is_absent


def digest(octets: bytes) -> str:
    return chain_digest(read_message(octets))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: ", b"Subject: [List] "),
        (b"Bye.", b"Bye!"),
        (b"ARC-Seal:", b"arc-seal:"),
        (b"x; none", b"x;\r\n\t none  "),
        (b"From:", b"X-New: 1\r\nFrom:"),
    ],
)
def test_the_digest_of_a_chain_survives_what_its_seals_survive(old, new):
    assert digest(changed(sets(2), old, new)) == digest(sets(2))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"x; none", b"y; none"),
        (b"cv=pass", b"cv=Pass"),
        (b"ARC-Seal: i=2", b"X-Seal: i=2"),
        (b"ARC-Seal: i=2", b"ARC-Seal: i=9; cv=none\r\nARC-Seal: i=2"),
        # White space in a word is a change (RFC 6376 §3.4.2): seals break.
        (b"x; none", b"x; no ne"),
        (b"cv=pass", b"cv=pa\r\n ss"),
    ],
)
def test_the_digest_of_a_chain_tells_what_breaks_its_seals(old, new):
    assert digest(changed(sets(2), old, new)) != digest(sets(2))
