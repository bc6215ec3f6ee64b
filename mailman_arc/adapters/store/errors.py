"""What can go wrong with a database, in sentences."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.engine import URL
from sqlalchemy.exc import DBAPIError, SQLAlchemyError


_SERVER = "see that the server runs, and that database_url in arc.cfg names it rightly"
_FILE = "Mailman's user must be able to read and write the file and its directory"
_DAMAGED = (
    "put a backup in its place, or move it away, together with the files -wal and "
    "-shm beside it: a new one is made, and lists have no settings of their own"
)
_WAYS_OUT_OF_SQLITE = (
    ("not a database", _DAMAGED),
    ("malformed", _DAMAGED),
    ("full", "make room on its disk"),
    ("locked", "another process keeps it busy; try again later"),
    ("disk I/O", "see what the system says about its disk"),
)


class StoreError(Exception):
    """The database cannot be used; the text names it, the reason and the way out."""


def describe(url: URL) -> str:
    """The name of a database, without passwords."""
    if url.get_backend_name() == "sqlite":
        return str(url.database)
    return url.set(query={}).render_as_string(hide_password=True)


@contextmanager
def explained(url: URL, way_out: str = "") -> Iterator[None]:
    """Turn what goes wrong with a database in the block into a `StoreError`."""
    try:
        yield
    except SQLAlchemyError as error:
        problem = error.orig if isinstance(error, DBAPIError) else error
        raise _made(url, problem, way_out) from error
    # Drivers raise these themselves, about values and before they connect.
    except (OSError, ValueError, TypeError, OverflowError, RuntimeError) as error:
        raise _made(url, error, way_out) from error


def _made(url: URL, problem: object, way_out: str) -> StoreError:
    reason = " ".join(str(problem).split())
    return StoreError(
        f"database {describe(url)}: {reason}; {way_out or _way_out(url, reason)}"
    )


def _way_out(url: URL, reason: str) -> str:
    if url.get_backend_name() != "sqlite":
        return _SERVER
    for words, way_out in _WAYS_OUT_OF_SQLITE:
        if words in reason:
            return way_out
    return _FILE
