"""Judge a post and write the verdict into it: what door and handler share."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.message import Message
from functools import cache, partial

from mailman_arc.mailauth.answers import Answers
from mailman_arc.mailauth.canonical import canonical_field
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import (
    WireMessage,
    make_field,
    to_crlf,
)
from mailman_arc.mailauth.spf import NOTHING_KNOWN, Envelope
from mailman_arc.plugin.messages import (
    ADDED_ON_ARRIVAL,
    body_digest,
    put_on_top,
    remove_at,
    to_octets,
    value_octets,
)
from mailman_arc.plugin.seams import degrade
from mailman_arc.policy.arrival import (
    BODY_FIELDS,
    BOUND_FIELDS,
    Arrival,
    Binding,
    Vouched,
    bind,
    remember,
    vouch,
    vouched_arrival,
)
from mailman_arc.policy.handling import find_failures
from mailman_arc.policy.history import Facts, describe, describe_arrival
from mailman_arc.policy.inbound import (
    USUAL_DEMANDS,
    Authentication,
    Demands,
    authenticate,
)
from mailman_arc.policy.report import site_results
from mailman_arc.policy.trust import Trust


RESULTS_FIELD = "Authentication-Results"
# Carries the arrival from the door to the pipeline.  It may get out with a
# rejected post, but is worth nothing for any other.
VOUCHER_FIELD = "X-Mailman-ARC-Arrival"

MAX_KEPT_HEADER = 65536  # octets, of a post that waits to be written down

_TELLS_OF_AUTHOR = re.compile(
    r"arc-.*|.*authentication-results|(?:.*dkim|domainkey)-signature|received-spf",
    re.IGNORECASE | re.DOTALL,
)
_RAW = ("ascii", "surrogateescape")  # how Mailman holds octets in text
# Mailman adds the last three, and replaces a Message-ID it finds odd.
_MAY_DIFFER = frozenset(name.encode() for name in ("message-id", *ADDED_ON_ARRIVAL))
_BOUND = frozenset(name.decode() for name in (*BOUND_FIELDS, *BODY_FIELDS))


# Tells what the history gets to know; worked out only when that is written.
Telling = Callable[[], Facts]


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the seal needs of a verdict, and what the history gets to know."""

    arrival: Arrival
    tell: Telling | None  # None: no more than the arrival says


def judge(
    message: WireMessage,
    answers: Answers,
    trust: Trust,
    envelope: Envelope = NOTHING_KNOWN,
    demands: Demands = USUAL_DEMANDS,
) -> Judgement:
    """Authenticate a post from its octets, and word the outcome."""
    now = int(time.time())
    found = authenticate(message, answers, now, trust, envelope, demands)
    arrival = remember(found, message, trust.authserv_id, now)
    with degrade("failures"):
        arrival = replace(arrival, failures=find_failures(found, site_results(found)))
    return Judgement(arrival, _telling(message, found, arrival, trust))


def _telling(
    message: WireMessage, found: Authentication, arrival: Arrival, trust: Trust
) -> Telling:
    # Without its body, which would have to be kept until then.
    header = replace(message, body=b"")
    tell = cache(partial(_describe, header, found, arrival, trust))
    if sum(len(field.raw) for field in header.fields) > MAX_KEPT_HEADER:
        facts = tell()
        return lambda: facts
    return tell


def _describe(
    header: WireMessage, found: Authentication, arrival: Arrival, trust: Trust
) -> Facts:
    with degrade("history"):
        return describe(header, found, arrival, trust)
    return describe_arrival(header, arrival)


def reads_alike(message: WireMessage, msg: Message) -> bool:
    """Tell whether Mailman has read the header as we have.

    Mailman's parser ends lines at bare CR too, and takes a last line that
    begins with "From " for text.  What a verdict says must be about what people
    get to read, so one made from octets counts only if both see the same
    fields.  The Message-ID is left out, because Mailman repairs some.
    """
    if message.has_odd_lines or message.header_too_long:
        return False
    ours = (field for field in message.fields if field.name not in _MAY_DIFFER)
    theirs = (
        make_field(_octets(name), to_crlf(value_octets(value)))
        for name, value in msg.raw_items()
        if _octets(name.lower()) not in _MAY_DIFFER
    )
    return [canonical_field(field, "relaxed") for field in ours] == [
        canonical_field(field, "relaxed") for field in theirs
    ]


def as_received(msg: Message) -> bytes:
    """The octets nearest to those that arrived, from a message Mailman has parsed."""
    return to_octets(msg, ADDED_ON_ARRIVAL | {VOUCHER_FIELD.lower()})


def header_of(msg: Message) -> WireMessage:
    """The header alone, of a message whose body may be beyond writing."""
    fields = (
        make_field(_octets(name), to_crlf(value_octets(value)))
        for name, value in msg.raw_items()
    )
    return WireMessage(tuple(fields), b"")


def write_verdict(msg: Message, arrival: Arrival, trust: Trust) -> None:
    """Put our field on top, and take out those that only pretend to be ours."""
    remove_forgeries(msg, trust)
    remove_verdict(msg, arrival)
    put_on_top(msg, RESULTS_FIELD, _octets(arrival.field).decode(*_RAW))


def remove_verdict(msg: Message, arrival: Arrival) -> None:
    """Take our field out again."""
    ours = _octets(arrival.field).split()
    remove_at(
        msg,
        {
            position
            for position, (name, value) in enumerate(msg.raw_items())
            if name.lower() == RESULTS_FIELD.lower()
            and value_octets(value).split() == ours
        },
    )


def attach_voucher(msg: Message, arrival: Arrival, secret: bytes) -> None:
    """Attach the arrival so that the pipeline can believe it."""
    put_on_top(msg, VOUCHER_FIELD, vouch(arrival, _binding(msg), secret))


def take_voucher(msg: Message, secret: bytes | None) -> Vouched | None:
    """Remove every voucher from the post, and believe it if we wrote it."""
    vouched = read_voucher(msg, secret)
    del msg[VOUCHER_FIELD]
    return vouched


def read_voucher(msg: Message, secret: bytes | None) -> Vouched | None:
    """Believe the voucher in a post if we wrote it; it stays where it is."""
    texts = msg.get_all(VOUCHER_FIELD, [])
    if secret is None or len(texts) != 1:
        return None
    try:
        return vouched_arrival(str(texts[0]), _binding(msg), secret)
    except MalformedField:
        return None


def _binding(msg: Message) -> Binding:
    """Fingerprint a post; its body as Mailman holds it, not as it is written."""
    fields = (
        make_field(_octets(name), to_crlf(value_octets(value)))
        for name, value in msg.raw_items()
        if name.lower() in _BOUND
    )
    return bind(WireMessage(tuple(fields), body_digest(msg)))


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


def conceal_author(msg: Message) -> None:
    """Remove what names the author beside the fields Mailman's `cleanse` removes."""
    doomed = {
        position
        for position, (name, _) in enumerate(msg.raw_items())
        if _TELLS_OF_AUTHOR.fullmatch(name)
    }
    remove_at(msg, doomed)


def _octets(text: str) -> bytes:
    return text.encode("utf-8", "surrogateescape")


def one_line(text: object, limit: int = 200) -> str:
    """Text from a stranger, fit for a log line."""
    return re.sub(r"[^\x21-\x7e]+", " ", str(text)).strip()[:limit]
