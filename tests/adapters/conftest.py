"""Database servers, each started when a test first asks for it, and histories."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing

import pytest
from sqlalchemy import delete
from sqlalchemy.engine import URL

from mailman_arc.adapters.store.database import Database
from mailman_arc.adapters.store.engine import sqlite_url
from mailman_arc.adapters.store.history import HistoryStore
from mailman_arc.adapters.store.schema import METADATA
from tests.adapters.histories import NOW
from tests.house.databases import DatabaseServer
from tests.house.servers import SERVERS, empty_database, prepare


@pytest.fixture(scope="session")
def servers() -> Iterator[Callable[[str], DatabaseServer]]:
    """Servers by kind."""
    running: dict[str, DatabaseServer] = {}
    with ExitStack() as stack:

        def get(kind: str) -> DatabaseServer:
            if kind not in running:
                running[kind] = stack.enter_context(prepare(kind))
            return running[kind]

        yield get


@pytest.fixture(scope="module", params=["sqlite", *SERVERS])
def history_url(request, tmp_path_factory, servers) -> URL:
    if request.param == "sqlite":
        return sqlite_url(tmp_path_factory.mktemp("history") / "arc.db")
    return empty_database(servers(request.param).url, "arc_history_test")


@pytest.fixture
def history_database(history_url) -> Iterator[Database]:
    with closing(Database(history_url)) as opened:
        with opened.transaction() as connection:
            for table in METADATA.tables.values():
                connection.execute(delete(table))
        yield opened


@pytest.fixture
def history(history_database) -> HistoryStore:
    """One in each kind of database, empty for each test."""
    return HistoryStore(history_database, lambda: NOW)
