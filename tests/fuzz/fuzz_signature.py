"""Any value of a DKIM-Signature gets a verdict, whatever the DNS says.

What is hashed is compared with a transcription of RFC 6376 §3.7.
"""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

from mailman_arc.mailauth.answers import Answers
from mailman_arc.mailauth.canonical import BodyHashes
from mailman_arc.mailauth.dkim import (
    DkimVerdict,
    key_names,
    signing_domains,
    verify_dkim,
)
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import WireMessage, read_message
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.signature import (
    Signature,
    as_relaxed,
    header_hash_input,
    parse_signature,
    without_signature,
)
from mailman_arc.mailauth.tags import parse_tag_list
from tests.fuzz.harness import (
    BLANKS,
    KEY_WORDS,
    ODD,
    PART,
    SIGNED,
    Refused,
    afresh,
    answers_of,
    as_field,
    is_sampled,
    readings,
    steady,
)
from tests.support.mail import NOW, POST, relaxed_field


GOOD = SIGNED.removeprefix(b"DKIM-Signature:").removesuffix(b"\r\n" + POST)
SEEDS = (
    GOOD,
    GOOD.replace(b"b=", b"b =", 2),
    GOOD + b"; x=1; i=@a.author.example; l=3",
    GOOD.replace(b"relaxed/relaxed", b"simple"),
    GOOD + PART + b"!",
    GOOD + PART + b"p=",
    GOOD + PART + b"+\x00\x01",
    GOOD.replace(b"h=from:", b"h=from:dkim-signature:"),
    b"v=1; a=rsa-sha1; d=a.b; s=c; h=from; bh=AA==; b=AA==",
    b"b=1; \r\n\tb =\r\n 2",
)
WORDS = (
    b"v=1;", b"a=rsa-sha256;", b"a=ed25519-sha256;", b"c=relaxed/relaxed;", b"c=",
    b"d=author.example;", b"s=s1;", b"h=from:to;", b"h=from;", b"from:", b"bh=AAAA;",
    b"b=AAAA", b"b=", b"bh=", b"b", b"=", b";", b" ", b":", b"t=1;", b"x=2;", b"l=0;",
    b"i=@author.example;", b"i=", b"q=dns/txt;", b"z=", b"1", b"AAAA", b"subject:",
    b"dkim-signature:", b"simple", b"/", b"relaxed", GOOD, PART, PART + b"!", *BLANKS,
    *ODD,
)  # fmt: skip


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        value, *texts = octets.split(PART)
        field = as_field(b"DKIM-Signature", value)
        message = read_message(field.raw + b"\r\n" + POST)
        check_field(message)
        check_verdict(message, texts)


def check_field(message: WireMessage) -> None:
    field = message.fields[0]
    emptied = without_signature(field)
    assert without_signature(emptied) == emptied
    tags = steady(parse_tag_list, field.value)
    if isinstance(tags, Refused):
        return
    if "b" in tags:
        assert parse_tag_list(emptied.value) == {**tags, "b": ""}
    else:
        assert emptied == field
    signature = steady(parse_signature, field, 0, tags)
    if isinstance(signature, Refused):
        assert isinstance(signature.reason, Reason)
        return
    check_hash_input(signature, message)
    check_hash_input(as_relaxed(signature), message)


def check_hash_input(signature: Signature, message: WireMessage) -> None:
    rest = list(message.fields[1:])
    pieces = []
    for name in signature.signed_fields:
        same = [field for field in rest if field.name == name]
        if same:
            rest.remove(same[-1])
            pieces.append(same[-1].raw)
    pieces.append(without_signature(signature.field).raw)
    if signature.header_form == "relaxed":
        pieces = [relaxed_field(piece) for piece in pieces]
    assert header_hash_input(signature, message) == b"\r\n".join(pieces)


def check_verdict(message: WireMessage, texts: list[bytes]) -> None:
    names = key_names(message, "author.example")
    answers = answers_of(texts, names, KEY_WORDS)
    verdicts = judged(message, answers)
    if is_sampled(message.fields[0]):
        assert judged(afresh(message), answers) == verdicts
    assert set(answers.asked) <= names
    for verdict in verdicts:
        assert (verdict.result is Result.PASS) == (verdict.reason is None)
        assert verdict.reason is None or isinstance(verdict.reason, Reason)
        if verdict.is_complete:
            domain = verdict.signing_domain or ""
            assert domain in signing_domains(message, None)
            assert is_normal(domain)


def judged(message: WireMessage, answers: Answers) -> tuple[DkimVerdict, ...]:
    bodies = BodyHashes(message.body)
    return verify_dkim(message, "author.example", answers, NOW, bodies)


def is_normal(domain: str) -> bool:
    try:
        return parse_domain(domain) == domain
    except MalformedField:
        return False
