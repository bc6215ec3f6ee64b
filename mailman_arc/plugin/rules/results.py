"""The rule `arc-results`, before Mailman looks at who is moderated.

It does what a list wants done with posts whose authentication failed.  Without the
verdict of the door or the incoming runner there is nothing to go by, and it misses.
"""

from __future__ import annotations

import logging
from collections.abc import MutableMapping
from email.message import Message
from functools import partial
from typing import Any

from mailman.core.i18n import _
from mailman.interfaces.rules import IRule
from mailman.interfaces.usermanager import IUserManager
from zope.component import getUtility
from zope.interface import implementer

from mailman_arc.plugin import wiring
from mailman_arc.plugin.reception import one_line, read_voucher
from mailman_arc.plugin.seams import degrade, undisturbed
from mailman_arc.plugin.wiring import Services
from mailman_arc.policy.arrival import Arrival
from mailman_arc.policy.handling import Handling, decide, is_in_use
from mailman_arc.policy.settings import ListSettings


__all__ = ["AuthenticationResults"]

_log = logging.getLogger("mailman.plugins.arc")


@implementer(IRule)
class AuthenticationResults:
    """Hit by posts whose authentication failed, if the list does something then."""

    name = "arc-results"
    description = _("Match messages whose authentication failed.")
    # Mailman tells each post which rules it missed; where ours is not in use,
    # posts are as they were without it.
    record = False

    def check(
        self, mlist: Any, msg: Message, msgdata: MutableMapping[str, Any]
    ) -> bool:
        """See `IRule`."""
        handling = None
        with degrade("rule"):
            handling = _handling(mlist, msg, msgdata)
        if handling is None:
            return False
        # As Mailman's rules tell its chain `moderation`.
        msgdata["member_moderation_action"] = handling.action.value
        msgdata["moderation_sender"] = msg.sender  # type: ignore[attr-defined]
        msgdata.setdefault("moderation_reasons", []).extend(handling.reasons)
        msgdata.setdefault("rule_hits", []).append(self.name)
        return True


def _handling(
    mlist: Any, msg: Message, msgdata: MutableMapping[str, Any]
) -> Handling | None:
    """What this list does with this post; None for what else Mailman does."""
    services = wiring.services()
    if services is None or msgdata.get("to_owner") or msgdata.get("fromusenet"):
        return None
    settings = services.for_list(mlist).settings
    if not is_in_use(settings):
        return None
    arrival = undisturbed(partial(_arrival, msg, services))
    if arrival is None or not arrival.failures:
        return None
    handling = decide(arrival, settings, is_member=_is_by_member(mlist, msg))
    return _unless_shadow(mlist, msg, settings, handling)


def _arrival(msg: Message, services: Services) -> Arrival | None:
    """How the post arrived.

    Its body may be another by now: Mailman's rule `approved` takes out what looks
    like a password, and nobody is to get round a rule by that.
    """
    vouched = read_voucher(msg, services.secret)
    return vouched.arrival if vouched is not None and vouched.fits_header else None


def _is_by_member(mlist: Any, msg: Message) -> bool:
    """Tell whether a sender, or another address of theirs, is subscribed.

    Who counts as sender is what Mailman's own rules go by.
    """
    users = getUtility(IUserManager)
    for sender in msg.senders:  # type: ignore[attr-defined]
        user = users.get_user(sender)
        others = [each.email for each in user.addresses] if user is not None else []
        if any(map(mlist.members.get_member, (sender, *others))):
            return True
    return False


def _unless_shadow(
    mlist: Any, msg: Message, settings: ListSettings, handling: Handling | None
) -> Handling | None:
    """Only say what would be done, where the list is in shadow mode."""
    if handling is None or not settings.shadow:
        return handling
    _log.info(
        "%s list=%s shadow mode: %s: %s",
        one_line(msg.get("message-id", "n/a")),
        mlist.list_id,
        handling.action,
        "; ".join(handling.reasons),
    )
    return None
