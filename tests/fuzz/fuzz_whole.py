"""Any post with any DNS answers is judged, and sealed only as what it is.

The same each time, from names that were told before, and nothing is changed.
What is sealed is the post with our set on top, and passes with the next judge.
"""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

import re

from mailman_arc.mailauth.arc.verify import ChainStatus, ChainVerdict, verify_chain
from mailman_arc.mailauth.authres import parse_authentication_results
from mailman_arc.mailauth.canonical import BodyHashes
from mailman_arc.mailauth.message import WireMessage, read_message, to_crlf
from mailman_arc.policy.arrival import (
    Arrival,
    bind,
    format_arrival,
    parse_arrival,
    remember,
    vouch,
    vouched_arrival,
)
from mailman_arc.policy.inbound import (
    Authentication,
    authenticate,
    names_to_look_up,
)
from mailman_arc.policy.outbound import Unsealed, seal_octets
from mailman_arc.policy.trust import Trust
from tests.fuzz.harness import (
    AUTHOR,
    BLANKS,
    DMARC_WORDS,
    KEY_WORDS,
    LIST,
    ODD,
    PART,
    POSTS,
    RELAY,
    afresh,
    answers_of,
    folded,
    is_sampled,
)
from tests.support.keys import key_record
from tests.support.mail import NOW, add_set, sign_dkim
from tests.support.zone import Zone, txt


FIELDS = (
    b"From: Ann <ann@author.example>\r\n", b"From: b@sub.author.example\r\n",
    b"From: c@\xc3\xbc.example, d@author.example\r\n", b"Subject: x\r\n",
    b"Authentication-Results: mx.example; spf=pass smtp.mailfrom=a@author.example\r\n",
    b"Authentication-Results: mx.example; arc=fail; dkim=pass header.d=a.example\r\n",
    b"Authentication-Results: mx.example; arc=pass\r\n",
    b"Authentication-Results: mx.example; spf=odd smtp.mailfrom=a@b.example\r\n",
    b"Authentication-Results: lists.example; none\r\n", b"ARC-Seal: i=2; cv=fail\r\n",
    b"DKIM-Signature: v=1; a=rsa-sha256; d=x.example; s=y; h=from; bh=AA==; b=AA==\r\n",
)  # fmt: skip
WORDS = (
    *FIELDS, b"From:", b"ARC-Seal:", b"ARC-Message-Signature:", b"DKIM-Signature:",
    b"ARC-Authentication-Results:", b"Authentication-Results:", b"mx.example;",
    b"i=1;", b"i=2;", b"cv=none;", b"cv=pass;", b"v=1;", b"a=ed25519-sha256;",
    b"d=author.example;", b"s=s1;", b"h=from;", b"bh=", b"b=", b"AAAA", b"l=0;",
    b"x=1;", b"c=simple;", b";", b"=", b":", b"\"", b"(", b")", b"\\", b"@", b"<", b">",
    b",", b"\r\n\r\n", b"x", PART, PART + b"!", PART + b"-", PART + b"+", *BLANKS, *ODD,
)  # fmt: skip
ANSWER_WORDS = (*KEY_WORDS, *DMARC_WORDS)

# The first octet of an input says what the others are.
RAW, FOLDED, EDITED = b"\0", b"\1", b"\2"
SEEDS = (
    *(RAW + post for post in POSTS),
    *(RAW + post + PART + b"!" for post in POSTS),
    *(EDITED + bytes((number,)) for number in range(len(POSTS))),
    *(EDITED + bytes((1, 0, 0, 0, word)) for word in range(len(FIELDS))),
    EDITED + b"\x03\x00\x40\x02\x05",
    EDITED + b"\x00\x00\x00\x00\xf0\x00\x00\x00\xf2",
    EDITED + b"\x02\x00\x00\x00\xf8\x00\x01\x00\xe4" + PART + b"v=DMARC1; p=none",
    FOLDED + b"\x00\x03\x04\x06" + PART + b"-" + PART + b"+\x00\x01",
)

TRUST = (
    Trust("lists.example", frozenset({"mx.example"})),
    Trust("lists.example"),
    Trust('\u00fc;\r\n"', frozenset({"lists.example", "mx.example"})),
)
TIMES = (NOW, 0, NOW - 10**6, 10**12 - 1)
OURS = {LIST.key_name: txt(key_record(LIST.key))}


def check(data: bytes) -> None:
    first, *texts = data[1:].split(PART)
    octets = octets_of(data[:1], first)
    trust = TRUST[len(first) % len(TRUST)]
    now = TIMES[len(texts) % len(TIMES)]
    message = read_message(octets)
    names = names_to_look_up(message, trust)
    answers = answers_of(texts, names, ANSWER_WORDS)
    before = dict(answers)
    found = authenticate(message, answers, now, trust)
    assert dict(answers) == before
    assert set(answers.asked) <= names
    arrival = check_told(found, message, trust, now)
    if is_sampled(data):
        assert authenticate(afresh(message), answers, now, trust) == found
        assert message == read_message(octets)
        check_vouched(arrival, message)
    for each in {octets, to_crlf(octets)}:
        check_sealed(each, arrival, found.arc, Zone({**answers, **OURS}), now)


def octets_of(kind: bytes, data: bytes) -> bytes:
    if kind == RAW:
        return data
    if kind == FOLDED:
        return folded(data, WORDS)
    octets = POSTS[data[0] % len(POSTS)] if data else POSTS[0]
    for start in range(1, len(data) - 3, 4):
        octets = edited(octets, *data[start : start + 4])
    return octets


def edited(octets: bytes, high: int, low: int, length: int, what: int) -> bytes:
    """Replace some octets, or take, copy or add whole fields, signed or not."""
    place = (high << 8 | low) % (len(octets) + 1)
    if what < 0xE0:
        word = WORDS[what % len(WORDS)]
        return octets[:place] + word + octets[place + length % 32 :]
    if what >= 0xF0:
        return signed(octets, what)
    header, end, body = octets.partition(b"\r\n\r\n")
    fields = re.split(rb"\r\n(?![ \t])", header)
    field = fields[place % len(fields)]
    if what < 0xE8:
        fields.remove(field)
    if what % 2:
        fields.insert(length % (len(fields) + 1), field)
    return b"\r\n".join(fields) + end + body


def signed(octets: bytes, what: int) -> bytes:
    match what % 4:
        case 0:
            return sign_dkim(octets, AUTHOR)
        case 1:
            return add_set(octets, 1, RELAY)
        case 2:
            return add_set(octets, 2, LIST)
        case _:
            return add_set(octets, 3, RELAY, cv=b"fail")


def check_told(
    found: Authentication, message: WireMessage, trust: Trust, now: int
) -> Arrival:
    arrival = remember(found, message, trust.authserv_id, now)
    assert arrival.chain_status == found.chain_status
    own, others = (
        parse_authentication_results(text.encode()).methods
        for text in (arrival.field, arrival.results)
    )
    for told in (own, others):
        assert [each.method for each in told].count("arc") == 1
    assert [each.result for each in own] == [
        found.arc.status,
        *([each.result for each in found.dkim] or ["none"]),
        found.dmarc.result,
    ]
    return arrival


def check_vouched(arrival: Arrival, message: WireMessage) -> None:
    assert parse_arrival(format_arrival(arrival)) == arrival
    binding = bind(message)
    vouched = vouched_arrival(vouch(arrival, binding, b"secret"), binding, b"secret")
    assert (vouched.arrival, vouched.is_whole) == (arrival, True)


def check_sealed(
    octets: bytes, arrival: Arrival, found: ChainVerdict, answers: Zone, now: int
) -> None:
    outgoing = seal_octets(octets, arrival, LIST.identity, now)
    if outgoing.unsealed is not None:
        assert outgoing.octets == octets
        assert isinstance(outgoing.unsealed, Unsealed)
        return
    assert outgoing.octets.endswith(octets)
    assert outgoing.instance == found.chain.highest + 1
    assert outgoing.status == arrival.chain_status
    message = read_message(outgoing.octets)
    verdict = verify_chain(message, answers, now, BodyHashes(message.body))
    if outgoing.status is ChainStatus.FAIL:
        assert verdict.chain.ended
    elif outgoing.status == found.status:
        assert verdict.status is ChainStatus.PASS
