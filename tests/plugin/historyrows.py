"""Posts for a history, as they are written there."""

from __future__ import annotations

import json
from typing import Any

from mailman_arc.adapters.store.historyrows import (
    Arrived,
    Decided,
    Left,
    Row,
    first_id_at,
)
from mailman_arc.plugin.history import message_id_hash


NOON = 1_780_315_200  # 2026-06-01 12:00:00 UTC
DETAILS = {
    "author_domain": "author.example",
    "summary": "The message comes from whom it says it does.",
    "reasons": [],
    "dmarc": {
        "name": "DMARC",
        "outcome": "good",
        "sentence": "The domain is author.example.",
        "source": "RFC 9989 §5.3",
    },
    "dkim": [
        {"name": "DKIM-Signature", "outcome": "good", "sentence": "It holds."},
    ],
    "arc": {"name": "ARC", "outcome": "none", "sentence": "There is no chain."},
    "hops": [
        {
            "instance": 1,
            "sealer": "relay.example",
            "selector": "k1",
            "chain_status": "none",
            "sealed_at": "2026-06-01 11:59:58 UTC",
            "authserv_id": "mx.relay.example",
            "recorded": ["dmarc=pass header.from=author.example"],
            "aar": "i=1; mx.relay.example; dmarc=pass",
            "checks": [
                {"name": "ARC-Seal", "outcome": "good", "sentence": "It is good."}
            ],
        }
    ],
    "statements": [
        {
            "authserv_id": "mx.lists.example",
            "standing": "believed: in trusted_authserv_ids",
            "results": ["spf=pass smtp.mailfrom=author.example"],
        }
    ],
    "remarks": [
        {
            "name": "remark",
            "outcome": "none",
            "sentence": "The lines are long.",
            "source": "RFC 5322 §2.1.1",
        }
    ],
}


def arrived(list_id: str, number: int = 0, **changes: Any) -> Arrived:
    """A post that came so many seconds after noon."""
    message_id = changes.get("message_id", f"<{number}@author.example>")
    told: dict[str, Any] = {
        "arrived_at": NOON + number,
        "message_id": message_id,
        "message_id_hash": message_id_hash(message_id),
        "author_domain": "author.example",
        "author": "ann@author.example",
        "subject": f"Hello {number}",
        "verdict": "confirmed",
        "dkim": "pass",
        "spf": "pass",
        "arc": "none",
        "dmarc": "pass",
        "results": "lists.example; dkim=pass header.d=author.example",
        "details": json.dumps(DETAILS),
    }
    return Arrived(entry_id=entry_id(number), list_id=list_id, **(told | changes))


def held(list_id: str, number: int = 0, **changes: Any) -> Decided:
    """Mailman has kept it for a moderator."""
    told = {"disposition": "held", "reason": "The sender is not a member"}
    return Decided(entry_id=entry_id(number), list_id=list_id, **(told | changes))


def left(list_id: str, number: int = 0, **changes: Any) -> Left:
    """It left a second later, sealed."""
    told: dict[str, Any] = {
        "left_at": NOON + number + 1,
        "sealed": True,
        "instance": 1,
        "domain": "lists.example",
        "selector": "arc",
        "chain_status": "none",
        "copies": 2,
        "seals": 1,
        "recipients": 3,
    }
    return Left(entry_id=entry_id(number), list_id=list_id, **(told | changes))


def posted(list_id: str, number: int = 0, **changes: Any) -> list[Row]:
    """A post that arrived and left; changes are to how it arrived."""
    return [arrived(list_id, number, **changes), left(list_id, number)]


def entry_id(number: int) -> int:
    """The id of the post that came so many seconds after noon."""
    return first_id_at(NOON + number)
