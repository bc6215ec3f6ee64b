"""What is written into the history of posts, and what is read back.

An `entry_id` is one list's part in one post: milliseconds since 1970, then 21
random bits.  The order of entries, and the times they are searched by, are
those of their ids.  An empty string says that something is not known or kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date


RANDOM_BITS = 21  # of an entry_id, behind its time
MAX_ENTRY_ID = 2**63 - 1

# What became of a post.  A row has the last of these that it was told.
ARRIVED, HELD, REJECTED, DISCARDED, POSTED = DISPOSITIONS = (
    "arrived", "held", "rejected", "discarded", "posted",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """A post was judged as it came in.  A row is shown once this is known."""

    entry_id: int
    list_id: str
    arrived_at: int  # seconds since 1970
    message_id_hash: str = ""
    message_id: str = ""
    author_domain: str = ""
    author: str = ""
    subject: str = ""
    verdict: str = ""  # confirmed, vouched, unconfirmed or unchecked
    dkim: str = ""
    spf: str = ""
    arc: str = ""
    dmarc: str = ""
    results: str = ""  # the text of our Authentication-Results
    details: str = ""  # JSON; one that is too long is not kept


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """Mailman held, rejected or discarded it."""

    entry_id: int
    list_id: str
    disposition: str  # HELD, REJECTED or DISCARDED
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """Copies were handed to the mail server: all of them, or some of many.

    The numbers of a post add up, and it counts as sealed when all copies are.
    Of differing texts the greatest is kept, whichever comes first.
    """

    entry_id: int
    list_id: str
    left_at: int  # seconds since 1970
    sealed: bool
    message_id_hash: str = ""
    unsealed: str = ""  # the reasons
    instance: int | None = None  # of the seal
    domain: str = ""
    selector: str = ""
    chain_status: str = ""  # the seal's
    copies: int = 0
    seals: int = 0  # made anew for them
    recipients: int = 0
    remarks: str = ""


Row = Arrived | Decided | Left


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """What is known of one post to one list."""

    entry_id: int
    list_id: str
    arrived_at: int  # seconds since 1970
    message_id_hash: str
    message_id: str
    author_domain: str
    author: str
    subject: str
    verdict: str
    dkim: str
    spf: str
    arc: str
    dmarc: str
    disposition: str  # one of DISPOSITIONS
    disposition_reason: str  # why it was held, rejected or discarded
    left_at: int | None  # None: it has not left
    sealed: bool | None
    unsealed: str
    instance: int | None
    domain: str
    selector: str
    chain_status: str
    copies: int
    seals: int
    recipients: int
    remarks: str
    results: str = ""  # empty also on pages
    details: str = ""  # empty also on pages


@dataclass(frozen=True, slots=True, kw_only=True)
class Filters:
    """Which entries are wanted; None is any."""

    since: int | None = None  # seconds since 1970, the first
    until: int | None = None  # the first that is not wanted any more
    verdict: str | None = None
    author_domain: str | None = None
    dkim: str | None = None
    spf: str | None = None
    dmarc: str | None = None
    arc: str | None = None
    sealed: bool | None = None  # False: it left, but not sealed
    disposition: str | None = None
    q: str | None = None  # a part of author, subject or Message-ID, in any case
    message_id_hash: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundPage:
    """Some of the entries that were found, the newest first."""

    total: int  # found
    is_complete: bool  # False: older ones were not looked at
    searched_since: int | None = None  # seconds since 1970, if not complete
    entries: Sequence[Entry] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """Numbers of posts."""

    posts: int = 0
    confirmed: int = 0
    vouched: int = 0
    unconfirmed: int = 0
    unchecked: int = 0
    sealed: int = 0
    unsealed: int = 0  # that left without a seal, all copies or some
    broken_chain: int = 0  # whose ARC sets did not verify on arrival


@dataclass(frozen=True, slots=True)
class DayCounts:
    """The posts of a day of UTC."""

    day: date
    counts: Counts


@dataclass(frozen=True, slots=True)
class DomainCounts:
    """The posts of a domain."""

    author_domain: str
    counts: Counts


@dataclass(frozen=True, slots=True, kw_only=True)
class Stats:
    """The posts of some days, the last of them today."""

    per_day: Sequence[DayCounts]  # each day, the oldest first
    domains: Sequence[DomainCounts]  # those with the most problems first
    totals: Counts
    last_arrived_at: int | None  # seconds since 1970
    last_sealed_at: int | None


@dataclass(frozen=True, slots=True)
class ListCounts:
    """All posts of a list that were ever counted."""

    list_id: str
    counts: Counts


def first_id_at(seconds: int) -> int:
    """The least `entry_id` of this second since 1970, of those that can be."""
    return min(max(seconds * 1000 << RANDOM_BITS, 0), MAX_ENTRY_ID)


def seconds_of(entry_id: int) -> int:
    """When an entry was made, since 1970."""
    return (entry_id >> RANDOM_BITS) // 1000
