"""Any value is Authentication-Results or MalformedField, and names one server.

What was read can be written and read again, and no field that is read as ours
passes for somebody else's.
"""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

from collections.abc import Iterator

from mailman_arc.mailauth.authres import (
    MAX_FIELD_OCTETS,
    MAX_RESULTS,
    AuthenticationResults,
    claimed_authserv_id,
    has_plain_authserv_id,
    normalize_authserv_id,
    parse_authentication_results,
    results_of,
)
from mailman_arc.mailauth.authres_writer import MAX_WORD_OCTETS, format_results
from mailman_arc.mailauth.message import read_message
from mailman_arc.policy.trust import Trust
from tests.fuzz.harness import BLANKS, ODD, Refused, as_field, readings, steady


SEEDS = (
    b" mx.example; none",
    b' mx.example 1;\r\n dkim=pass (good) reason="a;b" header.d=a.b header.b=AB+/;',
    b' "mx; x" (c) ; spf/1 = fail smtp.mailfrom=a@b.example; dmarc=pass action=none',
    b" (((mx.example;",
    b" mx.example; dkim=pass header.d= header.s=x; arc=none",
    b' "unclosed; dkim=pass',
    b" a; auth=pass; host.example",
    b".;a .;",
    b' "mx\r\n x"; dkim=pass (a\r\n b) reason="a\r\n b"',
    b"a; auth=" + b"u" * 70,
)
WORDS = (
    b"mx.example", b"mx.example;", b";", b";", b" ", b"=", b"=", b".", b"/", b"1", b"2",
    b"none", b"dkim=pass", b"spf", b"fail", b"reason=", b"header.d=", b"header", b"d",
    b"smtp.mailfrom=", b"a@b.example", b'"', b'"', b"\\", b"(", b")", b"(c)", b"@",
    b",", b"action=none", b"X", b"_", b"-", b"<", b">", b"[", b"]", b":",
    "\u00fc.example".encode(), "\u3002".encode(), "\u2028".encode(), b"  ", *BLANKS,
    *ODD,
)  # fmt: skip


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        field = as_field(b"Authentication-Results", octets)
        for value in {octets, field.value}:
            check_value(value)


def check_value(value: bytes) -> None:
    claimed = steady(claimed_authserv_id, value) or None
    results = steady(parse_authentication_results, value)
    if has_plain_authserv_id(value):
        head = value.partition(b";")[0].strip().decode()
        assert claimed == (normalize_authserv_id(head) or None)
    if len(value) < MAX_FIELD_OCTETS - 10:
        hidden = claimed_authserv_id(b" (a;(b\\)) c)\r\n\t" + value)
        assert (hidden or None) == claimed
    if isinstance(results, Refused):
        return
    assert claimed == (normalize_authserv_id(results.authserv_id) or None)
    assert Trust(results.authserv_id).is_forged(value)
    assert len(results.methods) <= MAX_RESULTS
    assert "\n" not in "".join(texts_of(results))
    check_written(results)
    check_found(results, value)


def texts_of(results: AuthenticationResults) -> Iterator[str]:
    yield results.authserv_id
    for method in results.methods:
        yield from (method.method, method.result, method.reason or "")
        yield method.comment or ""
        for one in method.properties:
            yield from (one.ptype, one.name, one.value)


def check_written(results: AuthenticationResults) -> None:
    octets = format_results(results.authserv_id, results.methods)
    again = parse_authentication_results(octets)
    for one, other in zip(again.methods, results.methods, strict=False):
        # Only the beginning of long words is written.
        word = other.result[:MAX_WORD_OCTETS].replace("_", "-").rstrip("-")
        assert one.result == word
    assert format_results(again.authserv_id, again.methods) == octets


def check_found(results: AuthenticationResults, value: bytes) -> None:
    field = as_field(b"Authentication-Results", value)
    if field.value == value:
        message = read_message(field.raw + b"\r\n\r\n")
        assert results_of(message, [results.authserv_id]) == (results,)
        assert results_of(message, [results.authserv_id + "x"]) == ()
