"""What lists have of their own, for posts: never an error, nor a long wait."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping

from mailman_arc.adapters.store.errors import StoreError


RETRY_AFTER = 30  # seconds; a database that does not answer delays one post in that


class LastKnownValues:
    """Reads the values of a list, or remembers them when that fails."""

    def __init__(
        self,
        read: Callable[[str], Mapping[str, str]],
        tell: Callable[[StoreError], None],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; `read` gets a list's id, `tell` what goes wrong."""
        self._read = read
        self._tell = tell
        self._clock = clock
        self._known: dict[str, Mapping[str, str]] = {}
        self._ask_at = clock()

    def get(self, list_id: str) -> Mapping[str, str]:
        """What a list has, or had when last seen; nothing if it was never seen."""
        if self._clock() >= self._ask_at:
            try:
                self._remember(list_id, self._read(list_id))
            except StoreError as error:
                self._ask_at = self._clock() + RETRY_AFTER
                self._tell(error)
        return self._known.get(list_id, {})

    def _remember(self, list_id: str, values: Mapping[str, str]) -> None:
        if values:
            self._known[list_id] = values
        else:
            self._known.pop(list_id, None)
