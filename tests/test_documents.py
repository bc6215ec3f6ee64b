"""What the documents say is so."""

from __future__ import annotations

import configparser
import doctest
import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from mailman_arc.mailauth.crypto import parse_signing_key
from mailman_arc.plugin.siteconfig import parse_text
from mailman_arc.policy.outbound import Unsealed
from mailman_arc.policy.settings import SETTINGS, SiteSettings


ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text("utf-8")
EXAMPLE = (ROOT / "example_cfg/arc.cfg").read_text("utf-8")
SOURCES = sorted((ROOT / "mailman_arc").rglob("*.py"))


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def parsed(text: str) -> configparser.ConfigParser:
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(text)
    return parser


def test_the_python_in_the_readme_runs():
    assert blocks("python")
    failed, tried = doctest.testfile(str(ROOT / "README.md"), module_relative=False)
    assert (failed, tried > 0) == (0, True)


@pytest.mark.parametrize(
    ("block", "example"),
    zip(
        blocks("ini"),
        ("arc.cfg", "mailman.cfg", "arc.cfg", "mailman.cfg"),
        strict=True,
    ),
    ids=["arc.cfg", "mailman.cfg", "key of openssl", "incoming runner"],
)
def test_the_readme_configures_what_the_examples_do(block: str, example: str):
    said = parsed(block)
    text = (ROOT / "example_cfg" / example).read_text("utf-8")
    full = parsed(re.sub(r"^#(?=\[|class:)", "", text, flags=re.MULTILINE))
    for section in said.sections():
        for name, value in said[section].items():
            assert full[section][name] == value


def test_what_the_readme_puts_into_arc_cfg_is_enough_to_seal():
    of_site, key = (each for each in blocks("ini") if each.startswith("[arc]"))
    with_our_keys = parse_text(of_site, "arc.cfg")
    with_openssl = parse_text(of_site + key.removeprefix("[arc]\n"), "arc.cfg")

    assert with_our_keys.identities["arc"].is_managed
    assert not with_openssl.identities["arc"].is_managed


def test_the_commands_of_the_readme_make_a_key(tmp_path: Path):
    if shutil.which("openssl") is None and os.environ.get("CI") != "true":
        pytest.skip("no openssl here")
    [commands] = [block for block in blocks("sh") if "openssl" in block]
    made = subprocess.run(
        ["sh", "-eu", "-c", commands],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    key = parse_signing_key((tmp_path / "arc/arc2026.pem").read_bytes())
    assert made.stdout.startswith("v=DKIM1; k=rsa; p=MIIBIj")
    assert key.bits == 2048


def test_every_standard_we_cite_is_in_the_readme():
    cited = {
        number
        for path in SOURCES
        for number in re.findall(r"RFC (\d{4})", path.read_text("utf-8"))
    }
    assert cited
    assert cited - set(re.findall(r"RFC (\d{4})", README)) == set()


def test_every_reason_is_explained():
    for reason in Unsealed:
        assert re.search(rf"^\|.*\b{re.escape(reason)}", README, re.MULTILINE), reason


def test_the_example_has_every_setting_and_its_default():
    shown = dict(re.findall(r"^#?(\w+): (.*)$", EXAMPLE, re.MULTILINE))
    assert set(shown) == {setting.name for setting in SETTINGS}
    defaults = SiteSettings()
    for name in ("dns_timeout", "dns_deadline", "dns_cache_size", "nameserver_port"):
        assert float(shown[name]) == getattr(defaults, name)


def test_the_example_can_be_used():
    configuration = parse_text(EXAMPLE, "arc.cfg")
    assert not configuration.missing_for_sealing
