"""The LMTP door: a post is judged as it comes in, from its original octets.

Mailman's own runner parses a post and forgets its octets.  Ours has the
verdict made first, while other deliveries go on, and lets Mailman do what it
always does; the verdict is written into the message when it is queued.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from email.message import Message
from typing import Any, TypeVar

from mailman.config import config
from mailman.interfaces.listmanager import IListManager
from mailman.runners.lmtp import LMTPHandler, LMTPRunner
from zope.component import getUtility

from mailman_arc.mailauth.message import WireMessage, read_message
from mailman_arc.mailauth.spf import Envelope
from mailman_arc.plugin import history, wiring
from mailman_arc.plugin.handlers.authenticate import UNSEALED_KEY
from mailman_arc.plugin.reception import (
    Telling,
    attach_voucher,
    judge,
    one_line,
    reads_alike,
    write_verdict,
)
from mailman_arc.plugin.seams import degrade
from mailman_arc.plugin.wiring import Services
from mailman_arc.plugin.xforward import (
    ADVERTISED,
    ArcLMTPController,
    attributes_of,
    client_of,
    envelope_of,
)
from mailman_arc.policy.arrival import Arrival
from mailman_arc.policy.inbound import Demands, is_spf_told, names_to_look_up
from mailman_arc.policy.outbound import Unsealed
from mailman_arc.policy.patience import Patience
from mailman_arc.policy.peers import is_peer
from mailman_arc.policy.trust import Trust


_Made = TypeVar("_Made")

_log = logging.getLogger("mailman.plugins.arc")

QUEUE = "in"  # for posts and mail to owners; commands and bounces have others
# Posts up to this size are judged while others wait, as Mailman parses them: for
# those another thread would cost more than it gives.
MAX_SMALL = 65536  # octets
MAX_CPU_SECONDS = 60.0  # for judging one post; the largest take a few

# Not a verdict on the post, so a mail server tries again (RFC 3463 §3.5, X.4.3).
PUT_OFF = (
    "451 4.4.3 The DNS does not answer, so the ARC chain cannot be judged; try later"
)

_COMMAND_ADDRESS = re.compile(
    r".+-(?:bounces|confirm|join|leave|request|subscribe|unsubscribe)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A post as its octets say, and the verdict on it."""

    message: WireMessage
    arrival: Arrival
    tell: Telling | None = None  # for the history


class ArcLMTPRunner(LMTPRunner):
    """Mailman's LMTP runner with a door-keeper, or without the plugin, just that."""

    lmtp: Any

    def __init__(self, name: str, slice: int | None = None) -> None:  # noqa: A002
        super().__init__(name, slice)
        if wiring.is_active():
            queue = AnnotatingQueue(config.switchboards[QUEUE])
            # Other processes have switchboards of their own.
            config.switchboards[QUEUE] = queue
            theirs = self.lmtp
            theirs.loop.close()
            self.lmtp = ArcLMTPController(
                ArcLMTPHandler(queue), hostname=theirs.hostname, port=theirs.port
            )


class AnnotatingQueue:
    """A queue that writes the verdict into each message put into it."""

    def __init__(self, switchboard: Any) -> None:
        self._switchboard = switchboard
        self._annotated: Message | None = None
        self._tell: Telling | None = None  # of what the message has the verdict of
        # Of the post that is being taken in.
        self.judged: Judged | None = None
        self.is_from_peer = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._switchboard, name)

    def enqueue(
        self, _msg: Message, _metadata: dict[str, Any] | None = None, **kws: Any
    ) -> Any:
        """See `ISwitchboard`."""
        if self.is_from_peer:
            kws[UNSEALED_KEY] = Unsealed.PEER.value
        # A post to two lists is queued twice, as the same object.
        if self.judged is not None and self._annotated is not _msg:
            self._annotated = _msg
            with degrade("door"):
                self._tell = _annotate(_msg, self.judged)
        entry_id = None
        if self._tell is not None and _metadata is not None and "listid" in _metadata:
            with degrade("history"):
                entry_id = history.begin(_msg, _metadata, str(_metadata["listid"]))
        filebase = self._switchboard.enqueue(_msg, _metadata, **kws)
        if entry_id is not None and self._tell is not None:
            with degrade("history"):
                _note_arrival(_msg, _metadata, entry_id, self._tell)
        return filebase

    def forget(self) -> None:
        """End of the delivery."""
        self.judged = self._annotated = self._tell = None
        self.is_from_peer = False


class ArcLMTPHandler(LMTPHandler):
    """Has each post judged before Mailman looks at it."""

    def __init__(self, queue: AnnotatingQueue) -> None:
        super().__init__()
        self._queue = queue
        self._keeper: DoorKeeper | None = None

    async def handle_EHLO(  # noqa: N802  # aiosmtpd's name, for LHLO too
        self,
        server: Any,
        session: Any,
        envelope: Any,
        hostname: str,
        responses: list[str],
    ) -> list[str]:
        """Greet as aiosmtpd does, and name XFORWARD to those who may use it."""
        session.host_name = hostname
        if server.accepts_xforward():
            responses.insert(-1, f"250-{ADVERTISED}")
        return responses

    async def handle_DATA(  # noqa: N802  # aiosmtpd's name
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        """Take a post in; whatever happens to the verdict, Mailman gets the post."""
        judged = None
        is_from_peer = False
        if _may_be_post(envelope.rcpt_tos):
            with degrade("door"):
                keeper = self._wake_keeper()
                if keeper is not None:
                    is_from_peer = keeper.leaves_alone(session, envelope)
                if keeper is not None and not is_from_peer:
                    judged = await keeper.judge(envelope)
                    if judged is not None and await keeper.puts_off(judged, envelope):
                        return "\r\n".join(PUT_OFF for _ in envelope.rcpt_tos)
        # From here on nothing is awaited, so no other delivery comes between.
        self._queue.judged = judged
        self._queue.is_from_peer = is_from_peer
        try:
            return self._handle_DATA(server, session, envelope)
        finally:
            self._queue.forget()

    def _wake_keeper(self) -> DoorKeeper | None:
        services = wiring.services()
        if services is None:
            return None
        if self._keeper is None or self._keeper.services is not services:
            self._keeper = DoorKeeper(services)
        return self._keeper


class DoorKeeper:
    """Judges posts, many at a time, and tells which shall come again."""

    def __init__(
        self,
        services: Services,
        clock: Callable[[], float] = time.monotonic,
        cpu_seconds: float = MAX_CPU_SECONDS,
    ) -> None:
        self.services = services
        self._clock = clock
        self._seconds = services.settings.dns_deadline + cpu_seconds
        self._spf = services.spf
        self._patience = Patience(services.settings.temperror_hold)

    def leaves_alone(self, session: Any, envelope: Any) -> bool:
        """Tell whether a post comes from a client in `peer_list`."""
        peers = self.services.settings.peer_list
        client = client_of(attributes_of(envelope), getattr(session, "peer", None))
        return is_peer(peers, *client)

    async def judge(self, envelope: Any) -> Judged | None:
        """Judge the post in an envelope of aiosmtpd; None if that takes too long."""
        known = envelope_of(attributes_of(envelope), envelope.mail_from)
        try:
            async with asyncio.timeout(self._seconds):
                return await self._judge(envelope.content, known)
        except TimeoutError:
            _log.error("door: no verdict in %g s, going on without it", self._seconds)
            return None

    async def _judge(self, octets: bytes, envelope: Envelope) -> Judged:
        trust = self.services.settings.trust
        demands = self.services.settings.demands
        do = _do_now if len(octets) <= MAX_SMALL else asyncio.to_thread
        message, names = await do(_read, octets, trust, envelope, demands)
        answers, envelope = await asyncio.gather(
            self.services.resolver.fetch_async(names),
            self._with_spf(envelope, message),
        )
        judgement = await do(judge, message, answers, trust, envelope, demands)
        return Judged(message, judgement.arrival, judgement.tell)

    async def _with_spf(self, envelope: Envelope, message: WireMessage) -> Envelope:
        if self._spf is None or is_spf_told(message, self.services.settings.trust):
            return envelope
        return replace(envelope, spf=await self._spf.check(envelope))

    async def puts_off(self, judged: Judged, envelope: Any) -> bool:
        """Tell whether a post waits for the DNS where the mail server keeps it."""
        if judged.arrival.chain_status is not None:
            return False
        key = await asyncio.to_thread(_fingerprint, envelope)
        puts_off = self._patience.must_wait(key, self._clock())
        if puts_off:
            _log.info(
                "%s: put off, because the DNS does not let its chain be judged",
                _message_id(judged.message),
            )
        return puts_off


async def _do_now(step: Callable[..., _Made], *args: Any) -> _Made:
    return step(*args)


def _read(
    octets: bytes, trust: Trust, envelope: Envelope, demands: Demands
) -> tuple[WireMessage, set[str]]:
    """A post, and the names its judgement needs."""
    message = read_message(octets)
    return message, names_to_look_up(message, trust, envelope, demands)


def _fingerprint(envelope: Any) -> bytes:
    sender = str(envelope.mail_from).encode("utf-8", "surrogateescape")
    return hashlib.sha256(sender + b"\n" + envelope.content).digest()


def _message_id(message: WireMessage) -> str:
    fields = message.named(b"message-id")
    return one_line(fields[0].value.decode("utf-8", "replace") if fields else "n/a")


def _annotate(msg: Message, judged: Judged) -> Telling | None:
    """Write the verdict into a message, and give what is to be told of it then."""
    services = wiring.services()
    if services is None:
        return None
    if not reads_alike(judged.message, msg):
        _log.warning(
            "%s: its header can be read in two ways; judged in the pipeline, as "
            "Mailman reads it",
            one_line(msg.get("message-id", "n/a")),
        )
        return None
    write_verdict(msg, judged.arrival, services.settings.trust)
    if services.secret is not None:
        attach_voucher(msg, judged.arrival, services.secret)
    return judged.tell


def _note_arrival(
    msg: Message, msgdata: Mapping[str, Any] | None, entry_id: int, tell: Telling
) -> None:
    services = wiring.services()
    mlist = getUtility(IListManager).get_by_list_id((msgdata or {})["listid"])
    if services is not None and mlist is not None:
        history.tell_arrival(services, mlist, msg, entry_id, tell)


def _may_be_post(recipients: Iterable[str]) -> bool:
    """Tell mail for a list or its owners from commands and bounces.

    A list whose own name looks like a command address is judged later, in the
    pipeline.
    """
    local_parts = (
        address.partition("@")[0].partition("+")[0] for address in recipients
    )
    return any(not _COMMAND_ADDRESS.fullmatch(each) for each in local_parts)
