"""Writing into the history: rows in any order, from any number of processes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from itertools import groupby
from typing import Any

from sqlalchemy import String, case, or_, select
from sqlalchemy.engine import Connection, Dialect

from mailman_arc.adapters.store.historyrows import DISPOSITIONS, Arrived, Decided, Row
from mailman_arc.adapters.store.schema import (
    DOCUMENT_LENGTH,
    HISTORY,
    HISTORY_DETAIL,
    HISTORY_LIST,
    LIST_ID_LENGTH,
)
from mailman_arc.adapters.store.upsert import overwriting, upsert


Keyed = tuple[int, Row]  # with the number of its list

STATEMENTS = 16  # that are remembered: three kinds of rows, for some databases

_KEY = ("list_number", "entry_id")

# How columns change when their row is there already, so that it becomes the
# same in whatever order it is told.  Others are overwritten.
_ADDED = ("copies", "seals", "recipients")
_LEAST = ("sealed",)
_GREATEST = (
    "message_id_hash", "left_at", "unsealed", "instance", "domain", "selector",
    "chain_status", "remarks", "decision",
)  # fmt: skip


def write_rows(connection: Connection, rows: Iterable[Row]) -> None:
    """Make or change the rows of the history."""
    wanted = [(known_list_id(row.list_id), row) for row in rows]
    numbers = _list_numbers(connection, {list_id for list_id, _ in wanted})
    # In the same order always, or two that do so at once could each wait for
    # the other.
    keyed = sorted(
        ((numbers[list_id], row) for list_id, row in wanted),
        key=lambda each: (each[0], each[1].entry_id),
    )
    for run in _runs(keyed):
        _write_run(connection, run)
    _write_details(connection, keyed)


def known_list_id(list_id: str) -> str:
    """The id of a list as it is kept."""
    return clean(list_id, LIST_ID_LENGTH)


def clean(text: str, length: int) -> str:
    """What every database can keep of a text, and compares alike."""
    kept = text[:length].replace("\0", "\ufffd").encode("utf-8", "replace")
    # MariaDB takes no notice of spaces at the end.
    return kept.decode("utf-8").rstrip(" ")


def fitting(column: Any, text: str) -> str:
    """What a column for strings keeps of a text."""
    return clean(text, column.type.length)


def _list_numbers(connection: Connection, list_ids: Iterable[str]) -> dict[str, int]:
    """The numbers of lists; who has none yet gets one."""
    wanted = sorted(list_ids)
    numbers = _known_numbers(connection, wanted)
    new = [{"list_id": each} for each in wanted if each not in numbers]
    if not new:
        return numbers
    dialect = connection.dialect.name
    put = upsert(dialect, HISTORY_LIST, overwriting("list_id"), ("list_id",))
    connection.execute(put, new)
    return _known_numbers(connection, wanted)


def _known_numbers(connection: Connection, list_ids: Sequence[str]) -> dict[str, int]:
    columns = HISTORY_LIST.c
    wanted = select(columns.list_id, columns.number).where(
        columns.list_id.in_(list_ids)
    )
    return {row.list_id: row.number for row in connection.execute(wanted)}


def _runs(keyed: Iterable[Keyed]) -> Iterator[list[Keyed]]:
    """Neighbours of one kind, and no entry twice: what one statement can write."""
    turns: dict[tuple[type[Row], int, int], int] = {}

    def kind_and_turn(each: Keyed) -> tuple[type[Row], int]:
        number, row = each
        key = (type(row), number, row.entry_id)
        turns[key] = turns.get(key, 0) + 1
        return type(row), turns[key]

    for _, run in groupby(keyed, kind_and_turn):
        yield list(run)


def _write_run(connection: Connection, run: list[Keyed]) -> None:
    rows = [_columns(number, row) for number, row in run]
    names = tuple(name for name in rows[0] if name not in _KEY)
    connection.execute(_put(connection.dialect, names), rows)


@lru_cache(STATEMENTS)
def _put(dialect: Dialect, names: tuple[str, ...]) -> Any:
    """The statement for a kind of row, compiled.

    To make and compile one takes longer than to write a row, and SQLAlchemy does
    not remember those of this kind.
    """

    def changes(new: Any) -> list[tuple[str, Any]]:
        return [(name, _changed(name, new)) for name in names]

    put = upsert(dialect.name, HISTORY, changes)
    return put.compile(dialect=dialect, column_keys=[*_KEY, *names])


@lru_cache(STATEMENTS)
def _put_details(dialect: Dialect) -> Any:
    names = ("results", "details")
    put = upsert(dialect.name, HISTORY_DETAIL, overwriting(*names))
    return put.compile(dialect=dialect, column_keys=[*_KEY, *names])


def _changed(name: str, new: Any) -> Any:
    was, told = HISTORY.c[name], new[name]
    if name in _ADDED:
        return was + told
    if name in _LEAST:
        return case((or_(was.is_(None), told < was), told), else_=was)
    if name in _GREATEST:
        return case((or_(was.is_(None), told > was), told), else_=was)
    if name == "decision_reason":
        decision = HISTORY.c.decision
        is_stronger = or_(
            new.decision > decision,
            (new.decision == decision) & (told > was),
        )
        return case((is_stronger, told), else_=was)
    return told


def _columns(number: int, row: Row) -> dict[str, Any]:
    told: dict[str, Any]
    if isinstance(row, Decided):
        told = {
            # First, because MariaDB sets one after the other.
            "decision_reason": row.reason,
            "decision": DISPOSITIONS.index(row.disposition),
        }
    else:
        names = (name for name in row.__slots__ if name in HISTORY.c)
        told = {name: getattr(row, name) for name in names}
    kept = {name: _kept(name, value) for name, value in told.items()}
    return {**kept, "list_number": number, "entry_id": row.entry_id}


def _kept(name: str, value: Any) -> Any:
    column = HISTORY.c[name]
    if isinstance(column.type, String):
        return fitting(column, value)
    return None if value is None else int(value)


def _write_details(connection: Connection, keyed: Iterable[Keyed]) -> None:
    found: dict[tuple[int, int], dict[str, Any]] = {}
    for number, row in keyed:
        if isinstance(row, Arrived) and (row.results or row.details):
            # JSON is of no use without its end.
            is_short = len(row.details) <= DOCUMENT_LENGTH
            found[number, row.entry_id] = {
                "list_number": number,
                "entry_id": row.entry_id,
                "results": clean(row.results, DOCUMENT_LENGTH),
                "details": clean(row.details, DOCUMENT_LENGTH) if is_short else "",
            }
    if found:
        connection.execute(_put_details(connection.dialect), list(found.values()))
