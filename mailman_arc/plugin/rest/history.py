"""`/lists/<list>/history`: what happened to the posts of a list, and why."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import falcon

from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.adapters.store.historyrows import Entry, Filters, FoundPage
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
)
from mailman_arc.plugin.keylist import iso_time
from mailman_arc.plugin.rest.answers import (
    Body,
    answering,
    bad_request,
    given_values,
    link,
    not_found,
    refuse_parameters,
    unavailable,
    usable_services,
)
from mailman_arc.plugin.rest.collections import PAGE_PARAMETERS, wanted_page
from mailman_arc.plugin.rest.lists import find_mlist


NOT_READ = "the history cannot be read now; `mailman arc doctor` says what helps"
NOT_WRITTEN = "the history cannot be changed now; `mailman arc doctor` says what helps"

_READ = ("application/json", "application/x-www-form-urlencoded")

_log = logging.getLogger("mailman.plugins.arc")


@contextmanager
def database(sentence: str = NOT_READ) -> Iterator[None]:
    """Refuse the request when the database cannot be used in the block."""
    try:
        yield
    except StoreError as error:
        _log.error("REST: %s", error)
        raise unavailable(sentence) from error


class History:
    """`/lists/<list>/history`."""

    def __init__(self, spec: str) -> None:
        self._spec = spec

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """A page of posts, the newest first."""
        filters = _wanted_filters(request, *PAGE_PARAMETERS)
        page = wanted_page(request, FILTERS)
        store = history_of(usable_services())
        mlist = find_mlist(self._spec)
        with database():
            found = store.page(mlist.list_id, filters, page.start, page.count)
        waiting = held_hashes(mlist, found.entries)
        entries = [_line(each, waiting) for each in found.entries]
        return {**page.body(found.total, entries), **_completeness(found)}

    @answering
    def on_delete(self, request: falcon.Request) -> None:
        """Have all posts forgotten, or those of an author or before a moment."""
        author, before = _what_to_forget(request)
        store = history_of(usable_services())
        mlist = find_mlist(self._spec)
        with database(NOT_WRITTEN):
            for _ in store.purge(mlist.list_id, before=before, author=author):
                pass


class HistoryCount:
    """`/lists/<list>/history/count`."""

    def __init__(self, spec: str) -> None:
        self._spec = spec

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """How many posts there are that the filters let through."""
        filters = _wanted_filters(request)
        store = history_of(usable_services())
        mlist = find_mlist(self._spec)
        with database():
            found = store.count(mlist.list_id, filters)
        return {"count": found.total, **_completeness(found)}


class AnEntry:
    """`/lists/<list>/history/<entry>`."""

    def __init__(self, spec: str, entry_id: str) -> None:
        self._spec = spec
        self._entry_id = entry_id

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """What happened to the post, and what was found when it arrived."""
        refuse_parameters(request)
        store = history_of(usable_services())
        mlist = find_mlist(self._spec)
        entry_id = parse_entry_id(self._entry_id)
        entry = None
        if entry_id is not None:
            with database():
                entry = store.entry(mlist.list_id, entry_id)
        if entry is None:
            raise self._missing()
        return {
            **_line(entry, held_hashes(mlist, [entry])),
            "results": entry.results,
            "details": tell_details(entry),
        }

    @answering
    def on_delete(self, request: falcon.Request) -> None:
        """Have it forgotten."""
        refuse_parameters(request)
        store = history_of(usable_services())
        mlist = find_mlist(self._spec)
        entry_id = parse_entry_id(self._entry_id)
        is_deleted = False
        if entry_id is not None:
            with database(NOT_WRITTEN):
                is_deleted = store.delete(mlist.list_id, entry_id)
        if not is_deleted:
            raise self._missing()

    def _missing(self) -> falcon.HTTPError:
        return not_found(f"No such entry: {self._entry_id}")


def _line(entry: Entry, waiting: frozenset[str]) -> Body:
    return {
        **tell_entry(entry, waiting),
        "self_link": link("lists", entry.list_id, "history", str(entry.entry_id)),
    }


def _completeness(found: FoundPage) -> Body:
    if found.is_complete:
        return {"is_complete": True}
    return {"is_complete": False, "searched_since": iso_time(found.searched_since)}


def _wanted_filters(request: falcon.Request, *others: str) -> Filters:
    refuse_parameters(request, (*FILTERS, *others))
    given = {name: _text(request.params, name) for name in FILTERS}
    try:
        return read_filters(given)
    except FilterError as error:
        raise _invalid(error.name, error.problem) from error


def _what_to_forget(request: falcon.Request) -> tuple[str | None, int | None]:
    """Of which author, and before when; a slip must not mean all posts."""
    kind = request.content_type or ""
    if request.content_length and not kind.startswith(_READ):
        raise bad_request("The body is neither a form nor JSON")
    given = given_values(request)
    unexpected = sorted(set(given) - {"author", "before"})
    if unexpected:
        raise bad_request(f"Unexpected parameters: {', '.join(unexpected)}")
    author, before = _text(given, "author"), _text(given, "before")
    if author == "":
        raise _invalid("author", "it must be an address")
    return author, None if before is None else _moment("before", before)


def _text(given: Mapping[str, object], name: str) -> str | None:
    text = given.get(name)
    # Given twice, it is a list.
    if isinstance(text, list):
        raise _invalid(name, "it is given more than once")
    if name in given and not isinstance(text, str):
        raise _invalid(name, "it must be a text")
    return text if isinstance(text, str) else None


def _moment(name: str, text: str) -> int:
    try:
        return parse_moment(text)
    except ValueError as error:
        raise _invalid(name, str(error)) from error


def _invalid(name: str, problem: str) -> falcon.HTTPError:
    return bad_request(f'Invalid Parameter "{name}": {problem}.')
