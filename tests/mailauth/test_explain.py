"""Verdicts in plain English."""

from __future__ import annotations

import re

import pytest

from mailman_arc.mailauth.arc.verify import SetVerdict
from mailman_arc.mailauth.author import Author, find_author
from mailman_arc.mailauth.dkim import DkimVerdict
from mailman_arc.mailauth.dmarc import DmarcReason, Identifier, evaluate_dmarc
from mailman_arc.mailauth.explain import (
    CLAUSES,
    SOURCES,
    explain_chain,
    explain_dkim,
    explain_dmarc,
    explain_set,
)
from mailman_arc.mailauth.message import read_message
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.signature import Checked
from tests.support.mail import (
    POST,
    add_set,
    chain_of,
    changed,
    judge_chain,
    judge_dkim,
    sign_dkim,
    whole_zone,
)
from tests.support.zone import Zone, txt


SIGNED = sign_dkim(POST)
AUTHOR = find_author(read_message(POST))


def test_every_reason_has_a_clause():
    assert set(CLAUSES) == set(Reason)


def test_every_reason_has_a_source():
    assert set(SOURCES) == set(Reason)
    for reason, source in SOURCES.items():
        is_ours = reason is Reason.HEADER_TOO_LONG
        assert is_ours or re.fullmatch(r"RFC \d{4} §[\d.]+", source), reason


def test_a_clause_completes_a_sentence():
    for clause in CLAUSES.values():
        assert re.fullmatch(r"[a-z][^.]*[a-z0-9]", clause), clause


DKIM = {
    "good": (
        SIGNED,
        "The DKIM signature of author.example (key s1, rsa-sha256, 1024 bits) is good.",
    ),
    "changed": (
        changed(SIGNED, b"Bye", b"bye"),
        "The DKIM signature of author.example (key s1, rsa-sha256, 1024 bits) does not "
        "count, because the text has changed since.",
    ),
    "unreadable": (
        b"DKIM-Signature: nonsense\r\n" + POST,
        "The DKIM signature of an unnamed domain does not count, because its field "
        "does not follow the grammar.",
    ),
}


@pytest.mark.parametrize(("octets", "sentence"), DKIM.values(), ids=DKIM)
def test_a_signature_is_explained(octets, sentence):
    [verdict] = judge_dkim(octets, whole_zone())

    assert explain_dkim(verdict) == sentence


CHAINS = {
    "none": (POST, "Nobody has sealed this message."),
    "one": (chain_of(1), "The chain of 1 (relay.example) is good."),
    "a footer in between": (
        add_set(changed(chain_of(1), b"Bye", b"bye"), 2),
        "The chain of 2 (relay.example, lists.example) is good; what was signed has "
        "not changed since set 2.",
    ),
    "changed since": (
        chain_of(1, b"X: y\r\n" + POST).replace(b"Bye", b"bye"),
        "The chain is broken at set 1, because the text has changed since.",
    ),
    "no chain": (
        b"ARC-Seal: nonsense\r\n" + POST,
        "The chain is broken at its fields, because its field does not follow the "
        "grammar.",
    ),
}


@pytest.mark.parametrize(("octets", "sentence"), CHAINS.values(), ids=CHAINS)
def test_a_chain_is_explained(octets, sentence):
    assert explain_chain(judge_chain(octets, whole_zone())) == sentence


def test_each_set_is_explained():
    verdict = judge_chain(changed(chain_of(2), b"Bye", b"bye"), whole_zone())

    first, second = map(explain_set, verdict.sets)

    assert first.endswith(
        "the seal was not checked, the message signature was not checked."
    )
    assert "the message signature does not hold, because the text has changed" in second


def test_a_set_without_names_is_explained():
    sentence = explain_set(SetVerdict(1, seal=Checked(Reason.DOMAIN)))

    assert sentence.startswith(
        "Set 1, sealed by an unnamed domain: the seal does not hold"
    )


def test_a_signature_without_algorithm_is_explained():
    unfinished = DkimVerdict(Result.PERMERROR, Reason.MISSING_TAG, "a.example", "s1")

    assert explain_dkim(unfinished).startswith(
        "The DKIM signature of a.example (key s1) does not count"
    )


def test_each_set_of_a_good_chain_tells_of_its_key():
    verdict = judge_chain(chain_of(2), whole_zone())

    for each in verdict.sets:
        assert each.seal is not None
        assert each.seal.key is not None
        assert each.seal.key.key.bits == 1024
        assert explain_set(each).endswith(
            "the seal is good, the message signature is good."
        )


RECORD = Zone({"_dmarc.author.example": txt(b"v=DMARC1; p=reject")})


def test_a_confirmed_author_is_explained():
    found = evaluate_dmarc(
        AUTHOR, [Identifier("dkim", "author.example", Result.PASS)], RECORD
    )

    assert explain_dmarc(found) == (
        "The author domain of author.example is confirmed by DKIM of author.example."
    )


def test_an_author_nobody_confirms_is_explained():
    assert explain_dmarc(evaluate_dmarc(AUTHOR, [], RECORD)) == (
        "The author domain of author.example is not confirmed, because nothing that "
        "was confirmed belongs to that domain."
    )


def test_every_dmarc_reason_can_be_explained():
    for reason in DmarcReason:
        found = evaluate_dmarc(Author(None), [], RECORD)
        sentence = explain_dmarc(type(found)(found.result, reason))
        assert sentence.startswith("The author domain is not confirmed, because ")
