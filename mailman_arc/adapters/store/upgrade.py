"""Bring the tables up to date, by one process at a time."""

from __future__ import annotations

import os
import zlib
from pathlib import Path
from threading import Lock

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from alembic.util import CommandError
from sqlalchemy import text
from sqlalchemy.engine import Connection, Engine

from mailman_arc.adapters.store.engine import LOCK_TIMEOUT, MYSQL, make_engine
from mailman_arc.adapters.store.errors import StoreError, describe, explained
from mailman_arc.adapters.store.schema import VERSION_TABLE


_DIRECTORY = Path(__file__).with_name("migrations")
_LOCK = "mailman_arc schema"
_BROKEN = (
    "if an upgrade was interrupted before, put a backup in its place, or remove the "
    "tables whose names begin with arc_"
)


# Of the threads of a process: Alembic keeps what it works with in its modules.
_one_at_a_time = Lock()


def _start_anew() -> None:
    global _one_at_a_time  # noqa: PLW0603  # a thread of the parent may have had it
    _one_at_a_time = Lock()


os.register_at_fork(after_in_child=_start_anew)


def upgrade(engine: Engine) -> None:
    """Bring the tables up to date; raises `StoreError`.

    Any number of processes may do so at once.  Where a database can take
    changes of tables back (SQLite, PostgreSQL), a failure leaves what was.
    """
    scripts = ScriptDirectory(str(_DIRECTORY))
    with explained(engine.url), engine.connect() as connection:
        if _is_current(connection, scripts):
            return
    patient = make_engine(engine.url, patient=True)
    try:
        with explained(engine.url), patient.begin() as connection:
            _lock(connection)
            if not _is_current(connection, scripts):
                _migrate(connection)
    finally:
        patient.dispose()  # gives the lock of MariaDB back


def _is_current(connection: Connection, scripts: ScriptDirectory) -> bool:
    """Tell whether there is nothing to do; raises `StoreError` if nothing can be."""
    options = {"version_table": VERSION_TABLE}
    found = MigrationContext.configure(connection, opts=options).get_current_heads()
    known = [each.revision for each in scripts.walk_revisions()]
    if len(found) > 1 or not set(found) <= set(known):
        raise StoreError(
            f"database {describe(connection.engine.url)}: its tables are those of "
            f"another version of mailman_arc ({', '.join(found)}; this one knows "
            f"{', '.join(known)}): install that version, or put a backup in its place"
        )
    return found == (known[0],)


def _migrate(connection: Connection, revision: str = "head") -> None:
    config = Config()
    # A percent sign would have a meaning there.
    location = str(_DIRECTORY).replace("%", "%%")
    config.set_main_option("script_location", location)
    config.attributes["connection"] = connection
    with explained(connection.engine.url, _BROKEN), _one_at_a_time:
        try:
            command.upgrade(config, revision)
        except CommandError as error:
            raise ValueError(str(error)) from error


def _lock(connection: Connection) -> None:
    """Keep other processes from doing the same until the connection is closed."""
    dialect = connection.dialect.name
    if dialect == "sqlite":
        connection.exec_driver_sql("BEGIN IMMEDIATE")
    elif dialect in MYSQL:
        _lock_in_mariadb(connection)
    else:
        connection.execute(text(f"SET LOCAL lock_timeout = '{LOCK_TIMEOUT}s'"))
        key = zlib.crc32(_LOCK.encode())
        connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": key})


def _lock_in_mariadb(connection: Connection) -> None:
    name = text("SELECT GET_LOCK(SHA1(CONCAT(:lock, DATABASE())), :timeout)")
    values = {"lock": _LOCK, "timeout": LOCK_TIMEOUT}
    if connection.execute(name, values).scalar() != 1:
        raise StoreError(
            f"database {describe(connection.engine.url)}: another process is changing "
            "its tables; try again later"
        )
