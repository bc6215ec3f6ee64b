"""Any From field has one author domain or a reason, however it is folded."""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

from mailman_arc.mailauth.author import Author, AuthorReason, find_author
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.message import Field, WireMessage, make_field
from tests.fuzz.harness import (
    BLANKS,
    ODD,
    Refused,
    as_field,
    is_sampled,
    readings,
    steady,
)


SEEDS = (
    b" Ann Author <ann@author.example>",
    b' "a@b.example" (c@d.example) <ann@author.example>, bob@author.example.',
    b" Group: a@b.example, c@B.example;",
    b" <@relay.example:ann@author.example>",
    b" ann@[127.0.0.1]",
    b" Ann, Author <ann@author.example>",
    b' "a b"@c.example',
    " \u00fc@b\u00fccher.example".encode(),
    b" =?utf-8?q?a=40b?= <x@y.example>",
)
WORDS = (
    b"a", b"ann@author.example", b"@", b"@", b"author.example", b"<", b">", b",", b";",
    b":", b".", b'"', b'"', b"\\", b"(", b")", b"[", b"]", b"<a@b.example>", b"Group:",
    b"=?utf-8?q?a=40b?=", b"b.example", "\u00fc.example".encode(), "\uff20".encode(),
    b" ", b"  ", *BLANKS, *ODD,
)  # fmt: skip


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        check_field(as_field(b"From", octets))


def check_field(field: Field) -> None:
    author = author_of(field)
    if is_sampled(field):
        assert author_of(field) == author
    assert (author.domain is None) == (author.reason is not None)
    if author.domain is not None:
        assert "." in author.domain
        assert not isinstance(steady(parse_domain, author.domain), Refused)
        assert parse_domain(author.domain) == author.domain
        assert b"@" in field.value
    check_folding(field, author)
    assert author_of(field, field).reason is AuthorReason.SEVERAL_FROM


def check_folding(field: Field, author: Author) -> None:
    if len(field.raw) > 2048:
        return
    refolded = field.value.replace(b"\r\n", b"").replace(b" ", b"\r\n ")
    assert author_of(make_field(b"From", refolded)) == author
    commented = make_field(b"From", b"(a@b.example) " + field.value + b" (c)")
    assert author_of(commented) == author
    if author.domain not in (None, "other.example"):
        several = make_field(b"From", field.value + b", <x@other.example>")
        assert author_of(several).reason is AuthorReason.SEVERAL_DOMAINS


def author_of(*fields: Field) -> Author:
    return find_author(WireMessage(fields, b""))
