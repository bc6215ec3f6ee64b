"""Tell the history what becomes of a post, without making the post wait.

The seams call these functions, each under `degrade`.  They note what is known;
whether the list wants it kept is found out by the thread that writes.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import random
import time
from collections.abc import Mapping, MutableMapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from email.message import Message
from typing import TYPE_CHECKING, Any

from mailman.core.i18n import _, format_reasons
from mailman.interfaces.chain import ChainEvent, DiscardEvent, HoldEvent, RejectEvent
from mailman.interfaces.listmanager import ListDeletedEvent
from zope.event import subscribers

from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.adapters.store.historyrows import Arrived, Decided, Left, Row
from mailman_arc.plugin import wiring
from mailman_arc.plugin.historywriter import About, Note
from mailman_arc.plugin.reception import Telling, header_of
from mailman_arc.plugin.seams import degrade
from mailman_arc.policy.history import (
    Disposition,
    describe_unjudged,
    kept,
    kept_reason,
    make_entry_id,
    time_of,
    with_vouching,
)
from mailman_arc.policy.settings import ListSettings


if TYPE_CHECKING:
    from mailman_arc.plugin.wiring import Services


ENTRY_KEY = "arc_entry"  # in msgdata: the number of the entry of this post

NOBODY_JUDGED = "It was decided on before anybody had judged it."

_DECISIONS = {
    HoldEvent: Disposition.HELD,
    RejectEvent: Disposition.REJECTED,
    DiscardEvent: Disposition.DISCARDED,
}

_log = logging.getLogger("mailman.plugins.arc")


@dataclass(frozen=True, slots=True)
class Departure:
    """What was done to the copies of a post that the mail server has taken."""

    sealed: bool
    unsealed: str = ""
    instance: int | None = None
    domain: str = ""
    selector: str = ""
    chain_status: str = ""
    copies: int = 0
    seals: int = 0
    recipients: int = 0
    remarks: str = ""


def begin(msg: Message, msgdata: MutableMapping[str, Any], list_id: str) -> int | None:
    """Make an entry for a post, which `msgdata` carries from now on.

    None if it has one, or is none: mail to the owners is not remembered.
    """
    if ENTRY_KEY in msgdata or msgdata.get("to_owner"):
        return None
    received = msgdata.get("received_time")
    if isinstance(received, datetime):
        # Should Mailman forget `msgdata`, as of a post that it has just held,
        # it gets the same entry again.
        name = f"{list_id}\n{msg.get('message-id')}".encode("utf-8", "replace")
        bits = int.from_bytes(hashlib.sha256(name).digest()[:8], "big")
        # Mailman's are those of UTC, without saying so.
        seconds = received.replace(tzinfo=received.tzinfo or UTC).timestamp()
        entry_id = make_entry_id(seconds, bits)
    else:
        entry_id = make_entry_id(time.time(), random.getrandbits(32))
    msgdata[ENTRY_KEY] = entry_id
    return entry_id


def tell_judged(
    services: Services,
    mlist: Any,
    msg: Message,
    msgdata: MutableMapping[str, Any],
    tell: Telling | None,
) -> None:
    """Note how a post has arrived, unless that was done; with None, later."""
    if tell is None:
        return
    entry_id = begin(msg, msgdata, str(mlist.list_id))
    if entry_id is not None:
        tell_arrival(services, mlist, msg, entry_id, tell)


def tell_arrival(
    services: Services, mlist: Any, msg: Message, entry_id: int, tell: Telling
) -> None:
    """Note how a post has arrived."""
    about = About.of(mlist)
    # Mailman gives one to posts that have none.
    message_id = str(msg.get("message-id", ""))

    def make(settings: ListSettings) -> Row:
        facts = tell()
        facts = replace(facts, message_id=facts.message_id or message_id)
        known = kept(facts, settings.history_fields, is_anonymous=about.is_anonymous)
        known = with_vouching(known, settings.trusted_sealers)
        return Arrived(
            entry_id=entry_id,
            list_id=about.list_id,
            arrived_at=time_of(entry_id),
            message_id_hash=message_id_hash(message_id) if known.message_id else "",
            message_id=known.message_id,
            author_domain=known.author_domain,
            author=known.author,
            subject=known.subject,
            verdict=known.verdict or "",
            dkim=known.dkim,
            spf=known.spf,
            arc=known.arc,
            dmarc=known.dmarc,
            results=known.results,
            details=known.details,
        )

    services.history.put(Note(about, make))


def tell_unjudged(
    services: Services,
    mlist: Any,
    msg: Message,
    msgdata: MutableMapping[str, Any],
    reason: str,
) -> None:
    """Note a post of which the history knows nothing yet, and that nobody judged."""
    if ENTRY_KEY not in msgdata:
        facts = describe_unjudged(header_of(msg), reason)
        tell_judged(services, mlist, msg, msgdata, lambda: facts)


def tell_departure(
    services: Services,
    mlist: Any,
    msg: Message,
    msgdata: Mapping[str, Any],
    left: Departure,
) -> None:
    """Note that copies of a post that has an entry have left."""
    about = About.of(mlist)
    entry_id = msgdata[ENTRY_KEY]
    now = int(time.time())
    # That of an anonymous list is another by now, and tells nothing.  A wrapper
    # around a post has one, too, but the archive has that of the post.
    message_id = str(msg.get("message-id", "")) if about.is_anonymous else ""

    def make(_settings: ListSettings) -> Row:
        return Left(
            entry_id=entry_id,
            list_id=about.list_id,
            left_at=now,
            message_id_hash=message_id_hash(message_id),
            sealed=left.sealed,
            unsealed=left.unsealed,
            instance=left.instance,
            domain=left.domain,
            selector=left.selector,
            chain_status=left.chain_status,
            copies=left.copies,
            seals=left.seals,
            recipients=left.recipients,
            remarks=left.remarks,
        )

    services.history.put(Note(about, make))


def follow_mailman() -> None:
    """Have noted what Mailman's rules decide, and forgotten what it deletes."""
    for each in (tell_decision, forget_list):
        if each not in subscribers:
            subscribers.append(each)


def tell_decision(event: object) -> None:
    """Note that a post was held, rejected or discarded."""
    decision = _DECISIONS.get(type(event))
    if decision is None or not isinstance(event, ChainEvent):
        return
    with degrade("history"):
        services = wiring.services()
        if services is None or event.msgdata.get("to_owner"):
            return
        tell_unjudged(services, event.mlist, event.msg, event.msgdata, NOBODY_JUDGED)
        about = About.of(event.mlist)
        entry_id = event.msgdata[ENTRY_KEY]
        reason = _reason(event)

        def make(settings: ListSettings) -> Row:
            return Decided(
                entry_id=entry_id,
                list_id=about.list_id,
                disposition=decision,
                reason=kept_reason(
                    reason, settings.history_fields, is_anonymous=about.is_anonymous
                ),
            )

        services.history.put(Note(about, make))


def forget_list(event: object) -> None:
    """Forget the posts of a list that Mailman has deleted."""
    if not isinstance(event, ListDeletedEvent):
        return
    with degrade("deleted list"):
        services = wiring.services()
        if services is None:
            return
        list_id = event.fqdn_listname.replace("@", ".")
        try:
            services.storage.history.forget(list_id)
        except StoreError as error:
            _log.error(
                "%s: the history of its posts is still there: %s", list_id, error
            )


def _reason(event: Any) -> str:
    """Why, in the language of the list; the names of rules where nothing is said."""
    reasons = event.msgdata.get("moderation_reasons")
    if not reasons:
        return ", ".join(map(str, event.msgdata.get("rule_hits", ())))
    with _.using(event.mlist.preferred_language.code):
        return "; ".join(format_reasons(reasons))


def message_id_hash(message_id: str) -> str:
    """What Mailman and archives call a message by; empty for none."""
    if not message_id:
        return ""
    # As Mailman's `add_message_hash`.
    if message_id.startswith("<") and message_id.endswith(">"):
        name = message_id[1:-1]
    else:
        name = message_id.strip()
    octets = name.encode("utf-8", "replace")
    return base64.b32encode(
        hashlib.sha1(octets, usedforsecurity=False).digest()
    ).decode()
