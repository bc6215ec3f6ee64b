"""Messages explained, check by check."""

from __future__ import annotations

import json
from dataclasses import asdict

import pytest
from hypothesis import given, strategies as st

from mailman_arc.mailauth.message import read_message
from mailman_arc.policy.explanation import (
    Explanation,
    Outcome,
    explain_message,
    show_explanation,
)
from mailman_arc.policy.inbound import authenticate
from mailman_arc.policy.trust import Trust
from tests.support.keys import key_record, rsa_key
from tests.support.mail import (
    DKIM,
    MESSAGE_SIGNATURE,
    NOW,
    POST,
    SEAL,
    add_set,
    chain_of,
    changed,
    sign_dkim,
    whole_zone,
)
from tests.support.zone import SERVFAIL, Zone, txt


TRUST = Trust("lists.example", frozenset(["mx.lists.example"]))
ZONE = whole_zone().with_records({"_dmarc.author.example": txt(b"v=DMARC1; p=none")})
SIGNED = sign_dkim(POST)
FORWARDED = add_set(changed(add_set(SIGNED), b"Bye", b"bye"), 2)
RULES = "RFC 8617 §5.2"


def explained(octets: bytes, zone: Zone = ZONE, *, bodies: bool = False) -> Explanation:
    message = read_message(octets)
    found = authenticate(message, zone, NOW, TRUST)
    return explain_message(octets, message, found, TRUST, with_body_hashes=bodies)


SUMMARIES = {
    "the author's": (SIGNED, ZONE, "The message comes from whom it says it does."),
    "nobody's": (
        POST,
        ZONE,
        "Nothing confirms that the message comes from whom it says it does.",
    ),
    "forwarded": (
        FORWARDED,
        ZONE,
        "The author domain is not confirmed (any more). Receivers that trust "
        "relay.example, lists.example can go by what was recorded before (RFC 8617 "
        "§7.2).",
    ),
    "no policy": (
        POST,
        ZONE.with_records({"_dmarc.author.example": SERVFAIL}),
        "The DNS did not answer, so that there is no telling for now.",
    ),
    "no key": (
        chain_of(1),
        ZONE.with_records({"arc._domainkey.relay.example": SERVFAIL}),
        "The DNS did not answer, so that there is no telling for now.",
    ),
}


@pytest.mark.parametrize(("octets", "zone", "text"), SUMMARIES.values(), ids=SUMMARIES)
def test_the_summary(octets, zone, text):
    assert explained(octets, zone).summary == text


def test_the_author_and_his_signature():
    found = explained(SIGNED)

    assert found.author_domain == "author.example"
    assert (found.dmarc.outcome, found.dmarc.source) == (Outcome.GOOD, "RFC 9989 §5.3")
    [signature] = found.dkim
    assert (signature.outcome, signature.source) == (Outcome.GOOD, "RFC 6376 §6.1")
    assert (found.arc.outcome, found.arc.source) == (Outcome.NONE, RULES)


def test_a_list_on_the_way():
    found = explained(FORWARDED)

    assert found.dkim[0].source == "RFC 6376 §6.1.3"
    assert found.arc.outcome is Outcome.GOOD
    first, second = found.hops
    assert (first.instance, first.sealer, first.selector) == (1, "relay.example", "arc")
    assert (first.chain_status, second.chain_status) == ("none", "pass")
    assert first.sealed_at == "2026-01-05 10:00:00 UTC"
    assert first.authserv_id == "relay.example"
    assert first.recorded == ("dkim=pass header.d=author.example",)
    assert [(each.name, each.outcome) for each in first.checks] == [
        ("ARC-Seal", Outcome.GOOD),
        ("ARC-Message-Signature", Outcome.CHANGED),
    ]
    assert [each.outcome for each in second.checks] == [Outcome.GOOD, Outcome.GOOD]


BROKEN = {
    "the newest signature": (
        changed(chain_of(2), b"Bye", b"bye"),
        ZONE,
        [[Outcome.UNCHECKED] * 2, [Outcome.UNCHECKED, Outcome.BAD]],
        "RFC 6376 §6.1.3",
    ),
    "an old seal": (
        changed(
            chain_of(2), b"dkim=pass header.d=author", b"dkim=pass header.d=other", 2
        ),
        ZONE,
        [[Outcome.UNCHECKED] * 2, [Outcome.BAD, Outcome.GOOD]],
        "RFC 6376 §6.1.3",
    ),
    "no answer": (
        chain_of(1),
        ZONE.with_records({"arc._domainkey.relay.example": SERVFAIL}),
        [[Outcome.UNCHECKED, Outcome.UNKNOWN]],
        "RFC 6376 §6.1.2",
    ),
}


@pytest.mark.parametrize(
    ("octets", "zone", "outcomes", "source"), BROKEN.values(), ids=BROKEN
)
def test_a_broken_chain_is_told_hop_by_hop(octets, zone, outcomes, source):
    found = explained(octets, zone)

    assert [[each.outcome for each in hop.checks] for hop in found.hops] == outcomes
    assert found.arc.source == source


def test_the_fields_of_a_chain_without_sets():
    found = explained(changed(chain_of(2), b"i=2", b"i=3", 3))

    assert found.hops == ()
    assert [each.partition(";")[0] for each in found.arc_fields] == [
        "ARC-Seal: i=3",
        "ARC-Message-Signature: i=3",
        "ARC-Authentication-Results: i=3",
        "ARC-Seal: i=1",
        "ARC-Message-Signature: i=1",
        "ARC-Authentication-Results: i=1",
    ]


@pytest.mark.parametrize("time", [b"", b"x", b"9" * 12, b"9" * 40])
def test_a_time_that_is_none_is_left_out(time):
    seal = changed(SEAL, b"1767607200", time)

    assert explained(add_set(POST, seal=seal)).hops[0].sealed_at == ""


def test_results_that_cannot_be_read_are_left_out():
    [hop] = explained(add_set(POST, results=b" i={i}; ;")).hops

    assert (hop.authserv_id, hop.recorded) == ("", ())


FIELDS = {
    "a stranger's": (b"mx.example; none", "mx.example", "nobody we trust", ("none",)),
    "a friend's": (
        b"MX.lists.example; spf=pass smtp.mailfrom=a.example; dkim=none",
        "MX.lists.example",
        "believed: in trusted_authserv_ids",
        ("spf=pass smtp.mailfrom=a.example", "dkim=none"),
    ),
    "ours": (
        b"lists.example; spf=pass",
        "lists.example",
        "of this site",
        ("spf=pass",),
    ),
    "unreadable": (b"mx.lists.example; ???", "mx.lists.example", "cannot be read", ()),
    "nobody's": (b"", "", "cannot be read", ()),
}


@pytest.mark.parametrize(
    ("value", "name", "standing", "results"), FIELDS.values(), ids=FIELDS
)
def test_what_others_say_and_whether_it_counts(value, name, standing, results):
    [found] = explained(b"Authentication-Results: " + value + b"\r\n" + POST).statements

    assert (found.authserv_id, found.results) == (name, results)
    assert standing in found.standing


TESTING = key_record(rsa_key(1024, 0)) + b"; t=y"
REMARKS = {
    "nothing": (SIGNED, ZONE, []),
    "from a mailbox": (b"From a Mon\r\n" + SIGNED, ZONE, ["The first line is that"]),
    "from a file": (SIGNED.replace(b"\r\n", b"\n"), ZONE, ["The lines end as in"]),
    "no line at all": (b"From: a@b.example", ZONE, ["The lines end as in"]),
    "odd lines": (b"odd\r\n" + POST, ZONE, ["The header has lines"]),
    "l=": (
        sign_dkim(POST, tags=changed(DKIM, b" v=1;", b" v=1; l=3;")),
        ZONE,
        ["DKIM-Signature of author.example covers only the first 3 octets"],
    ),
    "signed results": (
        add_set(
            POST,
            signature=changed(
                MESSAGE_SIGNATURE, b"h=", b"h=ARC-authentication-results:"
            ),
        ),
        ZONE,
        ["ARC-Message-Signature of relay.example signs ARC-Authentication-Results"],
    ),
    "only testing": (
        SIGNED,
        ZONE.with_records({"s1._domainkey.author.example": txt(TESTING)}),
        ["author.example says that it is only testing"],
    ),
    "a signature that is none": (b"DKIM-Signature: x\r\n" + POST, ZONE, []),
}


@pytest.mark.parametrize(("octets", "zone", "starts"), REMARKS.values(), ids=REMARKS)
def test_what_is_remarkable(octets, zone, starts):
    found = [each.sentence for each in explained(octets, zone).remarks]

    assert len(found) == len(starts)
    for sentence, start in zip(found, starts, strict=True):
        assert sentence.startswith(start)


def test_body_hashes():
    octets = sign_dkim(FORWARDED, tags=changed(DKIM, b" v=1;", b" v=1; l=3;"))

    found = explained(octets, bodies=True).body_hashes

    assert [(each.name, each.form, each.is_equal) for each in found] == [
        ("DKIM-Signature of author.example", "relaxed l=3", True),
        ("DKIM-Signature of author.example", "relaxed", False),
        ("ARC-Message-Signature of lists.example", "relaxed", True),
        ("ARC-Message-Signature of relay.example", "relaxed", False),
    ]


def test_as_text():
    octets = b"Authentication-Results: mx.example; spf=pass\r\n" + FORWARDED
    lines = show_explanation(explained(b"From x\r\n" + octets, bodies=True))

    for line in (
        "[bad] The author domain of author.example is not confirmed, because nothing "
        "that was confirmed belongs to that domain. (RFC 9989 §5.3)",
        "    author: author.example",
        "    i=1: relay.example (key arc, 2026-01-05 10:00:00 UTC), cv=none",
        "     |  relay.example recorded dkim=pass header.d=author.example",
        "     |  [good] ARC-Seal: It is good. (RFC 8617 §5.2)",
        "mx.example says (not believed: nobody we trust):",
        "    spf=pass",
        "Note: The first line is that of a mailbox file; it is left out.",
        "DKIM-Signature of author.example, relaxed: the body is another",
        "ARC-Message-Signature of lists.example, relaxed: the body is the same",
    ):
        assert line in lines


def test_a_message_with_nothing_as_text():
    lines = show_explanation(explained(POST.replace(b"\r\n", b"\n")))

    assert "[none] There is no DKIM signature." in lines
    assert "[none] Nobody has sealed this message. (RFC 8617 §5.2)" in lines
    assert lines[-1].endswith("(RFC 6376 §5.3)")


def test_a_seal_without_a_time_and_a_broken_chain_as_text():
    untimed = add_set(POST, seal=changed(SEAL, b" t=1767607200;", b""))
    assert "    i=1: relay.example (key arc), cv=none" in show_explanation(
        explained(untimed)
    )
    broken = changed(FORWARDED, b"From: Ann", b"From: a@b.c\r\nX-From: Ann", 1)
    two = changed(broken, b"i=2", b"i=3", 3)
    assert any(
        "    ARC-Seal: i=3; " in each for each in show_explanation(explained(two))
    )


@given(
    st.binary(max_size=300), st.sampled_from([b"", FORWARDED, b"ARC-Seal:", b"From "])
)
def test_any_octets_can_be_explained(octets, start):
    found = explained(start + octets, bodies=True)

    assert show_explanation(found)
    assert json.dumps(asdict(found))
