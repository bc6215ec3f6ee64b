"""How many posts there were each day: counted at night, or from the rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import date, timedelta
from itertools import chain
from typing import Any, NamedTuple

from sqlalchemy import and_, case, delete, func, insert, select, update
from sqlalchemy.engine import Connection
from sqlalchemy.sql import ColumnElement

from mailman_arc.adapters.store.historyread import (
    IS_SEEN,
    SEARCH_WINDOW,
    Connect,
    list_number,
    nth_entry,
)
from mailman_arc.adapters.store.historyrows import (
    Counts,
    DayCounts,
    DomainCounts,
    ListCounts,
    Stats,
    first_id_at,
    seconds_of,
)
from mailman_arc.adapters.store.schema import HISTORY, HISTORY_DAY, HISTORY_LIST


SECONDS_A_DAY = 86_400
# Posts that were held, and deliveries tried again, change days that are over.
RECOUNTED_DAYS = 7
MAX_DOMAINS_A_DAY = 200  # with the most problems; the others are one
MAX_DOMAINS_TOLD = 20

_ROW = HISTORY.c
_DAY = HISTORY_DAY.c
_LIST = HISTORY_LIST.c
_EPOCH = date(1970, 1, 1)
BROKEN = "fail"  # what `arc` says of such a chain
_VERDICTS = ("confirmed", "vouched", "unconfirmed", "unchecked")
_NUMBERS = ("posts", "sealed", "unsealed", "broken_chain")


class Tally(NamedTuple):
    """Posts of a domain with one verdict."""

    author_domain: str
    verdict: str
    posts: int
    sealed: int
    unsealed: int
    broken_chain: int


ByDay = dict[int, list[Tally]]


def day_of(seconds: int) -> int:
    """The day of UTC, since 1970."""
    return seconds // SECONDS_A_DAY


def stats(connection: Connection, list_id: str, days: int, now: int) -> Stats:
    """How many posts there were in so many days, the last of them today."""
    until = day_of(now) + 1
    since = until - days
    number = list_number(connection, list_id)
    by_day: ByDay = {}
    last_times: tuple[int | None, int | None] = (None, None)
    if number is not None:
        by_day = _tallies(connection, number, since, until)
        last_times = _last_times(connection, number)
    everything = list(chain.from_iterable(by_day.values()))
    by_domain = _by_domain(everything)
    return Stats(
        per_day=tuple(
            DayCounts(_EPOCH + timedelta(day), _counts(by_day.get(day, ())))
            for day in range(since, until)
        ),
        domains=tuple(
            DomainCounts(domain, _counts(by_domain[domain]))
            for domain in _worst(by_domain)[:MAX_DOMAINS_TOLD]
        ),
        totals=_counts(everything),
        last_arrived_at=last_times[0],
        last_sealed_at=last_times[1],
    )


def metrics(connect: Connect, now: int) -> Sequence[ListCounts]:
    """All posts of each list that were ever counted, and those of open days."""
    with connect() as connection:
        lists = connection.execute(select(HISTORY_LIST)).all()
        sums = [func.sum(_DAY[name]).label(name) for name in _NUMBERS]
        wanted = select(_DAY.list_number, _DAY.verdict, *sums)
        counted: dict[int, list[Tally]] = defaultdict(list)
        for row in connection.execute(wanted.group_by(_DAY.list_number, _DAY.verdict)):
            counted[row.list_number].append(_tally(row))
    told = []
    for each in lists:
        if each.list_id is None:
            continue
        with connect() as connection:
            open_days = _count_rows(
                connection, each.number, each.counted_until, day_of(now) + 1
            )
        tallies = chain(counted[each.number], *open_days.values())
        told.append(ListCounts(each.list_id, _counts(tallies)))
    return tuple(told)


def roll_up(connect: Connect, now: int) -> Iterator[int]:
    """Count the days that are over; says how many so far."""
    today = day_of(now)
    done = 0
    with connect() as connection:
        lists = connection.execute(
            select(HISTORY_LIST).where(_LIST.list_id.is_not(None))
        ).all()
    for each in lists:
        with connect() as connection:
            first = first_day(connection, each.number)
        since = max(first or today, min(each.counted_until, today - RECOUNTED_DAYS))
        for day in range(since, today):
            with connect() as connection:
                count_day(connection, each.number, day)
            done += 1
            yield done
        with connect() as connection:
            connection.execute(
                update(HISTORY_LIST)
                .where(_LIST.number == each.number, _LIST.counted_until < today)
                .values(counted_until=today)
            )


def count_day(
    connection: Connection, number: int, day: int, *, for_good: bool = False
) -> None:
    """Count a day of a list, unless that was done for good.

    For good means that its domains are not told apart any more.
    """
    tallies = _count_rows(connection, number, day, day + 1).get(day, [])
    if for_good:
        tallies = tallies or _counted(connection, number, day, day + 1).get(day, [])
        tallies = _merged(each._replace(author_domain="") for each in tallies)
    counted = case((_LIST.counted_until > day, _LIST.counted_until), else_=day + 1)
    # Who counts the same day at the same time has to wait here.
    mark = (
        update(HISTORY_LIST)
        .where(_LIST.number == number, _LIST.expired_until <= day)
        .values(
            counted_until=counted,
            expired_until=day + 1 if for_good else _LIST.expired_until,
        )
    )
    if connection.execute(mark).rowcount:
        _put_day(connection, number, day, _fewer_domains(tallies))


def first_day(connection: Connection, number: int) -> int | None:
    """The day of the oldest row of a list."""
    oldest = select(func.min(_ROW.entry_id)).where(_ROW.list_number == number)
    entry_id = connection.execute(oldest).scalar()
    return None if entry_id is None else day_of(seconds_of(entry_id))


def _put_day(
    connection: Connection, number: int, day: int, tallies: Iterable[Tally]
) -> None:
    connection.execute(
        delete(HISTORY_DAY).where(_DAY.list_number == number, _DAY.day == day)
    )
    rows = [{**each._asdict(), "list_number": number, "day": day} for each in tallies]
    if rows:
        connection.execute(insert(HISTORY_DAY), rows)


def _tallies(connection: Connection, number: int, since: int, until: int) -> ByDay:
    """Of each day of these, the last not included."""
    wanted = select(_LIST.counted_until).where(_LIST.number == number)
    middle = min(max(connection.execute(wanted).scalar() or 0, since), until)
    return {
        **_counted(connection, number, since, middle),
        **_count_rows(connection, number, middle, until),
    }


def _counted(connection: Connection, number: int, since: int, until: int) -> ByDay:
    found: ByDay = defaultdict(list)
    wanted = select(HISTORY_DAY).where(
        _DAY.list_number == number, _DAY.day >= since, _DAY.day < until
    )
    for row in connection.execute(wanted):
        found[row.day].append(_tally(row))
    return found


def _count_rows(connection: Connection, number: int, since: int, until: int) -> ByDay:
    first = first_day(connection, number)
    if first is None:
        return {}
    found = {}
    for day in range(max(first, since), until):
        wanted = (
            select(
                _ROW.author_domain,
                _ROW.verdict,
                func.count().label("posts"),
                _number_of(_ROW.sealed == 1).label("sealed"),
                _number_of(_ROW.sealed == 0).label("unsealed"),
                _number_of(_ROW.arc == BROKEN).label("broken_chain"),
            )
            .where(_of_day(number, day), IS_SEEN)
            .group_by(_ROW.author_domain, _ROW.verdict)
        )
        found[day] = [_tally(row) for row in connection.execute(wanted)]
    return found


def _number_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _of_day(number: int, day: int) -> ColumnElement[bool]:
    return and_(
        _ROW.list_number == number,
        _ROW.entry_id >= first_id_at(day * SECONDS_A_DAY),
        _ROW.entry_id < first_id_at((day + 1) * SECONDS_A_DAY),
    )


def _tally(row: Any) -> Tally:
    # What MariaDB adds up are decimal fractions.
    numbers = (int(getattr(row, name)) for name in _NUMBERS)
    return Tally(getattr(row, "author_domain", ""), row.verdict, *numbers)


def _fewer_domains(tallies: Iterable[Tally]) -> list[Tally]:
    """The domains with the most problems by name, and all others as one."""
    by_domain = _by_domain(tallies)
    named = set(_worst(by_domain)[:MAX_DOMAINS_A_DAY])
    return _merged(
        each if domain in named else each._replace(author_domain="")
        for domain, some in by_domain.items()
        for each in some
    )


def _merged(tallies: Iterable[Tally]) -> list[Tally]:
    found: dict[tuple[str, str], Tally] = {}
    for each in tallies:
        key = each[:2]
        was = found.get(key, Tally(*key, 0, 0, 0, 0))
        numbers = (one + other for one, other in zip(was[2:], each[2:], strict=True))
        found[key] = Tally(*key, *numbers)
    return list(found.values())


def _by_domain(tallies: Iterable[Tally]) -> dict[str, list[Tally]]:
    found: dict[str, list[Tally]] = defaultdict(list)
    for each in tallies:
        found[each.author_domain].append(each)
    return found


def _worst(by_domain: Mapping[str, Iterable[Tally]]) -> list[str]:
    """Domains, those with the most problems first."""

    def rank(domain: str) -> tuple[int, int, str]:
        counts = _counts(by_domain[domain])
        return -counts.unconfirmed - counts.broken_chain, -counts.posts, domain

    return sorted((domain for domain in by_domain if domain), key=rank)


def _counts(tallies: Iterable[Tally]) -> Counts:
    numbers = dict.fromkeys((*_NUMBERS, *_VERDICTS), 0)
    for each in tallies:
        for name in _NUMBERS:
            numbers[name] += getattr(each, name)
        if each.verdict in _VERDICTS:
            numbers[each.verdict] += each.posts
    return Counts(**numbers)


def _last_times(connection: Connection, number: int) -> tuple[int | None, int | None]:
    """When a post arrived last, and when one left sealed."""
    way: ColumnElement[bool] = _ROW.list_number == number
    beyond = nth_entry(connection, way, SEARCH_WINDOW)
    if beyond is not None:
        way = and_(way, _ROW.entry_id > beyond)

    def last(column: Any, condition: ColumnElement[bool]) -> int | None:
        wanted = select(column).where(way, condition).order_by(_ROW.entry_id.desc())
        return connection.execute(wanted.limit(1)).scalar()

    return last(_ROW.arrived_at, IS_SEEN), last(_ROW.left_at, _ROW.sealed == 1)
