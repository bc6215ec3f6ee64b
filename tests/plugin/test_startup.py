"""What Mailman finds when it starts, and what the log says."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from mailman.interfaces.plugin import IPlugin
from zope.interface.verify import verifyObject

from mailman_arc.plugin import startup, wiring
from mailman_arc.plugin.hooks import ArcPlugin
from tests.plugin.conftest import SITE
from tests.support.keys import ed25519_pem


REPOSITORY = Path(__file__).resolve().parents[2]
CLASS = "class: mailman_arc.plugin.hooks.ArcPlugin\nenabled: yes\n"
PACKAGE = "component_package: mailman_arc.plugin\n"
LMTP = "[runner.lmtp]\nclass: mailman_arc.plugin.door.ArcLMTPRunner\n"
OUTGOING = "outgoing: mailman_arc.plugin.delivery.deliver\n"
PIPELINES = ("default-posting-pipeline", "default-owner-pipeline")
MISSING = (
    "posts are neither judged nor sealed: the handler 'arc-authenticate' was not "
    "found; [plugin.arc] in mailman.cfg needs the line "
    "'component_package: mailman_arc.plugin'"
)

INCOMING = "[runner.in]\nclass: mailman_arc.plugin.incoming.ArcIncomingRunner\n"
TASKS = "task runner"
DOOR_ONLY = (
    "posts are judged on arrival by LMTP, from their original octets, and those that "
    "come in otherwise late, in the pipeline"
)

# Starts like the process that starts all others, or does what the task runner does
# first, and tells what it found.
START = """\
import json, sys
from mailman.core.initialize import initialize
sys.argv[0] = sys.argv[2]
initialize(sys.argv[1])
from mailman.config import config
from mailman_arc.plugin import wiring
if sys.argv[0] == "task runner":
    from mailman_arc.plugin.tasks import Tasks
    Tasks().do_what_is_due()
names = ("default-posting-pipeline", "default-owner-pipeline")
print(json.dumps({
    "active": wiring.is_active(),
    "handlers": [[each.name for each in config.pipelines[name]] for name in names],
}))
"""


class Started:
    """A Mailman that has started and ended."""

    def __init__(self, root: Path, cfg: str, arc: str, program: str = "master"):
        (root / "mailman.cfg").write_text(cfg.format(root=root, port=25))
        (root / "arc.cfg").write_text(arc)
        done = subprocess.run(
            [sys.executable, "-c", START, str(root / "mailman.cfg"), program],
            capture_output=True,
            text=True,
            check=True,
            cwd=root,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
        )
        found = json.loads(done.stdout)
        self.is_active = found["active"]
        self.posting, self.owner = found["handlers"]
        log = root / "log/plugins.log"
        lines = log.read_text().splitlines() if log.exists() else []
        self.log = [line.partition(") ")[2] for line in lines]


def arc_cfg(files: Path) -> str:
    return (
        "[arc]\ndomain: lists.example\nselector: arc\n"
        f"key_file: {files}/arc.pem\ntest_keys: {files}/test.zone\n"
    )


def test_it_is_a_plugin_of_mailman():
    assert verifyObject(IPlugin, ArcPlugin())


def test_an_enabled_plugin_is_found(tmp_path, files):
    started = Started(tmp_path, SITE, arc_cfg(files))

    assert started.is_active
    for handlers in (started.posting, started.owner):
        assert handlers[0] == "arc-authenticate"
        assert "validate-authenticity" not in handlers
    assert started.log == [DOOR_ONLY]


def test_peers_that_may_be_everybody_are_named(tmp_path, files):
    started = Started(tmp_path, SITE, arc_cfg(files) + "peer_list: 127.0.0.1\n")

    assert started.log[1].startswith("peer_list has this machine: unless the mail")


def test_the_task_runner_says_who_seals(tmp_path, files):
    started = Started(tmp_path, SITE, arc_cfg(files), TASKS)

    assert started.log == [
        "sealing as lists.example with selector arc (rsa-sha256, 1024 bits)",
        "doctor: 2 warnings; `mailman arc doctor` names them",
    ]


def test_a_process_that_is_not_the_first_says_nothing(tmp_path, files):
    assert Started(tmp_path, SITE, arc_cfg(files), program="runner").log == []


def test_a_disabled_plugin_leaves_mailman_as_it_was(tmp_path, files):
    cfg = SITE.replace("enabled: yes", "enabled: no")

    started = Started(tmp_path, cfg, arc_cfg(files))

    assert not started.is_active
    assert started.posting[0] == "validate-authenticity"
    assert "arc-authenticate" not in (*started.posting, *started.owner)
    assert started.log == ["Plugin not enabled, or empty class path: arc"]


def test_a_wrong_component_package_is_named(tmp_path, files):
    cfg = SITE.replace(PACKAGE, "component_package: mailman_arc.policy\n")

    started = Started(tmp_path, cfg, arc_cfg(files))

    assert started.posting[0] == "validate-authenticity"
    assert started.log[0] == MISSING


def test_without_component_package_mailman_stops_before_it_knows_us(tmp_path, files):
    # It looks for a package with the name of the section.
    with pytest.raises(subprocess.CalledProcessError) as caught:
        Started(tmp_path, SITE.replace(PACKAGE, ""), arc_cfg(files))

    assert "ModuleNotFoundError: No module named 'arc'" in caught.value.stderr


def test_everything_that_was_forgotten_is_named(tmp_path):
    cfg = SITE.replace(OUTGOING, "").replace(LMTP, "") + "\n[ARC]\nenabled: yes\n"
    cfg += "authserv_id: a\ndomain: b\nselector: c\nprivkey: {root}/own.pem\n"
    (tmp_path / "own.pem").write_text("a key")

    started = Started(tmp_path, cfg, "[arc]\ndomain: lists.example\n")

    assert started.posting[0] == "arc-authenticate"
    assert [line.partition(":")[0] for line in started.log] == [
        "Mailman's own ARC is enabled too ([ARC] enabled",
        "posts are not sealed",
        "posts are judged late, in the pipeline and not from their original "
        "octets, neither moderators nor rules see the verdict, none waits for the DNS, "
        "and "
        "trusted_authserv_ids is ignored",
    ]


def test_a_site_that_cannot_seal_is_told(tmp_path):
    started = Started(tmp_path, SITE, "[arc]\ndomain: lists.example\n", TASKS)

    assert [line.partition(":")[0] for line in started.log] == [
        "posts are not sealed",
        "doctor",
    ]


WHERE = {
    "door and incoming runner": (
        SITE + INCOMING,
        "posts are judged on arrival by LMTP, from their original octets, and those "
        "that come in otherwise by the incoming runner",
    ),
    "incoming runner": (
        SITE.replace(LMTP, INCOMING),
        "posts are judged by the incoming runner, not from their original octets, so "
        "that some good signatures count as broken, and trusted_authserv_ids is "
        "ignored: mailman.cfg has no 'class: mailman_arc.plugin.door.ArcLMTPRunner' "
        "in [runner.lmtp]",
    ),
    "handler": (
        SITE.replace(LMTP, ""),
        "posts are judged late, in the pipeline and not from their original octets, "
        "neither moderators nor rules see the verdict, none waits for the DNS, and "
        "trusted_authserv_ids is ignored: mailman.cfg has neither 'class: "
        "mailman_arc.plugin.door.ArcLMTPRunner' in [runner.lmtp] nor 'class: "
        "mailman_arc.plugin.incoming.ArcIncomingRunner' in [runner.in]",
    ),
}


@pytest.mark.parametrize(("cfg", "said"), WHERE.values(), ids=WHERE)
def test_the_log_says_where_posts_are_judged(tmp_path, files, cfg, said):
    started = Started(tmp_path, cfg, arc_cfg(files))

    assert started.log[0] == said


def test_an_unusable_file_is_named_and_mailman_starts(tmp_path):
    started = Started(tmp_path, SITE, "[arc]\ndomain: lists.example\nselektor: x\n")

    assert started.posting[0] == "arc-authenticate"
    assert started.log[0].startswith(
        f"the plugin does nothing: {tmp_path}/arc.cfg:3: selektor: there is no such"
    )


def test_the_commands_of_mailman_work_with_the_plugin(tmp_path, files):
    (tmp_path / "mailman.cfg").write_text(SITE.format(root=tmp_path, port=25))
    (tmp_path / "arc.cfg").write_text(arc_cfg(files))
    command = Path(sys.executable).parent / "mailman"
    root = ["--run-as-root"] if os.geteuid() == 0 else []

    done = subprocess.run(
        [str(command), "-C", str(tmp_path / "mailman.cfg"), *root, "info"],
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "PYTHONPATH": str(REPOSITORY)},
    )

    assert "GNU Mailman 3" in done.stdout
    assert done.stderr == ""


# In one process


def test_the_hooks_of_the_plugin_can_run_twice(mailman, install):
    install()
    plugin = ArcPlugin()
    plugin.name = "arc"

    plugin.pre_hook()
    plugin.post_hook()

    for name in PIPELINES:
        handlers = [each.name for each in mailman.pipelines[name]]
        assert handlers.count("arc-authenticate") == 1
        assert handlers[0] == "arc-authenticate"


def test_a_handler_of_another_name_is_asked_for_by_its_section(
    mailman, disabled, monkeypatch, log
):
    monkeypatch.delitem(mailman.handlers, "arc-authenticate")
    wiring.activate("seal")

    startup.place_handler()

    assert "[plugin.seal] in mailman.cfg needs the line" in log()[0]


@pytest.mark.parametrize("pipeline", [None, SimpleNamespace()])
def test_a_pipeline_that_is_missing_is_named(mailman, pipeline, monkeypatch, log):
    monkeypatch.setitem(mailman.pipelines, PIPELINES[0], pipeline)

    startup.place_handler()

    assert log() == [
        "ERROR posts are not judged: there is no pipeline "
        "'default-posting-pipeline' to use"
    ]


def test_a_bug_at_the_start_does_not_keep_mailman_from_starting(
    mailman, monkeypatch, log
):
    monkeypatch.setattr(mailman, "pipelines", None)

    ArcPlugin().post_hook()

    assert log() == ["ERROR start: unexpected error, going on without it"]


def test_only_the_first_process_reports(mailman, install, monkeypatch, log):
    install()
    monkeypatch.setattr(sys, "argv", ["/usr/bin/runner"])
    startup.report_configuration()
    assert log() == []

    monkeypatch.setattr(sys, "argv", ["/usr/bin/master"])
    startup.report_configuration()
    assert log() == [f"INFO {DOOR_ONLY}"]


def test_an_ed25519_key_is_warned_of(tmp_path, files):
    key = tmp_path / "ed.pem"
    key.touch(mode=0o600)
    key.write_bytes(ed25519_pem())
    text = "[arc]\ndomain: lists.example\nselector: ed\n" + f"key_file: {key}\n"
    text += "check_pubkey: no\n"

    started = Started(tmp_path, SITE, text, TASKS)

    assert started.log[0].endswith("with selector ed (ed25519-sha256, 256 bits)")
    assert "RSA key of 2048 bits is better" in started.log[1]


def test_a_key_that_is_not_published_is_told_at_the_start(tmp_path, files):
    text = arc_cfg(files).replace("selector: arc", "selector: other")

    started = Started(tmp_path, SITE, text, TASKS)

    assert started.log == [
        "posts are not sealed: the DNS does not show the key at "
        "other._domainkey.lists.example (there is none)",
        "doctor: 1 error and 2 warnings; `mailman arc doctor` names them",
    ]
