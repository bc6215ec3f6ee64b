"""`mailman arc export` and `metrics`: the history for other programs."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterable, Iterator, Mapping
from typing import IO, Any

import click

from mailman_arc.adapters.store.historyrows import Entry, Filters
from mailman_arc.plugin.commands.arc_base import (
    Progress,
    find_list,
    harmless,
    output_option,
    usable_services,
    whole_output,
    write_lines,
)
from mailman_arc.plugin.commands.arc_history import list_argument, stored, with_filters
from mailman_arc.plugin.historylist import (
    ENTRY_NAMES,
    history_of,
    tell_details,
    tell_entry,
    waiting_hashes,
)
from mailman_arc.plugin.metrics import metric_lines


_TOLD_EVERY = 1000  # posts
# How one begins in a spreadsheet; in East Asian ones also with wide characters.
_FORMULA = (*"=+-@\t\r", *"\uff1d\uff0b\uff0d\uff20")


@click.command()
@list_argument
@with_filters
@click.option(
    "--format",
    "-f",
    "form",
    type=click.Choice(["csv", "jsonl"]),
    default="csv",
    help="A table, the default, or one JSON object on each line, with all that was "
    "found on arrival.",
)
@click.option(
    "--output",
    "-o",
    "path",
    metavar="FILENAME",
    default="-",
    help="File to write to, for its owner alone; '-', the default, is standard output.",
)
def export(listspec: str, filters: Filters, form: str, path: str) -> None:
    """Write the history of a list, the newest post first.

    LISTSPEC is the list's address or list-id.  Times are of UTC.  In a table, a
    cell that a spreadsheet would take for a formula begins with an apostrophe.
    """
    services = usable_services()
    mlist = find_list(listspec)
    waiting = waiting_hashes(mlist)
    posts = _stored(history_of(services).scan(mlist.list_id, filters))
    write = _write_csv if form == "csv" else _write_jsonl
    with whole_output(path) as outfp, Progress("posts: {}") as progress:
        write(_told(posts, progress), waiting, outfp)


@click.command()
@click.option(
    "--no-lists",
    is_flag=True,
    help="Add up the numbers of all lists, for sites with very many.",
)
@output_option
def metrics(
    outfp: IO[str],
    no_lists: bool,  # a flag of the command line
) -> None:
    """Write numbers for Prometheus.

    Made for the textfile collector of node_exporter: run it from time to time
    with --output; the file is there as a whole or not at all.
    """
    services = usable_services()
    write_lines(stored(lambda: metric_lines(services, by_list=not no_lists)), outfp)


COMMANDS = (export, metrics)


def _stored(posts: Iterator[Entry]) -> Iterator[Entry]:
    while (post := stored(lambda: next(posts, None))) is not None:
        yield post


def _told(posts: Iterable[Entry], progress: Progress) -> Iterator[Entry]:
    for number, post in enumerate(posts, 1):
        if number % _TOLD_EVERY == 0:
            progress.tell(number)
        yield post


def _write_csv(posts: Iterable[Entry], waiting: frozenset[str], outfp: IO[str]) -> None:
    writer = csv.writer(outfp)
    writer.writerow(ENTRY_NAMES)
    for post in posts:
        told = tell_entry(post, waiting)
        writer.writerow([_cell(told[name]) for name in ENTRY_NAMES])


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    guard = "'" if text.lstrip(" ").startswith(_FORMULA) else ""
    return guard + harmless(text)


def _write_jsonl(
    posts: Iterable[Entry], waiting: frozenset[str], outfp: IO[str]
) -> None:
    for post in posts:
        told: Mapping[str, Any] = {
            **tell_entry(post, waiting),
            "results": post.results,
            "details": tell_details(post),
        }
        outfp.write(json.dumps(told).replace("\x7f", "\\u007f") + "\n")
