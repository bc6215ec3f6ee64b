"""What the examples for one way of installing Mailman add is what every site adds."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.house.installation import EXAMPLES, parsed


ADDED = sorted(EXAMPLES.glob("mailman-*.cfg"))
OURS = {
    "plugin.arc": {"class", "enabled", "component_package", "configuration"},
    "mta": {"outgoing"},
    "runner.lmtp": {"class"},
}
READ = """\
import sys
from mailman.config import config
from mailman.core.initialize import initialize_1
initialize_1(sys.argv[1])
lmtp = getattr(config, "runner.lmtp")
plugin = getattr(config, "plugin.arc")
print(config.mta.smtp_port, config.mta.outgoing, lmtp["class"], plugin.configuration)
"""


def test_there_is_one_for_each_way_of_installing_mailman():
    assert [path.stem for path in ADDED] == [
        "mailman-debian",
        "mailman-docker",
        "mailman-venv",
    ]


@pytest.mark.parametrize("path", ADDED, ids=lambda path: path.stem)
def test_the_lines_to_add_are_those_of_the_whole_example(path):
    added = parsed(path)
    whole = parsed(EXAMPLES / "mailman.cfg")

    assert {name: set(added[name]) for name in added.sections()} == OURS
    for section, names in OURS.items():
        for name in names - {"configuration"}:
            assert added[section][name] == whole[section][name]


@pytest.mark.parametrize("path", ADDED, ids=lambda path: path.stem)
def test_mailman_reads_them_behind_its_own_configuration(path, tmp_path):
    cfg = tmp_path / "mailman.cfg"
    before = f"[mailman]\nlayout: here\n\n[paths.here]\nvar_dir: {tmp_path}\n\n[mta]\n"
    cfg.write_text(before + "smtp_port: 2525\n\n" + path.read_text(encoding="utf-8"))

    done = subprocess.run(
        [sys.executable, "-c", READ, cfg], capture_output=True, text=True, check=True
    )

    assert done.stdout.split() == [
        "2525",
        "mailman_arc.plugin.delivery.deliver",
        "mailman_arc.plugin.door.ArcLMTPRunner",
        parsed(path)["plugin.arc"]["configuration"],
    ]


@pytest.mark.parametrize("name", ["debian", "venv"])
def test_files_are_for_root_to_write_and_for_mailman_to_read(name):
    text = (EXAMPLES / f"mailman-{name}.cfg").read_text(encoding="utf-8")
    user = {"debian": "list", "venv": "mailman"}[name]
    key_file = Path(parsed(EXAMPLES / "arc.cfg")["arc"]["key_file"])

    installed = re.findall(r"^#   (install .*)$", text, re.MULTILINE)

    for line, mode in zip(installed, ("0640", "0750", "0640"), strict=True):
        assert f" -o root -g {user} -m {mode} " in line
    assert installed[0].endswith(" /etc/mailman3/arc.cfg")
    assert installed[1].endswith(f" {key_file.parent}")
    assert installed[2].endswith(f" {key_file}")


def test_the_log_of_plugins_is_rotated():
    text = (EXAMPLES / "logrotate.conf").read_text(encoding="utf-8")
    log_dir = parsed(EXAMPLES / "mailman.cfg")["paths.site"]["log_dir"]

    assert f"\n{log_dir}/plugins.log {{\n" in text


def test_logrotate_understands_its_file(tmp_path):
    logrotate = shutil.which("logrotate", path="/usr/sbin:/usr/bin")
    if logrotate is None:
        pytest.skip("logrotate is not installed")
    cfg = tmp_path / "logrotate.conf"
    text = (EXAMPLES / "logrotate.conf").read_text(encoding="utf-8")
    cfg.write_text(re.sub(r"^    su .*\n", "", text, flags=re.MULTILINE))
    cfg.chmod(0o644)

    done = subprocess.run(
        [logrotate, "--debug", "--state", tmp_path / "state", cfg],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0
    assert "error" not in done.stderr
