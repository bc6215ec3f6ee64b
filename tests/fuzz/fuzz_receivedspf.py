"""Any Received-SPF is read as one result or MalformedField, the same each time."""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

from mailman_arc.mailauth.receivedspf import ReceivedSpf, parse_received_spf
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.spf import SpfIdentity
from tests.fuzz.harness import BLANKS, ODD, Refused, readings, steady


WORDS = (
    b"pass", b"fail", b"softfail", b"error", b"unknown", b"hardfail", b"receiver=",
    b"envelope-from=", b"identity=", b"client-ip=", b"helo=", b"mailfrom",
    b"mx.example", b"ann@author.example",
    b"<>", b"\"", b"(", b")", b"\\", b";", b"=", b"@", b"x",
    *BLANKS, *ODD,
)  # fmt: skip
SEEDS = (
    b" pass (mx.example: domain of ann@author.example designates 192.0.2.1 as permitted"
    b" sender) receiver=mx.example; client-ip=192.0.2.1;"
    b' envelope-from="ann@author.example"; helo=a.example;',
    b" error receiver=a; receiver=b",
    b" fail identity=HELO; envelope-from=<>",
    b" none (" * 50,
)


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        found = steady(parse_received_spf, octets)
        if isinstance(found, Refused):
            continue
        assert isinstance(found, ReceivedSpf)
        assert isinstance(found.result, Result)
        verdict = found.verdict
        if verdict is not None:
            assert verdict.identity is SpfIdentity.MAIL_FROM
            assert verdict.result is found.result
