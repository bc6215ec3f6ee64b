"""Zone files: DNS answers without a DNS, for tests, demonstrations and closed nets."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import dns.exception
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
import dns.rdtypes.ANY.CNAME
import dns.rdtypes.ANY.TXT
import dns.tokenizer
import dns.transaction
import dns.zonefile

from mailman_arc.mailauth.answers import (
    LookupFailed,
    NoSuchName,
    TxtAnswer,
    TxtRecords,
)


DEFAULT_TTL = 300  # seconds, for records that name none

_Records = dict[dns.name.Name, list[dns.rdata.Rdata]]


class ZoneFileError(Exception):
    """A zone file that cannot be used; names the file and, if known, the line."""


class ZoneRecord(NamedTuple):
    """A record of a zone file."""

    name: dns.name.Name
    ttl: int  # seconds
    rdata: dns.rdata.Rdata


def read_zone_file(path: str | Path) -> dict[str, TxtAnswer]:
    """Give the TXT answers of a master file (RFC 1035 §5), UTF-8, by name.

    Names that exist without TXT are there, too.  The file may hold several
    zones or none at all: names are absolute unless `$ORIGIN` says otherwise, and
    neither SOA nor NS records are asked for.  `$INCLUDE` and wildcards are
    refused.  An alias is followed inside the file; one that leads out of it is
    left out.  Raises `ZoneFileError`.
    """
    try:
        text = Path(path).read_text("utf-8")
    except OSError as error:
        raise ZoneFileError(
            f"cannot read zone file {path}: {error.strerror}"
        ) from error
    except ValueError as error:
        raise ZoneFileError(f"zone file {path} is not UTF-8 text") from error
    records: _Records = {}
    for record in parse_records(text, str(path)):
        if record.name.is_wild():
            raise ZoneFileError(
                f"{path}: wildcard {_as_key(record.name)} is not supported, "
                "write out the names that it stands for"
            )
        records.setdefault(record.name, []).append(record.rdata)
    return dict(_answers(records))


def parse_records(text: str, filename: str) -> list[ZoneRecord]:
    """Give the records of a master file, in their order.

    Raises `ZoneFileError` that names `filename` and the line.
    """
    tokenizer = dns.tokenizer.Tokenizer(text, filename)
    collected = _Collector()
    reader = dns.zonefile.Reader(
        tokenizer, dns.rdataclass.IN, collected, default_ttl=DEFAULT_TTL
    )
    try:
        reader.read()
    except dns.exception.SyntaxError as error:
        raise ZoneFileError(str(error)) from error  # has the place in it
    except (dns.exception.DNSException, ValueError, LookupError) as error:
        name, line = tokenizer.where()
        raise ZoneFileError(f"{name}:{line}: {error}") from error
    return collected.records


class _Collector(dns.transaction.Transaction):
    """Takes every record; dnspython's own allow an SOA at one name only."""

    def __init__(self) -> None:
        super().__init__(dns.zonefile.RRSetsReaderManager(), replacement=True)
        self.records: list[ZoneRecord] = []

    def add(self, *args: object) -> None:
        self.records.append(ZoneRecord(*args))  # type: ignore[arg-type]

    def _set_origin(self, origin: dns.name.Name) -> None:
        """Called for `$ORIGIN`, which the reader itself follows."""


def _answers(records: _Records) -> Iterator[tuple[str, TxtAnswer]]:
    apexes = {name for name in records if _has_soa(records[name])}
    for name in records:
        for parent in _parents_in_zone(name, apexes):
            if parent not in records:
                yield _as_key(parent), TxtRecords()
    for name in records:
        answer = _answer(name, records, apexes)
        if answer is not None:
            yield _as_key(name), answer


def _answer(
    name: dns.name.Name, records: _Records, apexes: set[dns.name.Name]
) -> TxtAnswer | None:
    """Give the answer for a name; none if an alias leads out of the file."""
    for _ in range(len(records)):
        if name not in records:
            return NoSuchName() if _parents_in_zone(name, apexes) else None
        target = _alias_target(records[name])
        if target is None:
            return TxtRecords(tuple(_texts(records[name])))
        name = target
    return LookupFailed("alias loop in the zone file")


def _alias_target(rdatas: list[dns.rdata.Rdata]) -> dns.name.Name | None:
    for rdata in rdatas:
        if isinstance(rdata, dns.rdtypes.ANY.CNAME.CNAME):
            target: dns.name.Name = rdata.target
            return target
    return None


def _texts(rdatas: list[dns.rdata.Rdata]) -> Iterator[bytes]:
    for rdata in rdatas:
        if isinstance(rdata, dns.rdtypes.ANY.TXT.TXT):
            yield b"".join(rdata.strings)


def _has_soa(rdatas: list[dns.rdata.Rdata]) -> bool:
    return any(rdata.rdtype == dns.rdatatype.SOA for rdata in rdatas)


def _parents_in_zone(
    name: dns.name.Name, apexes: set[dns.name.Name]
) -> list[dns.name.Name]:
    """List what lies above a name up to its zone's apex: all that exists, too."""
    parents = []
    while name != dns.name.root:
        name = name.parent()
        parents.append(name)
        if name in apexes:
            return parents
    return []


def _as_key(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()
