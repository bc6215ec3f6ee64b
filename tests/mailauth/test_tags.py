from __future__ import annotations

import pytest

from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.tags import (
    MAX_TAGS,
    parse_base64,
    parse_colon_list,
    parse_number,
    parse_tag_list,
    unquote_printable,
)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (b"a=1", {"a": "1"}),
        (b" a = 1 ; b\t=\t2 ", {"a": "1", "b": "2"}),
        (b"a=1;\r\n b=2;\r\n\tc=3", {"a": "1", "b": "2", "c": "3"}),
        (b"a=1;", {"a": "1"}),  # one ";" may end the list
        (b"a=1; \r\n ", {"a": "1"}),
        (b"", {}),
        (b" \t", {}),
        (b"a=", {"a": ""}),  # empty is not absent
        (b"a= ;b=", {"a": "", "b": ""}),
        (b"a=b=c", {"a": "b=c"}),
        (b"a=x y", {"a": "x y"}),
        (b"a=x\r\n y", {"a": "x y"}),
        (b"a=1; A=2", {"a": "1", "A": "2"}),  # names are case-sensitive
        (b"a_1B=2", {"a_1B": "2"}),
        (b"a=(no comment)", {"a": "(no comment)"}),
        (b"d=b\xc3\xbccher.example", {"d": "b\u00fccher.example"}),
        (b"n=\xff", {"n": "\udcff"}),
    ],
)
def test_a_tag_list_is_read(value, expected):
    assert parse_tag_list(value) == expected


def test_tags_keep_their_order():
    assert list(parse_tag_list(b"z=1; a=2; m=3")) == ["z", "a", "m"]


@pytest.mark.parametrize(
    "value",
    [
        b";",
        b"; a=1",
        b"a=1;; b=2",
        b"a=1; ;",
        b"a",
        b"a=1; b",
        b"=1",
        b"==",
        b"1a=1",
        b"_a=1",
        b"a b=1",
        b"a-b=1",
        b"\xc3\xa4=1",
        b"a=1; a=1",
        b"a=1; a=2",
        b"a=1\x00",
        b"a=1\x7f",
        b"a=1\x0b",
        b"a=1\rb=2",
        b"a=1\nb=2",
        b"a=1\r\nb=2",
        b"(c) a=1",
    ],
)
def test_what_breaks_the_grammar_makes_the_whole_list_invalid(value):
    with pytest.raises(MalformedField):
        parse_tag_list(value)


@pytest.mark.parametrize("end", [b"", b";", b"; "])
def test_a_list_may_have_many_tags(end):
    value = b";".join(b"t%d=" % number for number in range(MAX_TAGS))
    assert len(parse_tag_list(value + end)) == MAX_TAGS


@pytest.mark.parametrize("end", [b"", b";"])
@pytest.mark.parametrize("more", [1, 2, 1000])
def test_a_list_has_a_limit(more, end):
    value = b";".join(b"t%d=" % number for number in range(MAX_TAGS + more))
    with pytest.raises(MalformedField, match="too many"):
        parse_tag_list(value + end)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("AA==", b"\x00"),
        ("AAAA", b"\x00\x00\x00"),
        ("+/+/", b"\xfb\xff\xbf"),
        (" A\tA\r\n = = ", b"\x00"),  # white space anywhere (RFC 6376 §2.10)
    ],
)
def test_base64_is_decoded(text, expected):
    assert parse_base64(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", " ", "A", "AA", "AAA", "AA=", "AAA==", "=AAA", "AA==AA==", "A===", "====",
        "AA-_", "A!AA", "AAA\u00e4", "AAA\udcff", "AA\x0b==", "AA\u00a0==", "AAAA=",
        "AAAA====",
    ],
)  # fmt: skip
def test_what_is_not_quite_base64_is_refused(text):
    with pytest.raises(MalformedField):
        parse_base64(text)


@pytest.mark.parametrize(
    ("text", "digits", "expected"),
    [("0", 1, 0), ("007", 3, 7), ("9" * 76, 76, int("9" * 76))],
)
def test_a_number_is_read(text, digits, expected):
    assert parse_number(text, digits) == expected


@pytest.mark.parametrize(
    "text", ["", "-1", "+1", "1 2", " 1", "1.0", "0x1", "1e3", "1_0", "\u0661", "12345"]
)
def test_what_is_not_quite_a_number_is_refused(text):
    with pytest.raises(MalformedField):
        parse_number(text, 4)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("from", ("from",)),
        ("from:to", ("from", "to")),
        (" FROM : \tSubject ", ("FROM", "Subject")),
        ("a::b", ("a", "", "b")),
        ("", ("",)),
    ],
)
def test_a_colon_list_is_split_without_white_space(text, expected):
    assert parse_colon_list(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("ann@author.example", "ann@author.example"),
        ("=40author.example", "@author.example"),
        ("a=3Bb=3D", "a;b="),
        ("a b\r\n c", "abc"),
        ("a= 3B", "a;"),
        ("=C3=BC", "\u00fc"),
        ("\u00fc=FF", "\u00fc\udcff"),
    ],
)
def test_quoted_printable_is_decoded(text, expected):
    assert unquote_printable(text) == expected


@pytest.mark.parametrize("text", ["=", "a=4", "=4g", "=3b", "==3B", "=\u0664\u0660"])
def test_what_is_not_quite_quoted_printable_is_refused(text):
    with pytest.raises(MalformedField):
        unquote_printable(text)
