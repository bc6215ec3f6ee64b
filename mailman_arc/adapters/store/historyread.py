"""Reading the history: what it costs does not grow with it.

Each search goes along one index, the newest entries first, and looks at
SEARCH_WINDOW rows at most, or TEXT_WINDOW when it looks for a part of a text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import fields
from typing import Any

from sqlalchemy import and_, false, func, or_, select, true
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import ColumnElement, Select

from mailman_arc.adapters.store.engine import MYSQL
from mailman_arc.adapters.store.historyrows import (
    DISPOSITIONS,
    MAX_ENTRY_ID,
    POSTED,
    Entry,
    Filters,
    FoundPage,
    first_id_at,
    seconds_of,
)
from mailman_arc.adapters.store.historywrite import clean, fitting, known_list_id
from mailman_arc.adapters.store.schema import (
    HISTORY,
    HISTORY_DETAIL,
    HISTORY_LIST,
    SENTENCE_LENGTH,
    WORD_LENGTH,
)


SEARCH_WINDOW = 60_000  # rows
TEXT_WINDOW = 20_000  # rows; each takes several times as long
STEP = 10_000  # rows that are looked at by one statement of a scan

Condition = ColumnElement[bool]
Connect = Callable[[], AbstractContextManager[Connection]]

_ROW = HISTORY.c
_DETAIL = HISTORY_DETAIL.c
IS_SEEN = _ROW.arrived_at.is_not(None)
_WITH_INDEX = ("message_id_hash", "author_domain", "verdict")  # the rarest first
_OF_WORDS = ("dkim", "spf", "dmarc", "arc")
_SAME = tuple(
    each.name for each in fields(Entry) if each.name in _ROW and each.name != "sealed"
)


def list_number(connection: Connection, list_id: str) -> int | None:
    """The number of a list; None when nothing was ever kept of it."""
    wanted = select(HISTORY_LIST.c.number).where(
        HISTORY_LIST.c.list_id == known_list_id(list_id)
    )
    return connection.execute(wanted).scalar()


def find(
    connection: Connection, list_id: str, filters: Filters, start: int, count: int
) -> FoundPage:
    """Entries, without details, and how many there are; with `count` 0 just that."""
    number = list_number(connection, list_id)
    if number is None:
        return FoundPage(total=0, is_complete=True)
    way, rest = _conditions(connection, number, filters)
    window = TEXT_WINDOW if filters.q else SEARCH_WINDOW
    edge = _along_index(select(_ROW.entry_id), filters).where(way)
    beyond = connection.execute(_newest_first(edge, 1).offset(window)).scalar()
    if beyond is not None:
        way = and_(way, _ROW.entry_id > beyond)
    counted = select(func.count()).select_from(HISTORY)
    total = _along_index(counted, filters).where(way, rest)
    found = _along_index(select(HISTORY), filters).where(way, rest)
    page = _newest_first(found, count).offset(start)
    rows = connection.execute(page) if count else ()
    return FoundPage(
        total=connection.execute(total).scalar_one(),
        is_complete=beyond is None,
        # Of its second, not all may have been looked at.
        searched_since=None if beyond is None else seconds_of(beyond) + 1,
        entries=tuple(_entry(list_id, row) for row in rows),
    )


def find_entry(connection: Connection, list_id: str, entry_id: int) -> Entry | None:
    """One entry with its details."""
    number = list_number(connection, list_id)
    if number is None or not 0 < entry_id <= MAX_ENTRY_ID:
        return None
    wanted = _with_details().where(
        _ROW.list_number == number, _ROW.entry_id == entry_id, IS_SEEN
    )
    row = connection.execute(wanted).one_or_none()
    return None if row is None else _entry(list_id, row)


def scan(
    connect: Connect, list_id: str, filters: Filters, chunk: int
) -> Iterator[Entry]:
    """All entries with their details, the newest first, and no long transaction."""
    with connect() as connection:
        number = list_number(connection, list_id)
        if number is None:
            return
        way, rest = _conditions(connection, number, filters)
    for step in steps(connect, way, STEP):
        yield from _scan_step(connect, list_id, and_(step, rest), chunk)


def _scan_step(
    connect: Connect, list_id: str, wanted: Condition, chunk: int
) -> Iterator[Entry]:
    while True:
        query = _newest_first(_with_details().where(wanted), chunk)
        with connect() as connection:
            rows = connection.execute(query).all()
        for row in rows:
            yield _entry(list_id, row)
        if len(rows) < chunk:
            return
        wanted = and_(wanted, _ROW.entry_id < rows[-1].entry_id)


def steps(connect: Connect, way: Condition, length: int) -> Iterator[Condition]:
    """Parts of a way with so many rows each, the newest first."""
    rest = way
    while True:
        with connect() as connection:
            beyond = nth_entry(connection, rest, length)
        if beyond is None:
            yield rest
            return
        yield and_(rest, _ROW.entry_id > beyond)
        rest = and_(way, _ROW.entry_id <= beyond)


def nth_entry(connection: Connection, way: Condition, number: int) -> int | None:
    """The entry behind so many newer ones."""
    wanted = _newest_first(select(_ROW.entry_id).where(way), 1).offset(number)
    return connection.execute(wanted).scalar()


def _along_index(wanted: Select[Any], filters: Filters) -> Select[Any]:
    """Name the index to MariaDB, which else may go through all entries."""
    asked = [name for name in _WITH_INDEX if getattr(filters, name) is not None]
    if not asked:
        return wanted
    index = f"ix_arc_history_list_number_{asked[0]}_entry_id"
    for dialect in MYSQL:
        wanted = wanted.with_hint(HISTORY, f"FORCE INDEX ({index})", dialect)
    return wanted


def _newest_first(wanted: Select[Any], count: int) -> Select[Any]:
    return wanted.order_by(_ROW.entry_id.desc()).limit(count)


def _with_details() -> Select[Any]:
    return select(HISTORY, _DETAIL.results, _DETAIL.details).select_from(
        HISTORY.outerjoin(
            HISTORY_DETAIL,
            and_(
                _DETAIL.list_number == _ROW.list_number,
                _DETAIL.entry_id == _ROW.entry_id,
            ),
        )
    )


def _entry(list_id: str, row: Any) -> Entry:
    told = {name: getattr(row, name) for name in _SAME}
    return Entry(
        **told,
        list_id=list_id,
        disposition=DISPOSITIONS[row.decision] if row.left_at is None else POSTED,
        disposition_reason=row.decision_reason,
        sealed=None if row.sealed is None else bool(row.sealed),
        results=getattr(row, "results", None) or "",
        details=getattr(row, "details", None) or "",
    )


def _conditions(
    connection: Connection, number: int, filters: Filters
) -> tuple[Condition, Condition]:
    """What an index is asked for, and what each row found there is asked for."""
    way: list[Condition] = [_ROW.list_number == number]
    if filters.since is not None:
        way.append(_ROW.entry_id >= first_id_at(filters.since))
    if filters.until is not None:
        way.append(_ROW.entry_id < first_id_at(filters.until))
    rest: list[Condition] = [true(), *_of_results(filters)]
    if not filters.verdict and not filters.author_domain:
        # Who has one has arrived; and the index alone can tell how many they are.
        rest.append(IS_SEEN)
    asked = [name for name in _WITH_INDEX if getattr(filters, name) is not None]
    for name in asked:
        column = _ROW[name]
        text = fitting(column, getattr(filters, name))
        if name == asked[0]:
            way.append(column == text)
        else:
            # A function, so that no database goes along the index of this one.
            rest.append(func.coalesce(column, "") == text)
    if filters.q:
        rest.append(_has_part(connection.dialect.name, filters.q))
    return and_(*way), and_(*rest)


def _of_results(filters: Filters) -> Iterator[Condition]:
    for name in _OF_WORDS:
        wanted = getattr(filters, name)
        if wanted is not None:
            yield _ROW[name] == clean(wanted, WORD_LENGTH)
    if filters.sealed is not None:
        yield _ROW.sealed == int(filters.sealed)
    if filters.disposition == POSTED:
        yield _ROW.left_at.is_not(None)
    elif filters.disposition in DISPOSITIONS:
        yield _ROW.decision == DISPOSITIONS.index(filters.disposition)
        yield _ROW.left_at.is_(None)
    elif filters.disposition is not None:
        yield false()


def _has_part(dialect: str, part: str) -> Condition:
    part = clean(part, SENTENCE_LENGTH)
    # Without regard to case, a database may know just the letters of ASCII.
    forms = {part} if part.isascii() else {part, part.lower(), part.capitalize()}
    text = _ROW.subject + " " + _ROW.author + " " + _ROW.message_id
    return or_(*(_like(dialect, text, form) for form in sorted(forms)))


def _like(dialect: str, text: ColumnElement[str], part: str) -> Condition:
    for special in "/%_":
        part = part.replace(special, f"/{special}")
    # SQLite's LIKE does not look at case.
    like = text.like if dialect == "sqlite" else text.ilike
    return like(f"%{part}%", escape="/")
