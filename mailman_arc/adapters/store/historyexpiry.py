"""Removing from the history, in small steps, with as long a pause after each."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from sqlalchemy import and_, delete, func, select, true, update
from sqlalchemy.engine import Connection

from mailman_arc.adapters.store.historydays import (
    SECONDS_A_DAY,
    count_day,
    day_of,
    first_day,
)
from mailman_arc.adapters.store.historyread import (
    IS_SEEN,
    Condition,
    Connect,
    list_number,
    steps,
)
from mailman_arc.adapters.store.historyrows import MAX_ENTRY_ID, first_id_at
from mailman_arc.adapters.store.historywrite import fitting
from mailman_arc.adapters.store.schema import (
    HISTORY,
    HISTORY_DAY,
    HISTORY_DETAIL,
    HISTORY_LIST,
)


STEP = 1000  # rows that one transaction removes, or looks at for that

_ROW = HISTORY.c
_DAY = HISTORY_DAY.c
_LIST = HISTORY_LIST.c


def delete_entry(connection: Connection, list_id: str, entry_id: int) -> bool:
    """Remove an entry; tell whether there was one."""
    number = list_number(connection, list_id)
    if number is None or not 0 < entry_id <= MAX_ENTRY_ID:
        return False
    return _delete_rows(connection, number, _ROW.entry_id == entry_id, IS_SEEN) > 0


def purge(
    connect: Connect, list_id: str, before: int | None, author: str | None, now: int
) -> Iterator[int]:
    """Remove entries of before this second, of this author; says how many so far."""
    with connect() as connection:
        number = list_number(connection, list_id)
    if number is None:
        return
    if before is not None and author is None:
        # Of today, and of what is to come, more will have to be counted.
        _count_for_good(connect, number, min(day_of(before - 1) + 1, day_of(now)))
    yield from _delete_in_steps(
        connect,
        number,
        true() if before is None else _ROW.entry_id < first_id_at(before),
        true() if author is None else _is_of(author),
    )
    if before is None and author is None:
        with connect() as connection:
            _delete_days(connection, number)


def expire(
    connect: Connect, keep_days: Callable[[str], int], now: int
) -> Iterator[int]:
    """Remove what is older than so many days; says how many rows so far."""
    done = 0
    with connect() as connection:
        wanted = select(_LIST.number, _LIST.list_id).order_by(_LIST.number)
        lists = connection.execute(wanted).all()
    for number, list_id in lists:
        if list_id is None:
            going = _delete_in_steps(connect, number, true(), true())
        else:
            until = day_of(now) - keep_days(list_id)
            _count_for_good(connect, number, until)
            old = _ROW.entry_id < first_id_at(until * SECONDS_A_DAY)
            going = _delete_in_steps(connect, number, old, true())
        gone = 0
        for gone in going:
            yield done + gone
        done += gone
        if list_id is None:
            with connect() as connection:
                _delete_days(connection, number)
                connection.execute(delete(HISTORY_LIST).where(_LIST.number == number))


def forget(connection: Connection, list_id: str) -> None:
    """Take the name from a list; the next `expire` removes the rest."""
    number = list_number(connection, list_id)
    connection.execute(
        update(HISTORY_LIST).where(_LIST.number == number).values(list_id=None)
    )


def _count_for_good(connect: Connect, number: int, until: int) -> None:
    """Count the days before this one for the last time."""
    with connect() as connection:
        wanted = select(_LIST.expired_until).where(_LIST.number == number)
        since = connection.execute(wanted).scalar() or 0
        counted = select(func.min(_DAY.day)).where(
            _DAY.list_number == number, _DAY.day >= since
        )
        found = (
            first_day(connection, number),
            connection.execute(counted).scalar(),
        )
    first = min((each for each in found if each is not None), default=until)
    for day in range(max(first, since), until):
        with connect() as connection:
            count_day(connection, number, day, for_good=True)


def _delete_in_steps(
    connect: Connect, number: int, way: Condition, rest: Condition
) -> Iterator[int]:
    gone, spent = 0, 0.0
    for step in steps(connect, and_(_ROW.list_number == number, way), STEP):
        # SQLite has no queue: others must find the file free now and then.
        time.sleep(spent)
        began = time.monotonic()
        with connect() as connection:
            gone += _delete_rows(connection, number, step, rest)
        spent = time.monotonic() - began
        yield gone


def _delete_rows(connection: Connection, number: int, *conditions: Condition) -> int:
    # Locked in the order in which rows are written.
    wanted = (
        select(_ROW.entry_id)
        .where(_ROW.list_number == number, *conditions)
        .order_by(_ROW.entry_id)
        .with_for_update()
    )
    found = connection.execute(wanted).scalars().all()
    for table in (HISTORY, HISTORY_DETAIL) if found else ():
        key: Any = table.c
        connection.execute(
            delete(table).where(key.list_number == number, key.entry_id.in_(found))
        )
    return len(found)


def _delete_days(connection: Connection, number: int) -> None:
    connection.execute(delete(HISTORY_DAY).where(_DAY.list_number == number))


def _is_of(author: str) -> Condition:
    # Both by the database, which may know just the letters of ASCII.
    return func.lower(_ROW.author) == func.lower(fitting(_ROW.author, author))
