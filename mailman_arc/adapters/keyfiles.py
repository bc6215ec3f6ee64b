"""Private key files: read one, or say in a sentence why it cannot be used."""

from __future__ import annotations

import grp
import os
import pwd
import stat
from pathlib import Path

from mailman_arc.mailauth.crypto import SigningKey, parse_signing_key
from mailman_arc.mailauth.errors import MalformedField


MAX_KEY_FILE_SIZE = 64 * 1024  # octets; RSA with 8192 bits takes 6400

# Debian's way is root:list 0640: the group may read, everybody else may not.
_UNSAFE_MODES = stat.S_IWGRP | stat.S_IRWXO

# A FIFO must not make us wait for somebody who writes to it.
_OPEN_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC


class KeyFileError(Exception):
    """A key file that cannot be used; names it, the reason and the way out."""


def read_signing_key(path: str | Path, *, require_safe: bool = True) -> SigningKey:
    """Read a private key file in PEM form, without a password.

    With `require_safe` the file must belong to root or to the user we run as,
    its group must not be able to change it, and others must have no access.
    Raises `KeyFileError`.
    """
    pem = read_private(str(path), require_safe=require_safe)
    if not pem.strip():
        raise KeyFileError(f"key file {path} is empty: put a private key into it")
    try:
        return parse_signing_key(pem)
    except MalformedField as error:
        raise KeyFileError(f"key file {path}: {error}{_advice(pem, path)}") from error


def read_private(path: str, *, require_safe: bool = True) -> bytes:
    """Read a file that only we should have written; raises `KeyFileError`."""
    try:
        descriptor = os.open(path, _OPEN_FLAGS)
        try:
            return _read_opened(descriptor, path, require_safe)
        finally:
            os.close(descriptor)
    except PermissionError as error:
        raise KeyFileError(_no_access(path)) from error
    except OSError as error:
        raise KeyFileError(f"cannot read key file {path}: {error.strerror}") from error
    except ValueError as error:
        raise KeyFileError(f"{path!r} cannot be the name of a key file") from error


def _read_opened(descriptor: int, path: str, require_safe: bool) -> bytes:
    # The opened file itself: what bears its name may have changed by now.
    status = os.fstat(descriptor)
    _check_kind(path, status)
    if require_safe:
        _check_safety(path, status)
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        pem = file.read(MAX_KEY_FILE_SIZE + 1)
    if len(pem) > MAX_KEY_FILE_SIZE:
        raise KeyFileError(
            f"key file {path} has more than {MAX_KEY_FILE_SIZE} octets: "
            "it must hold one private key and nothing else"
        )
    return pem


def _no_access(path: str) -> str:
    try:
        status = Path(path).stat()
    except OSError:
        return (
            f"cannot reach key file {path}: {_user(os.geteuid())} has no access to a "
            "directory above it"
        )
    return (
        f"cannot read key file {path} ({_rights(status)}) as {_user(os.geteuid())}: "
        f"chgrp {_group(os.getegid())} and chmod 0640 let it in"
    )


def _check_kind(path: str, status: os.stat_result) -> None:
    if stat.S_ISDIR(status.st_mode):
        raise KeyFileError(f"key file {path} is a directory: name the file in it")
    if not stat.S_ISREG(status.st_mode):
        raise KeyFileError(f"key file {path} is not a regular file")


def _check_safety(path: str, status: os.stat_result) -> None:
    me = os.geteuid()
    if status.st_uid not in (0, me):
        raise KeyFileError(
            f"key file {path} ({_rights(status)}) belongs to somebody who is neither "
            f"root nor {_user(me)}, as whom we run: chown root makes it safe"
        )
    if status.st_mode & _UNSAFE_MODES:
        raise KeyFileError(
            f"key file {path} ({_rights(status)}) is open to more than its owner and "
            "readers in its group: chmod 0640 closes it, and the key should be "
            "replaced if others have had access"
        )


def _advice(pem: bytes, path: str | Path) -> str:
    if b"ENCRYPTED" in pem:
        return f"; `openssl pkey -in {path}` writes it without a password"
    return ""


def _rights(status: os.stat_result) -> str:
    mode = stat.S_IMODE(status.st_mode)
    return f"mode {mode:04o}, owner {_user(status.st_uid)}:{_group(status.st_gid)}"


def _user(number: int) -> str:
    try:
        return pwd.getpwuid(number).pw_name
    except KeyError:
        return str(number)


def _group(number: int) -> str:
    try:
        return grp.getgrgid(number).gr_name
    except KeyError:
        return str(number)
