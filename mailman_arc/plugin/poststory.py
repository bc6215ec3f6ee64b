"""The story of a post in sentences: what arrived, what we said, what left, why.

Text from strangers may be in any line.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from mailman_arc.adapters.store.historyrows import (
    ARRIVED,
    DISCARDED,
    HELD,
    POSTED,
    REJECTED,
    Entry,
)
from mailman_arc.plugin.historylist import is_held, is_waiting, tell_details
from mailman_arc.plugin.keylist import iso_time
from mailman_arc.policy.history import Verdict


_VERDICTS: Mapping[str, str] = {
    Verdict.CONFIRMED: "Confirmed: it comes from {}.",
    Verdict.VOUCHED: "Vouched for: that it comes from {} cannot be confirmed any more, "
    "but a server on its way recorded that it was, and the seals are intact.",
    Verdict.UNCONFIRMED: "Not confirmed: it says that it comes from {}, and nothing "
    "confirms that. Often a forwarder or a slip of the author's domain is the reason.",
    Verdict.UNCHECKED: "Could not be checked: {} has neither signed it nor said how "
    "to check its mail, or the DNS did not answer.",
}
_FATES: Mapping[str, str] = {
    ARRIVED: "Mailman has not yet said what it does with it.",
    HELD: "It was held for a moderator{}.",
    REJECTED: "It was returned to its author{}.",
    DISCARDED: "It was discarded{}.",
    POSTED: "It was posted.",
}
_WAITING = "It is still waiting for one."
_DECIDED = "It is not waiting any more: a moderator has decided."


def tell_story(entry: Entry, waiting: frozenset[str]) -> Iterator[str]:
    """The lines of a story; `waiting` is that of `held_hashes`."""
    yield f"Post {entry.entry_id} to {entry.list_id}"
    for name, text in (
        ("From", entry.author or entry.author_domain),
        ("Subject", entry.subject),
        ("Message-ID", entry.message_id),
    ):
        if text:
            yield f"  {name}: {text}"
    yield from _arrival(entry)
    yield from _fate(entry, waiting)
    yield from _departure(entry)


def show_time(seconds: int | None) -> str:
    """A time of UTC for people."""
    return f"{(iso_time(seconds) or '').replace('T', ' ')} UTC"


def _arrival(entry: Entry) -> Iterator[str]:
    yield ""
    yield f"What arrived, {show_time(entry.arrived_at)}"
    sentence = _VERDICTS.get(entry.verdict, "It was not judged.")
    yield "  " + sentence.replace("{}", entry.author_domain or "its author's domain")
    details = tell_details(entry)
    for line in _found(details):
        yield f"  {line}"
    yield ""
    yield "What we said"
    words = (("arc", entry.arc), ("dkim", entry.dkim), ("spf", entry.spf))
    said = [f"{name}={word}" for name, word in (*words, ("dmarc", entry.dmarc)) if word]
    yield f"  {', '.join(said) or 'nothing'}"
    yield from (f"  {line.strip()}" for line in entry.results.splitlines())


def _found(details: Mapping[str, Any]) -> Iterator[str]:
    """What was found, check by check, as far as it was kept."""
    if details.get("summary"):
        yield str(details["summary"])
    for name in ("dmarc", "dkim", "arc"):
        for check in _mappings(details.get(name)):
            yield _check(check)
    for hop in _mappings(details.get("hops")):
        when = f", {hop['sealed_at']}" if hop.get("sealed_at") else ""
        yield (
            f"i={hop.get('instance')}: {hop.get('sealer')} (key "
            f"{hop.get('selector')}{when}), cv={hop.get('chain_status')}"
        )
        for result in _list(hop.get("recorded")):
            yield f"    recorded {result}"
        for check in _mappings(hop.get("checks")):
            yield f"    {check.get('name')}: {_check(check)}"
    if details.get("hops_left_out"):
        yield f"(not kept: {details['hops_left_out']} more sets from the middle)"
    # Those of a chain that has ended, or whose sets cannot be told apart.
    yield from (f"    {field}" for field in _list(details.get("arc_fields")))
    for each in _mappings(details.get("statements")):
        yield f"{each.get('authserv_id')} says ({each.get('standing')}):"
        yield from (f"    {result}" for result in _list(each.get("results")))
    for each in _mappings(details.get("remarks")):
        yield f"Note: {_check(each)}"


def _check(check: Mapping[str, Any]) -> str:
    source = f" ({check['source']})" if check.get("source") else ""
    return f"[{check.get('outcome')}] {check.get('sentence')}{source}"


def _mappings(value: object) -> list[Mapping[str, Any]]:
    """The objects there are, one or many; a row of another version may have others."""
    values = value if isinstance(value, list) else [value]
    return [each for each in values if isinstance(each, dict)]


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _fate(entry: Entry, waiting: frozenset[str]) -> Iterator[str]:
    yield ""
    yield "What became of it"
    why = f": {entry.disposition_reason}" if entry.disposition_reason else ""
    yield "  " + _FATES[entry.disposition].replace("{}", why)
    if is_held(entry) and (waits := is_waiting(entry, waiting)) is not None:
        yield f"  {_WAITING if waits else _DECIDED}"


def _departure(entry: Entry) -> Iterator[str]:
    if entry.sealed is None:
        return
    yield ""
    yield f"What left, {show_time(entry.left_at)}"
    yield (
        f"  {_many(entry.copies, 'copy', 'copies')} for "
        f"{_many(entry.recipients, 'recipient', 'recipients')}."
    )
    if entry.instance is not None:
        yield (
            f"  Sealed: i={entry.instance} cv={entry.chain_status}, by {entry.domain} "
            f"with the key {entry.selector}."
        )
    if not entry.sealed:
        which = "Not sealed" if entry.instance is None else "Some copies are not sealed"
        yield f"  {which}: {entry.unsealed or 'nobody said why'}."
    if entry.remarks:
        yield f"  Note: {entry.remarks}."


def _many(number: int, one: str, many: str) -> str:
    return f"{number} {one if number == 1 else many}"
