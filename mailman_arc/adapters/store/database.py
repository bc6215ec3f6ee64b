"""One database, opened and brought up to date when it is first used."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from sqlalchemy.engine import URL, Connection, Engine

from mailman_arc.adapters.store.engine import make_engine, parse_url
from mailman_arc.adapters.store.errors import StoreError, explained
from mailman_arc.adapters.store.upgrade import upgrade


class Database:
    """What the stores share; may be used by many threads, and after a fork."""

    def __init__(self, url: str | URL) -> None:
        self._url = url
        self._engine: Engine | None = None
        self._is_current = False
        self._lock = Lock()

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Connect for a block, and commit at its end.  Raises `StoreError`.

        Nothing but database work belongs into the block.
        """
        engine = self._opened()
        try:
            with explained(engine.url), engine.begin() as connection:
                yield connection
        except StoreError:
            # It may be another database by now.
            self._is_current = False
            engine.dispose()
            raise

    def open(self) -> None:
        """Bring the tables up to date; raises `StoreError`."""
        self._opened()

    def close(self) -> None:
        """Close connections that are kept open."""
        if self._engine is not None:
            self._engine.dispose()

    def _opened(self) -> Engine:
        with self._lock:
            if self._engine is None:
                url = self._url
                self._engine = make_engine(
                    parse_url(url) if isinstance(url, str) else url
                )
            if not self._is_current:
                upgrade(self._engine)
                self._is_current = True
            return self._engine
