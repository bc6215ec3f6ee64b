"""What the history tells of the posts of the matrix, beside what really happened.

The sink, plugins.log and the octets that were handed in say what happened.
"""

from __future__ import annotations

import base64
import hashlib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from mailman_arc.policy.history import Verdict
from mailman_arc.policy.outbound import Unsealed
from tests.e2e.house import AUTHOR, SITE
from tests.house.sink import Delivery
from tests.house.site import MailmanSite
from tests.house.waiting import wait_until


MAX_FIELD = 400  # characters of a field that are told
PATIENCE = 60  # seconds, from the last copy to the last row

Entry = Mapping[str, Any]
Histories = dict[str, Sequence[Entry]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Happened:
    """What became of a post, as others than the history know it."""

    arrived: bytes  # the octets that came to the list
    message_id: str  # that of the post in the archive
    copies: Sequence[Delivery]
    results: str  # on arrival, as the log has them
    outcome: str  # as the log has it
    remarks: str  # as the log has them
    seals: int | None  # None: as many as there are different copies, or more
    is_anonymous: bool


def wait_for_histories(
    site: MailmanSite,
    addresses: Iterable[str],
    is_complete: Callable[[Histories], bool],
) -> Histories:
    """The entries of each list, by its address; what lacks, lacks after a while.

    They are written by threads that no post waits for.
    """
    wanted = list(addresses)
    found: Histories = {}

    def look() -> bool:
        for each in wanted:
            path = f"plugins/arc/lists/{each.replace('@', '.')}/history"
            found[each] = site.rest.get(path).get("entries", [])
        return is_complete(found)

    with suppress(TimeoutError):  # who asks will see what lacks
        wait_until(look, PATIENCE, "the history of all lists")
    return found


def told_of(entries: Iterable[Entry], happened: Happened) -> list[Entry]:
    """The entries that are about a post."""
    wanted = _hash_of(happened.message_id)
    return [each for each in entries if each["message_id_hash"] == wanted]


def disagreements(
    site: MailmanSite, entries: Sequence[Entry], happened: Happened
) -> Iterator[str]:
    """What is not told of a post, or otherwise than it was; `entries` are its own."""
    if len(entries) != 1:
        yield f"{len(entries)} entries"
        return
    entry = site.rest.get(entries[0]["self_link"].partition("/3.1/")[2])
    for name, told, was in (
        ("disposition", entry["disposition"], "posted"),
        ("is_waiting", entry["is_waiting"], False),
        *_on_arrival(entry, happened),
        *_on_leaving(entry, happened),
    ):
        if told != was:
            yield f"{name}: {told!r} is told, but it was {was!r}"
    if happened.is_anonymous and AUTHOR.name in repr(entry):
        yield f"it tells of the author: {entry}"


def missing_in_story(
    site: MailmanSite, entries: Iterable[Entry], happened: Happened
) -> Iterator[str]:
    """What `mailman arc show` does not say of a post."""
    for entry in entries:
        story = site.command("arc", "show", entry["list_id"], entry["entry_id"])
        for wanted in _story(happened):
            if wanted not in story:
                yield f"{wanted!r} is not in {story}"
        if happened.is_anonymous and AUTHOR.name in story:
            yield f"the author is in {story}"


def _story(happened: Happened) -> Iterator[str]:
    """Words that have to be in the story of a post."""
    yield from ("What arrived, ", "What we said", "It was posted.", "What left, ")
    found = results_of(happened.results)
    yield {
        Verdict.CONFIRMED: "Confirmed: it comes from",
        Verdict.VOUCHED: "Vouched for: that it comes from",
        Verdict.UNCONFIRMED: "Not confirmed: it says that it comes from",
    }[_verdict(found)]
    yield from (f"{name}={result}" for name, result in found.items())
    if not happened.is_anonymous:
        yield f"Message-ID: {happened.message_id}"
        for number, sealer, status, _ in _chain(happened.arrived):
            yield f"i={number}: {sealer} (key "
            yield f"cv={status}"
    recipients = sum(len(copy.recipients) for copy in happened.copies)
    yield f"{len(happened.copies)} copies for {recipients} recipients."
    if happened.outcome.startswith("sealed "):
        seal = happened.outcome.removeprefix("sealed ")
        yield f"Sealed: {seal}, by {SITE.name} with the key {SITE.selector}."
    else:
        yield f"Not sealed: {happened.outcome.removeprefix('not sealed: ')}."


def _on_arrival(entry: Entry, happened: Happened) -> Iterator[tuple[str, Any, Any]]:
    """Names, what is told, and what was."""
    found = results_of(happened.results)
    yield "results", {name: entry[name] for name in found}, found
    yield "verdict", entry["verdict"], _verdict(found)
    yield "results in the text", results_of(entry["results"]), found
    if happened.is_anonymous:
        return
    yield "text", entry["results"], _attested(happened) or entry["results"]
    yield "author's domain", entry["author_domain"], AUTHOR.name
    yield "summary", bool(entry["details"].get("summary")), True
    chain = list(_chain(happened.arrived))
    if chain and chain[-1][2] == "fail":  # nobody looks at the sets of such a chain
        fields = list(entry["details"].get("arc_fields", ()))
        yield "ARC fields", fields, list(_arc_fields(happened.arrived))
        return
    hops = [
        (hop["instance"], hop["sealer"], hop["chain_status"], hop["aar"])
        for hop in entry["details"].get("hops", ())
    ]
    yield "chain", hops, chain


def _on_leaving(entry: Entry, happened: Happened) -> Iterator[tuple[str, Any, Any]]:
    copies = happened.copies
    is_sealed = happened.outcome.startswith("sealed ")
    why = "" if is_sealed else happened.outcome.removeprefix("not sealed: ")
    yield "sealed", entry["sealed"], is_sealed
    yield "unsealed_reason", entry["unsealed_reason"], why
    yield "reason of policy.outbound", not why or why in set(Unsealed), True
    seal = tuple(
        str(entry[f"seal_{name}"] or "")
        for name in ("instance", "domain", "selector", "chain_status")
    )
    seals = {_our_seal(copy, happened.arrived) for copy in copies}
    yield "seal", {seal if any(seal) else None}, seals
    different = len({copy.octets for copy in copies})
    allowed = range(different, len(copies) + 1) if is_sealed else range(1)
    if is_sealed and happened.seals is not None:
        allowed = range(happened.seals, happened.seals + 1)
    yield f"{entry['seals']} seals", entry["seals"] in allowed, True
    yield "copies", entry["copies"], len(copies)
    yield "recipients", entry["recipients"], sum(len(c.recipients) for c in copies)
    yield "remarks", entry["remarks"], happened.remarks
    yield "left after it came", entry["arrived_at"] <= (entry["left_at"] or ""), True


def results_of(text: str) -> dict[str, str]:
    """The first result of each method."""
    found = re.findall(r"(?<![\w.])(arc|dkim|spf|dmarc)=(\w+)", text)
    return dict(reversed(found))


def _verdict(found: Mapping[str, str]) -> Verdict:
    """All authors here have a policy; forwarders record that it was met."""
    if found["dmarc"] == "pass":
        return Verdict.CONFIRMED
    return Verdict.VOUCHED if found["arc"] == "pass" else Verdict.UNCONFIRMED


# What was on the wire


def _chain(octets: bytes) -> Iterator[tuple[int, str, str, str]]:
    """The sets that a message has, the oldest first, without our code."""
    message = Delivery("", (), octets)
    results = {}
    for field in message.fields("ARC-Authentication-Results"):
        value = _unfolded(field)
        instance = re.match(r"i=(\d+)\s*;", value)
        assert instance is not None, value
        results[int(instance[1])] = value
    seals = (_tags(field) for field in message.fields("ARC-Seal"))
    for tags in sorted(seals, key=lambda each: int(each["i"])):
        number = int(tags["i"])
        yield number, tags["d"], tags["cv"], results[number]


def _arc_fields(octets: bytes) -> Iterator[str]:
    """The ARC fields as they are shown: on one line, the beginning of it."""
    header = octets.partition(b"\r\n\r\n")[0].decode("utf-8", "replace") + "\r\n"
    for field in re.findall(r"(?im)^ARC-.*\r\n(?:[ \t].*\r\n)*", header):
        yield " ".join(field.split())[:MAX_FIELD]


def _our_seal(copy: Delivery, arrived: bytes) -> tuple[str, ...] | None:
    """Instance, domain, selector and chain status of our seal on top; None without.

    A list that is a member of another gets posts that this site has sealed before.
    """
    before = [_tags(field) for field in Delivery("", (), arrived).fields("ARC-Seal")]
    for field in copy.fields("ARC-Seal")[:1]:
        tags = _tags(field)
        if tags["d"] == SITE.name and tags not in before:
            return tags["i"], tags["d"], tags["s"], tags["cv"]
    return None


def _attested(happened: Happened) -> str:
    """What the set we put on top of the copies says was found."""
    for copy in happened.copies:
        if _our_seal(copy, happened.arrived) is not None:
            value = _unfolded(copy.fields("ARC-Authentication-Results")[0])
            return value.partition(";")[2].strip()
    return ""


def _tags(field: bytes) -> dict[str, str]:
    value = re.sub(rb"\s+", b"", field.partition(b":")[2]).decode()
    pairs = (part.partition("=") for part in value.split(";") if part)
    return {name: text for name, _, text in pairs}


def _unfolded(field: bytes) -> str:
    return " ".join(field.partition(b":")[2].decode().split())


def _hash_of(message_id: str) -> str:
    """As archives call a post (Message-ID-Hash)."""
    octets = message_id.removeprefix("<").removesuffix(">").encode()
    return base64.b32encode(hashlib.sha1(octets).digest()).decode()
