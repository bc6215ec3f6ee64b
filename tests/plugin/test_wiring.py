"""The long-lived objects: each made once, or missing with a reason in the log."""

from __future__ import annotations

import socket
import time
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import pytest

from mailman_arc.mailauth.answers import LookupFailed, TxtRecords
from mailman_arc.mailauth.arc.seal import SealingIdentity
from mailman_arc.plugin import wiring
from mailman_arc.plugin.wiring import FIRST_TRIES, _Wiring
from mailman_arc.policy.outbound import Unsealed
from tests.plugin.conftest import set_state
from tests.support.mail import mailing_list


MLIST = SimpleNamespace(list_id="list.lists.example", mail_host="lists.example")
NAME = mailing_list().key_name


def test_who_seals_is_read_once(services):
    identity = services.sealing_identity(MLIST)

    assert (identity.domain, identity.selector) == ("lists.example", "arc")
    assert services.sealing_identity(MLIST).key is identity.key


def test_answers_come_from_the_zone_file(services):
    answers = services.resolver.fetch({NAME})

    assert isinstance(answers[NAME], TxtRecords)
    assert services.resolver is services.resolver


def test_without_a_zone_file_the_dns_is_asked(install):
    services = install(
        test_keys="",
        nameservers="127.0.0.1",
        nameserver_port="1",
        dns_timeout="0.1",
        dns_deadline="0.1",
    )

    assert isinstance(services.resolver.fetch({NAME})[NAME], LookupFailed)


def test_the_secret_is_made_in_the_data_directory(services, tmp_path):
    assert services.secret == (tmp_path / "arc.secret").read_bytes()


@pytest.mark.parametrize(
    ("changes", "line"),
    [
        (
            {"domain": "", "authserv_id": "x", "selector": "", "key_file": ""},
            "ERROR posts are not sealed: arc.cfg has no domain",
        ),
        (
            {"selector": "", "key_file": ""},
            "ERROR posts are not sealed: lists.example has no active key that can be "
            "used; `mailman arc keys` makes keys and activates them",
        ),
        ({"key_file": ""}, "ERROR posts are not sealed: arc.cfg has no key_file"),
        (
            {"key_file": "/nonexistent"},
            "ERROR posts are not sealed: selector 'arc': cannot read key file "
            "/nonexistent: No such file or directory",
        ),
    ],
)
def test_without_a_key_nobody_seals_and_the_log_says_so_once(
    changes, line, install, log
):
    services = install(**changes)

    assert services.sealing_identity(MLIST) is Unsealed.NO_KEY
    assert services.sealing_identity(MLIST) is Unsealed.NO_KEY
    assert log() == [line]


def test_a_key_that_others_can_read_is_refused_unless_that_is_allowed(
    install, files, tmp_path
):
    key = tmp_path / "open.pem"
    key.write_bytes((files / "arc.pem").read_bytes())
    key.chmod(0o644)

    refused = install(key_file=str(key))
    allowed = install(key_file=str(key), require_safe_keys="no")

    assert refused.sealing_identity(MLIST) is Unsealed.NO_KEY
    assert isinstance(allowed.sealing_identity(MLIST), SealingIdentity)


NOT_SHOWN = (
    "ERROR posts are not sealed: the DNS does not show the key at "
    "other._domainkey.lists.example (there is none)"
)


def test_a_key_that_the_dns_does_not_show_is_not_used_and_the_log_says_so_once(
    install, log
):
    services = install(selector="other")

    assert services.sealing_identity(MLIST) is Unsealed.KEY_NOT_SHOWN
    assert services.sealing_identity(MLIST) is Unsealed.KEY_NOT_SHOWN
    assert log() == [NOT_SHOWN]


def test_a_problem_that_was_over_for_a_while_is_told_again(install, log, files):
    services = install(key_file="/nonexistent")
    broken = services.configuration.identities["arc"]
    good = replace(broken, key_file=str(files / "arc.pem"))

    for identity in (broken, broken, good, broken):
        services.with_key(identity)

    assert len(log()) == 2


def test_values_of_a_list_that_are_not_good_any_more_are_told_once(services, log):
    store = services.list_settings
    store.change(MLIST.list_id, {"mode": "gone", "shadow": "yes"})

    for _ in range(2):
        assert services.for_list(MLIST).settings.shadow
    store.change(MLIST.list_id, {"mode": "v"})
    services.for_list(MLIST)
    store.change(MLIST.list_id, {"mode": "gone\nby"})
    services.for_list(MLIST)

    assert log() == [
        "WARNING list.lists.example: passed over: mode: 'gone' is none of sv, s, v, "
        "none",
        "WARNING list.lists.example: passed over: mode: 'gone\\nby' is none of sv, s, "
        "v, none",
    ]


def test_whether_the_dns_shows_a_key_does_not_matter_where_nobody_checks(install):
    services = install(selector="other", check_pubkey="no")

    assert services.sealing_identity(MLIST).selector == "other"


def test_keys_are_kept_in_the_data_directory_or_where_the_site_says(install, tmp_path):
    made = install().key_store.new("a.example", "s", 1, key_type="ed25519")
    elsewhere = install(key_directory=str(tmp_path / "else")).key_store

    assert made.path == tmp_path / "arc/keys/a.example/s.pem"
    assert elsewhere.domains() == []
    assert (tmp_path / "arc/keys").is_dir()


def test_a_dead_dns_is_waited_for_once_and_not_for_long(install, log):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hole:
        hole.bind(("127.0.0.1", 0))  # takes questions and never answers
        services = install(
            test_keys="",
            nameservers="127.0.0.1",
            nameserver_port=str(hole.getsockname()[1]),
            dns_timeout="0.3",
            dns_deadline="60",
        )
        for _ in range(50):
            assert services.sealing_identity(MLIST) is Unsealed.KEY_NOT_SHOWN
        hole.setblocking(False)
        asked = 0
        with suppress(BlockingIOError):
            while hole.recv(4096):
                asked += 1

    assert 1 <= asked <= FIRST_TRIES
    assert len(log()) == 1


def test_a_bug_in_the_background_is_logged(log):
    def broken() -> None:
        raise RuntimeError("a bug")

    wiring._degrading_in_background(broken)
    while not log():
        time.sleep(0.001)

    assert log() == ["ERROR key check: unexpected error, going on without it"]


def test_a_secret_that_cannot_be_made_is_missing(services, tmp_path, log):
    (tmp_path / "arc.secret").write_bytes(b"short")

    assert services.secret is None
    assert "ERROR posts are judged twice, on arrival and in the pipeline: " in log()[0]


@pytest.mark.parametrize("text", [None, "x y z ("])
def test_a_zone_file_that_cannot_be_used_gives_way_to_the_dns(
    text, install, tmp_path, log
):
    path = tmp_path / "broken.zone"
    if text:
        path.write_text(text)

    services = install(
        test_keys=str(path),
        nameservers="127.0.0.1",
        nameserver_port="1",
        dns_timeout="0.1",
        dns_deadline="0.1",
    )

    assert isinstance(services.resolver.fetch({NAME})[NAME], LookupFailed)
    assert "ERROR test_keys: " in log()[0]
    assert "; asking the DNS instead" in log()[0]


@pytest.fixture
def file(mailman, install, files):
    """The configuration file, which is as it was afterwards."""
    set_state(_Wiring("arc"))
    path = files / "arc.cfg"
    good = path.read_text()
    yield path
    path.write_text(good)


def test_the_services_are_built_when_first_needed(file, files):
    services = wiring.services()

    assert services.settings.domain == "lists.example"
    assert services.data_dir == files / "var/data"
    assert wiring.services() is services


def test_unusable_settings_are_told_once(file, log):
    file.write_text("[arc]\nselektor: x\n")

    assert wiring.services() is None
    assert wiring.services() is None
    assert log()[0].startswith(
        f"ERROR the plugin does nothing: {file}:2: selektor: there is no such"
    )
    assert len(log()) == 1


def test_a_change_of_the_file_is_seen(file):
    assert wiring.services().settings.dns_timeout == 3
    file.write_text(file.read_text() + "\ndns_timeout: 5\n")

    assert wiring.services().settings.dns_timeout == 5


def test_a_bad_file_does_not_replace_a_good_one_and_may_be_mended(file, log):
    good = wiring.services()
    text = file.read_text()
    file.write_text(text + "\nselektor: x\n")

    assert wiring.services() is good
    assert wiring.services() is good
    [line] = log()
    assert line.startswith("ERROR going on with the settings read before: ")

    file.write_text(text + "\ndns_timeout: 5\n")
    assert wiring.services().settings.dns_timeout == 5


def test_a_file_that_is_gone_leaves_the_settings_as_they_were(file, log):
    good = wiring.services()
    text = file.read_text()
    file.unlink()

    assert wiring.services() is good
    assert "No such file" in log()[0]
    file.write_text(text)
    assert wiring.services().settings == good.settings


def test_a_plugin_without_a_file_is_told_once(file, log, monkeypatch):
    monkeypatch.setattr(
        wiring, "_plugin_section", lambda: SimpleNamespace(configuration="")
    )

    assert wiring.services() is None
    assert wiring.services() is None
    [line] = log()
    assert "has no configuration: line" in line


def test_a_plugin_that_is_not_enabled_has_no_services(disabled):
    assert not wiring.is_active()
    assert wiring.services() is None
    assert wiring.section() == "arc"


def test_the_section_may_have_another_name(disabled):
    wiring.activate("seal")

    assert wiring.is_active()
    assert wiring.section() == "seal"
