"""Verify every DKIM signature of a post (RFC 6376 §6)."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from mailman_arc.mailauth.answers import Answers
from mailman_arc.mailauth.canonical import BodyHashes
from mailman_arc.mailauth.crypto import MIN_RSA_BITS
from mailman_arc.mailauth.domains import is_same_or_subdomain, parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import Field, WireMessage
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.signature import (
    Checked,
    Signature,
    check_signature,
    header_hash_input,
    parse_signature,
)
from mailman_arc.mailauth.tags import parse_tag_list, unquote_printable


MAX_SIGNATURES = 10  # looked at; those of the author's domain come first

_FINGERPRINT = 32  # hexadecimal digits

# RFC 8601 §2.7.1: "neutral" for what could not be processed, "permerror" for
# what is broken beyond repair, "fail" for a signature that was tested.
_RESULTS: Mapping[Reason, Result] = {
    Reason.SYNTAX: Result.NEUTRAL,
    Reason.VERSION: Result.NEUTRAL,
    Reason.UNKNOWN_ALGORITHM: Result.NEUTRAL,
    Reason.QUERY_METHOD: Result.NEUTRAL,
    Reason.EXPIRED: Result.FAIL,
    Reason.BODY_HASH: Result.FAIL,
    Reason.SIGNATURE: Result.FAIL,
    Reason.BODY_LENGTH: Result.POLICY,
    Reason.KEY_UNAVAILABLE: Result.TEMPERROR,
}


@dataclass(frozen=True, slots=True)
class DkimVerdict:
    """What came of one DKIM-Signature field.

    The texts are as the signer wrote them, or None; they are not to be
    trusted with anything but being shown.
    """

    result: Result
    reason: Reason | None
    signing_domain: str | None = None  # d=; A-labels when `is_complete`
    selector: str | None = None  # s=
    algorithm: str | None = None  # a=
    signature_start: str | None = None  # b= without white space
    bits: int | None = None  # of the key
    testing: bool = False  # the key says t=y
    is_complete: bool = False  # the field could be read and was tested


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A DKIM-Signature field, as far as it could be read."""

    tags: Mapping[str, str]
    signature: Signature | None
    reason: Reason | None
    identifier_domain: str = ""  # of i=


def key_names(message: WireMessage, author_domain: str | None) -> set[str]:
    """The names of all keys that `verify_dkim` is going to ask for."""
    return {
        candidate.signature.key_name
        for candidate in _candidates(message, author_domain)
        if candidate.signature is not None
    }


def signing_domains(message: WireMessage, author_domain: str | None) -> set[str]:
    """The domains that may turn out to have signed."""
    return {
        candidate.signature.signing_domain
        for candidate in _candidates(message, author_domain)
        if candidate.signature is not None
    }


def verify_dkim(
    message: WireMessage,
    author_domain: str | None,
    answers: Answers,
    now: int,
    bodies: BodyHashes,
    min_rsa_bits: int = MIN_RSA_BITS,
) -> tuple[DkimVerdict, ...]:
    """Judge each DKIM-Signature from the top; an unsigned post has none.

    Of more than `MAX_SIGNATURES` only so many are looked at, those of
    `author_domain` before the others, so that signatures of other domains
    cannot hide one.  A signature by an RSA key under `min_rsa_bits` is not good.
    """
    candidates = _candidates(message, author_domain)
    for signature in (candidate.signature for candidate in candidates):
        if signature is not None:
            bodies.expect(signature.body_form, signature.body_length)
    return tuple(
        _judge(candidate, message, answers, now, bodies, min_rsa_bits)
        for candidate in candidates
    )


def good_signatures(
    message: WireMessage, author_domain: str | None, verdicts: Sequence[DkimVerdict]
) -> tuple[str, ...]:
    """Fingerprints of what the signatures that passed cover, for `is_still_good`.

    `verdicts` are those of `verify_dkim` for the same author domain.
    """
    candidates = _candidates(message, author_domain)
    return tuple(
        _fingerprint(candidate.signature, message)
        for candidate, verdict in zip(candidates, verdicts, strict=True)
        if verdict.result is Result.PASS and candidate.signature is not None
    )


def is_still_good(
    message: WireMessage, fingerprints: Collection[str], bodies: BodyHashes
) -> bool:
    """Tell whether a signature that was good on arrival is so on this message.

    That it covers the same header fields and the body hash it was good with is
    enough; neither key nor DNS is needed.
    """
    signatures = (candidate.signature for candidate in _candidates(message, None))
    return bool(fingerprints) and any(
        _fingerprint(signature, message) in fingerprints
        and bodies.digest(signature.body_form, signature.body_length).digest
        == signature.body_hash
        for signature in signatures
        if signature is not None
    )


def _fingerprint(signature: Signature, message: WireMessage) -> str:
    covered = header_hash_input(signature, message)
    return hashlib.sha256(covered).hexdigest()[:_FINGERPRINT]


def _candidates(message: WireMessage, author_domain: str | None) -> list[_Candidate]:
    return message.once(_read_candidates, author_domain)


def _read_candidates(
    message: WireMessage, author_domain: str | None
) -> list[_Candidate]:
    positions = message.positions.get(b"dkim-signature", [])
    ranked = []
    for position in positions[: 10 * MAX_SIGNATURES]:
        candidate = _read_candidate(message.fields[position], position)
        domain = candidate.signature.signing_domain if candidate.signature else ""
        ranked.append((not _related(domain, author_domain), position, candidate))
    chosen = sorted(ranked, key=lambda entry: entry[:2])[:MAX_SIGNATURES]
    return [candidate for _, _, candidate in sorted(chosen, key=lambda entry: entry[1])]


def _related(domain: str, author_domain: str | None) -> bool:
    if not domain or author_domain is None:
        return False
    return is_same_or_subdomain(domain, author_domain) or is_same_or_subdomain(
        author_domain, domain
    )


def _read_candidate(field: Field, position: int) -> _Candidate:
    try:
        tags = parse_tag_list(field.value)
    except MalformedField:
        return _Candidate({}, None, Reason.SYNTAX)
    try:
        if "v" not in tags:
            raise MalformedField(Reason.MISSING_TAG)
        if tags["v"] != "1":
            raise MalformedField(Reason.VERSION)
        signature = parse_signature(field, position, tags)
        identifier_domain = _identifier_domain(tags, signature.signing_domain)
    except MalformedField as error:
        return _Candidate(tags, None, Reason(error.reason))
    return _Candidate(tags, signature, None, identifier_domain)


def _identifier_domain(tags: Mapping[str, str], signing_domain: str) -> str:
    """The domain of i=, which lies in d= (RFC 6376 §3.5, §6.1.1)."""
    if "i" not in tags:
        return signing_domain
    try:
        _, at, text = unquote_printable(tags["i"]).rpartition("@")
        domain = parse_domain(text)
    except MalformedField as error:
        raise MalformedField(Reason.DOMAIN) from error
    if not at or not is_same_or_subdomain(domain, signing_domain):
        raise MalformedField(Reason.DOMAIN)
    return domain


def _judge(
    candidate: _Candidate,
    message: WireMessage,
    answers: Answers,
    now: int,
    bodies: BodyHashes,
    min_rsa_bits: int,
) -> DkimVerdict:
    signature = candidate.signature
    if signature is None:
        return _verdict(candidate, Checked(candidate.reason))
    checked = check_signature(signature, message, bodies, answers, now, min_rsa_bits)
    if checked.reason is not None:
        return _verdict(candidate, checked)
    strict = checked.key is not None and checked.key.strict
    if strict and candidate.identifier_domain != signature.signing_domain:
        return _verdict(candidate, Checked(Reason.KEY_STRICT, checked.key))
    if checked.unsigned_text:
        return _verdict(candidate, Checked(Reason.BODY_LENGTH, checked.key))
    return _verdict(candidate, checked)


def _verdict(candidate: _Candidate, checked: Checked) -> DkimVerdict:
    reason, tags = checked.reason, candidate.tags
    signature = candidate.signature
    result = Result.PASS if reason is None else _RESULTS.get(reason, Result.PERMERROR)
    key = checked.key
    return DkimVerdict(
        result=result,
        reason=reason,
        signing_domain=signature.signing_domain if signature else tags.get("d"),
        selector=signature.selector if signature else tags.get("s"),
        algorithm=tags.get("a"),
        signature_start="".join(tags["b"].split()) if "b" in tags else None,
        bits=key.key.bits if key else None,
        testing=key.testing if key else False,
        is_complete=signature is not None,
    )
