"""The handler `arc-authenticate`: first of all in the pipelines.

It takes the verdict the door has written into the post, or makes one where
there was no door, and keeps what the seal needs in `msgdata`, because later
handlers may remove fields.
"""

from __future__ import annotations

from collections.abc import Mapping, MutableMapping
from email.message import Message
from functools import partial
from typing import Any

from mailman.core.i18n import _
from mailman.interfaces.handler import IHandler
from zope.interface import implementer

from mailman_arc.mailauth.message import read_message
from mailman_arc.plugin import history, wiring
from mailman_arc.plugin.reception import (
    Judgement,
    Telling,
    as_received,
    conceal_author,
    header_of,
    judge,
    remove_forgeries,
    remove_verdict,
    take_voucher,
    write_verdict,
)
from mailman_arc.plugin.seams import degrade, undisturbed
from mailman_arc.plugin.wiring import Services
from mailman_arc.policy.arrival import format_arrival, parse_arrival, with_vouching
from mailman_arc.policy.history import Facts, describe_arrival, describe_unjudged
from mailman_arc.policy.inbound import names_to_look_up
from mailman_arc.policy.outbound import Unsealed
from mailman_arc.policy.trust import Trust


__all__ = ["Authenticate"]

ARRIVAL_KEY = "arc_arrival"  # in msgdata: text; absent if nothing was recorded
UNSEALED_KEY = "arc_unsealed"  # in msgdata: text, why the post must not be sealed
SEEN_KEY = "arc_seen"  # in msgdata: this is a post, whatever became of the verdict


@implementer(IHandler)
class Authenticate:
    """Record how a post arrived."""

    name = "arc-authenticate"
    description = _("Record the authentication results of a post as it arrived.")

    def process(
        self, mlist: Any, msg: Message, msgdata: MutableMapping[str, Any]
    ) -> None:
        """See `IHandler`."""
        if not wiring.is_active():
            return
        msgdata[SEEN_KEY] = True
        tell = None
        with degrade("handler"):
            services = wiring.services()
            # A post that was shunted further on comes by again, changed.
            if services is not None and not _is_decided(msgdata):
                found = undisturbed(partial(_arrival, msg, msgdata, services))
                if isinstance(found, Unsealed):
                    msgdata[UNSEALED_KEY] = found.value
                else:
                    msgdata[ARRIVAL_KEY] = format_arrival(found.arrival)
                    tell = found.tell
        with degrade("history"):
            _remember(mlist, msg, msgdata, tell)
        with degrade("handler"):
            _tidy(mlist, msg, msgdata)


def _is_decided(msgdata: Mapping[str, Any]) -> bool:
    """Tell whether it is known how the post arrived, or why nobody will know."""
    return ARRIVAL_KEY in msgdata or UNSEALED_KEY in msgdata


def _remember(
    mlist: Any, msg: Message, msgdata: MutableMapping[str, Any], tell: Telling | None
) -> None:
    """Tell the history of a post it does not know."""
    services = wiring.services()
    if services is None or history.ENTRY_KEY in msgdata:
        return
    if tell is None:
        facts = undisturbed(partial(_facts, msg, dict(msgdata)))
        history.tell_judged(services, mlist, msg, msgdata, lambda: facts)
    else:
        history.tell_judged(services, mlist, msg, msgdata, tell)


def _facts(msg: Message, msgdata: Mapping[str, Any]) -> Facts:
    """What can be told of a post that was not judged here."""
    message = header_of(msg)
    if ARRIVAL_KEY in msgdata:
        return describe_arrival(message, parse_arrival(msgdata[ARRIVAL_KEY]))
    return describe_unjudged(message, msgdata.get(UNSEALED_KEY, Unsealed.ERROR))


def _tidy(mlist: Any, msg: Message, msgdata: MutableMapping[str, Any]) -> None:
    """Remove results that are forged, or that this list does not want shown."""
    services = wiring.services()
    if mlist.anonymous_list:
        conceal_author(msg)
    if services is None:
        return
    if ARRIVAL_KEY not in msgdata:
        remove_forgeries(msg, services.settings.trust)
        return
    settings = services.for_list(mlist).settings
    is_reported = settings.mode.reports and not settings.shadow
    arrival = parse_arrival(msgdata[ARRIVAL_KEY])
    vouched = with_vouching(arrival, settings.trusted_sealers)
    if vouched is not arrival or not is_reported:
        remove_verdict(msg, arrival)
    if vouched is not arrival:
        msgdata[ARRIVAL_KEY] = format_arrival(vouched)
        if is_reported and not mlist.anonymous_list:
            write_verdict(msg, vouched, services.settings.trust)


def _arrival(
    msg: Message, msgdata: MutableMapping[str, Any], services: Services
) -> Judgement | Unsealed:
    """What was found on arrival, or why that cannot be told any more."""
    trust = services.settings.trust
    vouched = take_voucher(msg, services.secret)
    # The rule `approved` has looked for the moderator's password in the body,
    # and has taken the line out, whether the password was right or not.
    is_approved = "approved" in msgdata.get("rule_hits", ())
    if vouched is not None:
        if not vouched.is_whole and not (vouched.fits_header and is_approved):
            return Unsealed.CHANGED_EARLY
        write_verdict(msg, vouched.arrival, trust)
        return Judgement(vouched.arrival, None)
    if msgdata.get("has_approved"):
        return Unsealed.CHANGED_EARLY
    # Parsing has hidden where lines ended, so a stranger's text may pose as a
    # field of a trusted server here; only the door can tell.
    trust = Trust(trust.authserv_id)
    message = read_message(as_received(msg))
    demands = services.settings.demands
    names = names_to_look_up(message, trust, demands=demands)
    found = judge(message, services.resolver.fetch(names), trust, demands=demands)
    write_verdict(msg, found.arrival, trust)
    return found
