"""The LMTP door: a post is judged as it comes in, from its original octets.

Mailman's own runner parses a post and forgets its octets.  Ours has the
verdict made first, while other deliveries go on, and lets Mailman do what it
always does; the verdict is written into the message when it is queued.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass
from email.message import Message
from typing import Any

from mailman.config import config
from mailman.runners.lmtp import LMTPHandler, LMTPRunner

from mailman_arc.mailauth.message import WireMessage, read_message
from mailman_arc.plugin import wiring
from mailman_arc.plugin.reception import (
    attach_voucher,
    judge,
    one_line,
    reads_alike,
    write_verdict,
)
from mailman_arc.plugin.seams import degrade
from mailman_arc.policy.arrival import Arrival
from mailman_arc.policy.inbound import names_to_look_up


_log = logging.getLogger("mailman.plugins.arc")

QUEUE = "in"  # for posts and mail to owners; commands and bounces have others

_COMMAND_ADDRESS = re.compile(
    r".+-(?:bounces|confirm|join|leave|request|subscribe|unsubscribe)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Judged:
    """A post as its octets say, and the verdict on it."""

    message: WireMessage
    arrival: Arrival


class ArcLMTPRunner(LMTPRunner):
    """Mailman's LMTP runner with a door-keeper, or without the plugin, just that."""

    def __init__(self, name: str, slice: int | None = None) -> None:  # noqa: A002
        super().__init__(name, slice)
        if wiring.is_active():
            queue = AnnotatingQueue(config.switchboards[QUEUE])
            # Other processes have switchboards of their own.
            config.switchboards[QUEUE] = queue
            self.lmtp.handler = ArcLMTPHandler(queue)


class AnnotatingQueue:
    """A queue that writes the verdict into each message put into it."""

    def __init__(self, switchboard: Any) -> None:
        self._switchboard = switchboard
        self._annotated: Message | None = None
        self.judged: Judged | None = None  # of the post that is being taken in

    def __getattr__(self, name: str) -> Any:
        return getattr(self._switchboard, name)

    def enqueue(
        self, _msg: Message, _metadata: dict[str, Any] | None = None, **kws: Any
    ) -> Any:
        """See `ISwitchboard`."""
        # A post to two lists is queued twice, as the same object.
        if self.judged is not None and self._annotated is not _msg:
            self._annotated = _msg
            with degrade("door"):
                _annotate(_msg, self.judged)
        return self._switchboard.enqueue(_msg, _metadata, **kws)

    def forget(self) -> None:
        """End of the delivery."""
        self.judged = self._annotated = None


class ArcLMTPHandler(LMTPHandler):
    """Has each post judged before Mailman looks at it."""

    def __init__(self, queue: AnnotatingQueue) -> None:
        super().__init__()
        self._queue = queue

    async def handle_DATA(  # noqa: N802  # aiosmtpd's name
        self, server: Any, session: Any, envelope: Any
    ) -> str:
        """Take a post in; whatever happens to the verdict, Mailman gets the post."""
        judged = None
        if _may_be_post(envelope.rcpt_tos):
            with degrade("door"):
                judged = await _judge(envelope.content)
        # From here on nothing is awaited, so no other delivery comes between.
        self._queue.judged = judged
        try:
            return self._handle_DATA(server, session, envelope)
        finally:
            self._queue.forget()


async def _judge(octets: bytes) -> Judged | None:
    services = wiring.services()
    if services is None:
        return None
    trust = services.settings.trust
    message = await asyncio.to_thread(read_message, octets)
    names = await asyncio.to_thread(names_to_look_up, message, trust)
    answers = await services.resolver.fetch_async(names)
    return Judged(message, await asyncio.to_thread(judge, message, answers, trust))


def _annotate(msg: Message, judged: Judged) -> None:
    services = wiring.services()
    if services is None:
        return
    if not reads_alike(judged.message, msg):
        _log.warning(
            "%s: its header can be read in two ways; judged in the pipeline, as "
            "Mailman reads it",
            one_line(msg.get("message-id", "n/a")),
        )
        return
    write_verdict(msg, judged.arrival, services.settings.trust)
    if services.secret is not None:
        attach_voucher(msg, judged.arrival, services.secret)


def _may_be_post(recipients: Iterable[str]) -> bool:
    """Tell mail for a list or its owners from commands and bounces.

    A list whose own name looks like a command address is judged later, in the
    pipeline.
    """
    local_parts = (
        address.partition("@")[0].partition("+")[0] for address in recipients
    )
    return any(not _COMMAND_ADDRESS.fullmatch(each) for each in local_parts)
