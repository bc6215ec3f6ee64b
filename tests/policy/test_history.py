"""What is remembered of a post, and what is not."""

from __future__ import annotations

import json
from dataclasses import fields, replace

import pytest
from hypothesis import given, strategies as st

from mailman_arc.mailauth.authres import parse_authentication_results
from mailman_arc.mailauth.message import read_message
from mailman_arc.policy.arrival import remember
from mailman_arc.policy.explanation import explain_message
from mailman_arc.policy.history import (
    MAX_DETAILS,
    Disposition,
    Facts,
    Verdict,
    describe,
    describe_arrival,
    describe_unjudged,
    format_details,
    kept,
    kept_reason,
    make_entry_id,
    time_of,
    with_vouching,
)
from mailman_arc.policy.inbound import authenticate
from mailman_arc.policy.settings import HISTORY_FIELDS
from mailman_arc.policy.trust import Trust
from tests.support.mail import NOW, POST, add_set, changed, sign_dkim, whole_zone
from tests.support.zone import SERVFAIL, Zone, txt


TRUST = Trust("lists.example", frozenset(["mx.lists.example"]))
WITHOUT_POLICY = whole_zone()
ZONE = WITHOUT_POLICY.with_records(
    {"_dmarc.author.example": txt(b"v=DMARC1; p=reject")}
)
SILENT = Zone(dict.fromkeys((*ZONE, "s1._domainkey.author.example"), SERVFAIL))
SIGNED = sign_dkim(POST)
CHANGED = changed(SIGNED, b"Bye", b"bye")


def facts_of(octets: bytes, zone: Zone = ZONE) -> Facts:
    message = read_message(octets)
    found = authenticate(message, zone, NOW, TRUST)
    arrival = remember(found, message, TRUST.authserv_id, NOW)
    return describe(message, found, arrival, TRUST)


def with_subject(raw: bytes) -> bytes:
    return changed(POST, b"Meeting\r\n  notes", raw)


def forwarded(recorded: bytes) -> bytes:
    """A post whose signature was broken behind a server that recorded this."""
    return add_set(CHANGED, results=b" i={i}; {d};\r\n " + recorded)


# Entries


def test_an_entry_knows_when_it_was_made():
    assert time_of(make_entry_id(NOW + 0.987, 2**21 - 1)) == NOW


@given(st.integers(0, 2**42 // 1000 - 2), st.integers(0, 2**64), st.integers(0))
def test_entries_have_63_bits_and_the_newer_is_the_greater(now, bits, other_bits):
    entry = make_entry_id(now, bits)

    assert 0 <= entry < 2**63
    assert make_entry_id(now + 1, other_bits) > entry


# Verdicts


VERDICTS = {
    "its author's by policy": (SIGNED, ZONE, Verdict.CONFIRMED),
    "its author's without policy": (SIGNED, WITHOUT_POLICY, Verdict.CONFIRMED),
    "signed by the parent domain": (
        changed(SIGNED, b"ann@author", b"ann@sub.author", 1),
        WITHOUT_POLICY,
        Verdict.UNCONFIRMED,  # the signature covers From
    ),
    "changed": (CHANGED, ZONE, Verdict.UNCONFIRMED),
    "changed, without policy": (CHANGED, WITHOUT_POLICY, Verdict.UNCONFIRMED),
    "neither signed nor with policy": (POST, WITHOUT_POLICY, Verdict.UNCHECKED),
    "not signed": (POST, ZONE, Verdict.UNCONFIRMED),
    "without author": (
        changed(POST, b"From: Ann Author <ann@author.example>\r\n", b""),
        ZONE,
        Verdict.UNCHECKED,
    ),
    "vouched for, by DMARC": (
        forwarded(b"dmarc=pass header.from=author.example"),
        ZONE,
        Verdict.VOUCHED,
    ),
    "vouched for, by DKIM": (
        forwarded(b"dkim=fail; dkim=pass header.i=ann@Author.example"),
        ZONE,
        Verdict.VOUCHED,
    ),
    "vouched for, of another domain": (
        forwarded(
            b"dmarc=pass header.from=other.example; dkim=pass header.d=example; "
            b"dkim=pass header.d=lent.author.example; spf=pass "
            b"smtp.mailfrom=author.example; dmarc=pass; dkim=pass"
        ),
        ZONE,
        Verdict.UNCONFIRMED,
    ),
    "forwarded, and found wanting": (forwarded(b"dmarc=fail"), ZONE, "unconfirmed"),
    "forwarded, with a record nobody can read": (
        forwarded(b"dmarc="),
        ZONE,
        Verdict.UNCONFIRMED,
    ),
    "vouched for by a chain that is broken": (
        changed(
            forwarded(b"dmarc=pass header.from=author.example"), b"Hello", b"hello"
        ),
        ZONE,
        Verdict.UNCONFIRMED,
    ),
    "while the DNS is silent": (SIGNED, SILENT, Verdict.UNCHECKED),
    "confirmed by a trusted server": (
        b"Authentication-Results: mx.lists.example; dmarc=pass\r\n" + POST,
        ZONE,
        Verdict.CONFIRMED,
    ),
}


@pytest.mark.parametrize(("octets", "zone", "verdict"), VERDICTS.values(), ids=VERDICTS)
def test_a_post_is(octets, zone, verdict):
    assert facts_of(octets, zone).verdict == verdict


def test_the_signature_of_a_domain_above_confirms_where_there_is_no_policy():
    octets = sign_dkim(changed(POST, b"ann@author", b"ann@sub.author"))

    assert facts_of(octets, WITHOUT_POLICY).verdict is Verdict.CONFIRMED


def test_that_the_dns_was_silent_about_a_chain_leaves_a_post_unchecked():
    key = "arc._domainkey.relay.example"
    zone = ZONE.with_records({key: SERVFAIL})

    facts = facts_of(forwarded(b"dmarc=pass header.from=author.example"), zone)

    assert (facts.verdict, facts.arc) == (Verdict.UNCHECKED, "unjudged")


# Facts


def test_what_is_known_of_a_post_is_remembered():
    facts = facts_of(add_set(SIGNED))

    assert facts.author_domain == "author.example"
    assert facts.author == "ann@author.example"
    assert facts.subject == "Meeting notes"
    assert facts.message_id == "<1@author.example>"
    assert (facts.dkim, facts.spf, facts.arc, facts.dmarc) == (
        "pass", "", "pass", "pass",
    )  # fmt: skip
    told = parse_authentication_results(facts.results.encode())
    assert [each.method for each in told.methods] == ["arc", "dkim", "dmarc"]


SUBJECTS = (
    (b"=?utf-8?q?Gr=C3=BC=C3=9Fe?=\r\n an alle", "Gr\xfc\xdfe an alle"),
    ("Gr\xfc\xdfe".encode(), "Gr\xfc\xdfe"),
    (b"=?no-such?q?abc?=", "=?no-such?q?abc?="),
    (b"=?utf-8?b?a?=", "=?utf-8?b?a?="),
    (b"=?utf-8?q?a=00=0D=0AFrom:_b=E2=80=AEc?=", "a From: b c"),
    (b"x" * 5000, "x" * 200),
    (b"\xff", "\ufffd"),
)


@pytest.mark.parametrize(("raw", "text"), SUBJECTS)
def test_a_subject_is_remembered_as_text(raw, text):
    assert facts_of(with_subject(raw)).subject == text


AUTHORS = (
    (b"Ann <Ann@Author.Example>", "ann@author.example"),
    (b"Ann", ""),
    (b"a@one.example\r\nFrom: b@two.example", ""),
    (b"(" * 1999, ""),
    (b'"<x@y.example>" <ann@author.example>', "ann@author.example"),
)


@pytest.mark.parametrize(("raw", "address"), AUTHORS)
def test_the_address_of_the_author_is_remembered(raw, address):
    octets = changed(POST, b"Ann Author <ann@author.example>", raw)

    assert facts_of(octets).author == address


def test_of_several_results_the_most_telling_is_remembered():
    octets = (
        b"Authentication-Results: mx.lists.example; dkim=odd; dkim=neutral; "
        b"dkim=fail; dkim=none; spf=softfail smtp.mailfrom=a@b.example\r\n" + POST
    )

    facts = facts_of(octets)

    assert (facts.dkim, facts.spf) == ("fail", "softfail")


def test_an_arrival_alone_tells_the_results():
    message = read_message(SIGNED)
    found = authenticate(message, ZONE, NOW, TRUST)
    arrival = remember(found, message, TRUST.authserv_id, NOW)

    facts = describe_arrival(message, arrival)

    assert (facts.dmarc, facts.verdict, facts.details) == ("pass", None, "")
    assert facts.subject == "Meeting notes"


def test_results_that_nobody_can_read_are_remembered_as_they_are():
    message = read_message(SIGNED)
    found = authenticate(message, ZONE, NOW, TRUST)
    arrival = remember(found, message, TRUST.authserv_id, NOW)

    facts = describe_arrival(message, replace(arrival, results="a;b"))

    assert (facts.results, facts.dmarc) == ("a;b", "")
    assert kept(facts, HISTORY_FIELDS, is_anonymous=True).results == ""


def test_a_post_without_verdict_is_remembered_with_the_reason():
    facts = describe_unjudged(read_message(POST), "the reason")

    assert facts.author == "ann@author.example"
    assert facts.verdict is None
    assert json.loads(facts.details) == {"summary": "the reason"}
    assert describe_unjudged(read_message(b""), "") == Facts()


@pytest.mark.parametrize("name", HISTORY_FIELDS)
def test_what_is_not_wanted_is_not_kept(name):
    facts = facts_of(SIGNED)

    some = kept(facts, set(HISTORY_FIELDS) - {name}, is_anonymous=False)

    assert some == replace(facts, **{name: ""})
    assert kept(facts, HISTORY_FIELDS, is_anonymous=False) == facts


NAMED = (
    (b"smtp.mailfrom=ann@author.example", "smtp.mailfrom=@author.example"),
    (b'smtp.mailfrom="ann"@author.example', "smtp.mailfrom=@author.example"),
    (b"smtp.mailfrom=SRS0=t=ann@relay.example", "smtp.mailfrom=@relay.example"),
    (b"(domain of ann@author.example)", "(domain of @author.example)"),
    (b"header.i=@author.example", "header.i=@author.example"),
    (b"header.d=author.example", "header.d=author.example"),
)


@pytest.mark.parametrize(("recorded", "told"), NAMED)
def test_where_the_author_is_not_kept_nobody_is_named_in_results(recorded, told):
    result = b"spf=pass " + recorded
    facts = facts_of(
        b"Authentication-Results: mx.lists.example; %b\r\n%b"
        % (result, forwarded(result))
    )

    some = kept(facts, {"subject", "message_id"}, is_anonymous=False)

    assert told in json.loads(some.details)["hops"][0]["aar"]
    assert "ann" not in some.results + some.details
    assert "ann" not in str(kept(facts_of(POST), (), is_anonymous=False))


def test_nothing_names_the_author_of_an_anonymous_post():
    facts = kept(facts_of(SIGNED), HISTORY_FIELDS, is_anonymous=True)

    assert facts.verdict is Verdict.CONFIRMED
    assert facts.results == "arc=none; dkim=pass; dmarc=pass"
    for each in fields(Facts):
        assert "author" not in str(getattr(facts, each.name))


REASONS = (
    (HISTORY_FIELDS, False, "ann@author.example is banned\nhere"),
    (("subject",), False, "(address) is banned\nhere"),
    (HISTORY_FIELDS, True, "(address) is banned\nhere"),
)


@pytest.mark.parametrize(("fields", "is_anonymous", "told"), REASONS)
def test_a_reason_names_the_author_only_where_that_is_kept(fields, is_anonymous, told):
    reason = "ann@author.example is banned\nhere"

    found = kept_reason(reason, fields, is_anonymous=is_anonymous)

    assert found == told.replace("\n", " ")


def test_dispositions_have_the_words_of_the_database():
    from mailman_arc.adapters.store import historyrows

    assert tuple(Disposition) == historyrows.DISPOSITIONS


# Details


def test_the_details_are_what_was_found_check_by_check():
    told = json.loads(facts_of(add_set(CHANGED)).details)

    assert told["author_domain"] == "author.example"
    assert told["summary"].startswith("The author domain is not confirmed (any more).")
    assert told["dmarc"]["outcome"] == "bad"
    assert [each["outcome"] for each in told["dkim"]] == ["bad"]
    assert told["arc"]["outcome"] == "good"
    [hop] = told["hops"]
    assert (hop["instance"], hop["sealer"]) == (1, "relay.example")
    assert hop["aar"] == "i=1; relay.example; dkim=pass header.d=author.example"
    assert told["statements"] == []
    assert told["remarks"] == []
    assert told["reasons"] == ["not aligned", "body has changed"]


def test_a_post_whose_lines_nobody_has_seen_has_no_remark_about_them():
    message = read_message(SIGNED)
    found = authenticate(message, ZONE, NOW, TRUST)

    assert explain_message(b"", message, found, TRUST).remarks == ()


def test_of_a_chain_that_has_ended_the_fields_are_told_as_they_came():
    message = read_message(add_set(add_set(SIGNED), 2, cv=b"fail"))
    found = authenticate(message, ZONE, NOW, TRUST)

    told = json.loads(
        format_details(explain_message(b"", message, found, TRUST), found)
    )

    assert told["hops"] == []
    assert [each.partition(";")[0] for each in told["arc_fields"]] == [
        f"{name}: i={instance}"
        for instance in (2, 1)
        for name in ("ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results")
    ]


def test_of_too_many_hops_those_in_the_middle_are_left_out():
    message = read_message(add_set(SIGNED))
    found = authenticate(message, ZONE, NOW, TRUST)
    explanation = explain_message(b"", message, found, TRUST)
    [hop] = explanation.hops
    hops = tuple(replace(hop, instance=i, aar="x" * 4000) for i in range(1, 51))

    text = format_details(replace(explanation, hops=hops), found)
    told = json.loads(text)

    assert MAX_DETAILS - 10000 < len(text) <= MAX_DETAILS
    instances = [each["instance"] for each in told["hops"]]
    assert instances[0] == 1
    assert instances[-1] == 50
    assert instances == sorted(instances)
    assert told["hops_left_out"] == 50 - len(instances)


def test_details_never_grow_beyond_their_limit():
    harmful = "\U0001f600" * 100_000
    message = read_message(add_set(SIGNED))
    found = authenticate(message, ZONE, NOW, TRUST)
    explanation = explain_message(b"", message, found, TRUST)
    [hop], [check] = explanation.hops, explanation.dkim
    check = replace(check, sentence=harmful, source=harmful)
    worst = replace(
        explanation,
        summary=harmful,
        dmarc=check,
        arc=check,
        dkim=(check,) * 10,
        hops=(replace(hop, aar=harmful, recorded=(harmful,) * 50),) * 50,
        arc_fields=(harmful,) * 150,
        remarks=(check,) * 100,
    )

    text = format_details(worst, found)

    assert len(text.encode()) <= MAX_DETAILS
    assert json.loads(text)["hops_left_out"] > 0


@given(
    st.binary(max_size=300),
    st.sampled_from([b"Subject: ", b"From: ", b"Message-ID: ", b"", b"ARC-Seal: i=1;"]),
)
def test_of_any_post_something_can_be_remembered(octets, name):
    facts = facts_of(name + octets + b"\r\n\r\n", WITHOUT_POLICY)

    for each in fields(Facts):
        str(getattr(facts, each.name)).encode()
        assert "\x00" not in str(getattr(facts, each.name))
    assert json.loads(facts.details)["summary"]


# Who vouches


VOUCHED = forwarded(b"dkim=pass header.d=author.example")


def test_that_a_trusted_sealer_vouches_is_told_first_among_the_remarks():
    facts = facts_of(VOUCHED)

    told = json.loads(with_vouching(facts, ["relay.example"]).details)

    remark, *others = told["remarks"]
    assert remark == {
        "name": "remark",
        "outcome": "good",
        "sentence": "relay.example, whose seals are trusted, has recorded that the "
        "author was confirmed, and nobody who is not trusted has sealed the post "
        "since.",
        "source": "RFC 8617 §7.2.1",
    }
    assert {**told, "remarks": others} == json.loads(facts.details)


@pytest.mark.parametrize(
    "facts",
    [
        facts_of(forwarded(b"dkim=fail header.d=author.example")),
        facts_of(SIGNED),
        replace(facts_of(VOUCHED), details=""),
        kept(facts_of(VOUCHED), HISTORY_FIELDS, is_anonymous=True),
        replace(facts_of(VOUCHED), details=json.dumps({"a": "x" * MAX_DETAILS})),
    ],
)
def test_otherwise_nothing_is_added(facts):
    assert with_vouching(facts, ["relay.example"]) is facts
