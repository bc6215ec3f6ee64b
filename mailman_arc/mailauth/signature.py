"""What DKIM-Signature and ARC-Message-Signature share (RFC 6376 §3.5, §3.7, §6.1).

An ARC-Message-Signature is a DKIM signature without `v=` whose `i=` is a
number (RFC 8617 §4.1.2), so both are parsed and checked here, once.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

from mailman_arc.mailauth.answers import Answers, answer_for
from mailman_arc.mailauth.canonical import (
    BodyHashes,
    Canonicalization,
    canonical_field,
)
from mailman_arc.mailauth.crypto import MIN_RSA_BITS
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.keyrecord import KeyRecord, key_name, usable_keys
from mailman_arc.mailauth.message import Field, WireMessage
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.tags import parse_base64, parse_colon_list, parse_number


ALGORITHMS = ("rsa-sha256", "ed25519-sha256")  # RFC 8301 §3.1, RFC 8463 §3
CLOCK_SLACK = 300  # seconds by which clocks may differ when x= is judged
MAX_TIME_DIGITS = 12  # RFC 6376 §3.5, t= and x=
MAX_LENGTH_DIGITS = 76  # RFC 6376 §3.5, l=

_CANONICALIZATIONS: Mapping[str, Canonicalization] = {
    "simple": "simple",
    "relaxed": "relaxed",
}

# A literal in front makes the search fast.
_TAG_B = re.compile(rb";[ \t\r\n]*b[ \t\r\n]*=")
_FIRST_TAG_B = re.compile(rb"[ \t\r\n]*b[ \t\r\n]*=")


@dataclass(frozen=True, slots=True)
class Signature:
    """A parsed signature field; complete, nothing in it is left to check."""

    field: Field
    position: int  # of the field in the message, from the top
    algorithm: str  # a=
    signature_octets: bytes  # b=
    body_hash: bytes  # bh=
    signing_domain: str  # d=, lower-case A-labels
    selector: str  # s=
    signed_fields: tuple[bytes, ...]  # h=, lower case
    header_form: Canonicalization  # c=
    body_form: Canonicalization
    form_given: bool  # whether there is a c=
    body_length: int | None  # l=, octets
    signed_at: int | None  # t=, seconds since 1970
    expires_at: int | None  # x=

    @property
    def key_name(self) -> str:
        """Where the public key is published."""
        return key_name(self.selector, self.signing_domain)


@dataclass(frozen=True, slots=True)
class Checked:
    """What came of checking a signature; `reason` is None when it is good."""

    reason: Reason | None
    key: KeyRecord | None = None  # the one that verified, or the first tried
    unsigned_text: bool = False  # the body goes on after l= octets


def parse_signature(field: Field, position: int, tags: Mapping[str, str]) -> Signature:
    """Read the tags that both kinds of signature have (RFC 6376 §3.5).

    Raises `MalformedField` with the `Reason`.
    """
    for name in ("a", "b", "bh", "d", "h", "s"):
        if name not in tags:
            raise MalformedField(Reason.MISSING_TAG)
    signing_domain, selector = _key_place(tags)
    header_form, body_form = _canonicalization(tags.get("c", "simple/simple"))
    try:
        signature = Signature(
            field=field,
            position=position,
            algorithm=parse_algorithm(tags["a"]),
            signature_octets=parse_base64(tags["b"]),
            body_hash=parse_base64(tags["bh"]),
            signing_domain=signing_domain,
            selector=selector,
            signed_fields=_signed_fields(tags["h"]),
            header_form=header_form,
            body_form=body_form,
            form_given="c" in tags,
            body_length=_optional_number(tags, "l", MAX_LENGTH_DIGITS),
            signed_at=_optional_number(tags, "t", MAX_TIME_DIGITS),
            expires_at=_optional_number(tags, "x", MAX_TIME_DIGITS),
        )
    except MalformedField as error:
        if isinstance(error.reason, Reason):
            raise
        raise MalformedField(Reason.SYNTAX) from error
    _check_rules(signature, tags)
    return signature


def parse_algorithm(text: str) -> str:
    """Check the word in `a=`; raises `MalformedField` with a `Reason`."""
    if text == "rsa-sha1":
        raise MalformedField(Reason.SHA1)
    if text not in ALGORITHMS:
        raise MalformedField(Reason.UNKNOWN_ALGORITHM)
    return text


def check_signature(
    signature: Signature,
    message: WireMessage,
    bodies: BodyHashes,
    answers: Answers,
    now: int,
    min_rsa_bits: int = MIN_RSA_BITS,
) -> Checked:
    """Verify key, body hash and signature, in this order (RFC 6376 §6.1.2, §6.1.3).

    `now` is the time of arrival in seconds since 1970.
    """
    if is_expired(signature, now):
        return Checked(Reason.EXPIRED)
    answer = answer_for(answers, signature.key_name)
    keys, why = usable_keys(answer, signature.algorithm, min_rsa_bits)
    if not keys:
        return Checked(why)
    return check_with_keys(signature, message, bodies, keys)


def check_with_keys(
    signature: Signature,
    message: WireMessage,
    bodies: BodyHashes,
    keys: tuple[KeyRecord, ...],
) -> Checked:
    """Verify body hash and signature with keys already at hand."""
    body = bodies.digest(signature.body_form, signature.body_length)
    limit = signature.body_length
    if body.digest != signature.body_hash or (
        limit is not None and limit > body.length
    ):
        return Checked(Reason.BODY_HASH, keys[0])
    digest = hashlib.sha256(header_hash_input(signature, message)).digest()
    for key in keys:
        if key.key.verifies(signature.signature_octets, digest):
            return Checked(None, key, limit is not None and limit < body.length)
    return Checked(Reason.SIGNATURE, keys[0])


def is_expired(signature: Signature, now: int) -> bool:
    """Tell whether x= has passed, with some slack for clocks (RFC 6376 §3.5)."""
    expires_at = signature.expires_at
    return expires_at is not None and expires_at + CLOCK_SLACK < now


def as_relaxed(signature: Signature) -> Signature:
    """The same signature, read as if it said c=relaxed/relaxed."""
    return replace(signature, header_form="relaxed", body_form="relaxed")


def header_hash_input(signature: Signature, message: WireMessage) -> bytes:
    """The octets that are hashed and signed (RFC 6376 §3.7, §5.4.2)."""
    picked = pick_fields(message, signature.signed_fields, signature.position)
    own = without_signature(signature.field)
    return join_hash_input(message, picked, own, signature.header_form)


def join_hash_input(
    message: WireMessage, picked: Iterable[int], own: Field, how: Canonicalization
) -> bytes:
    """The fields at these positions, then the signature field with empty `b=`."""
    pieces = [canonical_field(message.fields[position], how) for position in picked]
    pieces.append(canonical_field(own, how))
    return b"\r\n".join(pieces)


def without_signature(field: Field) -> Field:
    """The field with nothing behind `b=` (RFC 6376 §3.5, b=)."""
    colon = field.raw.find(b":")
    found = _FIRST_TAG_B.match(field.raw, colon + 1) or _TAG_B.search(field.raw, colon)
    if found is None:
        return field
    end = field.raw.find(b";", found.end())
    rest = field.raw[end:] if end >= 0 else b""
    return Field(field.name, field.raw[: found.end()] + rest, field.is_plain)


def pick_fields(
    message: WireMessage, names: Iterable[bytes], own_position: int | None = None
) -> Iterator[int]:
    """Where the fields that h= names stand, each name from the bottom up.

    The signature field itself, if it is in the message, is passed over; an
    absent field is null input (RFC 6376 §3.5, h=).
    """
    remaining: dict[bytes, Iterator[int]] = {}
    for name in names:
        if name not in message.positions:
            continue
        if name not in remaining:
            remaining[name] = reversed(message.positions[name])
        for position in remaining[name]:
            if position != own_position:
                yield position
                break


def _key_place(tags: Mapping[str, str]) -> tuple[str, str]:
    try:
        domain, selector = parse_domain(tags["d"]), parse_domain(tags["s"])
    except MalformedField as error:
        raise MalformedField(Reason.DOMAIN) from error
    if "." not in domain:  # RFC 6376 §3.5, d=: two labels at least
        raise MalformedField(Reason.DOMAIN)
    return domain, selector


def _canonicalization(text: str) -> tuple[Canonicalization, Canonicalization]:
    header, _, body = text.partition("/")
    try:
        return _CANONICALIZATIONS[header], _CANONICALIZATIONS[
            body if "/" in text else "simple"
        ]
    except KeyError as error:
        raise MalformedField(Reason.SYNTAX) from error


def _signed_fields(text: str) -> tuple[bytes, ...]:
    octets = text.encode("utf-8", "surrogateescape").lower()
    names = tuple(name.strip(b" \t") for name in octets.split(b":"))
    if not any(names):
        raise MalformedField(Reason.SYNTAX)
    return names


def _optional_number(tags: Mapping[str, str], name: str, digits: int) -> int | None:
    return parse_number(tags[name], digits) if name in tags else None


def _check_rules(signature: Signature, tags: Mapping[str, str]) -> None:
    """Rules between tags; each raises `MalformedField`."""
    signed_at, expires_at = signature.signed_at, signature.expires_at
    if expires_at is not None and signed_at is not None and expires_at <= signed_at:
        raise MalformedField(Reason.SYNTAX)
    if "q" in tags and "dns/txt" not in parse_colon_list(tags["q"]):
        raise MalformedField(Reason.QUERY_METHOD)
    if b"from" not in signature.signed_fields:
        raise MalformedField(Reason.FROM_NOT_SIGNED)
