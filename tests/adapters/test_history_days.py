"""The numbers of days, and what is removed."""

from __future__ import annotations

from dataclasses import asdict
from datetime import date

import pytest
from sqlalchemy import event

from mailman_arc.adapters.store import historydays, historyexpiry
from mailman_arc.adapters.store.historyrows import Counts, Filters
from tests.adapters.histories import (
    DAY,
    LIST,
    NOW,
    OTHER,
    arrived,
    entry_id,
    left,
)


def write_days(history, days: int = 3, **told) -> None:
    """A post on each of so many days, the last of them today."""
    history.write([arrived(NOW - n * DAY, details="{}", **told) for n in range(days)])


def days_with_posts(history, days: int = 10, now: int = NOW) -> list[int]:
    """The number of posts of each day, today's first."""
    return [
        each.counts.posts for each in reversed(history.stats(LIST, days, now).per_day)
    ]


def kept(history, list_id: str = LIST) -> int:
    return history.count(list_id, Filters()).total


# What is counted


def _write_all_kinds(history) -> None:
    history.write(
        [
            arrived(NOW, 0, verdict="confirmed", author_domain="a.example"),
            left(NOW, 0),
            arrived(NOW, 1, verdict="vouched", author_domain="a.example", arc="pass"),
            left(NOW, 1, sealed=False, unsealed="no key"),
            arrived(NOW, 2, verdict="unconfirmed", author_domain="b.example"),
            arrived(NOW, 3, verdict="unchecked", arc="fail", author_domain="c.example"),
            arrived(NOW, 4),
        ]
    )


ALL_KINDS = Counts(
    posts=5,
    confirmed=1,
    vouched=1,
    unconfirmed=1,
    unchecked=1,
    sealed=1,
    unsealed=1,
    broken_chain=1,
)


@pytest.mark.parametrize("is_counted", [False, True])
def test_posts_are_counted_by_verdict_seal_and_chain(is_counted, history):
    _write_all_kinds(history)
    if is_counted:
        assert list(history.roll_up(NOW + DAY)) == [1]

    stats = history.stats(LIST, 2, NOW + DAY)

    assert [each.day for each in stats.per_day] == [
        date(2027, 1, 15),
        date(2027, 1, 16),
    ]
    assert [each.counts for each in stats.per_day] == [ALL_KINDS, Counts()]
    assert stats.totals == ALL_KINDS
    # The most problems, the most posts, the first in the alphabet; the rest no domain.
    assert [each.author_domain for each in stats.domains] == [
        "b.example",
        "c.example",
        "a.example",
    ]
    assert stats.domains[-1].counts == Counts(
        posts=2, confirmed=1, vouched=1, sealed=1, unsealed=1
    )
    assert (stats.last_arrived_at, stats.last_sealed_at) == (NOW, NOW + 1)
    assert [asdict(each) for each in history.metrics(NOW + DAY)] == [
        {"list_id": LIST, "counts": asdict(ALL_KINDS)}
    ]


def test_days_end_at_midnight_of_utc(history):
    midnight = NOW - NOW % DAY
    history.write([arrived(midnight), arrived(midnight - 1)])

    assert days_with_posts(history, 2) == [1, 1]


def test_only_the_days_that_are_asked_for_count(history):
    write_days(history, 5)
    list(history.roll_up(NOW))

    assert history.stats(LIST, 3, NOW).totals.posts == 3
    assert days_with_posts(history, 365)[:6] == [1, 1, 1, 1, 1, 0]


def test_days_that_were_not_counted_yet_are_counted_from_the_rows(history):
    write_days(history, 3)
    list(history.roll_up(NOW - DAY))

    assert days_with_posts(history, 5) == [1, 1, 1, 0, 0]


def test_what_changes_within_a_week_is_counted_anew(history):
    write_days(history, 10)
    list(history.roll_up(NOW))
    history.write([arrived(NOW - n * DAY, 1) for n in range(10)])
    list(history.roll_up(NOW))

    assert days_with_posts(history) == [2] * 8 + [1] * 2


def test_days_without_the_nightly_work_are_made_up_for(history):
    write_days(history, 3)
    list(history.roll_up(NOW))
    later = NOW + 30 * DAY
    history.write([arrived(NOW + DAY)])

    assert days_with_posts(history, 33, later)[-4:] == [1, 1, 1, 1]
    list(history.roll_up(later))
    assert days_with_posts(history, 33, later)[-4:] == [1, 1, 1, 1]
    assert list(history.expire(lambda _: 0, later))[-1] == 4
    assert days_with_posts(history, 33, later)[-4:] == [1, 1, 1, 1]


def test_a_day_has_few_domains_by_name(history, monkeypatch):
    monkeypatch.setattr(historydays, "MAX_DOMAINS_A_DAY", 2)
    for n in range(5):
        verdict = "unconfirmed" if n < 2 else "confirmed"
        row = arrived(NOW, n, author_domain=f"d{n}.example", verdict=verdict)
        history.write([row])

    list(history.roll_up(NOW + DAY))
    stats = history.stats(LIST, 2, NOW + DAY)

    assert [each.author_domain for each in stats.domains] == [
        "d0.example",
        "d1.example",
    ]
    assert stats.totals.posts == 5


def test_there_are_at_most_so_many_domains_told(history, monkeypatch):
    monkeypatch.setattr(historydays, "MAX_DOMAINS_TOLD", 2)
    for n in range(4):
        history.write([arrived(NOW, n, author_domain=f"d{n}.example")])

    assert len(history.stats(LIST, 1, NOW).domains) == 2


def test_each_list_is_counted_alone(history):
    write_days(history, 2)
    write_days(history, 3, list_id=OTHER)
    list(history.roll_up(NOW))

    counts = {each.list_id: each.counts.posts for each in history.metrics(NOW)}

    assert counts == {LIST: 2, OTHER: 3}


def test_many_lists_are_counted_with_few_statements(
    history, history_database, monkeypatch
):
    monkeypatch.setattr(historydays, "LISTS_AT_ONCE", 3)
    write_days(history, 2)
    list(history.roll_up(NOW))
    others = [f"{name}.lists.example" for name in "cdefghi"]
    history.write([arrived(list_id=each) for each in (*others, LIST)])
    statements = []

    with history_database.transaction() as connection:
        engine = connection.engine
    event.listen(engine, "after_execute", lambda *told: statements.append(told))
    counts = {each.list_id: each.counts.posts for each in history.metrics(NOW)}

    assert counts == dict.fromkeys(others, 1) | {LIST: 2}
    assert len(statements) == 2 + 1 + 3  # names, days; the one list, the seven


# What is removed


def test_one_entry_is_removed_with_its_details(history):
    write_days(history, 2)

    assert history.delete(LIST, entry_id(NOW))
    assert not history.delete(LIST, entry_id(NOW))

    assert history.entry(LIST, entry_id(NOW)) is None
    assert kept(history) == 1


def test_an_entry_is_removed_only_by_its_own_list(history):
    write_days(history, 1)
    write_days(history, 1, list_id=OTHER)

    assert history.delete(OTHER, entry_id(NOW))
    assert not history.delete(OTHER, entry_id(NOW))

    assert history.entry(LIST, entry_id(NOW)).details == "{}"


def test_the_whole_history_is_removed_with_the_numbers(history):
    write_days(history, 3)
    write_days(history, 1, list_id=OTHER)
    list(history.roll_up(NOW))

    assert list(history.purge(LIST)) == [3]

    assert kept(history) == 0
    assert history.stats(LIST, 10, NOW).totals == Counts()
    assert kept(history, OTHER) == 1


def test_what_is_older_is_removed_and_stays_counted(history):
    write_days(history, 5)

    assert list(history.purge(LIST, before=NOW - 2 * DAY)) == [2]

    assert kept(history) == 3
    assert days_with_posts(history) == [1, 1, 1, 1, 1, 0, 0, 0, 0, 0]


def test_a_day_that_is_removed_in_part_stays_counted(history):
    write_days(history, 5)
    history.write([arrived(NOW - 2 * DAY, 1)])

    assert list(history.purge(LIST, before=NOW - 2 * DAY + 1)) == [4]
    list(history.roll_up(NOW))

    assert days_with_posts(history, 5) == [1, 1, 2, 1, 1]


def test_what_comes_after_a_removal_is_counted(history):
    write_days(history, 2)
    later = NOW + 3 * DAY

    assert list(history.purge(LIST, before=NOW + 1_000_000 * DAY)) == [2]
    history.write([arrived(NOW + 1), arrived(NOW + DAY)])

    assert days_with_posts(history, 2) == [1, 1]
    list(history.roll_up(later))
    assert days_with_posts(history, 5, later) == [0, 0, 1, 1, 1]


def test_posts_that_were_counted_stay_so_when_their_entries_are_removed(history):
    write_days(history, 12, author="ann@a.example")
    history.write([arrived(NOW - n * DAY, 1) for n in range(12)])
    list(history.roll_up(NOW))

    list(history.purge(LIST, author="ann@a.example"))
    list(history.roll_up(NOW))
    list(history.expire(lambda _: 2, NOW))

    assert days_with_posts(history, 12) == [1] + [2] * 11


def test_what_an_author_wrote_is_removed_in_any_case(history):
    write_days(history, 2, author="Ann@a.example")
    write_days(history, 1, author="bob@b.example", list_id=LIST)
    history.write([arrived(NOW, 7, author="ANN@A.EXAMPLE")])
    history.write([arrived(NOW, 8, author="joann@a.example")])
    history.write([arrived(NOW, 9, author="ann@a.example", list_id=OTHER)])

    assert list(history.purge(LIST, author="ann@a.example"))[-1] == 2

    assert kept(history) == 2
    assert kept(history, OTHER) == 1


def test_much_is_removed_in_steps(history, monkeypatch):
    monkeypatch.setattr(historyexpiry, "STEP", 2)
    write_days(history, 5, author="ann@a.example")

    assert list(history.purge(LIST, author="ann@a.example")) == [2, 4, 5]


def test_old_posts_expire_by_whole_days_and_stay_counted(history):
    write_days(history, 5, author_domain="a.example", verdict="unconfirmed")
    write_days(history, 5, list_id=OTHER)
    list(history.roll_up(NOW))
    days = {LIST: 2, OTHER: 30}

    assert list(history.expire(days.__getitem__, NOW)) == [2, 2]

    assert kept(history) == 3
    assert kept(history, OTHER) == 5
    stats = history.stats(LIST, 10, NOW)
    assert stats.totals.unconfirmed == 5
    assert [each.counts.posts for each in stats.domains] == [3]


def test_what_left_late_is_counted_before_it_expires(history):
    write_days(history, 20)
    list(history.roll_up(NOW))
    history.write([left(NOW - n * DAY) for n in range(20)])

    list(history.expire(lambda _: 5, NOW))
    list(history.roll_up(NOW))

    assert history.stats(LIST, 20, NOW).totals.sealed == 20


def test_days_that_have_expired_are_not_counted_anew(history):
    write_days(history, 5)
    list(history.expire(lambda _: 1, NOW))

    list(history.roll_up(NOW))
    history.write([left(NOW - 4 * DAY), arrived(NOW - 4 * DAY)])
    list(history.roll_up(NOW))
    list(history.expire(lambda _: 1, NOW))

    assert days_with_posts(history, 5) == [1] * 5
    assert kept(history) == 2


def test_a_domain_is_not_told_after_its_day_even_if_all_rows_were_removed(history):
    write_days(history, 9, author_domain="a.example")
    list(history.roll_up(NOW))
    history.delete(LIST, entry_id(NOW - 8 * DAY))

    list(history.expire(lambda _: 7, NOW))
    stats = history.stats(LIST, 10, NOW)

    assert stats.totals.posts == 9
    assert [each.counts.posts for each in stats.domains] == [8]


def test_a_forgotten_list_is_gone_at_once_and_its_posts_in_the_night(history):
    write_days(history, 3)
    list(history.roll_up(NOW))

    history.forget(LIST)
    history.forget(OTHER)

    assert kept(history) == 0
    assert history.metrics(NOW) == ()
    write_days(history, 1)
    assert list(history.expire(lambda _: 30, NOW))[-1] == 3
    assert list(history.expire(lambda _: 30, NOW))[-1] == 0
    assert days_with_posts(history) == [1] + [0] * 9
