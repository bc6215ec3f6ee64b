"""Files that are there as a whole or not at all."""

from __future__ import annotations

import os
import stat

import pytest

from mailman_arc.adapters.newfiles import create_file, make_directory, replace_file


def names_in(directory) -> list[str]:
    return [each.name for each in directory.iterdir()]


def mode(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_belongs_to_its_owner_alone(tmp_path):
    create_file(tmp_path / "a", b"one")

    assert (tmp_path / "a").read_bytes() == b"one"
    assert mode(tmp_path / "a") == 0o600
    assert names_in(tmp_path) == ["a"]


def test_a_file_that_is_there_is_not_replaced(tmp_path):
    create_file(tmp_path / "a", b"one")

    with pytest.raises(FileExistsError):
        create_file(tmp_path / "a", b"two")

    assert (tmp_path / "a").read_bytes() == b"one"
    assert names_in(tmp_path) == ["a"]


def test_a_file_can_be_replaced_and_is_private_then(tmp_path):
    (tmp_path / "a").write_bytes(b"one")
    (tmp_path / "a").chmod(0o644)

    replace_file(tmp_path / "a", b"two")

    assert (tmp_path / "a").read_bytes() == b"two"
    assert mode(tmp_path / "a") == 0o600
    assert names_in(tmp_path) == ["a"]


def test_a_file_that_cannot_be_put_in_place_leaves_nothing(tmp_path):
    (tmp_path / "a").mkdir()

    with pytest.raises(OSError, match="directory"):
        replace_file(tmp_path / "a", b"two")

    assert names_in(tmp_path) == ["a"]


def test_all_directories_that_are_made_are_private(tmp_path):
    old = os.umask(0)
    try:
        make_directory(tmp_path / "a" / "b")
    finally:
        os.umask(old)

    assert [mode(tmp_path / "a"), mode(tmp_path / "a/b")] == [0o700, 0o700]
    make_directory(tmp_path / "a" / "b")
