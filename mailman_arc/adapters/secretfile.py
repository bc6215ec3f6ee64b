"""The site's secret: 32 random octets in a file only Mailman's user can read."""

from __future__ import annotations

import secrets
import stat
from contextlib import suppress
from pathlib import Path

from mailman_arc.adapters.newfiles import create_file


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
            with suppress(FileExistsError):  # another process was quicker
                create_file(path, secrets.token_bytes(SECRET_OCTETS))
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
