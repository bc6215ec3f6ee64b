"""The example files are changed where they have to be, and nowhere else."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.house import configfile
from tests.house.installation import EXAMPLES


TEXT = """\
# a: comment
[one]
a: 1
# b: 2

[two]
a: /etc/x and /usr/y
"""


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"one": {"a": "9"}}, TEXT.replace("a: 1", "a: 9")),
        ({"one": {"a": None}}, TEXT.replace("a: 1\n", "")),
        ({"one": {"b": "9"}}, TEXT.replace("[one]\n", "[one]\nb: 9\n")),
        ({"three": {"a": "9"}}, TEXT + "\n[three]\na: 9\n"),
        ({}, TEXT),
    ],
)
def test_a_change_touches_one_line(changes: configfile.Changes, expected: str) -> None:
    assert configfile.changed(TEXT, changes) == expected


def test_paths_of_the_administrator_move_and_others_stay() -> None:
    moved = configfile.moved_under(TEXT, Path("/tmp/site"))

    assert moved == TEXT.replace("/etc/x", "/tmp/site/etc/x")


def test_without_the_plugin_no_line_of_mailman_cfg_names_it() -> None:
    text = (EXAMPLES / "mailman.cfg").read_text()

    plain = configfile.without_plugin(text)

    settings = [line for line in plain.splitlines() if not line.startswith("#")]
    assert not [line for line in settings if "arc" in line]
    assert "incoming: mailman.mta.null.NullMTA" in settings
