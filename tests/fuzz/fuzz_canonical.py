"""Any field and body has one canonical form, wherever the slices end.

The forms are compared with a transcription of RFC 6376 §3.4.
"""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

import hashlib

from mailman_arc.mailauth.canonical import (
    BodyHashes,
    Canonicalization,
    canonical_body,
    canonical_field,
)
from mailman_arc.mailauth.message import Field
from tests.fuzz.harness import BLANKS, ODD, as_field, is_sampled, readings
from tests.support.mail import relaxed_body, relaxed_field, simple_body


SEEDS = (
    b"",
    b"\r\n\r\n",
    b"a  b \t\r\n c\r\n \r\n\r\n",
    b"a\r\r\n\r \r\n",
    b" \x0b \x0c \r\n",
    b"Hello \r\n\r\nBye.",
    b"\x00\x00\x02\x05\x00\x00\x00",  # as words: CR and LF on both sides of a border
)
WORDS = (
    b"a", b"bc", b" ", b"  ", b" \t ", b"\r\n", b"\r\n", b" \r\n", b"\r\n\r\n", b"\r ",
    b"\r\r\n", b"a \r", b".", *BLANKS, *ODD,
)  # fmt: skip

SLICE = 1 << 16  # how much of a body is looked at in one go
PADDING = b"x" * SLICE
BLANK_ENDS = (b"\r\n", b" ", b" \r\n", b"\t\r\n")


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        check_field(as_field(b"Subject", octets))
        check_body(octets)
        check_digest(octets, len(data))
    # Long bodies take long.
    if data in SEEDS or is_sampled(data, one_in=32):
        check_borders(octets)


def check_field(field: Field) -> None:
    assert canonical_field(field, "simple") == field.raw
    relaxed = canonical_field(field, "relaxed")
    assert relaxed == relaxed_field(field.raw)
    assert canonical_field(Field(field.name, relaxed), "relaxed") == relaxed


def check_body(body: bytes) -> None:
    simple, relaxed = joined(body, "simple"), joined(body, "relaxed")
    assert simple == simple_body(body)
    assert relaxed == relaxed_body(body)
    assert joined(simple, "simple") == simple
    assert joined(relaxed, "relaxed") == relaxed
    assert joined(simple, "relaxed") == relaxed


def check_digest(body: bytes, limit: int) -> None:
    bodies = BodyHashes(body)
    whole = simple_body(body)
    for length in (limit, 0, None):
        found = bodies.digest("simple", length)
        assert found.digest == hashlib.sha256(whole[:length]).digest()
        assert found.length == len(whole)


def check_borders(octets: bytes) -> None:
    """Let a border of slices, and one from the end, fall into the octets."""
    middle = len(octets) // 2
    start = PADDING[middle:]
    assert joined(start + octets, "relaxed") == start[:-1] + relaxed_body(b"x" + octets)
    assert joined(start + octets, "simple") == start[:-1] + simple_body(b"x" + octets)
    blank = BLANK_ENDS[len(octets) % len(BLANK_ENDS)]
    end = blank * ((SLICE - middle) // len(blank))
    assert joined(octets + end, "relaxed") == relaxed_body(octets + blank)
    end = b"\r\n" * ((SLICE - middle) // 2)
    assert joined(octets + end, "simple") == simple_body(octets + b"\r\n")


def joined(body: bytes, how: Canonicalization) -> bytes:
    return b"".join(canonical_body(body, how))
