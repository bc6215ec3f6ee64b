"""Whose Authentication-Results are believed, and which are forged."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from mailman_arc.mailauth.authres import MAX_FIELDS
from mailman_arc.mailauth.message import read_message
from mailman_arc.policy.trust import (
    MAX_HEAD_OCTETS,
    Trust,
    believed_received_spf,
    believed_results,
)
from tests.support.mail import POST


TRUST = Trust("lists.example", frozenset({"mx1.lists.example", "MX2.lists.example"}))
OWN_TOO = Trust("lists.example", frozenset({"lists.example"}))
INTERNATIONAL = Trust("b\xfccher.example", frozenset({"mx.b\xfccher.example"}))

# Ways to write the id `lists.example`.
SPELLINGS = (
    b" lists.example; dkim=pass",
    b"lists.example;dkim=pass",
    b" LISTS.Example; dkim=pass",
    b" lists.example 1; dkim=pass",
    b' "lists.example"; dkim=pass',
    b' "lists\\.example"; dkim=pass',
    b" (a comment) lists.example (another); dkim=pass",
    b" (one (in) another)\r\n lists.example; dkim=pass",
    b"\r\n\tlists.example\r\n ; dkim=pass",
    b" lists.example.; dkim=pass",
    b" lists.example; none",
)
# Ways to write it that no reader should take, but one might.
BROKEN_SPELLINGS = (
    b" lists.example",
    b" lists.example;",
    b" lists.example 2; dkim=pass",
    b" lists.example/1; dkim=pass",
    b" lists.example dkim=pass",
    b" lists.example; dkim=pass (open",
    b' lists.example; dkim="pass',
    b' "lists.example; dkim=pass',
    b" ;lists.example; dkim=pass",
    b" <lists.example>; dkim=pass",
    b" \x00lists.example; dkim=pass",
    b" lists\x01.example; dkim=pass",
    b" lists.example; \xff",
    b" lists.example;" + b" dkim=pass;" * 2000,
)
OTHERS = (
    b"",
    b" ;",
    b" \r\n ",
    b" (lists.example)",
    b" other.example; dkim=pass",
    b" mx.lists.example; dkim=pass",
    b" lists.example.org; dkim=pass",
    b" xlists.example; dkim=pass",
    b" other.example (lists.example); dkim=pass",
    b" other.example; dkim=pass header.d=lists.example",
)


@pytest.mark.parametrize("value", SPELLINGS + BROKEN_SPELLINGS)
def test_a_field_from_outside_with_our_name_is_forged(value):
    assert TRUST.is_forged(value)


@pytest.mark.parametrize("value", OTHERS)
def test_a_field_with_another_name_is_not_forged(value):
    assert not TRUST.is_forged(value)


@pytest.mark.parametrize("value", SPELLINGS + BROKEN_SPELLINGS)
def test_a_field_with_our_name_is_not_forged_where_that_is_trusted(value):
    assert not OWN_TOO.is_forged(value)


@pytest.mark.parametrize("listed", ["LISTS.EXAMPLE", "lists.example."])
def test_our_name_may_be_listed_in_any_spelling(listed):
    trust = Trust("Lists.Example", frozenset({listed}))

    assert not trust.is_forged(b" lists.example; dkim=pass")


@pytest.mark.parametrize(
    "name", ["b\xfccher.example", "B\xdcCHER.example", "xn--bcher-kva.example"]
)
def test_an_international_name_is_the_same_in_all_its_forms(name):
    assert INTERNATIONAL.is_forged(f" {name}; dkim=pass".encode())
    assert INTERNATIONAL.is_trusted("mx.xn--bcher-kva.example")


def believed(fields: bytes, trust: Trust) -> list[tuple[str, list[str]]]:
    found = believed_results(read_message(fields + POST), trust)
    return [
        (each.authserv_id, [method.result for method in each.methods]) for each in found
    ]


def test_nobody_is_believed_who_is_not_listed():
    field = b"Authentication-Results: lists.example; dkim=pass\r\n"

    assert believed(field, Trust("lists.example")) == []
    assert believed(field, TRUST) == []


@pytest.mark.parametrize("value", SPELLINGS)
def test_a_listed_server_is_believed_in_any_spelling(value):
    field = b"Authentication-Results:" + value + b"\r\n"

    assert len(believed(field, OWN_TOO)) == 1


@pytest.mark.parametrize("value", OTHERS)
def test_another_server_is_not_believed(value):
    field = b"Authentication-Results:" + value + b"\r\n"

    assert believed(field, OWN_TOO) == []


# Text that broke out of its quotes must not be taken for results.
@pytest.mark.parametrize(
    "value", [v for v in BROKEN_SPELLINGS if b"; \xff" in v or b"(open" in v]
)
def test_a_field_that_cannot_be_read_is_not_believed(value):
    field = b"Authentication-Results:" + value + b"\r\n"

    assert believed(field, OWN_TOO) == []


def test_fields_of_listed_servers_are_believed_in_their_order():
    fields = (
        b"Authentication-Results: mx2.lists.example; dkim=fail; spf=none\r\n"
        b"Authentication-Results: other.example; dkim=pass\r\n"
        b"Authentication-Results: mx1.lists.example; broken\r\n"
        b"AUTHENTICATION-RESULTS: MX1.lists.example; dkim=pass\r\n"
        b"Authentication-Results: mx1.lists.example; none\r\n"
    )

    assert believed(fields, TRUST) == [
        ("mx2.lists.example", ["fail", "none"]),
        ("MX1.lists.example", ["pass"]),
        ("mx1.lists.example", []),
    ]


def test_a_sealed_field_is_not_one_of_results():
    field = b"ARC-Authentication-Results: i=1; mx1.lists.example; dkim=pass\r\n"

    assert believed(field, TRUST) == []


def test_the_number_of_fields_that_are_read_is_limited():
    field = b"Authentication-Results: mx1.lists.example; dkim=pass\r\n"

    assert len(believed(field * (MAX_FIELDS + 1), TRUST)) == MAX_FIELDS


# Received-SPF

SPF = b"Received-SPF: pass receiver=mx1.lists.example; envelope-from=a@b.example\r\n"
RECEIVED = b"Received: from client.example by mx1.lists.example; 5 Jan 2026\r\n"
STRANGE = SPF.replace(b"mx1.lists", b"other")


@pytest.mark.parametrize(
    ("fields", "is_believed"),
    [
        (SPF, True),
        (SPF + RECEIVED, True),
        (b"X-Note: a\r\n" + SPF + RECEIVED + SPF, True),
        (SPF.replace(b"Received-SPF", b"RECEIVED-spf"), True),
        (SPF.replace(b"mx1.lists", b"MX1.Lists"), True),
        (b"", False),
        (RECEIVED, False),
        (RECEIVED + SPF, False),
        (STRANGE + SPF, False),
        (SPF.replace(b"pass ", b"perhaps "), False),
        (SPF.replace(b"receiver=mx1.lists.example; ", b""), False),
        (SPF.replace(b"mx1.lists.example", b'""'), False),
    ],
)
def test_spf_is_believed_where_only_a_listed_server_can_have_written_it(
    fields, is_believed
):
    found = believed_received_spf(read_message(fields + POST), TRUST)

    assert (found is not None) is is_believed


@pytest.mark.parametrize("receiver", [b"lists.example", b'""'])
def test_without_listed_servers_no_spf_is_believed(receiver):
    field = SPF.replace(b"mx1.lists.example", receiver)

    assert believed_received_spf(read_message(field), Trust("lists.example")) is None


@given(st.binary())
def test_any_octets_are_forged_or_not(value):
    assert TRUST.is_forged(value) in (True, False)


@given(st.binary())
def test_what_is_believed_of_our_name_would_be_forged_without_trust(value):
    """Nothing is read as a field of ours that was not removed as a forgery."""
    field = b"Authentication-Results:" + value.replace(b"\r", b"").replace(b"\n", b"")

    if believed(field + b"\r\n", OWN_TOO):
        assert TRUST.is_forged(field.partition(b":")[2])


@pytest.mark.parametrize(
    ("start", "is_forged"),
    [
        (b" lists.example; ", True),
        (b" other.example; ", False),
        (b" (%s) " % (b"x" * MAX_HEAD_OCTETS), True),
        (b' "other.example" ; ', True),
    ],
)
def test_a_long_field_has_to_say_at_once_whose_it_is(start, is_forged):
    value = start + b"dkim=pass " + b"x" * MAX_HEAD_OCTETS

    assert Trust("lists.example").is_forged(value) is is_forged
