"""The tables.

A change here needs a revision in `migrations/versions`; a test compares.  The
names begin with `arc_`, because the database may be Mailman's own.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, DateTime, MetaData, String, Table, Text


VERSION_TABLE = "arc_alembic_version"

# 64 characters, a dot, 255 characters (RFC 5321 §4.5.3.1).  Together with a name
# these are 1536 octets in MariaDB, where the key of an index has at most 3072.
LIST_ID_LENGTH = 320
NAME_LENGTH = 64

# Names are equal when their octets are, also in MariaDB.
_MYSQL = {"engine": "InnoDB", "charset": "utf8mb4", "collate": "utf8mb4_bin"}
TABLE_OPTIONS: dict[str, Any] = {
    f"{backend}_{name}": value
    for backend in ("mysql", "mariadb")
    for name, value in _MYSQL.items()
}

METADATA = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

LIST_SETTING = Table(
    "arc_list_setting",
    METADATA,
    Column("list_id", String(LIST_ID_LENGTH), primary_key=True),
    Column("name", String(NAME_LENGTH), primary_key=True),
    Column("value", Text, nullable=False),
    Column("changed_at", DateTime, nullable=False),  # UTC
    **TABLE_OPTIONS,
)
