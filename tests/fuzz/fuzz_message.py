"""Any octets are a message whose pieces join back to it, line by line.

The reader is compared with one that goes through the header a line at a time.
"""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

import re

from mailman_arc.mailauth.message import (
    MAX_HEADER_OCTETS,
    make_field,
    read_message,
    to_crlf,
)
from tests.fuzz.harness import BLANKS, ODD, POSTS, is_sampled, readings


SEEDS = (
    *POSTS,
    b"",
    b"\r\n\r\nbody",
    b"From ann Mon Jan  5 10:00:00 2026\nFrom: a\n\nbody\n",
    b"From : a\nno field\n b\n: c\n\n",
    b"A:\x00\r\n b\r\n\x00 c",
    b" a: b\r\n c\r\n",
    b"A: b\r\nC: d\n e\r\n\r\nbody\n\r\n\r\n\n",
    b"A: b\r\n\nbody\n\r\n\r\n",
)
WORDS = (
    b"a", b"From", b"From ", b"From:", b":", b"::", b"a:", b"\r\n\r\n", b"\n\n",
    b"\r\n \r\n", b"\x00 ", b"\x00\t", b"\r\na:b", b"\r\nno field", *BLANKS, *ODD,
)  # fmt: skip


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        check_line_ends(octets)
        check_message(octets)


def check_line_ends(octets: bytes) -> None:
    wire = to_crlf(octets)
    pieces = octets.split(b"\r\n")
    assert wire == b"\r\n".join(each.replace(b"\n", b"\r\n") for each in pieces)
    assert to_crlf(wire) == wire


def check_message(octets: bytes) -> None:
    message = read_message(octets)
    if is_sampled(octets):
        assert read_message(octets) == message
    lines, body = expected_lines(octets)
    assert message.body == body
    if message.header_too_long:
        assert len(octets) > MAX_HEADER_OCTETS // 2
        return
    fields = message.fields
    assert [field.raw for field in fields] == [line for line in lines if is_field(line)]
    assert message.has_odd_lines == (len(fields) < len(lines))
    for field in fields:
        name, _, value = field.raw.partition(b":")
        assert field.name == name.rstrip(b" \t").lower()
        assert make_field(name, value).raw == field.raw
    names = {field.name for field in fields}
    assert sum(len(message.named(name)) for name in names) == len(fields)
    assert read_message(to_crlf(octets)).fields == fields
    if fields:
        header = b"".join(field.raw + b"\r\n" for field in fields)
        again = read_message(header + b"\r\n" + body)
        assert (again.fields, again.body) == (fields, body)


def expected_lines(octets: bytes) -> tuple[list[bytes], bytes]:
    """The lines of the header, folded ones as one, and the body."""
    first, end, _ = octets.partition(b"\n")
    if end and not first.endswith(b"\r"):
        octets = to_crlf(octets)
    lines: list[bytes] = []
    while octets:
        line, end, octets = octets.partition(b"\n")
        line = line.removesuffix(b"\r") if end else line
        if not line:
            break
        if lines and line.startswith((b" ", b"\t")):
            lines[-1] += b"\r\n" + line
        else:
            lines.append(line)
    if lines and lines[0].startswith(b"From ") and not is_field(lines[0]):
        # What was folded below the envelope's line is left.
        lines[:1] = lines[0].split(b"\r\n", 1)[1:]
    return lines, octets


def is_field(line: bytes) -> bool:
    return re.match(rb"[\x21-\x39\x3b-\x7e]+[ \t]*:", line) is not None
