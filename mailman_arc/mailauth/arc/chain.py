"""Collect the ARC fields of a message into sets (RFC 8617 §3.1, §4, §5.2)."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass

from mailman_arc.mailauth.canonical import canonical_field
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import Field, WireMessage
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.tags import parse_tag_list


MAX_INSTANCE = 50  # RFC 8617 §4.2.1
MAX_ARC_FIELDS = 3 * MAX_INSTANCE

RESULTS_FIELD = b"arc-authentication-results"
SIGNATURE_FIELD = b"arc-message-signature"
SEAL_FIELD = b"arc-seal"
ARC_FIELDS = (RESULTS_FIELD, SIGNATURE_FIELD, SEAL_FIELD)

_INSTANCES = {
    text: instance
    for instance in range(1, MAX_INSTANCE + 1)
    for text in (f"{instance}", f"{instance:02}")
}
_MAX_PREFIX = 1024  # octets before the ";" of i=; comments may stand there
_PREFIX = re.compile(r"[ \t]*i[ \t]*=[ \t]*([0-9]{1,2})[ \t]*;", re.ASCII)


@dataclass(frozen=True, slots=True)
class TaggedField:
    """An ARC-Message-Signature or ARC-Seal with its tags."""

    field: Field
    position: int
    tags: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class ArcSet:
    """The three fields one sealer added."""

    instance: int
    results: Field
    message_signature: TaggedField
    seal: TaggedField


@dataclass(frozen=True, slots=True)
class Chain:
    """The ARC sets of a message, oldest first, or why they are none.

    `sets` is complete when `reason` is None.  `highest` is the largest
    instance anywhere, `ended` tells that the newest seal says `cv=fail`,
    after which nobody adds anything (RFC 8617 §5.1 step 2).
    """

    sets: tuple[ArcSet, ...] = ()
    reason: Reason | None = None
    instance: int | None = None  # the one `reason` is about
    highest: int = 0
    ended: bool = False

    @property
    def is_absent(self) -> bool:
        """No ARC field at all."""
        return not self.sets and self.reason is None


@dataclass(slots=True)
class _Found:
    """The fields seen so far, by instance."""

    results: dict[int, Field]
    signatures: dict[int, TaggedField]
    seals: dict[int, TaggedField]


def read_chain(message: WireMessage) -> Chain:
    """Collect the sets and check their structure (RFC 8617 §5.2 steps 1 to 3)."""
    return message.once(_read_chain)


def _read_chain(message: WireMessage) -> Chain:
    if message.header_too_long:
        return Chain(reason=Reason.HEADER_TOO_LONG)
    found = _Found({}, {}, {})
    reason: Reason | None = None
    positions = sorted(
        position for name in ARC_FIELDS for position in message.positions.get(name, ())
    )
    if len(positions) > MAX_ARC_FIELDS:
        reason = Reason.INSTANCE
    for position in positions[:MAX_ARC_FIELDS]:
        try:
            _collect(found, message.fields[position], position)
        except MalformedField as error:
            reason = reason or Reason(error.reason)
    highest = max((*found.results, *found.signatures, *found.seals), default=0)
    if highest in found.seals and _status_word(found.seals[highest]) == "fail":
        return Chain(
            reason=Reason.ALREADY_FAILED, instance=highest, highest=highest, ended=True
        )
    if reason is not None:
        return Chain(reason=reason, highest=highest)
    return _complete(found, highest)


def chain_digest(message: WireMessage) -> str:
    """A fingerprint of the ARC fields: equal as long as nobody touched them.

    What relaxed canonicalisation forgives does not count.
    """
    sha256 = hashlib.sha256()
    for name in ARC_FIELDS:
        for field in message.named(name):
            sha256.update(canonical_field(field, "relaxed") + b"\n")
    return sha256.hexdigest()


def _complete(found: _Found, highest: int) -> Chain:
    sets = []
    for instance in range(1, highest + 1):
        results = found.results.get(instance)
        signature = found.signatures.get(instance)
        seal = found.seals.get(instance)
        if results is None or signature is None or seal is None:
            return Chain(reason=Reason.GAP, instance=instance, highest=highest)
        if _status_word(seal) != ("none" if instance == 1 else "pass"):
            return Chain(reason=Reason.CHAIN_STATUS, instance=instance, highest=highest)
        sets.append(ArcSet(instance, results, signature, seal))
    return Chain(tuple(sets), highest=highest)


def _collect(found: _Found, field: Field, position: int) -> None:
    if field.name == RESULTS_FIELD:
        instance = _results_instance(field)
        if instance in found.results:
            raise MalformedField(Reason.DUPLICATE)
        found.results[instance] = field
        return
    try:
        # Needed for the seals anyway, and already unfolded.
        value = canonical_field(field, "relaxed").partition(b":")[2]
        tags = parse_tag_list(value)
    except MalformedField as error:
        raise MalformedField(Reason.SYNTAX) from error
    instance = _instance(tags.get("i", ""))
    fields = found.seals if field.name == SEAL_FIELD else found.signatures
    if instance in fields:
        raise MalformedField(Reason.DUPLICATE)
    fields[instance] = TaggedField(field, position, tags)


def _results_instance(field: Field) -> int:
    prefix = field.value[:_MAX_PREFIX].decode("utf-8", "surrogateescape")
    match = _PREFIX.match(prefix) or _PREFIX.match(
        _without_comments(prefix.replace("\r\n", ""))
    )
    if match is None:
        raise MalformedField(Reason.INSTANCE)
    return _instance(match[1])


def _without_comments(text: str) -> str:
    """Replace comments before the first ";" by a space (RFC 5322 §3.2.2)."""
    kept: list[str] = []
    depth = 0
    escaped = False
    for character in text:
        if escaped:
            escaped = False
        elif depth and character == "\\":
            escaped = True
        elif character == "(":
            depth += 1
        elif depth and character == ")":
            depth -= 1
            kept.append(" ")
        elif not depth:
            kept.append(character)
            if character == ";":
                break
    return "".join(kept)


def _instance(text: str) -> int:
    instance = _INSTANCES.get(text)
    if instance is None:
        raise MalformedField(Reason.INSTANCE)
    return instance


def _status_word(seal: TaggedField) -> str:
    # Only tag names are case-sensitive in the grammar of RFC 8617 §3.9.
    return seal.tags.get("cv", "").lower()
