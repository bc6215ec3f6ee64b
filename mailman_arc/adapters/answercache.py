"""DNS answers remembered for as long as they are good."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable

from mailman_arc.mailauth.answers import TxtAnswer, TxtRecords


MAX_CACHED_OCTETS = 4096  # of one answer; the largest sensible key takes 1400


class AnswerCache:
    """The answers still good, those used least recently first; thread-safe."""

    def __init__(self, size: int, clock: Callable[[], float]) -> None:
        self._size = size
        self._clock = clock
        self._entries: OrderedDict[str, tuple[TxtAnswer, float]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, name: str) -> TxtAnswer | None:
        """The answer for a name, or None when there is none that is still good."""
        with self._lock:
            entry = self._entries.get(name)
            if entry is None:
                return None
            answer, expires_at = entry
            if expires_at <= self._clock():
                del self._entries[name]
                return None
            self._entries.move_to_end(name)
            return answer

    def put(self, name: str, answer: TxtAnswer, seconds: float) -> None:
        """Remember an answer for so many seconds, unless it is a huge one."""
        texts = answer.texts if isinstance(answer, TxtRecords) else ()
        if seconds <= 0 or sum(map(len, texts)) > MAX_CACHED_OCTETS:
            return
        with self._lock:
            self._entries[name] = (answer, self._clock() + seconds)
            self._entries.move_to_end(name)
            while len(self._entries) > self._size:
                self._entries.popitem(last=False)
