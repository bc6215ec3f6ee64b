"""Every setting: what may be written, and what is said about the rest."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from hypothesis import given, strategies as st

from mailman_arc.mailauth.arc.seal import OVERSIGNED_FIELDS, SIGNED_FIELDS
from mailman_arc.policy.inbound import Demands
from mailman_arc.policy.peers import Peer
from mailman_arc.policy.settings import (
    NEVER_SIGNED,
    SETTINGS,
    AnonymousSeal,
    FailureAction,
    ListSettings,
    Mode,
    NonmemberAction,
    Scope,
    SettingError,
    SiteSettings,
    TransportSafe,
    find_setting,
)
from mailman_arc.policy.trust import Trust
from mailman_arc.policy.values import parse_boolean


NAMES = [setting.name for setting in SETTINGS]


GOOD = (
    ("authserv_id", "mx.lists.example", "mx.lists.example"),
    ("authserv_id", "b\xfccher.example", "b\xfccher.example"),
    ("authserv_id", "", ""),
    ("trusted_authserv_ids", "", ()),
    ("trusted_authserv_ids", "mx1", ("mx1",)),
    ("trusted_authserv_ids", "mx1, mx2,mx3\n mx4", ("mx1", "mx2", "mx3", "mx4")),
    ("domain", "Lists.Example", "lists.example"),
    ("domain", "b\xfccher.example", "xn--bcher-kva.example"),
    ("selector", "arc2026", "arc2026"),
    ("selector", "a.B", "a.b"),
    ("selector", "", ""),
    ("key_file", " /etc/arc 1.pem ", "/etc/arc 1.pem"),
    ("key_directory", "/var/lib/arc keys", "/var/lib/arc keys"),
    ("key_directory", "", ""),
    ("minimum_key_size_rsa", "1024", 1024),
    ("minimum_key_size_rsa", "4096", 4096),
    ("oldest_pass", "no", False),
    ("require_safe_keys", "no", False),
    ("require_safe_keys", "YES", True),
    ("check_pubkey", "No", False),
    ("check_pubkey", "1", True),
    ("nameservers", "127.0.0.1 ::1", ("127.0.0.1", "::1")),
    ("nameserver_port", "5353", 5353),
    ("nameserver_port", "65535", 65535),
    ("dns_timeout", "0.5", 0.5),
    ("dns_timeout", "3s", 3.0),
    ("dns_deadline", " 60 ", 60.0),
    ("dns_cache_size", "1", 1),
    ("test_keys", "/etc/test.zone", "/etc/test.zone"),
    ("database_url", "", ""),
    ("database_url", "Mailman", "mailman"),
    ("database_url", "sqlite:////srv/a b/arc.db", "sqlite:////srv/a b/arc.db"),
    ("database_url", "postgresql://u:p@h/name", "postgresql://u:p@h/name"),
    (
        "database_url",
        "postgresql://u@/n?host=/run/pg",
        "postgresql://u@/n?host=/run/pg",
    ),
    ("database_url", "mysql+pymysql://u@h:1/n?a=b", "mysql+pymysql://u@h:1/n?a=b"),
    ("database_url", "mariadb+mysqldb:///n", "mariadb+mysqldb:///n"),
    ("authorized_xforward_hosts", "", ()),
    (
        "authorized_xforward_hosts",
        "192.0.2.1, 2001:db8::/32",
        (ip_network("192.0.2.1/32"), ip_network("2001:db8::/32")),
    ),
    ("peer_list", "", ()),
    (
        "peer_list",
        "192.0.2.0/24, !Mail.example\n.example.org",
        (
            Peer(ip_network("192.0.2.0/24")),
            Peer("mail.example", is_excluded=True),
            Peer(".example.org"),
        ),
    ),
    ("temperror_hold", "30m", 1800),
    ("temperror_hold", "90", 90),
    ("temperror_hold", "90 s", 90),
    ("temperror_hold", "2H", 7200),
    ("temperror_hold", "24h", 86400),
    ("temperror_hold", "1d", 86400),
    ("mode", "SV", Mode.SIGN_AND_VERIFY),
    ("mode", "none", Mode.NONE),
    ("shadow", "on", True),
    ("identity", "press", "press"),
    ("sign_headers", "From:To:Subject", ("from", "to", "subject")),
    ("sign_headers", "from, to\n  cc,from,", ("from", "to", "cc")),
    ("oversign_headers", "", ()),
    ("oversign_headers", "From", ("from",)),
    ("canonicalization", "relaxed/simple", ("relaxed", "simple")),
    ("canonicalization", "Simple", ("simple", "simple")),
    ("canonicalization", "relaxed", ("relaxed", "simple")),
    ("signature_ttl", "30d", 30 * 86400),
    ("signature_ttl", "604800", 7 * 86400),
    ("signature_ttl", "no", 0),
    ("temperror_hold", "no", 0),
    ("temperror_hold", "0", 0),
    ("transport_safe", "on", TransportSafe.YES),
    ("transport_safe", "Always", TransportSafe.ALWAYS),
    ("transport_safe", "no", TransportSafe.NO),
    ("anonymous_seal", "Fresh", AnonymousSeal.FRESH),
    ("anonymous_seal", "none", AnonymousSeal.NONE),
    ("notify_site_owner", "no", False),
    ("dmarc_none_counts", "yes", True),
    ("dmarc_failure_action", "hold", FailureAction.HOLD),
    ("dmarc_failure_nonmember_action", "Same", NonmemberAction.SAME),
    ("arc_failure_action", "Reject", FailureAction.REJECT),
    ("arc_failure_nonmember_action", "hold", NonmemberAction.HOLD),
    ("dkim_failure_action", "discard", FailureAction.DISCARD),
    ("dkim_failure_nonmember_action", "accept", NonmemberAction.ACCEPT),
    ("unconfirmed_action", "defer", FailureAction.DEFER),
    ("unconfirmed_nonmember_action", "reject", NonmemberAction.REJECT),
    ("from_mismatch_action", "accept", FailureAction.ACCEPT),
    ("from_mismatch_nonmember_action", "defer", NonmemberAction.DEFER),
    ("trusted_sealers", "", ()),
    (
        "trusted_sealers",
        "Relay.example, b\xfccher.example relay.example",
        ("relay.example", "xn--bcher-kva.example"),
    ),
    ("history_days", "0", 0),
    ("history_days", "90", 90),
    ("history_max_days", "0", 0),
    ("history_fields", "", ()),
    ("history_fields", "Subject author", ("author", "subject")),
)


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_a_good_value_is_taken(name, text, value):
    assert find_setting(name).parse(text) == value


@pytest.mark.parametrize(("name", "text", "value"), GOOD)
def test_a_value_that_is_shown_is_read_as_the_same(name, text, value):
    setting = find_setting(name)

    assert setting.parse(setting.kind.show(value)) == value


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
    (
        "minimum_key_size_rsa",
        "1023",
        "1023 is not a number of bits from 1024, the least that RFC 8301 §3.2 allows, "
        "to 4096",
    ),
    ("minimum_key_size_rsa", "4097", "4097 is not a number of bits from 1024"),
    ("minimum_key_size_rsa", "2k", "'2k' is not a whole number above zero"),
    ("require_safe_keys", "perhaps", "'perhaps' is neither yes nor no"),
    ("require_safe_keys", "", "'' is neither yes nor no"),
    ("check_pubkey", "maybe", "'maybe' is neither yes nor no"),
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
    (
        "database_url",
        "yes",
        "is neither 'mailman' nor a URL such as postgresql+psycopg",
    ),
    ("database_url", "sqlite://", "nor a URL such as"),
    ("database_url", "sqlite:///arc.db", "or sqlite:////path/to/arc.db"),
    ("database_url", "sqlite:////", "nor a URL such as"),
    ("database_url", "sqlite:////a\x00b", "nor a URL such as"),
    ("database_url", "postgresql://host", "nor a URL such as"),
    ("database_url", "oracle://u:secret@h/n", "nor a URL such as"),
    ("authorized_xforward_hosts", "mx.example", "give addresses or networks"),
    ("authorized_xforward_hosts", "192.0.2.1/24", "has host bits set"),
    (
        "peer_list",
        "/etc/openarc/PeerList",
        "is neither an address, a network nor a host name",
    ),
    ("temperror_hold", "25h", "a post may wait for 24h at most"),
    ("temperror_hold", "9999999d", "'9999999d' is not a time such as 90s, 30m, 2h"),
    ("mode", "vs", "'vs' is none of sv, s, v, none"),
    ("mode", "yes", "'yes' is none of sv, s, v, none"),
    ("shadow", "perhaps", "'perhaps' is neither yes nor no"),
    ("sign_headers", "to, subject", "from must be among them"),
    ("sign_headers", "", "from must be among them"),
    ("sign_headers", "from, gr\xfc", "'gr\xfc' is not the name of a header field"),
    (
        "sign_headers",
        "from, arc-authentication-results, received",
        "arc-authentication-results, received must not be signed (RFC 8617 §4.1.2",
    ),
    ("sign_headers", "from, " + "x" * 81, "is not the name of a header field"),
    (
        "oversign_headers",
        " ".join(f"x-{n}" for n in range(101)),
        "these are more than 100 header fields",
    ),
    ("canonicalization", "strict", "'strict' is not a canonicalization such as"),
    ("canonicalization", "", "'' is not a canonicalization"),
    ("canonicalization", "relaxed/", "is not a canonicalization"),
    ("signature_ttl", "367d", "'367d' is not a time such as"),
    ("signature_ttl", "1w", "'1w' is not a time such as"),
    ("temperror_hold", "-1", "is not a time such as"),
    ("temperror_hold", "soon", "is not a time such as"),
    ("temperror_hold", "yes", "is not a time such as"),
    ("temperror_hold", "", "is not a time such as"),
    ("transport_safe", "sometimes", "'sometimes' is none of yes, always, no"),
    ("anonymous_seal", "yes", "'yes' is none of fresh, none"),
    ("trusted_sealers", "relay.example, *", "'*' is not a domain name"),
    ("trusted_sealers", "!relay.example", "'!relay.example' is not a domain name"),
    ("history_days", "-1", "'-1' is not a whole number"),
    ("history_days", "30d", "'30d' is not a whole number"),
    ("history_days", "9" * 10, "is not a whole number"),
    ("history_fields", "body", "'body' is none of author, subject, message_id"),
)


@pytest.mark.parametrize(("name", "text", "problem"), BAD)
def test_a_bad_value_is_refused_with_name_and_reason(name, text, problem):
    with pytest.raises(SettingError) as caught:
        find_setting(name).parse(text)

    assert caught.value.name == name
    assert problem in caught.value.problem
    assert str(caught.value) == f"{name}: {caught.value.problem}"


def test_what_may_hold_a_password_is_not_shown():
    with pytest.raises(SettingError) as caught:
        find_setting("database_url").parse("postgres://user:secret@host/name")

    assert "secret" not in str(caught.value)


def test_a_number_too_long_to_read_is_refused_in_our_words():
    with pytest.raises(SettingError, match="whole number") as caught:
        find_setting("dns_cache_size").parse("9" * 5000)

    assert "set_int_max_str_digits" not in str(caught.value)


@pytest.mark.parametrize("name", ["domian", "", "section.domain", "_"])
def test_an_unknown_name_is_refused_and_the_known_ones_are_told(name):
    with pytest.raises(SettingError) as caught:
        find_setting(name)

    assert caught.value.name == name
    assert all(known in caught.value.problem for known in NAMES)


def test_a_setting_of_the_site_is_unknown_to_lists():
    with pytest.raises(SettingError) as caught:
        find_setting("key_file", Scope.LIST)

    assert "mode" in caught.value.problem
    assert "key_file" not in caught.value.problem


ALIASES = (
    ("AuthservID", "authserv_id"),
    ("authservid", "authserv_id"),
    ("arc_srvid", "authserv_id"),
    ("trusted_authserv_id", "trusted_authserv_ids"),
    ("KeyFile", "key_file"),
    ("privkey", "key_file"),
    ("private_key_path", "key_file"),
    ("signer_domain", "domain"),
    ("SignHeaders", "sign_headers"),
    ("sig_headers", "sign_headers"),
    ("OversignHeaders", "oversign_headers"),
    ("SignatureTTL", "signature_ttl"),
    ("RequireSafeKeys", "require_safe_keys"),
    ("Mode", "mode"),
    ("arc_mode", "mode"),
)


@pytest.mark.parametrize(("name", "ours"), ALIASES)
def test_a_setting_has_the_names_it_has_elsewhere(name, ours):
    assert find_setting(name).name == ours


def test_no_two_settings_share_a_name():
    names = [name for each in SETTINGS for name in (each.name, *each.aliases)]
    plain = [name.replace("_", "") for name in names]

    assert len(set(plain)) == len(plain)


@pytest.mark.parametrize("setting", SETTINGS, ids=NAMES)
def test_a_default_can_be_shown_and_read(setting):
    shown = setting.kind.show(setting.default)

    assert setting.parse(shown) == setting.default


def test_the_defaults_for_sealing_are_those_of_the_standards():
    assert ListSettings().sign_headers == SIGNED_FIELDS
    assert ListSettings().oversign_headers == OVERSIGNED_FIELDS
    assert not NEVER_SIGNED.intersection(SIGNED_FIELDS)


@pytest.mark.parametrize(
    ("mode", "seals", "reports"),
    [
        ("sv", True, True),
        ("s", True, False),
        ("v", False, True),
        ("none", False, False),
    ],
)
def test_a_mode_says_what_is_done(mode, seals, reports):
    assert (Mode(mode).seals, Mode(mode).reports) == (seals, reports)


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


def test_the_settings_say_whom_to_trust():
    settings = SiteSettings(
        authserv_id="lists.example", trusted_authserv_ids=("mx1", "mx2")
    )

    assert settings.trust == Trust("lists.example", frozenset({"mx1", "mx2"}))


def test_what_is_asked_of_signatures():
    settings = SiteSettings(minimum_key_size_rsa=2048, oldest_pass=False)

    assert settings.demands == Demands(2048, oldest_pass=False)


@given(st.sampled_from(SETTINGS), st.text(max_size=40))
def test_any_text_is_a_value_that_can_be_shown_or_an_error(setting, text):
    try:
        value = setting.parse(text)
    except SettingError:
        return

    assert setting.parse(setting.kind.show(value)) == value
