"""The tables.

A change here needs a revision in `migrations/versions`; a test compares.  The
names begin with `arc_`, because the database may be Mailman's own.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    DateTime,
    Index,
    Integer,
    MetaData,
    SmallInteger,
    String,
    Table,
    Text,
)
from sqlalchemy.dialects import mysql


VERSION_TABLE = "arc_alembic_version"

# 64 characters, a dot, 255 characters (RFC 5321 §4.5.3.1).  Together with a name
# these are 1536 octets in MariaDB, where the key of an index has at most 3072.
LIST_ID_LENGTH = 320
NAME_LENGTH = 64

WORD_LENGTH = 32  # of a result and the like
DOMAIN_LENGTH = 255  # RFC 1035 §2.3.4
ADDRESS_LENGTH = 320
SENTENCE_LENGTH = 500  # also of what posts say of themselves
DOCUMENT_LENGTH = 256 * 1024  # characters

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


def _long_text() -> Text:
    # What is called TEXT in MariaDB has 64 KiB.
    return (
        Text()
        .with_variant(mysql.MEDIUMTEXT(), "mysql")
        .with_variant(mysql.MEDIUMTEXT(), "mariadb")
    )


def _string(name: str, length: int = WORD_LENGTH) -> Column[str]:
    return Column(name, String(length), nullable=False, default="")


# Lists have numbers, so that indices stay small.
HISTORY_LIST = Table(
    "arc_history_list",
    METADATA,
    Column("number", Integer, primary_key=True),
    # Forgotten lists have none; what was kept of their posts goes in the night.
    Column("list_id", String(LIST_ID_LENGTH), unique=True),
    # Days since 1970, of UTC.  Those before are counted; and before this, for good.
    Column("counted_until", Integer, nullable=False, default=0),
    Column("expired_until", Integer, nullable=False, default=0),
    **TABLE_OPTIONS,
)

HISTORY = Table(
    "arc_history",
    METADATA,
    Column("list_number", Integer, primary_key=True, autoincrement=False),
    Column("entry_id", BigInteger, primary_key=True, autoincrement=False),
    # None until the post is known to have arrived: nobody sees such a row.
    Column("arrived_at", BigInteger),
    _string("message_id_hash", NAME_LENGTH),
    _string("message_id", SENTENCE_LENGTH),
    _string("author_domain", DOMAIN_LENGTH),
    _string("author", ADDRESS_LENGTH),
    _string("subject", SENTENCE_LENGTH),
    _string("verdict"),
    _string("dkim"),
    _string("spf"),
    _string("arc"),
    _string("dmarc"),
    Column("decision", SmallInteger, nullable=False, default=0),
    _string("decision_reason", SENTENCE_LENGTH),
    Column("left_at", BigInteger),  # None: it has not left
    Column("sealed", SmallInteger),
    _string("unsealed", SENTENCE_LENGTH),
    Column("instance", Integer),
    _string("domain", DOMAIN_LENGTH),
    _string("selector", DOMAIN_LENGTH),
    _string("chain_status"),
    Column("copies", BigInteger, nullable=False, default=0),
    Column("seals", BigInteger, nullable=False, default=0),
    Column("recipients", BigInteger, nullable=False, default=0),
    _string("remarks", SENTENCE_LENGTH),
    Index(None, "list_number", "verdict", "entry_id"),
    Index(None, "list_number", "author_domain", "entry_id"),
    Index(None, "list_number", "message_id_hash", "entry_id"),
    **TABLE_OPTIONS,
)

# What only the page of one entry shows.
HISTORY_DETAIL = Table(
    "arc_history_detail",
    METADATA,
    Column("list_number", Integer, primary_key=True, autoincrement=False),
    Column("entry_id", BigInteger, primary_key=True, autoincrement=False),
    Column("results", _long_text(), nullable=False),
    Column("details", _long_text(), nullable=False),
    **TABLE_OPTIONS,
)

# How many posts a day had, by domain ("" are all the others) and verdict.
HISTORY_DAY = Table(
    "arc_history_day",
    METADATA,
    Column("list_number", Integer, primary_key=True, autoincrement=False),
    Column("day", Integer, primary_key=True, autoincrement=False),  # since 1970
    Column("author_domain", String(DOMAIN_LENGTH), primary_key=True),
    Column("verdict", String(WORD_LENGTH), primary_key=True),
    Column("posts", Integer, nullable=False),
    Column("sealed", Integer, nullable=False),
    Column("unsealed", Integer, nullable=False),
    Column("broken_chain", Integer, nullable=False),
    **TABLE_OPTIONS,
)
