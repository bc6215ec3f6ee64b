"""The history of a list, as REST and the command line tell it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from dataclasses import asdict
from typing import Any

from mailman.config import config
from mailman.interfaces.requests import RequestType
from mailman.model.requests import _Request

from mailman_arc.adapters.store.history import HistoryStore
from mailman_arc.adapters.store.historyrows import HELD, Entry, Stats
from mailman_arc.plugin.history import message_id_hash
from mailman_arc.plugin.keylist import iso_time
from mailman_arc.plugin.wiring import Services


# The names that programs are told, and the fields they come from.
_FIELDS = {
    **{
        name: name
        for name in (
            "entry_id", "list_id", "arrived_at", "message_id_hash", "message_id",
            "author_domain", "author", "subject", "verdict", "dkim", "spf", "dmarc",
            "arc", "disposition", "disposition_reason", "sealed",
        )
    },
    "unsealed_reason": "unsealed",
    "left_at": "left_at",
    "seal_instance": "instance",
    "seal_domain": "domain",
    "seal_selector": "selector",
    "seal_chain_status": "chain_status",
    "copies": "copies",
    "seals": "seals",
    "recipients": "recipients",
    "remarks": "remarks",
}  # fmt: skip

_ENTRY_ID = re.compile("[0-9]{1,18}|[1-8][0-9]{18}")  # within 63 bits

ENTRY_NAMES = (*_FIELDS, "is_waiting")


def history_of(services: Services) -> HistoryStore:
    """What is kept of the posts of all lists."""
    return services.storage.history


def parse_entry_id(text: str) -> int | None:
    """The number of an entry; None if it cannot be one."""
    return int(text) if _ENTRY_ID.fullmatch(text) else None


def tell_entry(entry: Entry, waiting: frozenset[str] = frozenset()) -> dict[str, Any]:
    """What is known of a post, for programs; `waiting` is that of `held_hashes`."""
    told = {name: getattr(entry, field) for name, field in _FIELDS.items()}
    return {
        **told,
        # JavaScript would round a number as large as this.
        "entry_id": str(entry.entry_id),
        "arrived_at": iso_time(entry.arrived_at),
        "left_at": iso_time(entry.left_at),
        "is_waiting": is_waiting(entry, waiting),
    }


def tell_details(entry: Entry) -> dict[str, Any]:
    """What was found check by check; empty when that was not kept."""
    try:
        told = json.loads(entry.details)
    except (ValueError, RecursionError):
        return {}
    return told if isinstance(told, dict) else {}


def is_held(entry: Entry) -> bool:
    """Tell whether the post was held; whether it still is, Mailman knows."""
    return entry.disposition == HELD


def is_waiting(entry: Entry, waiting: frozenset[str]) -> bool | None:
    """Tell whether the post waits for a moderator; None: that is not known.

    `waiting` is that of `held_hashes`.
    """
    if not is_held(entry):
        return False
    return entry.message_id_hash in waiting if entry.message_id_hash else None


def held_hashes(mlist: Any, entries: Iterable[Entry]) -> frozenset[str]:
    """Like `waiting_hashes`, when one of the entries may be among them."""
    return waiting_hashes(mlist) if any(map(is_held, entries)) else frozenset()


def waiting_hashes(mlist: Any) -> frozenset[str]:
    """The Message-ID-Hash of each post of a list that waits for a moderator.

    What a moderator does with a held post Mailman does not announce.
    """
    held = config.db.store.query(_Request.key).filter_by(
        mailing_list=mlist, request_type=RequestType.held_message
    )
    return frozenset(message_id_hash(key) for (key,) in held)


def tell_stats(stats: Stats) -> dict[str, Any]:
    """The numbers of some days, for programs."""
    days = [each.day for each in stats.per_day]
    return {
        "days": len(days),
        "since": days[0].isoformat(),
        "until": days[-1].isoformat(),
        "total": asdict(stats.totals),
        "per_day": [
            {"day": each.day.isoformat(), **asdict(each.counts)}
            for each in stats.per_day
        ],
        "domains": [
            {"author_domain": each.author_domain, **asdict(each.counts)}
            for each in stats.domains
        ],
        "last_arrived_at": iso_time(stats.last_arrived_at),
        "last_sealed_at": iso_time(stats.last_sealed_at),
    }
