"""Any record is a DMARC policy or MalformedField, the same each time."""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

from mailman_arc.mailauth.dmarcrecord import (
    Alignment,
    DmarcRecord,
    Policy,
    PublicSuffix,
    parse_dmarc_record,
)
from tests.fuzz.harness import DMARC_WORDS, Refused, readings, steady


WORDS = DMARC_WORDS
SEEDS = (
    b"v=DMARC1; p=reject; sp=none; np=quarantine; adkim=s; aspf=r; psd=n; t=y",
    b"v=DMARC1; p=bad; rua=mailto:a@b.example!10m, x",
    b"v = DMARC1 ;p",
    b"v=DMARC1;;P=Reject;p=none",
    b"v=DMARC1; rua=a:" + b"!" * 100,
)


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        record = steady(parse_dmarc_record, octets)
        if isinstance(record, Refused):
            assert not octets.startswith((b"v=DMARC1;", b"v=DMARC1 ;"))
            continue
        assert b"DMARC1" in octets
        if record.policy is None:
            assert record.subdomain_policy is record.nonexistent_policy is None
        assert parse_dmarc_record(written(record)) == record
        assert parse_dmarc_record(octets + b";") == record


def written(record: DmarcRecord) -> bytes:
    tags = {
        "p": record.policy or "unreadable",
        "sp": record.subdomain_policy,
        "np": record.nonexistent_policy,
        "adkim": record.dkim_alignment,
        "aspf": record.spf_alignment,
        "psd": record.public_suffix,
        "t": "y" if record.is_test else "n",
    }
    for word, kind in (
        ("adkim", Alignment),
        ("aspf", Alignment),
        ("psd", PublicSuffix),
    ):
        assert isinstance(tags[word], kind)
    assert {tags["p"], tags["sp"], tags["np"]} <= {*Policy, None, "unreadable"}
    return "; ".join(
        ["v=DMARC1", *(f"{tag}={word}" for tag, word in tags.items() if word)]
    ).encode()
