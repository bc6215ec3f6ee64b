"""How many posts there were each day: counted at night, or from the rows."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import date, timedelta
from itertools import chain, groupby
from operator import attrgetter
from typing import Any, NamedTuple

from sqlalchemy import (
    and_,
    case,
    delete,
    func,
    insert,
    literal,
    literal_column,
    select,
    update,
)
from sqlalchemy.engine import Connection
from sqlalchemy.sql.expression import ColumnElement, Select

from mailman_arc.adapters.store.engine import MYSQL
from mailman_arc.adapters.store.historyread import (
    IS_SEEN,
    SEARCH_WINDOW,
    Connect,
    list_number,
    nth_entry,
)
from mailman_arc.adapters.store.historyrows import (
    RANDOM_BITS,
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
LISTS_AT_ONCE = 200

_ROW = HISTORY.c
_DAY = HISTORY_DAY.c
_LIST = HISTORY_LIST.c
_EPOCH = date(1970, 1, 1)
BROKEN = "fail"  # what `arc` says of such a chain
_VERDICTS = ("confirmed", "vouched", "unconfirmed", "unchecked")
_NUMBERS_OF_DAY = (_DAY.posts, _DAY.sealed, _DAY.unsealed, _DAY.broken_chain)
_SUMS = tuple(func.sum(each) for each in _NUMBERS_OF_DAY)


class Tally(NamedTuple):
    """Posts of a domain with one verdict."""

    day: int
    author_domain: str
    verdict: str
    posts: int
    sealed: int
    unsealed: int
    broken_chain: int


Groups = dict[Any, list[Tally]]
_by_day = attrgetter("day")
_by_domain = attrgetter("author_domain")


def day_of(seconds: int) -> int:
    """The day of UTC, since 1970."""
    return seconds // SECONDS_A_DAY


def stats(connection: Connection, list_id: str, days: int, now: int) -> Stats:
    """How many posts there were in so many days, the last of them today."""
    until = day_of(now) + 1
    since = until - days
    by_day: Groups = {}
    by_domain: Groups = {}
    last_times: tuple[int | None, int | None] = (None, None)
    number = list_number(connection, list_id)
    if number is not None:
        middle = min(max(_counted_until(connection, number), since), until)
        closed = and_(_of_list(number), _DAY.day >= since, _DAY.day < middle)
        rows = _count_rows(connection, number, middle, until)
        per_day = select(_DAY.day, literal(""), _DAY.verdict, *_SUMS)
        per_day = per_day.where(closed).group_by(_DAY.day, _DAY.verdict)
        by_day = _grouped(chain(_tallies(connection, per_day), rows), _by_day)
        per_domain = select(literal(0), _DAY.author_domain, _DAY.verdict, *_SUMS)
        per_domain = per_domain.where(closed).group_by(_DAY.author_domain, _DAY.verdict)
        by_domain = _grouped(chain(_tallies(connection, per_domain), rows), _by_domain)
        last_times = _last_times(connection, number)
    return Stats(
        per_day=tuple(
            DayCounts(_EPOCH + timedelta(day), _counts(by_day.get(day, ())))
            for day in range(since, until)
        ),
        domains=tuple(
            DomainCounts(domain, _counts(by_domain[domain]))
            for domain in _worst(by_domain)[:MAX_DOMAINS_TOLD]
        ),
        totals=_counts(chain.from_iterable(by_day.values())),
        last_arrived_at=last_times[0],
        last_sealed_at=last_times[1],
    )


def metrics(connect: Connect, now: int) -> Sequence[ListCounts]:
    """All posts of each list that were ever counted, and those of open days."""
    with connect() as connection:
        lists = connection.execute(
            select(HISTORY_LIST).where(_LIST.list_id.is_not(None))
        ).all()
        # The number of the list stands where the day is elsewhere.
        sums = select(_DAY.list_number, literal(""), _DAY.verdict, *_SUMS)
        sums = sums.group_by(_DAY.list_number, _DAY.verdict)
        found = _grouped(_tallies(connection, sums), _by_day)
    # Some in one statement, or it would take seconds for thousands of lists.
    by_day = attrgetter("counted_until")
    for since, alike in groupby(sorted(lists, key=by_day), by_day):
        numbers = [each.number for each in alike]
        for first in range(0, len(numbers), LISTS_AT_ONCE):
            some = _ROW.list_number.in_(numbers[first : first + LISTS_AT_ONCE])
            wanted = _numbers_of_rows(_ROW.list_number, literal(""))
            wanted = wanted.where(some, _is_in_time(since, day_of(now) + 1))
            wanted = wanted.group_by(_ROW.list_number, _ROW.verdict)
            with connect() as connection:
                for tally in _tallies(connection, wanted):
                    found[tally.day].append(tally)
    return tuple(
        ListCounts(each.list_id, _counts(found.get(each.number, ()))) for each in lists
    )


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
        if each.counted_until < today:
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

    For good means that its domains are not told apart any more.  Posts that were
    counted stay so when their rows were removed.
    """
    counted_before = _stored_tallies(connection, number, day)
    tallies = _fewer_domains(_count_rows(connection, number, day, day + 1))
    if _posts(tallies) < _posts(counted_before):
        tallies = counted_before
    if for_good:
        one_domain = (each._replace(author_domain="") for each in tallies)
        tallies = _fewer_domains(one_domain)
    elif set(tallies) == set(counted_before):
        return  # most nights nothing has changed, and to write takes longer
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
        _put_day(connection, number, day, tallies)


def first_day(connection: Connection, number: int) -> int | None:
    """The day of the oldest row of a list."""
    oldest = select(func.min(_ROW.entry_id)).where(_ROW.list_number == number)
    entry_id = connection.execute(oldest).scalar()
    return None if entry_id is None else day_of(seconds_of(entry_id))


def _stored_tallies(connection: Connection, number: int, day: int) -> list[Tally]:
    wanted = select(_DAY.day, _DAY.author_domain, _DAY.verdict, *_NUMBERS_OF_DAY)
    return _tallies(connection, wanted.where(_of_list(number), _DAY.day == day))


def _posts(tallies: Iterable[Tally]) -> int:
    return sum(each.posts for each in tallies)


def _put_day(
    connection: Connection, number: int, day: int, tallies: Iterable[Tally]
) -> None:
    connection.execute(delete(HISTORY_DAY).where(_of_list(number), _DAY.day == day))
    rows = [{**each._asdict(), "list_number": number} for each in tallies]
    if rows:
        connection.execute(insert(HISTORY_DAY), rows)


def _counted_until(connection: Connection, number: int) -> int:
    wanted = select(_LIST.counted_until).where(_LIST.number == number)
    return connection.execute(wanted).scalar() or 0


def _count_rows(
    connection: Connection, number: int, since: int, until: int
) -> list[Tally]:
    """What stands in the rows of these days, the last not included."""
    day = _day_of_row(connection.dialect.name)
    wanted = _numbers_of_rows(day, _ROW.author_domain)
    wanted = wanted.where(_ROW.list_number == number, _is_in_time(since, until))
    return _tallies(connection, wanted.group_by(day, _ROW.author_domain, _ROW.verdict))


def _numbers_of_rows(day: Any, domain: Any) -> Select[Any]:
    """The columns of a `Tally`, from rows."""
    return select(
        day,
        domain,
        _ROW.verdict,
        func.count(),
        _number_of(_ROW.sealed == 1),
        _number_of(_ROW.sealed == 0),
        _number_of(_ROW.arc == BROKEN),
    ).where(IS_SEEN)


def _is_in_time(since: int, until: int) -> ColumnElement[bool]:
    return and_(
        _ROW.entry_id >= first_id_at(since * SECONDS_A_DAY),
        _ROW.entry_id < first_id_at(until * SECONDS_A_DAY),
    )


def _day_of_row(dialect: str) -> ColumnElement[int]:
    divided = "DIV" if dialect in MYSQL else "/"
    # No parameters: PostgreSQL would not see that it is the same when grouping.
    milliseconds = _ROW.entry_id.op(">>")(literal_column(str(RANDOM_BITS)))
    return milliseconds.op(divided)(literal_column(str(SECONDS_A_DAY * 1000)))


def _number_of(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.sum(case((condition, 1), else_=0))


def _tallies(connection: Connection, wanted: Select[Any]) -> list[Tally]:
    return [
        # What MariaDB adds up are decimal fractions.
        Tally(day, domain, verdict, *map(int, numbers))
        for day, domain, verdict, *numbers in connection.execute(wanted)
    ]


def _fewer_domains(tallies: Iterable[Tally]) -> list[Tally]:
    """The domains with the most problems by name, and all others as one."""
    by_domain = _grouped(tallies, _by_domain)
    named = set(_worst(by_domain)[:MAX_DOMAINS_A_DAY])
    found: dict[tuple[int, str, str], Tally] = {}
    for each in chain.from_iterable(by_domain.values()):
        domain = each.author_domain if each.author_domain in named else ""
        key = (each.day, domain, each.verdict)
        was = found.get(key, Tally(*key, 0, 0, 0, 0))
        numbers = (one + other for one, other in zip(was[3:], each[3:], strict=True))
        found[key] = Tally(*key, *numbers)
    return list(found.values())


def _grouped(tallies: Iterable[Tally], group: Callable[[Tally], Any]) -> Groups:
    found: Groups = defaultdict(list)
    for each in tallies:
        found[group(each)].append(each)
    return found


def _worst(by_domain: Groups) -> list[str]:
    """Domains, those with the most problems first."""

    def rank(domain: str) -> tuple[int, int, str]:
        counts = _counts(by_domain[domain])
        return -counts.unconfirmed - counts.broken_chain, -counts.posts, domain

    return sorted((domain for domain in by_domain if domain), key=rank)


def _counts(tallies: Iterable[Tally]) -> Counts:
    numbers: dict[str, int] = defaultdict(int)
    for each in tallies:
        numbers["posts"] += each.posts
        numbers["sealed"] += each.sealed
        numbers["unsealed"] += each.unsealed
        numbers["broken_chain"] += each.broken_chain
        if each.verdict in _VERDICTS:
            numbers[each.verdict] += each.posts
    return Counts(**numbers)


def _of_list(number: int) -> ColumnElement[bool]:
    return _DAY.list_number == number


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
