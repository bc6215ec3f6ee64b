"""The example files tell of every setting, and agree with each other."""

from __future__ import annotations

import os
import re

import pytest

from mailman_arc.plugin.siteconfig import parse_text
from mailman_arc.policy.configuration import Configuration
from mailman_arc.policy.settings import SETTINGS, ListSettings, find_setting
from tests.house.installation import EXAMPLES, parsed
from tests.house.postfix import find_postfix, unknown_settings


TEXT = (EXAMPLES / "arc.cfg").read_text(encoding="utf-8")
UNCOMMENTED = re.sub(r"^#(?=[a-z_]+:|\[|  \S)", "", TEXT, flags=re.MULTILINE)
OF_THE_SITE = TEXT.partition("\n#[")[0]
IN_USE = {"authserv_id", "domain", "selector", "key_file"}
WITHOUT_DEFAULT = {
    "trusted_authserv_ids", "nameservers", "test_keys", "identity", "database_url",
    "key_directory", "trusted_sealers", "peer_list",
}  # fmt: skip


def test_only_what_a_site_must_decide_is_in_use() -> None:
    used = set(re.findall(r"^([a-z_]+):", TEXT, re.MULTILINE))

    assert used == IN_USE
    assert parse_text(TEXT, "arc.cfg").missing_for_sealing == ()


def test_every_setting_is_told_of_once() -> None:
    told = re.findall(r"^#?([a-z_]+):", OF_THE_SITE, re.MULTILINE)

    assert sorted(told) == sorted(setting.name for setting in SETTINGS)


@pytest.mark.parametrize(
    "name",
    [s.name for s in SETTINGS if s.name not in IN_USE | WITHOUT_DEFAULT],
)
def test_a_setting_that_is_commented_out_shows_its_default(name: str) -> None:
    configuration = parse_text(UNCOMMENTED, "arc.cfg")
    shown = configuration.site
    if hasattr(ListSettings, name):
        shown = configuration.for_list("lists.example.org").settings

    assert getattr(shown, name) == find_setting(name).default


def scenario(name: str) -> Configuration:
    path = EXAMPLES / f"arc-{name}.cfg"
    return parse_text(path.read_text(encoding="utf-8"), path.name)


def test_every_scenario_can_be_used_and_seals() -> None:
    names = [path.stem.removeprefix("arc-") for path in EXAMPLES.glob("arc-*.cfg")]

    assert sorted(names) == ["many-domains", "milters", "rspamd"]
    for name in names:
        assert scenario(name).missing_for_sealing == (), name


def test_each_of_many_domains_has_what_the_example_says() -> None:
    many = scenario("many-domains")
    sealers = {
        "example.org": "arc",
        "lists.example.org": "arc",
        "press.example.org": "press",
        "club.example": "club",
        "new.example": "arc",
    }

    for mail_host, name in sealers.items():
        found = many.for_list(mail_host)
        assert found.identity is not None
        assert found.identity.name == name
        assert found.settings.shadow is (mail_host == "new.example")
    assert many.for_list("press.example.org").settings.signature_ttl == 30 * 86400


@pytest.mark.parametrize("name", ["milters", "rspamd"])
def test_servers_in_front_are_believed_by_the_name_they_have(name: str) -> None:
    text = (EXAMPLES / f"arc-{name}.cfg").read_text(encoding="utf-8")
    site = scenario(name).site

    assert site.trusted_authserv_ids == ("mx.example.org",)
    assert site.authserv_id != "mx.example.org"
    assert "[runner.lmtp]" in text


def test_the_lines_for_a_container_are_those_for_every_site() -> None:
    container = parsed(EXAMPLES / "mailman-docker.cfg")
    site = parsed(EXAMPLES / "mailman.cfg")

    for section in container.sections():
        for name, value in container[section].items():
            if name != "configuration":
                assert site[section][name] == value


def test_mail_servers_bring_mail_to_where_mailman_waits_for_it() -> None:
    mailman = parsed(EXAMPLES / "mailman.cfg")["mta"]
    domain = parsed(EXAMPLES / "arc.cfg")["arc"]["domain"]
    host, port = mailman["lmtp_host"], mailman["lmtp_port"]
    postfix = (EXAMPLES / "postfix.cf").read_text(encoding="utf-8")
    exim = (EXAMPLES / "exim.conf").read_text(encoding="utf-8")

    assert f"{{ {domain}=lmtp:[{host}]:{port} }}" in postfix
    assert f"\ndomainlist mailman_domains = {domain}\n" in exim
    assert f"\nMAILMAN_HOST = {host}\nMAILMAN_LMTP_PORT = {port}\n" in exim


def test_postfix_knows_all_its_settings() -> None:
    text = (EXAMPLES / "postfix.cf").read_text(encoding="utf-8")
    names = re.findall(r"^#?([a-z0-9_]+) =", text, re.MULTILINE)
    assert len(names) > 5
    if find_postfix() is None and os.environ.get("CI") != "true":
        pytest.skip("postfix is not installed")

    assert unknown_settings(names) == []
