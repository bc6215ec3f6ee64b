"""What the REST API tells, in the forms it has there."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date, timedelta
from typing import Any


LIST_ID = "discuss.lists.example.org"
ADDRESS = "discuss@lists.example.org"
ARRIVED = "2026-11-20T09:30:00"
HASH = "E2VCYMWF44GMDFEGEJY4TGR4NWGCSOPH"  # of <1@author.example>

JSON = dict[str, Any]


def collection(entries: Sequence[JSON], given: JSON) -> JSON:
    """A page of a collection."""
    count, page = int(given.get("count", 1000)), int(given.get("page", 1))
    start = (page - 1) * count
    found: JSON = {"start": start, "total_size": len(entries), "http_etag": '"x"'}
    if entries[start : start + count]:
        found["entries"] = list(entries[start : start + count])
    return found


def mailing_list() -> JSON:
    return {
        "list_id": LIST_ID,
        "fqdn_listname": ADDRESS,
        "display_name": "Discuss",
        "list_name": "discuss",
        "mail_host": "lists.example.org",
        "description": "",
        "member_count": 3,
        "volume": 1,
        "advertised": True,
        "self_link": f"http://localhost:8001/3.1/lists/{LIST_ID}",
        "http_etag": '"x"',
    }


def list_config() -> JSON:
    return {
        "description": "",
        "info": "",
        "owner_address": "discuss-owner@lists.example.org",
        "join_address": "discuss-join@lists.example.org",
        "member_roster_visibility": "moderators",
        "archive_policy": "public",
        "subscription_policy": "confirm",
        "created_at": "2026-01-01T00:00:00",
        "last_post_at": None,
        "digest_last_sent_at": None,
        "volume": 1,
        "http_etag": '"x"',
    }


def roster(addresses: Iterable[str]) -> JSON:
    entries = [
        {
            "address": f"http://localhost:8001/3.1/addresses/{each}",
            "email": each,
            "role": "owner",
            "list_id": LIST_ID,
            "self_link": f"http://localhost:8001/3.1/members/{number}",
            "http_etag": '"x"',
        }
        for number, each in enumerate(addresses)
    ]
    return collection(entries, {})


def user() -> JSON:
    return {
        "user_id": 1,
        "display_name": "",
        "created_on": "2026-01-01T00:00:00",
        "is_server_owner": False,
        "self_link": "http://localhost:8001/3.1/users/1",
        "http_etag": '"x"',
    }


def address(email: str) -> JSON:
    return {
        "email": email,
        "original_email": email,
        "registered_on": "2026-01-01T00:00:00",
        "verified_on": "2026-01-01T00:00:00",
        "self_link": f"http://localhost:8001/3.1/addresses/{email}",
        "http_etag": '"x"',
    }


def held(request_id: int, message_id: str = "<1@author.example>") -> JSON:
    return {
        "request_id": request_id,
        "message_id": message_id,
        "sender": "ann@author.example",
        "subject": "A question",
        "reason": "The message comes from a moderated member",
        "hold_date": "2026-11-20T09:30:01",
        "msg": "Subject: A question\n\nHello.\n",
        "type": "held_message",
        "self_link": f"http://localhost:8001/3.1/lists/{LIST_ID}/held/{request_id}",
        "http_etag": '"x"',
    }


def status(**changes: Any) -> JSON:
    return {
        "list_id": LIST_ID,
        "state": "sealing",
        "mode": "sv",
        "identity": "lists.example.org",
        "domain": "lists.example.org",
        "selector": "s2026a",
        "key_seen_at": "2026-11-01T08:00:00",
        "problems": [],
        "history_days": 30,
        "is_keeping_history": True,
        "door": True,
        **changes,
    }


def counts(**changes: int) -> JSON:
    names = ("posts", "confirmed", "vouched", "unconfirmed", "unchecked")
    return {
        **dict.fromkeys((*names, "sealed", "unsealed", "broken_chain"), 0),
        **changes,
    }


def stats(days: int = 30, **changes: Any) -> JSON:
    """Posts on each day but every fifth."""
    until = date(2026, 11, 22)
    per_day = []
    for back in range(days - 1, -1, -1):
        number = 0 if back % 5 == 0 else back % 4 + 1
        numbers = counts(posts=2 * number, confirmed=number, vouched=number)
        day = until - timedelta(days=back)
        per_day.append({"day": day.isoformat(), **numbers})
    return {
        "days": days,
        "since": per_day[0]["day"],
        "until": until.isoformat(),
        "total": counts(
            posts=140, confirmed=94, vouched=23, unconfirmed=13, unchecked=10,
            sealed=135, unsealed=5, broken_chain=4,
        ),
        "per_day": per_day,
        "domains": [
            {"author_domain": "broken.example", **counts(posts=9, unconfirmed=9)},
            {
                "author_domain": "fwd.example",
                **counts(posts=5, unchecked=2, confirmed=3, broken_chain=4),
            },
            {"author_domain": "", **counts(posts=5, unconfirmed=5)},
        ],
        "last_arrived_at": ARRIVED,
        "last_sealed_at": ARRIVED,
        **changes,
    }  # fmt: skip


def no_stats(days: int = 30) -> JSON:
    """Those of a list that nobody has ever written to."""
    empty = stats(days)
    return {
        **empty,
        "per_day": [{"day": each["day"], **counts()} for each in empty["per_day"]],
        "total": counts(),
        "domains": [],
        "last_arrived_at": None,
        "last_sealed_at": None,
    }


def check(name: str, outcome: str = "good", sentence: str = "It is good.") -> JSON:
    return {
        "name": name,
        "outcome": outcome,
        "sentence": sentence,
        "source": "RFC 8617 §5.2",
    }


def hop(instance: int = 1, sealer: str = "forwarder.example") -> JSON:
    return {
        "instance": instance,
        "sealer": sealer,
        "selector": "arc1",
        "chain_status": "none" if instance == 1 else "pass",
        "sealed_at": "2026-11-20 09:29:58 UTC",
        "authserv_id": f"mx.{sealer}",
        "recorded": ["dkim=pass header.d=author.example", "dmarc=pass"],
        "aar": f"i={instance}; mx.{sealer}; dkim=pass header.d=author.example",
        "checks": [
            check("ARC-Seal"),
            check("ARC-Message-Signature", "changed", "The message has changed since."),
        ],
    }


def details(**changes: Any) -> JSON:
    return {
        "author_domain": "author.example",
        "summary": "The author domain is not confirmed (any more).",
        "reasons": [],
        "dmarc": check("DMARC", "bad", "No aligned identifier passed."),
        "dkim": [check("DKIM-Signature", "bad", "The body was changed.")],
        "arc": check("ARC", "good", "The chain of 1 set is intact."),
        "hops": [hop()],
        "statements": [
            {
                "authserv_id": "mx.other.example",
                "standing": "not believed: nobody we trust",
                "results": ["spf=pass smtp.mailfrom=author.example"],
            }
        ],
        "remarks": [],
        **changes,
    }


def entry(number: int = 1, **changes: Any) -> JSON:
    """A post, the one of number 2 newer than that of 1."""
    entry_id = str((1_795_000_000_000 + number) << 21)
    return {
        "entry_id": entry_id,
        "list_id": LIST_ID,
        "arrived_at": ARRIVED,
        "message_id_hash": HASH,
        "message_id": "<1@author.example>",
        "author_domain": "author.example",
        "author": "ann@author.example",
        "subject": "A question",
        "verdict": "vouched",
        "dkim": "fail",
        "spf": "pass",
        "dmarc": "fail",
        "arc": "pass",
        "disposition": "posted",
        "disposition_reason": "",
        "is_waiting": False,
        "sealed": True,
        "unsealed_reason": "",
        "left_at": "2026-11-20T09:30:02",
        "seal_instance": 2,
        "seal_domain": "lists.example.org",
        "seal_selector": "s2026a",
        "seal_chain_status": "pass",
        "copies": 1,
        "seals": 1,
        "recipients": 3,
        "remarks": "",
        "results": "lists.example.org; arc=pass; dmarc=fail header.from=author.example",
        "details": details(),
        "self_link": "",
        "http_etag": '"x"',
        **changes,
    }


def setting(name: str, value: Any, **changes: Any) -> JSON:
    return {
        "name": name,
        "help": "What it means.",
        "scope": "list",
        "choices": [],
        "default": value,
        "value": value,
        "origin": "default",
        "inherited": value,
        **changes,
    }


def settings(**changes: Any) -> JSON:
    return {
        "list_id": LIST_ID,
        "settings": [
            setting("mode", "sv", choices=["sv", "s", "v", "none"]),
            setting("shadow", False, choices=["yes", "no"]),
            setting("identity", ""),
            setting("sign_headers", ["from", "subject"], origin="site"),
            setting("history_days", "30"),
            setting("history_fields", ["author", "subject", "message_id"]),
        ],
        "allowed_identities": ["lists.example.org"],
        **changes,
    }


def key(**changes: Any) -> JSON:
    return {
        "domain": "lists.example.org",
        "selector": "s2026a",
        "managed": True,
        "state": "active",
        "algorithm": "rsa-sha256",
        "bits": 2048,
        "created_at": "2026-10-01T08:00:00",
        "activated_at": "2026-11-01T08:00:00",
        "retired_at": None,
        "record_needed_until": None,
        "seen_at": "2026-11-01T08:00:00",
        "self_link": "",
        "http_etag": '"x"',
        **changes,
    }


def found() -> JSON:
    """What the DNS shows of a key."""
    return {"record_name": "s2026a", "found": "missing", "detail": ""}
