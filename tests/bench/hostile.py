"""Messages made to be expensive, at one size and at four times that size."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial

from mailman_arc.adapters.answercache import MAX_CACHED_OCTETS
from mailman_arc.mailauth import author, canonical, crypto, dkim, keyrecord, tags
from mailman_arc.mailauth.answers import Answers
from mailman_arc.mailauth.arc.chain import MAX_ARC_FIELDS, MAX_INSTANCE
from mailman_arc.mailauth.message import MAX_HEADER_OCTETS, read_message
from mailman_arc.policy.inbound import authenticate, names_to_look_up
from mailman_arc.policy.trust import Trust
from tests.bench.cases import AUTHOR, KB, MB, chains, plain_post, zone
from tests.bench.measure import Effort, side_by_side, timed
from tests.bench.peers import Limit, Peers
from tests.bench.report import Report, Target, milliseconds, number
from tests.bench.tables import Plan
from tests.support.keys import rsa_record
from tests.support.mail import NOW, POST, add_set
from tests.support.zone import txt


_FROM = b"From: Ann <ann@author.example>\r\n"
_TRUST = Trust("lists.example", frozenset({"trusted.example"}))
_BIG = "big._domainkey.author.example"
_HUGE_KEYS = txt(*(rsa_record(8192, (1 << 64) - number) for number in (1, 3, 5)))
_Make = Callable[[int], bytes]
_EFFORT = Effort(rounds=3, seconds=2)


@dataclass(frozen=True, slots=True)
class Hostile:
    """A way to make a message of about n octets; n is the larger size."""

    name: str
    make: _Make
    size: int = 25 * MB


def signature(names: bytes = b"from", b: bytes = b"AAAA", more: bytes = b"") -> bytes:
    """A DKIM signature that nobody made, but whose key exists."""
    return (
        b"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d=author.example;\r\n"
        b" s=s1; h=%s; bh=AAAA;%s b=%s\r\n" % (names, more, b)
    )


def _with_body(piece: bytes, start: bytes = b"", end: bytes = b"x\r\n") -> _Make:
    head = signature() + _FROM + b"\r\n" + start
    return lambda size: head + piece * (size // len(piece)) + end


def _with_header(make: _Make) -> _Make:
    return lambda size: make(size) + _FROM + b"\r\nHello.\r\n"


def _unknown_names(size: int) -> bytes:
    count = size // 20  # a name and a field take 15 to 19 octets
    names = b":".join(b"x%d" % number for number in range(count))
    return signature(b"from:" + names) + b"".join(
        b"y%d:\r\n" % number for number in range(count)
    )


def _many(piece: bytes) -> _Make:
    """As often as fits; `%d` in the piece is a number."""
    return lambda size: b"".join(
        piece % number if b"%d" in piece else piece
        for number in range(size // (len(piece) + 3))
    )


def _lengths(size: int) -> bytes:
    many = (signature(more=b" l=%d;" % (size - number)) for number in range(100))
    return b"".join(many) + _FROM + b"\r\n" + b"a  b \r\n" * (size // 7)


def _own_body_hash(count: int) -> bytes:
    """Signatures that fail only when all keys have been tried."""
    body_hash = b"bh=" + base64.b64encode(hashlib.sha256(b"x\r\n").digest())
    one = signature().replace(b"bh=AAAA", body_hash).replace(b"s=s1", b"s=big")
    one = one.replace(b"b=AAAA\r", b"b=%s\r" % base64.b64encode(b"\x01" * 1024))
    return one * count + _FROM + b"\r\nx\r\n"


def _bogus_sets(size: int) -> bytes:
    octets = POST.partition(b"\r\n\r\n")[0] + b"\r\n\r\n" + b"a  b \r\n" * (size // 7)
    for instance in range(1, MAX_INSTANCE + 1):
        status = b"pass" if instance > 1 else b"none"
        start = b" i=%d; a=rsa-sha256; d=author.example; s=s1;" % instance
        octets = (
            b"ARC-Seal:%s cv=%s; b=AAAA\r\n"
            b"ARC-Message-Signature:%s c=relaxed/relaxed; h=from; bh=AAAA; b=AAAA\r\n"
            b"ARC-Authentication-Results: i=%d; a.example; none\r\n%s"
        ) % (start, status, start, instance, octets)
    return octets


def _valid_sets(results: int) -> bytes:
    """Fifty sets by the author, with so many octets of results in each."""
    octets = POST
    for instance in range(1, MAX_INSTANCE + 1):
        text = b" i={i}; {d};" + b"\r\n dkim=pass" * (results // 12)
        octets = add_set(octets, instance, AUTHOR, results=text)
    return octets


def _fields_on_sets(size: int) -> bytes:
    (post,) = chains(plain_post(2 * KB), [MAX_INSTANCE])
    return _many(b"x%d: y\r\n")(size) + post.octets


_IN_HEADER = 1_000_000  # octets: what is longer than a MiB is not looked into
HOSTILE = (
    Hostile("body: spaces, then a letter", _with_body(b" ")),
    Hostile("body: space and tab in turn", _with_body(b" \t")),
    Hostile("body: blank lines at the end", _with_body(b"\r\n", b"x\r\n", b"")),
    Hostile("body: blank lines, then CR", _with_body(b"\r\n", b"x\r\n", b"\r")),
    Hostile("body: blank lines, then a letter", _with_body(b"\r\n")),
    Hostile("body: bare LF", _with_body(b"\n")),
    Hostile("body: bare CR", _with_body(b"\r")),
    Hostile("body: CR CR LF", _with_body(b"\r\r\n")),
    Hostile("body: lines of one space", _with_body(b" \r\n")),
    Hostile("body: one long line", _with_body(b"x")),
    Hostile("body: spaces at the end of a line", _with_body(b" ", b"x", b"\r\nx\r\n")),
    Hostile("body: doubled spaces", _with_body(b"a  ")),
    Hostile("body: 17 spaces", _with_body(b"a" + b" " * 17)),
    Hostile("body: 100 signatures, 100 l=", _lengths),
    Hostile("body: 50 bogus sets", _bogus_sets),
    Hostile(
        "spaces in h=",
        _with_header(lambda n: signature(b" " * n + b"from")),
        _IN_HEADER,
    ),
    Hostile(
        "spaces in b=",
        _with_header(lambda n: signature(b=b" " * n + b"\xff")),
        _IN_HEADER,
    ),
    Hostile(
        "folds in b=",
        _with_header(lambda n: signature(b=b"AAAA\r\n " * (n // 7) + b"AAAA")),
        _IN_HEADER,
    ),
    Hostile("names in h=, as many fields", _with_header(_unknown_names), _IN_HEADER),
    Hostile(
        "a field folded at 76",
        _with_header(
            lambda n: (
                signature(b"from:subject")
                + b"Subject: "
                + (b"x" * 74 + b"\r\n ") * (n // 77)
                + b"x\r\n"
            )
        ),
        _IN_HEADER,
    ),
    Hostile(
        "a field folded every 2",
        _with_header(
            lambda n: (
                signature(b"from:subject")
                + b"Subject: "
                + b"xx\r\n " * (n // 5)
                + b"x\r\n"
            )
        ),
        _IN_HEADER,
    ),
    Hostile("different field names", _with_header(_many(b"x%d: y\r\n")), _IN_HEADER),
    Hostile("lines without a colon", _with_header(_many(b"x\r\n")), _IN_HEADER),
    Hostile(
        "tags in a signature",
        _with_header(lambda n: signature(more=_many(b"a%d=;")(n))),
        _IN_HEADER,
    ),
    Hostile(
        "addresses in From",
        lambda n: (
            b"From: a@author.example" + b",a@author.example" * (n // 17) + b"\r\n\r\n"
        ),
        _IN_HEADER,
    ),
    Hostile(
        "comments in From", lambda n: b"From: " + b"(" * n + b"\r\n\r\n", _IN_HEADER
    ),
    Hostile(
        "comments in trusted results",
        _with_header(
            lambda n: b"Authentication-Results: trusted.example; " + b"(" * n + b"\r\n"
        ),
        _IN_HEADER,
    ),
    Hostile(
        "one field of trusted results",
        _with_header(
            lambda n: (
                b"Authentication-Results: trusted.example"
                + b"; spf=pass smtp.mailfrom=a@b.example" * (n // 36)
                + b"\r\n"
            )
        ),
        _IN_HEADER,
    ),
    Hostile(
        "fields of trusted results",
        _with_header(
            _many(b"Authentication-Results: trusted.example; spf=pass (a) x.y=z\r\n")
        ),
        _IN_HEADER,
    ),
    Hostile(
        "signatures",
        _with_header(lambda n: signature() * (n // len(signature()))),
        _IN_HEADER,
    ),
    Hostile("sets", _with_header(_many(b"ARC-Seal: i=%d; cv=pass\r\n")), _IN_HEADER),
    Hostile(
        "copies of a set",
        _with_header(_many(b"ARC-Seal: i=1; cv=none\r\n")),
        _IN_HEADER,
    ),
    Hostile("fields above 50 valid sets", _fields_on_sets, 900 * KB),
    Hostile("50 valid sets, octets of results", _valid_sets, 18 * KB),
    Hostile("signatures, 3 keys of 8192 bits", _own_body_hash, 40),
)


def hostile(report: Report, peers: Peers, plan: Plan) -> None:
    """All that is done on arrival, with every one of them."""
    report.heading(
        "Hostile messages",
        ["n", "time(4n)", "time/allowance", "growth"],
        "allowance: for a body octet 30 times SHA-256, for a header octet 390 times,\n"
        "and 100 RSA verifications, and 5 ms.",
    )
    shares, growths = {}, {}
    for case in HOSTILE:
        large = int(case.size * plan.hostile_share) if case.size > 50 else case.size
        small, octets = case.make(large // 4), case.make(large)
        times = side_by_side(
            {
                "n": timed(partial(judge, small)),
                "4n": timed(partial(judge, octets)),
            },
            _EFFORT,
        )
        shares[case.name] = times["4n"].least / _allowance(octets)
        growths[case.name] = times["4n"].over(times["n"]).least
        report.row(
            case.name,
            f"{large // 4:,}",
            milliseconds(times["4n"].least),
            number(shares[case.name]),
            number(growths[case.name]),
        )
    report.target(
        Target("A1", "time / allowance", shares, 1),
        Target("A1", "growth from n to 4n", growths, 4.6),
    )
    caps = {
        "signatures": dkim.MAX_SIGNATURES,
        "sets": MAX_INSTANCE,
        "ARC fields": MAX_ARC_FIELDS,
        "different l=": canonical.MAX_LENGTHS,
        "tags": tags.MAX_TAGS,
        "octets of From": author.MAX_FROM_OCTETS,
        "RSA bits": crypto.MAX_RSA_BITS,
        "bits of the exponent": crypto.MAX_EXPONENT_BITS,
        "keys of a selector": keyrecord.MAX_KEYS,
        "octets of a key record": keyrecord.MAX_RECORD_OCTETS,
        "octets of a cached answer": MAX_CACHED_OCTETS,
        "octets of a header": MAX_HEADER_OCTETS,
    }
    report.line("A2  caps: " + ", ".join(f"{n} {what}" for what, n in caps.items()))


def judge(octets: bytes) -> None:
    """What is done with a post on arrival, but for the look-ups."""
    message = read_message(octets)
    names_to_look_up(message, _TRUST)
    authenticate(message, _answers(), NOW, _TRUST)


@cache
def _answers() -> Answers:
    return {**zone(), _BIG: _HUGE_KEYS}


def _allowance(octets: bytes) -> float:
    header, _, body = octets.partition(b"\r\n\r\n")
    limit = Limit()
    times = side_by_side(
        {
            "sha256": timed(partial(limit.do, 0, 0, bytes(5 * MB))),
            "verify": timed(partial(limit.do, 1, 0, b"")),
        },
        _EFFORT,
    )
    octet = times["sha256"].least / (5 * MB)
    return (
        octet * (30 * len(body) + 390 * len(header))
        + 100 * times["verify"].least
        + 0.005
    )
