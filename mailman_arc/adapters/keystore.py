"""The keys that are made and turned over here: `<selector>.pem` and `.json`.

Each domain has a directory.  The PEM file has the private key and is never
changed; the JSON file tells how far the key has come in its life.
"""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal

from mailman_arc.adapters.keyfiles import KeyFileError, read_private
from mailman_arc.adapters.newfiles import create_file, make_directory, replace_file
from mailman_arc.adapters.stamps import FileStamp, stamp_of
from mailman_arc.mailauth.crypto import (
    KeyType,
    make_private_key,
    parse_signing_key,
)
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField


KeyState = Literal["next", "active", "retired"]

_STATES: tuple[KeyState, ...] = ("next", "active", "retired")
_LOCK = ".lock"


@dataclass(frozen=True, slots=True)
class StoredKey:
    """A key and how far it has come; times are seconds since 1970."""

    domain: str
    selector: str
    path: Path  # of the private key
    state: KeyState
    algorithm: str  # as in a=, such as rsa-sha256
    bits: int
    created_at: int
    activated_at: int | None = None
    retired_at: int | None = None


@dataclass(frozen=True, slots=True)
class Listing:
    """The keys of a domain by selector, and what is wrong with other files there."""

    keys: tuple[StoredKey, ...] = ()
    problems: tuple[KeyFileError, ...] = ()


class KeyStore:
    """The keys below one directory; it is read again when files change."""

    def __init__(self, directory: str | Path, *, require_safe: bool = True) -> None:
        self._directory = Path(directory)
        self._require_safe = require_safe
        self._listed: dict[str, tuple[list[tuple[str, FileStamp]], Listing]] = {}

    def domains(self) -> list[str]:
        """The domains that have keys; raises `KeyFileError`."""
        try:
            found = [each.name for each in self._directory.iterdir() if each.is_dir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise _unreadable(self._directory, error) from error
        return sorted(name for name in found if _is_name(name))

    def listing(self, domain: str) -> Listing:
        """The keys of a domain; what cannot be used is told, never raised."""
        folder = self._directory / domain
        try:
            names = sorted(each.name for each in folder.iterdir())
        except FileNotFoundError:
            return Listing()
        except OSError as error:
            return Listing(problems=(_unreadable(folder, error),))
        stamps = [(name, stamp_of(folder / name)) for name in names if name[0] != "."]
        known = self._listed.get(domain)
        if known is None or known[0] != stamps:
            known = stamps, self._read_all(domain, names)
            self._listed[domain] = known
        return known[1]

    def get(self, domain: str, selector: str) -> StoredKey:
        """One key; raises `KeyFileError`."""
        path = self._path(domain, selector)
        if not path.exists():
            raise KeyFileError(f"there is no key {selector} of {domain} ({path})")
        return self._read(domain, selector)

    def new(
        self,
        domain: str,
        selector: str,
        now: int,
        *,
        key_type: KeyType = "rsa",
        bits: int = 2048,
    ) -> StoredKey:
        """Make a key in the state `next`; raises `KeyFileError`.

        A key that is there is never replaced.  To be called by the user whom
        Mailman runs as, who owns the files then.
        """
        path = self._path(domain, selector)
        try:
            pem = make_private_key(key_type, bits)
        except ValueError as error:
            raise KeyFileError(str(error)) from error
        made = parse_signing_key(pem)
        key = StoredKey(
            *(domain, selector, path, "next", made.algorithm, made.bits, now)
        )
        with self._writing(domain):
            try:
                create_file(path, pem)
            except FileExistsError as error:
                raise KeyFileError(
                    f"key file {path} is there already: a key is never replaced, "
                    "give the new one another selector"
                ) from error
            replace_file(_state_file(path), _to_octets(key))
        return key

    def set_state(
        self, domain: str, selector: str, state: KeyState, now: int
    ) -> StoredKey:
        """Note that a key has come into this state now; raises `KeyFileError`.

        Whether it may is for `policy.keychoice` to say.
        """
        with self._writing(domain):
            key = replace(self.get(domain, selector), state=state)
            if state == "active":
                key = replace(key, activated_at=now)
            if state == "retired":
                key = replace(key, retired_at=now)
            replace_file(_state_file(key.path), _to_octets(key))
        return key

    def _path(self, domain: str, selector: str) -> Path:
        for name in (domain, selector):
            if not _is_name(name):
                raise KeyFileError(f"{name!r} is not a name in the DNS")
        return self._directory / domain / f"{selector}.pem"

    @contextmanager
    def _writing(self, domain: str) -> Iterator[None]:
        """Keep other writers off the directory of a domain, which is made."""
        folder = self._directory / domain
        try:
            make_directory(folder)
            descriptor = os.open(folder / _LOCK, os.O_RDWR | os.O_CREAT, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX)
                yield
            finally:
                os.close(descriptor)  # and with it the lock
        except OSError as error:
            raise KeyFileError(f"cannot write in {folder}: {error.strerror}") from error

    def _read_all(self, domain: str, names: list[str]) -> Listing:
        keys = []
        problems = []
        for name in names:
            try:
                if name.endswith(".pem") and name[0] != ".":
                    keys.append(self._read(domain, name.removesuffix(".pem")))
            except KeyFileError as error:
                problems.append(error)
        return Listing(tuple(keys), tuple(problems))

    def _read(self, domain: str, selector: str) -> StoredKey:
        path = self._path(domain, selector)
        state_file = _state_file(path)
        octets = read_private(str(state_file), require_safe=self._require_safe)
        try:
            return _parse(domain, selector, path, octets)
        except ValueError as error:
            raise KeyFileError(
                f"key file {state_file}: {error}; the key {selector} is not used"
            ) from error


def _is_name(text: str) -> bool:
    try:
        return parse_domain(text) == text
    except MalformedField:
        return False


def _state_file(path: Path) -> Path:
    return path.with_name(path.name.removesuffix(".pem") + ".json")


def _unreadable(path: Path, error: OSError) -> KeyFileError:
    return KeyFileError(f"cannot read key directory {path}: {error.strerror}")


def _to_octets(key: StoredKey) -> bytes:
    told = asdict(key)
    for name in ("domain", "selector", "path"):  # they are in the file's name
        del told[name]
    return json.dumps(told, indent=1).encode() + b"\n"


def _parse(domain: str, selector: str, path: Path, octets: bytes) -> StoredKey:
    """Read the state of a key; raises `ValueError` with a clause."""
    try:
        told = json.loads(octets)
    except (ValueError, RecursionError) as error:
        raise ValueError("it is not JSON") from error
    if not isinstance(told, dict):
        raise ValueError("it is not a JSON object")
    key = StoredKey(
        domain,
        selector,
        path,
        _state(told.get("state")),
        str(told.get("algorithm", "")),
        _number(told, "bits") or 0,
        _number(told, "created_at") or 0,
        _number(told, "activated_at"),
        _number(told, "retired_at"),
    )
    if key.state == "active" and key.activated_at is None:
        raise ValueError("it does not say since when the key is active")
    return key


def _state(word: object) -> KeyState:
    for state in _STATES:
        if word == state:
            return state
    raise ValueError(f"the state is none of {', '.join(_STATES)}")


def _number(told: dict[str, Any], name: str) -> int | None:
    number = told.get(name)
    if number is None:
        return None
    if type(number) is not int or number < 0:
        raise ValueError(f"{name} is not a whole number")
    return number
