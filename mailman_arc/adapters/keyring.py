"""Private keys by the name of their file: read once, and again after a change."""

from __future__ import annotations

from dataclasses import dataclass

from mailman_arc.adapters.keyfiles import KeyFileError, read_signing_key
from mailman_arc.adapters.stamps import FileStamp, stamp_of
from mailman_arc.mailauth.crypto import SigningKey


@dataclass(frozen=True, slots=True)
class _Read:
    stamp: FileStamp
    key: SigningKey | KeyFileError


class KeyRing:
    """Remembers keys, and what was wrong with files that have none."""

    def __init__(self, *, require_safe: bool = True) -> None:
        self._require_safe = require_safe
        self._known: dict[str, _Read] = {}

    def get(self, path: str) -> SigningKey:
        """The key in a file; raises `KeyFileError`."""
        stamp = stamp_of(path)
        known = self._known.get(path)
        # What cannot be looked at has no stamp, and may be there next time.
        if known is None or known.stamp != stamp or stamp is None:
            known = _Read(stamp, self._read(path))
            self._known[path] = known
        if isinstance(known.key, KeyFileError):
            raise known.key
        return known.key

    def _read(self, path: str) -> SigningKey | KeyFileError:
        try:
            return read_signing_key(path, require_safe=self._require_safe)
        except KeyFileError as error:
            return error
