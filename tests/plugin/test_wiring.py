"""The long-lived objects: each made once, or missing with a reason in the log."""

from __future__ import annotations

import pytest

from mailman_arc.mailauth.answers import LookupFailed, TxtRecords
from mailman_arc.plugin import wiring
from tests.support.mail import mailing_list


NAME = mailing_list().key_name


def test_who_seals_is_read_once(services):
    identity = services.identity

    assert (identity.domain, identity.selector) == ("lists.example", "arc")
    assert services.identity is identity


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
            "ERROR posts are not sealed: arc.cfg has no domain, selector, key_file",
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

    assert services.identity is None
    assert services.identity is None
    assert log() == [line]


def test_a_key_that_others_can_read_is_refused_unless_that_is_allowed(
    install, files, tmp_path
):
    key = tmp_path / "open.pem"
    key.write_bytes((files / "arc.pem").read_bytes())
    key.chmod(0o644)

    assert install(key_file=str(key)).identity is None
    assert install(key_file=str(key), require_safe_keys="no").identity is not None


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


def test_the_services_are_built_when_first_needed(mailman, install, files):
    install()
    wiring._wiring.services = None

    services = wiring.services()

    assert services.settings.domain == "lists.example"
    assert services.data_dir == files / "var/data"
    assert wiring.services() is services


def test_unusable_settings_are_told_once(mailman, install, files, log):
    install()
    wiring._wiring.services = None
    good = (files / "arc.cfg").read_text()
    (files / "arc.cfg").write_text("[arc]\nselektor: x\n")
    try:
        assert wiring.services() is None
        assert wiring.services() is None
    finally:
        (files / "arc.cfg").write_text(good)

    assert log()[0].startswith(
        f"ERROR the plugin does nothing: {files}/arc.cfg:2: selektor: there is no such"
    )
    assert len(log()) == 1


def test_a_plugin_that_is_not_enabled_has_no_services(disabled):
    assert not wiring.is_active()
    assert wiring.services() is None
    assert wiring.section() == "arc"


def test_the_section_may_have_another_name(disabled):
    wiring.activate("seal")

    assert wiring.is_active()
    assert wiring.section() == "seal"
