"""The kinds of database servers, for tests that are done with each."""

from __future__ import annotations

import os
from collections.abc import Callable

import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.engine import URL, make_url

from tests.house import mariadb, postgres
from tests.house.databases import DatabaseServer


SERVERS: dict[str, tuple[type[DatabaseServer], Callable[[], object]]] = {
    "postgresql": (postgres.Postgres, postgres.find_programs),
    "mariadb": (mariadb.MariaDb, mariadb.find_program),
}


def prepare(kind: str) -> DatabaseServer:
    """One that is to be started, if there is one."""
    server, find = SERVERS[kind]
    if find() is None and os.environ.get("CI") != "true":
        pytest.skip(f"needs {kind} and its driver")
    return server()


def empty_database(server_url: str, name: str) -> URL:
    url = make_url(server_url)
    engine = create_engine(url, future=True, isolation_level="AUTOCOMMIT")
    # PostgreSQL waits for nobody: a session that was just closed may linger.
    force = "WITH (FORCE)" if url.get_backend_name() == "postgresql" else ""
    with engine.connect() as connection:
        connection.execute(text(f"DROP DATABASE IF EXISTS {name} {force}"))
        connection.execute(text(f"CREATE DATABASE {name}"))
    engine.dispose()
    return url.set(database=name)
