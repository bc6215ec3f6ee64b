"""What other programs were configured with, in our words."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from mailman_arc.plugin.siteconfig import parse_text
from mailman_arc.policy.foreign import Source, detect_source, read_options
from mailman_arc.policy.foreignoptions import DANGEROUS, IGNORED, MAPPED
from mailman_arc.policy.importing import (
    Fate,
    Imported,
    import_text,
    show_settings,
)


# Like those that sites publish, traps included.
OPENARC = """\
PidFile /run/openarc/openarc.pid
UserID  openarc:openarc
Mode sv  # seal and verify
Canonicalization relaxed/simple
Domain Example.com
Selector myselector
KeyFile /etc/openarc/keys/myselector.private
SignHeaders to,subject,from,dkim-signature,arc-authentication-results
PeerList /etc/openarc/PeerList
MinimumKeySizeRSA 2048

"""
MAILMAN = """\
[mailman]
site_owner: owner@lists.example
[ARC]
# switched on last year
enabled: yes
dkim: yes
authserv_id: lists.example
sig_headers: From, To,
  Subject
privkey = /etc/mailman/arc.pem
selector: arc
domain: lists.example

[mta]
domain: other.example
"""
SYMPA = """\
title Sympa
dkim_private_key_path /etc/dkim.pem
dkim_selector dkim

arc_feature on
arc_parameters
signer_domain lists.example
\tprivate_key_path /etc/arc.pem
# nothing

reply_to_header
value list
dkim_signer_domain other.example
"""
RSPAMD = """\
# local.d/arc.conf
sign_headers = "(o)from:(x)sender:to";
sign_networks = ["192.0.2.0/24", "::1"];
path = "/var/lib/rspamd/arc/$domain.$selector.key"
/* several
   lines */
domain {
  Lists.example { selector = "s"; }
  "other.example": { path = "/etc/\\"other\\".key" }
}
"""


def imported(text: str, source: Source | None = None) -> Imported:
    return import_text(text, source or detect_source(text), "host.example")


def notes(found: Imported, fate: Fate) -> list[str]:
    return [f"{each.option}: {each.text}" for each in found.notes if each.fate is fate]


def dangers(text: str, source: Source | None = None) -> list[str]:
    return notes(imported(text, source), Fate.DANGEROUS)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        (OPENARC, Source.OPENARC),
        (MAILMAN, Source.MAILMAN),
        (SYMPA, Source.SYMPA),
        (RSPAMD, Source.RSPAMD),
        ("", Source.OPENARC),
    ],
)
def test_whose_it_is_can_be_told(text, source):
    assert detect_source(text) is source


def test_openarc():
    found = imported(OPENARC)

    assert found.sections == {
        "arc": {
            "mode": "sv",
            "canonicalization": "relaxed/simple",
            "domain": "example.com",
            "selector": "myselector",
            "key_file": "/etc/openarc/keys/myselector.private",
            "sign_headers": "to, subject, from, dkim-signature",
            "minimum_key_size_rsa": "2048",
        }
    }
    assert list(found.files) == [
        "/etc/openarc/PeerList",
        "/etc/openarc/keys/myselector.private",
    ]
    assert [str(note) for note in found.notes][:2] == [
        "ignored: PidFile (line 1): not needed inside Mailman, which runs the plugin",
        "ignored: UserID (line 2): not needed inside Mailman, which runs the plugin",
    ]
    [signed] = notes(found, Fate.DANGEROUS)
    assert signed.startswith("SignHeaders: arc-authentication-results is left out")
    assert "PeerList: no entry that could be used" in notes(found, Fate.IGNORED)
    assert "relaxed/relaxed" in "".join(notes(found, Fate.MAPPED))


PEERS = """\
# our own
192.0.2.0/24  # the office
!192.0.2.9
2001:db8::1
relay.example

0x7f000001
"""


def peers_of(text: str) -> Imported:
    files = {"/etc/openarc/PeerList": text}
    return import_text(OPENARC, Source.OPENARC, "host.example", files.__getitem__)


def test_the_peers_of_openarc_are_those_in_its_file():
    found = peers_of(PEERS)

    peers = "192.0.2.0/24, !192.0.2.9/32, 2001:db8::1/128, relay.example, 0x7f000001"
    assert found.values["peer_list"] == peers


def test_a_peer_that_cannot_be_used_is_left_out():
    found = peers_of("192.0.2.1/24\n192.0.2.1\n")

    assert found.values["peer_list"] == "192.0.2.1/32"
    assert (
        "PeerList: left out: '192.0.2.1/24' is neither an address, a network nor a "
        "host name"
    ) in notes(found, Fate.DANGEROUS)


@pytest.mark.parametrize("peer", ["127.0.0.1", "127.0.0.0/8", "::1", "localhost"])
def test_this_machine_as_a_peer_is_dangerous(peer):
    told = notes(peers_of(peer), Fate.DANGEROUS)[-1]

    assert told.startswith("PeerList: this machine is among them: unless")


def test_the_trusted_signers_of_rspamd():
    text = 'path = "/k";\nwhitelisted_signers_map = ["b.example", "A.example"];\n'

    found = imported(text, Source.RSPAMD)

    assert found.values["trusted_sealers"] == "b.example, a.example"


@pytest.mark.parametrize("place", ["/etc/rspamd/signers.map", "https://a.example/map"])
def test_trusted_signers_in_a_file_have_to_be_named(place):
    found = imported(f'whitelisted_signers_map = "{place}";', Source.RSPAMD)

    assert "trusted_sealers" not in found.values
    assert notes(found, Fate.DANGEROUS)[0] == (
        "whitelisted_signers_map: that file is not read: name its domains in "
        "`trusted_sealers`"
    )


def test_every_option_of_openarc_is_known():
    tables = (MAPPED, DANGEROUS, IGNORED)
    names = [name for table in tables for name in table[Source.OPENARC]]

    assert len(names) == len(set(names)) == 43


def test_the_section_of_mailman():
    found = imported(MAILMAN)

    assert found.values == {
        "mode": "sv",
        "authserv_id": "lists.example",
        "sign_headers": "from, to, subject",
        "key_file": "/etc/mailman/arc.pem",
        "selector": "arc",
        "domain": "lists.example",
    }
    assert notes(found, Fate.IGNORED) == ["dkim: DKIM is always checked"]
    [danger] = notes(found, Fate.DANGEROUS)
    assert "sealed twice" in danger


def test_a_last_line_that_goes_on():
    assert (
        imported("[ARC]\nsig_headers: from\n to").values["sign_headers"] == "from, to"
    )


def test_sympa():
    found = imported(SYMPA)

    assert found.values == {
        "key_file": "/etc/arc.pem",
        "selector": "dkim",
        "mode": "sv",
        "domain": "lists.example",
    }
    assert notes(found, Fate.IGNORED) == [
        "dkim_signer_domain: that of ARC counts: lists.example"
    ]


def test_rspamd():
    found = imported(RSPAMD)

    assert found.sections == {
        "arc": {
            "oversign_headers": "from, sender",
            "sign_headers": "from, sender, to",
            "authserv_id": "host.example",
        },
        "identity.lists.example": {
            "domain": "lists.example",
            "selector": "s",
            "key_file": "/var/lib/rspamd/arc/lists.example.s.key",
        },
        "identity.other.example": {
            "domain": "other.example",
            "selector": "arc",
            "key_file": '/etc/"other".key',
        },
    }


def test_the_only_domain_of_rspamd_is_that_of_the_site():
    found = imported('arc { domain { "a.example" { path = /a.key; } } } } # end')

    assert found.sections == {
        "arc": {"domain": "a.example", "selector": "arc", "key_file": "/a.key"}
    }


A, R, S = Source.OPENARC, Source.RSPAMD, Source.SYMPA
TRAPS = {
    "only verifying": (A, "Domain a.example\nMode v", "Mode: posts will not be sealed"),
    "no such mode": (A, "Domain a.example\nMode x", "Mode: left out: 'x' is none of"),
    "from": (A, "Domain a.example\nSignHeaders to", "SignHeaders: from is added"),
    "no name": (A, "Domain -", "Domain: left out: '-' is not a domain name"),
    "no name at all": (A, "", "authserv_id: nothing names the site"),
    "a key of another path": (
        A,
        "# openssl genrsa -out /etc/ssl/arc.key.pem\nDomain a.example\nKeyFile /a.pem",
        "/etc/ssl/arc.key.pem: the text names this key too",
    ),
    "control characters": (
        A,
        "Domain a.example\nKeyFile /a\x1b.pem",
        "KeyFile: left out: it has control characters",
    ),
    "keys by domain": (
        R,
        "path = /$domain.key; trusted_authserv_id = a",
        "/$domain.key: left out: it stands for several",
    ),
    "a domain without a key": (
        R,
        "domain { a.example { selector = s } }",
        "a.example: left out: it has no path",
    ),
    "no domain": (R, "domain { _- { path = /a } }", "_-: left out: this is no domain"),
    "keys elsewhere": (R, "use_redis = true", "use_redis: keys in Redis are not read"),
    "off": (S, "arc_feature off", "arc_feature: it was off there"),
    "neither on nor off": (S, "arc_feature maybe", "arc_feature: left out: 'maybe'"),
}


@pytest.mark.parametrize(("source", "text", "danger"), TRAPS.values(), ids=TRAPS)
def test_what_could_hurt_is_told(source, text, danger):
    assert any(each.startswith(danger) for each in dangers(text, source))


@pytest.mark.parametrize(("text", "value"), [("True", "yes"), ("No", "no"), ("", "no")])
def test_yes_and_no_of_openarc_have_one_letter(text, value):
    found = imported(f"RequireSafeKeys {text}", Source.OPENARC)

    assert found.values["require_safe_keys"] == value


@pytest.mark.parametrize(
    ("host_name", "name"),
    [("host.example", "host.example"), ("", "localhost"), ("a b", "localhost")],
)
def test_a_site_that_nobody_names_has_the_name_of_the_machine(host_name, name):
    found = import_text("Mode sv", Source.OPENARC, host_name)

    assert found.values["authserv_id"] == name


def test_openarc_may_be_told_to_take_the_name_of_the_machine():
    found = imported("AuthservID HOSTNAME", Source.OPENARC)

    assert found.values["authserv_id"] == "host.example"


def test_what_nobody_knows_is_told():
    found = imported("x = y\n.include /a\ndomain { a.b { sign_headers = to } }", R)

    assert notes(found, Fate.IGNORED) == [
        "x: there is nothing like it here",
        "sign_headers: there is nothing like it here",
    ]


def test_the_text_tells_what_became_of_each_option():
    text = show_settings(imported("UserID x\x1b\nDomain a.example", Source.OPENARC))

    assert text == (
        "# ignored: UserID (line 1): not needed inside Mailman, which runs the plugin\n"
        "# mapped: Domain (line 2): domain: a.example\n"
        "\n"
        "[arc]\n"
        "domain: a.example\n"
    )


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ('a = "b', [("a", '"b')]),
        ('a = "b" "c"', [("a", "b"), ("c", "")]),
        ("a = [1, 2", [("a", "1, 2")]),
        ("a { b = c }\nd = e # f", [("a.b", "c"), ("d", "e")]),
        ("} = ] a:b", [("a", "b")]),
        ('"" = x', [("", "x")]),
    ],
)
def test_odd_texts_of_rspamd(text, options):
    found = read_options(text, Source.RSPAMD)

    assert [(each.name, each.value) for each in found] == options


NAMES = sorted(
    {name for table in (MAPPED, IGNORED) for t in table.values() for name in t}
)
SIGNS = [*'={}[]";#:,$\n\t \x85\x1b', "\n ", "[ARC]", "(o)from", "arc_parameters"]
WORTHS = [
    "domain",
    "a.example",
    "b.example",
    "/a.pem",
    "/$domain.$selector",
    "yes",
    "sv",
]
WORDS = st.sampled_from([*NAMES, *SIGNS, *WORTHS, "arc-seal", "HOSTNAME"])
TEXTS = st.lists(WORDS, max_size=40).map("".join) | st.text(max_size=60)


@given(TEXTS, st.sampled_from(Source), TEXTS)
def test_whatever_comes_out_can_be_read(text, source, host_name):
    found = import_text(text, source, host_name)

    parse_text(show_settings(found), "arc.cfg")
    assert detect_source(text) in Source
