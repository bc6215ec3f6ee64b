"""The tree walk: which records stand at a name and above it (RFC 9989 §4.10)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from mailman_arc.mailauth.answers import (
    Answers,
    LookupFailed,
    NoSuchName,
    TxtRecords,
    answer_for,
)
from mailman_arc.mailauth.dmarcrecord import (
    DmarcRecord,
    PublicSuffix,
    parse_dmarc_record,
)
from mailman_arc.mailauth.domains import MAX_NAME_LENGTH
from mailman_arc.mailauth.errors import MalformedField


MAX_QUERIES = 8  # RFC 9989 §4.10: in one tree walk

# The domains of a walk that have a record, longest name first.
Walk = Sequence[tuple[str, DmarcRecord]]


def organizational_domain(domain: str, answers: Answers) -> str | LookupFailed:
    """Find the organizational domain (RFC 9989 §4.10.2).

    Gives the failure of a look-up that could have made it another one.
    """
    found = walk(domain, answers)
    if isinstance(found, LookupFailed):
        return found
    return organization_in(found, domain)


def organization_in(found: Walk, domain: str) -> str:
    """Tell the organizational domain of the domain that a walk began at."""
    for name, record in found:
        if record.public_suffix is PublicSuffix.NO:
            return name
        if record.public_suffix is PublicSuffix.YES and name != domain:
            labels = domain.split(".")
            return ".".join(labels[-(name.count(".") + 2) :])
    return found[-1][0] if found else domain


def walk(domain: str, answers: Answers) -> Walk | LookupFailed:
    """Collect the records at a domain and above (RFC 9989 §4.10)."""
    found: list[tuple[str, DmarcRecord]] = []
    for name in _domains(domain):
        record = record_at(name, answers)
        if isinstance(record, LookupFailed):
            return record
        if record is not None:
            found.append((name, record))
            if record.public_suffix is not PublicSuffix.UNKNOWN:
                break
    return found


def names_of_walk(domain: str) -> set[str]:
    """Name the TXT records that a walk may read: `MAX_QUERIES` at most."""
    names = map(_record_name, _domains(domain))
    return {name for name in names if len(name) <= MAX_NAME_LENGTH}


def record_at(domain: str, answers: Answers) -> DmarcRecord | LookupFailed | None:
    """Read the one record of a domain; several count as none (RFC 9989 §4.10)."""
    name = _record_name(domain)
    if len(name) > MAX_NAME_LENGTH:
        return None
    match answer_for(answers, name):
        case NoSuchName():
            return None
        case LookupFailed() as failed:
            return failed
        case TxtRecords(texts):
            records = list(_read_records(texts))
            return records[0] if len(records) == 1 else None


def _domains(domain: str) -> Iterator[str]:
    """List the domain and those above; what is too many is left out below it."""
    yield domain
    labels = domain.split(".")
    for start in range(max(1, len(labels) + 1 - MAX_QUERIES), len(labels)):
        yield ".".join(labels[start:])


def _record_name(domain: str) -> str:
    return "_dmarc." + domain


def _read_records(texts: Iterable[bytes]) -> Iterator[DmarcRecord]:
    for text in texts:
        try:
            yield parse_dmarc_record(text)
        except MalformedField:
            continue
