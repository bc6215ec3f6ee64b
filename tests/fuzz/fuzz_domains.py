"""Any text is a name that the DNS can be asked for, or MalformedField."""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

import re

from mailman_arc.mailauth.domains import is_same_or_subdomain, parse_domain
from tests.fuzz.harness import BLANKS, ODD, Refused, as_text, readings, steady


SEEDS = (
    b"author.example",
    b"_dmarc.A.example",
    "b\u00fccher.example".encode(),
    "\uff41\u3002example".encode(),
    b"xn--bcher-kva.example",
    b"a" * 63 + b"." + b"b" * 64,
    b"a..b",
    b"-a.b",
    "\u0130.example".encode(),
)
WORDS = (
    b"a", b"Z", b"0", b"-", b"_", b".", b".", b"xn--", b"xn--a", b"example", b"a.",
    "\u00fc".encode(), "\u00df".encode(), "\u3002".encode(), "\uff0e".encode(),
    "\u0130".encode(), "\u0301".encode(), "\u200d".encode(), "\u212a".encode(),
    "\u05d0".encode(), "\U0001f600".encode(), b"a" * 61, *BLANKS, *ODD,
)  # fmt: skip


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        text = as_text(octets)
        name = steady(parse_domain, text)
        if isinstance(name, Refused):
            continue
        assert parse_domain(name) == name
        assert len(name) <= 253
        for label in name.split("."):
            assert re.fullmatch(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?", label)
        if text.isascii():
            assert name == text.lower()
            assert parse_domain(text.upper()) == name
        parent = name.partition(".")[2]
        assert is_same_or_subdomain(name, parent or name)
        assert not is_same_or_subdomain(parent, name)
