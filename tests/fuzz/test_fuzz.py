"""The targets as tests: seeds, and inputs derived from them.

`make fuzz` runs them under atheris.
"""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mailman_arc.mailauth.message import read_message
from mailman_arc.policy.inbound import authenticate
from mailman_arc.policy.trust import Trust
from tests.fuzz import engine
from tests.fuzz.harness import (
    MAX_FOLDED,
    MAX_FOLDED_MOSTLY,
    POSTS,
    REPEAT,
    ZONE,
    folded,
)
from tests.support.mail import NOW


INPUTS = 300  # of each target, beside its seeds

each_target = pytest.mark.parametrize("name", engine.TARGETS)


@each_target
def test_the_invariant_holds_for_the_seeds(name):
    target = engine.load(name)
    for seed in target.SEEDS:
        target.check(seed)


@each_target
def test_the_invariant_holds_for_inputs_derived_from_the_seeds(name):
    report = engine.run_plain(engine.load(name), INPUTS, seed=1)
    assert report.findings == (), report.output


def test_a_plain_run_ends_with_the_input_that_breaks_the_invariant():
    def check(data: bytes) -> None:
        assert b"odd" not in data

    target = SimpleNamespace(SEEDS=(b"seed",), WORDS=(b"odd",), check=check)
    report = engine.run_plain(target, INPUTS, seed=1)
    (finding,) = report.findings
    assert b"odd" in finding
    assert not report.is_complete
    assert "AssertionError" in report.output


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
    longest = {len(folded(bytes((0, *[REPEAT, 255] * n)), words)) for n in range(4, 90)}
    assert longest == {MAX_FOLDED, MAX_FOLDED_MOSTLY}
