"""Judge a post and write the verdict into it: what door and handler share."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass
from email.message import Message

from mailman_arc.mailauth.answers import Answers
from mailman_arc.mailauth.authres_writer import format_results
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import WireMessage, read_message
from mailman_arc.plugin.messages import (
    ADDED_ON_ARRIVAL,
    put_on_top,
    remove_at,
    to_octets,
    value_octets,
)
from mailman_arc.policy.arrival import Arrival, bind, remember, vouch, vouched_arrival
from mailman_arc.policy.inbound import authenticate
from mailman_arc.policy.report import own_results
from mailman_arc.policy.trust import Trust


RESULTS_FIELD = "Authentication-Results"
# Carries the arrival from the door to the pipeline; never leaves the site.
VOUCHER_FIELD = "X-Mailman-ARC-Arrival"

_NOT_BOUND = ADDED_ON_ARRIVAL | {VOUCHER_FIELD.lower(), RESULTS_FIELD.lower()}


@dataclass(frozen=True, slots=True)
class Judged:
    """A verdict, ready to be written into the post."""

    arrival: Arrival
    field_value: str  # of our Authentication-Results, folded with LF


def judge(message: WireMessage, answers: Answers, trust: Trust) -> Judged:
    """Authenticate a post from its octets, and word the outcome."""
    now = int(time.time())
    found = authenticate(message, answers, now, trust)
    payload = format_results(trust.authserv_id, own_results(found))
    return Judged(
        remember(found, message, trust.authserv_id, now),
        payload.decode("utf-8").replace("\r\n", "\n").lstrip(" "),
    )


def as_received(msg: Message) -> bytes:
    """The octets nearest to those that arrived, from a message Mailman has parsed."""
    return to_octets(msg, ADDED_ON_ARRIVAL | {VOUCHER_FIELD.lower()})


def write_verdict(msg: Message, judged: Judged, trust: Trust) -> None:
    """Put our field on top, and take out those that only pretend to be ours."""
    remove_forgeries(msg, trust)
    put_on_top(msg, RESULTS_FIELD, _held(judged.field_value))


def attach_voucher(msg: Message, arrival: Arrival, secret: bytes) -> None:
    """Attach the arrival so that the pipeline can believe it."""
    text = vouch(arrival, bind(read_message(to_octets(msg, _NOT_BOUND))), secret)
    put_on_top(msg, VOUCHER_FIELD, text)


def take_voucher(
    msg: Message, secret: bytes | None, *, body_may_differ: bool
) -> Arrival | None:
    """Remove every voucher from the post, and believe it if we wrote it."""
    texts = msg.get_all(VOUCHER_FIELD, [])
    del msg[VOUCHER_FIELD]
    if secret is None or len(texts) != 1:
        return None
    binding = bind(read_message(to_octets(msg, _NOT_BOUND)))
    try:
        return vouched_arrival(
            str(texts[0]), binding, secret, body_may_differ=body_may_differ
        )
    except MalformedField:
        return None


def remove_forgeries(msg: Message, trust: Trust) -> None:
    """Remove fields from outside that only we may write (RFC 8601 §5)."""
    doomed = {
        position
        for position, (name, value) in enumerate(msg.raw_items())
        if name.lower() == VOUCHER_FIELD.lower()
        or (
            name.lower() == RESULTS_FIELD.lower()
            and trust.is_forged(value_octets(value))
        )
    }
    if doomed:
        remove_at(msg, doomed)


def _held(text: str) -> str:
    """UTF-8 text as Mailman holds raw octets: with surrogates."""
    return text if text.isascii() else text.encode().decode("ascii", "surrogateescape")


def one_line(text: object, limit: int = 200) -> str:
    """Text from a stranger, fit for a log line."""
    return re.sub(r"[^\x21-\x7e]+", " ", str(text)).strip()[:limit]
