"""Zone files as a source of answers."""

from __future__ import annotations

import pytest

from mailman_arc.adapters.zonefile import ZoneFileError, read_zone_file
from mailman_arc.mailauth.answers import LookupFailed, NoSuchName, TxtRecords


ZONE = """
$ORIGIN Example.ORG.
$TTL 300
@                SOA   ns hostmaster 1 3600 600 86400 60
                 NS    ns
ns               A     192.0.2.1
sel._domainkey   TXT   ( "v=DKIM1; "   ; a comment
                         "p=abc" )
_dmarc           TXT   "v=DMARC1; p=reject"
                 TXT   "noise"
quoted           TXT   "say \\"no\\"; \\233"
alias            CNAME sel._domainkey
far              CNAME ALIAS
dangling         CNAME nowhere
outside          CNAME key.provider.example.
loop             CNAME loop2
loop2            CNAME loop
$ORIGIN example.net.
k                TXT   other zone, without any SOA
"""


@pytest.fixture
def zone_file(tmp_path):
    file = tmp_path / "answers.zone"
    file.write_text(ZONE)
    return file


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("sel._domainkey.example.org", TxtRecords((b"v=DKIM1; p=abc",))),
        ("_dmarc.example.org", TxtRecords((b"v=DMARC1; p=reject", b"noise"))),
        ("quoted.example.org", TxtRecords((b'say "no"; \xe9',))),
        ("ns.example.org", TxtRecords()),
        ("example.org", TxtRecords()),
        ("_domainkey.example.org", TxtRecords()),
        ("alias.example.org", TxtRecords((b"v=DKIM1; p=abc",))),
        ("far.example.org", TxtRecords((b"v=DKIM1; p=abc",))),
        ("dangling.example.org", NoSuchName()),
        ("outside.example.org", None),
        ("nowhere.example.org", None),
        ("loop.example.org", LookupFailed("alias loop in the zone file")),
        ("k.example.net", TxtRecords((b"otherzone,withoutanySOA",))),
        ("example.net", None),
        ("org", None),
    ],
)
def test_each_kind_of_name_has_its_answer(zone_file, name, answer):
    assert read_zone_file(zone_file).get(name) == answer


def test_names_are_absolute_and_records_need_neither_soa_nor_ttl(tmp_path):
    file = tmp_path / "bare"
    file.write_text('key.example.org TXT "text"\n')
    assert read_zone_file(str(file)) == {"key.example.org": TxtRecords((b"text",))}


def test_an_empty_file_has_no_answers(tmp_path):
    file = tmp_path / "empty"
    file.write_text("")
    assert read_zone_file(file) == {}


@pytest.mark.parametrize(
    "line",
    [
        "b TXT",
        "b NONSENSE x",
        'b TXT "open',
        "b A 1.2.3",
        "b CH TXT x",
        "b TXT ( x",
        "$INCLUDE /etc/passwd",
        "$NONSENSE",
        "x" * 64 + " TXT x",
        "x." * 130 + " TXT x",
        "b..c TXT x",
    ],
)
def test_an_error_names_the_file_and_the_line(tmp_path, line):
    file = tmp_path / "bad.zone"
    file.write_text(f"$ORIGIN example.org.\na TXT fine\n{line}\n")
    with pytest.raises(ZoneFileError, match=r"bad\.zone:[34]: ."):
        read_zone_file(file)


def test_a_wildcard_is_refused_by_name(tmp_path):
    file = tmp_path / "wild.zone"
    file.write_text('*.example.org TXT "x"\n')
    with pytest.raises(ZoneFileError, match=r"wild\.zone: wildcard \*\.example\.org"):
        read_zone_file(file)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ZoneFileError, match=r"nothing: No such file"):
        read_zone_file(tmp_path / "nothing")


def test_a_directory_is_named(tmp_path):
    with pytest.raises(ZoneFileError, match="Is a directory"):
        read_zone_file(tmp_path)


def test_a_file_that_is_no_text_is_named(tmp_path):
    file = tmp_path / "binary"
    file.write_bytes(b"\xff\xfe")
    with pytest.raises(ZoneFileError, match="not UTF-8 text"):
        read_zone_file(file)
