"""Which posts are put off until the DNS answers, and for how long."""

from __future__ import annotations

from collections import OrderedDict


MAX_REMEMBERED = 10_000  # posts; about 2 MB
MAX_PAUSE = 86400  # seconds; no mail server waits longer until it tries again


class Patience:
    """Remembers when each post was first put off, and when that has to end.

    A post never waits longer than `hold` seconds after it was first seen here,
    however often it comes.  When there is no room to remember one more, it does
    not wait at all.
    """

    def __init__(self, hold: float, capacity: int = MAX_REMEMBERED) -> None:
        self._hold = hold
        self._capacity = capacity
        self._first_seen: OrderedDict[bytes, float] = OrderedDict()

    def must_wait(self, key: bytes, now: float) -> bool:
        """Tell whether the post with this key shall come again later.

        `now` is in seconds of a clock that never goes back.
        """
        if key not in self._first_seen and not self._has_room(now):
            return False
        return now < self._first_seen.setdefault(key, now) + self._hold

    def _has_room(self, now: float) -> bool:
        """Make room by forgetting the oldest, unless it may come again.

        If it did, its time would begin anew.
        """
        if len(self._first_seen) < self._capacity:
            return True
        if now <= next(iter(self._first_seen.values())) + self._hold + MAX_PAUSE:
            return False
        self._first_seen.popitem(last=False)
        return True
