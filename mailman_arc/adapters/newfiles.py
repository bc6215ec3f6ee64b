"""Files that are there as a whole or not at all, and only for their owner."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


def make_directory(path: Path) -> None:
    """Make a directory and what is missing above it, for the owner alone."""
    missing = [each for each in (path, *path.parents) if not each.exists()]
    for each in reversed(missing):
        each.mkdir(mode=0o700, exist_ok=True)


def create_file(path: Path, octets: bytes) -> None:
    """Write a new file; raises `FileExistsError` if it is there already."""
    with _draft(path, octets) as draft:
        os.link(draft, path)  # never replaces what another process made


def replace_file(path: Path, octets: bytes) -> None:
    """Write a file anew; who reads it meanwhile sees the old one or the new one."""
    with _draft(path, octets) as draft:
        draft.replace(path)


@contextmanager
def _draft(path: Path, octets: bytes) -> Iterator[Path]:
    draft = path.with_name(f".{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(octets)
            file.flush()
            os.fsync(file.fileno())
        yield draft
        _keep_entry(path.parent)
    finally:
        draft.unlink(missing_ok=True)


def _keep_entry(directory: Path) -> None:
    """Bring the name to the disk, too."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
