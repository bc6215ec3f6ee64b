from __future__ import annotations

import base64
import hashlib

import pytest

from mailman_arc.mailauth.canonical import (
    MAX_LENGTHS,
    BodyHashes,
    Canonicalization,
    canonical_body,
    canonical_field,
)
from mailman_arc.mailauth.message import Field, read_message
from tests.support.mail import relaxed_body, simple_body


SLICE = 1 << 16

EMPTY_SIMPLE = "frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY="
EMPTY_RELAXED = "47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU="
LETTER_A = "Jv/ViGJTkGo2p+oPbiYFb8NkcmJstIlLyxAKNNxp0ds="


def canonical(body: bytes, how: Canonicalization) -> bytes:
    return b"".join(canonical_body(body, how))


def hash_text(body: bytes, how: Canonicalization, limit: int | None = None) -> str:
    return base64.b64encode(BodyHashes(body).digest(how, limit).digest).decode()


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"SUBject:AbC", b"subject:AbC"),
        (b"Subject \t:\tfoo", b"subject:foo"),
        (b"B : Y\t\r\n\tZ  ", b"b:Y Z"),
        (b"A: X", b"a:X"),
        (b"X:\r\n ", b"x:"),
        (b"Subject:", b"subject:"),
        (b"Subject: ", b"subject:"),
        (b"Subject: a\t\r\n\t\tb \r\n  c", b"subject:a b c"),
        (b"X-Tab:\r\n\tfoo", b"x-tab:foo"),
        # Only SP and TAB are white space (RFC 6376 §2.8).
        (b"A: x \x0b y\x0c", b"a:x \x0b y\x0c"),
        (b"A:\x0b  x", b"a:\x0b x"),
        (b"A: x\r  y\r\n z", b"a:x\r y z"),
        (b"A: x\x1c \x1dy\xa0 ", b"a:x\x1c \x1dy\xa0"),
        (b"A: \x85x\xc2\xa0", b"a:\x85x\xc2\xa0"),
        (b"A: \x0b", b"a:\x0b"),
    ],
)
def test_a_relaxed_field(raw, expected):
    (field,) = read_message(raw + b"\r\n\r\n").fields
    made = Field(field.name, raw)
    assert [canonical_field(each, "relaxed") for each in (field, made)] == [
        expected,
        expected,
    ]


@pytest.mark.parametrize("raw", [b"Subject : x ", b"SUBject:AbC", b"A: x\r\n\t y"])
def test_a_simple_field_is_the_field(raw):
    (field,) = read_message(raw + b"\r\n\r\n").fields
    assert canonical_field(field, "simple") == raw


BODIES = [
    (b"", EMPTY_SIMPLE, EMPTY_RELAXED),
    (b"\r\n", EMPTY_SIMPLE, EMPTY_RELAXED),
    (b"\r\n\r\n\r\n", EMPTY_SIMPLE, EMPTY_RELAXED),
    (b" \r\n", "a99mtb8qROZYvqLuhmlasVCgbmAL9nzVzOJFrVSWLGE=", EMPTY_RELAXED),
    (b"A", LETTER_A, LETTER_A),
    (b"A\r\n", LETTER_A, LETTER_A),
    (b"A \r\n", "a50Q9bQJWIUOU3ZihvuIVgsZOCq/0wG1RFTk7CNbbc0=", LETTER_A),
    (b"A\r\n ", "adXGnu3YW3C6mKacx6CE6hT93Qd9XD8aPqMt5llEnh8=", LETTER_A),
    (b"A\r\n\r\n \t\r\n\r\n", "qgfGAF1/M0cXTH1a0qvKjh86XHbUDM2y42P6Gc7wX+U=", LETTER_A),
    (
        b"\r\n\r\nA\r\n",
        "up96yZ48MnUvi64EHK9YOVwC7YXzzJ6Jzgxuv1gLRUU=",
        "up96yZ48MnUvi64EHK9YOVwC7YXzzJ6Jzgxuv1gLRUU=",
    ),
    (
        b" A  B\t\tC \r\n",
        "oAetgU5u76kwofs/CXpWzEZhLDSoKTawC2NjwnJLOIc=",
        "bb7TEngwwMeFBgdlWbUZmia2qnBSMJbi49nqpADL33U=",
    ),
    (
        b" C \r\nD \t E\r\n\r\n\r\n",  # RFC 6376 §3.4.5
        "NOeivbQlDH9TmNKJUw7D53wZfsk8YMZ/hTuVVwTgi8s=",
        "unak6JHq0wL+Q1HP7dW1tjBx9FLA6DffoZ0qrLwbbpo=",
    ),
    (
        b"Hey gang,\r\nThis is a test message.\r\n--J.\r\n",  # RFC 8617 appendix B
        "KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYLQ=",
        "KWSe46TZKCcDbH4klJPo+tjk5LWJnVRlP5pvjXFZYLQ=",
    ),
    (
        b"A\rB\r\n",
        "gZqa6t1mOzfCJwdFLGOoxkFxRDlRLYIxIAge1Q5AlqY=",
        "gZqa6t1mOzfCJwdFLGOoxkFxRDlRLYIxIAge1Q5AlqY=",
    ),
]


@pytest.mark.parametrize(("body", "simple", "relaxed"), BODIES)
def test_the_hash_of_a_body(body, simple, relaxed):
    assert hash_text(body, "simple") == simple
    assert hash_text(body, "relaxed") == relaxed


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"A\r", b"A\r\r\n"),
        (b"A\r\r\n", b"A\r\r\n"),
        (b"A \r", b"A \r\r\n"),
        (b"A\r \r\n", b"A\r\r\n"),
        (b"A\r\n\r", b"A\r\n\r\r\n"),
        (b"A\r\n \r \r\n\r\n", b"A\r\n \r\r\n"),
        (b"\r", b"\r\r\n"),
        (b"A\x0b \r\n", b"A\x0b\r\n"),
        (b"A\x0c\r\n\x0b\r\n", b"A\x0c\r\n\x0b\r\n"),
        (b"\t\tA", b" A\r\n"),
    ],
)
def test_other_octets_than_sp_and_tab_are_content_of_a_relaxed_body(body, expected):
    assert canonical(body, "relaxed") == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"A\r", b"A\r\r\n"),
        (b"A\r\r\n\r\n", b"A\r\r\n"),
        (b"\r\r\n", b"\r\r\n"),
        (b"\r\n\r", b"\r\n\r\r\n"),
    ],
)
def test_a_bare_cr_is_content_of_a_simple_body(body, expected):
    assert canonical(body, "simple") == expected


# Around the border of a slice: `filler` and `seam` make a line that the border
# cuts somewhere in the seam.
SEAMS = [
    b"  ", b" \t ", b"a  b", b" \r\n", b"\r\n", b"\r\n\r\n", b" \r\n ", b"\t\r\n\t",
    b"\r", b" \r ", b"\r\r\n", b" \r\r\n ", b"x\r\n",
]  # fmt: skip


@pytest.mark.parametrize("end", [b"", b"b", b"b\r\n", b" \r\n\r\n", b"\r"])
@pytest.mark.parametrize("seam", SEAMS)
@pytest.mark.parametrize("start", [b"", b"first line\r\n"])
def test_nothing_depends_on_where_a_slice_ends(start, seam, end):
    for offset in range(-4, 3):
        body = start + b"x" * (SLICE - len(start) + offset) + seam + end
        assert canonical(body, "relaxed") == relaxed_body(body)
        assert canonical(body, "simple") == simple_body(body)


@pytest.mark.parametrize(
    "octets", [b" ", b"\t ", b"\r", b" \r", b"\r\n", b" \r\n", b"x"]
)
def test_a_long_run_of_anything_is_brought_to_the_same_form(octets):
    for count in (SLICE - 1, SLICE, SLICE + 1):
        body = octets * count
        for whole in (body, b"x" + body, body + b"x", b"x" + body + b"x"):
            assert canonical(whole, "relaxed") == relaxed_body(whole)
            assert canonical(whole, "simple") == simple_body(whole)


@pytest.mark.parametrize("how", ["simple", "relaxed"])
@pytest.mark.parametrize("body", [b"ab\r\ncd \r\n", b"x" * (SLICE + 10), b"", b"a\rb"])
def test_a_limit_cuts_the_canonical_body(how, body):
    whole = canonical(body, how)
    for limit in (0, 1, 3, len(whole) - 1, len(whole), len(whole) + 1, 10**70):
        if limit < 0:
            continue
        cut = BodyHashes(body).digest(how, limit)
        assert cut.digest == hashlib.sha256(whole[:limit]).digest()
        assert cut.length == len(whole)


def test_a_limit_of_nothing_hashes_nothing():
    assert hash_text(b"text\r\n", "simple", 0) == EMPTY_RELAXED
    assert hash_text(b"text\r\n", "relaxed", 0) == EMPTY_RELAXED


def test_a_body_is_hashed_once_for_each_form_and_limit():
    bodies = BodyHashes(b"text\r\n")
    first = bodies.digest("relaxed")
    assert bodies.digest("relaxed") is first
    assert bodies.digest("simple") is not first
    assert bodies.digest("relaxed", 3) is not first
    assert bodies.digest("relaxed", 3) is bodies.digest("relaxed", 3)


def test_the_number_of_limits_is_limited():
    bodies = BodyHashes(b"Hello list.\r\n")
    known = [bodies.digest("simple", limit) for limit in range(MAX_LENGTHS)]

    assert bodies.digest("simple", MAX_LENGTHS).digest == b""
    assert bodies.digest("simple", 0) == known[0]
    assert len(bodies.digest("simple").digest) == 32
