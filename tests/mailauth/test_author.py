from __future__ import annotations

import time

import pytest
from hypothesis import given, strategies as st

from mailman_arc.mailauth.author import (
    MAX_FROM_OCTETS,
    Author,
    AuthorReason,
    find_author,
)
from mailman_arc.mailauth.message import read_message


def author_of(value: str | bytes) -> Author:
    octets = value if isinstance(value, bytes) else value.encode()
    return find_author(
        read_message(b"To: c@to.example\r\nFrom: " + octets + b"\r\n\r\n")
    )


@pytest.mark.parametrize(
    "value",
    [
        "a@x.example",
        "A@X.Example",
        "a@x.example.",
        "<a@x.example>",
        "Ann <a@x.example>",
        "Ann\r\n\t<a@x.example>",
        '"a@other.example" <a@x.example>',
        "a@other.example <a@x.example>",
        '"<a@other.example>" <a@x.example>',
        r'"\" <a@other.example>" <a@x.example>',
        "Ann (a@other.example) <a@x.example>",
        "(<a@other.example>,) a@x.example (b@other.example)",
        r"(\) a@other.example (nested)) a@x.example",
        '"a@other.example"@x.example',
        '"a <b>, c"@x.example',
        "a (c) @ (c) x . (c) example",
        "a.b.@x.example",
        "=?utf-8?q?a=40other.example?= <a@x.example>",
        "=?utf-8?q?Doe,_Ann?= <a@x.example>",
        "Doe, Ann <a@x.example>",
        "Ann [list] <a@x.example>",
        "Re: Ann <a@x.example>",
        "Ännchen <a@x.example>",
        "Friends: a@x.example, Bob <b@x.example>;",
        "a@x.example, b@X.EXAMPLE",
        "a@x.example,, b@x.example,",
        "<mailto:a@x.example>",
    ],
)
def test_the_author_domain_is_that_of_the_address(value):
    assert author_of(value) == Author("x.example")


def test_raw_eight_bit_names_do_not_disturb():
    assert author_of(b"J\xf6rg \xff\xe2\x82 <a@x.example>") == Author("x.example")


@pytest.mark.parametrize("value", ["a@Bücher.example", "<a@xn--bcher-kva.example>"])
def test_an_international_domain_is_given_as_a_labels(value):
    assert author_of(value) == Author("xn--bcher-kva.example")


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Ann",
        "Friends:;",
        "undisclosed-recipients:;",
        "a@",
        "@x.example",
        "<>",
        "Ann <>",
        "Ann <a@x.example",
        "Ann a@x.example>",
        "<a@x.example> Ann",
        "<a@x.example> <b@x.example>",
        "<<a@x.example>>",
        "<@r.example:a@x.example>",
        "a@b@x.example",
        "<a@x.example, b@x.example>",
        "Ann a@x.example",
        "a@x.example b",
        "a@x.example b@x.example",
        "a@x example",
        "a@localhost",
        "a@[192.0.2.1]",
        "[a]@x.example",
        'a@"x.example"',
        "a@x..example",
        "a@-x.example",
        "a@x.exam\x00ple",
        "a@x.example\\",
        "a@other.example: b@x.example;",
        '"Ann <a@x.example>',
        "(Ann a@x.example",
        "Ann) a@x.example",
        "Ann [x a@x.example",
        "Ann x] a@x.example",
        "a@x.example, b@localhost",
    ],
)
def test_what_is_no_address_to_everybody_gives_no_author_domain(value):
    assert author_of(value) == Author(None, AuthorReason.UNUSABLE)


def test_an_invalid_octet_in_a_domain_is_unusable():
    assert author_of(b"a@x\xff.example") == Author(None, AuthorReason.UNUSABLE)


@pytest.mark.parametrize(
    "value",
    [
        "a@x.example, b@y.example",
        "Friends: a@x.example, b@y.example;",
        "a@x.example, <b@sub.x.example>",
    ],
)
def test_several_domains_are_one_too_many(value):
    assert author_of(value) == Author(None, AuthorReason.SEVERAL_DOMAINS)


def test_a_message_without_from_has_no_author():
    message = read_message(b"To: a@x.example\r\n\r\nFrom: a@x.example\r\n")

    assert find_author(message) == Author(None, AuthorReason.NO_FROM)


def test_two_from_fields_are_one_too_many():
    message = read_message(b"From: a@x.example\r\nfrom: a@x.example\r\n\r\n")

    assert find_author(message) == Author(None, AuthorReason.SEVERAL_FROM)


def test_a_from_field_longer_than_the_limit_is_unusable():
    value = b"a@x.example" + b" " * MAX_FROM_OCTETS

    assert author_of(value) == Author(None, AuthorReason.UNUSABLE)


@given(st.binary())
def test_any_octets_give_a_domain_or_a_reason(value):
    author = author_of(value)

    assert (author.domain is None) != (author.reason is None)


@given(st.text(alphabet='ab.@<>,:;"\\()[] \r\n', max_size=40))
def test_an_address_in_a_quoted_name_never_becomes_the_author(name):
    quoted = name.replace("\\", "\\\\").replace('"', '\\"').replace("\r", "")
    quoted = quoted.replace("\n", "")

    assert author_of(f'"{quoted}" <a@x.example>') == Author("x.example")


@pytest.mark.parametrize(
    "hostile",
    [
        "(",
        "()",
        '"',
        '\\"',
        "<",
        ",",
        "a@b.c,",
        "@",
        "[",
        "[]",
        ".",
        ":",
        "a:",
        "a ",
        "é.",
    ],
)
def test_time_is_linear_in_the_size_of_a_hostile_field(hostile):
    value = (hostile * MAX_FROM_OCTETS)[: MAX_FROM_OCTETS - 1]
    began = time.process_time()

    author_of(value)
    author_of(b"a@" + value.encode()[: MAX_FROM_OCTETS - 3])

    assert time.process_time() - began < 2
