"""Settings that lists have of their own, as texts by name."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

from sqlalchemy import delete, select

from mailman_arc.adapters.store.database import Database
from mailman_arc.adapters.store.schema import LIST_SETTING
from mailman_arc.adapters.store.upsert import overwriting, upsert


_COLUMNS = LIST_SETTING.c


class ListSettingsStore:
    """The table `arc_list_setting`; every method raises `StoreError`."""

    def __init__(
        self, database: Database, clock: Callable[[], float] = time.time
    ) -> None:
        self._database = database
        self._clock = clock

    def values(self, list_id: str) -> dict[str, str]:
        """What a list has of its own."""
        wanted = select(_COLUMNS.name, _COLUMNS.value).where(
            _COLUMNS.list_id == list_id
        )
        with self._database.transaction() as connection:
            return {row.name: row.value for row in connection.execute(wanted)}

    def all(self) -> dict[str, dict[str, str]]:
        """What each list has that has anything of its own."""
        found: dict[str, dict[str, str]] = {}
        wanted = select(_COLUMNS.list_id, _COLUMNS.name, _COLUMNS.value)
        with self._database.transaction() as connection:
            for row in connection.execute(wanted):
                found.setdefault(row.list_id, {})[row.name] = row.value
        return found

    def change(self, list_id: str, changes: Mapping[str, str | None]) -> None:
        """Set values, all or none of them; with None a list inherits again."""
        now = datetime.fromtimestamp(int(self._clock()), UTC).replace(tzinfo=None)
        with self._database.transaction() as connection:
            put = upsert(
                connection.dialect.name,
                LIST_SETTING,
                overwriting("value", "changed_at"),
            )
            # In the same order always, or two that do so at once could each
            # wait for the other.
            for name, value in sorted(changes.items()):
                if value is None:
                    connection.execute(
                        delete(LIST_SETTING).where(
                            _COLUMNS.list_id == list_id, _COLUMNS.name == name
                        )
                    )
                else:
                    row = {
                        "list_id": list_id,
                        "name": name,
                        "value": value,
                        "changed_at": now,
                    }
                    connection.execute(put, row)

    def forget(self, list_id: str) -> None:
        """Remove all that a list has."""
        with self._database.transaction() as connection:
            connection.execute(delete(LIST_SETTING).where(_COLUMNS.list_id == list_id))
