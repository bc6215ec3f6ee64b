"""What is found in the history."""

from __future__ import annotations

import pytest

from mailman_arc.adapters.store import historyread
from mailman_arc.adapters.store.historyrows import DISPOSITIONS, HELD, Filters
from tests.adapters.histories import (
    DAY,
    LIST,
    NOW,
    OTHER,
    arrived,
    decided,
    entry_id,
    left,
)


def found(history, **filters) -> list[str]:
    page = history.page(LIST, Filters(**filters), 0, 100)
    assert (
        page.total == len(page.entries) == history.count(LIST, Filters(**filters)).total
    )
    assert [each.entry_id for each in page.entries] == [
        each.entry_id for each in history.scan(LIST, Filters(**filters), chunk=1)
    ]
    return [each.subject for each in page.entries]


def test_a_list_of_which_nothing_was_kept_has_an_empty_history(history):
    assert found(history) == []
    assert history.entry(LIST, entry_id()) is None
    assert list(history.purge(LIST)) == []
    assert history.stats(LIST, 7, NOW).totals.posts == 0


def test_the_newest_stands_first_on_pages(history):
    history.write([arrived(NOW + n, subject=f"{n}") for n in (3, 1, 0, 4, 2)])

    pages = [history.page(LIST, Filters(), start, 2) for start in (0, 2, 4, 6)]

    assert [[each.subject for each in page.entries] for page in pages] == [
        ["4", "3"],
        ["2", "1"],
        ["0"],
        [],
    ]
    assert {page.total for page in pages} == {5}
    assert all(page.is_complete for page in pages)


def test_a_list_has_its_own_posts(history):
    history.write([arrived(subject="a"), arrived(list_id=OTHER, subject="b")])

    assert found(history) == ["a"]


def _write_some(history) -> None:
    history.write(
        [
            arrived(NOW, subject="one", verdict="confirmed", author_domain="a.example",
                    dkim="pass", spf="pass", dmarc="pass", arc="none",
                    author="Ann@a.example", message_id="<1_%@a.example>"),
            left(NOW),
            arrived(NOW + 1, subject="two", verdict="unconfirmed",
                    author_domain="a.example", dkim="fail", spf="none", dmarc="fail",
                    arc="fail", message_id_hash="HASH"),
            left(NOW + 1, sealed=False, unsealed="no key"),
            arrived(NOW + 2, subject="thrEE \xc4rger", verdict="confirmed",
                    author_domain="b.example", author="bob@b.example"),
            decided(HELD, entry_id=entry_id(NOW + 2)),
            arrived(NOW + 3, subject="four"),
        ]
    )  # fmt: skip


@pytest.mark.parametrize(
    ("filters", "subjects"),
    [
        ({"verdict": "confirmed"}, "three one"),
        ({"verdict": ""}, "four"),
        ({"author_domain": "a.example"}, "two one"),
        ({"author_domain": "A.example"}, ""),
        ({"author_domain": "a.example", "verdict": "confirmed"}, "one"),
        ({"author_domain": "b.example", "verdict": "unconfirmed"}, ""),
        ({"message_id_hash": "HASH"}, "two"),
        ({"message_id_hash": "HASH", "author_domain": "b.example"}, ""),
        ({"dkim": "fail"}, "two"),
        ({"spf": "none"}, "two"),
        ({"dmarc": "pass"}, "one"),
        ({"arc": "fail"}, "two"),
        ({"sealed": True}, "one"),
        ({"sealed": False}, "two"),
        ({"disposition": "posted"}, "two one"),
        ({"disposition": "held"}, "three"),
        ({"disposition": "arrived"}, "four"),
        ({"disposition": "discarded"}, ""),
        ({"disposition": "no such thing"}, ""),
        ({"since": NOW + 2}, "four three"),
        ({"until": NOW + 2}, "two one"),
        ({"since": NOW + 1, "until": NOW + 2}, "two"),
        ({"since": -(10**30), "until": 10**30}, "four three two one"),
        ({"q": "TWO"}, "two"),
        ({"q": "ann@A"}, "one"),
        ({"q": "<1_%@a.ex"}, "one"),
        ({"q": "_"}, "one"),
        ({"q": "%"}, "one"),
        ({"q": "/"}, ""),
        ({"q": "\xe4rger"}, "three"),
        ({"q": "\xc4rger"}, "three"),
        ({"q": ""}, "four three two one"),
        ({"q": "a\0\ud800"}, ""),
        ({"q": "x" * 100_000}, ""),
        ({"author_domain": "a.example\0\ud800"}, ""),
        ({"dkim": "\0"}, ""),
        ({"q": "e", "verdict": "confirmed", "sealed": True, "since": NOW}, "one"),
    ],
)
def test_posts_are_found_by_what_is_asked(filters, subjects, history):
    _write_some(history)
    short = {"thrEE \xc4rger": "three"}

    seen = [short.get(each, each) for each in found(history, **filters)]

    assert " ".join(seen) == subjects


def test_each_disposition_can_be_asked_for(history):
    _write_some(history)

    found_by = [
        history.count(LIST, Filters(disposition=each)).total for each in DISPOSITIONS
    ]

    assert sum(found_by) == history.count(LIST, Filters()).total


# A long history


@pytest.fixture
def narrow(monkeypatch) -> None:
    monkeypatch.setattr(historyread, "SEARCH_WINDOW", 3)


@pytest.mark.usefixtures("narrow")
def test_only_the_newest_are_searched_and_that_is_told(history):
    history.write(
        [
            arrived(NOW + n, subject=f"{n}", dkim="pass" if n % 2 else "")
            for n in range(6)
        ]
    )

    page = history.page(LIST, Filters(dkim="pass"), 0, 10)

    assert [each.subject for each in page.entries] == ["5", "3"]
    assert (page.total, page.is_complete) == (2, False)
    older = history.page(LIST, Filters(dkim="pass", until=page.searched_since), 0, 10)
    assert [each.subject for each in older.entries] == ["1"]
    assert (older.is_complete, older.searched_since) == (True, None)


@pytest.mark.usefixtures("narrow")
@pytest.mark.parametrize("count", [0, 10])
def test_what_an_index_finds_is_searched_farther(count, history):
    history.write([arrived(NOW, author_domain="a.example")])
    history.write([arrived(NOW + n, author_domain="b.example") for n in range(1, 6)])

    page = history.page(LIST, Filters(author_domain="a.example"), 0, count)

    assert (page.total, page.is_complete) == (1, True)


@pytest.mark.usefixtures("narrow")
def test_as_many_as_are_searched_is_complete(history):
    history.write([arrived(NOW + n) for n in range(3)])

    assert history.count(LIST, Filters()).is_complete


@pytest.mark.parametrize("chunk", [1, 2, 3, 100])
def test_all_are_told_in_order_with_details_however_many(chunk, history, monkeypatch):
    monkeypatch.setattr(historyread, "STEP", 4)
    history.write(
        [
            arrived(NOW + n, details=f"{n}", verdict="confirmed" if n % 5 else "")
            for n in range(11)
        ]
    )

    told = [each.details for each in history.scan(LIST, Filters(), chunk)]
    some = history.scan(LIST, Filters(verdict="", q=""), chunk)

    assert told == [f"{n}" for n in reversed(range(11))]
    assert [each.details for each in some] == ["10", "5", "0"]


def test_what_is_written_and_removed_meanwhile_does_not_disturb(history):
    history.write([arrived(NOW + n * DAY, subject=f"{n}") for n in range(4)])

    told = history.scan(LIST, Filters(), chunk=1)
    first = next(told)
    history.write([arrived(NOW + 9 * DAY)])
    history.delete(LIST, entry_id(NOW + 2 * DAY))

    assert [first.subject, *(each.subject for each in told)] == ["3", "1", "0"]
