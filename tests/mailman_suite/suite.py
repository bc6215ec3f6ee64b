"""Runs the tests that come with Mailman, from a copy of its package.

Mailman's tests write beside themselves, and read the configuration from a file in
the package, `testing.cfg`: with the plugin, our lines stand at its end.  They
listen at ports of their own choice (9001, 9024, 9025, …), so that only one suite
can run on a machine at a time.
"""

from __future__ import annotations

import configparser
import importlib.util
import os
import shutil
import subprocess
import sys
from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from xml.etree import ElementTree

from tests.house.installation import EXAMPLES, REPOSITORY, parsed
from tests.support.keys import key_record, rsa_key, rsa_pem


# How often a test of this name had each outcome; a name can be that of several.
Outcomes = dict[str, list[str]]

DOMAIN = "example.com"  # that of the lists in Mailman's tests
SELECTOR = "arc"
INCOMING = "mailman_arc.plugin.incoming.ArcIncomingRunner"
NOT_PASSED = ("error", "failure", "skipped")

# That of Mailman's source, which its packages lack; and the results, for programs.
UNITTEST_CFG = """\
[unittest]
plugins = flufl.testing.nose
          nose2.plugins.layers
          nose2.plugins.junitxml

[log-capture]
always-on = False

[flufl.testing]
always-on = True
package = mailman
start_run = mailman.testing.helpers.nose2_start_test_run_callback
default_layer = mailman.testing.layers.SMTPLayer
setup = mailman.testing.documentation.setup
teardown = mailman.testing.documentation.teardown

[junit-xml]
always-on = True
path = results.xml
"""


class Suite:
    """A copy of Mailman's package, below a directory that must be empty."""

    def __init__(self, root: Path) -> None:
        self._root = root
        spec = importlib.util.find_spec("mailman")
        assert spec is not None
        assert spec.submodule_search_locations is not None
        [package] = spec.submodule_search_locations
        without_caches = shutil.ignore_patterns("__pycache__")
        shutil.copytree(package, root / "mailman", ignore=without_caches)
        (root / "unittest.cfg").write_text(UNITTEST_CFG, encoding="utf-8")

    def enable_plugin(self) -> None:
        """Have every post judged and sealed, as the example files do it."""
        (self._root / "arc.cfg").write_text(
            f"[arc]\ndomain: {DOMAIN}\nselector: {SELECTOR}\n"
            f"key_file: {self._make_key()}\ntest_keys: {self._make_zone()}\n"
        )
        cfg = self._root / "mailman/testing/testing.cfg"
        with cfg.open("a", encoding="utf-8") as file:
            file.write("\n")
            _our_lines(self._root / "arc.cfg").write(file)

    def run(self, patterns: Sequence[str], limit: float) -> Outcomes:
        """Run the tests that match, or all, for `limit` seconds at most.

        What they print goes where our own output goes.
        """
        chosen = [f"--pattern={each}" for each in patterns]
        path = [str(self._root), str(REPOSITORY), *_inherited_path()]
        subprocess.run(
            [sys.executable, "-m", "nose2", "-s", "mailman", "-t", ".", *chosen],
            cwd=self._root,
            env={**os.environ, "PYTHONPATH": os.pathsep.join(path)},
            timeout=limit,
            check=False,  # some fail
        )
        return read_outcomes((self._root / "results.xml").read_text(encoding="utf-8"))

    def _make_key(self) -> Path:
        path = self._root / "arc.pem"
        path.touch(mode=0o600)
        path.write_bytes(rsa_pem())
        return path

    def _make_zone(self) -> Path:
        path = self._root / "test.zone"
        text = key_record(rsa_key()).decode()
        strings = " ".join(
            f'"{text[start : start + 200]}"' for start in range(0, len(text), 200)
        )
        name = f"{SELECTOR}._domainkey.{DOMAIN}."
        path.write_text(f"{name} 300 IN TXT {strings}\n")
        return path


def _inherited_path() -> list[str]:
    given = os.environ.get("PYTHONPATH")
    return [given] if given else []


def _our_lines(arc_cfg: Path) -> configparser.ConfigParser:
    """What has to stand in mailman.cfg, by the example."""
    ours = configparser.ConfigParser(interpolation=None)
    example = parsed(EXAMPLES / "mailman.cfg")
    for section in example.sections():
        for name, value in example[section].items():
            if section == "plugin.arc" or value.startswith("mailman_arc."):
                ours.read_dict({section: {name: value}})
    ours["plugin.arc"]["configuration"] = str(arc_cfg)
    ours.read_dict({"runner.in": {"class": INCOMING}})
    return ours


def read_outcomes(xml: str) -> Outcomes:
    """The outcome of each test, by name: passed, failure, error, skipped."""
    found: Outcomes = defaultdict(list)
    for case in ElementTree.fromstring(xml).iter("testcase"):
        outcome = next((each for each in NOT_PASSED if case.find(each) is not None), "")
        name = f"{case.get('classname')}.{case.get('name')}"
        found[name].append(outcome or "passed")
    return {name: sorted(outcomes) for name, outcomes in found.items()}


def differences(without: Outcomes, with_plugin: Outcomes) -> list[str]:
    """The tests whose outcome depends on the plugin."""
    names = sorted({*without, *with_plugin})
    return [name for name in names if without.get(name) != with_plugin.get(name)]
