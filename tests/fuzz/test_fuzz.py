"""The targets as tests: seeds, and inputs derived from them.

`make fuzz` runs them under atheris.
"""

from __future__ import annotations

import random

import pytest

from mailman_arc.mailauth.message import read_message
from mailman_arc.policy.inbound import authenticate
from mailman_arc.policy.trust import Trust
from tests.fuzz import engine
from tests.fuzz.harness import MAX_FOLDED, POSTS, REPEAT, ZONE, folded
from tests.support.mail import NOW


INPUTS = 300  # of each target, beside its seeds

each_target = pytest.mark.parametrize("name", engine.TARGETS)


def derived_inputs(name: str) -> list[bytes]:
    """Seeds in which pieces are replaced, and octets by chance; the same each time."""
    target = engine.load(name)
    chance = random.Random(name)
    inputs = []
    for _ in range(INPUTS):
        by_chance = chance.randbytes(chance.randrange(60))
        octets = chance.choice((*target.SEEDS, by_chance, by_chance))
        for _ in range(chance.randrange(4)):
            start = chance.randrange(len(octets) + 1)
            end = start + chance.choice((0, 1, 4, 30))
            piece = chance.choice((*target.WORDS, chance.randbytes(2)))
            octets = octets[:start] + piece + octets[end:]
        inputs.append(octets)
    return inputs


@each_target
def test_the_invariant_holds_for_the_seeds(name):
    target = engine.load(name)
    for seed in target.SEEDS:
        target.check(seed)


@each_target
def test_the_invariant_holds_for_inputs_derived_from_the_seeds(name):
    target = engine.load(name)
    for octets in derived_inputs(name):
        target.check(octets)


@each_target
def test_a_target_says_in_one_line_what_holds(name):
    first, *others = (engine.load(name).__doc__ or "").splitlines()
    assert first.endswith(".")
    assert not "".join(others[:1])


def test_the_posts_to_begin_with_are_in_order():
    found = [
        authenticate(read_message(post), ZONE, NOW, Trust("lists.example"))
        for post in POSTS
    ]
    assert [each.dmarc.result for each in found] == ["fail"] + ["pass"] * 6
    assert [each.arc.status for each in found] == [
        "none", "none", "pass", "pass", "pass", "fail", "pass",
    ]  # fmt: skip


def test_folding_repeats_words_up_to_a_limit():
    words = (b"a=", b";")
    assert folded(bytes((0, REPEAT, 3, 1)), words) == b"a=a=a=;"
    assert len(folded(bytes((0, *[REPEAT, 255] * 4)), words)) == MAX_FOLDED
