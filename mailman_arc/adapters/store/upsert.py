"""Insert rows, or change those that have their keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from sqlalchemy import Table
from sqlalchemy.dialects import mysql, postgresql, sqlite
from sqlalchemy.sql.dml import Insert

from mailman_arc.adapters.store.engine import MYSQL


# From the columns of the new row: what to set, by name, in this order.
Changes = Callable[[Any], list[tuple[str, Any]]]


def upsert(
    dialect: str, table: Table, changes: Changes, key: Iterable[str] = ()
) -> Insert:
    """Insert; where there is a row with this key, or the primary one, change it."""
    if dialect in MYSQL:
        replacing = mysql.insert(table)
        return replacing.on_duplicate_key_update(changes(replacing.inserted))
    insert = postgresql.insert if dialect == "postgresql" else sqlite.insert
    inserting = insert(table)
    return inserting.on_conflict_do_update(
        index_elements=list(key) or [column.name for column in table.primary_key],
        set_=dict(changes(inserting.excluded)),
    )


def overwriting(*names: str) -> Changes:
    """Take these columns from the new row."""
    return lambda new: [(name, new[name]) for name in names]
