from __future__ import annotations

import base64

import pytest

from mailman_arc.mailauth.answers import LookupFailed, answer_for
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.keyrecord import (
    MAX_KEYS,
    MAX_RECORD_OCTETS,
    key_name,
    parse_key_record,
    usable_keys,
)
from mailman_arc.mailauth.reasons import Reason
from tests.support.keys import ed25519_key, public_text, rsa_key, rsa_record
from tests.support.zone import NO_DATA, NXDOMAIN, SERVFAIL, txt


RSA = "rsa-sha256"
ED25519 = "ed25519-sha256"


def rsa_text() -> bytes:
    return public_text(rsa_key(1024))


def filled(record: bytes) -> bytes:
    return record.replace(b"{rsa}", rsa_text()).replace(
        b"{ed}", public_text(ed25519_key())
    )


def reason_of(record: bytes, algorithm: str = RSA) -> Reason | None:
    try:
        parse_key_record(filled(record), algorithm)
    except MalformedField as error:
        return Reason(error.reason)
    return None


@pytest.mark.parametrize(
    ("record", "algorithm"),
    [
        (b"v=DKIM1; k=rsa; p={rsa}", RSA),
        (b"v=DKIM1; p={rsa}", RSA),  # k=rsa is the default
        (b"p={rsa}", RSA),  # v= is recommended only
        (b"k=rsa; p={rsa}", RSA),
        (b"v=DKIM1; k=ed25519; p={ed}", ED25519),
        (b" v = DKIM1 ;p={rsa};", RSA),
        (b"v=DKIM1; h=sha256; p={rsa}", RSA),
        (b"v=DKIM1; h=sha1 : sha256; p={rsa}", RSA),
        (b"v=DKIM1; s=*; p={rsa}", RSA),
        (b"v=DKIM1; s=email; p={rsa}", RSA),
        (b"v=DKIM1; s=email:foo; p={rsa}", RSA),
        (b"v=DKIM1; s= foo : email; p={rsa}", RSA),
        (b"v=DKIM1; t=; p={rsa}", RSA),
        (b"v=DKIM1; n=any note; p={rsa}", RSA),
        (b"v=DKIM1; g=; p={rsa}", RSA),  # of RFC 4871, unknown today
        (b"v=DKIM1; g=foo; p={rsa}", RSA),
        (b"v=DKIM1; unknown=\xff; p={rsa}", RSA),
    ],
)
def test_a_record_is_usable(record, algorithm):
    assert reason_of(record, algorithm) is None


@pytest.mark.parametrize(
    ("record", "algorithm", "reason"),
    [
        (b"", RSA, Reason.NO_KEY),
        (b"v=spf1 include:_spf.example -all", RSA, Reason.NO_KEY),
        (b"v=DMARC1; p=none", RSA, Reason.NO_KEY),
        (b"some text; or other", RSA, Reason.NO_KEY),
        (b"v=DKIM1; k=rsa", RSA, Reason.NO_KEY),  # no p=
        (b"k=rsa; v=DKIM1; p={rsa}", RSA, Reason.NO_KEY),  # v= is not first
        (b"v=DKIM1.0; p={rsa}", RSA, Reason.NO_KEY),
        (b"v=dkim1; p={rsa}", RSA, Reason.NO_KEY),
        (b"v=; p={rsa}", RSA, Reason.NO_KEY),
        (b"v=DKIM1;; p={rsa}", RSA, Reason.KEY_SYNTAX),
        (b"v=DKIM1; p={rsa}; p={rsa}", RSA, Reason.KEY_SYNTAX),
        (b"v=DKIM1; p=", RSA, Reason.KEY_REVOKED),
        (b"v=DKIM1; p= ;", RSA, Reason.KEY_REVOKED),
        (b"v=DKIM1; p=*", RSA, Reason.KEY_SYNTAX),
        (b"v=DKIM1; p=AAAA", RSA, Reason.KEY_SYNTAX),
        (b"v=DKIM1; h=sha1; p={rsa}", RSA, Reason.KEY_HASH),
        (b"v=DKIM1; h=; p={rsa}", RSA, Reason.KEY_HASH),
        (b"v=DKIM1; s=foo; p={rsa}", RSA, Reason.KEY_SERVICE),
        (b"v=DKIM1; s=; p={rsa}", RSA, Reason.KEY_SERVICE),
        (b"v=DKIM1; k=foo; p={rsa}", RSA, Reason.KEY_TYPE),
        (b"v=DKIM1; k=RSA; p={rsa}", RSA, Reason.KEY_TYPE),
        (b"v=DKIM1; k=; p={rsa}", RSA, Reason.KEY_TYPE),
        (b"v=DKIM1; k=ed25519; p={ed}", RSA, Reason.KEY_TYPE),
        (b"v=DKIM1; k=rsa; p={rsa}", ED25519, Reason.KEY_TYPE),
        (b"v=DKIM1; p={ed}", RSA, Reason.KEY_SYNTAX),
        (b"v=DKIM1; k=ed25519; p={rsa}", ED25519, Reason.KEY_SYNTAX),
    ],
)
def test_a_record_is_of_no_use(record, algorithm, reason):
    assert reason_of(record, algorithm) is reason


@pytest.mark.parametrize(
    ("bits", "reason"),
    [
        (512, Reason.KEY_TOO_SHORT),
        (768, Reason.KEY_TOO_SHORT),
        (1024, None),
        (4096, None),
        (8192, None),
        (16384, Reason.KEY_TOO_LONG),
    ],
)
def test_the_size_of_an_rsa_key_is_judged(bits, reason):
    assert reason_of(rsa_record(bits)) is reason


def test_an_ed25519_key_in_a_wrapping_is_refused():
    wrapped = bytes.fromhex("302a300506032b6570032100") + base64.b64decode(
        public_text(ed25519_key())
    )
    record = b"v=DKIM1; k=ed25519; p=" + base64.b64encode(wrapped)
    assert len(wrapped) == 44
    assert reason_of(record, ED25519) is Reason.KEY_SYNTAX


@pytest.mark.parametrize(
    ("flags", "testing", "strict"),
    [
        (b"", False, False),
        (b"t=y;", True, False),
        (b"t=s;", False, True),
        (b"t=y:s;", True, True),
        (b"t= s : y ;", True, True),
        (b"t=unknown;", False, False),
        (b"t=Y;", False, False),
    ],
)
def test_flags_are_read(flags, testing, strict):
    record = parse_key_record(filled(b"v=DKIM1;" + flags + b"p={rsa}"), RSA)
    assert (record.testing, record.strict) == (testing, strict)


def test_a_record_has_a_limit():
    record = filled(b"v=DKIM1; p={rsa}; n=")
    longest = record + b"x" * (MAX_RECORD_OCTETS - len(record))
    assert reason_of(longest) is None
    assert reason_of(longest + b"x") is Reason.KEY_SYNTAX


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (SERVFAIL, Reason.KEY_UNAVAILABLE),
        (NXDOMAIN, Reason.NO_KEY),
        (NO_DATA, Reason.NO_KEY),
        (txt(b"v=spf1 -all"), Reason.NO_KEY),
        (txt(b"v=spf1 -all", b"v=DKIM1; p="), Reason.KEY_REVOKED),
        (txt(b"v=DKIM1; p=", b"v=DKIM1; p=*"), Reason.KEY_REVOKED),
    ],
)
def test_without_a_key_there_is_a_reason(answer, reason):
    assert usable_keys(answer, RSA) == ((), reason)


def test_records_that_are_no_keys_are_passed_over():
    good = filled(b"v=DKIM1; p={rsa}")
    answer = txt(b"v=spf1 -all", b"v=DKIM1; p=", good, b"x")
    assert usable_keys(answer, RSA)[0] == (parse_key_record(good, RSA),)


def test_keys_of_one_selector_come_in_order_and_are_few():
    records = [filled(b"v=DKIM1; n=%d; p={rsa}" % number) for number in range(9)]
    keys, _ = usable_keys(txt(*records), RSA)
    assert keys == tuple(parse_key_record(record, RSA) for record in records[:MAX_KEYS])


def test_a_key_stands_below_the_selector():
    assert key_name("s1.x", "author.example") == "s1.x._domainkey.author.example"


def test_a_name_nobody_asked_for_has_failed():
    assert answer_for({}, "author.example") == LookupFailed("not looked up")


def test_answers_are_found_in_any_case():
    assert answer_for({"author.example": NXDOMAIN}, "Author.EXAMPLE") is NXDOMAIN


@pytest.mark.parametrize(
    ("least", "lengths", "reason"),
    [
        (1024, [1024, 2048], Reason.NO_KEY),
        (1025, [2048], Reason.KEY_TOO_SHORT),
        (2048, [2048], Reason.KEY_TOO_SHORT),
        (2049, [], Reason.KEY_TOO_SHORT),
    ],
)
def test_shorter_keys_than_wanted_are_passed_over(least, lengths, reason):
    answer = txt(rsa_record(1024), rsa_record(2048))

    keys, why = usable_keys(answer, RSA, least)

    assert ([each.key.bits for each in keys], why) == (lengths, reason)


def test_an_ed25519_key_is_never_too_short():
    answer = txt(filled(b"k=ed25519; p={ed}"))

    assert len(usable_keys(answer, ED25519, 4096)[0]) == 1
