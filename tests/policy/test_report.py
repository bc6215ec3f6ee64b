"""What was found, in the words of RFC 8601: ours, and those of the whole site."""

from __future__ import annotations

import pytest

from mailman_arc.mailauth.authres import MethodResult, parse_authentication_results
from mailman_arc.mailauth.authres_writer import format_results
from mailman_arc.mailauth.dkim import DkimVerdict
from mailman_arc.mailauth.message import read_message
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.spf import (
    NOTHING_KNOWN,
    Envelope,
    SpfIdentity,
    SpfVerdict,
)
from mailman_arc.policy.inbound import Authentication, Demands, authenticate
from mailman_arc.policy.report import own_results, site_results, summary
from mailman_arc.policy.trust import Trust
from tests.support.keys import key_record
from tests.support.mail import (
    DKIM,
    NOW,
    POST,
    Signer,
    Zone,
    add_set,
    author,
    chain_of,
    changed,
    judge_dkim,
    relay,
    sign_dkim,
    whole_zone,
)
from tests.support.zone import SERVFAIL, txt


TRUST = Trust("lists.example", frozenset({"mx1.lists.example", "mx2.lists.example"}))
SIGNED = sign_dkim(POST)
START = (judge_dkim(SIGNED, whole_zone())[0].signature_start or "")[:8]
BROKEN_CHAIN = changed(chain_of(2), b"Bye", b"bye")
UNKNOWN_KEY = {relay().key_name: SERVFAIL}


def found(
    octets: bytes,
    records=None,
    zone: Zone | None = None,
    envelope: Envelope = NOTHING_KNOWN,
) -> Authentication:
    zone = (zone or whole_zone()).with_records(records or {})
    return authenticate(read_message(octets), zone, NOW, TRUST, envelope)


def said(results: str, server: str = "mx1.lists.example") -> bytes:
    return f"Authentication-Results: {server}; {results}\r\n".encode()


def words(results: list[MethodResult]) -> list[str]:
    """Each result as it is written, in one line."""
    lines = [format_results("x", [each]).partition(b";")[2] for each in results]
    return [" ".join(line.decode().split()) for line in lines]


def of_method(results: list[MethodResult], method: str) -> list[MethodResult]:
    return [each for each in results if each.method == method]


# Our own results

ARC = (
    (POST, {}, "arc=none"),
    (chain_of(1), {}, "arc=pass header.oldest-pass=0"),
    (
        add_set(changed(chain_of(1), b"Bye", b"bye"), 2),
        {},
        "arc=pass header.oldest-pass=2",
    ),
    (BROKEN_CHAIN, {}, "arc=fail (i=2: body has changed)"),
    (
        changed(chain_of(2), b"i=1; a=", b"i=7; a="),
        {},
        "arc=fail (i=1: field is missing)",
    ),
    (b"ARC-Seal: x\r\n" + POST, {}, "arc=fail (syntax error)"),
    (chain_of(1), UNKNOWN_KEY, "arc=fail (i=1: temporary DNS error)"),
)


@pytest.mark.parametrize(("octets", "records", "result"), ARC)
def test_the_chain_is_reported_with_what_is_wrong_with_it(octets, records, result):
    assert words(own_results(found(octets, records)))[0] == result


def test_the_oldest_pass_is_not_reported_when_nobody_looked_for_it():
    demands = Demands(oldest_pass=False)
    message = read_message(chain_of(2))
    judged = authenticate(message, whole_zone(), NOW, TRUST, demands=demands)

    assert words(own_results(judged))[0] == "arc=pass"


def test_a_signature_is_reported_with_what_tells_it_from_others():
    [result] = of_method(own_results(found(SIGNED)), "dkim")

    assert result.result == "pass"
    assert [(each.name, each.value) for each in result.properties] == [
        ("d", "author.example"),
        ("s", "s1"),
        ("a", "rsa-sha256"),
        ("b", START),
    ]


DKIM_ROWS = (
    (POST, {}, "dkim=none"),
    (b"DKIM-Signature: x\r\n" + POST, {}, "dkim=neutral (syntax error)"),
    (
        b"DKIM-Signature: v=1; d=a.example; b=\r\n" + POST,
        {},
        "dkim=permerror (missing tag) header.d=a.example",
    ),
    (changed(SIGNED, b"Bye", b"bye"), {}, "dkim=fail (body has changed) header.d="),
    (
        SIGNED,
        {author().key_name: SERVFAIL},
        "dkim=temperror (temporary DNS error) header.d=",
    ),
    (
        SIGNED,
        {author().key_name: txt(key_record(author().key) + b"; t=y")},
        "dkim=pass (test mode) header.d=",
    ),
    (
        changed(SIGNED, b"Bye", b"bye"),
        {author().key_name: txt(key_record(author().key) + b"; t=y")},
        "dkim=fail (body has changed, test mode) header.d=",
    ),
)


@pytest.mark.parametrize(("octets", "records", "result"), DKIM_ROWS)
def test_a_signature_is_reported_with_what_is_wrong_with_it(octets, records, result):
    [written] = words(of_method(own_results(found(octets, records)), "dkim"))

    assert written.startswith(result)


def test_each_signature_is_reported():
    octets = sign_dkim(SIGNED, relay())

    results = of_method(own_results(found(octets)), "dkim")

    assert [each.get("header", "d") for each in results] == [
        "relay.example",
        "author.example",
    ]


def with_starts(*starts: str | None) -> Authentication:
    """A post whose signatures begin like this."""
    base = found(POST)
    verdicts = tuple(
        DkimVerdict(Result.FAIL, Reason.SIGNATURE, "a.example", "s", "rsa-sha256", each)
        for each in starts
    )
    return Authentication(verdicts, base.arc, base.dmarc, ())


STARTS = (
    (["ABCDEFGHIJ"], ["ABCDEFGH"]),
    (["ABCDEFGHIJ", "abcdefghij"], ["ABCDEFGH", "abcdefgh"]),
    (
        ["AAAAAAAA1" + "x" * 20, "AAAAAAAA2" + "x" * 20],
        ["AAAAAAAA1xxxxxxx", "AAAAAAAA2xxxxxxx"],
    ),
    (["A" * 20 + "1", "A" * 20 + "2"], ["A" * 20 + "1", "A" * 20 + "2"]),
    (["ABCDEFGHIJ", "ABCDEFGHIJ"], ["ABCDEFGH", "ABCDEFGH"]),
    (["ABC"], ["ABC"]),
    (["ABCDEFGH", "ABCDEFGHI"], ["ABCDEFGH", "ABCDEFGHI"]),
    ([None, "ABCDEFGHIJ"], [None, "ABCDEFGH"]),
    (["", "ABCDEFGHIJ"], [None, "ABCDEFGH"]),
)


@pytest.mark.parametrize(("starts", "told"), STARTS)
def test_as_much_of_a_signature_is_told_as_tells_it_from_the_others(starts, told):
    results = of_method(own_results(with_starts(*starts)), "dkim")

    shown = [each.get("header", "b") for each in results]
    assert shown == told


DMARC = (
    (POST, {}, "dmarc=none header.from=author.example"),
    (
        SIGNED,
        {"_dmarc.author.example": txt(b"v=DMARC1; p=reject; sp=none")},
        "dmarc=pass (p=reject sp=none) header.from=author.example policy.dmarc=reject",
    ),
    (
        POST,
        {"_dmarc.author.example": txt(b"v=DMARC1; p=reject; np=none")},
        "dmarc=fail (p=reject np=none) header.from=author.example policy.dmarc=reject",
    ),
    (
        POST,
        {"_dmarc.author.example": SERVFAIL},
        "dmarc=temperror (temporary DNS error) header.from=author.example",
    ),
    (
        changed(POST, b"<ann@author.example>", b""),
        {},
        "dmarc=permerror (no author domain)",
    ),
    (
        b"From: bob@other.example\r\n" + POST,
        {},
        "dmarc=permerror (several From fields)",
    ),
)


@pytest.mark.parametrize(("octets", "records", "result"), DMARC)
def test_dmarc_is_reported_with_the_policy(octets, records, result):
    assert words(own_results(found(octets, records)))[-1] == result


def from_client(address: str | None = "192.0.2.1", spf: SpfVerdict | None = None):
    return Envelope(address, "mx.author.example", "ann@author.example", spf)


BY_MAIL_FROM = SpfVerdict(Result.PASS, SpfIdentity.MAIL_FROM, "author.example")
BY_HELO = SpfVerdict(Result.SOFTFAIL, SpfIdentity.HELO, "mx.author.example")


@pytest.mark.parametrize(
    ("spf", "result"),
    [
        (BY_MAIL_FROM, ["spf=pass smtp.mailfrom=author.example"]),
        (BY_HELO, ["spf=softfail smtp.helo=mx.author.example"]),
        (None, []),
    ],
)
def test_spf_is_reported_with_the_domain_that_was_checked(spf, result):
    results = own_results(found(POST, envelope=from_client(spf=spf)))

    assert words(of_method(results, "spf")) == result


@pytest.mark.parametrize(
    ("octets", "address", "result"),
    [
        (POST, "192.0.2.1", "arc=none smtp.remote-ip=192.0.2.1"),
        (POST, "2001:db8::1", 'arc=none smtp.remote-ip="2001:db8::1"'),
        (POST, None, "arc=none"),
        (
            chain_of(1),
            "192.0.2.1",
            "arc=pass header.oldest-pass=0 smtp.remote-ip=192.0.2.1",
        ),
        (
            BROKEN_CHAIN,
            "192.0.2.1",
            "arc=fail (i=2: body has changed) smtp.remote-ip=192.0.2.1",
        ),
    ],
)
def test_the_client_is_reported_with_the_chain(octets, address, result):
    here = found(octets, envelope=from_client(address))

    assert words(own_results(here))[0] == result
    assert words(site_results(here))[0] == result


def test_own_results_are_arc_then_spf_then_dkim_then_dmarc():
    here = found(sign_dkim(chain_of(1)), envelope=from_client(spf=BY_MAIL_FROM))

    methods = [each.method for each in own_results(here)]

    assert methods == ["arc", "spf", "dkim", "dmarc"]


def test_own_results_are_arc_then_dkim_then_dmarc():
    octets = sign_dkim(sign_dkim(chain_of(1)), relay())

    methods = [each.method for each in own_results(found(octets))]

    assert methods == ["arc", "dkim", "dkim", "dmarc"]


# The results of the site


def test_without_trusted_servers_the_site_says_what_we_say():
    assert site_results(found(SIGNED)) == own_results(found(SIGNED))


def test_what_two_trusted_servers_say_is_merged_in_their_order():
    octets = (
        said("spf=pass smtp.mailfrom=author.example; x-own=pass")
        + said("dmarc=pass header.from=author.example", "other.example")
        + said("iprev=pass policy.iprev=192.0.2.1", "mx2.lists.example")
        + SIGNED
    )

    assert [(each.method, each.result) for each in site_results(found(octets))] == [
        ("arc", "none"),
        ("spf", "pass"),
        ("x-own", "pass"),
        ("iprev", "pass"),
        ("dkim", "pass"),
        ("dmarc", "none"),
    ]


def test_the_results_of_the_site_can_be_written_and_read():
    octets = said("spf=pass smtp.mailfrom=author.example") + SIGNED
    results = site_results(found(octets))

    written = format_results("lists.example", results)

    assert list(parse_authentication_results(written).methods) == results


def test_a_trusted_dmarc_result_stands_for_ours():
    octets = said("dmarc=pass header.from=author.example") + POST

    assert words(of_method(site_results(found(octets)), "dmarc")) == [
        "dmarc=pass header.from=author.example"
    ]


def test_a_trusted_spf_result_stands_for_ours():
    octets = said("spf=fail smtp.mailfrom=author.example") + POST

    here = found(octets, envelope=from_client(spf=BY_MAIL_FROM))

    assert words(of_method(site_results(here), "spf")) == [
        "spf=fail smtp.mailfrom=author.example"
    ]
    assert of_method(own_results(here), "spf") == []


# What a trusted server says about the signature of `SIGNED`.
SAME = (
    f"dkim=pass header.d=author.example header.s=s1 header.b={START}",
    f"dkim=pass header.b={START}",
    f"dkim=pass header.b={START[:5]}",
    f'dkim=pass header.b="{START}"',
    "dkim=pass header.d=author.example",
    "dkim=pass header.d=author.example header.s=s1",
    "dkim=pass header.d=Author.Example header.s=S1",
    "dkim=pass header.d=author.example header.i=@author.example",
    "dkim=pass header.i=@author.example",
    "dkim=pass header.i=ann@author.example",
    "dkim=pass (2048-bit key) header.i=@author.example header.s=s1",
    "dkim=fail header.d=author.example",
)


@pytest.mark.parametrize("theirs", SAME)
def test_a_signature_never_has_two_results(theirs):
    octets = said(theirs) + SIGNED

    results = of_method(site_results(found(octets)), "dkim")

    assert len(results) == 1
    assert results[0].result == theirs[5:9]


def test_a_signature_for_a_subdomain_never_has_two_results():
    signed = sign_dkim(POST, tags=DKIM.replace(b" d={d};", b" d={d}; i=@news.{d};"))
    octets = said("dkim=pass header.i=@news.author.example") + signed

    assert len(of_method(site_results(found(octets)), "dkim")) == 1


OTHER = (
    "dkim=pass header.d=other.example",
    "dkim=pass header.d=author.example header.s=other",
    "dkim=pass header.d=author.example header.s=s1 header.b=AAAAAAAA",
    "dkim=pass header.i=@other.example",
    "dkim=pass",
    "spf=pass smtp.mailfrom=author.example",
)


@pytest.mark.parametrize("theirs", OTHER)
def test_a_signature_that_no_trusted_server_reports_is_reported_by_us(theirs):
    octets = said(theirs) + SIGNED

    results = site_results(found(octets))

    assert "dkim=pass header.d=author.example header.s=s1 header.a=rsa-sha256 " in (
        " ".join(words(results)) + " "
    )


def test_of_two_signatures_each_has_one_result():
    octets = said("dkim=pass header.d=relay.example") + sign_dkim(SIGNED, relay())

    results = of_method(site_results(found(octets)), "dkim")

    assert [each.get("header", "d") for each in results] == [
        "relay.example",
        "author.example",
    ]


def test_two_signatures_of_one_signer_are_told_apart():
    other = Signer("author.example", "s2", relay().key)
    octets = said(f"dkim=pass header.b={START}") + sign_dkim(SIGNED, other)

    results = of_method(site_results(found(octets)), "dkim")

    assert [each.get("header", "s") for each in results] == [None, "s2"]


def test_a_signature_without_a_value_is_known_by_its_signer():
    empty = DKIM.replace(b"b={b}", b"").rstrip(b"; \r\n")
    octets = said("dkim=neutral header.d=author.example") + sign_dkim(POST, tags=empty)

    assert len(of_method(site_results(found(octets)), "dkim")) == 1


def test_no_signature_is_not_reported_where_a_trusted_server_saw_one():
    octets = said("dkim=pass header.d=author.example") + POST

    results = of_method(site_results(found(octets)), "dkim")

    assert words(results) == ["dkim=pass header.d=author.example"]


ATTESTED = (
    # octets, what is unknown, what trusted servers said, what is attested
    (chain_of(1), {}, [], "arc=pass header.oldest-pass=0"),
    (chain_of(1), {}, ["arc=pass"], "arc=pass header.oldest-pass=0"),
    (chain_of(1), {}, ["arc=fail"], "arc=fail"),
    (chain_of(1), {}, ["arc=pass", "arc=fail"], "arc=fail"),
    (BROKEN_CHAIN, {}, ["arc=pass"], "arc=fail (i=2: body has changed)"),
    (chain_of(1), UNKNOWN_KEY, [], "arc=fail (i=1: temporary DNS error)"),
    (chain_of(1), UNKNOWN_KEY, ["arc=none"], "arc=fail (i=1: temporary DNS error)"),
    (POST, {}, ["arc=pass"], "arc=none"),
)


@pytest.mark.parametrize(("octets", "records", "fields", "result"), ATTESTED)
def test_there_is_one_arc_result_the_one_that_is_attested(
    octets, records, fields, result
):
    top = b"".join(
        said(each, f"mx{n}.lists.example") for n, each in enumerate(fields, 1)
    )

    results = site_results(found(top + octets, records))

    assert words(of_method(results, "arc")) == [result]
    assert results[0].method == "arc"


def test_a_chain_that_only_a_trusted_server_could_judge_passes_without_excuse():
    found_here = found(said("arc=pass") + chain_of(1), UNKNOWN_KEY)

    assert words(site_results(found_here))[0] == "arc=pass"


SUMMARIES = (
    (POST, {}, "arc=none dkim=none dmarc=none"),
    (sign_dkim(SIGNED, relay()), {}, "arc=none dkim=pass,pass dmarc=none"),
    (
        changed(sign_dkim(chain_of(1)), b"Bye", b"bye"),
        {},
        "arc=fail dkim=fail dmarc=none",
    ),
    (chain_of(1), UNKNOWN_KEY, "arc=unjudged dkim=none dmarc=none"),
    (said("arc=fail") + chain_of(1), {}, "arc=fail dkim=none dmarc=none"),
)


def test_the_summary_tells_of_spf_where_it_is_known():
    here = found(POST, envelope=from_client(spf=BY_MAIL_FROM))

    assert summary(here) == "arc=none spf=pass dkim=none dmarc=none"


@pytest.mark.parametrize(("octets", "records", "line"), SUMMARIES)
def test_the_summary_is_one_line(octets, records, line):
    assert summary(found(octets, records)) == line
