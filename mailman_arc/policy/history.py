"""What is remembered of a post: what it was, how it arrived, what became of it.

Nothing here is needed to deliver a post.  Texts are a stranger's: they are cut to
size and freed of what no text has, but whoever shows them has to quote them.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields as fields_of, is_dataclass, replace
from email.errors import MessageError
from email.header import decode_header, make_header
from email.utils import parseaddr
from enum import StrEnum
from functools import cache
from typing import Any

from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.authres import (
    MAX_FIELD_OCTETS,
    MethodResult,
    parse_authentication_results,
)
from mailman_arc.mailauth.domains import is_same_or_subdomain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import WireMessage
from mailman_arc.mailauth.results import Result
from mailman_arc.policy.arrival import Arrival
from mailman_arc.policy.explanation import (
    Check,
    Explanation,
    Outcome,
    explain_message,
)
from mailman_arc.policy.inbound import Authentication
from mailman_arc.policy.report import site_results
from mailman_arc.policy.trust import Trust
from mailman_arc.policy.vouching import NotVouched, Sealer, who_vouches


MAX_DETAILS = 64 * 1024 - 1  # octets; what a TEXT of MariaDB takes
RANDOM_BITS = 21
UNJUDGED = "unjudged"  # stands for the chain's status when the DNS did not answer

_MAX_SUBJECT = 200  # characters
_MAX_ADDRESS = 320  # RFC 5321 §4.5.3.1
_MAX_MESSAGE_ID = 255  # characters, as in Mailman's own tables
_MAX_FIELD = 2000  # octets of a header field that are looked at
_MAX_SENTENCE = 300  # characters of anything in the details
_MAX_AAR = 4000  # characters
_ROOM_FOR_NAMES = 200  # octets, of lists in the details

# Of several results of one method, the one that says most.
_RANKS = ("pass", "temperror", "fail", "softfail", "policy", "permerror", "neutral")

# What no text has: control characters, half characters, changes of direction.
_HARMFUL = re.compile(
    r"[\x00-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]+"
)
_ADDRESS = re.compile(r"[^\s<>@]+@[^\s<>]+")

# In results, where an address may follow the name of a property.
_QUOTED_NAME = re.compile(r'"[^"]*"@')
_WORD = re.compile(r'[^\s<>()",;]+')
_PROPERTY = re.compile(r"[a-z]+\.[a-z0-9-]+=")


class Verdict(StrEnum):
    """Whether a post comes from whom it says it does."""

    CONFIRMED = "confirmed"
    VOUCHED = "vouched"  # not any more, but somebody checked before, who says so
    UNCONFIRMED = "unconfirmed"
    UNCHECKED = "unchecked"  # nothing to check by, or the DNS did not answer


class Disposition(StrEnum):
    """What became of a post."""

    ARRIVED = "arrived"
    HELD = "held"
    REJECTED = "rejected"
    DISCARDED = "discarded"
    POSTED = "posted"


@dataclass(frozen=True, slots=True)
class Facts:
    """What is known of a post when it has arrived.  Empty: not known, or not kept."""

    author_domain: str = ""
    author: str = ""  # the address
    subject: str = ""
    message_id: str = ""
    verdict: Verdict | None = None
    dkim: str = ""
    spf: str = ""
    arc: str = ""
    dmarc: str = ""
    results: str = ""  # what a seal would attest, in one line
    details: str = ""  # JSON
    sealers: tuple[Sealer, ...] = ()  # that may vouch for it


def make_entry_id(now: float, random_bits: int) -> int:
    """Name a post to one list; `now` in seconds since 1970.

    63 bits until the year 2109, the first of which are the time: newer ones are
    greater.
    """
    return (int(now * 1000) << RANDOM_BITS) | (random_bits % (1 << RANDOM_BITS))


def time_of(entry_id: int) -> int:
    """When an entry was made, in seconds since 1970."""
    return (entry_id >> RANDOM_BITS) // 1000


def find_verdict(found: Authentication, results: Iterable[MethodResult]) -> Verdict:
    """Judge what was found; `results` are those of the whole site."""
    words = _words(results)
    if words["dmarc"] == Result.PASS or _is_signed_by_author(found):
        return Verdict.CONFIRMED
    if found.chain_status is ChainStatus.PASS and _is_vouched_for(found):
        return Verdict.VOUCHED
    if found.arc.is_unjudged or Result.TEMPERROR in (words["dkim"], words["dmarc"]):
        return Verdict.UNCHECKED
    if not found.dkim and found.dmarc.record is None:
        return Verdict.UNCHECKED
    return Verdict.UNCONFIRMED


def _is_signed_by_author(found: Authentication) -> bool:
    """Tell of a good signature where the author's domain has no policy."""
    return found.dmarc.result is Result.NONE and any(
        each.result is Result.PASS
        and _is_of_author(each.signing_domain or "", found.author_domain)
        for each in found.dkim
    )


def _is_vouched_for(found: Authentication) -> bool:
    """Tell whether a server on the way has seen the post confirmed."""
    recorded = (
        method
        for each in found.arc.chain.sets
        # Behind i=.
        for method in _read(each.results.value.partition(b";")[2])
    )
    return any(
        method.result == Result.PASS
        and _is_of_author(_subject_of(method), found.author_domain)
        for method in recorded
    )


def _read(value: bytes) -> Sequence[MethodResult]:
    try:
        return parse_authentication_results(value).methods
    except MalformedField:
        return ()


def _subject_of(method: MethodResult) -> str:
    """The domain that a result speaks for; empty if that is not the author's."""
    if method.method == "dmarc":
        return method.get("header", "from") or ""
    if method.method == "dkim":
        signer = method.get("header", "d") or method.get("header", "i") or ""
        return signer.rpartition("@")[2]
    return ""


def _is_of_author(domain: str, author_domain: str | None) -> bool:
    """Tell whether a domain may speak for that of the author.

    A name below it does not: whoever it is lent to cannot speak for the owner.
    """
    return (
        author_domain is not None
        and "." in domain
        and is_same_or_subdomain(author_domain, domain.lower())
    )


def describe(
    message: WireMessage, found: Authentication, arrival: Arrival, trust: Trust
) -> Facts:
    """What is remembered of a post that was judged; see `kept`."""
    results = site_results(found)
    return replace(
        _with_results(describe_unjudged(message, ""), arrival, results),
        author_domain=found.author_domain or "",
        verdict=find_verdict(found, results),
        details=format_details(explain_message(b"", message, found, trust), found),
    )


def describe_arrival(message: WireMessage, arrival: Arrival) -> Facts:
    """What is remembered of a post when only the record of its arrival is there."""
    facts = describe_unjudged(message, "")
    return _with_results(facts, arrival, _read(arrival.results.encode()))


def _with_results(
    facts: Facts, arrival: Arrival, results: Iterable[MethodResult]
) -> Facts:
    words = _words(results)
    return replace(
        facts,
        dkim=words["dkim"],
        spf=words["spf"],
        arc=arrival.status or UNJUDGED,
        dmarc=words["dmarc"],
        sealers=arrival.sealers,
        results=_line(arrival.results),
    )


def describe_unjudged(message: WireMessage, reason: str) -> Facts:
    """What is remembered of a post without a verdict, and why there is none."""
    return Facts(
        author=_author(message),
        subject=_decoded(message, b"subject", _MAX_SUBJECT),
        message_id=_text(_first(message, b"message-id"), _MAX_MESSAGE_ID),
        details=json.dumps({"summary": reason}) if reason else "",
    )


def kept(facts: Facts, fields: Iterable[str], *, is_anonymous: bool) -> Facts:
    """Leave out what is not to be remembered.

    Of a post to an anonymous list that is all that could name its author.
    """
    if is_anonymous:
        return Facts(
            verdict=facts.verdict,
            dkim=facts.dkim,
            spf=facts.spf,
            arc=facts.arc,
            dmarc=facts.dmarc,
            results=_bare(facts.results),
        )
    wanted = set(fields)
    if "author" not in wanted:
        facts = _without_names(facts)
    return replace(
        facts,
        subject=facts.subject if "subject" in wanted else "",
        message_id=facts.message_id if "message_id" in wanted else "",
    )


def with_vouching(facts: Facts, trusted_sealers: Collection[str]) -> Facts:
    """Tell, too, which trusted sealer vouches for a post, if one does."""
    vouching = who_vouches(facts.sealers, trusted_sealers)
    if isinstance(vouching, NotVouched) or not facts.details:
        return facts
    sentence = (
        f"{vouching.domain}, whose seals are trusted, has recorded that the author was "
        "confirmed, and nobody who is not trusted has sealed the post since."
    )
    told = json.loads(facts.details)
    remark = asdict(Check("remark", Outcome.GOOD, sentence, "RFC 8617 §7.2.1"))
    told["remarks"] = [remark, *told.get("remarks", ())]
    if _octets(told) > MAX_DETAILS:
        return facts
    return replace(facts, details=_json(told))


def kept_reason(reason: str, fields: Iterable[str], *, is_anonymous: bool) -> str:
    """Why somebody decided something, without addresses unless these are kept."""
    text = _text(reason, _MAX_SENTENCE)
    if is_anonymous or "author" not in fields:
        return _ADDRESS.sub("(address)", text)
    return text


# Texts


def _without_names(facts: Facts) -> Facts:
    """Without the author's address, and with just the domains of all others.

    What servers have recorded often has the sender's address, or the signer's.
    """
    details = facts.details and _json(_nameless_all(json.loads(facts.details)))
    return replace(facts, author="", results=_nameless(facts.results), details=details)


def _nameless_all(value: Any) -> Any:
    match value:
        case str():
            return _nameless(value)
        case list():
            return [_nameless_all(each) for each in value]
        case dict():
            return {name: _nameless_all(each) for name, each in value.items()}
        case _:
            return value


def _nameless(text: str) -> str:
    return _WORD.sub(_nameless_word, _QUOTED_NAME.sub("@", text))


def _nameless_word(found: re.Match[str]) -> str:
    name, at, domain = found.group().rpartition("@")
    if not at:
        return domain
    named = _PROPERTY.match(name)
    return f"{named.group() if named else ''}@{domain}"


def _bare(results: str) -> str:
    """Results without who reports them, and what they are about."""
    return "; ".join(f"{each.method}={each.result}" for each in _read(results.encode()))


def _words(methods: Iterable[MethodResult]) -> dict[str, str]:
    """The most telling result of each method."""
    words = {"dkim": "", "spf": "", "dmarc": ""}
    for each in methods:
        if _rank(each.result) < _rank(words.get(each.method, "")):
            words[each.method] = each.result
    return words


def _rank(result: str) -> int:
    if not result:
        return len(_RANKS) + 1
    return _RANKS.index(result) if result in _RANKS else len(_RANKS)


def _author(message: WireMessage) -> str:
    if len(message.named(b"from")) != 1:
        return ""
    try:
        address = parseaddr(_first(message, b"from"))[1]
    except RecursionError:  # of comments in comments
        return ""
    return _text(address, _MAX_ADDRESS).lower() if "@" in address else ""


def _decoded(message: WireMessage, name: bytes, limit: int) -> str:
    text = " ".join(_first(message, name).split())
    try:
        return _text(str(make_header(decode_header(text))), limit)
    except (MessageError, ValueError, LookupError):
        return _text(text, limit)


def _first(message: WireMessage, name: bytes) -> str:
    values = [field.value for field in message.named(name)[:1]]
    return values[0][:_MAX_FIELD].decode("utf-8", "replace") if values else ""


def _line(results: str) -> str:
    return _text(" ".join(results.split()), MAX_FIELD_OCTETS)


def _text(text: str, limit: int) -> str:
    """A stranger's text as one that can be stored and shown."""
    return _HARMFUL.sub(" ", text).strip()[:limit]


# Details


def format_details(explanation: Explanation, found: Authentication) -> str:
    """All that was found as JSON, of at most `MAX_DETAILS` octets.

    What does not fit is left out: of the hops those in the middle.
    """
    told = _shortened(
        {
            "author_domain": explanation.author_domain,
            "summary": explanation.summary,
            "reasons": list(_reasons(found)),
            "dmarc": explanation.dmarc,
            "dkim": explanation.dkim,
            "arc": explanation.arc,
        }
    )
    lists = {
        "remarks": [_shortened(each) for each in explanation.remarks],
        "statements": [_shortened(each) for each in explanation.statements],
        "hops": [_shortened(each) for each in explanation.hops],
        # Where there are no hops.
        "arc_fields": [_text(each, _MAX_AAR) for each in explanation.arc_fields],
    }
    text = _json(told | lists)
    if len(text.encode()) <= MAX_DETAILS:
        return text
    return _json(told | _fewer(lists, MAX_DETAILS - _octets(told)))


def _fewer(lists: Mapping[str, list[Any]], room: int) -> dict[str, Any]:
    """The lists with as much as there is room for, and what was left out."""
    told: dict[str, Any] = {}
    room -= _ROOM_FOR_NAMES
    # The last gets what the others leave.
    for share, (name, items) in zip((4, 2, 1, 1), lists.items(), strict=True):
        told[name] = _fitting(items, room // share)
        room -= sum(_octets(each) + 2 for each in told[name])
        if len(told[name]) < len(items):
            told[f"{name}_left_out"] = len(items) - len(told[name])
    return told


def _reasons(found: Authentication) -> Iterator[str]:
    """The words that the results fields have for what was wrong."""
    reasons = (
        found.dmarc.reason,
        *(each.reason for each in found.dkim),
        found.arc.reason,
    )
    yield from dict.fromkeys(str(each) for each in reasons if each is not None)


def _shortened(value: Any, limit: int = _MAX_SENTENCE) -> Any:
    """A value fit for JSON, with texts that can be stored and shown."""
    if isinstance(value, str):
        return _text(value, limit)
    if isinstance(value, list | tuple):
        return [_shortened(each) for each in value]
    if is_dataclass(value):
        # `asdict` copies all texts first, which takes longer than this.
        kind: Any = type(value)
        value = {name: getattr(value, name) for name in _names_of(kind)}
    if isinstance(value, dict):
        return {
            name: _shortened(each, _MAX_AAR if name == "aar" else _MAX_SENTENCE)
            for name, each in value.items()
        }
    return value


@cache
def _names_of(kind: Any) -> tuple[str, ...]:
    return tuple(each.name for each in fields_of(kind))


def _fitting(items: list[Any], room: int) -> list[Any]:
    """As many from both ends as there is room for, in their order."""
    first: list[Any] = []
    last: list[Any] = []
    # The newest says most about how the post arrived, the oldest who began.
    for number in range(len(items)):
        takes_last = number % 2 == 0
        item = items[-1 - len(last)] if takes_last else items[len(first)]
        room -= _octets(item) + 2
        if room < 0:
            break
        (last if takes_last else first).append(item)
    return first + last[::-1]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def _octets(value: Any) -> int:
    return len(_json(value).encode())
