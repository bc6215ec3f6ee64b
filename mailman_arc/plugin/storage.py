"""The database of this site, and what is kept there."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import partial
from pathlib import Path

from mailman.config import config
from mailman.utilities.string import expand

from mailman_arc.adapters.store.database import Database
from mailman_arc.adapters.store.engine import sqlite_url
from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.adapters.store.lastknown import LastKnownValues
from mailman_arc.adapters.store.listsettings import ListSettingsStore
from mailman_arc.plugin.seams import undisturbed
from mailman_arc.policy.values import MAILMANS_DATABASE


DATABASE_FILE = "arc.db"

_log = logging.getLogger("mailman.plugins.arc")


class Storage:
    """What is kept.  Nothing is opened before it is first used.

    `database` and `list_settings` raise `StoreError` when they are used.
    """

    def __init__(self, database_url: str, data_dir: Path) -> None:
        """Prepare; `database_url` is that of `arc.cfg`."""
        file = data_dir / DATABASE_FILE
        self.database = Database(_database_url(database_url, file) or sqlite_url(file))
        self.list_settings = ListSettingsStore(self.database)
        self._last_known = LastKnownValues(self.list_settings.values, self._tell)
        self._told = ""

    def values_for_post(self, list_id: str) -> Mapping[str, str]:
        """What a list has of its own, as far as is known; takes no long time.

        Not for use in a step that is done `undisturbed` itself.
        """
        return undisturbed(partial(self._last_known.get, list_id))

    def _tell(self, error: StoreError) -> None:
        if str(error) != self._told:
            self._told = str(error)
            _log.error(
                "settings of lists are as last seen, or those of the site: %s", error
            )


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
