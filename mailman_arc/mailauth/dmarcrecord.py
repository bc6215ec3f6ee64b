"""The DMARC policy record (RFC 9989 §4.7, §4.8)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeVar

from mailman_arc.mailauth.errors import MalformedField


class Policy(StrEnum):
    """What a domain asks for mail that fails DMARC, mildest first."""

    NONE = "none"
    QUARANTINE = "quarantine"
    REJECT = "reject"


class Alignment(StrEnum):
    """How near an identifier has to be to the author domain (RFC 9989 §4.4)."""

    RELAXED = "r"
    STRICT = "s"


class PublicSuffix(StrEnum):
    """What a domain says of itself: a public suffix, or an organization."""

    YES = "y"
    NO = "n"
    UNKNOWN = "u"


_SETTING = TypeVar("_SETTING", bound=StrEnum)

# RFC 3986 §3, and the size limit of RFC 7489 §6.2 that is to be ignored.
_URI = re.compile(r"[a-z][a-z0-9+.-]*:[^\s,;!]+(?:![0-9]+[kmgt]?)?", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class DmarcRecord:
    """A record with all defaults filled in that do not depend on the name.

    `policy` is `None` for a record whose policies nobody can read; it still
    counts in the tree walk.  The other two are `None` where not published.
    """

    policy: Policy | None
    subdomain_policy: Policy | None = None
    nonexistent_policy: Policy | None = None
    dkim_alignment: Alignment = Alignment.RELAXED
    spf_alignment: Alignment = Alignment.RELAXED
    public_suffix: PublicSuffix = PublicSuffix.UNKNOWN
    is_test: bool = False

    def alignment(self, method: str) -> Alignment:
        """Return the alignment asked of "dkim" or "spf"."""
        return self.spf_alignment if method == "spf" else self.dkim_alignment


def parse_dmarc_record(text: bytes) -> DmarcRecord:
    """Read one TXT record, its strings joined.

    Raises `MalformedField` for everything that does not begin with `v=DMARC1`:
    it is to be ignored.  A policy that cannot be read makes all policies
    `none` if reports are asked for, else unreadable (RFC 9989 §4.10.1); any
    other value that is not in the table means the default (§4.8).
    """
    tags = _read_tags(text.decode("utf-8", "replace"))
    policies = {tag: _setting(Policy, tags.get(tag)) for tag in ("p", "sp", "np")}
    policy, subdomain_policy, nonexistent_policy = policies.values()
    if any(tag in tags and policies[tag] is None for tag in policies):
        wants_reports = _has_uri(tags.get("rua", ""))
        policy = Policy.NONE if wants_reports else None
        subdomain_policy = nonexistent_policy = None
    elif policy is None:
        policy = Policy.NONE
    return DmarcRecord(
        policy,
        subdomain_policy,
        nonexistent_policy,
        dkim_alignment=_setting(Alignment, tags.get("adkim")) or Alignment.RELAXED,
        spf_alignment=_setting(Alignment, tags.get("aspf")) or Alignment.RELAXED,
        public_suffix=_setting(PublicSuffix, tags.get("psd")) or PublicSuffix.UNKNOWN,
        is_test=tags.get("t", "n").lower() == "y",
    )


def _read_tags(text: str) -> dict[str, str]:
    """Read the tags, the first of each name; what is no tag is left out."""
    first, *others = text.split(";")
    name, _, version = first.partition("=")
    if name.strip(" \t").lower() != "v" or version.strip(" \t") != "DMARC1":
        raise MalformedField("not a DMARC record")
    tags: dict[str, str] = {}
    for tag in others:
        name, equals, value = tag.partition("=")
        if equals:
            tags.setdefault(name.strip(" \t").lower(), value.strip(" \t"))
    return tags


def _setting(vocabulary: type[_SETTING], word: str | None) -> _SETTING | None:
    return next((one for one in vocabulary if one == (word or "").lower()), None)


def _has_uri(text: str) -> bool:
    return any(_URI.fullmatch(one.strip(" \t")) for one in text.split(","))
