"""`mailman arc history`, `show`, `stats` and `purge`: what happened to posts."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import fields
from functools import wraps
from typing import IO, Any, TypeVar, cast

import click

from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.adapters.store.historyrows import (
    Counts,
    Entry,
    Filters,
    FoundPage,
    Stats,
)
from mailman_arc.plugin.commands.arc_base import (
    Progress,
    find_list,
    harmless,
    usable_services,
    with_output,
    write_json,
    write_lines,
)
from mailman_arc.plugin.history import message_id_hash
from mailman_arc.plugin.historyfilters import (
    FILTERS,
    FilterError,
    parse_moment,
    read_filters,
)
from mailman_arc.plugin.historylist import (
    held_hashes,
    history_of,
    parse_entry_id,
    tell_details,
    tell_entry,
    tell_stats,
)
from mailman_arc.plugin.keylist import iso_time
from mailman_arc.plugin.poststory import show_time, tell_story


MAX_COUNT = 1000

_Function = TypeVar("_Function", bound=Callable[..., Any])
_Step = TypeVar("_Step")

_HELPS: Mapping[str, tuple[str, str]] = {
    "since": ("TIME", "Only posts from this day or time (UTC) on."),
    "until": ("TIME", "Only posts up to this day or time (UTC)."),
    "verdict": ("VERDICT", "confirmed, vouched, unconfirmed or unchecked."),
    "from_domain": ("DOMAIN", "Only posts whose author is of this domain."),
    "dkim": ("RESULT", "Only posts with this result, such as pass or fail."),
    "spf": ("RESULT", "Only posts with this result."),
    "dmarc": ("RESULT", "Only posts with this result."),
    "arc": ("RESULT", "Only posts whose chain had this result on arrival."),
    "sealed": ("YES|NO", "Only posts that left with our seal, or without."),
    "disposition": ("WORD", "arrived, held, rejected, discarded or posted."),
    "q": ("TEXT", "Only posts with this in author, subject or Message-ID."),
    "message_id_hash": ("HASH", "Only the post with this Message-ID-Hash."),
}

list_argument = click.argument("listspec")


def with_filters(function: _Function) -> _Function:
    """An option for each filter; the function gets `filters`, a `Filters`."""

    @wraps(function)
    def filtered(**given: Any) -> Any:
        texts = {name: given.pop(name) for name in FILTERS}
        try:
            filters = read_filters(texts)
        except FilterError as error:
            raise click.UsageError(f"{_option(error.name)}: {error.problem}") from error
        return function(filters=filters, **given)

    decorated: Any = filtered
    for name in reversed(tuple(FILTERS)):
        metavar, told = _HELPS[name]
        decorated = click.option(_option(name), name, metavar=metavar, help=told)(
            decorated
        )
    return cast(_Function, decorated)


def _option(name: str) -> str:
    return "--" + name.replace("_", "-") if len(name) > 1 else "--query"


def stored(step: Callable[[], _Step]) -> _Step:
    """Do what needs the database; an error of the command when it fails."""
    try:
        return step()
    except StoreError as error:
        raise click.ClickException(harmless(str(error))) from error


@click.command()
@list_argument
@with_filters
@click.option(
    "--count",
    "-c",
    type=click.IntRange(0, MAX_COUNT),
    default=20,
    help=f"How many posts, at most {MAX_COUNT}; by default 20.",
)
@click.option(
    "--page",
    "-p",
    type=click.IntRange(1, 10**9),
    default=1,
    help="Which page of so many posts; by default the first, with the newest.",
)
@with_output
def history(
    listspec: str, filters: Filters, count: int, page: int, form: str, outfp: IO[str]
) -> None:
    """Show the posts of a list, the newest first.

    LISTSPEC is the list's address or list-id.  Times are of UTC.  `show` tells
    more of one post.
    """
    services = usable_services()
    mlist = find_list(listspec)
    start = (page - 1) * count
    found = stored(
        lambda: history_of(services).page(mlist.list_id, filters, start, count)
    )
    waiting = held_hashes(mlist, found.entries)
    if form == "json":
        told = {
            "total": found.total,
            "is_complete": found.is_complete,
            "searched_since": iso_time(found.searched_since),
            "entries": [tell_entry(each, waiting) for each in found.entries],
        }
        write_json(told, outfp)
    else:
        write_lines(_history_lines(found, start), outfp)


def _history_lines(found: FoundPage, start: int) -> Iterator[str]:
    if not found.total:
        yield "No matching posts found"
    for each in found.entries:
        yield _history_line(each)
    if found.entries:
        yield f"{start + 1} to {start + len(found.entries)} of {found.total} posts"
    if not found.is_complete:
        yield (
            f"Searched back to {show_time(found.searched_since)} only; --until shows "
            "older ones"
        )


def _history_line(entry: Entry) -> str:
    who = entry.author or entry.author_domain or "-"
    subject = f" {entry.subject!r}" if entry.subject else ""
    verdict = entry.verdict or "not judged"
    return (
        f"{entry.entry_id} {show_time(entry.arrived_at)} {who}{subject}: {verdict}, "
        f"{_outcome(entry)}"
    )


def _outcome(entry: Entry) -> str:
    if entry.sealed is None:
        return entry.disposition
    if entry.sealed:
        return f"sealed i={entry.instance} cv={entry.chain_status}"
    return f"not sealed: {entry.unsealed}"


@click.command()
@list_argument
@click.argument("entry", metavar="ENTRY")
@with_output
def show(listspec: str, entry: str, form: str, outfp: IO[str]) -> None:
    """Tell the story of a post: what arrived, what was said, what left, and why.

    LISTSPEC is the list's address or list-id.  ENTRY is the number that `history`
    shows, a Message-ID or a Message-ID-Hash; of several posts with one Message-ID
    the newest is told.
    """
    services = usable_services()
    mlist = find_list(listspec)
    store = history_of(services)
    entry_id = stored(lambda: _entry_id(store, mlist.list_id, entry))
    found = None
    if entry_id is not None:
        found = stored(lambda: store.entry(mlist.list_id, entry_id))
    if found is None:
        raise click.UsageError(f"No such post: {harmless(entry)}")
    waiting = held_hashes(mlist, [found])
    if form == "json":
        told = {
            **tell_entry(found, waiting),
            "results": found.results,
            "details": tell_details(found),
        }
        write_json(told, outfp)
    else:
        write_lines(tell_story(found, waiting), outfp)


def _entry_id(store: Any, list_id: str, text: str) -> int | None:
    entry_id = parse_entry_id(text)
    if entry_id is not None:
        return entry_id
    wanted = message_id_hash(text) if "@" in text else text.upper()
    found = store.page(list_id, Filters(message_id_hash=wanted), 0, 1)
    return found.entries[0].entry_id if found.entries else None


@click.command()
@list_argument
@click.option(
    "--days",
    "-d",
    type=click.IntRange(1, 365),
    default=30,
    help="How many days, today included; by default 30.",
)
@with_output
def stats(listspec: str, days: int, form: str, outfp: IO[str]) -> None:
    """Count the posts of the last days, by day and by the author's domain.

    LISTSPEC is the list's address or list-id.  Days are of UTC.  A message should
    not be considered malicious just because nothing confirms its author.
    """
    services = usable_services()
    mlist = find_list(listspec)
    found = stored(
        lambda: history_of(services).stats(mlist.list_id, days, int(time.time()))
    )
    if form == "json":
        write_json({"list_id": mlist.list_id, **tell_stats(found)}, outfp)
    else:
        write_lines(_stats_lines(found), outfp)


_COLUMNS = tuple(each.name for each in fields(Counts))
_HEADINGS = tuple(name.replace("_", " ") for name in _COLUMNS)


def _stats_lines(found: Stats) -> Iterator[str]:
    yield _row("day", _HEADINGS)
    for day in found.per_day:
        if day.counts.posts:
            yield _row(day.day.isoformat(), _numbers(day.counts))
    yield _row("all", _numbers(found.totals))
    if found.domains:
        yield ""
        yield _row("domain", _HEADINGS)
        for each in found.domains:
            yield _row(each.author_domain, _numbers(each.counts))
    yield ""
    for what, seconds in (
        ("arrived", found.last_arrived_at),
        ("was sealed", found.last_sealed_at),
    ):
        when = "none" if seconds is None else show_time(seconds)
        yield f"last post that {what}: {when}"


def _row(name: str, cells: Any) -> str:
    return f"{name:<24}" + "".join(f" {each:>12}" for each in cells)


def _numbers(counts: Counts) -> list[int]:
    return [getattr(counts, name) for name in _COLUMNS]


@click.command()
@list_argument
@click.option("--before", metavar="TIME", help="Posts before this day or time (UTC).")
@click.option("--author", metavar="ADDRESS", help="Posts of this author.")
@click.option("--all", "everything", is_flag=True, help="All posts of the list.")
def purge(
    listspec: str,
    before: str | None,
    author: str | None,
    everything: bool,  # a flag of the command line
) -> None:
    """Forget posts of a list; give one of the options.

    LISTSPEC is the list's address or list-id.  How many posts there were is
    remembered, unless all are forgotten.
    """
    if sum((bool(before), bool(author), everything)) != 1:
        raise click.UsageError("Give one of --before, --author and --all")
    moment = None
    if before:
        try:
            moment = parse_moment(before)
        except ValueError as error:
            raise click.BadParameter(f"--before: {error}") from error
    services = usable_services()
    mlist = find_list(listspec)
    gone = 0
    with Progress("posts forgotten: {}") as progress:
        rows = history_of(services).purge(mlist.list_id, before=moment, author=author)
        while (more := stored(lambda: next(rows, None))) is not None:
            gone = more
            progress.tell(gone)
    click.echo(f"posts forgotten: {gone}")


COMMANDS = (history, show, stats, purge)
