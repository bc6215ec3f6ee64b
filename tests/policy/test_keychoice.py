"""Which key seals, and when a key may become active or retire."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from hypothesis import given, strategies as st

from mailman_arc.mailauth.keycheck import Found, Publication
from mailman_arc.policy.keychoice import (
    MAX_AGE,
    OVERLAP,
    Choice,
    KeyState,
    choose,
    default_selector,
    not_shown,
    preferred_selectors,
    record_needed_until,
    reminder,
    why_not_activate,
    why_not_retire,
)


DOMAIN = "lists.example"
SHOWN = Publication(Found.SHOWN)
MISSING = Publication(Found.MISSING)
UNKNOWN = Publication(Found.UNKNOWN, "SERVFAIL")
NOW = 1_800_000_000


@dataclass(frozen=True)
class Key:
    selector: str
    state: KeyState = "active"
    activated_at: int | None = None
    retired_at: int | None = None
    domain: str = DOMAIN


OLD = Key("old", activated_at=1)
NEW = Key("new", activated_at=2)
NEXT = Key("next", "next")
GONE = Key("gone", "retired", 0, 3)
NO_NEW = "the DNS does not show the key at new._domainkey.lists.example (there is none)"


def test_active_keys_are_preferred_in_turn_and_others_never_seal():
    assert preferred_selectors([OLD, NEXT, GONE, NEW]) == ["new", "old"]
    assert preferred_selectors([NEXT, GONE]) == []


CHOICES = (
    ({"new": SHOWN, "old": SHOWN}, Choice("new")),
    ({"new": SHOWN, "old": MISSING}, Choice("new")),
    ({"new": MISSING, "old": SHOWN}, Choice("old", NO_NEW)),
    ({"new": MISSING, "old": MISSING}, Choice(None, NO_NEW)),
    (
        {"new": UNKNOWN, "old": SHOWN},
        Choice("old", not_shown(DOMAIN, "new", UNKNOWN)),
    ),
    ({}, Choice(None, not_shown(DOMAIN, "new", Publication(Found.UNKNOWN)))),
)


@pytest.mark.parametrize(("publications", "choice"), CHOICES)
def test_the_newest_key_that_the_dns_shows_seals(publications, choice):
    assert choose(DOMAIN, ["new", "old"], publications) == choice


@given(
    st.lists(st.sampled_from("abcde"), min_size=1, unique=True),
    st.dictionaries(
        st.sampled_from("abcde"), st.builds(Publication, st.sampled_from(Found))
    ),
)
def test_no_key_is_chosen_that_the_dns_does_not_show(selectors, publications):
    choice = choose(DOMAIN, selectors, publications)

    shown = [each for each in selectors if publications.get(each) == SHOWN]
    assert choice.selector == (shown[0] if shown else None)
    assert (choice.why == "") == (choice.selector == selectors[0])


@pytest.mark.parametrize("found", Found)
def test_every_finding_has_its_words(found):
    said = not_shown(DOMAIN, "new", Publication(found, "a detail"))

    assert said.startswith("the DNS does not show the key at new._domainkey.lists")
    assert said.endswith(": a detail)")


def test_a_key_becomes_active_when_the_dns_shows_it():
    assert why_not_activate(NEXT, SHOWN) is None
    assert why_not_activate(NEXT, None) is None


@pytest.mark.parametrize("found", set(Found) - {Found.SHOWN})
def test_a_key_that_the_dns_does_not_show_stays_next(found):
    said = why_not_activate(NEXT, Publication(found))

    assert said.startswith("the DNS does not show the key at next._domainkey.lists")
    assert "publish it" in said


@pytest.mark.parametrize("key", [NEW, GONE])
def test_only_the_next_key_becomes_active(key):
    said = why_not_activate(key, SHOWN)

    assert said == f"{key.selector} is {key.state} already; make a new key"


RETIREMENTS = (
    (NEXT, [NEXT], {}, None),
    (OLD, [OLD, NEW], {"new": SHOWN}, None),
    (OLD, [OLD, NEW], None, None),
    (OLD, [OLD, NEW], {"new": MISSING}, "only active key"),
    (OLD, [OLD, NEW], {"new": UNKNOWN}, "only active key"),
    (OLD, [OLD, NEW], {}, "only active key"),
    (OLD, [OLD, NEXT], {"next": SHOWN}, "only active key"),
    (OLD, [OLD], None, "only active key"),
    (GONE, [GONE, NEW], {"new": SHOWN}, "retired already"),
)


@pytest.mark.parametrize(("key", "keys", "publications", "why"), RETIREMENTS)
def test_the_last_key_that_can_seal_does_not_retire(key, keys, publications, why):
    said = why_not_retire(key, keys, publications)

    assert said is None if why is None else why in said


def test_the_record_of_a_retired_key_is_needed_for_a_while():
    assert record_needed_until(GONE) == 3 + OVERLAP
    assert record_needed_until(NEW) is None


@pytest.mark.parametrize(
    ("since", "is_due"),
    [(None, False), (NOW, False), (NOW - MAX_AGE, False), (NOW - MAX_AGE - 1, True)],
)
def test_a_key_older_than_a_year_is_due(since, is_due):
    assert (reminder(DOMAIN, "arc", since, NOW) is not None) == is_due


def test_a_reminder_says_which_key_and_since_when():
    assert reminder(DOMAIN, "arc", 0, NOW) == (
        "the key arc of lists.example has been in use since 1970-01-01: it is time "
        "for a new one"
    )


@pytest.mark.parametrize(
    ("now", "selector"), [(0, "arc19700101"), (NOW, "arc20270115")]
)
def test_a_selector_tells_the_day(now, selector):
    assert default_selector(now) == selector
