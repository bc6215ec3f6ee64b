from __future__ import annotations

import pytest

from mailman_arc.mailauth.domains import is_same_or_subdomain, parse_domain
from mailman_arc.mailauth.errors import MalformedField


LONGEST_LABEL = "x" * 63
LONGEST_NAME = ".".join([LONGEST_LABEL] * 3 + ["x" * 61])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("author.example", "author.example"),
        ("Author.EXAMPLE", "author.example"),
        ("a.b.c.example", "a.b.c.example"),
        ("s1", "s1"),
        ("2026._selector.x_y", "2026._selector.x_y"),
        ("a--b.example", "a--b.example"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("b\u00fccher.example", "xn--bcher-kva.example"),
        ("B\u00dcCHER.example", "xn--bcher-kva.example"),
        (LONGEST_NAME, LONGEST_NAME),
    ],
)
def test_a_name_is_brought_to_lower_case_a_labels(text, expected):
    assert parse_domain(text) == expected


@pytest.mark.parametrize(
    "text",
    [
        "", ".", "author.example.", ".author.example", "author..example",
        "-a.example", "a-.example", "***", "a b.example", "a@b.example", "a/b",
        "a\x00.example", "a.example\n", "[192.0.2.1]", LONGEST_LABEL + "x.example",
        LONGEST_NAME + "x", "x." * 1000, "\u00fc" * 64 + ".example",
        "b\u00fccher..example", "b\u00fccher.example.", "b\u00fc cher.example",
        "\u2100.example", "\u0627a.example", "\udcff.example", "b\ufffd.example",
        "\u00fc" * 2000,
    ],
)  # fmt: skip
def test_what_the_dns_cannot_be_asked_is_refused(text):
    with pytest.raises(MalformedField):
        parse_domain(text)


@pytest.mark.parametrize(
    ("name", "parent", "expected"),
    [
        ("example.com", "example.com", True),
        ("mail.example.com", "example.com", True),
        ("a.b.example.com", "example.com", True),
        ("evilexample.com", "example.com", False),
        ("example.com", "mail.example.com", False),
        ("example.com.evil.example", "example.com", False),
    ],
)
def test_a_subdomain_is_found_label_by_label(name, parent, expected):
    assert is_same_or_subdomain(name, parent) is expected
