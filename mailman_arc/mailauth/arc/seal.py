"""Add a set to a message (RFC 8617 §5.1).

The fields are written so that every known validator accepts them: `i=` first
behind one space, lower case, no optional tags.  Relaxed canonicalisation is the
default, because simple does not survive a field folded anew.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mailman_arc.mailauth.arc.chain import (
    MAX_INSTANCE,
    ArcSet,
    Chain,
    TaggedField,
    read_chain,
)
from mailman_arc.mailauth.arc.verify import (
    ChainStatus,
    newest_seal_digest,
    parse_message_signature,
    parse_seal,
)
from mailman_arc.mailauth.canonical import Canonicalization, body_hashes
from mailman_arc.mailauth.crypto import SigningKey, VerifyingKey
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.keyrecord import KeyRecord
from mailman_arc.mailauth.message import Field, WireMessage, make_field
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.signature import (
    check_with_keys,
    join_hash_input,
    pick_fields,
)
from mailman_arc.mailauth.tags import parse_tag_list


# Never Received, Return-Path, Bcc, Authentication-Results or ARC fields
# (RFC 6376 §5.4, RFC 8617 §4.1.2), nor what an outgoing server may rewrite.
SIGNED_FIELDS = (
    "from", "sender", "reply-to", "to", "cc", "subject", "date", "message-id",
    "in-reply-to", "references", "mime-version", "content-type",
    "content-transfer-encoding", "content-language", "resent-date", "resent-from",
    "resent-to", "resent-cc", "resent-message-id", "list-id", "list-help",
    "list-unsubscribe", "list-unsubscribe-post", "list-subscribe", "list-post",
    "list-owner", "list-archive", "archived-at", "autocrypt", "dkim-signature",
)  # fmt: skip

# Named once more than they occur, so that nobody adds another (RFC 6376 §8.15).
# Fields an outgoing server adds later are not among them.
OVERSIGNED_FIELDS = (
    "from", "reply-to", "to", "cc", "subject", "date", "message-id", "mime-version",
    "content-type", "content-transfer-encoding",
)  # fmt: skip

_LINE = 72  # characters of a folded line, at most, where it can be folded


@dataclass(frozen=True, slots=True)
class SealingIdentity:
    """Who seals: the key and where its public half is published."""

    domain: str  # d=, A-labels
    selector: str  # s=
    key: SigningKey


@dataclass(frozen=True, slots=True)
class Sealing:
    """What is to be attested.

    `status` is how the chain was found on arrival, `results` the value of the
    ARC-Authentication-Results behind `i=N;`, `now` seconds since 1970.
    """

    status: ChainStatus
    results: bytes
    now: int
    signed_fields: Sequence[str] = SIGNED_FIELDS
    oversigned_fields: Sequence[str] = OVERSIGNED_FIELDS
    header_form: Canonicalization = "relaxed"
    body_form: Canonicalization = "relaxed"
    expires_at: int | None = None  # x=, seconds since 1970


def seal(
    message: WireMessage, chain: Chain, sealing: Sealing, identity: SealingIdentity
) -> tuple[Field, Field, Field]:
    """Make the three fields to be put on top of `message`, in this order.

    `chain` is the chain as it stands in `message`.  With status `fail` the
    seal covers its own set only (RFC 8617 §5.1.2).  Raises `ValueError` when
    nothing may be added, because the chain has ended or is full, and when the
    status does not go with the chain; `MalformedField`, which is one, when the
    key has no address in the DNS.
    """
    parse_domain(identity.domain)
    parse_domain(identity.selector)
    instance = chain.highest + 1
    if chain.ended or instance > MAX_INSTANCE:
        raise ValueError("nothing may be added to this chain")
    if not _goes_with(sealing.status, chain):
        raise ValueError(f"a chain like this cannot be sealed cv={sealing.status}")
    results = make_field(
        b"ARC-Authentication-Results", b" i=%d;" % instance + sealing.results
    )
    signature = _message_signature(message, instance, sealing, identity)
    seal_field = _unsigned_seal(instance, sealing, identity)
    # Nobody looks at the tags of these two, which we have just written.
    own = ArcSet(
        instance,
        results,
        TaggedField(signature, -1, {}),
        TaggedField(seal_field, -1, {}),
    )
    covered = (own,) if sealing.status is ChainStatus.FAIL else (*chain.sets, own)
    octets = identity.key.sign(newest_seal_digest(covered))
    return _with_signature(seal_field, octets), signature, results


def prove_newest_set(
    message: WireMessage, key: VerifyingKey, below: WireMessage | None = None
) -> Reason | None:
    """Verify the set on top of a sealed message; None when it is good.

    For the sealer, who has the key and wants to know whether the octets about
    to leave are what he signed.  If he knows that below the set they still are
    the message he has sealed, and gives it, that is not read and hashed again.
    """
    try:
        newest = _set_on_top(message)
        signature = parse_message_signature(newest.message_signature)
        parsed = parse_seal(newest.seal)
    except MalformedField as error:
        return Reason(error.reason) if error.reason in set(Reason) else Reason.SYNTAX
    record = KeyRecord(key, testing=False, strict=False)
    bodies = body_hashes(message if below is None else below)
    checked = check_with_keys(signature, message, bodies, (record,))
    if checked.reason is not None:
        return checked.reason
    covered: tuple[ArcSet, ...] = (newest,)
    if newest.seal.tags.get("cv") != ChainStatus.FAIL:
        chain = read_chain(message if below is None else below)
        if chain.reason is not None:
            return chain.reason
        covered = chain.sets if below is None else (*chain.sets, newest)
    good = key.verifies(parsed.signature_octets, newest_seal_digest(covered))
    return None if good else Reason.SIGNATURE


def _goes_with(status: ChainStatus, chain: Chain) -> bool:
    match status:
        case ChainStatus.NONE:
            return chain.is_absent
        case ChainStatus.PASS:
            return bool(chain.sets)
        case ChainStatus.FAIL:
            return chain.highest > 0


def _message_signature(
    message: WireMessage, instance: int, sealing: Sealing, identity: SealingIdentity
) -> Field:
    digest = body_hashes(message).digest(sealing.body_form).digest
    forms = f"{sealing.header_form}/{sealing.body_form}"
    expiry = "" if sealing.expires_at is None else f" x={sealing.expires_at};"
    names = _names_to_sign(message, sealing)
    unsigned = make_field(
        b"ARC-Message-Signature",
        (
            f" i={instance}; a={identity.key.algorithm}; c={forms};\r\n"
            f" d={identity.domain}; s={identity.selector}; t={sealing.now};{expiry}\r\n"
            f" h={_folded_names(names)};\r\n"
            f" bh={base64.b64encode(digest).decode()};\r\n b="
        ).encode(),
    )
    picked = pick_fields(message, (name.encode() for name in names))
    data = join_hash_input(message, picked, unsigned, sealing.header_form)
    return _with_signature(unsigned, identity.key.sign(hashlib.sha256(data).digest()))


def _unsigned_seal(instance: int, sealing: Sealing, identity: SealingIdentity) -> Field:
    return make_field(
        b"ARC-Seal",
        (
            f" i={instance}; a={identity.key.algorithm}; cv={sealing.status};\r\n"
            f" d={identity.domain}; s={identity.selector}; t={sealing.now};\r\n"
            " b="
        ).encode(),
    )


def _names_to_sign(message: WireMessage, sealing: Sealing) -> list[str]:
    names: list[str] = []
    extra: list[str] = []
    for name in sealing.signed_fields:
        count = len(message.positions.get(name.encode(), ()))
        names += [name] * count
        if (count or name == "from") and name in sealing.oversigned_fields:
            extra.append(name)
    return names + extra


def _folded_names(names: Iterable[str]) -> str:
    lines = [""]
    for name in names:
        if len(lines[-1]) + len(name) >= _LINE:
            lines.append("")
        lines[-1] += name + ":"
    return "\r\n  ".join(lines).removesuffix(":")


def _with_signature(field: Field, octets: bytes) -> Field:
    text = base64.b64encode(octets)
    lines = [text[start : start + _LINE] for start in range(0, len(text), _LINE)]
    return Field(field.name, field.raw + b"\r\n  ".join(lines))


def _set_on_top(message: WireMessage) -> ArcSet:
    """The set the sealer has just put there; raises `MalformedField`."""
    if [field.name for field in message.fields[:3]] != [
        b"arc-seal",
        b"arc-message-signature",
        b"arc-authentication-results",
    ]:
        raise MalformedField(Reason.GAP)
    seal_field, signature, results = message.fields[:3]
    return ArcSet(0, results, _tagged(signature, 1), _tagged(seal_field, 0))


def _tagged(field: Field, position: int) -> TaggedField:
    return TaggedField(field, position, parse_tag_list(field.value))
