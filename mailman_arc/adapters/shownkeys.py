"""Which keys the DNS has shown, remembered beyond a restart.

When the DNS does not answer, a key that it showed last time is used on.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mailman_arc.adapters.newfiles import make_directory, replace_file


MAX_FILE_SIZE = 256 * 1024  # octets; more than a thousand keys

_log = logging.getLogger("mailman.plugins.arc.keys")  # a child, so that it is kept


class ShownKeys:
    """A small file: the name in the DNS, a digest of the key, since when.

    Several processes may use it.  A file that cannot be read is as good as
    none, and made anew: the DNS knows better.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._said = ""

    def since(self, name: str, digest: str) -> int | None:
        """When the DNS first showed this key, seconds since 1970; None if never.

        Nor when it last showed something else.
        """
        entry = self._read().get(name)
        return entry[1] if entry and entry[0] == digest else None

    def note(self, name: str, digest: str, now: int, *, is_shown: bool) -> None:
        """Remember what the DNS shows now; only changes are written."""
        if (self.since(name, digest) is not None) == is_shown:
            return
        try:
            with self._writing():
                known = self._read()
                known.pop(name, None)
                if is_shown:
                    known[name] = (digest, now)
                replace_file(self._path, json.dumps(known, indent=1).encode() + b"\n")
        except OSError as error:
            self._warn(
                f"cannot remember in {self._path} which keys the DNS showed: "
                f"{error.strerror}"
            )

    @contextmanager
    def _writing(self) -> Iterator[None]:
        make_directory(self._path.parent)
        lock = self._path.with_name(f".{self._path.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            # Who finds it taken fails, and writes after the next look instead.
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(descriptor)

    def _read(self) -> dict[str, tuple[str, int]]:
        try:
            with self._path.open("rb") as file:
                told = json.loads(file.read(MAX_FILE_SIZE))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(told, dict):
            return {}
        return {
            name: (entry[0], entry[1])
            for name, entry in told.items()
            if isinstance(entry, list) and [type(each) for each in entry] == [str, int]
        }

    def _warn(self, problem: str) -> None:
        if problem != self._said:
            self._said = problem
            _log.warning("%s", problem)
