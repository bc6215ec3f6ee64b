from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from mailman_arc.mailauth.answers import (
    Answers,
    LookupFailed,
    NoSuchName,
    TxtAnswer,
    TxtRecords,
)
from mailman_arc.mailauth.author import Author, AuthorReason
from mailman_arc.mailauth.dmarc import (
    MAX_IDENTIFIERS,
    DmarcReason,
    DmarcVerdict,
    Identifier,
    evaluate_dmarc,
    names_to_look_up,
)
from mailman_arc.mailauth.dmarcrecord import (
    Alignment,
    DmarcRecord,
    Policy,
    PublicSuffix,
    parse_dmarc_record,
)
from mailman_arc.mailauth.domains import MAX_NAME_LENGTH
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.treewalk import MAX_QUERIES, organizational_domain


FAILED = LookupFailed("SERVFAIL")


class Zone(dict[str, TxtAnswer]):
    """The whole DNS: names that are not in it do not exist."""

    def get(self, name, default=None):
        return super().get(name, NoSuchName())


def zone(names: dict[str, str | list[str] | LookupFailed]) -> Answers:
    """Publish DMARC records at these domains; after `=` stands a name as it is."""
    answers = Zone()
    for name, entry in names.items():
        full = name[1:] if name.startswith("=") else "_dmarc." + name
        if isinstance(entry, LookupFailed):
            answers[full] = entry
        else:
            texts = [entry] if isinstance(entry, str) else entry
            octets = (f"v=DMARC1; {text}".encode() for text in texts)
            answers[full] = TxtRecords(tuple(octets))
    return answers


def dkim(domain: str, result: Result = Result.PASS) -> Identifier:
    return Identifier("dkim", domain, result)


def spf(domain: str, result: Result = Result.PASS) -> Identifier:
    return Identifier("spf", domain, result)


def judge(author, names, *identifiers) -> tuple[str, str | None]:
    verdict = evaluate_dmarc(Author(author), identifiers, zone(names))
    return verdict.result.value, verdict.policy and verdict.policy.value


# Records -----------------------------------------------------------------------


def test_a_record_has_its_defaults():
    assert parse_dmarc_record(b"v=DMARC1") == DmarcRecord(
        policy=Policy.NONE,
        subdomain_policy=None,
        nonexistent_policy=None,
        dkim_alignment=Alignment.RELAXED,
        spf_alignment=Alignment.RELAXED,
        public_suffix=PublicSuffix.UNKNOWN,
        is_test=False,
    )


def test_all_tags_of_a_record_are_read():
    record = parse_dmarc_record(
        b" V = DMARC1 ; p = Reject;sp=QUARANTINE; np=none; adkim=S; aspf=s; psd=Y;"
        b" t=Y; rua=mailto:a@x.example; pct=0; ;"
    )

    assert record == DmarcRecord(
        policy=Policy.REJECT,
        subdomain_policy=Policy.QUARANTINE,
        nonexistent_policy=Policy.NONE,
        dkim_alignment=Alignment.STRICT,
        spf_alignment=Alignment.STRICT,
        public_suffix=PublicSuffix.YES,
        is_test=True,
    )


def test_alignment_is_asked_for_each_method():
    record = parse_dmarc_record(b"v=DMARC1; aspf=s")

    assert record.alignment("spf") is Alignment.STRICT
    assert record.alignment("dkim") is Alignment.RELAXED


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"v",
        b"v=spf1 -all",
        b"v=dmarc1; p=none",
        b"v=DMARC1x; p=none",
        b"v=DMARC1 p=none",
        b"p=none; v=DMARC1",
        b";v=DMARC1; p=none",
        b"v=DMARC\xff; p=none",
    ],
)
def test_what_does_not_begin_with_the_version_is_no_record(text):
    with pytest.raises(MalformedField):
        parse_dmarc_record(text)


@pytest.mark.parametrize(
    ("tags", "policy"),
    [
        (b"p=maybe", None),
        (b"p=", None),
        (b"p=reject; sp=maybe", None),
        (b"p=reject; np=maybe", None),
        (b"p=maybe; rua=nonsense", None),
        (b"p=maybe; rua=mailto:", None),
        (b"p=maybe; rua=mailto:a@x.example", Policy.NONE),
        (b"p=reject; np=maybe; rua=x, mailto:a@x.example!10m", Policy.NONE),
        (b"sp=reject", Policy.NONE),
        (b"adkim=s; reject", Policy.NONE),
        (b"p=reject; p=none", Policy.REJECT),
        (b"p=reject; adkim=maybe; psd=x; t=x; aspf", Policy.REJECT),
    ],
)
def test_a_policy_nobody_can_read_is_none_only_if_reports_are_wanted(tags, policy):
    assert parse_dmarc_record(b"v=DMARC1; " + tags).policy is policy


@given(st.binary() | st.binary().map(lambda tags: b"v=DMARC1;" + tags))
def test_any_octets_are_a_record_or_malformed(text):
    try:
        parse_dmarc_record(text)
    except MalformedField:
        pass


# Tree walk ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "domain", "expected"),
    [
        ({"mail.x.com": "", "x.com": ""}, "a.mail.x.com", "x.com"),
        ({"mail.x.com": "psd=n", "x.com": ""}, "a.mail.x.com", "mail.x.com"),
        ({"com": "psd=y"}, "a.mail.x.com", "x.com"),
        ({"com": "psd=y", "x.com": "", "mail.x.com": ""}, "a.mail.x.com", "x.com"),
        ({"com": ""}, "a.mail.x.com", "com"),
        ({"b.example": "psd=y", "g.b.example": ""}, "m.g.b.example", "g.b.example"),
        ({"b.example": "psd=y"}, "mail.mega.b.example", "mega.b.example"),
        ({"b.example": "psd=y"}, "b.example", "b.example"),
        ({"b.example": "psd=n", "example": ""}, "b.example", "b.example"),
        ({}, "a.b.example", "a.b.example"),
        ({"x.com": ["", "p=none"], "com": "psd=y"}, "a.x.com", "x.com"),
        ({"x.com": ""}, "a.b.c.d.e.f.g.h.i.j.x.com", "x.com"),
    ],
)
def test_the_organizational_domain_comes_from_the_records_above(
    names, domain, expected
):
    assert organizational_domain(domain, zone(names)) == expected


def test_a_failed_look_up_may_hide_the_organization():
    answers = zone({"b.x.com": FAILED, "x.com": ""})

    assert organizational_domain("a.b.x.com", answers) == FAILED


def test_a_failed_look_up_above_the_end_of_the_walk_does_not_matter():
    answers = zone({"x.com": "psd=n", "com": FAILED})

    assert organizational_domain("a.x.com", answers) == "x.com"


def test_a_walk_takes_no_more_than_eight_look_ups():
    assert names_to_look_up("a.b.c.d.e.f.g.h.i.j.mail.example.com", ()) == {
        "a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "_dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com",
        "_dmarc.g.h.i.j.mail.example.com",
        "_dmarc.h.i.j.mail.example.com",
        "_dmarc.i.j.mail.example.com",
        "_dmarc.j.mail.example.com",
        "_dmarc.mail.example.com",
        "_dmarc.example.com",
        "_dmarc.com",
    }


@pytest.mark.parametrize(("labels", "queries"), [(2, 2), (7, 7), (8, 8), (9, 8)])
def test_a_name_of_up_to_eight_labels_is_walked_whole(labels, queries):
    domain = ".".join("abcdefghi"[:labels])

    assert len(names_to_look_up(domain, ())) - 1 == queries <= MAX_QUERIES


def test_identifiers_that_cannot_align_are_not_looked_up():
    names = names_to_look_up("x.com", ["m.x.com", "x.org", "y.com"])

    assert names == {
        "x.com",
        "_dmarc.x.com",
        "_dmarc.com",
        "_dmarc.m.x.com",
        "_dmarc.y.com",
    }


def test_many_identifiers_do_not_crowd_out_the_near_ones():
    far = [f"{number}.{'a.' * 20}com" for number in range(100)]

    names = names_to_look_up("x.com", [*far, "m.x.com"])

    assert "_dmarc.m.x.com" in names
    assert len(names) <= 1 + MAX_QUERIES * (1 + MAX_IDENTIFIERS)


def test_a_name_too_long_for_the_dns_is_neither_asked_for_nor_missed():
    domain = ".".join(["a" * 63] * 3 + ["a" * 53, "x.com"])
    assert len(domain) == MAX_NAME_LENGTH - 2
    names = names_to_look_up(domain, ())

    answers = {name: NoSuchName() for name in names}
    assert "_dmarc." + domain not in names
    assert evaluate_dmarc(Author(domain), (), answers).result is Result.NONE


# Policies ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "author", "expected"),
    [
        ({"x.com": "p=reject; sp=none; np=none"}, "x.com", ("fail", "reject")),
        ({"x.com": "p=reject; sp=quarantine"}, "a.x.com", ("fail", "quarantine")),
        ({"x.com": "p=reject"}, "a.x.com", ("fail", "reject")),
        ({"x.com": "sp=none; np=reject"}, "a.x.com", ("fail", "reject")),
        (
            {"x.com": "sp=none; np=reject", "=a.x.com": []},
            "a.x.com",
            ("fail", "none"),
        ),
        (
            {"x.com": "sp=none; np=none", "=a.x.com": FAILED},
            "a.x.com",
            ("fail", "none"),
        ),
        ({"b.x.com": "p=none", "x.com": "p=reject"}, "a.b.x.com", ("fail", "reject")),
        (
            {"b.x.com": "p=reject; psd=n", "x.com": "p=none"},
            "a.b.x.com",
            ("fail", "reject"),
        ),
        ({"com": "p=none; sp=reject; psd=y"}, "x.com", ("fail", "reject")),
        ({"com": "p=none; sp=reject; psd=y"}, "a.x.com", ("fail", "reject")),
        ({"com": "p=reject; psd=y", "x.com": "p=none"}, "a.x.com", ("fail", "none")),
        ({"x.com": ["p=none", "p=reject"]}, "x.com", ("none", None)),
        (
            {"a.x.com": ["p=none", "p=none"], "x.com": "sp=reject"},
            "a.x.com",
            ("fail", "reject"),
        ),
        ({"x.com": "p=reject; t=y"}, "x.com", ("fail", "quarantine")),
        ({"x.com": "p=quarantine; t=y"}, "x.com", ("fail", "none")),
        ({"x.com": "p=none; t=y"}, "x.com", ("fail", "none")),
        ({"x.com": "np=reject; t=y"}, "a.x.com", ("fail", "quarantine")),
        ({"x.com": "p=reject; pct=0"}, "x.com", ("fail", "reject")),
        ({"x.com": "p=maybe"}, "x.com", ("permerror", None)),
        ({"x.com": "p=maybe"}, "a.x.com", ("permerror", None)),
        ({}, "x.com", ("none", None)),
        ({"x.com": FAILED}, "x.com", ("temperror", None)),
        ({"x.com": FAILED}, "a.x.com", ("temperror", None)),
        ({"x.com": "p=reject", "com": FAILED}, "x.com", ("fail", "reject")),
    ],
)
def test_the_policy_of_the_author_domain_is_found(names, author, expected):
    assert judge(author, names) == expected


def test_other_texts_at_the_name_do_not_count():
    answers = {"_dmarc.x.com": TxtRecords((b"v=spf1 -all", b"v=DMARC1; p=reject"))}

    assert evaluate_dmarc(Author("x.com"), (), answers).policy is Policy.REJECT


def test_it_matters_whether_a_domain_exists_only_if_nothing_passes():
    names = {"x.com": "sp=none; np=reject", "=a.x.com": FAILED}

    assert judge("a.x.com", names) == ("temperror", None)
    assert judge("a.x.com", names, dkim("a.x.com")) == ("pass", "none")


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        (AuthorReason.NO_FROM, DmarcReason.NO_AUTHOR),
        (AuthorReason.UNUSABLE, DmarcReason.NO_AUTHOR),
        (AuthorReason.SEVERAL_FROM, DmarcReason.SEVERAL_FROM),
        (AuthorReason.SEVERAL_DOMAINS, DmarcReason.SEVERAL_DOMAINS),
        (None, DmarcReason.NO_AUTHOR),
    ],
)
def test_without_author_domain_there_is_no_answer(reason, expected):
    verdict = evaluate_dmarc(Author(None, reason), [dkim("x.com")], {})

    assert verdict == DmarcVerdict(Result.PERMERROR, expected)


# Alignment ---------------------------------------------------------------------


@pytest.mark.parametrize(
    ("names", "author", "identifiers", "expected"),
    [
        ({"x.com": ""}, "x.com", [dkim("x.com")], "pass"),
        ({"x.com": ""}, "x.com", [spf("x.com")], "pass"),
        ({"x.com": ""}, "x.com", [dkim("x.com", Result.FAIL)], "fail"),
        ({"x.com": ""}, "x.com", [spf("x.com", Result.SOFTFAIL)], "fail"),
        ({"x.com": ""}, "x.com", [], "fail"),
        ({"x.com": ""}, "a.x.com", [dkim("b.x.com")], "pass"),
        ({"x.com": ""}, "a.x.com", [dkim("x.com")], "pass"),
        ({"x.com": ""}, "x.com", [dkim("a.x.com")], "pass"),
        ({"x.com": ""}, "x.com", [dkim("y.com")], "fail"),
        ({"x.com": ""}, "x.com", [dkim("ax.com")], "fail"),
        ({"x.com": ""}, "x.com", [dkim("x.com.y.com")], "fail"),
        ({"x.com": ""}, "x.com", [dkim("x.org")], "fail"),
        ({"x.com": ""}, "x.com", [dkim("com")], "fail"),
        ({"x.com": "", "com": "psd=y"}, "x.com", [dkim("y.com")], "fail"),
        ({"x.com": "", "a.x.com": "psd=n"}, "x.com", [dkim("a.x.com")], "fail"),
        ({"x.com": "adkim=s"}, "x.com", [dkim("a.x.com")], "fail"),
        ({"x.com": "adkim=s"}, "x.com", [spf("a.x.com")], "pass"),
        ({"x.com": "aspf=s"}, "x.com", [spf("a.x.com")], "fail"),
        ({"x.com": "aspf=s"}, "x.com", [spf("x.com")], "pass"),
        ({"x.com": ""}, "x.com", [dkim("y.com"), spf("x.com")], "pass"),
        ({"x.com": "", "com": FAILED}, "x.com", [dkim("x.com")], "pass"),
        ({"x.com": "", "com": FAILED}, "x.com", [dkim("x.org")], "fail"),
        ({"x.com": "", "com": FAILED}, "x.com", [dkim("y.com")], "temperror"),
        ({"x.com": "", "a.x.com": FAILED}, "x.com", [dkim("a.x.com")], "temperror"),
        ({"x.com": "", "y.com": FAILED}, "x.com", [dkim("y.com")], "fail"),
        (
            {"x.com": "", "a.x.com": FAILED},
            "x.com",
            [dkim("a.x.com"), spf("x.com")],
            "pass",
        ),
        ({"x.com": ""}, "x.com", [dkim("x.com", Result.TEMPERROR)], "temperror"),
        ({"x.com": ""}, "x.com", [dkim("y.com", Result.TEMPERROR)], "fail"),
        (
            {"x.com": ""},
            "x.com",
            [dkim("x.com", Result.TEMPERROR), spf("x.com")],
            "pass",
        ),
        ({}, "x.com", [dkim("x.com")], "none"),
        ({"x.com": "p=maybe"}, "x.com", [dkim("x.com")], "permerror"),
    ],
)
def test_an_aligned_identifier_passes(names, author, identifiers, expected):
    assert judge(author, names, *identifiers)[0] == expected


def test_the_verdict_says_what_it_rests_on():
    verdict = evaluate_dmarc(
        Author("a.x.com"),
        [dkim("y.org"), spf("b.x.com")],
        zone({"x.com": "p=reject; sp=quarantine"}),
    )

    assert verdict == DmarcVerdict(
        Result.PASS,
        None,
        "a.x.com",
        Policy.QUARANTINE,
        DmarcRecord(Policy.REJECT, Policy.QUARANTINE),
        "x.com",
        spf("b.x.com"),
    )


@pytest.mark.parametrize(
    ("names", "identifier", "reason"),
    [
        ({}, dkim("x.com"), DmarcReason.NO_RECORD),
        ({"x.com": FAILED}, dkim("x.com"), DmarcReason.LOOKUP_FAILED),
        ({"x.com": "p="}, dkim("x.com"), DmarcReason.BROKEN_RECORD),
        ({"x.com": ""}, dkim("y.com"), DmarcReason.NOT_ALIGNED),
        (
            {"x.com": ""},
            dkim("x.com", Result.TEMPERROR),
            DmarcReason.IDENTIFIER_UNKNOWN,
        ),
        ({"x.com": "", "com": FAILED}, dkim("y.com"), DmarcReason.LOOKUP_FAILED),
    ],
)
def test_every_result_but_pass_has_its_reason(names, identifier, reason):
    verdict = evaluate_dmarc(Author("x.com"), [identifier], zone(names))

    assert verdict.reason is reason


# Properties --------------------------------------------------------------------

domains = st.lists(st.sampled_from("abc"), min_size=2, max_size=10).map(".".join)
tags = st.sampled_from(
    ["", "p=reject", "sp=reject; np=none", "psd=y", "psd=n", "adkim=s", "p=x", "t=y"]
)
records = st.lists(tags, max_size=2) | st.just(FAILED)
zones = st.dictionaries(
    st.lists(st.sampled_from("abc"), min_size=1, max_size=5).map(".".join), records
)
identifiers_of_all_kinds = st.lists(
    st.builds(
        Identifier, st.sampled_from(["dkim", "spf"]), domains, st.sampled_from(Result)
    ),
    max_size=4,
)


@given(domains, zones, identifiers_of_all_kinds)
def test_all_that_is_read_was_named_before(author, names, identifiers):
    answers = zone(names)
    asked = names_to_look_up(author, [identifier.domain for identifier in identifiers])
    fetched = {name: answers.get(name, NoSuchName()) for name in asked}

    verdict = evaluate_dmarc(Author(author), identifiers, fetched)

    assert verdict == evaluate_dmarc(Author(author), identifiers, answers)


@given(domains, zones, identifiers_of_all_kinds)
def test_only_an_aligned_pass_passes(author, names, identifiers):
    verdict = evaluate_dmarc(Author(author), identifiers, zone(names))

    assert (verdict.result is Result.PASS) == (verdict.aligned is not None)
    assert (verdict.result is Result.PASS) == (verdict.reason is None)
    assert verdict.aligned is None or verdict.aligned.result is Result.PASS
    assert (verdict.policy is None) == (
        verdict.result not in (Result.PASS, Result.FAIL)
    )


@given(domains, zones)
def test_an_organization_is_the_domain_or_above_it(domain, names):
    organization = organizational_domain(domain, zone(names))

    if not isinstance(organization, LookupFailed):
        assert ("." + domain).endswith("." + organization)
