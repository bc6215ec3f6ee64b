"""Whether and how a copy is sealed."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace

import pytest
from hypothesis import given, strategies as st

from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.message import read_message, to_crlf
from mailman_arc.policy.arrival import Arrival, remember
from mailman_arc.policy.inbound import authenticate
from mailman_arc.policy.outbound import Outgoing, Unsealed, seal_octets
from mailman_arc.policy.trust import Trust
from tests.support.keys import ed25519_key
from tests.support.mail import (
    NOW,
    POST,
    add_set,
    arc_fields,
    chain_of,
    changed,
    judge_chain,
    mailing_list,
    relay,
    sign_dkim,
    whole_zone,
    zone_of,
)
from tests.support.zone import SERVFAIL


IDENTITY = mailing_list().identity
LATER = NOW + 3600
FOOTER = b"-- \r\nthe list\r\n"


def arrival_of(octets: bytes, zone=None) -> Arrival:
    message = read_message(octets)
    found = authenticate(message, zone or whole_zone(), NOW, Trust("lists.example"))
    return remember(found, message, "lists.example", NOW)


def through_the_list(octets: bytes, zone=None) -> Outgoing:
    """A post that arrives, gets a footer, and is to be sealed."""
    return seal_octets(octets + FOOTER, arrival_of(octets, zone), IDENTITY, LATER)


def seal_of(octets: bytes, instance: int) -> bytes:
    """The value of the ARC-Seal of a set."""
    pattern = rb"\AARC-Seal: i=%d;" % instance
    [found] = [field for field in arc_fields(octets) if re.match(pattern, field)]
    return found


# What is sealed


@pytest.mark.parametrize(
    ("octets", "instance", "status"),
    [
        (POST, 1, "none"),
        (sign_dkim(POST), 1, "none"),
        (chain_of(1), 2, "pass"),
        (chain_of(7), 8, "pass"),
        (chain_of(49), 50, "pass"),
        (changed(chain_of(1), b"Bye", b"bye"), 2, "fail"),
        (changed(chain_of(2), b"i=1; a=", b"i=1; x=1; a="), 3, "fail"),
    ],
    ids=["none", "signed", "1 set", "7 sets", "49 sets", "other body", "other seal"],
)
def test_a_post_is_sealed_with_the_status_it_arrived_with(octets, instance, status):
    outgoing = through_the_list(octets)

    assert outgoing.unsealed is None
    assert (outgoing.instance, outgoing.status) == (instance, status)
    assert b"cv=%s;" % status.encode() in seal_of(outgoing.octets, instance)


@pytest.mark.parametrize("octets", [POST, chain_of(1), chain_of(49)])
def test_a_sealed_copy_passes_with_the_published_keys(octets):
    verdict = judge_chain(through_the_list(octets).octets, whole_zone())

    assert verdict.status is ChainStatus.PASS


def test_a_seal_says_which_set_saw_the_last_change():
    verdict = judge_chain(through_the_list(chain_of(2)).octets, whole_zone())

    assert verdict.oldest_pass == 3


def test_a_seal_over_a_broken_chain_fails_for_that_reason_only():
    outgoing = through_the_list(changed(chain_of(1), b"Bye", b"bye"))

    verdict = judge_chain(outgoing.octets, whole_zone())

    assert verdict.status is ChainStatus.FAIL
    assert verdict.chain.ended


def test_a_copy_can_be_sealed_with_an_ed25519_key():
    signer = replace(mailing_list(), key=ed25519_key())

    outgoing = seal_octets(POST, arrival_of(POST), signer.identity, LATER)

    assert judge_chain(outgoing.octets, zone_of(signer)).status is ChainStatus.PASS


@pytest.mark.parametrize(
    "octets",
    [
        POST,
        chain_of(3),
        changed(chain_of(1), b"Bye", b"bye"),
        changed(POST, b"Meeting", b"gr\xfc\xdfe"),
        POST.replace(b"notes\r\n", b"notes\x0b\x0c\x00\r\n"),
        b"\r\nno header\r\n",
        b"From: ann@author.example\r\n\r\n",
    ],
)
def test_the_copy_follows_the_seal_octet_for_octet(octets):
    outgoing = seal_octets(octets, arrival_of(octets), IDENTITY, LATER)

    added = outgoing.octets.removesuffix(octets)
    assert outgoing.octets.endswith(octets)
    assert [field.name for field in read_message(added + b"\r\n").fields] == [
        b"arc-seal",
        b"arc-message-signature",
        b"arc-authentication-results",
    ]
    assert read_message(outgoing.octets).fields[3:] == read_message(octets).fields


def test_the_set_says_when_it_was_sealed_and_by_whom():
    octets = through_the_list(POST).octets

    for field in read_message(octets).fields[:2]:
        assert b" d=lists.example; s=arc; t=%d;" % LATER in field.raw


def test_the_results_of_the_arrival_are_sealed():
    octets = through_the_list(sign_dkim(POST)).octets

    results = read_message(octets).fields[2].raw
    assert results.startswith(
        b"ARC-Authentication-Results: i=1; lists.example;\r\n arc=none;\r\n dkim=pass "
    )


def test_what_was_sealed_is_protected_from_change():
    octets = through_the_list(POST).octets

    for old, new in ((b"Bye", b"bye"), (b"Meeting", b"meeting"), (FOOTER, b"")):
        verdict = judge_chain(changed(octets, old, new), whole_zone())
        assert verdict.status is ChainStatus.FAIL


# What is not sealed


class CrookedKey:
    """A key whose two halves do not belong together."""

    algorithm = "ed25519-sha256"
    bits = 256
    verifying_key = ed25519_key(1).verifying_key

    def sign(self, digest: bytes) -> bytes:
        return ed25519_key(2).sign(digest)


@dataclass(frozen=True, slots=True)
class Row:
    reason: Unsealed
    octets: bytes
    arrival: Arrival
    key: object = IDENTITY.key


def unjudged(octets: bytes) -> Arrival:
    zone = whole_zone().with_records({relay().key_name: SERVFAIL})
    return arrival_of(octets, zone)


ONE = chain_of(1)
ENDED = add_set(changed(ONE, b"Bye", b"bye"), 2, cv=b"fail")
NO_NUMBER = b"ARC-Seal: a=rsa-sha256\r\n" + POST
FULL_AND_BROKEN = changed(chain_of(50), b"Bye", b"bye")
HUGE = b"X-Huge: " + b"x" * (1 << 20) + b"\r\n" + ONE

ROWS = {
    "the DNS did not answer": Row(Unsealed.CHAIN_UNJUDGED, ONE, unjudged(ONE)),
    "the chain had ended": Row(Unsealed.CHAIN_ENDED, ENDED, arrival_of(ENDED)),
    "50 sets": Row(Unsealed.CHAIN_FULL, chain_of(50), arrival_of(chain_of(50))),
    "50 sets, broken": Row(
        Unsealed.CHAIN_FULL, FULL_AND_BROKEN, arrival_of(FULL_AND_BROKEN)
    ),
    "no number": Row(Unsealed.CHAIN_UNREADABLE, NO_NUMBER, arrival_of(NO_NUMBER)),
    "a header too long to read": Row(Unsealed.HEADER, HUGE, arrival_of(HUGE)),
    "a header that grew too long": Row(
        Unsealed.HEADER, b"X: %s\r\n" % (b"x" * 1_000_000) + POST, arrival_of(POST)
    ),
    "too many fields to sign": Row(
        Unsealed.HEADER, b"To: a\r\n" * 200 + POST, arrival_of(POST)
    ),
    "a seal removed": Row(Unsealed.CHAIN_ALTERED, POST, arrival_of(ONE)),
    "a seal added": Row(Unsealed.CHAIN_ALTERED, ONE, arrival_of(POST)),
    "a set added": Row(Unsealed.CHAIN_ALTERED, chain_of(2), arrival_of(ONE)),
    "results changed": Row(
        Unsealed.CHAIN_ALTERED,
        changed(ONE, b"dkim=pass", b"dkim=fail"),
        arrival_of(ONE),
    ),
    "altered and ended": Row(Unsealed.CHAIN_ALTERED, ENDED, arrival_of(ONE)),
    "altered and unjudged": Row(Unsealed.CHAIN_ALTERED, POST, unjudged(ONE)),
    "a key that does not fit": Row(
        Unsealed.PROOF, POST, arrival_of(POST), CrookedKey()
    ),
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_copy_that_cannot_be_sealed_comes_back_as_it_is(row):
    identity = replace(IDENTITY, key=row.key)

    outgoing = seal_octets(row.octets, row.arrival, identity, LATER)

    assert outgoing.unsealed is row.reason
    assert outgoing.octets == row.octets
    assert (outgoing.instance, outgoing.status) == (None, None)


@pytest.mark.parametrize(
    "octets", [b" x", b"\tSubject: x\r\n\r\n", b" folded\r\n" + POST]
)
def test_octets_that_would_go_on_with_our_last_field_are_not_sealed(octets):
    outgoing = seal_octets(octets, arrival_of(octets), IDENTITY, LATER)

    assert outgoing == Outgoing(octets, Unsealed.PROOF, detail=outgoing.detail)


def test_octets_with_the_line_ends_of_this_machine_are_not_sealed():
    octets = POST.replace(b"\r\n", b"\n")

    outgoing = seal_octets(octets, arrival_of(octets), IDENTITY, LATER)

    assert outgoing == Outgoing(
        octets, Unsealed.PROOF, detail="reads differently when sealed"
    )


def test_every_reason_of_this_layer_has_a_row():
    of_the_plugin = {
        Unsealed.PEER,
        Unsealed.NOT_A_POST,
        Unsealed.NO_VERDICT,
        Unsealed.NO_RECIPIENTS,
        Unsealed.NOT_BEGUN,
        Unsealed.OFF,
        Unsealed.SHADOW,
        Unsealed.CHANGED_EARLY,
        Unsealed.NOT_BEGUN,
        Unsealed.CHANGED_EARLY,
        Unsealed.SETTINGS,
        Unsealed.NO_KEY,
        Unsealed.KEY_NOT_SHOWN,
        Unsealed.ANONYMOUS,
        Unsealed.ENVELOPE,
        Unsealed.ERROR,
    }

    assert {row.reason for row in ROWS.values()} == set(Unsealed) - of_the_plugin


def test_a_failed_proof_says_what_failed():
    identity = replace(IDENTITY, key=CrookedKey())

    outgoing = seal_octets(POST, arrival_of(POST), identity, LATER)

    assert outgoing.detail == "signature does not verify"


@pytest.mark.parametrize(
    "octets",
    [
        changed(ONE, b"cv=none;\r\n", b"cv=none; \r\n\t"),
        b"Received: from here\r\n" + ONE,
        b"Subject: other\r\n" + ONE,
    ],
    ids=["white space", "another field on top", "a changed subject"],
)
def test_what_does_not_touch_the_chain_does_no_harm(octets):
    outgoing = seal_octets(octets, arrival_of(ONE), IDENTITY, LATER)

    assert outgoing.unsealed is None
    assert outgoing.status is ChainStatus.PASS


def test_a_chain_that_moved_below_other_fields_is_sealed_as_it_stands():
    header, _, body = ONE.partition(b"\r\n\r\n")
    moved = b"X-First: 1\r\n" + header + b"\r\nX-Last: 1\r\n\r\n" + body

    outgoing = seal_octets(moved, arrival_of(ONE), IDENTITY, LATER)

    assert judge_chain(outgoing.octets, whole_zone()).status is ChainStatus.PASS


# What begins with white space would go on with our last field.
@given(st.binary(max_size=200).map(lambda octets: octets.lstrip(b" \t")))
def test_any_octets_come_back_with_a_seal_that_proves_itself_or_as_they_are(octets):
    outgoing = seal_octets(octets, arrival_of(octets), IDENTITY, LATER)

    assert outgoing.octets.endswith(octets)
    assert (outgoing.octets == octets) is (outgoing.unsealed is not None)
    # Mailman's copies end their lines with CRLF; others may be read differently.
    if octets == to_crlf(octets):
        assert outgoing.unsealed is not Unsealed.PROOF
