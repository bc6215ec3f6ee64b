"""Received-SPF fields, as the RFC and as software writes them."""

from __future__ import annotations

import pytest
from hypothesis import example, given, strategies as st

from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.receivedspf import (
    MAX_FIELD_OCTETS,
    ReceivedSpf,
    parse_received_spf,
)
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.spf import SpfIdentity, SpfVerdict


# RFC 7208 §9.1, folded as there.
OF_THE_RFC = (
    b" pass (mybox.example.org: domain of\r\n"
    b" myname@example.com designates 192.0.2.1 as permitted sender)\r\n"
    b"    receiver=mybox.example.org; client-ip=192.0.2.1;\r\n"
    b'    envelope-from="myname@example.com"; helo=foo.example.com;'
)
# In the form of Debian's policy server for Postfix (spf-engine), names replaced.
OF_A_POLICY_SERVER = (
    b" Pass (mailfrom) identity=mailfrom;"
    b" client-ip=2001:db8::1; helo=mx.author.example;"
    b" envelope-from=ann@author.example; receiver=mx.lists.example"
)


def test_the_example_of_the_rfc_is_read():
    assert parse_received_spf(OF_THE_RFC) == ReceivedSpf(
        Result.PASS,
        receiver="mybox.example.org",
        envelope_from="myname@example.com",
    )


def test_the_form_of_a_policy_server_is_read():
    assert parse_received_spf(OF_A_POLICY_SERVER) == ReceivedSpf(
        Result.PASS,
        receiver="mx.lists.example",
        envelope_from="ann@author.example",
        identity="mailfrom",
    )


RESULTS = (
    (b"none", Result.NONE),
    (b"Neutral", Result.NEUTRAL),
    (b"PASS", Result.PASS),
    (b"fail", Result.FAIL),
    (b"SoftFail", Result.SOFTFAIL),
    (b"temperror", Result.TEMPERROR),
    (b"permerror", Result.PERMERROR),
    (b"error", Result.TEMPERROR),
    (b"unknown", Result.PERMERROR),
    (b" (a comment)\r\n\tpass (another (in) it)", Result.PASS),
)


@pytest.mark.parametrize(("value", "result"), RESULTS)
def test_the_result_is_read_in_any_case_and_in_its_older_words(value, result):
    assert parse_received_spf(value).result is result


PAIRS = (
    (b"receiver=mx.example", "mx.example"),
    (b'receiver="mx.example"', "mx.example"),
    (b'receiver="mx\\.example"', "mx.example"),
    (b"RECEIVER = mx.example ;", "mx.example"),
    (b"(c) receiver (c) = (c) mx.example (c)", "mx.example"),
    (b"helo=x receiver=mx.example", "mx.example"),
    (b"x=(a; receiver=b)c; receiver=mx.example", "mx.example"),
    (b'x="a; receiver=b"; receiver=mx.example', "mx.example"),
    (b"receiver=mx.example; receiver=mx.example", "mx.example"),
    (b"receiver=", ""),
    (b"receiver=;", ""),
    (b"", ""),
)


@pytest.mark.parametrize(("pairs", "receiver"), PAIRS)
def test_pairs_are_read_however_they_are_spaced_and_quoted(pairs, receiver):
    assert parse_received_spf(b"pass " + pairs).receiver == receiver


BROKEN = (
    b"",
    b" ",
    b";",
    b"passed",
    b"best-guess",
    b"=pass",
    b'"pass"',
    b"pass receiver",
    b"pass =x",
    b"pass receiver=a; receiver=b",
    b"pass (open",
    b'pass receiver="open',
    b"pass )",
    b"pass receiver=a\x00",
    b"pass " + b"(" * 50 + b")" * 50,
    b"pass x=" + b"x" * MAX_FIELD_OCTETS,
)


@pytest.mark.parametrize("value", BROKEN)
def test_what_can_be_read_in_two_ways_is_not_read(value):
    with pytest.raises(MalformedField):
        parse_received_spf(value)


VERDICTS = (
    ({}, "author.example"),
    ({"identity": "mailfrom"}, "author.example"),
    ({"envelope_from": "Author.EXAMPLE"}, "author.example"),
    ({"envelope_from": "<ann@author.example>"}, "author.example"),
    ({"envelope_from": '"a@b"@author.example'}, "author.example"),
    ({"identity": "helo"}, None),
    ({"identity": "pra"}, None),
    ({"envelope_from": ""}, None),
    ({"envelope_from": "<>"}, None),
    ({"envelope_from": "ann@"}, None),
    ({"envelope_from": "ann@not a domain"}, None),
)


@pytest.mark.parametrize(("changes", "domain"), VERDICTS)
def test_only_what_is_said_of_mail_from_is_a_verdict(changes, domain):
    field = ReceivedSpf(
        Result.PASS, **{"envelope_from": "ann@author.example", **changes}
    )

    expected = SpfVerdict(Result.PASS, SpfIdentity.MAIL_FROM, domain or "")
    assert field.verdict == (expected if domain else None)


@given(st.binary())
@example(b"pass receiver=\xff; envelope-from=\xc3\xa4@b\xc3\xbccher.example")
def test_any_octets_are_read_or_refused(value):
    try:
        found = parse_received_spf(value)
    except MalformedField:
        return
    assert found.verdict is None or found.verdict.domain.isascii()


@given(
    st.lists(
        st.sampled_from(
            [b"pass", b"(", b")", b'"', b"\\", b";", b"=", b" ", b"receiver", b"."]
        )
    ).map(b"".join)
)
def test_any_marks_are_read_or_refused(value):
    try:
        parse_received_spf(value)
    except MalformedField:
        return
    assert b"pass" in value
