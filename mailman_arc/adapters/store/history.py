"""The history of posts: what happened to each, and how many there were."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

from sqlalchemy.exc import OperationalError

from mailman_arc.adapters.store import historydays, historyexpiry, historyread
from mailman_arc.adapters.store.database import Database
from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.adapters.store.historyrows import (
    Entry,
    Filters,
    FoundPage,
    ListCounts,
    Row,
    Stats,
)
from mailman_arc.adapters.store.historywrite import write_rows


class HistoryStore:
    """The tables `arc_history…`; every method raises `StoreError`."""

    def __init__(
        self, database: Database, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._clock = clock

    # Writing

    def write(self, batch: Sequence[Row]) -> Sequence[StoreError]:
        """Write rows; what was wrong with those that no database takes, if any.

        Raises `StoreError` when none was written.
        """
        try:
            self._write(batch)
        except StoreError as error:
            if len(batch) < 2 or isinstance(error.__cause__, OperationalError):
                raise
            return self._write_each(batch)
        return ()

    def _write_each(self, batch: Sequence[Row]) -> Sequence[StoreError]:
        problems = []
        for row in batch:
            try:
                self._write([row])
            except StoreError as error:
                problems.append(error)
        if len(problems) == len(batch):
            raise problems[-1]
        return tuple(problems)

    def _write(self, batch: Sequence[Row]) -> None:
        with self._database.transaction() as connection:
            write_rows(connection, batch)

    # Reading

    def page(self, list_id: str, filters: Filters, start: int, count: int) -> FoundPage:
        """Entries, the newest first, from the one with the index `start`."""
        with self._database.transaction() as connection:
            return historyread.find(connection, list_id, filters, start, count)

    def count(self, list_id: str, filters: Filters) -> FoundPage:
        """How many entries there are, and none of them."""
        return self.page(list_id, filters, 0, 0)

    def entry(self, list_id: str, entry_id: int) -> Entry | None:
        """One entry with its details."""
        with self._database.transaction() as connection:
            return historyread.find_entry(connection, list_id, entry_id)

    def scan(
        self, list_id: str, filters: Filters, chunk: int = 1000
    ) -> Iterator[Entry]:
        """All entries with their details, the newest first, read bit by bit."""
        return historyread.scan(self._database.transaction, list_id, filters, chunk)

    # Numbers

    def stats(self, list_id: str, days: int, now: int) -> Stats:
        """How many posts there were in so many days, the last of them today."""
        with self._database.transaction() as connection:
            return historydays.stats(connection, list_id, days, now)

    def metrics(self, now: int) -> Sequence[ListCounts]:
        """All posts of each list that were counted or are there to be counted."""
        return historydays.metrics(self._database.transaction, now)

    def roll_up(self, now: int) -> Iterator[int]:
        """Count the days that are over; says how many so far."""
        return historydays.roll_up(self._database.transaction, now)

    # Removing

    def delete(self, list_id: str, entry_id: int) -> bool:
        """Remove an entry; tell whether there was one."""
        with self._database.transaction() as connection:
            return historyexpiry.delete_entry(connection, list_id, entry_id)

    def purge(
        self, list_id: str, before: int | None = None, author: str | None = None
    ) -> Iterator[int]:
        """Remove entries of before this second, of this author; says how many so far.

        Days that are counted stay so, unless all entries are removed.
        """
        return historyexpiry.purge(
            self._database.transaction, list_id, before, author, int(self._clock())
        )

    def expire(self, keep_days: Callable[[str], int], now: int) -> Iterator[int]:
        """Remove what is older than so many whole days; says how many so far.

        The days are counted once more before, and domains not told apart any more.
        """
        return historyexpiry.expire(self._database.transaction, keep_days, now)

    def forget(self, list_id: str) -> None:
        """Show nothing of a list any more; the next `expire` removes it."""
        with self._database.transaction() as connection:
            historyexpiry.forget(connection, list_id)
