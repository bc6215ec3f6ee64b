"""Who is put off, and that nobody is for longer than he must."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from mailman_arc.policy.patience import MAX_PAUSE, Patience


HOLD = 1800
FORGOTTEN = HOLD + MAX_PAUSE


@pytest.mark.parametrize(
    ("now", "waits"), [(0, True), (1799, True), (1800, False), (9999, False)]
)
def test_a_post_waits_until_so_long_after_it_was_first_seen(now, waits):
    patience = Patience(HOLD)
    patience.must_wait(b"post", 0)

    assert patience.must_wait(b"post", now) is waits


def test_coming_again_does_not_make_the_wait_longer():
    patience = Patience(HOLD)

    for now in range(0, HOLD, 100):
        assert patience.must_wait(b"post", now)

    assert not patience.must_wait(b"post", HOLD)


def test_each_post_waits_for_itself():
    patience = Patience(HOLD)
    patience.must_wait(b"one", 0)

    assert patience.must_wait(b"two", HOLD)
    assert not patience.must_wait(b"one", HOLD)


def test_who_has_waited_does_not_wait_anew_for_another_recipient():
    patience = Patience(HOLD)
    patience.must_wait(b"post", 0)
    patience.must_wait(b"post", HOLD)

    assert not patience.must_wait(b"post", HOLD + 1)


def test_nobody_waits_when_that_is_switched_off():
    assert not Patience(0).must_wait(b"post", 5)


def test_without_room_a_new_post_does_not_wait_and_the_others_still_do():
    patience = Patience(HOLD, capacity=2)
    patience.must_wait(b"one", 0)
    patience.must_wait(b"two", 0)

    assert not patience.must_wait(b"three", 1)
    assert patience.must_wait(b"one", 1)
    assert patience.must_wait(b"two", 1)


def test_who_may_come_again_is_not_forgotten_for_another():
    patience = Patience(HOLD, capacity=1)
    patience.must_wait(b"old", 0)

    assert not patience.must_wait(b"new", FORGOTTEN)
    assert not patience.must_wait(b"old", FORGOTTEN)


def test_who_will_not_come_again_makes_room():
    patience = Patience(HOLD, capacity=1)
    patience.must_wait(b"old", 0)

    assert patience.must_wait(b"new", FORGOTTEN + 1)


@given(
    st.integers(0, 50),
    st.integers(1, 4),
    st.lists(st.tuples(st.sampled_from(b"abcdef"), st.integers(0, 60))),
)
def test_no_wait_lasts_longer_than_the_hold_whatever_comes(hold, capacity, visits):
    patience = Patience(hold, capacity)
    first: dict[int, int] = {}
    now = 0
    for key, pause in visits:
        now += pause
        if patience.must_wait(bytes([key]), now):
            assert now < first.setdefault(key, now) + hold
    assert len(patience._first_seen) <= capacity
