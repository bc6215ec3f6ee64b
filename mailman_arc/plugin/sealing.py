"""Seal the copies of one post, each as the octets that are going to leave."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from email.message import Message
from functools import partial
from typing import Any

from mailman_arc.mailauth.arc.seal import SealingIdentity
from mailman_arc.mailauth.canonical import BodyHashes
from mailman_arc.mailauth.dkim import is_still_good
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import read_message
from mailman_arc.plugin import wiring
from mailman_arc.plugin.handlers.authenticate import ARRIVAL_KEY, UNSEALED_KEY
from mailman_arc.plugin.messages import HIDDEN_RECIPIENTS, to_octets
from mailman_arc.plugin.reception import VOUCHER_FIELD
from mailman_arc.plugin.seams import degrade, undisturbed
from mailman_arc.plugin.transport import make_transport_safe, needs_encoding
from mailman_arc.policy.arrival import Arrival, anonymised, parse_arrival
from mailman_arc.policy.outbound import Outgoing, Unsealed, seal_octets
from mailman_arc.policy.settings import AnonymousSeal, ListSettings, TransportSafe


# Why a copy may be changed on its way although it is sealed.
AUTHOR_SIGNED = "at risk on the way: a text the author signed"

_LEFT_OUT = HIDDEN_RECIPIENTS | {VOUCHER_FIELD.lower()}

_log = logging.getLogger("mailman.plugins.arc")


@dataclass(frozen=True, slots=True)
class _Means:
    """What it takes to seal a copy."""

    arrival: Arrival
    identity: SealingIdentity
    settings: ListSettings


class CopySealer:
    """Turns copies of one post into octets and seals those.

    Copies whose octets are equal share one seal.  `summary` tells how the post
    arrived, `seals` counts, and `risks` says what may break a seal later.
    """

    def __init__(self, mlist: Any, msgdata: Mapping[str, Any]) -> None:
        self.summary = "no verdict"
        self.seals = 0
        self.risks: list[str] = []
        arrival = _read_arrival(msgdata)
        if isinstance(arrival, Arrival):
            self.summary = arrival.summary
        self._means = _find_means(mlist, arrival)
        self._last_message: Message | None = None
        self._last_octets = b""
        self._last: Outgoing | None = None

    @property
    def signer(self) -> tuple[str, str]:
        """The domain that seals, and the selector of its key; empty without."""
        if not isinstance(self._means, _Means):
            return "", ""
        return self._means.identity.domain, self._means.identity.selector

    def seal(self, msg: Message) -> Outgoing:
        """The octets of a copy, sealed, or as they are with the reason.

        Text that may not survive transport is encoded in the message itself.
        """
        # Chunks of a bulk delivery are the same object, sent again.
        if self._last is not None and self._last_message is msg:
            return self._last
        means = self._means
        if isinstance(means, _Means) and not means.settings.shadow:
            with degrade("transport"):
                self._make_safe(msg, means)
        octets = to_octets(msg, _LEFT_OUT)
        if self._last is None or octets != self._last_octets:
            self._last = self._sealed(octets)
            self._last_octets = octets
        self._last_message = msg
        return self._last

    def _sealed(self, octets: bytes) -> Outgoing:
        means = self._means
        if isinstance(means, Unsealed):
            return Outgoing(octets, means)
        outgoing = Outgoing(octets, Unsealed.ERROR)
        now = int(time.time())
        with degrade("seal"):
            outgoing = undisturbed(
                partial(
                    seal_octets,
                    octets,
                    means.arrival,
                    means.identity,
                    now,
                    means.settings,
                )
            )
        if outgoing.unsealed is Unsealed.PROOF:
            _log.error("%s: %s", outgoing.unsealed, outgoing.detail)
        if outgoing.unsealed is None and means.settings.shadow:
            return replace(outgoing, octets=octets, unsealed=Unsealed.SHADOW)
        self.seals += outgoing.unsealed is None
        return outgoing

    def _make_safe(self, msg: Message, means: _Means) -> None:
        mode = means.settings.transport_safe
        if mode is TransportSafe.NO or not needs_encoding(msg):
            return
        if mode is TransportSafe.YES and _is_still_signed(msg, means.arrival):
            self._warn(AUTHOR_SIGNED)
            return
        for kind in make_transport_safe(msg).left:
            self._warn(f"at risk on the way: {kind}")

    def _warn(self, risk: str) -> None:
        if risk not in self.risks:
            self.risks.append(risk)


def _find_means(mlist: Any, arrival: Arrival | Unsealed) -> _Means | Unsealed:
    """What it takes to seal, or why no copy of this post can be sealed."""
    services = wiring.services()
    if services is None:
        return Unsealed.SETTINGS
    configuration = services.for_list(mlist)
    settings = configuration.settings
    if not settings.mode.seals:
        return Unsealed.OFF
    is_anonymous = mlist.anonymous_list
    if is_anonymous and settings.anonymous_seal is AnonymousSeal.NONE:
        return Unsealed.ANONYMOUS
    if isinstance(arrival, Unsealed):
        return arrival
    identity = services.sealing_identity(mlist, configuration)
    if isinstance(identity, Unsealed):
        return identity
    return _Means(anonymised(arrival) if is_anonymous else arrival, identity, settings)


def _is_still_signed(msg: Message, arrival: Arrival) -> bool:
    """Tell whether encoding this copy would break a signature of the author."""
    if not arrival.good:
        return False
    message = read_message(to_octets(msg, _LEFT_OUT))
    return is_still_good(message, arrival.good.split(), BodyHashes(message.body))


def _read_arrival(msgdata: Mapping[str, Any]) -> Arrival | Unsealed:
    text = msgdata.get(ARRIVAL_KEY)
    if text is None:
        return Unsealed(msgdata.get(UNSEALED_KEY, Unsealed.NO_VERDICT))
    try:
        return parse_arrival(str(text))
    except MalformedField:
        _log.error("an arrival record in a queue entry cannot be read")
        return Unsealed.NO_VERDICT
