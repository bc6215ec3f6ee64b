"""Any texts make one field that is read as what they say, and nothing more."""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

import re
from collections.abc import Iterator

from mailman_arc.mailauth.authres import (
    MAX_FIELD_OCTETS,
    MethodResult,
    Property,
    claimed_authserv_id,
    normalize_authserv_id,
    parse_authentication_results,
)
from mailman_arc.mailauth.authres_writer import (
    MAX_PROPERTIES,
    MAX_VALUE_OCTETS,
    NAMELESS,
    format_results,
)
from mailman_arc.mailauth.message import read_message
from tests.fuzz.harness import BLANKS, ODD, PART, as_text, is_sampled, readings


SEEDS = (
    b"mx.example",
    PART.join([b"mx.example", b"dkim", b"pass", b"", b"good", b"header", b"d", b"a.b"]),
    PART.join(
        [b"a; b", b"x=y", b"none", b'"; dkim=pass', b"(;)\\", b"a", b"b", b"@\n"]
    ),
    PART.join([b"", b"", b"", b"\\", b"\\", b"", b"", b'\\"']),
)
WORDS = (
    b"mx.example", b"dkim", b"pass", b"none", b"header", b"d", b"a@b.example", b"@",
    b";", b"=", b".", b"/", b'"', b"\\", b"(", b")", b"; dkim=pass", b"\r\nFrom: x",
    b"reason=x", b"-", b"_", b"X" * 70, b"\xc3\xbc" * 40, "\u2028".encode(),
    "\u202e".encode(), "\u3000".encode(), "\u00ad".encode(), "\U000e0041".encode(),
    PART, PART, PART, PART, b" ", *BLANKS, *ODD,
)  # fmt: skip

TEXTS = 7  # of one result, as in the rows above


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        first, *texts = octets.split(PART)
        methods = list(results_from([as_text(text) for text in texts]))
        check_field(as_text(first), methods)


def results_from(texts: list[str]) -> Iterator[MethodResult]:
    for start in range(0, len(texts), TEXTS):
        row = [*texts[start : start + TEXTS], *[""] * TEXTS][:TEXTS]
        method, result, reason, comment, *one = row
        yield MethodResult(
            method, result, reason or None, (Property(*one),) * len(reason), comment
        )


def check_field(authserv_id: str, methods: list[MethodResult]) -> None:
    octets = format_results(authserv_id, methods)
    if is_sampled(octets):
        assert format_results(authserv_id, methods) == octets
    assert len(octets) <= MAX_FIELD_OCTETS
    assert max(map(len, octets.split(b"\r\n"))) <= 998
    message = read_message(b"A:" + octets + b"\r\n\r\n")
    assert [field.value for field in message.fields] == [octets]
    read = parse_authentication_results(octets)
    assert read.authserv_id == (shown(authserv_id) or NAMELESS)
    assert claimed_authserv_id(octets) == normalize_authserv_id(read.authserv_id)
    assert bool(read.methods) == bool(methods)
    for found, meant in zip(read.methods, methods, strict=False):
        check_result(found, meant)


def check_result(found: MethodResult, meant: MethodResult) -> None:
    assert found.method == keyword(meant.method)
    assert found.result == keyword(meant.result)
    assert found.reason == (None if meant.reason is None else shown(meant.reason))
    assert len(found.properties) == min(len(meant.properties), MAX_PROPERTIES)
    for one, other in zip(found.properties, meant.properties, strict=False):
        assert (one.ptype, one.name) == (keyword(other.ptype), keyword(other.name))
        assert one.value == shown(other.value)


def keyword(text: str) -> str:
    """The beginning of a word, with hyphens for what no word may contain."""
    letters = text[:64].lower().encode("ascii", "replace").decode()
    return re.sub(r"[^a-z0-9-]+", "-", letters).strip("-") or NAMELESS


def shown(text: str) -> str:
    """What is left of a text: no control characters, single spaces, not too long."""
    spaced = "".join(" " if char.isspace() else char for char in text)
    octets = re.sub(" +", " ", "".join(filter(str.isprintable, spaced))).encode()
    return octets.strip()[:MAX_VALUE_OCTETS].decode("utf-8", "ignore").rstrip()
