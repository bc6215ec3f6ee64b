"""What the targets share.

A target is a module `fuzz_<what>` whose docstring begins with its invariant:

* `check(data)` takes any octets and raises if the invariant does not hold;
* `SEEDS` are inputs to begin with, and all that were ever found wrong;
* `WORDS` are what its format is made of: arbitrary octets seldom get far in a
  parser, arbitrary words do, so each target reads its input as both.
"""

from __future__ import annotations

import dataclasses
import re
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from mailman_arc.mailauth.answers import (
    LookupFailed,
    NoSuchName,
    TxtAnswer,
    TxtRecords,
)
from mailman_arc.mailauth.crypto import parse_signing_key
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import (
    Field,
    WireMessage,
    make_field,
    read_message,
    to_crlf,
)
from mailman_arc.policy.arrival import remember
from mailman_arc.policy.inbound import authenticate
from mailman_arc.policy.trust import Trust
from tests.support.keys import ed25519_pem_of, key_record, public_text
from tests.support.mail import NOW, POST, Signer, add_set, sign_dkim, zone_of
from tests.support.zone import Zone, txt


REPEAT = 0xE7  # in folded data: the next octet says how often
# Of an input that is read as words; few inputs may be long, as that takes long.
MAX_WORDS = 200
MAX_WORDS_MOSTLY = 64
MAX_FOLDED = 20 * 1024  # octets; above most limits, and still fast
MAX_FOLDED_MOSTLY = 2 * 1024
PART = b"\xfe"  # between the parts of an input
RECORD = b"\xfd"  # between the records of a DNS answer

BLANKS = (b" ", b"\t", b"\r\n ", b"\r\n\t", b"\r\n", b"\r", b"\n")
ODD = (b"\x00", b"\x0b", b"\x0c", b"\x7f", b"\x85", b"\xff", b"\xc3\xbc", b"\xc2\xa0")


@dataclass(frozen=True, slots=True)
class Refused:
    """A parser raised `MalformedField`."""

    reason: str


def is_sampled(data: object, one_in: int = 8) -> bool:
    """Tell of few inputs, always of the same ones, that they get what is dear."""
    octets = data if isinstance(data, bytes) else repr(data).encode()
    return zlib.crc32(octets) % one_in == 0


def steady(parse: Callable[..., Any], data: object, *more: object) -> Any:
    """What a parser says, be it `Refused`; two calls say the same."""
    first = _outcome(parse, data, *more)
    if is_sampled(data):
        assert _outcome(parse, data, *more) == first
    return first


def _outcome(parse: Callable[..., Any], *arguments: object) -> Any:
    try:
        return parse(*arguments)
    except MalformedField as error:
        return Refused(error.reason)


def readings(data: bytes, words: Sequence[bytes]) -> Iterator[bytes]:
    """The input as octets, and as words."""
    yield data
    yield folded(data, words)


def folded(data: bytes, words: Sequence[bytes]) -> bytes:
    """A text in which each octet of the input stands for a word."""
    count, limit = MAX_WORDS_MOSTLY, MAX_FOLDED_MOSTLY
    if is_sampled(data, one_in=32):
        count, limit = MAX_WORDS, MAX_FOLDED
    pieces: list[bytes] = []
    octets = iter(data[:count])
    for octet in octets:
        if octet == REPEAT and pieces:
            # Repeats of repeats reach the limits of a parser with few octets.
            times = min(next(octets, 1), 1 + limit // (len(pieces[-1]) or 1))
            pieces[-1] = (pieces[-1] * times)[:limit]
        else:
            pieces.append(words[octet % len(words)])
    return b"".join(pieces)[:limit]


def as_text(octets: bytes) -> str:
    """The octets as the parsers decode them."""
    return octets.decode("utf-8", "surrogateescape")


def as_field(name: bytes, octets: bytes) -> Field:
    """A field with this value, as far as a field can have it."""
    return make_field(name, re.sub(rb"\r\n(?![ \t])", b"\r\n ", to_crlf(octets)))


def afresh(message: WireMessage) -> WireMessage:
    """The message as it was before anybody asked it something."""
    return dataclasses.replace(message)


# Posts that are in order.  The keys are the same each time, so that an input
# that was found wrong stays so; RSA keys could not be.


def _signer(domain: str, selector: str, number: int) -> Signer:
    key = parse_signing_key(ed25519_pem_of(bytes((number,)) * 32))
    return Signer(domain, selector, key)


AUTHOR = _signer("author.example", "s1", 1)
RELAY = _signer("relay.example", "arc", 2)
LIST = _signer("lists.example", "arc", 3)

SIGNED = sign_dkim(POST, AUTHOR)
SEALED = add_set(SIGNED, 1, RELAY)
SEALED_TWICE = add_set(SEALED, 2, LIST)
SIGNED_LATE = sign_dkim(add_set(add_set(POST, 1, RELAY), 2, LIST), AUTHOR)
ENDED = add_set(SEALED, 2, LIST, cv=b"fail")
TRUSTED = (
    b"Authentication-Results: mx.example; spf=pass smtp.mailfrom=author.example;\r\n"
    b" arc=pass; dkim=fail header.d=author.example\r\n"
) + SEALED_TWICE
POSTS = (POST, SIGNED, SEALED, SEALED_TWICE, SIGNED_LATE, ENDED, TRUSTED)

ZONE = zone_of(AUTHOR, RELAY, LIST).with_records(
    {"_dmarc.author.example": txt(b"v=DMARC1; p=reject")}
)

ARRIVAL = remember(
    authenticate(read_message(SEALED_TWICE), ZONE, NOW, Trust("lists.example")),
    read_message(SEALED_TWICE),
    "lists.example",
    NOW,
)


# DNS answers.


def answers_of(
    texts: Sequence[bytes], names: Iterable[str], words: Sequence[bytes]
) -> Zone:
    """An answer for each name, in alphabetical order, from one text each."""
    ordered = sorted(names)
    padded = [*texts, *[b""] * len(ordered)]
    return Zone(
        {
            name: _answer(text, name, words)
            for name, text in zip(ordered, padded, strict=False)
        }
    )


def _answer(text: bytes, name: str, words: Sequence[bytes]) -> TxtAnswer:
    match text[:1]:
        case b"":
            return ZONE[name] if name in ZONE else NoSuchName()
        case b"!":
            return LookupFailed("SERVFAIL")
        case b"-":
            return NoSuchName()
        case b"+":
            texts = text[1:].split(RECORD)
            return TxtRecords(tuple(folded(each, words) for each in texts))
        case _:
            return TxtRecords(tuple(text.split(RECORD)))


KEY_WORDS = (
    b"v=DKIM1", b";", b" ", b"=", b":", b"k=rsa", b"k=ed25519", b"p=", b"AAAA", b"A",
    b"h=sha256", b"h=sha1", b"s=email", b"s=*", b"t=y", b"t=s", b"t=y:s", b"n=x",
    key_record(AUTHOR.key), public_text(AUTHOR.key),
    b"MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQ", b"IDAQAB", *BLANKS, *ODD,
)  # fmt: skip
DMARC_WORDS = (
    b"v=DMARC1", b";", b";", b" ", b"=", b"p", b"sp", b"np", b"p=none", b"p=reject",
    b"sp=quarantine", b"np=reject", b"psd=y", b"psd=n", b"psd=u", b"t=y", b"adkim=s",
    b"aspf=s", b"adkim=r", b"rua=mailto:a@b.example", b"rua=", b",", b"!10m", b"none",
    b"V", b"P=NONE", RECORD, RECORD + b"v=DMARC1;", *BLANKS, *ODD,
)  # fmt: skip
