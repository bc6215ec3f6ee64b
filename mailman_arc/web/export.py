"""The history as a file: for spreadsheets, or for programs.

Times are UTC.  What a stranger wrote is text there, too.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import chain
from typing import Any

from mailman_arc.web.pages import Page
from mailman_arc.web.text import guarded


MAX_EXPORTED = 50_000  # posts
_CHUNK = 1000  # the most that REST gives at once
_BYTE_ORDER_MARK = "\ufeff"  # spreadsheets do not take it for UTF-8 otherwise

COLUMNS = (
    "entry_id", "list_id", "arrived_at", "message_id_hash", "message_id",
    "author_domain", "author", "subject", "verdict", "dkim", "spf", "dmarc", "arc",
    "disposition", "disposition_reason", "is_waiting", "sealed", "unsealed_reason",
    "left_at", "seal_instance", "seal_domain", "seal_selector", "seal_chain_status",
    "copies", "seals", "recipients", "remarks",
)  # fmt: skip

Entry = Mapping[str, Any]


@dataclass(frozen=True)
class Writer:
    """How a file of one form is written, piece by piece."""

    content_type: str
    write: Callable[[Iterable[Entry]], Iterator[str]]


def all_entries(page: Page, filters: Mapping[str, str]) -> Iterator[Entry]:
    """What the filters let through, the newest first; raises `Trouble` at once.

    Nothing is sent before the plugin has given the first part.
    """
    parts = _parts(page, filters)
    first = next(parts)
    return _once(chain.from_iterable(chain([first], parts)))


def _parts(page: Page, filters: Mapping[str, str]) -> Iterator[list[Entry]]:
    for number in range(1, MAX_EXPORTED // _CHUNK + 1):
        answer = page.get("history", count=_CHUNK, page=number, **filters)
        yield answer.get("entries") or []
        if number * _CHUNK >= answer["total_size"]:
            return


def _once(entries: Iterable[Entry]) -> Iterator[Entry]:
    """Leave out what comes again because new posts came between two parts."""
    oldest = None
    for entry in entries:
        number = int(entry["entry_id"])
        if oldest is None or number < oldest:
            oldest = number
            yield entry


class _Line:
    """A file that gives back what is written to it."""

    def write(self, text: str) -> str:
        return text


def _write_csv(entries: Iterable[Entry]) -> Iterator[str]:
    writer = csv.writer(_Line())
    yield _BYTE_ORDER_MARK + str(writer.writerow(COLUMNS))
    for entry in entries:
        yield str(writer.writerow([_cell(entry.get(name)) for name in COLUMNS]))


def _cell(value: object) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return guarded(value)


def _write_jsonl(entries: Iterable[Entry]) -> Iterator[str]:
    for entry in entries:
        yield json.dumps({name: entry.get(name) for name in COLUMNS}) + "\n"


WRITERS = {
    "csv": Writer("text/csv; charset=utf-8", _write_csv),
    "jsonl": Writer("application/jsonl", _write_jsonl),
}
