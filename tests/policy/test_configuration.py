"""What holds for a list: site, mail domain and list, and who may seal for it."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from mailman_arc.policy.configuration import (
    Identity,
    ListConfiguration,
    Origin,
    SectionError,
    parse_configuration,
)
from mailman_arc.policy.settings import (
    SETTINGS,
    ListSettings,
    Mode,
    Scope,
    SettingError,
    SiteSettings,
)


KEY = {"selector": "arc", "key_file": "/arc.pem"}
SITE = {"domain": "lists.example", **KEY}
PRESS = {"domain": "press.example", "selector": "s", "key_file": "/press.pem"}
OF_LISTS = [each.name for each in SETTINGS if each.scope is Scope.LIST]


def configured(**sections: dict[str, str]):
    """Sections by name; `__` stands for a dot."""
    named = {name.replace("__", "."): values for name, values in sections.items()}
    return parse_configuration({"arc": SITE, **named})


# The site


def test_the_domain_alone_is_enough():
    found = parse_configuration({"arc": {"domain": "lists.example"}})

    assert found.site == SiteSettings(
        authserv_id="lists.example", domain="lists.example"
    )
    assert found.missing_for_sealing == ()
    assert found.identities == {"arc": Identity("arc", "lists.example")}
    assert found.identities["arc"].is_managed


@pytest.mark.parametrize(
    ("given", "missing"), [("selector", "key_file"), ("key_file", "selector")]
)
def test_a_selector_and_a_file_need_each_other(given, missing):
    found = parse_configuration({"arc": {"domain": "lists.example", given: "x"}})

    assert found.identities == {}
    assert found.missing_for_sealing == (missing,)


def test_the_authserv_id_alone_is_enough():
    found = parse_configuration({"arc": {"authserv_id": "mx"}})

    assert found.site == SiteSettings(authserv_id="mx")
    assert found.missing_for_sealing == ("domain",)


def test_a_site_whose_only_identity_has_a_section_has_its_name():
    found = parse_configuration({"arc": {}, "identity.press": PRESS})

    assert found.site.authserv_id == "press.example"
    assert found.missing_for_sealing == ()


def test_a_site_that_can_seal_misses_nothing():
    assert configured().missing_for_sealing == ()
    assert configured().identities == {"arc": Identity("arc", **SITE)}


# Levels


def test_without_a_word_the_defaults_hold():
    found = configured().for_list("lists.example")

    assert found.settings == ListSettings()
    assert set(found.origins.values()) == {Origin("default")}
    assert set(found.origins) == set(OF_LISTS)


LEVELS = configured(
    arc={**SITE, "mode": "v", "shadow": "yes", "signature_ttl": "1d"},
    domain__example__org={"mode": "s", "signature_ttl": "2d"},
    domain__sub__example__org={"signature_ttl": "3d"},
)
ROWS = (
    ("other.example", {}, "mode", Mode.VERIFY, "site"),
    ("example.org", {}, "mode", Mode.SIGN, "domain example.org"),
    ("EXAMPLE.org", {}, "mode", Mode.SIGN, "domain example.org"),
    ("sub.example.org", {}, "mode", Mode.SIGN, "domain example.org"),
    ("notexample.org", {}, "mode", Mode.VERIFY, "site"),
    ("sub.example.org", {}, "signature_ttl", 3 * 86400, "domain sub.example.org"),
    ("a.sub.example.org", {}, "signature_ttl", 3 * 86400, "domain sub.example.org"),
    ("example.org", {}, "shadow", True, "site"),
    ("example.org", {"mode": "none"}, "mode", Mode.NONE, "list"),
    ("example.org", {"shadow": "no"}, "shadow", False, "list"),
    ("example.org", {"shadow": "no"}, "mode", Mode.SIGN, "domain example.org"),
    ("example.org", {}, "identity", "", "default"),
)


@pytest.mark.parametrize(("mail_host", "own", "name", "value", "origin"), ROWS)
def test_the_nearest_value_counts_and_says_where_it_is_from(
    mail_host, own, name, value, origin
):
    found = LEVELS.for_list(mail_host, own)

    assert getattr(found.settings, name) == value
    assert str(found.origins[name]) == origin


@pytest.mark.parametrize(
    "own", [{"mode": "x"}, {"nameservers": "::1"}, {"identity": "nobody"}, {"a": "b"}]
)
def test_a_value_of_a_list_that_cannot_be_used_is_passed_over_and_told(own):
    found = LEVELS.for_list("example.org", {**own, "shadow": "no"})

    assert found.settings.mode is Mode.SIGN
    assert found.settings.shadow is False
    assert [each.name for each in found.problems] == list(own)


# Who seals


IDENTITIES = configured(
    identity__org={"domain": "example.org", **KEY},
    identity__sub={"domain": "sub.example.org", **KEY},
    identity__press=PRESS,
)
CHOICES = (
    ("lists.example", "", "arc"),
    ("other.example", "", "arc"),
    ("example.org", "", "org"),
    ("Sub.Example.ORG", "", "sub"),
    ("a.sub.example.org", "", "sub"),
    ("b.example.org", "", "org"),
    ("press.example", "", "press"),
    ("sub.example.org", "org", "org"),
    ("sub.example.org", "arc", "arc"),
)


@pytest.mark.parametrize(("mail_host", "wanted", "name"), CHOICES)
def test_the_nearest_identity_seals_unless_another_is_wanted(mail_host, wanted, name):
    found = IDENTITIES.for_list(mail_host, {"identity": wanted} if wanted else {})

    assert found.identity.name == name
    assert found.problems == ()


@pytest.mark.parametrize("wanted", ["press", "sub", "nobody"])
def test_nobody_else_may_seal_for_a_domain(wanted):
    found = IDENTITIES.for_list("example.org", {"identity": wanted})

    assert found.identity.name == "org"
    assert found.problems[0].problem == (
        f"{wanted!r} may not seal for example.org; allowed: org, arc"
    )


def test_without_an_identity_for_the_domain_nobody_seals():
    found = parse_configuration({"arc": {"authserv_id": "mx"}, "identity.press": PRESS})

    assert found.for_list("example.org").identity is None
    assert found.for_list("press.example").identity.name == "press"


def test_an_identity_of_the_site_is_used_where_the_site_says_so():
    found = configured(arc={**SITE, "identity": "press"}, identity__press=PRESS)

    assert found.for_list("lists.example").identity.name == "press"


# What does not go together


BAD = (
    ({"arc": {}}, "arc", "authserv_id", "has no value; give your mail domain"),
    ({"arc": {"domain": " "}}, "arc", "authserv_id", "has no value"),
    ({"arc": {"privkey": "/a", "key_file": "/b"}}, "arc", "key_file", "given twice"),
    ({"lists": {}}, "lists", "lists", "there is no such section"),
    ({"domain.": {}}, "domain.", "domain.", "does not name a domain"),
    ({"domain.a b": {}}, "domain.a b", "domain.a b", "does not name a domain"),
    (
        {"domain.example": {"nameservers": "x"}},
        "domain.example",
        "nameservers",
        "no such",
    ),
    ({"domain.example": {"mode": "x"}}, "domain.example", "mode", "is none of"),
    (
        {"domain.example": {"identity": "x"}},
        "domain.example",
        "identity",
        "may not seal",
    ),
    (
        {"arc": {**SITE, "identity": "x"}},
        "arc",
        "identity",
        "there is no 'x'; known: arc",
    ),
    ({"arc": {"authserv_id": "x", "identity": "x"}}, "arc", "identity", "known: none"),
    ({"identity.": PRESS}, "identity.", "identity.", "needs a name of its own"),
    (
        {"identity.arc": PRESS},
        "identity.arc",
        "identity.arc",
        "needs a name of its own",
    ),
    ({"identity.x": {}}, "identity.x", "domain", "has no value"),
    (
        {"identity.x": {"domain": "x.example", "selector": "s"}},
        "identity.x",
        "key_file",
        "has no value; give selector and key_file, or neither",
    ),
    (
        {"identity.x": {"domain": "x.example", "key_file": "/k"}},
        "identity.x",
        "selector",
        "has no value; give selector and key_file, or neither",
    ),
    ({"identity.x": {**PRESS, "mode": "s"}}, "identity.x", "mode", "does not belong"),
    ({"identity.x": {**PRESS, "nix": "s"}}, "identity.x", "nix", "no such setting"),
    (
        {"identity.x": {**SITE, "key_file": "/other.pem"}},
        "arc",
        "key_file",
        "identity.x has another key of this name",
    ),
)


@pytest.mark.parametrize(("sections", "section", "name", "problem"), BAD)
def test_what_cannot_be_used_is_refused_with_its_section(
    sections, section, name, problem
):
    with pytest.raises(SectionError) as caught:
        parse_configuration({"arc": SITE, **sections})

    assert (caught.value.section, caught.value.name) == (section, name)
    assert problem in str(caught.value)


def test_an_identity_may_have_nothing_but_a_domain():
    found = configured(identity__x={"domain": "x.example"})

    assert found.identities["x"] == Identity("x", "x.example")
    assert found.identities["x"].is_managed
    assert not found.identities["arc"].is_managed


def test_two_identities_may_share_a_key():
    found = configured(identity__x=SITE)

    assert set(found.identities) == {"arc", "x"}


texts = st.text("abc.: ,/=yesnov", max_size=8)


@given(
    st.dictionaries(
        st.sampled_from(["arc", "domain.a", "domain.a.b", "identity.x", "other"]),
        st.dictionaries(st.sampled_from([each.name for each in SETTINGS]), texts),
    )
)
def test_any_sections_are_a_configuration_or_an_error_with_a_section(sections):
    try:
        found = parse_configuration(sections).for_list("a.b")
    except SectionError as error:
        found = error

    assert isinstance(found, ListConfiguration) or found.section in {*sections, "arc"}


@given(st.dictionaries(st.sampled_from([*OF_LISTS, "x"]), texts))
def test_any_values_of_a_list_do_no_harm(own):
    found = LEVELS.for_list("example.org", own)

    assert isinstance(found.settings, ListSettings)
    assert all(isinstance(each, SettingError) for each in found.problems)
    for name, origin in found.origins.items():
        assert origin != Origin("list") or name in own


# The history


def test_no_list_remembers_posts_for_longer_than_the_site_allows():
    found = configured(
        arc=SITE | {"history_max_days": "7"}, domain__lists__example={}
    ).for_list("lists.example")

    assert found.settings.history_days == 7


@pytest.mark.parametrize("name", ["history_days", "HistoryDays"])
def test_a_list_cannot_ask_for_more_than_the_site_allows(name):
    site = configured(arc=SITE | {"history_max_days": "7"})

    with pytest.raises(SettingError, match="at most 7 days are remembered here"):
        site.parse_own("lists.example", name, "8")
    assert site.parse_own("lists.example", name, "7") == 7
