from __future__ import annotations

import pytest

from mailman_arc.mailauth.message import (
    MAX_HEADER_OCTETS,
    Field,
    make_field,
    read_message,
    to_crlf,
)


def raws(octets: bytes) -> list[bytes]:
    return [field.raw for field in read_message(octets).fields]


def test_the_first_empty_line_belongs_to_neither_header_nor_body():
    message = read_message(b"A: 1\r\nB: 2\r\n\r\nbody\r\n\r\nmore")
    assert message.fields == (Field(b"a", b"A: 1"), Field(b"b", b"B: 2"))
    assert message.body == b"body\r\n\r\nmore"


@pytest.mark.parametrize("octets", [b"A: 1", b"A: 1\r\n", b"A: 1\r\n\r\n"])
def test_a_message_without_a_body_has_an_empty_one(octets):
    message = read_message(octets)
    assert message.fields == (Field(b"a", b"A: 1"),)
    assert message.body == b""


@pytest.mark.parametrize("octets", [b"\r\nbody", b"\nbody"])
def test_a_message_that_starts_with_an_empty_line_is_all_body(octets):
    message = read_message(octets)
    assert message.fields == ()
    assert message.body == b"body"


def test_no_octets_are_a_message_too():
    message = read_message(b"")
    assert (message.fields, message.body) == ((), b"")


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        (b"A: 1\r\n 2\r\n\t3\r\nB: 4", [b"A: 1\r\n 2\r\n\t3", b"B: 4"]),
        (b"A:\r\n \r\nB: 4", [b"A:\r\n ", b"B: 4"]),
        (b"A: \x00\r\n 2\r\nB: \x00", [b"A: \x00\r\n 2", b"B: \x00"]),
        (b"A: 1\rB: 2", [b"A: 1\rB: 2"]),  # a bare CR ends no line
        (b"A: \xff\xfe", [b"A: \xff\xfe"]),
        (b"A:x", [b"A:x"]),
        (b"A:  x \t", [b"A:  x \t"]),
        (b"A: 1\r\nA: 1", [b"A: 1", b"A: 1"]),
    ],
)
def test_a_field_keeps_its_octets(header, expected):
    assert raws(header + b"\r\n\r\nbody") == expected


@pytest.mark.parametrize(
    "line",
    [
        b"no colon here",
        b"no colon here\r\n but: a continuation",
        b"From ann@author.example Mon Jan  5 10:00:00 2026",
        b">From ann@author.example Mon Jan  5 10:00:00 2026",
        b" starts: with white space",
        b"N\xc3\xa4me: not ASCII",
        b"two words: here",
        b": no name",
        b"N\x00: no printable name",
    ],
)
def test_a_line_that_is_no_field_is_left_out_and_nothing_else(line):
    assert raws(line + b"\r\nB: 2\r\n\r\n") == [b"B: 2"]


@pytest.mark.parametrize(
    "raw", [b"SUBject: x", b"SubJect : x", b"SUBJECT\t :x", b"subject:x"]
)
def test_a_name_is_compared_in_lower_case_without_white_space(raw):
    assert read_message(raw + b"\r\n\r\n").named(b"subject") == [Field(b"subject", raw)]


def test_a_value_is_all_that_stands_after_the_first_colon():
    assert Field(b"a", b"A : b:c\r\n d").value == b" b:c\r\n d"


def test_a_made_field_reads_back_as_itself():
    field = make_field(b"ARC-Seal", b" i=1;\r\n b=")
    assert read_message(field.raw + b"\r\n\r\n").fields == (field,)


def test_fields_of_a_name_come_from_the_top():
    message = read_message(b"A: 1\r\nB: 2\r\na: 3\r\na: 4\r\n\r\n")
    assert [field.value for field in message.named(b"a")] == [b" 1", b" 3", b" 4"]
    where = {name: list(places) for name, places in message.positions.items()}
    assert where == {b"a": [0, 2, 3], b"b": [1]}
    assert message.named(b"c") == []


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"", b""),
        (b"a\r\nb\r\n", b"a\r\nb\r\n"),
        (b"a\nb\n", b"a\r\nb\r\n"),
        (b"a\nb\r\nc", b"a\r\nb\r\nc"),
        (b"\n\n", b"\r\n\r\n"),
        (b"a\rb", b"a\rb"),
        (b"a\r\r\nb\n\r", b"a\r\r\nb\r\n\r"),
    ],
)
def test_bare_lf_becomes_crlf_and_bare_cr_stays(octets, expected):
    assert to_crlf(octets) == expected


def test_octets_in_wire_form_are_not_copied():
    octets = b"a\r\nb\r\n"
    assert to_crlf(octets) is octets


def test_local_line_ends_make_the_same_message():
    wire = b"A: 1\r\n 2\r\n\r\nbody\r\n\r\nmore\r\n"
    assert read_message(wire.replace(b"\r\n", b"\n")) == read_message(wire)


def test_a_header_is_read_up_to_its_limit():
    header = b"A: " + b"x" * (MAX_HEADER_OCTETS - 3)
    message = read_message(header + b"\r\n\r\nbody")
    assert (len(message.fields), message.header_too_long) == (1, False)


def test_a_header_beyond_the_limit_is_not_looked_into():
    header = b"A: " + b"x" * (MAX_HEADER_OCTETS - 2)
    message = read_message(header + b"\r\n\r\nbody")
    assert (message.fields, message.header_too_long) == ((), True)
    assert message.body == b"body"


@pytest.mark.parametrize(
    ("octets", "body"),
    [
        (b"A: b\r\n\nbody\n\r\n\r\n", b"body\n\r\n\r\n"),
        (b"A: b\r\nC: d\n\r\nbody\n", b"body\n"),
        (b"A: b\r\nC: d\nE: f\r\n\r\nbody\n", b"body\n"),
        (b"A: b\r\nC: d\n", b""),
    ],
)
def test_a_bare_lf_ends_a_line_of_the_header_only(octets, body):
    message = read_message(octets)

    assert message.body == body
    assert all(b"\n" not in field.raw for field in message.fields)
