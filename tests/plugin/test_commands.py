"""`mailman arc`: what is shown, what is changed, and how each command ends."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner, Result
from mailman.interfaces.command import ICLISubCommand
from zope.interface.verify import verifyObject

from mailman_arc.mailauth.message import read_message
from mailman_arc.plugin.commands.arc_base import harmless
from mailman_arc.plugin.commands.cli_arc import Arc, arc
from mailman_arc.policy.settings import SETTINGS, Scope
from tests.plugin.historyrows import posted
from tests.plugin.test_startup import DOOR_ONLY
from tests.support.mail import (
    NOW,
    POST,
    add_set,
    chain_of,
    changed,
    judge_chain,
    sign_dkim,
    whole_zone,
)


LIST = "list@lists.example"
SIGNED = sign_dkim(POST)
README = (Path(__file__).parents[2] / "README.md").read_text("utf-8")


@pytest.fixture(autouse=True)
def site(mailman, mlist, services):
    """A Mailman with one list, and the plugin enabled."""
    return services


@pytest.fixture
def message(tmp_path):
    """Write a message into a file, and give its name."""

    def write(octets: bytes) -> str:
        path = tmp_path / "message.eml"
        path.write_bytes(octets)
        return str(path)

    return write


def run(*words: object, given: bytes | str | None = None) -> Result:
    done = CliRunner().invoke(arc, [str(word) for word in words], input=given)
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def good(*words: object, given: bytes | str | None = None) -> str:
    done = run(*words, given=given)
    assert done.exit_code == 0, done.output
    return done.output


def from_json(*words: object) -> object:
    return json.loads(good(*words, "--format", "json"))


def failed(status: int, *words: object) -> str:
    done = run(*words)
    assert done.exit_code == status, done.output
    return done.output


# All of them


def test_it_is_a_command_of_mailman():
    assert verifyObject(ICLISubCommand, Arc())


def every_command(
    group: click.Group = arc, *words: str
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """All commands with their words, those below others included."""
    for name, command in group.commands.items():
        yield (*words, name), command
        if isinstance(command, click.Group):
            yield from every_command(command, *words, name)


def test_each_command_explains_itself_and_its_options():
    names = arc.list_commands(click.Context(arc))
    assert names == sorted(names)
    for words, command in every_command():
        text = good(*words, "--help")
        assert re.search(r"^  [A-Z].*\.$", text, re.MULTILINE | re.DOTALL), words
        for parameter in command.params:
            if isinstance(parameter, click.Option):
                assert parameter.help, (words, parameter.name)


EXAMPLES = re.findall(r"^mailman arc (.+)$", README, re.MULTILINE)


def test_every_command_is_in_the_readme():
    for words, command in every_command():
        if not isinstance(command, click.Group):
            name = " ".join(words)
            assert any(f"{each} ".startswith(f"{name} ") for each in EXAMPLES), name
    assert {each.split()[0] for each in EXAMPLES} == set(arc.commands)


def test_the_examples_of_the_readme_work(tmp_path, monkeypatch, files, install):
    """In their order; what `keys new` says is published before the next one."""
    monkeypatch.chdir(tmp_path)
    zone = tmp_path / "site.zone"
    zone.write_text((files / "test.zone").read_text())
    (tmp_path / "message.eml").write_bytes(SIGNED)
    (tmp_path / "openarc.conf").write_text("Domain a.example\n")
    (tmp_path / "test.zone").write_text((files / "test.zone").read_text())
    install().storage.history.write(posted("list.lists.example", 1))

    for example in EXAMPLES:
        words = example.replace("discuss@lists.example.org", LIST).partition(" <")[0]
        install(test_keys=str(zone))
        done = run(*words.split(), given=SIGNED)
        assert done.exit_code == 0, (example, done.output)
        if example.startswith("keys new"):
            published = re.findall(r"^.* IN TXT .*\n", done.output, re.MULTILINE)
            zone.write_text(zone.read_text() + "".join(published))

    assert (tmp_path / "sealed.eml").read_bytes().startswith(b"ARC-Seal: i=1;")
    assert "[arc]\n" in (tmp_path / "new.cfg").read_text()
    assert "ann@author.example" in (tmp_path / "posts.csv").read_text()
    assert "mailman_arc_info" in (tmp_path / "mailman_arc.prom").read_text()


def test_a_plugin_that_is_disabled_says_so(disabled):
    for name in arc.commands:
        assert (
            failed(1, name, "--help")
            == "Error: the plugin is disabled; set 'enabled: yes' in [plugin.arc] of "
            "mailman.cfg\n"
        )


@pytest.mark.parametrize(
    "words",
    [
        *(("status",), ("lists",), ("settings", LIST), ("identities",), ("trust-kit",)),
        *(("explain", "-"), ("verify", "-"), ("seal", "-", "--list", LIST)),
    ],
)
def test_settings_that_cannot_be_used_are_pointed_out(words, unusable):
    unusable()

    assert failed(1, *words) == (
        "Error: arc.cfg cannot be used; `mailman arc check` says why\n"
    )


def test_output_can_go_to_a_file(tmp_path):
    file = tmp_path / "lists.txt"

    assert good("lists", "--output", file) == ""
    assert file.read_text().startswith(f"{LIST}: mode sv")


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("Grüße", "Grüße"),
        ("\x1b[31mred\n", r"\x1b[31mred\n"),
        ("\u202egnp", r"\u202egnp"),
        ("\udc80", r"\udc80"),
    ],
)
def test_nothing_is_shown_that_a_terminal_would_obey(text, shown):
    assert harmless(text) == shown


# status, check, identities


def test_status():
    text = good("status")

    assert re.match(r"mailman-arc \S+, enabled\n", text)
    assert f"good: {DOOR_ONLY}\n" in text
    assert "good: sealing as lists.example with selector arc (rsa-sha256, 1024" in text
    assert "  domain: lists.example\n" in text
    assert "  dns_timeout: 3 (default)\n" in text


def test_status_in_json(site):
    told = from_json("status")

    assert told["enabled"] is True
    assert {each["severity"] for each in told["findings"]} == {"good"}
    assert set(told["settings"]) == {each.name for each in SETTINGS}


def test_status_tells_what_is_wrong(install):
    install(key_file="/nonexistent")

    assert "error: posts are not sealed: selector 'arc': cannot" in failed(1, "status")


def test_status_does_not_tell_passwords(install, tmp_path):
    install(database_url=f"sqlite:///{tmp_path}/secret.db")

    assert "secret" not in good("status")


@pytest.fixture
def arc_cfg(files):
    """The configuration file, which is as it was afterwards."""
    path = files / "arc.cfg"
    before = path.read_text()
    yield path
    path.write_text(before)


def test_check_finds_nothing():
    assert good("check").splitlines()[-1].endswith(": no errors")
    assert from_json("check")["problems"] == []


def test_check_finds_all_errors_with_their_lines(arc_cfg):
    arc_cfg.write_text("[arc]\ndomain: lists.example\nselektor: x\ndns_timeout: soon\n")

    text = failed(1, "check")

    assert f"error: {arc_cfg}:3: selektor: there is no such setting" in text
    assert f"error: {arc_cfg}:4: dns_timeout: 'soon' is not" in text
    assert "2 errors" in text


def test_check_looks_into_mailmans_configuration(mailman):
    mailman.push("away", "[mta]\noutgoing: mailman.mta.deliver.deliver\n")
    try:
        text = failed(1, "check")
    finally:
        mailman.pop("away")

    assert re.search(
        r"mailman\.cfg:\d+: posts are not sealed: mailman\.cfg needs", text
    )
    assert text.endswith(": 1 error\n")


@pytest.mark.parametrize("name", [None, "/nonexistent"])
def test_check_does_without_the_lines_of_a_file_it_cannot_read(
    name, mailman, monkeypatch
):
    mailman.push("away", "[mta]\noutgoing: mailman.mta.deliver.deliver\n")
    monkeypatch.setattr(mailman, "filename", name)
    try:
        text = failed(1, "check")
    finally:
        mailman.pop("away")

    assert "error: posts are not sealed: mailman.cfg needs" in text


def test_check_without_a_file(arc_cfg, unusable):
    unusable()
    before = arc_cfg.read_text()
    arc_cfg.unlink()
    try:
        assert "error: arc.cfg cannot be read: [Errno 2]" in failed(1, "check")
    finally:
        arc_cfg.write_text(before)


def test_check_without_the_name_of_a_file(mailman):
    mailman.push("away", "[plugin.arc]\nconfiguration:\n")
    try:
        assert "has no configuration: line" in failed(1, "check")
    finally:
        mailman.pop("away")


def test_check_and_status_try_the_database(install, tmp_path):
    install(database_url=f"sqlite:///{tmp_path}/no/such/directory/arc.db")

    for name in ("check", "status"):
        assert "no history is kept: database " in failed(1, name)


def test_check_warns_a_user_who_is_not_mailmans(mailman, monkeypatch):
    monkeypatch.setattr(
        "mailman_arc.plugin.commands.arc_site.os.geteuid", lambda: 987654321
    )

    assert "checked as user 987654321: no errors" in good("check")
    assert "warning: Mailman's files belong to " in good("check")


def test_identities(install):
    assert good("identities") == (
        "arc: lists.example, selector arc (rsa-sha256, 1024 bits): can seal\n"
    )
    [told] = from_json("identities")
    assert (told["name"], told["can_seal"], told["problems"]) == ("arc", True, [])


def test_an_identity_that_cannot_seal(install):
    install(key_file="/nonexistent")

    text = failed(1, "identities")
    assert text.startswith("arc: lists.example, selector arc: CANNOT SEAL\n")
    assert "/nonexistent" in text


def test_no_identities(install):
    install(domain="", authserv_id="a", selector="", key_file="")

    assert good("identities").startswith("No identities: arc.cfg has no domain")


# lists, settings


def test_lists(install):
    install({"domain.lists.example": {"mode": "v"}}, shadow="yes")

    assert good("lists") == (
        f"{LIST}: mode v, sealed by arc (lists.example)\n"
        "  mode: v (domain lists.example)\n"
        "  shadow: yes (site)\n"
    )


def test_lists_in_json():
    [told] = from_json("lists", "--domain", "lists.example")

    assert (told["list_id"], told["identity"]) == ("list.lists.example", "arc")
    of_lists = {each.name for each in SETTINGS if each.scope is Scope.LIST}
    assert set(told["settings"]) == set(told["origins"]) == of_lists
    assert set(told["origins"].values()) == {"default"}


def test_lists_of_a_domain_without_any():
    assert good("lists", "-d", "other.example") == "No matching mailing lists found\n"


def test_lists_that_nobody_seals(install):
    install(domain="", authserv_id="a", selector="", key_file="")

    assert "sealed by nobody" in good("lists")
    assert [each["identity"] for each in from_json("lists")] == [""]


def test_settings_are_shown_with_their_origin_and_help():
    text = good("settings", LIST)

    assert "  mode: sv (default)\n      What is done with posts." in text
    assert "  identity: none (default)\n" in text


def test_settings_can_be_changed_and_taken_back(site):
    text = good("settings", "list.lists.example", "mode=V", "signature_ttl=30d")
    assert "  mode: v (list)\n" in text
    assert "      What" not in text
    assert site.list_settings.values("list.lists.example") == {
        "mode": "v",
        "signature_ttl": "30d",
    }

    told = json.loads(
        good("settings", LIST, "--unset", "mode", "shadow=on", "-f", "json")
    )
    assert told["origins"]["mode"] == "default"
    assert told["settings"]["shadow"] is True
    assert "  shadow: yes (list)\n" in good("lists")


WRONG = {
    "unknown": (["selektor=x"], "selektor: there is no such setting; known: mode, "),
    "of the site": (["key_file=/x"], "key_file: there is no such setting"),
    "a bad value": (["mode=x"], "mode: 'x' is none of sv, s, v, none"),
    "not allowed": (["identity=x"], "identity: 'x' may not seal for lists.example"),
    "no value": (["mode"], "mode: give NAME=VALUE, or --unset NAME"),
    "unknown to unset": (["-u", "x"], "x: there is no such setting"),
    "twice": (["mode=v", "arc_mode=s"], "arc_mode: is given twice"),
    "set and unset": (["mode=v", "-u", "mode"], "mode: is given twice"),
}


@pytest.mark.parametrize(("words", "problem"), WRONG.values(), ids=WRONG)
def test_what_cannot_be_changed_is_refused_and_nothing_is(words, problem, site):
    assert problem in failed(2, "settings", LIST, "shadow=yes", *words)
    assert site.list_settings.values("list.lists.example") == {}


def test_there_has_to_be_such_a_list():
    assert "No such list: x@lists.example" in failed(2, "settings", "x@lists.example")


def test_values_that_count_no_more_are_told(site):
    site.list_settings.change("list.lists.example", {"mode": "gone"})

    assert "  passed over: mode: 'gone' is none of" in good("settings", LIST)
    assert "  passed over: mode: 'gone' is none of" in good("lists")


def test_without_a_database_it_says_so(install, tmp_path):
    install(database_url=f"sqlite:///{tmp_path}/no/such/directory/arc.db")

    assert failed(1, "settings", LIST).startswith("Error: database ")


# explain, verify, seal


def test_a_message_is_explained(message):
    text = good("explain", message(SIGNED))

    assert "[good] The DKIM signature of author.example (key s1" in text
    assert "(RFC 6376 §6.1)" in text


@pytest.mark.parametrize(
    "octets",
    [chain_of(2), chain_of(2).replace(b"\r\n", b"\n"), b"From x\n" + chain_of(1)],
)
def test_a_message_may_come_from_the_wire_or_a_file_or_a_mailbox(octets):
    assert "[good] The chain of" in good("explain", "-", given=octets)


@pytest.mark.parametrize("words", [("--json",), ("--format", "json")])
def test_an_explanation_in_json(words, message):
    told = json.loads(good("explain", message(chain_of(1)), *words, "--bodyhash"))

    assert told["arc"]["outcome"] == "good"
    assert told["hops"][0]["sealer"] == "relay.example"
    assert told["body_hashes"][0]["form"] == "relaxed"


def test_an_explanation_is_harmless(message):
    field = b'Authentication-Results: mx; spf=pass smtp.mailfrom="\xe2\x80\xae"\r\n'
    octets = field + b"ARC-Seal: \x1b[31m i=1\r\n" + POST

    for words in ((), ("--json",)):
        text = good("explain", message(octets), *words)
        assert text.replace("\n", "").isprintable()


def test_the_oldest_pass_is_explained_but_reported_only_where_that_is_wanted(
    message, install
):
    install(oldest_pass="no")
    forwarded = message(add_set(changed(chain_of(1), b"Bye", b"bye"), 2))

    assert "has not changed since set 2" in good("explain", forwarded)
    assert "arc=pass;" in good("verify", forwarded)


def test_answers_may_come_from_a_zone_file(message, tmp_path):
    zone = tmp_path / "empty.zone"
    zone.write_text("")
    assert "its key is not published" in good("explain", message(SIGNED), "--dns", zone)

    zone.write_text("(")
    assert failed(1, "explain", message(SIGNED), "--dns", zone).startswith("Error: ")
    assert "does not exist" in failed(2, "verify", message(SIGNED), "--dns", "/none")


def test_the_field_of_a_post_is_shown(message):
    text = good("verify", message(SIGNED))

    assert text.startswith("Authentication-Results: lists.example;\n arc=none;\n dkim=")
    [arc_result, *_] = json.loads(good("verify", message(SIGNED), "-f", "json"))
    assert (arc_result["method"], arc_result["result"]) == ("arc", "none")


def test_what_is_required_decides_the_status(message):
    file = message(chain_of(1))

    good("verify", file, "--require", "arc=pass", "-r", "dkim=none")
    text = failed(1, "verify", file, "-r", "arc=pass", "-r", "dkim=pass")
    assert "not found: dkim=pass" in text


@pytest.mark.parametrize("wanted", ["arc", "arc=good", "x=pass"])
def test_only_results_there_are_can_be_required(wanted, message):
    assert "give METHOD=RESULT" in failed(2, "verify", message(POST), "-r", wanted)


def test_a_message_is_sealed_as_for_a_list(message, tmp_path):
    out = tmp_path / "sealed.eml"

    good("seal", message(SIGNED), "--list", LIST, "--output", out)

    sealed = out.read_bytes()
    assert judge_chain(sealed, whole_zone(), NOW).status == "pass"
    names = [each.name for each in read_message(sealed).fields]
    assert names[:4] == [
        b"arc-seal",
        b"arc-message-signature",
        b"arc-authentication-results",
        b"authentication-results",
    ]


def test_a_message_is_sealed_by_an_identity(message, install):
    install(mode="s")
    file = message(add_set(SIGNED).replace(b"\r\n", b"\n"))

    sealed = run("seal", file, "--identity", "arc").stdout_bytes

    found = judge_chain(sealed, whole_zone(), NOW)
    assert (found.status, len(found.sets)) == ("pass", 2)
    assert b"\nAuthentication-Results:" not in sealed


def test_what_is_not_added_to_posts_is_not_added(message, install):
    install(mode="s")

    sealed = run("seal", message(SIGNED), "--list", LIST).stdout_bytes

    assert b"\nAuthentication-Results:" not in sealed


@pytest.mark.parametrize("who", [("--list", LIST), ("--identity", "arc")])
def test_what_is_added_is_what_is_added_to_posts(who, message, install):
    install(mode="sv")

    sealed = run("seal", message(SIGNED), *who).stdout_bytes

    assert b"\nAuthentication-Results: lists.example;\r\n arc=none;" in sealed


def test_why_a_message_is_not_sealed(message, install):
    ended = add_set(POST, cv=b"fail")
    text = failed(1, "seal", message(ended), "--identity", "arc")
    assert text == "Error: not sealed: chain already failed before us\n"

    install(mode="v")
    text = failed(1, "seal", message(POST), "--list", LIST)
    assert text == "Error: not sealed: switched off for this list\n"

    install(key_file="/nonexistent")
    text = failed(1, "seal", message(POST), "--identity", "arc")
    assert text == "Error: not sealed: no usable key\n"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        ((), "Give either --list or --identity"),
        (("--list", LIST, "--identity", "arc"), "Give either --list or --identity"),
        (("--identity", "x"), "No such identity: x; known: arc"),
        (("--list", "x@lists.example"), "No such list: x@lists.example"),
    ],
)
def test_somebody_has_to_seal(words, problem, message):
    assert problem in failed(2, "seal", message(POST), *words)


# import, trust-kit


def test_the_configuration_of_another_program_becomes_ours(tmp_path):
    key = tmp_path / "arc.key"
    key.write_text("a key")
    file = tmp_path / "openarc.conf"
    file.write_text(f"Domain a.example\nSelector s\nKeyFile {key}\nDkim x\n")
    out = tmp_path / "arc.cfg"

    assert good("import", file, "-o", out) == ""

    assert out.read_text() == (
        "# mapped: Domain (line 1): domain: a.example\n"
        "# mapped: Selector (line 2): selector: s\n"
        f"# mapped: KeyFile (line 3): key_file: {key}\n"
        "# ignored: Dkim (line 4): there is nothing like it here\n"
        "\n"
        f"[arc]\ndomain: a.example\nselector: s\nkey_file: {key}\n"
    )


@pytest.mark.parametrize(
    ("text", "danger"),
    [
        ("Domain a.example\nKeyFile /no/key\n", "key_file of [arc]: /no/key: No such"),
        ("Domain a.example\nPeerList /no/peers", "PeerList: /no/peers: No such file"),
        ("PeerList /a\0b", "PeerList: /a\\x00b: this cannot be the name of a file"),
    ],
)
def test_files_that_are_not_there_are_told(text, danger, tmp_path):
    out = tmp_path / "arc.cfg"

    said = good("import", "-", "--from", "openarc", "-o", out, given=text)

    assert f"dangerous: {danger}" in said
    assert f"# dangerous: {danger.partition(' /')[0]} /" in out.read_text()


def test_the_file_with_peers_is_read(tmp_path):
    peers, out = tmp_path / "PeerList", tmp_path / "arc.cfg"
    peers.write_bytes(b"# ours \xff\n192.0.2.0/24\n!192.0.2.9\n")
    text = f"Domain a.example\nPeerList {peers}\n"

    assert good("import", "-", "--from", "openarc", "-o", out, given=text) == ""

    assert "peer_list: 192.0.2.0/24, !192.0.2.9/32\n" in out.read_text()


def test_what_is_no_text_is_not_imported(tmp_path):
    file = tmp_path / "openarc.conf"
    file.write_bytes(b"Domain \xff\n")

    assert "is not text in UTF-8" in failed(1, "import", file)


def test_the_trust_kit():
    assert '$sealers += "lists.example"\n' in good("trust-kit")
    text = good("trust-kit", "-d", "b.example", "-d", "A.example")
    assert '$sealers += "b.example", "a.example"\n' in text
    assert from_json("trust-kit")[3]["text"] == "DomainWhitelist lists.example"


def test_the_trust_kit_needs_a_domain(install):
    assert "- is not a domain name" in failed(2, "trust-kit", "-d", "-")
    install(domain="", authserv_id="a", selector="", key_file="")
    assert "give --domain" in failed(2, "trust-kit")
