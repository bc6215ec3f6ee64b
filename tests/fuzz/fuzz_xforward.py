"""Any XFORWARD is read as attributes fit to be shown, or MalformedField."""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

import ipaddress

from mailman_arc.plugin.xforward import (
    MAX_VALUE_OCTETS,
    envelope_of,
    parse_xforward,
)
from tests.fuzz.harness import ODD, Refused, readings, steady


WORDS = (
    b"NAME=", b"ADDR=", b"PORT=", b"PROTO=", b"HELO=", b"IDENT=", b"SOURCE=", b"LOCAL",
    b"REMOTE", b"[UNAVAILABLE]", b"[TEMPUNAVAIL]", b"IPV6:", b"::1", b"192.0.2.1",
    b"::ffff:192.0.2.1", b"+", b"+0A", b"+c3", b"25", b"65536", b"=", b" ", b"x", *ODD,
)  # fmt: skip
SEEDS = (
    b"NAME=mx.author.example ADDR=192.0.2.10 PORT=59842 PROTO=ESMTP",
    b"HELO=mx.author.example IDENT=990812A21CD SOURCE=REMOTE",
    b"ADDR=IPV6:2001:db8::1 SOURCE=LOCAL",
    b"NAME=[UNAVAILABLE] addr=[tempunavail]",
    b"NAME=" + b"x" * 256,
    b"PORT=" + b"9" * 5000,
)


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        found = steady(parse_xforward, octets.decode("utf-8", "surrogateescape"))
        if isinstance(found, Refused):
            continue
        assert found
        for value in filter(None, found.values()):
            assert value.isascii()
            assert value.isprintable()
            assert len(value) <= MAX_VALUE_OCTETS
        envelope = envelope_of(found, "ann@author.example")
        if envelope.client_ip is not None:
            assert not ipaddress.ip_address(envelope.client_ip).is_loopback
