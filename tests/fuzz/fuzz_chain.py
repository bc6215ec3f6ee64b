"""Any ARC fields are a chain or a reason, and get a verdict from any answers."""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

import re

from mailman_arc.mailauth.answers import Answers
from mailman_arc.mailauth.arc.chain import (
    ARC_FIELDS,
    MAX_ARC_FIELDS,
    MAX_INSTANCE,
    Chain,
    chain_digest,
    read_chain,
)
from mailman_arc.mailauth.arc.seal import prove_newest_set
from mailman_arc.mailauth.arc.verify import (
    ChainStatus,
    ChainVerdict,
    key_names,
    parse_message_signature,
    parse_seal,
    seal_digests,
    verify_chain,
)
from mailman_arc.mailauth.canonical import BodyHashes, canonical_field
from mailman_arc.mailauth.message import Field, WireMessage, read_message
from mailman_arc.mailauth.reasons import Reason
from tests.fuzz.harness import (
    AUTHOR,
    BLANKS,
    ENDED,
    KEY_WORDS,
    LIST,
    ODD,
    PART,
    RELAY,
    SEALED_TWICE,
    Refused,
    afresh,
    answers_of,
    is_sampled,
    readings,
    steady,
)
from tests.support.mail import NOW, POST, add_set, arc_fields


SET = b"".join(field + b"\r\n" for field in arc_fields(add_set(POST, 1, RELAY)))
NEXT = b"".join(
    field + b"\r\n"
    for field in arc_fields(add_set(add_set(POST, 1, RELAY), 2, LIST))[3:]
)
SEEDS = (
    SET,
    SET + NEXT,
    NEXT + SET + PART + b"!",
    SET + SET,
    SET.replace(b"cv=none", b"cv=fail"),
    SET.replace(b"c=relaxed/relaxed;", b""),
    SET.replace(b" i=1", b" (a\\)(b)) i = 1 "),
    NEXT + PART + b"-",
    SEALED_TWICE.removesuffix(POST),
    ENDED.removesuffix(POST),
)
WORDS = (
    SET, NEXT, b"ARC-Seal:", b"ARC-Message-Signature:",
    b"ARC-Authentication-Results:", b"i=1;", b"i=2;", b" i=3; x", b"i=50;", b"i=51;",
    b"i=0;", b"i=", b";", b"=", b"(", b")", b"\\", b"cv=none;", b"cv=pass;",
    b"cv=fail;", b"CV=", b"a=ed25519-sha256;", b"d=relay.example;", b"s=arc;",
    b"h=from;", b"h=arc-seal:from;", b"bh=AAAA;", b"b=AAAA;", b"b=", b"t=1;", b"x=2;",
    *(field + b"\r\n" for field in arc_fields(add_set(POST, 1, RELAY))),
    *(field + b"\r\n" for field in arc_fields(SEALED_TWICE)[3:]),
    b"\r\n", b"\r\nARC-Seal: i=1; cv=none; ", PART, PART + b"!", *BLANKS, *ODD,
)  # fmt: skip


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        fields, *texts = octets.split(PART)
        lines = re.sub(rb"(?:\r?\n)+(?![ \t])", b"\r\n", fields).strip(b"\r\n")
        message = read_message(lines + b"\r\n" + POST)
        check_chain(message)
        check_verdict(message, texts)
        if is_sampled(octets):
            check_repeated(message, texts)


def check_chain(message: WireMessage) -> None:
    chain = read_chain(message)
    assert chain.highest <= MAX_INSTANCE
    assert bool(chain.sets) == (chain.reason is None and chain.highest > 0)
    assert chain.is_absent == (not any(map(message.named, ARC_FIELDS)))
    numbers = [arc_set.instance for arc_set in chain.sets]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(seal_digests(chain.sets)) == len(numbers)
    for arc_set in chain.sets:
        for parse, field in (
            (parse_seal, arc_set.seal),
            (parse_message_signature, arc_set.message_signature),
        ):
            parsed = steady(parse, field)
            if isinstance(parsed, Refused):
                assert isinstance(parsed.reason, Reason)
    check_order(message, chain)
    relaxed = tuple(
        Field(field.name, canonical_field(field, "relaxed")) for field in message.fields
    )
    assert chain_digest(WireMessage(relaxed, b"")) == chain_digest(message)


def check_order(message: WireMessage, chain: Chain) -> None:
    """The order of the fields means nothing, unless there are too many."""
    if sum(len(message.named(name)) for name in ARC_FIELDS) > MAX_ARC_FIELDS:
        return
    other = read_chain(WireMessage(message.fields[::-1], message.body))
    assert other.highest == chain.highest
    assert (other.reason is None) == (chain.reason is None)
    assert seal_digests(other.sets) == seal_digests(chain.sets)


def check_verdict(message: WireMessage, texts: list[bytes]) -> None:
    names = key_names(message)
    answers = answers_of(texts, names, KEY_WORDS)
    verdict = judged(message, answers)
    assert set(answers.asked) <= names
    assert (verdict.status is ChainStatus.FAIL) == (verdict.reason is not None)
    assert (verdict.status is ChainStatus.NONE) == verdict.chain.is_absent
    if verdict.status is ChainStatus.PASS:
        assert 0 <= verdict.oldest_pass <= verdict.chain.highest
        assert verdict.oldest_pass != 1
    assert prove_newest_set(message, AUTHOR.key.verifying_key) is not None


def check_repeated(message: WireMessage, texts: list[bytes]) -> None:
    again = afresh(message)
    assert read_chain(again) == read_chain(message)
    answers = answers_of(texts, key_names(message), KEY_WORDS)
    assert judged(again, answers) == judged(message, answers)


def judged(message: WireMessage, answers: Answers) -> ChainVerdict:
    return verify_chain(message, answers, NOW, BodyHashes(message.body))
