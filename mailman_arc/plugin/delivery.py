"""Seal at the last moment: `[mta] outgoing: mailman_arc.plugin.delivery.deliver`.

Mailman's own function does the delivery, with Mailman's own agents; only the
connection they send through is ours.  It turns each copy into octets once,
seals those and hands the same octets to SMTP.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, MutableMapping, Sequence
from email.message import Message
from types import FunctionType
from typing import Any

from mailman.mta import deliver as mailman_delivery
from mailman.mta.bulk import BulkDelivery

from mailman_arc.plugin import history, wiring
from mailman_arc.plugin.handlers.authenticate import SEEN_KEY
from mailman_arc.plugin.reception import VOUCHER_FIELD, one_line
from mailman_arc.plugin.sealing import CopySealer
from mailman_arc.plugin.seams import degrade
from mailman_arc.policy.outbound import Outgoing, Unsealed


_MARKS_OF_A_POST = (SEEN_KEY, "to_list", "to_owner")
_AGENTS = ("Deliver", "BulkDelivery")

_log = logging.getLogger("mailman.plugins.arc")


def deliver(mlist: Any, msg: Message, msgdata: MutableMapping[str, Any]) -> None:
    """Deliver a message to the outgoing mail server, sealed if it is a post.

    Same arguments, result and exceptions as `mailman.mta.deliver.deliver`.
    """
    run: _Run | None = None
    send = mailman_delivery.deliver
    if wiring.is_active():
        with degrade("delivery"):
            run = _Run(mlist, msgdata)
            send = _deliver_through(run)
    try:
        send(mlist, msg, msgdata)
    finally:
        if run is not None:
            with degrade("log"):
                run.log(msg)
            with degrade("history"):
                run.tell_history(mlist, msg, msgdata)


class _Run:
    """One delivery of one message to any number of recipients."""

    def __init__(self, mlist: Any, msgdata: Mapping[str, Any]) -> None:
        self._list_id = mlist.list_id
        # A pipeline without our handler leaves no mark; Mailman's own say enough.
        self._is_post = any(msgdata.get(key) for key in _MARKS_OF_A_POST)
        self._recipients = len(msgdata.get("recipients") or ())
        self._sealer: CopySealer | None = None
        with degrade("delivery"):
            self._sealer = CopySealer(mlist, msgdata)
        self._copies = 0
        self._seconds = 0.0
        self._sealed_as = ""
        self._unsealed: list[str] = []
        self._sealed: Outgoing | None = None  # one of the copies, with our set
        self._taken = 0  # copies, by the mail server
        self._taken_for = 0  # recipients

    def octets_for(self, msg: Message, envelope: Sequence[str]) -> bytes | None:
        """The octets to send for a copy, sealed where that is possible.

        None when Mailman should write this copy as it always does.
        """
        started = time.monotonic()
        outgoing: Outgoing | None = None
        self._copies += 1
        reason: Unsealed | None = Unsealed.ERROR
        with degrade("delivery"):
            if not self._is_post:
                reason = Unsealed.NOT_A_POST
            elif not all(address.isascii() for address in envelope):
                reason = Unsealed.ENVELOPE
            elif self._sealer is not None:
                outgoing = self._sealer.seal(msg)
                reason = outgoing.unsealed
        self._note(reason, outgoing)
        self._seconds += time.monotonic() - started
        if outgoing is None:
            del msg[VOUCHER_FIELD]
            return None
        return outgoing.octets

    def log(self, msg: Message) -> None:
        """Write the one line about this message."""
        sealer = self._sealer
        if not self._copies:
            begun = Unsealed.NOT_BEGUN if self._recipients else Unsealed.NO_RECIPIENTS
            self._note(begun, None)
        remarks = [f"not sealed: {each}" for each in self._unsealed]
        remarks += sealer.risks if sealer else []
        _log.info(
            "%s list=%s %s; %s; copies=%d seals=%d recipients=%d seconds=%.3f",
            one_line(msg.get("message-id", "n/a")),
            self._list_id,
            sealer.summary if sealer else "no verdict",
            "; ".join(filter(None, (self._sealed_as, *remarks))),
            self._copies,
            sealer.seals if sealer else 0,
            self._recipients,
            self._seconds,
        )

    def note_taken(self, recipients: int) -> None:
        """Note that the mail server has taken a copy for so many recipients."""
        self._taken += recipients > 0
        self._taken_for += recipients

    def tell_history(
        self, mlist: Any, msg: Message, msgdata: MutableMapping[str, Any]
    ) -> None:
        """Note what has left, if this is a post to the list."""
        services = wiring.services()
        # What nobody has taken will be sent again.
        is_done = self._taken or not self._recipients
        if services is None or not self._is_post or not is_done:
            return
        if msgdata.get("to_owner"):
            return
        history.tell_unjudged(services, mlist, msg, msgdata, Unsealed.NO_VERDICT)
        sealed = self._sealed
        domain, selector = self._sealer.signer if self._sealer and sealed else ("", "")
        departure = history.Departure(
            sealed=not self._unsealed,
            unsealed="; ".join(self._unsealed),
            instance=sealed.instance if sealed else None,
            domain=domain,
            selector=selector,
            chain_status=(sealed.status or "") if sealed else "",
            copies=self._taken,
            seals=self._sealer.seals if self._sealer else 0,
            recipients=self._taken_for,
            remarks="; ".join(self._sealer.risks) if self._sealer else "",
        )
        history.tell_departure(services, mlist, msg, msgdata, departure)

    def _note(self, reason: Unsealed | None, outgoing: Outgoing | None) -> None:
        made = ""
        if outgoing is not None and outgoing.instance is not None:
            made = f"i={outgoing.instance} cv={outgoing.status}"
        if reason is None:
            self._sealed_as = f"sealed {made}"
            self._sealed = outgoing
            return
        remark = str(reason) + (f", would be {made}" if made else "")
        if remark not in self._unsealed:
            self._unsealed.append(remark)


class _OctetConnection:
    """Mailman's connection to the outgoing server, fed with our octets."""

    def __init__(self, connection: Any, run: _Run) -> None:
        self._connection = connection
        self._run = run

    def sendmail(self, sender: str, recipients: Sequence[str], msg: Message) -> Any:
        """Send a copy; see `mailman.mta.connection.Connection`."""
        octets = self._run.octets_for(msg, (sender, *recipients))
        refused = self._connection.sendmail(
            sender, recipients, msg if octets is None else octets
        )
        self._run.note_taken(len(recipients) - len(refused))
        return refused

    def quit(self) -> None:
        """Close the connection."""
        self._connection.quit()


class _WithoutArcSigning:
    """Leaves Mailman's own sealing out."""

    def arc_sign(self, mlist: Any, msg: Message, msgdata: Any) -> None:
        """Do nothing; it would be a second set."""


class _Individual(_WithoutArcSigning, mailman_delivery.Deliver):
    """One copy for each recipient."""


class _Bulk(_WithoutArcSigning, BulkDelivery):
    """One copy for many recipients."""


def _sending_through(run: _Run, agent: Any) -> Any:
    agent._connection = _OctetConnection(agent._connection, run)
    return agent


def _deliver_through(run: _Run) -> Any:
    """Mailman's own `deliver`, with our agents in the place of its own.

    It looks its agents up by name among the globals of its module, so it gets
    a copy of those in which the two names mean ours.
    """
    original = mailman_delivery.deliver
    missing = [name for name in _AGENTS if name not in original.__globals__]
    if missing:
        _log.error(
            "posts are not sealed: this Mailman has no %s in mailman.mta.deliver",
            " and ".join(missing),
        )
        return original
    names = dict(original.__globals__)
    names["Deliver"] = lambda: _sending_through(run, _Individual())
    names["BulkDelivery"] = lambda *limit: _sending_through(run, _Bulk(*limit))
    return FunctionType(original.__code__, names, original.__name__)
