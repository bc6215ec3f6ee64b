"""Who vouches for a post that fails DMARC (RFC 8617 §7.2.1).

A chain that passes shows who has handled a post, not that they are honest: anybody
can seal anything (RFC 8617 §9).  So only sealers that are trusted count, and only
while all who have sealed after them are trusted as well.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mailman_arc.mailauth.arc.chain import ArcSet
from mailman_arc.mailauth.arc.verify import ChainStatus, SetVerdict
from mailman_arc.mailauth.authres import MethodResult, parse_authentication_results
from mailman_arc.mailauth.dmarc import DmarcVerdict
from mailman_arc.mailauth.dmarcrecord import Alignment, PublicSuffix
from mailman_arc.mailauth.domains import is_same_or_subdomain, parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.results import Result
from mailman_arc.policy.inbound import Authentication


class NotVouched(StrEnum):
    """Why nobody vouches for a post."""

    NOT_NEEDED = "DMARC does not fail"
    NO_CHAIN = "nobody has sealed it"
    CHAIN = "its chain does not pass"
    UNSIGNED_TEXT = "text was added behind what the newest set covers"
    UNTRUSTED = "somebody who is not trusted has sealed it"
    NOTHING_SAID = "no sealer has seen its author confirmed"


@dataclass(frozen=True, slots=True)
class Sealer:
    """Who sealed a set of a good chain, and whether that saw the author confirmed."""

    instance: int
    domain: str  # d=, as A-labels
    selector: str  # s=
    confirms: bool
    remote_ip: str = ""  # where the post came from to it; empty when it does not tell


def sealers_of(found: Authentication) -> tuple[Sealer, ...] | NotVouched:
    """The sealers that may vouch for a post, newest first, or why none can."""
    chain = found.arc
    if found.dmarc.result is not Result.FAIL:
        return NotVouched.NOT_NEEDED
    if chain.chain.is_absent:
        return NotVouched.NO_CHAIN
    # A trusted server may have found it broken before us.
    if {chain.status, found.chain_status} != {ChainStatus.PASS}:
        return NotVouched.CHAIN
    if _has_unsigned_text(chain.sets[-1]):
        return NotVouched.UNSIGNED_TEXT
    pairs = list(zip(chain.chain.sets, chain.sets, strict=True))
    return tuple(_sealer(*pair, found.dmarc) for pair in reversed(pairs))


def who_vouches(
    sealers: Sequence[Sealer] | NotVouched, trusted_sealers: Collection[str]
) -> Sealer | NotVouched:
    """Find the newest trusted sealer who vouches, or why nobody does.

    `sealers` are those that `sealers_of` gives, `trusted_sealers` domains (d=) as
    A-labels.  The DMARC result stays what it is; that somebody vouches is a reason
    for a policy of one's own (RFC 9989 §5.4).
    """
    if isinstance(sealers, NotVouched):
        return sealers
    for each in sealers:
        if each.domain not in trusted_sealers:
            return NotVouched.UNTRUSTED
        if each.confirms:
            return each
    return NotVouched.NOTHING_SAID


def override_comment(sealers: Sequence[Sealer]) -> str:
    """Say who has sealed, in the words of RFC 8617 §7.2.2 for reports; one line."""
    words = ["local_policy", "arc=pass"]
    for each in sealers:
        place = f"as[{each.instance}]"
        words += [f"{place}.d={each.domain}", f"{place}.s={each.selector}"]
    words += [f"remote-ip[1]={each.remote_ip}" for each in sealers if each.remote_ip]
    return " ".join(words)


def _has_unsigned_text(newest: SetVerdict) -> bool:
    """Tell whether anybody may have added text below the newest signature (l=)."""
    checked = newest.message_signature
    return checked is not None and checked.unsigned_text


def _sealer(arc_set: ArcSet, verdict: SetVerdict, dmarc: DmarcVerdict) -> Sealer:
    told = _recorded(arc_set)
    return Sealer(
        verdict.instance,
        # They were read when the seal was verified.
        parse_domain(verdict.sealer or ""),
        parse_domain(verdict.selector or ""),
        any(_confirms(each, dmarc) for each in told),
        next(_addresses(told), "") if verdict.instance == 1 else "",
    )


def _recorded(arc_set: ArcSet) -> Sequence[MethodResult]:
    """What a sealer has found, as far as it can be read."""
    behind_instance = arc_set.results.value.partition(b";")[2]
    try:
        return parse_authentication_results(behind_instance).methods
    except MalformedField:
        return ()


def _confirms(told: MethodResult, dmarc: DmarcVerdict) -> bool:
    """Tell whether a result says that the author's domain was confirmed."""
    if told.result != Result.PASS:
        return False
    if told.method == "dmarc":
        return _domain_of(told, "from") == dmarc.author_domain
    if told.method != "dkim":
        return False
    return _is_aligned(_domain_of(told, "d") or _domain_of(told, "i"), dmarc)


def _is_aligned(signer: str, dmarc: DmarcVerdict) -> bool:
    """Tell whether a signer speaks for the author (RFC 9989 §4.4.1).

    The DNS was not asked about the signer, so of other domains only those count that
    lie between the author's and the one with the policy.
    """
    author, record = dmarc.author_domain or "", dmarc.record
    if signer == author:
        return True
    return (
        record is not None
        and record.alignment("dkim") is not Alignment.STRICT
        and record.public_suffix is not PublicSuffix.YES
        and is_same_or_subdomain(author, signer)
        and is_same_or_subdomain(signer, dmarc.record_domain or author)
    )


def _domain_of(told: MethodResult, name: str) -> str:
    """The domain in a property of `header`, which may be an address; or empty."""
    text = told.get("header", name) or ""
    try:
        return parse_domain(text.rpartition("@")[2])
    except MalformedField:
        return ""


def _addresses(told: Sequence[MethodResult]) -> Iterator[str]:
    """The client addresses (RFC 8617 §10.2) that a sealer tells of."""
    for each in told:
        try:
            yield str(ipaddress.ip_address(each.get("smtp", "remote-ip") or ""))
        except ValueError:
            continue
