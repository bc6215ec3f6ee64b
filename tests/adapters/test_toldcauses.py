"""Nobody is told of the same cause twice in a week."""

from __future__ import annotations

import fcntl
import json

import pytest

from mailman_arc.adapters.toldcauses import AGAIN_AFTER, ToldCauses


NOW = 1_800_000_000


@pytest.fixture
def path(tmp_path):
    return tmp_path / "arc/told.json"


def test_a_cause_is_due_once_a_week_beyond_a_restart(path):
    assert ToldCauses(path).take_due(["a", "b", "a"], NOW) == ["a", "b"]
    assert ToldCauses(path).take_due(["b", "c"], NOW + AGAIN_AFTER - 1) == ["c"]
    assert ToldCauses(path).take_due(["b", "c"], NOW + AGAIN_AFTER) == ["b"]


def test_without_a_cause_nothing_is_written(path):
    assert ToldCauses(path).take_due([], NOW) == []
    assert not path.parent.exists()


def test_a_clock_that_was_set_back_does_not_silence_a_cause(path):
    told = ToldCauses(path)
    told.take_due(["a"], NOW)

    assert told.take_due(["a"], NOW - 1) == ["a"]


def test_what_is_over_for_a_week_is_forgotten(path):
    told = ToldCauses(path)
    told.take_due(["a"], NOW)
    told.take_due(["b"], NOW + AGAIN_AFTER)

    assert json.loads(path.read_bytes()) == {"b": NOW + AGAIN_AFTER}


@pytest.mark.parametrize("octets", [b"{", b"[]", b'{"a": "b"}', b"\xff"])
def test_a_file_that_cannot_be_read_is_made_anew(octets, path):
    path.parent.mkdir()
    path.write_bytes(octets)

    assert ToldCauses(path).take_due(["a"], NOW) == ["a"]
    assert json.loads(path.read_bytes()) == {"a": NOW}


def test_what_cannot_be_remembered_is_not_told(tmp_path):
    (tmp_path / "file").touch()

    with pytest.raises(OSError, match="file"):
        ToldCauses(tmp_path / "file/told.json").take_due(["a"], NOW)


def test_two_processes_do_not_tell_the_same(path):
    told = ToldCauses(path)
    told.take_due(["a"], NOW)
    with (path.parent / ".told.json.lock").open("w") as other:
        fcntl.flock(other, fcntl.LOCK_EX)

        with pytest.raises(BlockingIOError):
            told.take_due(["b"], NOW)
