"""A post judged as it arrived: what is looked up, and what comes of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

import pytest
from hypothesis import given, settings, strategies as st

from mailman_arc.mailauth.answers import TxtAnswer
from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.message import read_message
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.spf import (
    NOTHING_KNOWN,
    Envelope,
    SpfIdentity,
    SpfVerdict,
)
from mailman_arc.policy.inbound import (
    USUAL_DEMANDS,
    Authentication,
    Demands,
    authenticate,
    is_spf_told,
    names_to_look_up,
)
from mailman_arc.policy.trust import Trust
from tests.support.mail import (
    DKIM,
    NOW,
    POST,
    RESULTS,
    Signer,
    add_set,
    author,
    chain_of,
    changed,
    relay,
    sign_dkim,
    whole_zone,
)
from tests.support.zone import NO_DATA, NXDOMAIN, SERVFAIL, Zone, txt


TRUST = Trust("lists.example", frozenset({"mx.lists.example"}))
ORGANIZATION = {"_dmarc.author.example": txt(b"v=DMARC1; p=reject")}


class OnlyWhatWasNamed(Mapping[str, TxtAnswer]):
    """Answers that fail the test when asked for a name that was not named."""

    def __init__(self, named: set[str], zone: Zone) -> None:
        self._named = named
        self._zone = zone

    def __getitem__(self, name: str) -> TxtAnswer:
        assert name in self._named, f"{name} was read but not named"
        return self._zone.get(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._named)

    def __len__(self) -> int:
        return len(self._named)


def judged(
    octets: bytes,
    zone: Zone | None = None,
    trust: Trust = TRUST,
    envelope: Envelope = NOTHING_KNOWN,
    demands: Demands = USUAL_DEMANDS,
):
    message = read_message(octets)
    # SPF is not evaluated before the names are known.
    named = names_to_look_up(message, trust, replace(envelope, spf=None), demands)
    answers = OnlyWhatWasNamed(named, zone if zone is not None else whole_zone())
    return authenticate(message, answers, NOW, trust, envelope, demands)


def said(results: bytes, server: bytes = b"mx.lists.example") -> bytes:
    return b"Authentication-Results: %s; %s\r\n" % (server, results)


def received_spf(result: bytes, domain: bytes) -> bytes:
    return (
        b"Received-SPF: %s identity=mailfrom; receiver=mx.lists.example;"
        b" envelope-from=b@%s\r\n" % (result, domain)
    )


def evaluated(result: Result, domain: str, mail_from: bool = True) -> Envelope:
    """A transaction whose SPF has been evaluated."""
    identity = SpfIdentity.MAIL_FROM if mail_from else SpfIdentity.HELO
    return Envelope(
        "192.0.2.1",
        domain,
        f"b@{domain}" if mail_from else "",
        SpfVerdict(result, identity, domain),
    )


# The names


def test_the_names_are_those_of_keys_and_policies():
    octets = sign_dkim(chain_of(2))

    assert names_to_look_up(read_message(octets), TRUST) == {
        "s1._domainkey.author.example",
        "arc._domainkey.relay.example",
        "arc._domainkey.lists.example",
        "author.example",
        "_dmarc.author.example",
        "_dmarc.example",
    }


def test_the_names_include_those_for_the_envelope_sender_of_trusted_servers():
    octets = said(b"spf=pass smtp.mailfrom=bounces.author.example") + POST

    names = names_to_look_up(read_message(octets), TRUST)

    assert "_dmarc.bounces.author.example" in names


def test_the_names_include_those_for_the_envelope_sender():
    envelope = Envelope("192.0.2.1", None, "b@bounces.author.example")

    names = names_to_look_up(read_message(POST), TRUST, envelope)

    assert "_dmarc.bounces.author.example" in names


def test_without_author_no_policy_is_looked_up():
    octets = changed(
        sign_dkim(POST), b"From: Ann Author <ann@author.example>", b"From:"
    )

    names = names_to_look_up(read_message(octets), TRUST)

    assert names == {"s1._domainkey.author.example"}


def test_a_post_without_anything_needs_no_answers():
    assert names_to_look_up(read_message(b""), TRUST) == set()


domains = st.sampled_from(
    [
        *("author.example", "news.author.example", "a.b.c.author.example", "example"),
        *(
            "other.example",
            "AUTHOR.example",
            "b\xfccher.example",
            "x",
            "",
            "-",
            "[::1]",
        ),
        "a.b.c.d.e.f.g.h.i.j.author.example",
        "x" * 63 + "." + "y" * 63 + "." + "z" * 63 + "." + "w" * 50 + ".example",
    ]
)


@st.composite
def fields(draw) -> bytes:
    domain = draw(domains).encode()
    kinds = ["dkim", "chain", "spf", "received-spf", "from", "octets"]
    kind = draw(st.sampled_from(kinds))
    match kind:
        case "dkim":
            tags = draw(
                st.sampled_from([DKIM, DKIM.replace(b"; d=", b"; i=@x.{d}; d=")])
            )
            tags = tags.replace(b"{d}", domain).replace(b"t=1767607200;", b"")
            return sign_dkim(POST, author(), tags).removesuffix(POST)
        case "chain":
            length = draw(st.integers(1, 3))
            octets = chain_of(length).removesuffix(POST)
            return octets.replace(b"d=relay.example", b"d=" + domain)
        case "spf":
            result = draw(st.sampled_from([b"pass", b"fail", b"temperror", b"odd"]))
            return said(b"spf=%s smtp.mailfrom=a@%s" % (result, domain))
        case "received-spf":
            return received_spf(b"pass", domain)
        case "from":
            return b"From: <a@" + domain + b">\r\n"
        case _:
            return draw(st.binary(max_size=20)).replace(b"\n", b"") + b"\r\n"


@settings(deadline=None)
@given(
    st.lists(fields(), max_size=8).map(b"".join),
    st.sampled_from([POST, b"\r\nbody\r\n", b""]),
    st.dictionaries(
        domains.map(lambda domain: f"_dmarc.{domain}"),
        st.sampled_from(
            [
                *(NO_DATA, NXDOMAIN, SERVFAIL),
                txt(b"v=DMARC1; p=none"),
                txt(b"v=DMARC1; p=reject; psd=y; np=none"),
                txt(b"v=DMARC1; p=reject; psd=n; adkim=s; aspf=s"),
            ]
        ),
    ),
    st.sampled_from(
        [
            NOTHING_KNOWN,
            evaluated(Result.PASS, "news.author.example"),
            evaluated(Result.TEMPERROR, "a.b.c.author.example"),
            evaluated(Result.PASS, "mx.author.example", mail_from=False),
        ]
    ),
)
def test_every_name_that_is_read_was_named(top, post, records, envelope):
    found = judged(top + post, whole_zone().with_records(records), envelope=envelope)

    assert isinstance(found, Authentication)


@given(st.binary(max_size=300))
def test_any_octets_are_judged_from_the_names_they_give(octets):
    found = judged(octets)

    assert found.chain_status in (ChainStatus.NONE, ChainStatus.FAIL)


@given(
    st.lists(fields(), max_size=4).map(b"".join), st.sampled_from([NXDOMAIN, SERVFAIL])
)
def test_judging_twice_gives_the_same_and_changes_nothing(top, answer):
    octets = top + sign_dkim(POST)
    zone = whole_zone().with_records({"_dmarc.author.example": answer})
    message = read_message(octets)

    first = authenticate(message, zone, NOW, TRUST)

    assert authenticate(message, zone, NOW, TRUST) == first
    assert message == read_message(octets)


# DKIM, ARC and DMARC together


def test_a_good_signature_of_the_author_passes_dmarc():
    found = judged(sign_dkim(POST), whole_zone().with_records(ORGANIZATION))

    assert [each.result for each in found.dkim] == [Result.PASS]
    assert found.dmarc.result is Result.PASS
    assert found.arc.status is ChainStatus.NONE


def test_a_signature_of_somebody_else_does_not_pass_dmarc():
    octets = sign_dkim(POST, relay())

    found = judged(octets, whole_zone().with_records(ORGANIZATION))

    assert [each.result for each in found.dkim] == [Result.PASS]
    assert found.dmarc.result is Result.FAIL


def test_a_signature_that_cannot_be_read_proves_nothing_for_dmarc():
    octets = changed(sign_dkim(POST), b"v=1;", b"v=9;")

    found = judged(octets, whole_zone().with_records(ORGANIZATION))

    assert found.dkim[0].result is Result.NEUTRAL
    assert found.dmarc.result is Result.FAIL


def test_a_key_that_cannot_be_fetched_makes_dmarc_a_temporary_error():
    zone = whole_zone().with_records({**ORGANIZATION, author().key_name: SERVFAIL})

    found = judged(sign_dkim(POST), zone)

    assert found.dkim[0].result is Result.TEMPERROR
    assert found.dmarc.result is Result.TEMPERROR


def test_the_signature_of_a_subdomain_counts_for_its_organization():
    signer = Signer("news.author.example", "s1", author().key)
    zone = whole_zone().with_records(
        {**ORGANIZATION, signer.key_name: whole_zone()[author().key_name]}
    )

    assert judged(sign_dkim(POST, signer), zone).dmarc.result is Result.PASS


SPF = (
    (b"spf=pass smtp.mailfrom=author.example", Result.PASS),
    (b"spf=pass smtp.mailfrom=ann@author.example", Result.PASS),
    (b'spf=pass smtp.mailfrom="ann x"@Author.Example', Result.PASS),
    (b"spf=pass smtp.mailfrom=bounces.author.example", Result.PASS),
    (b"SPF=PASS SMTP.MAILFROM=author.example", Result.PASS),
    (b"spf=pass smtp.helo=other.example smtp.mailfrom=author.example", Result.PASS),
    (b"spf=fail smtp.mailfrom=author.example", Result.FAIL),
    (b"spf=softfail smtp.mailfrom=author.example", Result.FAIL),
    (b"spf=hardfail smtp.mailfrom=author.example", Result.FAIL),
    (b"spf=temperror smtp.mailfrom=author.example", Result.TEMPERROR),
    (b"spf=pass smtp.helo=author.example", Result.FAIL),
    (b"spf=pass", Result.FAIL),
    (b"spf=pass smtp.mailfrom=", Result.FAIL),
    (b'spf=pass smtp.mailfrom="not a domain"', Result.FAIL),
    (b"spf=pass smtp.mailfrom=other.example", Result.FAIL),
    (b"sender-id=pass smtp.mailfrom=author.example", Result.FAIL),
    (b"spf=pass header.from=author.example", Result.FAIL),
)


@pytest.mark.parametrize(("results", "dmarc"), SPF)
def test_what_a_trusted_server_says_of_the_envelope_counts_for_dmarc(results, dmarc):
    found = judged(said(results) + POST, whole_zone().with_records(ORGANIZATION))

    assert found.dmarc.result is dmarc


@pytest.mark.parametrize("server", [b"lists.example", b"other.example"])
def test_what_nobody_trusts_does_not_count_for_dmarc(server):
    octets = said(b"spf=pass smtp.mailfrom=author.example", server) + POST

    found = judged(octets, whole_zone().with_records(ORGANIZATION))

    assert found.dmarc.result is Result.FAIL
    assert found.believed == ()


OWN_SPF = (
    (evaluated(Result.PASS, "author.example"), Result.PASS),
    (evaluated(Result.PASS, "bounces.author.example"), Result.PASS),
    (evaluated(Result.PASS, "mx.author.example", mail_from=False), Result.PASS),
    (evaluated(Result.PASS, "other.example"), Result.FAIL),
    (evaluated(Result.FAIL, "author.example"), Result.FAIL),
    (evaluated(Result.SOFTFAIL, "author.example"), Result.FAIL),
    (evaluated(Result.TEMPERROR, "author.example"), Result.TEMPERROR),
    (evaluated(Result.TEMPERROR, "other.example"), Result.FAIL),
    (NOTHING_KNOWN, Result.FAIL),
)


@pytest.mark.parametrize(("envelope", "dmarc"), OWN_SPF)
def test_our_own_evaluation_of_spf_counts_for_dmarc(envelope, dmarc):
    found = judged(POST, whole_zone().with_records(ORGANIZATION), envelope=envelope)

    assert found.dmarc.result is dmarc
    assert found.spf == envelope.spf
    assert found.remote_ip == envelope.client_ip


PASS_OF_AUTHOR = evaluated(Result.PASS, "author.example")
FAIL_OF_AUTHOR = evaluated(Result.FAIL, "author.example")
UNKNOWN_OF_AUTHOR = evaluated(Result.TEMPERROR, "author.example")
TOLD_PASS = said(b"spf=pass smtp.mailfrom=author.example")
TOLD_FAIL = said(b"spf=fail smtp.mailfrom=author.example")
RECEIVED_PASS = received_spf(b"pass", b"author.example")
RECEIVED_FAIL = received_spf(b"fail", b"author.example")
PRECEDENCE = (
    (TOLD_FAIL, PASS_OF_AUTHOR, None, Result.FAIL),
    (TOLD_PASS, FAIL_OF_AUTHOR, None, Result.PASS),
    (TOLD_FAIL + RECEIVED_PASS, NOTHING_KNOWN, None, Result.FAIL),
    (said(b"spf=pass smtp.helo=a.example"), PASS_OF_AUTHOR, None, Result.FAIL),
    (said(b"dkim=pass"), PASS_OF_AUTHOR, Result.PASS, Result.PASS),
    (RECEIVED_PASS, NOTHING_KNOWN, Result.PASS, Result.PASS),
    (RECEIVED_FAIL, NOTHING_KNOWN, Result.FAIL, Result.FAIL),
    (RECEIVED_PASS, FAIL_OF_AUTHOR, Result.FAIL, Result.FAIL),
    (RECEIVED_FAIL, PASS_OF_AUTHOR, Result.PASS, Result.PASS),
    (RECEIVED_PASS, UNKNOWN_OF_AUTHOR, Result.PASS, Result.PASS),
    (RECEIVED_FAIL, UNKNOWN_OF_AUTHOR, Result.FAIL, Result.FAIL),
    (b"", UNKNOWN_OF_AUTHOR, Result.TEMPERROR, Result.TEMPERROR),
)


@pytest.mark.parametrize(("fields", "envelope", "spf", "dmarc"), PRECEDENCE)
def test_results_come_before_our_evaluation_and_that_before_received_spf(
    fields, envelope, spf, dmarc
):
    zone = whole_zone().with_records(ORGANIZATION)

    found = judged(fields + POST, zone, envelope=envelope)

    assert (found.spf.result if found.spf else None) == spf
    assert found.dmarc.result is dmarc


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        (TOLD_PASS, True),
        (said(b"spf=none"), True),
        (said(b"dkim=pass"), False),
        (said(b"spf=pass smtp.mailfrom=author.example", b"other.example"), False),
        (RECEIVED_PASS, False),
        (b"", False),
    ],
)
def test_what_a_trusted_server_has_evaluated_need_not_be_again(fields, told):
    assert is_spf_told(read_message(fields + POST), TRUST) is told


# The status to attest

GOOD = chain_of(1)
BAD = changed(GOOD, b"Bye", b"bye")
STATUSES = (
    # octets, the answer for the key, what trusted servers said, what is attested
    (POST, None, [], ChainStatus.NONE),
    (GOOD, None, [], ChainStatus.PASS),
    (BAD, None, [], ChainStatus.FAIL),
    (GOOD, SERVFAIL, [], None),
    (GOOD, NXDOMAIN, [], ChainStatus.FAIL),
    (GOOD, None, [b"arc=pass"], ChainStatus.PASS),
    (GOOD, None, [b"arc=none"], ChainStatus.PASS),
    (GOOD, None, [b"arc=fail"], ChainStatus.FAIL),
    (GOOD, None, [b"ARC=FAIL"], ChainStatus.FAIL),
    (GOOD, None, [b"arc=pass", b"arc=fail"], ChainStatus.FAIL),
    (GOOD, None, [b"arc=fail; arc=pass"], ChainStatus.FAIL),
    (GOOD, None, [b"dkim=fail"], ChainStatus.PASS),
    (BAD, None, [b"arc=pass"], ChainStatus.FAIL),
    (GOOD, SERVFAIL, [b"arc=pass"], ChainStatus.PASS),
    (GOOD, SERVFAIL, [b"arc=fail"], ChainStatus.FAIL),
    (GOOD, SERVFAIL, [b"arc=pass", b"arc=fail"], ChainStatus.FAIL),
    (GOOD, SERVFAIL, [b"arc=none"], None),
    (GOOD, SERVFAIL, [b"arc=temperror"], None),
    (GOOD, SERVFAIL, [b"dkim=pass"], None),
    (POST, None, [b"arc=pass"], ChainStatus.NONE),
)


@pytest.mark.parametrize(("octets", "answer", "fields", "status"), STATUSES)
def test_the_status_of_the_chain_is_ours_or_that_of_a_trusted_server(
    octets, answer, fields, status
):
    top = b"".join(map(said, fields))
    zone = whole_zone()
    if answer is not None:
        zone = zone.with_records({relay().key_name: answer})

    assert judged(top + octets, zone).chain_status is status


def test_what_strangers_say_of_the_chain_does_not_count():
    octets = said(b"arc=fail", b"other.example") + GOOD

    assert judged(octets).chain_status is ChainStatus.PASS


def test_what_an_older_set_says_does_not_count():
    octets = changed(GOOD, RESULTS.rpartition(b" ")[0].rpartition(b" ")[2], b"arc=fail")

    assert judged(octets).believed == ()


def test_signatures_by_keys_that_the_site_finds_too_short_are_not_good():
    found = judged(sign_dkim(chain_of(1)), demands=Demands(min_rsa_bits=1025))

    assert found.arc.reason is Reason.KEY_TOO_SHORT
    assert [each.reason for each in found.dkim] == [Reason.KEY_TOO_SHORT]


def test_without_the_oldest_pass_the_older_message_signatures_need_no_keys():
    older = Signer("relay.example", "older", relay().key)
    octets = add_set(add_set(POST, 1, older, sealer=relay()), 2)
    frugal = Demands(oldest_pass=False)

    spared = names_to_look_up(read_message(octets), TRUST) - names_to_look_up(
        read_message(octets), TRUST, demands=frugal
    )
    found = judged(octets, demands=frugal)

    assert spared == {older.key_name}
    assert found.chain_status is ChainStatus.PASS
    assert found.arc.oldest_pass is None
