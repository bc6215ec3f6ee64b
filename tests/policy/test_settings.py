"""Every setting: what may be written, and what is said about the rest."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given, strategies as st

from mailman_arc.policy.settings import (
    SETTINGS,
    AnonymousSeal,
    SettingError,
    SiteSettings,
    TransportSafe,
    parse_boolean,
    parse_settings,
)
from mailman_arc.policy.trust import Trust


BASE = {"domain": "lists.example"}
NAMES = [setting.name for setting in SETTINGS]


def test_the_domain_alone_is_enough():
    assert parse_settings(BASE) == SiteSettings(
        authserv_id="lists.example", domain="lists.example"
    )


def test_the_authserv_id_alone_is_enough():
    assert parse_settings({"authserv_id": "mx"}) == SiteSettings(authserv_id="mx")


GOOD = (
    ("authserv_id", "mx.lists.example", "mx.lists.example"),
    ("authserv_id", "b\xfccher.example", "b\xfccher.example"),
    ("authserv_id", "", "lists.example"),
    ("trusted_authserv_ids", "", ()),
    ("trusted_authserv_ids", "mx1", ("mx1",)),
    ("trusted_authserv_ids", "mx1, mx2,mx3\n mx4", ("mx1", "mx2", "mx3", "mx4")),
    ("domain", "Lists.Example", "lists.example"),
    ("domain", "b\xfccher.example", "xn--bcher-kva.example"),
    ("selector", "arc2026", "arc2026"),
    ("selector", "a.B", "a.b"),
    ("selector", "", ""),
    ("key_file", " /etc/arc 1.pem ", "/etc/arc 1.pem"),
    ("require_safe_keys", "no", False),
    ("require_safe_keys", "YES", True),
    ("nameservers", "127.0.0.1 ::1", ("127.0.0.1", "::1")),
    ("nameserver_port", "5353", 5353),
    ("nameserver_port", "65535", 65535),
    ("dns_timeout", "0.5", 0.5),
    ("dns_timeout", "3s", 3.0),
    ("dns_deadline", " 60 ", 60.0),
    ("dns_cache_size", "1", 1),
    ("test_keys", "/etc/test.zone", "/etc/test.zone"),
    ("authorized_xforward_hosts", "", ()),
    (
        "authorized_xforward_hosts",
        "192.0.2.1, 2001:db8::/32",
        (ip_network("192.0.2.1/32"), ip_network("2001:db8::/32")),
    ),
    ("temperror_hold", "30m", 1800),
    ("temperror_hold", "90", 90),
    ("temperror_hold", "90 s", 90),
    ("temperror_hold", "2H", 7200),
    ("temperror_hold", "24h", 86400),
    ("temperror_hold", "no", 0),
    ("temperror_hold", "0", 0),
    ("transport_safe", "on", TransportSafe.YES),
    ("transport_safe", "Always", TransportSafe.ALWAYS),
    ("transport_safe", "no", TransportSafe.NO),
    ("anonymous_seal", "Fresh", AnonymousSeal.FRESH),
    ("anonymous_seal", "none", AnonymousSeal.NONE),
)


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_a_good_value_is_taken(name, text, value):
    assert getattr(parse_settings({**BASE, name: text}), name) == value


BAD = (
    ("authserv_id", "two words", "'two words' is not an authserv-id; it is one word"),
    ("authserv_id", 'a"b', "is not an authserv-id"),
    ("authserv_id", "a;b", "is not an authserv-id"),
    ("authserv_id", "(a)", "is not an authserv-id"),
    ("authserv_id", "a\x00b", "is not an authserv-id"),
    ("domain", "lists_.example.", "is not a domain name"),
    ("domain", "lists..example", "is not a domain name"),
    ("domain", "-", "'-' is not a domain name"),
    ("domain", "a b", "is not a domain name"),
    ("domain", "x" * 64 + ".example", "is not a domain name"),
    ("domain", "\xfc" * 64, "is not a domain name"),
    ("selector", "a/b", "'a/b' is not a domain name"),
    ("require_safe_keys", "perhaps", "'perhaps' is neither yes nor no"),
    ("require_safe_keys", "", "'' is neither yes nor no"),
    ("nameserver_port", "0", "'0' is not a whole number above zero"),
    ("nameserver_port", "65536", "'65536' is not a port, which is at most 65535"),
    ("nameserver_port", "-1", "is not a whole number above zero"),
    ("nameserver_port", "domain", "is not a whole number above zero"),
    ("nameserver_port", "\N{SUPERSCRIPT TWO}", "is not a whole number above zero"),
    ("dns_timeout", "0", "'0' is not a number of seconds between 0 and 60"),
    ("dns_timeout", "-1", "is not a number of seconds"),
    ("dns_timeout", "60.1", "is not a number of seconds"),
    ("dns_timeout", "nan", "is not a number of seconds"),
    ("dns_timeout", "inf", "is not a number of seconds"),
    ("dns_timeout", "3m", "is not a number of seconds"),
    ("dns_timeout", "", "is not a number of seconds"),
    ("dns_deadline", "long", "is not a number of seconds"),
    ("dns_cache_size", "1.5", "is not a whole number above zero"),
    ("dns_cache_size", "", "is not a whole number above zero"),
    ("authorized_xforward_hosts", "mx.example", "give addresses or networks"),
    ("authorized_xforward_hosts", "192.0.2.1/24", "has host bits set"),
    ("temperror_hold", "25h", "'25h' is not a time such as 90s, 30m or 2h"),
    ("temperror_hold", "-1", "is not a time such as"),
    ("temperror_hold", "soon", "is not a time such as"),
    ("temperror_hold", "yes", "is not a time such as"),
    ("temperror_hold", "", "is not a time such as"),
    ("transport_safe", "sometimes", "'sometimes' is none of yes, no, always"),
    ("anonymous_seal", "yes", "'yes' is neither fresh nor none"),
)


@pytest.mark.parametrize(("name", "text", "problem"), BAD)
def test_a_bad_value_is_refused_with_name_and_reason(name, text, problem):
    with pytest.raises(SettingError) as caught:
        parse_settings({**BASE, name: text})

    assert caught.value.name == name
    assert problem in caught.value.problem
    assert str(caught.value) == f"{name}: {caught.value.problem}"


def test_a_number_too_long_to_read_is_refused_in_our_words():
    with pytest.raises(SettingError, match="whole number") as caught:
        parse_settings({**BASE, "dns_cache_size": "9" * 5000})

    assert "set_int_max_str_digits" not in str(caught.value)


@pytest.mark.parametrize("values", [{}, {"authserv_id": ""}, {"domain": " "}])
def test_a_site_without_a_name_is_refused(values):
    with pytest.raises(SettingError, match="authserv_id: has no value; give your mail"):
        parse_settings(values)


@pytest.mark.parametrize("name", ["domian", "Domain", "", "section.domain"])
def test_an_unknown_name_is_refused_and_the_known_ones_are_told(name):
    with pytest.raises(SettingError) as caught:
        parse_settings({**BASE, name: "x"})

    assert caught.value.name == name
    assert all(known in caught.value.problem for known in NAMES)


YES = ("yes", "true", "on", "1", "y", "t", "enabled")
NO = ("no", "false", "off", "0", "n", "f", "disabled")


@pytest.mark.parametrize("case", [str.lower, str.upper, str.title])
@pytest.mark.parametrize(
    ("word", "value"), [(w, True) for w in YES] + [(w, False) for w in NO]
)
def test_yes_and_no_have_many_spellings(case, word, value):
    assert parse_boolean(case(word)) is value


@pytest.mark.parametrize("word", ["", "2", "ja", "yes please", "None", "01"])
def test_other_words_are_neither_yes_nor_no(word):
    with pytest.raises(ValueError, match="is neither yes nor no"):
        parse_boolean(word)


@pytest.mark.parametrize("setting", SETTINGS, ids=NAMES)
def test_every_setting_has_a_good_value_here_and_help_in_sentences(setting):
    assert setting.name in {name for name, _, _ in GOOD}
    assert setting.help.endswith(".")


MISSING = (
    (BASE, ("selector", "key_file")),
    ({"authserv_id": "mx"}, ("domain", "selector", "key_file")),
    ({**BASE, "selector": "arc", "key_file": "/etc/arc.pem"}, ()),
    ({**BASE, "key_file": "/etc/arc.pem"}, ("selector",)),
)


@pytest.mark.parametrize(("values", "names"), MISSING)
def test_what_is_missing_for_sealing_is_named(values, names):
    assert parse_settings(values).missing_for_sealing == names


def test_the_settings_say_whom_to_trust():
    settings = parse_settings({**BASE, "trusted_authserv_ids": "mx1 mx2"})

    assert settings.trust == Trust("lists.example", frozenset({"mx1", "mx2"}))


@given(st.dictionaries(st.sampled_from(NAMES), st.text(max_size=20)))
def test_any_text_is_a_setting_or_an_error_with_a_name(values):
    try:
        settings = parse_settings(values)
    except SettingError:
        return

    assert settings.authserv_id
