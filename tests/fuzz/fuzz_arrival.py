"""Any text is an arrival made here or MalformedField, and nobody can alter one."""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

import dataclasses

from mailman_arc.policy.arrival import (
    Arrival,
    Binding,
    format_arrival,
    parse_arrival,
    vouch,
    vouched_arrival,
)
from tests.fuzz.harness import ARRIVAL, BLANKS, ODD, Refused, as_text, readings, steady


BINDING = Binding(b"h" * 32, b"b" * 64)
SECRET = b"s" * 32
SEEDS = (
    format_arrival(ARRIVAL).encode(),
    format_arrival(dataclasses.replace(ARRIVAL, status="")).encode(),
    vouch(ARRIVAL, BINDING, SECRET).encode(),
    b'{"status":null,"results":[],"field":1,"summary":{},"chain":"","judged_at":1e999}',
    b"[" * 2000,
    b'{"judged_at":' + b"9" * 800 + b"}",
    # Two halves of a character, of which JSON makes one.
    b'{"status":"","results":"","field":"","summary":"","chain":"","good":"\\ud800\xc7",'
    b'"judged_at":1}',
    b"AAAA",
    b"\xc3\xbc",
)
WORDS = (
    *(b'"%s":"x",' % field.name.encode() for field in dataclasses.fields(ARRIVAL)),
    b"{", b"}", b"[", b"]", b'"', b":", b",", b'"status":"pass",', b'"status":"",',
    b'"judged_at":1', b"1", b"9" * 70, b"-", b"e", b".", b"null", b"true", b"NaN",
    b"Infinity", b"\\ud800", b"\\", b"AAAA", b"=", format_arrival(ARRIVAL).encode(),
    vouch(ARRIVAL, BINDING, SECRET).encode(), *BLANKS, *ODD,
)  # fmt: skip


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        # A record is made of ASCII; what is not is decoded like this in a voucher.
        check_text(octets.decode("utf-8", "replace"))
        check_vouched(as_text(octets))
    check_altered(data)


def check_text(text: str) -> None:
    arrival = steady(parse_arrival, text)
    if isinstance(arrival, Refused):
        return
    assert arrival.chain_status is None or arrival.chain_status == arrival.status
    again = format_arrival(arrival)
    assert again.isascii()
    assert parse_arrival(again) == arrival
    check_voucher(arrival)


def check_voucher(arrival: Arrival) -> None:
    text = vouch(arrival, BINDING, SECRET)
    found = vouched_arrival(text, BINDING, SECRET)
    assert (found.arrival, found.is_whole) == (arrival, True)
    other_body = Binding(BINDING.header, b"other")
    found = vouched_arrival(text, other_body, SECRET)
    assert (found.arrival, found.fits_header, found.fits_body) == (arrival, True, False)
    other_header = Binding(b"other", BINDING.body)
    found = vouched_arrival(text, other_header, SECRET)
    assert (found.arrival, found.fits_header, found.is_whole) == (arrival, False, False)
    assert isinstance(steady(vouched_arrival, text, BINDING, b"other"), Refused)


def check_vouched(text: str) -> None:
    found = steady(vouched_arrival, text, BINDING, SECRET)
    assert isinstance(found, Refused) or found.arrival == ARRIVAL


def check_altered(data: bytes) -> None:
    """Replace some of a good one by the input."""
    text = vouch(ARRIVAL, BINDING, SECRET)
    place = sum(data) % len(text)
    check_vouched(text[:place] + as_text(data) + text[place + len(data) :])
