"""The site's secret: 32 random octets in a file only Mailman's user can read."""

from __future__ import annotations

import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path


SECRET_OCTETS = 32


class SecretFileError(Exception):
    """The secret can be neither read nor made; the text names file and way out."""


def read_or_make_secret(path: Path) -> bytes:
    """Read the secret, or make it if there is none yet.

    Several processes may do so at the same time: one file wins, all read it.
    Raises `SecretFileError`.
    """
    try:
        if not path.exists():
            _make(path)
        octets = path.read_bytes()
        mode = stat.S_IMODE(path.stat().st_mode)
    except OSError as error:
        raise SecretFileError(
            f"{path}: {error.strerror}; Mailman's user must be able to read and "
            f"write there"
        ) from error
    if mode & (stat.S_IROTH | stat.S_IWOTH):
        raise SecretFileError(
            f"{path}: others can read or change it (mode {mode:04o}); remove the "
            f"file, a new one is made"
        )
    if len(octets) != SECRET_OCTETS:
        raise SecretFileError(
            f"{path}: holds {len(octets)} octets instead of {SECRET_OCTETS}; "
            f"remove the file, a new one is made"
        )
    return octets


def _make(path: Path) -> None:
    draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SECRET_OCTETS))
            file.flush()
            os.fsync(file.fileno())
        # A link never replaces a file that another process made meanwhile.
        with suppress(FileExistsError):
            os.link(draft, path)
    finally:
        draft.unlink()
