"""Which key seals, and when its state may change.

A key is `next` until the DNS shows it and somebody activates it.  Any number
may be `active`: the one activated last seals, the others stand by and go on
when the DNS does not show that one.  A `retired` key never seals again; its
record stays in the DNS for a while, for mail that is verified late.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, Protocol

from mailman_arc.mailauth.keycheck import Found, Publication
from mailman_arc.mailauth.keyrecord import key_name


KeyState = Literal["next", "active", "retired"]

MAX_AGE = 365 * 86400  # seconds; after that a new key is due
OVERLAP = 30 * 86400  # seconds that the record of a retired key is still needed

ED25519_WARNING = (
    "the key is Ed25519, which most receivers of ARC cannot verify: they take the "
    "whole chain for broken; an RSA key of 2048 bits is better"
)

_WHAT_IS_THERE = {
    Found.SHOWN: "it is there",
    Found.OTHER: "there is another one",
    Found.UNUSABLE: "the record there cannot be used",
    Found.REVOKED: "it is revoked there",
    Found.MISSING: "there is none",
    Found.UNKNOWN: "the DNS does not answer",
}


class ManagedKey(Protocol):
    """What has to be known of a key; times are seconds since 1970."""

    @property
    def domain(self) -> str:
        """d= of its seals."""

    @property
    def selector(self) -> str:
        """s= of its seals."""

    @property
    def state(self) -> KeyState:
        """How far it has come."""

    @property
    def activated_at(self) -> int | None:
        """When it became active."""

    @property
    def retired_at(self) -> int | None:
        """When it was retired."""


@dataclass(frozen=True, slots=True)
class Choice:
    """The selector of the key to seal with, if there is one.

    `why` is a clause that says why it is not the first choice, or empty.
    """

    selector: str | None
    why: str = ""


def preferred_selectors(keys: Iterable[ManagedKey]) -> list[str]:
    """The active keys, the one activated last first."""
    active = [key for key in keys if key.state == "active"]
    active.sort(key=lambda key: (key.activated_at or 0, key.selector), reverse=True)
    return [key.selector for key in active]


def choose(
    domain: str, selectors: Sequence[str], publications: Mapping[str, Publication]
) -> Choice:
    """The first of these selectors whose key the DNS shows.

    What it shows is given by selector; a key of which nothing is known is not
    used.  `selectors` must not be empty.
    """
    first = selectors[0]
    shown = [each for each in selectors if _is_shown(publications.get(each))]
    if shown and shown[0] == first:
        return Choice(first)
    publication = publications.get(first, Publication(Found.UNKNOWN))
    return Choice(next(iter(shown), None), not_shown(domain, first, publication))


def not_shown(domain: str, selector: str, publication: Publication) -> str:
    """A clause that says what the DNS has in place of a key."""
    what = _WHAT_IS_THERE[publication.found]
    detail = f": {publication.detail}" if publication.detail else ""
    name = key_name(selector, domain)
    return f"the DNS does not show the key at {name} ({what}{detail})"


def why_not_activate(key: ManagedKey, publication: Publication | None) -> str | None:
    """A sentence that says why a key must not become active, or None.

    Without a publication, for sites that do not check, the DNS has no say.
    """
    if key.state != "next":
        return f"{key.selector} is {key.state} already; make a new key"
    if publication is None or publication.found is Found.SHOWN:
        return None
    return (
        f"{not_shown(key.domain, key.selector, publication)}; publish it, and try "
        "again when all your name servers have it"
    )


def why_not_retire(
    key: ManagedKey,
    keys: Iterable[ManagedKey],
    publications: Mapping[str, Publication] | None,
) -> str | None:
    """A sentence that says why a key must not be retired, or None.

    `keys` are those of its domain, `publications` what the DNS shows of them,
    by selector; None for sites that do not check.
    """
    if key.state == "retired":
        return f"{key.selector} is retired already"
    others = [each for each in preferred_selectors(keys) if each != key.selector]
    if publications is not None:
        others = [each for each in others if _is_shown(publications.get(each))]
    if key.state == "next" or others:
        return None
    return (
        f"{key.selector} is the only active key of {key.domain} that can be used; "
        "activate another one first"
    )


def _is_shown(publication: Publication | None) -> bool:
    return publication is not None and publication.found is Found.SHOWN


def record_needed_until(key: ManagedKey) -> int | None:
    """When the record of a retired key may leave the DNS, seconds since 1970.

    Mail waits in queues, and is verified again when it is forwarded.
    """
    return None if key.retired_at is None else key.retired_at + OVERLAP


def reminder(domain: str, selector: str, since: int | None, now: int) -> str | None:
    """A sentence when a key in use `since` then is due to be replaced, else None."""
    if since is None or now - since <= MAX_AGE:
        return None
    day = datetime.fromtimestamp(since, UTC).date()
    return (
        f"the key {selector} of {domain} has been in use since {day}: it is time for "
        "a new one"
    )


def default_selector(now: int) -> str:
    """A selector that tells the day, in UTC."""
    return datetime.fromtimestamp(now, UTC).strftime("arc%Y%m%d")
