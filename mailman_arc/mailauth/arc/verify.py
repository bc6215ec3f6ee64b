"""Judge a chain (RFC 8617 §5.2)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial

from mailman_arc.mailauth.answers import Answers, answer_for
from mailman_arc.mailauth.arc.chain import ArcSet, Chain, TaggedField, read_chain
from mailman_arc.mailauth.canonical import BodyHashes, canonical_field
from mailman_arc.mailauth.crypto import MIN_RSA_BITS
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.keyrecord import key_name, usable_keys
from mailman_arc.mailauth.message import Field, WireMessage
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.signature import (
    MAX_TIME_DIGITS,
    Checked,
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
class SetVerdict:
    """What came of one set; a check that was not made is None.

    `sealer` and `selector` are those of the seal, as far as they could be read.
    """

    instance: int
    sealer: str | None = None
    selector: str | None = None
    seal: Checked | None = None
    message_signature: Checked | None = None


@dataclass(frozen=True, slots=True)
class ChainVerdict:
    """How a chain was found.

    A failure has a reason and, where one set is to blame, its instance.
    `oldest_pass` is 0 when every ARC-Message-Signature verifies, else the
    first instance since which nothing signed has changed (RFC 8617 §5.2
    step 5), and None when nobody wanted to know.  `sets` tells of each set of a
    complete chain, oldest first.
    """

    status: ChainStatus
    chain: Chain
    reason: Reason | None = None
    instance: int | None = None
    oldest_pass: int | None = 0
    sets: tuple[SetVerdict, ...] = ()

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


def key_names(message: WireMessage, *, find_oldest_pass: bool = True) -> set[str]:
    """The names of all keys that `verify_chain` may ask for."""
    sets = read_chain(message).sets
    signed = sets if find_oldest_pass else sets[-1:]
    names = set()
    for parse, fields in (
        (parse_seal, [each.seal for each in sets]),
        (parse_message_signature, [each.message_signature for each in signed]),
    ):
        for field in fields:
            try:
                names.add(parse(field).key_name)
            except MalformedField:
                continue
    return names


def verify_chain(
    message: WireMessage,
    answers: Answers,
    now: int,
    bodies: BodyHashes,
    min_rsa_bits: int = MIN_RSA_BITS,
    *,
    find_oldest_pass: bool = True,
) -> ChainVerdict:
    """Judge the chain of a message as it arrived (RFC 8617 §5.2).

    Every trouble is a failure with a reason, trouble with the DNS included
    (§5.2.1); `is_unjudged` tells that one apart.  A signature by an RSA key under
    `min_rsa_bits` is not good.  Unless `find_oldest_pass`, no message signature but
    the newest is looked at; the status is the same.
    """
    chain = read_chain(message)
    if chain.is_absent:
        return ChainVerdict(ChainStatus.NONE, chain)
    if chain.reason is not None:
        return ChainVerdict(ChainStatus.FAIL, chain, chain.reason, chain.instance)
    check = partial(
        _check_message_signature,
        verify=partial(
            check_signature,
            message=message,
            bodies=bodies,
            answers=answers,
            now=now,
            min_rsa_bits=min_rsa_bits,
        ),
    )
    # The newest signature, all seals, then the older signatures: what costs
    # least and fails most comes first, and the first failure ends it.
    signatures = {chain.highest: check(chain.sets[-1])}
    seals: dict[int, Checked] = {}
    reason = signatures[chain.highest].reason
    instance: int | None = chain.highest
    if reason is None:
        seals, reason, instance = _check_seals(chain, answers, min_rsa_bits)
    oldest_pass: int | None = 0
    if reason is None:
        oldest_pass = (
            _find_oldest_pass(chain, check, signatures) if find_oldest_pass else None
        )
    return ChainVerdict(
        ChainStatus.PASS if reason is None else ChainStatus.FAIL,
        chain,
        reason,
        instance,
        oldest_pass,
        tuple(_tell(each, seals, signatures) for each in chain.sets),
    )


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
        *signed, seal = (canonical_field(each, "relaxed") for each in _fields(arc_set))
        running.update(b"\r\n".join([*signed, b""]))
        own = running.copy()
        own.update(_own_part(arc_set))
        digests.append(own.digest())
        running.update(seal + b"\r\n")
    return digests


def newest_seal_digest(covered: Sequence[ArcSet]) -> bytes:
    """What the seal of the last set signs: SHA-256 over all (RFC 8617 §5.1.1)."""
    pieces = [
        canonical_field(field, "relaxed")
        for arc_set in covered
        for field in _fields(arc_set)
    ]
    pieces[-1] = _own_part(covered[-1])
    return hashlib.sha256(b"\r\n".join(pieces)).digest()


def _fields(arc_set: ArcSet) -> tuple[Field, Field, Field]:
    """In the order in which they are signed (RFC 8617 §5.1.1)."""
    return arc_set.results, arc_set.message_signature.field, arc_set.seal.field


def _own_part(arc_set: ArcSet) -> bytes:
    return canonical_field(without_signature(arc_set.seal.field), "relaxed")


def _check_seals(
    chain: Chain, answers: Answers, min_rsa_bits: int
) -> tuple[dict[int, Checked], Reason | None, int | None]:
    """Check the seals from the newest on, up to the first that fails."""
    digests = seal_digests(chain.sets)
    seals = {}
    for arc_set in reversed(chain.sets):
        digest = digests[arc_set.instance - 1]
        checked = _check_seal(arc_set.seal, digest, answers, min_rsa_bits)
        seals[arc_set.instance] = checked
        if checked.reason is not None:
            return seals, checked.reason, arc_set.instance
    return seals, None, None


def _find_oldest_pass(
    chain: Chain, check: Callable[[ArcSet], Checked], signatures: dict[int, Checked]
) -> int:
    """Check the older signatures, newest first; note what came of each."""
    for arc_set in reversed(chain.sets[:-1]):
        checked = signatures[arc_set.instance] = check(arc_set)
        if checked.reason is not None:
            return arc_set.instance + 1
    return 0


def _tell(
    arc_set: ArcSet, seals: Mapping[int, Checked], signatures: Mapping[int, Checked]
) -> SetVerdict:
    tags = arc_set.seal.tags
    return SetVerdict(
        arc_set.instance,
        tags.get("d"),
        tags.get("s"),
        seals.get(arc_set.instance),
        signatures.get(arc_set.instance),
    )


def _check_message_signature(
    arc_set: ArcSet, verify: Callable[[Signature], Checked]
) -> Checked:
    try:
        signature = parse_message_signature(arc_set.message_signature)
    except MalformedField as error:
        return Checked(Reason(error.reason))
    checked = verify(signature)
    mismatch = checked.reason in (Reason.BODY_HASH, Reason.SIGNATURE)
    if mismatch and not signature.form_given:
        # Without c= the RFC says simple; sealers exist that meant relaxed.
        second = verify(as_relaxed(signature))
        # The reading that comes further is the one that was meant.
        return checked if second.reason is Reason.BODY_HASH else second
    return checked


def _check_seal(
    field: TaggedField, digest: bytes, answers: Answers, min_rsa_bits: int
) -> Checked:
    try:
        seal = parse_seal(field)
    except MalformedField as error:
        return Checked(Reason(error.reason))
    answer = answer_for(answers, seal.key_name)
    keys, why = usable_keys(answer, seal.algorithm, min_rsa_bits)
    for key in keys:
        if key.key.verifies(seal.signature_octets, digest):
            return Checked(None, key)
    return Checked(Reason.SIGNATURE, keys[0]) if keys else Checked(why)
