"""The one place that catches the unexpected."""

from __future__ import annotations

import pytest
from mailman.interfaces.runner import RunnerInterrupt

from mailman_arc.plugin.seams import degrade, undisturbed


def test_what_follows_does_without_a_block_that_failed(log):
    with degrade("door"):
        raise ZeroDivisionError("a bug")

    assert log() == ["ERROR door: unexpected error, going on without it"]
    assert log.records[0].exc_info[0] is ZeroDivisionError


def test_a_block_that_works_is_not_mentioned(log):
    with degrade("door"):
        pass

    assert log() == []


def test_a_signal_to_stop_goes_no_further():
    # Mailman would shunt the post; it stops after this one anyway.
    with degrade("door"):
        raise RunnerInterrupt


def test_a_step_gives_its_result():
    assert undisturbed(lambda: 12) == 12


def test_a_step_fails_with_its_own_exception():
    def step():
        raise ZeroDivisionError("a bug")

    with pytest.raises(ZeroDivisionError):
        undisturbed(step)


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), GeneratorExit()])
def test_an_order_to_stop_passes(error, log):
    with pytest.raises(type(error)), degrade("door"):
        raise error

    assert log() == []
