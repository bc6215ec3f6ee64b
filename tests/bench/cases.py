"""The posts that everybody is given: several sizes, kinds of body and chains.

RSA-2048, relaxed/relaxed, nine names in h=, CRLF, every signature valid.  The
sets are made by our own sealer: the peers, which have to pass them all, check
that they are right.
"""

from __future__ import annotations

import base64
import random
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from mailman_arc.mailauth.arc.chain import read_chain
from mailman_arc.mailauth.arc.seal import Sealing, SealingIdentity, seal
from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.message import read_message
from tests.support.keys import rsa_key
from tests.support.mail import (
    NOW,
    RESULTS,
    Signer,
    sign_dkim,
    to_wire,
    zone_of,
)
from tests.support.zone import Zone


KB = 1000
MB = 1000 * KB
SIZES = {2 * KB: "2k", 20 * KB: "20k", 200 * KB: "200k", 5 * MB: "5M", 25 * MB: "25M"}

_SIGNED_FIELDS = (
    "from", "to", "subject", "date", "message-id", "mime-version", "content-type",
    "references", "in-reply-to",
)  # fmt: skip
_HEADER = (
    b"Received: from mx.author.example (mx.author.example [192.0.2.1])\r\n"
    b"\tby mx.lists.example (Postfix) with ESMTPS id 4F2A91\r\n"
    b"\tfor <list@lists.example>; Mon,  5 Jan 2026 10:00:00 +0000 (UTC)\r\n"
    b"From: Ann Author <ann@author.example>\r\n"
    b"To: list@lists.example\r\n"
    b"Subject: Re: minutes of the meeting on Monday, with all the figures and a\r\n"
    b" picture of the garden\r\n"
    b"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
    b"Message-ID: <1@author.example>\r\n"
    b"In-Reply-To: <0@lists.example>\r\n"
    b"References: <0@lists.example>\r\n"
    b"MIME-Version: 1.0\r\n"
    b"Content-Type: text/plain; charset=utf-8\r\n"
    b"User-Agent: Mail 1.0\r\n"
    b"\r\n"
)
_TEXT_OCTETS = 16 * KB  # that stand before an attachment
_WORDS = (
    b"the list of things that a garden needs in the spring is long and everybody who "
    b"has one knows how much water it takes each day"
).split()

AUTHOR = Signer("author.example", "s1", rsa_key(2048, 0))
LIST = Signer("lists.example", "arc", rsa_key(2048, 1))


@dataclass(frozen=True, slots=True)
class Post:
    """A message and what stands in it."""

    size: int
    kind: str  # of the body
    octets: bytes
    sets: int = 0
    signatures: int = 0
    count: int = 0  # of what a table is about

    @property
    def label(self) -> str:
        size = SIZES.get(self.size, str(self.size))
        return {"text": f"t{size}", "LF": f"{size} LF"}.get(self.kind, size)

    @property
    def body(self) -> bytes:
        return self.octets.partition(b"\n\n" if self.kind == "LF" else b"\r\n\r\n")[2]

    @property
    def with_results(self) -> bytes:
        """What a sealer gets; other sealers want to read there what we are told."""
        status = b"pass" if self.sets else b"none"
        return b"Authentication-Results: %s; arc=%s\r\n%s" % (
            LIST.domain.encode(),
            status,
            self.octets,
        )


def hop(instance: int) -> Signer:
    """Who added a set: each has its own name; there are few keys, all cached."""
    return Signer(f"hop{instance}.example", "arc", rsa_key(2048, 2 + instance % 3))


def zone() -> Zone:
    """Where everybody has published a key."""
    return zone_of(AUTHOR, LIST, *(hop(instance) for instance in range(1, 51)))


def plain_post(size: int, kind: str = "base64") -> Post:
    return Post(size, kind, _HEADER + body(size, kind))


def chains(post: Post, lengths: Iterable[int]) -> Iterator[Post]:
    """The post with so many sets, the shorter chains first."""
    wanted = sorted(lengths)
    for sets in range(wanted[-1] + 1 if wanted else 0):
        if sets:
            post = replace(post, octets=_sealed(post.octets, sets), sets=sets)
        if sets in wanted:
            yield replace(post, count=sets)


def with_bare_lf(post: Post) -> Post:
    """The post as Mailman would write it."""
    return replace(post, octets=post.octets.replace(b"\r\n", b"\n"), kind="LF")


def signed(post: Post, signatures: int) -> Post:
    """The post with so many DKIM signatures."""
    octets = post.octets
    for _ in range(signatures):
        octets = sign_dkim(octets, AUTHOR)
    return replace(post, octets=octets, signatures=signatures, count=signatures)


def body(size: int, kind: str) -> bytes:
    """A body of about this size.

    `base64`: text, and behind it an attachment; `text`: prose with trailing and
    doubled white space and tabs, as much as anybody writes; `clean`: prose
    without; `line`: one long line.
    """
    if kind == "line":
        return b"x" * size + b"\r\n"
    if kind == "base64" and size > _TEXT_OCTETS:
        octets = random.Random(1).randbytes((size - _TEXT_OCTETS) * 57 // 78)
        lines = base64.encodebytes(octets).replace(b"\n", b"\r\n")
        return _prose(_TEXT_OCTETS, dirty=True) + b"\r\n" + lines
    return _prose(size, dirty=kind != "clean")


def _prose(size: int, *, dirty: bool) -> bytes:
    choice = random.Random(2)
    block = bytearray()
    while len(block) < min(size, 100 * KB):
        line = b" ".join(choice.choices(_WORDS, k=13))
        if dirty and choice.random() < 0.5:  # so that 0.8 % of the octets are
            odd = choice.choice((b"  ", b" \t", b"\t"))
            line = line.replace(b" ", odd, 1) if choice.random() < 0.7 else line + odd
        block += line + b"\r\n"
    prose = bytes(block) * (size // len(block) + 1)
    return prose[: prose.rindex(b"\r\n", 0, max(size, 100)) + 2]


def _sealed(octets: bytes, instance: int) -> bytes:
    message = read_message(octets)
    signer = hop(instance)
    status = ChainStatus.PASS if instance > 1 else ChainStatus.NONE
    results = RESULTS.partition(b";")[2].replace(b"{d}", signer.domain.encode())
    sealing = Sealing(status, results, NOW, _SIGNED_FIELDS, ("from",))
    identity = SealingIdentity(signer.domain, signer.selector, signer.key)
    return to_wire(seal(message, read_chain(message), sealing, identity), octets)
