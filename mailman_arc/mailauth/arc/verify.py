"""Judge a chain (RFC 8617 §5.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from mailman_arc.mailauth.answers import Answers, answer_for
from mailman_arc.mailauth.arc.chain import ArcSet, Chain, TaggedField, read_chain
from mailman_arc.mailauth.canonical import BodyHashes, canonical_field
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.keyrecord import key_name, usable_keys
from mailman_arc.mailauth.message import WireMessage
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.signature import (
    MAX_TIME_DIGITS,
    Signature,
    as_relaxed,
    check_signature,
    parse_algorithm,
    parse_signature,
    without_signature,
)
from mailman_arc.mailauth.tags import parse_base64, parse_number


class ChainStatus(StrEnum):
    """Chain validation status, the words of `cv=` (RFC 8617 §4.4)."""

    NONE = "none"
    PASS = "pass"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """How a chain was found.

    A failure has a reason and, where one set is to blame, its instance.
    `oldest_pass` is 0 when every ARC-Message-Signature verifies, else the
    first instance since which nothing signed has changed (RFC 8617 §5.2
    step 5).
    """

    status: ChainStatus
    chain: Chain
    reason: Reason | None = None
    instance: int | None = None
    oldest_pass: int = 0

    @property
    def is_unjudged(self) -> bool:
        """The DNS did not answer, so nobody knows whether the chain is good."""
        return self.reason is Reason.KEY_UNAVAILABLE


@dataclass(frozen=True, slots=True)
class Seal:
    """A parsed ARC-Seal (RFC 8617 §4.1.3)."""

    algorithm: str  # a=
    signature_octets: bytes  # b=
    key_name: str  # from s= and d=


def key_names(message: WireMessage) -> set[str]:
    """The names of all keys that `verify_chain` may ask for."""
    names = set()
    for arc_set in read_chain(message).sets:
        for parse, field in (
            (parse_seal, arc_set.seal),
            (parse_message_signature, arc_set.message_signature),
        ):
            try:
                names.add(parse(field).key_name)
            except MalformedField:
                continue
    return names


def verify_chain(
    message: WireMessage, answers: Answers, now: int, bodies: BodyHashes
) -> ChainVerdict:
    """Judge the chain of a message as it arrived (RFC 8617 §5.2).

    Every trouble is a failure with a reason, trouble with the DNS included
    (§5.2.1); `is_unjudged` tells that one apart.
    """
    chain = read_chain(message)
    if chain.is_absent:
        return ChainVerdict(ChainStatus.NONE, chain)
    if chain.reason is not None:
        return ChainVerdict(ChainStatus.FAIL, chain, chain.reason, chain.instance)
    newest = chain.sets[-1]
    reason = _check_message_signature(newest, message, answers, now, bodies)
    if reason is not None:
        return ChainVerdict(ChainStatus.FAIL, chain, reason, newest.instance)
    digests = seal_digests(chain.sets)
    for arc_set in reversed(chain.sets):
        reason = _check_seal(arc_set.seal, digests[arc_set.instance - 1], answers)
        if reason is not None:
            return ChainVerdict(ChainStatus.FAIL, chain, reason, arc_set.instance)
    for arc_set in reversed(chain.sets[:-1]):
        if _check_message_signature(arc_set, message, answers, now, bodies) is not None:
            return ChainVerdict(
                ChainStatus.PASS, chain, oldest_pass=arc_set.instance + 1
            )
    return ChainVerdict(ChainStatus.PASS, chain)


def parse_message_signature(field: TaggedField) -> Signature:
    """Read an ARC-Message-Signature; raises `MalformedField` with a `Reason`."""
    signature = parse_signature(field.field, field.position, field.tags)
    # A seal in h= would have to sign itself (RFC 8617 §4.1.2).
    if b"arc-seal" in signature.signed_fields:
        raise MalformedField(Reason.SIGNS_SEAL)
    return signature


def parse_seal(field: TaggedField) -> Seal:
    """Read an ARC-Seal; raises `MalformedField` with a `Reason`."""
    tags = field.tags
    if "h" in tags:
        raise MalformedField(Reason.SEAL_SIGNS_HEADERS)
    for name in ("a", "b", "d", "s"):
        if name not in tags:
            raise MalformedField(Reason.MISSING_TAG)
    algorithm = parse_algorithm(tags["a"])
    try:
        if "t" in tags:
            parse_number(tags["t"], MAX_TIME_DIGITS)
        octets = parse_base64(tags["b"])
    except MalformedField as error:
        raise MalformedField(Reason.SYNTAX) from error
    try:
        name = key_name(parse_domain(tags["s"]), parse_domain(tags["d"]))
    except MalformedField as error:
        raise MalformedField(Reason.DOMAIN) from error
    return Seal(algorithm, octets, name)


def seal_digests(covered: Sequence[ArcSet]) -> list[bytes]:
    """What the seal of each set signs: SHA-256 over all up to it (RFC 8617 §5.1.1).

    One running hash, so that a long chain costs no more than its length.
    """
    running = hashlib.sha256()
    digests = []
    for arc_set in covered:
        seal = arc_set.seal.field
        running.update(canonical_field(arc_set.results, "relaxed") + b"\r\n")
        running.update(
            canonical_field(arc_set.message_signature.field, "relaxed") + b"\r\n"
        )
        own = running.copy()
        own.update(canonical_field(without_signature(seal), "relaxed"))
        digests.append(own.digest())
        running.update(canonical_field(seal, "relaxed") + b"\r\n")
    return digests


def _check_message_signature(
    arc_set: ArcSet,
    message: WireMessage,
    answers: Answers,
    now: int,
    bodies: BodyHashes,
) -> Reason | None:
    try:
        signature = parse_message_signature(arc_set.message_signature)
    except MalformedField as error:
        return Reason(error.reason)
    checked = check_signature(signature, message, bodies, answers, now)
    mismatch = checked.reason in (Reason.BODY_HASH, Reason.SIGNATURE)
    if mismatch and not signature.form_given:
        # Without c= the RFC says simple; sealers exist that meant relaxed.
        relaxed = as_relaxed(signature)
        second = check_signature(relaxed, message, bodies, answers, now).reason
        # The reading that comes further is the one that was meant.
        return checked.reason if second is Reason.BODY_HASH else second
    return checked.reason


def _check_seal(field: TaggedField, digest: bytes, answers: Answers) -> Reason | None:
    try:
        seal = parse_seal(field)
    except MalformedField as error:
        return Reason(error.reason)
    keys, why = usable_keys(answer_for(answers, seal.key_name), seal.algorithm)
    if not keys:
        return why
    if any(key.key.verifies(seal.signature_octets, digest) for key in keys):
        return None
    return Reason.SIGNATURE
