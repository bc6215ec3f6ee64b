"""The incoming runner: posts that did not come by our door are judged here.

`mailman inject`, gateways and doors of others put posts into the incoming queue.
They are judged before any rule looks at them, from the octets nearest to those
that arrived, and the verdict is written into them as the door does it.

Parsing has hidden where lines ended, so a stranger's text may pose as a field of
a trusted server here; `trusted_authserv_ids` is not obeyed.
"""

from __future__ import annotations

import logging
import time
from collections.abc import MutableMapping
from concurrent.futures import wait
from email.message import Message
from functools import cached_property, partial
from typing import Any

from mailman.runners.incoming import IncomingRunner

from mailman_arc.mailauth.arc.verify import key_names
from mailman_arc.mailauth.message import WireMessage, read_message
from mailman_arc.plugin import history, wiring
from mailman_arc.plugin.handlers.authenticate import UNSEALED_KEY
from mailman_arc.plugin.messages import put_on_top
from mailman_arc.plugin.reception import (
    VOUCHER_FIELD,
    as_received,
    attach_voucher,
    judge,
    one_line,
    take_voucher,
    write_verdict,
)
from mailman_arc.plugin.seams import degrade, undisturbed
from mailman_arc.plugin.waiting import PAUSE, Lookups, Waiting, WaitingQueue
from mailman_arc.plugin.wiring import Services
from mailman_arc.policy.arrival import Arrival
from mailman_arc.policy.inbound import Demands, names_to_look_up
from mailman_arc.policy.trust import Trust


WAITING_KEY = "arc_waiting_since"  # in msgdata: seconds since 1970

# The runner stands still for the DNS for so many seconds in one pass through the
# queue, whatever is in it; who needs longer is put aside.
PATIENCE = 1.0
MAX_LOOKUP = 120.0  # seconds until a post goes on without an answer of any kind

_log = logging.getLogger("mailman.plugins.arc")


class ArcIncomingRunner(IncomingRunner):
    """Mailman's incoming runner that judges first, or without the plugin, just that."""

    switchboard: Any

    def __init__(self, name: str, slice: int | None = None) -> None:  # noqa: A002
        super().__init__(name, slice)
        self._patience = 0.0
        if wiring.is_active():
            self.switchboard = WaitingQueue(self.switchboard)

    @cached_property
    def _lookups(self) -> Lookups:
        return Lookups()

    def _one_iteration(self) -> Any:
        """See `IRunner`."""
        self._patience = PATIENCE
        return super()._one_iteration()

    def _dispose(
        self, mlist: Any, msg: Message, msgdata: MutableMapping[str, Any]
    ) -> Any:
        """See `IRunner`."""
        stays = False
        with degrade("incoming runner"):
            services = wiring.services()
            if services is not None and _is_to_be_judged(msg, msgdata, services):
                stays = self._receive(mlist, msg, msgdata, services)
        if stays:
            return True
        msgdata.pop(WAITING_KEY, None)
        return super()._dispose(mlist, msg, msgdata)

    def _receive(
        self,
        mlist: Any,
        msg: Message,
        msgdata: MutableMapping[str, Any],
        services: Services,
    ) -> bool:
        """Judge a post and write the verdict into it, or tell that it has to wait."""
        trust = Trust(services.settings.authserv_id)
        demands = services.settings.demands
        message, names = undisturbed(partial(_read, msg, trust, demands))
        waiting = self.switchboard.woken
        if waiting is None:
            look_up = partial(self._lookups.start, services.resolver.fetch_async, names)
            decisive = key_names(message, find_oldest_pass=demands.oldest_pass)
            waiting = Waiting(look_up, frozenset(decisive))
            if not self._is_answered_soon(waiting):
                return self._put_aside(waiting, MAX_LOOKUP)
        if waiting.answers is None:
            return False  # it has been put aside for too long
        judgement = undisturbed(
            partial(judge, message, waiting.answers, trust, demands=demands)
        )
        if judgement.arrival.chain_status is None:
            now = int(time.time())
            hold = services.settings.temperror_hold
            seconds = msgdata.setdefault(WAITING_KEY, now) + hold - now
            if seconds > 0:
                _log.info(
                    "%s: its chain cannot be judged, because the DNS does not answer; "
                    "it waits for at most %d s",
                    one_line(msg.get("message-id", "n/a")),
                    seconds,
                )
                return self._put_aside(waiting, min(seconds, hold))
        undisturbed(partial(_write, msg, judgement.arrival, services))
        with degrade("history"):
            history.tell_judged(services, mlist, msg, msgdata, judgement.tell)
        return False

    def _is_answered_soon(self, waiting: Waiting) -> bool:
        started = time.monotonic()
        waiting.lookup = waiting.look_up()
        undisturbed(partial(wait, [waiting.lookup], self._patience))
        self._patience -= min(time.monotonic() - started, self._patience)
        return waiting.take_answers()

    def _put_aside(self, waiting: Waiting, seconds: float) -> bool:
        now = time.monotonic()
        waiting.ends_at = now + seconds
        waiting.asks_at = now + PAUSE
        self.switchboard.put_aside(waiting)
        return True


def _is_to_be_judged(
    msg: Message, msgdata: MutableMapping[str, Any], services: Services
) -> bool:
    """Tell a post that comes by for the first time, and not from our door.

    What was shunted further on may have been changed by then.
    """
    if UNSEALED_KEY in msgdata or "rule_hits" in msgdata:
        return False
    return not undisturbed(partial(_is_vouched_for, msg, services.secret))


def _is_vouched_for(msg: Message, secret: bytes | None) -> bool:
    texts = msg.get_all(VOUCHER_FIELD, [])
    vouched = take_voucher(msg, secret)
    if vouched is None or not vouched.is_whole:
        return False
    put_on_top(msg, VOUCHER_FIELD, texts[0])  # for the pipeline
    return True


def _read(msg: Message, trust: Trust, demands: Demands) -> tuple[WireMessage, set[str]]:
    message = read_message(as_received(msg))
    return message, names_to_look_up(message, trust, demands=demands)


def _write(msg: Message, arrival: Arrival, services: Services) -> None:
    # Here even a field with our own name, if that is trusted, is not believed.
    write_verdict(msg, arrival, Trust(services.settings.authserv_id))
    if services.secret is not None:
        attach_voucher(msg, arrival, services.secret)
