"""Build posts, and sign them in any way, right or wrong.

The signer here is a plain transcription of RFC 6376 §3.4 to §3.7 and RFC 8617
§5.1.1 which shares no code with `mailman_arc.mailauth`, so that the two check
each other.  It signs whatever it is told to.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from mailman_arc.mailauth.arc.seal import SealingIdentity
from mailman_arc.mailauth.arc.verify import ChainVerdict, verify_chain
from mailman_arc.mailauth.canonical import BodyHashes
from mailman_arc.mailauth.crypto import SigningKey
from mailman_arc.mailauth.dkim import DkimVerdict, verify_dkim
from mailman_arc.mailauth.message import Field, read_message
from tests.support.keys import key_record, rsa_key
from tests.support.zone import Zone, txt


NOW = 1767607200  # Mon, 5 Jan 2026 10:00:00 +0000
AUTHOR = "author.example"

POST = (
    b"From: Ann Author <ann@author.example>\r\n"
    b"To: list@lists.example\r\n"
    b"Subject: Meeting\r\n"
    b"  notes\r\n"
    b"Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
    b"Message-ID: <1@author.example>\r\n"
    b"\r\n"
    b"Hello  list, \r\n"
    b"\r\n"
    b"Bye.\r\n"
)

DKIM = (
    b" v=1; a={a}; c=relaxed/relaxed;\r\n d={d}; s={s}; t=1767607200;\r\n"
    b" h=from:to:subject:date:message-id:from;\r\n bh={bh};\r\n b={b}"
)
MESSAGE_SIGNATURE = (
    b" i={i}; a={a}; c=relaxed/relaxed;\r\n d={d}; s={s}; t=1767607200;\r\n"
    b" h=from:to:subject:date:message-id:from;\r\n bh={bh};\r\n b={b}"
)
SEAL = b" i={i}; a={a}; cv={cv};\r\n d={d}; s={s}; t=1767607200;\r\n b={b}"
RESULTS = b" i={i}; {d};\r\n dkim=pass header.d=author.example"

ARC_ORDER = (b"arc-authentication-results", b"arc-message-signature", b"arc-seal")

Fold = Callable[[bytes], bytes]


@dataclass(frozen=True, slots=True)
class Signer:
    """Somebody with a key and a place in the DNS for it."""

    domain: str
    selector: str
    key: SigningKey

    @property
    def key_name(self) -> str:
        return f"{self.selector}._domainkey.{self.domain}"

    @property
    def identity(self) -> SealingIdentity:
        return SealingIdentity(self.domain, self.selector, self.key)


def author() -> Signer:
    return Signer(AUTHOR, "s1", rsa_key(1024, 0))


def relay() -> Signer:
    return Signer("relay.example", "arc", rsa_key(1024, 1))


def mailing_list() -> Signer:
    return Signer("lists.example", "arc", rsa_key(1024, 2))


def zone_of(*signers: Signer) -> Zone:
    """The DNS in which these signers have published their keys."""
    return Zone({signer.key_name: txt(key_record(signer.key)) for signer in signers})


def whole_zone() -> Zone:
    return zone_of(author(), relay(), mailing_list())


def changed(octets: bytes, old: bytes, new: bytes, count: int = 1) -> bytes:
    """Replace what is surely there, the topmost first."""
    assert old in octets, old
    return octets.replace(old, new, count)


def without_field(octets: bytes, start: bytes) -> bytes:
    """The message without the one header field that starts like this."""
    fields, body = _split(octets)
    kept = [field for field in fields if not field.startswith(start)]
    assert len(kept) == len(fields) - 1, start
    return b"\r\n".join([*kept, b"", body])


def to_wire(fields: Sequence[Field], octets: bytes) -> bytes:
    """The message with these fields on top."""
    return b"".join(field.raw + b"\r\n" for field in fields) + octets


def sign_dkim(
    octets: bytes,
    signer: Signer | None = None,
    tags: bytes = DKIM,
    *,
    form: str = "simple/simple",
    fold: Fold = bytes,
) -> bytes:
    """Put a DKIM-Signature on top.

    `{a}`, `{d}`, `{s}`, `{bh}` and `{b}` are filled in; `form` is what the
    signer thinks when there is no c=.
    """
    signer = signer or author()
    raw = b"DKIM-Signature:" + _fill(tags, signer)
    return _signed(octets, raw, signer.key, form, fold) + b"\r\n" + octets


def add_set(
    octets: bytes,
    instance: int = 1,
    signer: Signer | None = None,
    *,
    cv: bytes | None = None,
    results: bytes = RESULTS,
    signature: bytes = MESSAGE_SIGNATURE,
    seal: bytes = SEAL,
    form: str = "simple/simple",
    fold: Fold = bytes,
    sealer: Signer | None = None,
) -> bytes:
    """Put an ARC set on top (RFC 8617 §5.1), whatever stands below.

    The tags of the fields are templates like those of `sign_dkim`, with `{i}`
    and `{cv}`.
    """
    signer = signer or (relay() if instance == 1 else mailing_list())
    sealer = sealer or signer
    status = cv if cv is not None else b"none" if instance == 1 else b"pass"
    more = {b"i": b"%d" % instance, b"cv": status}
    own_results = b"ARC-Authentication-Results:" + _fill(results, signer, more)
    own_signature = _signed(
        octets,
        b"ARC-Message-Signature:" + _fill(signature, signer, more),
        signer.key,
        form,
        fold,
    )
    own_seal = b"ARC-Seal:" + _fill(seal, sealer, more)
    older = [] if status == b"fail" else arc_fields(octets)
    covered = [relaxed_field(field) for field in [*older, own_results, own_signature]]
    covered.append(relaxed_field(_emptied(own_seal)))
    own_seal = own_seal.replace(
        b"{b}", fold(_signature_text(sealer.key, b"\r\n".join(covered)))
    )
    return b"\r\n".join([own_seal, own_signature, own_results, octets])


def chain_of(length: int, octets: bytes = POST) -> bytes:
    """A post with this many good sets, the first by a relay, then by lists."""
    for instance in range(1, length + 1):
        octets = add_set(octets, instance)
    return octets


def arc_fields(octets: bytes) -> list[bytes]:
    """All ARC fields in the order of RFC 8617 §5.1.1."""
    found = []
    for field in _split(octets)[0]:
        name, _, value = field.partition(b":")
        instance = re.search(rb"(?:^|;)\s*i\s*=\s*(\d+)", value)
        if name.lower() in ARC_ORDER and instance:
            found.append((int(instance[1]), ARC_ORDER.index(name.lower()), field))
    return [field for _, _, field in sorted(found)]


def relaxed_field(raw: bytes) -> bytes:
    """RFC 6376 §3.4.2, step by step."""
    name, _, value = raw.partition(b":")
    value = value.replace(b"\r\n", b"")
    value = re.sub(rb"[ \t]+", b" ", value)
    return name.lower().rstrip(b" \t") + b":" + value.strip(b" ")


def simple_body(body: bytes) -> bytes:
    """RFC 6376 §3.4.3, line by line."""
    lines = body.split(b"\r\n")
    while lines and not lines[-1]:
        lines.pop()
    return b"\r\n".join([*lines, b""]) or b"\r\n"


def relaxed_body(body: bytes) -> bytes:
    """RFC 6376 §3.4.4, line by line."""
    lines = [re.sub(rb"[ \t]+", b" ", line) for line in body.split(b"\r\n")]
    lines = [line.removesuffix(b" ") for line in lines]
    while lines and not lines[-1]:
        lines.pop()
    return b"".join(line + b"\r\n" for line in lines)


def judge_dkim(
    octets: bytes, zone: Zone, now: int = NOW, author_domain: str | None = AUTHOR
) -> tuple[DkimVerdict, ...]:
    message = read_message(octets)
    return verify_dkim(message, author_domain, zone, now, BodyHashes(message.body))


def judge_chain(octets: bytes, zone: Zone, now: int = NOW) -> ChainVerdict:
    message = read_message(octets)
    return verify_chain(message, zone, now, BodyHashes(message.body))


def _split(octets: bytes) -> tuple[list[bytes], bytes]:
    header, _, body = octets.partition(b"\r\n\r\n")
    return re.split(rb"\r\n(?![ \t])", header), body


def _fill(tags: bytes, signer: Signer, more: dict[bytes, bytes] | None = None) -> bytes:
    values = {
        b"a": signer.key.algorithm.encode(),
        b"d": signer.domain.encode(),
        b"s": signer.selector.encode(),
        **(more or {}),
    }
    for name, value in values.items():
        tags = tags.replace(b"{%s}" % name, value)
    return tags


def _signed(octets: bytes, raw: bytes, key: SigningKey, form: str, fold: Fold) -> bytes:
    tags = _tags(raw)
    header_form, _, body_form = tags.get("c", form).partition("/")
    _, body = _split(octets)
    canonical = relaxed_body(body) if body_form == "relaxed" else simple_body(body)
    if tags.get("l", "").isdigit():
        canonical = canonical[: int(tags["l"])]
    body_hash = base64.b64encode(hashlib.sha256(canonical).digest())
    raw = raw.replace(b"{bh}", fold(body_hash))
    names = tags.get("h", "").split(":")
    how = relaxed_field if header_form == "relaxed" else bytes
    covered = [how(field) for field in _picked(octets, names)]
    covered.append(how(_emptied(raw)))
    return raw.replace(b"{b}", fold(_signature_text(key, b"\r\n".join(covered))))


def _picked(octets: bytes, names: Sequence[str]) -> list[bytes]:
    fields = _split(octets)[0]
    picked = []
    for name in names:
        wanted = name.strip().lower().encode()
        for index in range(len(fields) - 1, -1, -1):
            if fields[index].partition(b":")[0].strip().lower() == wanted:
                picked.append(fields.pop(index))
                break
    return picked


def _emptied(raw: bytes) -> bytes:
    """The field without the value of b=, a piece between semicolons at a time."""
    pieces = raw.split(b";")
    for index, piece in enumerate(pieces):
        start, equals, _ = piece.partition(b"=")
        if start.rpartition(b":")[2].strip() == b"b":
            pieces[index] = start + equals
            break
    return b";".join(pieces)


def _tags(raw: bytes) -> dict[str, str]:
    text = raw.partition(b":")[2].decode().replace("\r\n", "")
    pieces = (piece.partition("=") for piece in text.split(";"))
    return {name.strip(): value.strip() for name, _, value in pieces}


def _signature_text(key: SigningKey, octets: bytes) -> bytes:
    return base64.b64encode(key.sign(hashlib.sha256(octets).digest()))
