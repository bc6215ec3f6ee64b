"""What is to be published is what verifiers read."""

from __future__ import annotations

import json

import dns.rdata
import pytest

from mailman_arc.adapters.zonefile import parse_records
from mailman_arc.mailauth.answers import TxtRecords
from mailman_arc.mailauth.keycheck import Found, find_key
from mailman_arc.mailauth.keyrecord import parse_key_record
from mailman_arc.policy.dnsrecord import (
    MAX_STRING,
    RecordForm,
    record_value,
    show_record,
)
from tests.support.keys import ed25519_key, rsa_key


NAME = "arc1._domainkey.lists.example"
KEYS = {
    "RSA": rsa_key(2048),
    "long RSA": rsa_key(4096),
    "Ed25519": ed25519_key(),
}
keys = pytest.mark.parametrize("key", KEYS.values(), ids=KEYS)


def strings_of(line: str) -> list[bytes]:
    [record] = parse_records(line + "\n", "zone")
    assert record.name.to_text() == f"{NAME}."
    # Through the octets of the wire, as a name server sends it.
    wire = record.rdata.to_wire()
    rdata = dns.rdata.from_wire(
        record.rdata.rdclass, record.rdata.rdtype, wire, 0, len(wire)
    )
    return list(rdata.strings)


@keys
def test_a_line_of_a_zone_file_is_read_as_the_key(key):
    strings = strings_of(
        show_record(NAME, record_value(key.verifying_key), RecordForm.ZONE)
    )

    answer = TxtRecords((b"".join(strings),))
    assert find_key(answer, key.verifying_key).found is Found.SHOWN
    assert max(map(len, strings)) <= MAX_STRING


@keys
def test_the_bare_value_is_the_key_in_one_piece(key):
    value = show_record(NAME, record_value(key.verifying_key), RecordForm.BARE)

    answer = TxtRecords((value.encode(),))
    assert find_key(answer, key.verifying_key).found is Found.SHOWN
    assert value.startswith(f"v=DKIM1; k={key.key_type}; p=")


def test_the_text_is_what_stands_in_the_zone_file():
    value = record_value(KEYS["RSA"].verifying_key)

    text = show_record(NAME, value, RecordForm.TEXT)

    assert text in show_record(NAME, value, RecordForm.ZONE)
    assert text.startswith('"v=DKIM1; ')
    assert text.replace('" "', "") == f'"{value}"'


def test_a_line_for_testkeys_is_name_and_value():
    value = record_value(KEYS["Ed25519"].verifying_key)

    assert show_record(NAME, value, RecordForm.TESTKEY) == f"{NAME} {value}"


@keys
def test_json_has_name_and_value_and_strings(key):
    value = record_value(key.verifying_key)

    told = json.loads(show_record(NAME, value, RecordForm.JSON))

    assert (told["name"], told["type"], told["value"]) == (NAME, "TXT", value)
    assert "".join(told["strings"]) == value
    assert max(map(len, told["strings"])) <= MAX_STRING


FLAGS = (
    ({}, False, False, ""),
    ({"testing": True}, True, False, "t=y; "),
    ({"no_subdomains": True}, False, True, "t=s; "),
    ({"testing": True, "no_subdomains": True}, True, True, "t=y:s; "),
    ({"email_only": True}, False, False, "s=email; "),
    ({"hash_algorithms": "sha256"}, False, False, "h=sha256; "),
    ({"note": "b;l=\u00e4\\h"}, False, False, "n=b=3Bl=3D=C3=A4=5Ch; "),
)


@pytest.mark.parametrize(("asked", "testing", "strict", "tag"), FLAGS)
def test_flags_are_written_as_verifiers_read_them(asked, testing, strict, tag):
    value = record_value(KEYS["RSA"].verifying_key, **asked)

    record = parse_key_record(value.encode(), "rsa-sha256")

    assert (record.testing, record.strict) == (testing, strict)
    assert value.startswith(f"v=DKIM1; k=rsa; {tag}p=")


def test_a_note_does_no_harm_in_a_zone_file():
    key = KEYS["RSA"].verifying_key
    value = record_value(key, note='a "quoted" \\ note; p=')

    strings = strings_of(show_record(NAME, value, RecordForm.ZONE))

    assert b"".join(strings) == value.encode()
    assert find_key(TxtRecords((value.encode(),)), key).found is Found.SHOWN
