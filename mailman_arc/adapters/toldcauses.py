"""What somebody has been told of lately, remembered beyond a restart."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

from mailman_arc.adapters.newfiles import make_directory, replace_file


AGAIN_AFTER = 7 * 86400  # seconds until the same cause is told of once more
MAX_FILE_SIZE = 256 * 1024  # octets


class ToldCauses:
    """A small file: each cause, and when it was told of.

    Several processes may use it.  One that cannot be read is as good as none.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def take_due(self, causes: Iterable[str], now: int) -> list[str]:
        """Those that are due, which from `now` on, seconds since 1970, are told of.

        Raises `OSError` when that cannot be remembered, or another process is
        at it.
        """
        causes = list(dict.fromkeys(causes))
        if not causes:
            return []
        with self._alone():
            # A clock that was set back must not silence a cause for ever.
            told = {
                cause: time
                for cause, time in self._read().items()
                if 0 <= now - time < AGAIN_AFTER
            }
            due = [cause for cause in causes if cause not in told]
            if due:
                told |= dict.fromkeys(due, now)
                replace_file(self._path, json.dumps(told, indent=1).encode() + b"\n")
        return due

    @contextmanager
    def _alone(self) -> Iterator[None]:
        make_directory(self._path.parent)
        lock = self._path.with_name(f".{self._path.name}.lock")
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            yield
        finally:
            os.close(descriptor)  # and with it the lock

    def _read(self) -> dict[str, int]:
        try:
            with self._path.open("rb") as file:
                told = json.loads(file.read(MAX_FILE_SIZE))
        except (OSError, ValueError, RecursionError):
            return {}
        if not isinstance(told, dict):
            return {}
        return {cause: time for cause, time in told.items() if type(time) is int}
