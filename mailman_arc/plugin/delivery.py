"""Seal at the last moment: `[mta] outgoing: mailman_arc.plugin.delivery.deliver`.

Mailman's own function does the delivery, with Mailman's own agents; only the
connection they send through is ours.  It turns each copy into octets once,
seals those and hands the same octets to SMTP.  Copies whose octets are equal
share one seal.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping, MutableMapping, Sequence
from email.message import Message
from functools import partial
from types import FunctionType
from typing import Any

from mailman.mta import deliver as mailman_delivery
from mailman.mta.bulk import BulkDelivery

from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.plugin import wiring
from mailman_arc.plugin.handlers.authenticate import (
    ARRIVAL_KEY,
    SEEN_KEY,
    UNSEALED_KEY,
)
from mailman_arc.plugin.messages import HIDDEN_RECIPIENTS, to_octets
from mailman_arc.plugin.reception import VOUCHER_FIELD, one_line
from mailman_arc.plugin.seams import degrade, undisturbed
from mailman_arc.policy.arrival import Arrival, parse_arrival
from mailman_arc.policy.outbound import Outgoing, Unsealed, seal_octets


_LEFT_OUT = HIDDEN_RECIPIENTS | {VOUCHER_FIELD.lower()}
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


class _Run:
    """One delivery of one message to any number of recipients."""

    def __init__(self, mlist: Any, msgdata: Mapping[str, Any]) -> None:
        self._list_id = mlist.list_id
        self._is_anonymous = mlist.anonymous_list
        # A pipeline without our handler leaves no mark; Mailman's own say enough.
        self._is_post = any(msgdata.get(key) for key in _MARKS_OF_A_POST)
        self._recipients = len(msgdata.get("recipients") or ())
        self._arrival: Arrival | None = None
        self._unjudged = Unsealed.NO_VERDICT
        with degrade("delivery"):
            self._arrival = _read_arrival(msgdata)
            self._unjudged = Unsealed(msgdata.get(UNSEALED_KEY, self._unjudged))
        self._last_message: Message | None = None
        self._last_octets = b""
        self._last: Outgoing | None = None
        self._copies = 0
        self._seals = 0
        self._seconds = 0.0
        self._sealed_as = ""
        self._unsealed: list[str] = []

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
            else:
                outgoing = self._outgoing(msg)
                reason = outgoing.unsealed
        if reason is not None and reason not in self._unsealed:
            self._unsealed.append(reason)
        self._seconds += time.monotonic() - started
        if outgoing is None:
            del msg[VOUCHER_FIELD]
            return None
        return outgoing.octets

    def log(self, msg: Message) -> None:
        """Write the one line about this post."""
        level = logging.INFO if self._is_post else logging.DEBUG
        if not self._copies:
            begun = Unsealed.NOT_BEGUN if self._recipients else Unsealed.NO_RECIPIENTS
            self._unsealed.append(begun)
        _log.log(
            level,
            "%s list=%s %s; %s; copies=%d seals=%d recipients=%d seconds=%.3f",
            one_line(msg.get("message-id", "n/a")),
            self._list_id,
            self._arrival.summary if self._arrival else "no verdict",
            self._outcome(),
            self._copies,
            self._seals,
            self._recipients,
            self._seconds,
        )

    def _outgoing(self, msg: Message) -> Outgoing:
        # Chunks of a bulk delivery are the same object, sent again.
        if self._last is not None and self._last_message is msg:
            return self._last
        octets = to_octets(msg, _LEFT_OUT)
        if self._last is None or octets != self._last_octets:
            self._last = self._sealed(octets)
            self._last_octets = octets
        self._last_message = msg
        return self._last

    def _sealed(self, octets: bytes) -> Outgoing:
        if self._is_anonymous:
            return Outgoing(octets, Unsealed.ANONYMOUS)
        services = wiring.services()
        if services is None:
            return Outgoing(octets, Unsealed.SETTINGS)
        if self._arrival is None:
            return Outgoing(octets, self._unjudged)
        identity = services.identity
        if identity is None:
            return Outgoing(octets, Unsealed.NO_KEY)
        outgoing = Outgoing(octets, Unsealed.ERROR)
        with degrade("seal"):
            outgoing = undisturbed(
                partial(seal_octets, octets, self._arrival, identity, int(time.time()))
            )
        if outgoing.unsealed is None:
            self._seals += 1
            self._sealed_as = f"sealed i={outgoing.instance} cv={outgoing.status}"
        elif outgoing.unsealed is Unsealed.PROOF:
            _log.error("%s: %s", outgoing.unsealed, outgoing.detail)
        return outgoing

    def _outcome(self) -> str:
        told = [self._sealed_as] if self._sealed_as else []
        if self._unsealed:
            told.append("not sealed: " + ", ".join(self._unsealed))
        return "; ".join(told)


class _OctetConnection:
    """Mailman's connection to the outgoing server, fed with our octets."""

    def __init__(self, connection: Any, run: _Run) -> None:
        self._connection = connection
        self._run = run

    def sendmail(self, sender: str, recipients: Sequence[str], msg: Message) -> Any:
        """Send a copy; see `mailman.mta.connection.Connection`."""
        octets = self._run.octets_for(msg, (sender, *recipients))
        return self._connection.sendmail(
            sender, recipients, msg if octets is None else octets
        )

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


def _read_arrival(msgdata: Mapping[str, Any]) -> Arrival | None:
    text = msgdata.get(ARRIVAL_KEY)
    if text is None:
        return None
    try:
        return parse_arrival(str(text))
    except MalformedField:
        _log.error("an arrival record in a queue entry cannot be read")
        return None
