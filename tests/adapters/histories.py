"""Posts for histories."""

from __future__ import annotations

from typing import Any

from mailman_arc.adapters.store.historyrows import Arrived, Decided, Left, first_id_at


DAY = 86_400
NOW = 1_800_000_000  # 2027-01-15 08:00 UTC
LIST, OTHER = "ann.lists.example", "bee.lists.example"


def entry_id(seconds: int = NOW, number: int = 0) -> int:
    """The id of the post with this number of a second."""
    return first_id_at(seconds) + number


def arrived(seconds: int = NOW, number: int = 0, **told: Any) -> Arrived:
    key = {"entry_id": entry_id(seconds, number), "list_id": LIST}
    return Arrived(**{**key, "arrived_at": seconds, **told})


def decided(disposition: str, reason: str = "", **told: Any) -> Decided:
    key = {"entry_id": entry_id(), "list_id": LIST}
    return Decided(**{**key, "disposition": disposition, "reason": reason, **told})


def left(seconds: int = NOW, number: int = 0, **told: Any) -> Left:
    key = {"entry_id": entry_id(seconds, number), "list_id": LIST}
    return Left(**{**key, "left_at": seconds + 1, "sealed": True, **told})
