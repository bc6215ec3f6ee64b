"""What it costs to look into a long history, beside an empty one.

`python -m tests.bench.history --database postgresql --rows 10000000` measures
other databases, and longer histories; `python -m tests.bench history` has a
million rows in SQLite.
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

from sqlalchemy import text

from mailman_arc.adapters.store.database import Database
from mailman_arc.adapters.store.engine import make_engine, sqlite_url
from mailman_arc.adapters.store.history import HistoryStore
from mailman_arc.adapters.store.historyrows import (
    RANDOM_BITS,
    Arrived,
    Filters,
    Left,
    first_id_at,
)
from tests.bench.measure import Timing
from tests.bench.peers import Peers
from tests.bench.report import Report, Target, milliseconds, number
from tests.bench.tables import Plan
from tests.house.databases import DatabaseServer
from tests.house.mariadb import MariaDb
from tests.house.postgres import Postgres


NOW = 1_800_000_000
DAYS = 30
LONG, EMPTY = "long.lists.example", "empty.lists.example"
BATCH = 1000
COUNT = 25  # entries on a page
ROUNDS = 5
REQUEST = 0.012  # seconds that Mailman's REST needs for any answer
BOUND = 10

_SERVERS: dict[str, type[DatabaseServer]] = {
    "postgresql": Postgres,
    "mariadb": MariaDb,
}
_WORDS = (
    "minutes", "of", "the", "meeting", "on", "monday", "with", "pictures", "GARDENS",
)  # fmt: skip
_VERDICTS = ("confirmed", "vouched", "unconfirmed", "unchecked")


@dataclass(frozen=True, slots=True)
class Look:
    """Something that a person or a program asks for."""

    name: str
    take: Callable[[HistoryStore, str], object]


def _page(name: str, start: int = 0, **filters: object) -> Look:
    wanted = Filters(**filters)  # type: ignore[arg-type]
    return Look(name, lambda store, where: store.page(where, wanted, start, COUNT))


LOOKS = (
    _page("first page"),
    _page("page 100", start=99 * COUNT),
    _page("last page that is searched", start=59_975),
    _page("a verdict", verdict="unconfirmed"),
    _page("the usual verdict", verdict="confirmed"),
    _page("a domain", author_domain="d7.example"),
    _page("the usual domain", author_domain="d0.example"),
    _page("the usual domain, a rare verdict",
          author_domain="d0.example", verdict="unchecked"),
    _page("a rare domain, the usual verdict",
          author_domain="d900.example", verdict="confirmed"),
    _page("dkim", dkim="fail"),
    _page("spf, none found", spf="neutral"),
    _page("not sealed", sealed=False),
    _page("a week", since=NOW - 14 * 86_400, until=NOW - 7 * 86_400),
    _page("a Message-ID-Hash", message_id_hash="HASH77"),
    _page("words", q="gardens pict"),
    _page("words, none found", q="nowhere to be found"),
    _page("words, none found, not ASCII", q="gärten"),
    Look("count", lambda store, where: store.count(where, Filters())),
    Look("count of a verdict",
         lambda store, where: store.count(where, Filters(verdict="vouched"))),
    Look("numbers of 30 days", lambda store, where: store.stats(where, DAYS, NOW)),
    Look("an entry", lambda store, where: store.entry(where, 1)),
)  # fmt: skip


def history(report: Report, _: Peers, plan: Plan) -> None:
    """A long history in SQLite."""
    rows = plan.history_rows
    with opened("sqlite") as store:
        measure(report, store, f"History of {rows:,} posts, sqlite", rows)


def measure(report: Report, store: HistoryStore, title: str, rows: int) -> None:
    """Write so many rows; look at them, and at none."""
    report.heading(title, ["long", "empty", "ratio", "with request"])
    # SQLite works here, servers elsewhere.
    clock = time.process_time if "sqlite" in title else time.perf_counter
    seconds = _fill(store, rows)
    report.line(f"to write a row: {milliseconds(seconds / rows)}, in two batches")
    started = time.perf_counter()
    days = sum(1 for _ in store.roll_up(NOW))
    if days:
        spent = time.perf_counter() - started
        report.line(f"to count a day: {milliseconds(spent / days)}")
    _analyze(store)
    values = {}
    for look in LOOKS:
        long, empty = (_timed(store, look, where, clock) for where in (LONG, EMPTY))
        whole = (long.least + REQUEST) / (empty.least + REQUEST)
        values[look.name] = whole
        report.row(
            look.name,
            milliseconds(long.least),
            milliseconds(empty.least),
            number(long.least / empty.least),
            number(whole),
        )
    report.target(
        Target("HI1", f"{title}: as a REST request, long / empty", values, BOUND)
    )
    _remove(report, store)


@contextmanager
def opened(kind: str) -> Iterator[HistoryStore]:
    """An empty history."""
    with ExitStack() as stack:
        if kind == "sqlite":
            folder = stack.enter_context(tempfile.TemporaryDirectory())
            url = str(sqlite_url(Path(folder) / "arc.db"))
        else:
            url = stack.enter_context(_SERVERS[kind]()).url
        yield HistoryStore(stack.enter_context(closing(Database(url))))


def _fill(store: HistoryStore, rows: int) -> float:
    """Seconds that it took to write so many rows."""
    chance = random.Random(1)
    seconds = 0.0
    for first in range(0, rows, BATCH):
        batch = [
            _arrived(chance, position, rows)
            for position in range(first, min(first + BATCH, rows))
        ]
        left = [_left(chance, each) for each in batch if chance.random() < 0.95]
        started = time.perf_counter()
        store.write(batch)
        store.write(left)
        seconds += time.perf_counter() - started
    return seconds


def _arrived(chance: random.Random, position: int, rows: int) -> Arrived:
    ago = DAYS * 86_400 * 1000 * (rows - position) // rows
    entry_id = first_id_at(NOW) - (ago << RANDOM_BITS) + chance.getrandbits(10)
    domain = f"d{min(int(chance.paretovariate(0.5)) - 1, 999)}.example"
    (verdict,) = chance.choices(_VERDICTS, (67, 17, 9, 7))
    return Arrived(
        entry_id=entry_id,
        list_id=LONG,
        arrived_at=NOW - ago // 1000,
        message_id_hash=f"HASH{position}",
        message_id=f"<{chance.getrandbits(128):x}@{domain}>",
        author_domain=domain,
        author=f"author{chance.getrandbits(12)}@{domain}",
        subject=" ".join(chance.choices(_WORDS, k=8)),
        verdict=verdict,
        dkim="pass" if chance.random() < 0.9 else "fail",
        spf="pass",
        arc="none",
        dmarc="pass",
        results="dkim=pass header.d=author.example; spf=pass; dmarc=pass",
    )


def _left(chance: random.Random, row: Arrived) -> Left:
    is_sealed = chance.random() < 0.98
    return Left(
        entry_id=row.entry_id,
        list_id=row.list_id,
        left_at=row.arrived_at + 2,
        sealed=is_sealed,
        message_id_hash=row.message_id_hash,
        unsealed="" if is_sealed else "the chain is broken",
        instance=1,
        domain="lists.example",
        selector="arc2026",
        chain_status="none",
        copies=1,
        seals=1,
        recipients=100,
    )


def _analyze(store: HistoryStore) -> None:
    """What a database that lives does by itself; SQLite does not."""
    with store._database.transaction() as connection:
        engine = make_engine(connection.engine.url, patient=True)
    if engine.dialect.name != "sqlite":
        statement = (
            "VACUUM ANALYZE" if engine.dialect.name == "postgresql"
            else "ANALYZE TABLE arc_history"
        )  # fmt: skip
        engine = engine.execution_options(isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(text(statement))
    engine.dispose()


def _timed(
    store: HistoryStore, look: Look, where: str, clock: Callable[[], float]
) -> Timing:
    look.take(store, where)
    rounds = []
    for _ in range(ROUNDS):
        started = clock()
        look.take(store, where)
        rounds.append(clock() - started)
    return Timing(tuple(rounds))


def _remove(report: Report, store: HistoryStore) -> None:
    """The oldest days go in small steps."""
    times = [time.perf_counter()]
    steps = []
    for gone in store.expire(lambda _: DAYS - 2, NOW):
        times.append(time.perf_counter())
        steps.append(gone)
    if steps and steps[-1]:
        longest = max(after - before for before, after in pairwise(times))
        report.line(
            f"to remove a row: {milliseconds((times[-1] - times[0]) / steps[-1])}; "
            f"the longest step, with counting and pause: {milliseconds(longest)}"
        )


def main() -> None:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--database", choices=["sqlite", *_SERVERS], default="sqlite")
    parser.add_argument("--rows", type=int, default=1_000_000)
    chosen = parser.parse_args()
    with opened(chosen.database) as store:
        title = f"History of {chosen.rows:,} posts, {chosen.database}"
        measure(Report(sys.stdout.write), store, title, chosen.rows)


if __name__ == "__main__":
    main()
