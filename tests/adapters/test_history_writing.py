"""What is written into the history, in any order and by many at once."""

from __future__ import annotations

import multiprocessing
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from mailman_arc.adapters.store.database import Database
from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.adapters.store.history import HistoryStore
from mailman_arc.adapters.store.historyrows import (
    DISCARDED,
    HELD,
    MAX_ENTRY_ID,
    REJECTED,
    Entry,
    Filters,
    Row,
)
from tests.adapters.histories import (
    LIST,
    NOW,
    OTHER,
    arrived,
    decided,
    entry_id,
    left,
)


WRITERS = 4
MEGABYTE = 1024 * 1024

WHOLE = arrived(
    message_id_hash="HASH",
    message_id="<1@author.example>",
    author_domain="author.example",
    author="ann@author.example",
    subject="Gr\xfc\xdfe \U0001f511",
    verdict="confirmed",
    dkim="pass",
    spf="fail",
    arc="none",
    dmarc="pass",
    results="spf=fail; dkim=pass",
    details='{"summary": "fine"}',
)
LEFT = left(
    message_id_hash="HASH",
    instance=2,
    domain="lists.example",
    selector="arc",
    chain_status="pass",
    copies=3,
    seals=1,
    recipients=100,
    remarks="said so",
)


def entries(history: HistoryStore, list_id: str = LIST) -> Sequence[Entry]:
    return history.page(list_id, Filters(), 0, 100).entries


def test_a_post_is_read_as_it_was_written(history):
    history.write([WHOLE, LEFT])

    assert history.entry(LIST, WHOLE.entry_id) == Entry(
        entry_id=WHOLE.entry_id,
        list_id=LIST,
        arrived_at=NOW,
        message_id_hash="HASH",
        message_id="<1@author.example>",
        author_domain="author.example",
        author="ann@author.example",
        subject="Gr\xfc\xdfe \U0001f511",
        verdict="confirmed",
        dkim="pass",
        spf="fail",
        arc="none",
        dmarc="pass",
        disposition="posted",
        disposition_reason="",
        left_at=NOW + 1,
        sealed=True,
        unsealed="",
        instance=2,
        domain="lists.example",
        selector="arc",
        chain_status="pass",
        copies=3,
        seals=1,
        recipients=100,
        remarks="said so",
        results="spf=fail; dkim=pass",
        details='{"summary": "fine"}',
    )


def test_pages_have_no_details(history):
    history.write([WHOLE])

    [entry] = entries(history)

    assert (entry.results, entry.details) == ("", "")
    assert replace(
        entry, results=WHOLE.results, details=WHOLE.details
    ) == history.entry(LIST, WHOLE.entry_id)


def test_a_post_that_only_arrived_has_neither_left_nor_a_seal(history):
    history.write([arrived()])

    [entry] = entries(history)

    assert (entry.disposition, entry.left_at, entry.sealed) == ("arrived", None, None)


def test_one_post_to_two_lists_is_two_entries(history):
    history.write([arrived(subject="one"), arrived(subject="other", list_id=OTHER)])

    assert [each.subject for each in entries(history)] == ["one"]
    assert [each.subject for each in entries(history, OTHER)] == ["other"]
    assert history.entry(OTHER, entry_id()).subject == "other"


def test_copies_that_leave_at_several_times_add_up(history):
    history.write([arrived(), LEFT])
    history.write([replace(LEFT, left_at=NOW + 60, copies=1, seals=0, recipients=5)])
    history.write([LEFT, LEFT])

    [entry] = entries(history)

    assert (entry.copies, entry.seals, entry.recipients) == (10, 3, 305)
    assert entry.left_at == NOW + 60


def test_a_post_is_sealed_only_when_all_its_copies_are(history):
    history.write([arrived(), LEFT])
    history.write([left(sealed=False, unsealed="no key")])
    history.write([LEFT])

    [entry] = entries(history)

    assert (entry.sealed, entry.unsealed) == (False, "no key")
    assert entry.instance == 2


@pytest.mark.parametrize("disposition", [HELD, REJECTED, DISCARDED])
def test_what_mailman_decided_is_told_with_the_reason(disposition, history):
    history.write([arrived(), decided(disposition, "a reason")])

    [entry] = entries(history)

    assert (entry.disposition, entry.disposition_reason) == (disposition, "a reason")


def test_a_held_post_that_has_left_keeps_the_reason(history):
    history.write([arrived(), decided(HELD, "moderated"), LEFT])

    [entry] = entries(history)

    assert (entry.disposition, entry.disposition_reason) == ("posted", "moderated")


def test_a_later_decision_replaces_the_reason_of_the_earlier(history):
    history.write([arrived(), decided(REJECTED, "by a person"), decided(HELD, "zzz")])

    [entry] = entries(history)

    assert (entry.disposition, entry.disposition_reason) == ("rejected", "by a person")


_TEXTS = st.sampled_from(["", "a", "a ", "B", "b", "\xe4", "z\0", "\U0001f511"])
_LEFT = st.builds(
    left,
    left_at=st.integers(NOW, NOW + 3),
    sealed=st.booleans(),
    message_id_hash=st.just("HASH"),
    unsealed=_TEXTS,
    instance=st.none() | st.integers(1, 3),
    domain=_TEXTS,
    selector=_TEXTS,
    chain_status=_TEXTS,
    copies=st.integers(0, 9),
    recipients=st.integers(0, 9),
    remarks=_TEXTS,
)
_DECIDED = st.builds(
    decided, st.sampled_from([HELD, REJECTED, DISCARDED]), reason=_TEXTS
)


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(others=st.lists(_LEFT | _DECIDED, max_size=4), data=st.data())
def test_the_order_of_writing_does_not_matter(others, data, history):
    rows: list[Row] = [WHOLE, *others]
    history.write(rows)
    before = history.entry(LIST, WHOLE.entry_id)
    history.delete(LIST, WHOLE.entry_id)

    for row in data.draw(st.permutations(rows)):
        history.write([row])
    one_by_one = history.entry(LIST, WHOLE.entry_id)
    history.delete(LIST, WHOLE.entry_id)
    history.write(data.draw(st.permutations(rows)))

    assert before == one_by_one == history.entry(LIST, WHOLE.entry_id)
    history.delete(LIST, WHOLE.entry_id)


# What is not known to have arrived


def test_a_row_is_seen_when_the_post_is_known_to_have_arrived(history):
    history.write([LEFT, decided(HELD)])

    assert history.page(LIST, Filters(), 0, 10).total == 0
    assert history.entry(LIST, LEFT.entry_id) is None
    assert list(history.scan(LIST, Filters())) == []
    assert history.stats(LIST, 1, NOW).totals.posts == 0
    assert not history.delete(LIST, LEFT.entry_id)

    history.write([WHOLE])

    assert history.entry(LIST, LEFT.entry_id).copies == LEFT.copies


def test_a_post_that_leaves_after_it_was_purged_does_not_come_back(history):
    history.write([WHOLE])
    assert list(history.purge(LIST)) == [1]

    history.write([LEFT])

    assert entries(history) == ()


# Values of any kind


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        ("a\0b", "a\ufffdb"),
        ("a\ud800b\udc80", "a?b?"),
        ("\U0001f511 \xfc%s'\"\\", "\U0001f511 \xfc%s'\"\\"),
        ("x" * MEGABYTE, "x" * 500),
        ("\U0001f511" * MEGABYTE, "\U0001f511" * 500),
        ("end \r\n ", "end \r\n"),
    ],
    ids=["NUL", "surrogates", "odd", "long", "long and wide", "spaces"],
)
def test_any_text_is_kept_as_far_as_it_can_be(text, kept, history):
    names = ("message_id", "subject", "author", "author_domain", "verdict", "dkim")
    history.write([arrived(**dict.fromkeys(names, text), results=text)])
    history.write([decided(HELD, text), left(unsealed=text, remarks=text, domain=text)])

    entry = history.entry(LIST, entry_id())

    assert entry.subject == entry.message_id == entry.unsealed == entry.remarks == kept
    assert kept.startswith(entry.dkim)
    assert kept.startswith(entry.author_domain)
    assert entry.results[:500] == kept


def test_a_list_id_of_any_text_has_a_history(history):
    odd = "\0\ud800" + "x" * 1000
    history.write([arrived(list_id=odd)])

    assert history.count(odd, Filters()).total == 1


def test_details_are_kept_whole_or_not_at_all(history):
    fitting = '{"hops": "' + "\U0001f511" * 64_000 + '"}'
    history.write(
        [arrived(details=fitting), arrived(number=1, details=fitting * 20, results="a")]
    )

    assert history.entry(LIST, entry_id()).details == fitting
    assert history.entry(LIST, entry_id(number=1)).details == ""
    assert history.entry(LIST, entry_id(number=1)).results == "a"


def test_a_row_that_no_database_takes_does_not_cost_the_others(history):
    bad = [
        arrived(entry_id=MAX_ENTRY_ID + 1),
        arrived(number=1, arrived_at="soon"),
        decided("no such thing"),
    ]

    problems = history.write([arrived(), *bad, arrived(number=2)])

    assert len(problems) == len(bad)
    assert all(isinstance(each, StoreError) for each in problems)
    assert [each.entry_id for each in entries(history)] == [
        entry_id(number=2),
        entry_id(),
    ]


def test_a_batch_of_bad_rows_only_is_an_error(history):
    with pytest.raises(StoreError):
        history.write([arrived(entry_id=MAX_ENTRY_ID + 1)])
    with pytest.raises(StoreError):
        history.write([arrived(entry_id=MAX_ENTRY_ID + 1)] * 2)


def test_nothing_to_write_is_fine(history):
    assert history.write([]) == ()


def test_an_id_that_no_entry_can_have_is_not_there(history):
    history.write([arrived()])

    for impossible in (-1, 0, MAX_ENTRY_ID + 1, 10**30):
        assert history.entry(LIST, impossible) is None
        assert not history.delete(LIST, impossible)


# Many at once


def _in_processes(work: Any, count: int) -> None:
    forking = multiprocessing.get_context("fork")
    together = forking.Barrier(count)

    def wait_and_work(number: int) -> None:
        together.wait()
        work(number)

    children = [forking.Process(target=wait_and_work, args=(n,)) for n in range(count)]
    for child in children:
        child.start()
    for child in children:
        child.join()
    assert [child.exitcode for child in children] == [0] * count


def test_many_write_the_same_rows_at_once_and_nothing_is_lost(history, history_url):
    def work(number: int) -> None:
        mine = HistoryStore(Database(history_url))
        for turn in range(10):
            rows: list[Row] = [left(number=n, copies=1) for n in range(50)]
            if turn == number:
                rows += [arrived(number=n) for n in range(50)]
            # None of them in the order of another.
            assert mine.write(rows[number * 7 :] + rows[: number * 7]) == ()

    _in_processes(work, WRITERS)

    assert {each.copies for each in entries(history)} == {WRITERS * 10}
    assert history.count(LIST, Filters()).total == 50


def test_rows_may_be_removed_while_others_write_them(history, history_url):
    def work(number: int) -> None:
        mine = HistoryStore(Database(history_url))
        for _ in range(5):
            if number % 2:
                list(mine.purge(LIST))
            else:
                rows = [(arrived(number=n), left(number=n)) for n in range(30)]
                mine.write([row for pair in rows for row in pair])

    _in_processes(work, WRITERS)

    list(history.purge(LIST))
    assert history.count(LIST, Filters()).total == 0


def test_new_lists_get_their_numbers_once(history, history_url):
    def work(number: int) -> None:
        mine = HistoryStore(Database(history_url))
        for turn in range(10):
            row = arrived(number=number, list_id=f"list{turn}")
            mine.write([row, replace(row, list_id=f"list{turn + 1}")])

    _in_processes(work, WRITERS)

    assert history.count("list5", Filters()).total == WRITERS
