"""What posts get to see of a list's own settings when the database is in trouble."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.adapters.store.lastknown import RETRY_AFTER, LastKnownValues


LIST, OTHER = "ann.lists.example", "bee.lists.example"


class Source:
    """A database that can fail, and a clock."""

    def __init__(self) -> None:
        self.values: dict[str, dict[str, str]] = {}
        self.fails = False
        self.asked = 0
        self.said: list[str] = []
        self.now = 1000.0
        self.known = LastKnownValues(self.read, self.tell, lambda: self.now)

    def read(self, list_id: str) -> Mapping[str, str]:
        self.asked += 1
        if self.fails:
            self.now += 3  # it takes its time
            raise StoreError("gone")
        return dict(self.values.get(list_id, {}))

    def tell(self, error: StoreError) -> None:
        self.said.append(str(error))


@pytest.fixture
def source() -> Source:
    return Source()


def test_a_change_is_seen_by_the_next_post(source):
    source.values[LIST] = {"mode": "v"}
    assert source.known.get(LIST) == {"mode": "v"}

    source.values[LIST] = {"mode": "s"}
    assert source.known.get(LIST) == {"mode": "s"}


def test_without_the_database_a_list_keeps_what_it_was_last_seen_with(source):
    source.values[LIST] = {"mode": "v"}
    source.known.get(LIST)
    source.fails = True

    assert source.known.get(LIST) == {"mode": "v"}
    assert source.known.get(OTHER) == {}
    assert source.said == ["gone"]


def test_a_list_that_inherits_all_again_is_not_remembered_with_more(source):
    source.values[LIST] = {"mode": "v"}
    source.known.get(LIST)
    del source.values[LIST]
    source.known.get(LIST)
    source.fails = True

    assert source.known.get(LIST) == {}


def test_a_database_that_fails_is_left_alone_for_a_while(source):
    source.fails = True
    source.known.get(LIST)
    source.now += RETRY_AFTER - 1
    source.known.get(LIST)
    source.known.get(OTHER)
    assert source.asked == 1

    source.fails = False
    source.values[LIST] = {"mode": "v"}
    source.now += 1
    assert source.known.get(LIST) == {"mode": "v"}
    assert source.known.get(LIST) == {"mode": "v"}
    assert source.asked == 3
