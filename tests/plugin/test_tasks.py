"""What is done in the task runner's process, and when."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from mailman.interfaces.runner import RunnerInterrupt
from mailman.runners.task import TaskRunner

from mailman_arc.plugin import tasks
from mailman_arc.plugin.tasks import LOOK_AT_KEYS_EVERY, Tasks
from mailman_arc.plugin.upkeep import TRY_AGAIN, Upkeep
from tests.house.dns_server import DnsServer
from tests.support.mail import NOW


@pytest.fixture
def runner(mailman, monkeypatch) -> TaskRunner:
    """A task runner as it is just before its first round."""
    monkeypatch.setattr(tasks, "_tasks", Tasks())
    return TaskRunner("task")


def test_the_log_has_its_report_once(runner, mlist, services, log):
    runner._do_periodic()
    said = log()
    runner._do_periodic()

    assert said[0].startswith("INFO sealing as lists.example with selector arc")
    assert said[-1].startswith("WARNING doctor: ")
    assert log() == said


def test_mailmans_own_work_is_done_first(runner, unusable):
    unusable()

    runner._do_periodic()

    assert runner.lastrun.year > 1


def test_the_history_is_looked_after(mailman, mlist, services):
    begun = []
    ours = Tasks(upkeep=Upkeep(begun.append))

    ours.do_what_is_due()
    ours.do_what_is_due()

    assert len(begun) == 1


def test_the_history_is_looked_after_later_when_there_is_no_thread_now(mlist, services):
    begun = []

    def fail(_: Callable[[], None]) -> None:
        begun.append(fail)
        if len(begun) == 1:
            raise RuntimeError("can't start new thread")

    upkeep = Upkeep(fail)

    with pytest.raises(RuntimeError):
        upkeep.do_what_is_due(services, NOW)
    upkeep.do_what_is_due(services, NOW + TRY_AGAIN - 1)
    upkeep.do_what_is_due(services, NOW + TRY_AGAIN)

    assert len(begun) == 2


def test_keys_are_looked_at_now_and_then(install, mlist):
    now = 0.0
    with DnsServer({}) as dns:
        install(test_keys="", nameservers=dns.address, nameserver_port=str(dns.port))
        ours = Tasks(lambda: now)
        asked = []
        for now in (0.0, 1.0, 2.0, 2.0 + LOOK_AT_KEYS_EVERY):  # noqa: B007
            ours.do_what_is_due()
            asked.append(ours._looked_at)

    assert asked == [0.0, 0.0, 0.0, 2.0 + LOOK_AT_KEYS_EVERY]


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (ValueError, ["ERROR tasks: unexpected error, going on without it"]),
        (RunnerInterrupt, []),
    ],
)
def test_neither_a_bug_nor_a_signal_hurts_the_runner(
    error, said, runner, services, monkeypatch, log
):
    def fail() -> None:
        raise error

    monkeypatch.setattr(tasks._tasks, "do_what_is_due", fail)

    runner._do_periodic()

    assert log() == said
