"""Any octets are a tag list or MalformedField, the same each time.

So it is with base64, numbers, colon lists and dkim-quoted-printable.  A tag
list is compared with a transcription of RFC 6376 §3.2.
"""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

import re

from mailman_arc.mailauth.tags import (
    MAX_TAGS,
    parse_base64,
    parse_colon_list,
    parse_number,
    parse_tag_list,
    unquote_printable,
)
from tests.fuzz.harness import BLANKS, ODD, Refused, as_text, readings, steady


SEEDS = (
    b"v=1; a=rsa-sha256;\r\n b=AAAA",
    b"AAA=",
    b"a : b",
    b"=41@a=C3=BC.example",
    b"123456789012",
    "\u0661\u0662".encode(),
    b"a=1;\xff\x80",
)
WORDS = (
    b"a", b"b", b"bh", b"=", b"=", b";", b";", b":", b"v=1;", b"1", b"9", b"_", b"A",
    b"=41", b"=C3", b"=BC", b"=0", b"AAAA", b"AA==", b"AAA=", b"+/", *BLANKS, *ODD,
    b"\xd9\xa1", b"a=b;c=d;",
)  # fmt: skip


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        check_tag_list(octets)
        check_base64(as_text(octets))
        check_number(as_text(octets))
        check_colon_list(as_text(octets))
        check_quoted_printable(as_text(octets))


def check_tag_list(octets: bytes) -> None:
    tags = steady(parse_tag_list, octets)
    expected = expected_tags(octets)
    if isinstance(tags, Refused):
        assert expected is None
        return
    assert tags == expected
    again = "; ".join(f"{name}={value}" for name, value in tags.items())
    assert parse_tag_list(again.encode("utf-8", "surrogateescape")) == tags


def expected_tags(octets: bytes) -> dict[str, str] | None:
    unfolded = re.sub(rb"\r\n([ \t])", rb"\1", octets)
    if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", unfolded):
        return None
    *pieces, last = unfolded.split(b";")
    if last.strip(b" \t"):
        pieces.append(last)
    tags = {}
    for piece in pieces:
        found = re.fullmatch(rb"[ \t]*([A-Za-z]\w*)[ \t]*=(.*)", piece, re.DOTALL)
        if found is None or as_text(found[1]) in tags:
            return None
        tags[as_text(found[1])] = as_text(found[2].strip(b" \t"))
    return tags if len(tags) <= MAX_TAGS else None


def check_base64(text: str) -> None:
    octets = steady(parse_base64, text)
    packed = re.sub(r"[ \t\r\n]", "", text)
    good = re.fullmatch(
        r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}(?:==|[A-Za-z0-9+/]=))?", packed
    )
    if isinstance(octets, Refused):
        assert not (packed and good)
    else:
        assert packed
        assert good
        assert len(octets) == len(packed) // 4 * 3 - packed.count("=")


def check_number(text: str) -> None:
    number = steady(parse_number, text, 12)
    if isinstance(number, Refused):
        assert len(text) > 12 or not re.fullmatch(r"[0-9]+", text)
    else:
        assert f"{number:0{len(text)}}" == text


def check_colon_list(text: str) -> None:
    parts = steady(parse_colon_list, text)
    assert parse_colon_list(" : ".join(parts)) == parts
    assert len(parts) == text.count(":") + 1


def check_quoted_printable(text: str) -> None:
    plain = steady(unquote_printable, text)
    if isinstance(plain, Refused):
        assert "=" in text
        return
    octets = plain.encode("utf-8", "surrogateescape")
    assert unquote_printable("".join(f"={octet:02X}" for octet in octets)) == plain
    if "=" not in text:
        packed = re.sub(r"[ \t\r\n]", "", text)
        assert octets == packed.encode("utf-8", "surrogateescape")
