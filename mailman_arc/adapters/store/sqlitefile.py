"""The file of an SQLite database: made with the right owner, rights and journal."""

from __future__ import annotations

import os
import secrets
import sqlite3
import stat
from contextlib import closing, suppress
from pathlib import Path


def make_file(path: Path) -> None:
    """Make an empty database, unless there is one; raises `OSError`.

    Its group may write if it may in the directory.  Made by root, it belongs
    to the owner of the directory.  SQLite gives the files it puts beside it
    the same owner and rights.
    """
    if path.exists():
        return
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    try:
        _write(draft)
        # Several processes may do so at once; a link never replaces a file.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def _write(draft: Path) -> None:
    directory = draft.parent.stat()
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        if os.geteuid() == 0:
            os.fchown(descriptor, directory.st_uid, directory.st_gid)
        if directory.st_mode & stat.S_IWGRP:
            os.fchmod(descriptor, 0o660)
    finally:
        os.close(descriptor)
    # The file remembers this, so that no process has to ask for it again while
    # others are at work.  Readers and a writer do not wait for each other then.
    with closing(sqlite3.connect(draft)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
