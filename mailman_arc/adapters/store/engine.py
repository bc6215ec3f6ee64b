"""Connections to the database: SQLite, PostgreSQL, MariaDB.

A server that is gone delays nobody for long: connecting, waiting for an answer
and waiting for a lock all have limits.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any
from weakref import WeakSet

from sqlalchemy import create_engine, event
from sqlalchemy.engine import URL, Engine, make_url
from sqlalchemy.exc import ArgumentError, DisconnectionError
from sqlalchemy.pool import QueuePool

from mailman_arc.adapters.store.errors import StoreError, describe
from mailman_arc.adapters.store.sqlitefile import make_file


CONNECT_TIMEOUT = 3  # seconds
ANSWER_TIMEOUT = 10  # seconds
MIGRATION_TIMEOUT = 3600  # seconds; a statement may rewrite millions of rows
LOCK_TIMEOUT = 10  # seconds, until a process has done what others wait for

MYSQL = ("mysql", "mariadb")  # one kind of database, two names in URLs

_PROBE = {"keepalives_idle": 5, "keepalives_interval": 2, "keepalives_count": 3}

# A connection must not be used by two processes.
_engines: WeakSet[Engine] = WeakSet()


def sqlite_url(path: Path) -> URL:
    """The URL of a database in a file."""
    return URL.create("sqlite", database=str(path))


def parse_url(text: str) -> URL:
    """Read a URL; raises `StoreError`."""
    try:
        return make_url(text)
    except (ArgumentError, ValueError):
        # Whatever of it were shown here could be a password.
        raise StoreError(
            "database_url in arc.cfg cannot be read; it should be like "
            "postgresql+psycopg2://user:password@host/name, with %xx for characters "
            "of the password that have a meaning in URLs"
        ) from None


def make_engine(url: URL, *, patient: bool = False) -> Engine:
    """Prepare connections; none is made before it is used.  Raises `StoreError`.

    With `patient`, statements may take as long as migrations do.
    """
    timeout = MIGRATION_TIMEOUT if patient else ANSWER_TIMEOUT
    backend = url.get_backend_name()
    if backend == "sqlite":
        return _sqlite_engine(url)
    try:
        driver = url.get_dialect().driver
        make_arguments = _ARGUMENTS[driver]
        engine = create_engine(
            url,
            future=True,
            hide_parameters=True,
            connect_args=make_arguments(timeout),
            # In MariaDB, the default lets writers of different rows wait for
            # each other.
            isolation_level="READ COMMITTED",
            # As a rule a process does one thing at a time.
            pool_size=1,
            pool_pre_ping=True,
        )
    except (ImportError, ArgumentError, KeyError) as error:
        raise StoreError(
            f"database {describe(url)}: there is no driver {url.drivername!r}; have "
            "psycopg2 or PyMySQL installed, and database_url begin with "
            "postgresql+psycopg2:// or mysql+pymysql://"
        ) from error
    if backend == "postgresql":
        event.listen(engine, "connect", _limiting(timeout))
    _engines.add(engine)
    return engine


def _sqlite_engine(url: URL) -> Engine:
    path = Path(url.database or "")
    if not path.is_absolute():
        raise StoreError(
            f"database {path}: name the file by its full path, as in "
            "sqlite:////var/lib/mailman3/data/arc.db"
        )
    engine = create_engine(
        url,
        future=True,
        hide_parameters=True,
        poolclass=QueuePool,
        # To open the file takes longer than to read from it; and who closes it
        # last writes to the disk what was changed.
        pool_size=1,
        connect_args={
            "timeout": LOCK_TIMEOUT,
            # A transaction that begins by reading may find it too late to write.
            "isolation_level": "IMMEDIATE",
            "check_same_thread": False,
        },
    )

    def make(*_: object) -> None:
        make_file(path)

    def remember_file(_: object, record: Any) -> None:
        record.info["file"] = _identity(path)

    def compare_file(_: object, record: Any, __: object) -> None:
        if record.info["file"] != _identity(path):
            raise DisconnectionError("another file has its name now")

    event.listen(engine, "do_connect", make)
    event.listen(engine, "connect", remember_file)
    event.listen(engine, "connect", _set_up_sqlite)
    event.listen(engine, "checkout", compare_file)
    _engines.add(engine)
    return engine


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = path.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _set_up_sqlite(connection: Any, _: object) -> None:
    connection.execute("PRAGMA foreign_keys=ON")
    # With WAL, this can lose the last changes when the power fails, no more.
    connection.execute("PRAGMA synchronous=NORMAL")


def _limiting(timeout: int) -> Callable[[Any, object], None]:
    def limit(connection: Any, _: object) -> None:
        # Not as an option of the connection, which PgBouncer would refuse.
        with connection.cursor() as cursor:
            cursor.execute(f"SET statement_timeout = {timeout * 1000}")
        connection.commit()

    return limit


def _for_libpq(timeout: int) -> dict[str, object]:
    return {
        "connect_timeout": CONNECT_TIMEOUT,
        "tcp_user_timeout": timeout * 1000,
        **_PROBE,
    }


def _for_mysql(timeout: int) -> dict[str, object]:
    return {
        "connect_timeout": CONNECT_TIMEOUT,
        "read_timeout": timeout,
        "write_timeout": timeout,
        "charset": "utf8mb4",
    }


_ARGUMENTS = {
    "psycopg2": _for_libpq,
    "psycopg": _for_libpq,
    "pymysql": _for_mysql,
    "mysqldb": _for_mysql,
}


def _leave_connections_to_parent() -> None:
    for engine in _engines:
        engine.dispose(close=False)


os.register_at_fork(after_in_child=_leave_connections_to_parent)
