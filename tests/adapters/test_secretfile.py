"""The site's secret: made once, read by all."""

from __future__ import annotations

import os
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from mailman_arc.adapters.secretfile import (
    SECRET_OCTETS,
    SecretFileError,
    read_or_make_secret,
)


def write_private(path: Path, octets: bytes) -> None:
    path.write_bytes(octets)
    path.chmod(0o600)


@pytest.mark.parametrize("mode", [0o644, 0o602, 0o606])
def test_a_secret_that_others_can_read_or_change_is_not_used(tmp_path, mode):
    path = tmp_path / "arc.secret"
    path.write_bytes(b"x" * SECRET_OCTETS)
    path.chmod(mode)

    with pytest.raises(SecretFileError, match="others can read or change it"):
        read_or_make_secret(path)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "arc.secret"


def test_a_secret_is_made_when_there_is_none(path):
    secret = read_or_make_secret(path)

    assert len(secret) == SECRET_OCTETS
    assert path.read_bytes() == secret


def test_a_secret_that_is_there_stays(path):
    write_private(path, bytes(range(SECRET_OCTETS)))

    assert read_or_make_secret(path) == bytes(range(SECRET_OCTETS))
    assert read_or_make_secret(path) == bytes(range(SECRET_OCTETS))


def test_two_sites_have_different_secrets(tmp_path):
    assert read_or_make_secret(tmp_path / "a") != read_or_make_secret(tmp_path / "b")


@pytest.mark.parametrize("umask", [0o000, 0o007, 0o077])
def test_only_the_owner_can_read_it_whatever_the_umask(path, umask):
    old = os.umask(umask)
    try:
        read_or_make_secret(path)
    finally:
        os.umask(old)

    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_nothing_else_is_left_behind(path):
    read_or_make_secret(path)

    assert list(path.parent.iterdir()) == [path]


def test_whoever_makes_it_at_the_same_time_reads_the_same(path):
    with ThreadPoolExecutor(16) as pool:
        secrets = set(pool.map(read_or_make_secret, [path] * 64))

    assert secrets == {path.read_bytes()}
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("octets", [b"", b"x" * 31, b"x" * 33, b"x" * 100_000])
def test_a_file_of_another_length_is_not_taken_for_a_secret(path, octets):
    write_private(path, octets)

    with pytest.raises(SecretFileError, match=f"{path}: holds {len(octets)} octets"):
        read_or_make_secret(path)


def test_a_directory_in_its_place_is_named(path):
    path.mkdir()

    with pytest.raises(SecretFileError, match=f"{path}: Is a directory; Mailman's"):
        read_or_make_secret(path)


def test_a_missing_directory_is_named(path):
    with pytest.raises(SecretFileError, match=r"none/arc\.secret: No such file"):
        read_or_make_secret(path.parent / "none/arc.secret")


def test_a_link_to_nowhere_is_named_and_nothing_is_left(path):
    path.symlink_to(path.parent / "nowhere")

    with pytest.raises(SecretFileError, match="No such file"):
        read_or_make_secret(path)
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read and write everything")
@pytest.mark.parametrize("mode", [0o000, 0o500])
def test_a_directory_that_is_closed_is_named(tmp_path, mode):
    closed = tmp_path / "closed"
    closed.mkdir()
    closed.chmod(mode)

    with pytest.raises(SecretFileError, match=r"arc\.secret: Permission denied"):
        read_or_make_secret(closed / "arc.secret")
