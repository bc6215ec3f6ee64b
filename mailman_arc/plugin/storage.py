"""The database of this site, and what is kept there."""

from __future__ import annotations

import _thread
import logging
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path

from mailman.config import config
from mailman.interfaces.runner import RunnerInterrupt
from mailman.utilities.string import expand

from mailman_arc.adapters.store.database import Database
from mailman_arc.adapters.store.engine import sqlite_url
from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.adapters.store.history import HistoryStore
from mailman_arc.adapters.store.lastknown import LastKnownValues
from mailman_arc.adapters.store.listsettings import ListSettingsStore
from mailman_arc.policy.values import MAILMANS_DATABASE


DATABASE_FILE = "arc.db"
WAIT = 15.0  # seconds; no post waits longer for a database, even one that hangs

Values = Mapping[str, str]

_log = logging.getLogger("mailman.plugins.arc")


class Storage:
    """What is kept.  Nothing is opened before it is first used.

    `database`, `list_settings` and `history` raise `StoreError` when they are used.
    """

    def __init__(self, database_url: str, data_dir: Path) -> None:
        """Prepare; `database_url` is that of `arc.cfg`."""
        file = data_dir / DATABASE_FILE
        self.database = Database(_database_url(database_url, file) or sqlite_url(file))
        self.list_settings = ListSettingsStore(self.database)
        self.history = HistoryStore(self.database)
        self._last_known = LastKnownValues(
            BoundedReader(self.list_settings.values), self._tell
        )
        self._told = ""

    def values_for_post(self, list_id: str) -> Values:
        """What a list has of its own, as far as is known; takes no long time."""
        return self._last_known.get(list_id)

    def _tell(self, error: StoreError) -> None:
        if str(error) != self._told:
            self._told = str(error)
            _log.error(
                "settings of lists are as last seen, or those of the site: %s", error
            )


class BoundedReader:
    """Reads in another thread, which signals do not reach, and not for ever.

    The limits of drivers are about connections and statements; a server that
    hangs keeps some waiting all the same.
    """

    def __init__(self, read: Callable[[str], Values], seconds: float = WAIT) -> None:
        self._read = read
        self._seconds = seconds
        self._last: Future[Values] | None = None

    def __call__(self, list_id: str) -> Values:
        """Read; raises `StoreError`, also when that takes too long."""
        # One that waits is enough.
        if self._last is not None and not self._last.done():
            raise StoreError("the database does not answer")
        future: Future[Values] = Future()
        # `Thread.start` waits, and would be cut short by a signal.
        _thread.start_new_thread(self._work, (list_id, future))
        self._last = future
        deadline = time.monotonic() + self._seconds
        while not future.done() and (left := deadline - time.monotonic()) > 0:
            with suppress(RunnerInterrupt, TimeoutError):
                future.exception(left)
        if not future.done():
            raise StoreError("the database does not answer")
        return future.result()

    def _work(self, list_id: str, future: Future[Values]) -> None:
        try:
            future.set_result(self._read(list_id))
        except Exception as error:  # noqa: BLE001  # goes to who waits
            future.set_exception(error)


def _database_url(database_url: str, file: Path) -> str:
    """The database that is meant; empty for the file."""
    if database_url != MAILMANS_DATABASE:
        return database_url
    mailmans = str(expand(config.database.url, None, config.paths))
    if not mailmans.startswith("sqlite"):
        return mailmans
    # Mailman keeps it locked while it handles a post.
    _log.error(
        "database_url: Mailman's own database is SQLite, which cannot be shared; "
        "using %s instead",
        file,
    )
    return ""
