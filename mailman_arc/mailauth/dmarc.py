"""DMARC: whether the author domain is one that was authenticated (RFC 9989).

The organizational domain and the policy come from the tree walk of RFC 9989
§4.10: from the records at a name and at the names above it, eight at most.
Whatever may be read is named first (`names_to_look_up`), so that one batch of
look-ups answers everything.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from itertools import takewhile

from mailman_arc.mailauth.answers import (
    Answers,
    LookupFailed,
    NoSuchName,
    TxtRecords,
    answer_for,
)
from mailman_arc.mailauth.author import Author, AuthorReason
from mailman_arc.mailauth.dmarcrecord import (
    Alignment,
    DmarcRecord,
    Policy,
)
from mailman_arc.mailauth.domains import is_same_or_subdomain
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.treewalk import (
    names_of_walk,
    organization_in,
    organizational_domain,
    record_at,
    walk,
)


MAX_IDENTIFIERS = 12  # walked for; ten signatures and SPF are tried at most


class DmarcReason(StrEnum):
    """Why the result is not pass; short enough for a comment."""

    NO_AUTHOR = "no author domain"
    SEVERAL_FROM = "several From fields"
    SEVERAL_DOMAINS = "several author domains"
    NO_RECORD = "no record"
    BROKEN_RECORD = "broken record"
    LOOKUP_FAILED = "temporary DNS error"
    IDENTIFIER_UNKNOWN = "temporary error of an aligned identifier"
    NOT_ALIGNED = "not aligned"


_AUTHOR_REASONS = {
    AuthorReason.NO_FROM: DmarcReason.NO_AUTHOR,
    AuthorReason.UNUSABLE: DmarcReason.NO_AUTHOR,
    AuthorReason.SEVERAL_FROM: DmarcReason.SEVERAL_FROM,
    AuthorReason.SEVERAL_DOMAINS: DmarcReason.SEVERAL_DOMAINS,
}

# RFC 9989 §4.7 t: in test mode the policy is one step milder.
_MILDER = {
    Policy.REJECT: Policy.QUARANTINE,
    Policy.QUARANTINE: Policy.NONE,
    Policy.NONE: Policy.NONE,
}


@dataclass(frozen=True, slots=True)
class Identifier:
    """A domain that a method looked at, and how that ended.

    `method` is "dkim" or "spf"; `domain` is in lower-case A-labels: the signing
    domain, or that of MAIL FROM (RFC 9989 §4.4).
    """

    method: str
    domain: str
    result: Result


@dataclass(frozen=True, slots=True)
class DmarcVerdict:
    """Pass, fail, none or an error, and what it rests on.

    `policy` is what the record asks for this author domain, after sub-domain
    policies and test mode; it is there for pass and fail only, and is a request
    of the domain owner, not an order (RFC 9989 §5.4, §7.4).  `record` is what
    stands at `record_domain`; `aligned` is the identifier that passed.
    """

    result: Result
    reason: DmarcReason | None = None
    author_domain: str | None = None
    policy: Policy | None = None
    record: DmarcRecord | None = None
    record_domain: str | None = None
    aligned: Identifier | None = None


def names_to_look_up(author_domain: str, identifier_domains: Iterable[str]) -> set[str]:
    """Name all TXT records that `evaluate_dmarc` may read, in lower case.

    Identifiers without a label in common with the author domain cannot align
    and are not walked for; of the others, the `MAX_IDENTIFIERS` nearest are.
    """
    near = sorted(
        set(identifier_domains),
        key=lambda domain: (-_common_labels(domain, author_domain), domain),
    )
    domains = [
        domain
        for domain in near[:MAX_IDENTIFIERS]
        if _common_labels(domain, author_domain)
    ]
    names = {name for one in (author_domain, *domains) for name in names_of_walk(one)}
    # The answer for the author domain itself tells whether it exists.
    return {author_domain, *names}


def evaluate_dmarc(
    author: Author, identifiers: Sequence[Identifier], answers: Answers
) -> DmarcVerdict:
    """Judge a message by the policy of its author domain (RFC 9989 §5.3).

    `identifiers` are all that DKIM and SPF looked at, failures included.  A
    failed look-up makes a temperror where its answer could have mattered.
    """
    domain = author.domain
    if domain is None:
        reason = author.reason or AuthorReason.UNUSABLE
        return DmarcVerdict(Result.PERMERROR, _AUTHOR_REASONS[reason])
    found = _find_policy(domain, answers)
    match found:
        case None:
            return DmarcVerdict(Result.NONE, DmarcReason.NO_RECORD, domain)
        case LookupFailed():
            return DmarcVerdict(Result.TEMPERROR, DmarcReason.LOOKUP_FAILED, domain)
        case _Found():
            return _judge(domain, found, identifiers, answers)


@dataclass(frozen=True, slots=True)
class _Found:
    """The record for an author domain, and what it asks for that domain."""

    name: str
    record: DmarcRecord
    policy: Policy | None  # None: nobody can read it
    # The look-up failed that tells whether `policy` or another one applies.
    doubtful: bool = False


def _judge(
    domain: str, found: _Found, identifiers: Sequence[Identifier], answers: Answers
) -> DmarcVerdict:
    verdict = partial(
        DmarcVerdict,
        author_domain=domain,
        record=found.record,
        record_domain=found.name,
    )
    if found.policy is None:
        return verdict(Result.PERMERROR, DmarcReason.BROKEN_RECORD)
    doubt = DmarcReason.LOOKUP_FAILED if found.doubtful else None
    for identifier in identifiers:
        if identifier.result not in (Result.PASS, Result.TEMPERROR):
            continue
        aligned = _is_aligned(identifier, domain, found.record, answers)
        if isinstance(aligned, LookupFailed):
            doubt = doubt or DmarcReason.LOOKUP_FAILED
        elif aligned and identifier.result is Result.PASS:
            return verdict(Result.PASS, policy=found.policy, aligned=identifier)
        elif aligned:
            doubt = doubt or DmarcReason.IDENTIFIER_UNKNOWN
    if doubt is not None:
        return verdict(Result.TEMPERROR, doubt)
    return verdict(Result.FAIL, DmarcReason.NOT_ALIGNED, policy=found.policy)


def _is_aligned(
    identifier: Identifier, domain: str, record: DmarcRecord, answers: Answers
) -> bool | LookupFailed:
    """Compare an identifier with the author domain (RFC 9989 §4.4)."""
    if identifier.domain == domain:
        return True
    if record.alignment(identifier.method) is Alignment.STRICT:
        return False
    if not _common_labels(identifier.domain, domain):
        return False
    organization = organizational_domain(domain, answers)
    if isinstance(organization, LookupFailed):
        return organization
    # A name outside of the organization needs no walk of its own.
    if not is_same_or_subdomain(identifier.domain, organization):
        return False
    other = organizational_domain(identifier.domain, answers)
    return other if isinstance(other, LookupFailed) else other == organization


def _find_policy(domain: str, answers: Answers) -> _Found | LookupFailed | None:
    """Find the record that holds for an author domain (RFC 9989 §4.10.1)."""
    own = record_at(domain, answers)
    if isinstance(own, LookupFailed):
        return own
    if own is not None:
        return _Found(domain, own, _effective(own, own.policy))
    found = walk(domain, answers)
    if isinstance(found, LookupFailed):
        return found
    if not found:
        return None
    # If the organization has none, the record of the public suffix was last.
    records = dict(found)
    organization = organization_in(found, domain)
    name = organization if organization in records else found[-1][0]
    return _subdomain_policy(domain, name, records[name], answers)


def _subdomain_policy(
    domain: str, name: str, record: DmarcRecord, answers: Answers
) -> _Found:
    """Apply `sp`, or `np` if the domain does not exist (RFC 9989 §4.7)."""
    existing = _effective(record, record.subdomain_policy or record.policy)
    if record.nonexistent_policy is None:
        return _Found(name, record, existing)
    nonexistent = _effective(record, record.nonexistent_policy)
    match answer_for(answers, domain):
        case TxtRecords():
            return _Found(name, record, existing)
        case NoSuchName():
            return _Found(name, record, nonexistent)
        case LookupFailed():
            return _Found(name, record, existing, doubtful=existing != nonexistent)


def _effective(record: DmarcRecord, policy: Policy | None) -> Policy | None:
    return _MILDER[policy] if policy is not None and record.is_test else policy


def _common_labels(one: str, other: str) -> int:
    """Count the labels two names share at their ends."""
    pairs = zip(reversed(one.split(".")), reversed(other.split(".")), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
