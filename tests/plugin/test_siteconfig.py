"""The file `arc.cfg`: what is read, and where an error is said to be."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from mailman_arc.plugin.siteconfig import (
    ConfigurationError,
    configuration_path,
    parse_text,
    problems_of,
    read_configuration,
)
from mailman_arc.policy.configuration import Configuration
from mailman_arc.policy.settings import SiteSettings


GOOD = "[arc]\ndomain: lists.example\n"
SETTINGS = SiteSettings(authserv_id="lists.example", domain="lists.example")


def read(configuration: str) -> Configuration:
    return read_configuration(configuration_path(configuration))


TEXTS = (
    GOOD,
    "[arc]\ndomain = lists.example\n",
    "# a comment\n\n[arc]\n  \n; another\nDOMAIN : lists.example",
    GOOD.replace("\n", "\r\n"),
    GOOD + "#selector: other\n",
)


@pytest.mark.parametrize("text", TEXTS)
def test_a_file_is_read_as_mailmans_own_files_are(text):
    assert parse_text(text, "arc.cfg").site == SETTINGS


def test_a_percent_sign_means_itself():
    text = GOOD + "key_file: /etc/%(domain)s/100%.pem\n"

    assert parse_text(text, "arc.cfg").site.key_file == "/etc/%(domain)s/100%.pem"


def test_a_list_may_go_on_in_the_next_line():
    text = GOOD + "trusted_authserv_ids: mx1\n  mx2\n"

    assert parse_text(text, "arc.cfg").site.trusted_authserv_ids == ("mx1", "mx2")


ERRORS = {
    "an unknown name": (
        GOOD + "\n# nothing\nselektor: arc\n",
        "/etc/arc.cfg:5: selektor: there is no such setting; known: authserv_id, ",
    ),
    "a bad value": (
        "\n" + GOOD + "  DNS_timeout = long\n",
        "/etc/arc.cfg:3: domain: 'lists.example\\nDNS_timeout = long'",
    ),
    "a bad value in an indented line": (
        "\n[arc]\n  dns_timeout = long\n",
        "/etc/arc.cfg:3: dns_timeout: 'long' is not a number of seconds ",
    ),
    "a name that begins like another": (
        "[arc]\ndns_timeout: 3\ndomain: lists.example\ndns_deadline: x\ndns: y\n",
        "/etc/arc.cfg:4: dns_deadline: 'x' is not a number",
    ),
    "a name that is in a comment": (
        "[arc]\n# domain: x\n#domain: x\ndomain: -\n",
        "/etc/arc.cfg:4: domain: '-' is not a domain name",
    ),
    "nothing that names the site": (
        "[arc]\n",
        "/etc/arc.cfg:1: authserv_id: has no value; give your mail domain, such as ",
    ),
    "another section": (
        GOOD + "\n[lists]\n",
        "/etc/arc.cfg:4: lists: there is no such section; known: [arc], [domain.…], ",
    ),
    "a section with marks in its name": (
        GOOD + "[a.*(]\n",
        "/etc/arc.cfg:3: a.*(: there is no such section",
    ),
    "only a section in capitals": (
        "[ARC]\ndomain: lists.example\n",
        "/etc/arc.cfg: the section [arc] is missing",
    ),
    "a default section": (
        "[DEFAULT]\ndomain: lists.example\n" + GOOD,
        "/etc/arc.cfg:1: DEFAULT: there is no such section",
    ),
    "a setting of the site for a domain": (
        GOOD + "[domain.example.org]\n# a comment\nnameservers: ::1\n",
        "/etc/arc.cfg:5: nameservers: there is no such setting; known: mode, ",
    ),
    "a bad value in the second of two sections": (
        GOOD + "mode: sv\n[domain.example.org]\nmode: s\n[domain.other]\nmode: x\n",
        "/etc/arc.cfg:7: mode: 'x' is none of sv, s, v, none",
    ),
    "an identity without a key": (
        GOOD + "[identity.press]\ndomain: example.org\nselector: s\n",
        "/etc/arc.cfg:3: key_file: has no value; give selector and key_file, or "
        "neither, for keys of `mailman arc keys`",
    ),
    "no section": ("", "/etc/arc.cfg: the section [arc] is missing"),
}


@pytest.mark.parametrize(("text", "message"), ERRORS.values(), ids=ERRORS)
def test_an_error_names_file_and_line(text, message):
    with pytest.raises(ConfigurationError) as caught:
        parse_text(text, "/etc/arc.cfg")

    assert str(caught.value).startswith(message)


SYNTAX = {
    "a line above the section": ("domain: x\n" + GOOD, 1),
    "a line without a value": (GOOD + "selector\n", 3),
    "a name twice": (GOOD + "domain: other.example\n", 3),
    "a section twice": (GOOD + "[arc]\n", 3),
}


@pytest.mark.parametrize(("text", "line"), SYNTAX.values(), ids=SYNTAX)
def test_an_error_of_syntax_names_file_and_line(text, line):
    with pytest.raises(ConfigurationError) as caught:
        parse_text(text, "/etc/arc.cfg")

    message = str(caught.value)
    assert message.startswith("/etc/arc.cfg: ")
    assert f"{line}" in message.replace("/etc/arc.cfg", "")
    assert "\n" not in message


@given(st.text() | st.text("[]arc=:\n #domain.x", max_size=60).map(GOOD.__add__))
def test_any_text_gives_settings_or_an_error_of_one_line(text):
    try:
        settings = parse_text(text, "arc.cfg").site
    except ConfigurationError:
        return

    assert settings.authserv_id


def test_a_file_is_read_by_its_path(tmp_path):
    path = tmp_path / "arc.cfg"
    path.write_text(GOOD)

    assert read_configuration(path).site == SETTINGS


def test_a_file_may_begin_with_a_byte_order_mark(tmp_path):
    path = tmp_path / "arc.cfg"
    path.write_text(GOOD, encoding="utf-8-sig")

    assert read_configuration(path).site == SETTINGS


def test_a_file_is_read_from_a_package_of_python(tmp_path, monkeypatch):
    package = tmp_path / "our_site"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "arc.cfg").write_text(GOOD)
    monkeypatch.syspath_prepend(tmp_path)

    assert read("python:our_site.arc").site == SETTINGS


@pytest.mark.parametrize("configuration", ["", " ", "\n"])
def test_a_missing_line_in_mailman_cfg_is_explained(configuration):
    with pytest.raises(ConfigurationError, match="has no configuration: line; name"):
        read(configuration)


@pytest.mark.parametrize(
    "configuration",
    [
        "/nonexistent/arc.cfg",
        "/",
        "python:mailman_arc.nonexistent",
        "python:nonexistent.arc",
        "python:arc",
    ],
)
def test_a_file_that_cannot_be_found_is_named(configuration):
    with pytest.raises(ConfigurationError, match=r"cannot be (read|found)"):
        read(configuration)


def test_a_file_that_is_not_utf_8_is_named(tmp_path):
    path = tmp_path / "arc.cfg"
    path.write_bytes(GOOD.encode() + b"# gr\xfc\xdfe\n")

    with pytest.raises(ConfigurationError, match=f"{path}: cannot be read: 'utf-8'"):
        read(str(path))


ALL = {
    "nothing": (GOOD, []),
    "several settings": (
        "[arc]\ndomain: ?\n\nmode: x\n[domain.a.example]\narc_mode: y\n",
        ["2: domain: ", "4: mode: ", "6: arc_mode: "],
    ),
    "the same twice": (GOOD + "mode: v\nmode: s\n", ["4: mode in [arc] is there "]),
    "a section twice": (GOOD + "[arc]\n", ["3: the section [arc] is there twice"]),
    "no section": ("mode: v\n" + GOOD, ["1: a setting before the first section"]),
    "lines that are none, and a bad value": (
        GOOD + "nothing\nmode: x\n",
        ["3: 'nothing\\n': neither ", "4: mode: "],
    ),
    "another section": ("[other]\na: b\n", [" the section [arc] is missing"]),
}


@pytest.mark.parametrize(("text", "starts"), ALL.values(), ids=ALL)
def test_all_problems_are_named_with_their_lines(text, starts):
    found = problems_of(text, "arc.cfg")

    assert len(found) == len(starts)
    for problem, start in zip(found, starts, strict=True):
        assert problem.startswith(f"arc.cfg:{start}")


@given(st.text("[arc]\n:=domain.xmode# ?", max_size=60))
def test_any_text_has_problems_or_can_be_read(text):
    if problems_of(text, "arc.cfg"):
        with pytest.raises(ConfigurationError):
            parse_text(text, "arc.cfg")
    else:
        parse_text(text, "arc.cfg")
