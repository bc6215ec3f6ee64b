"""What is done now and then, in the process of Mailman's task runner.

No post waits for that process, nor does the start of Mailman.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from mailman.interfaces.runner import RunnerInterrupt
from mailman.runners.task import TaskRunner

from mailman_arc.plugin import doctor, startup, wiring
from mailman_arc.plugin.notices import remind_of_keys
from mailman_arc.plugin.seams import degrade
from mailman_arc.plugin.upkeep import Upkeep


LOOK_AT_KEYS_EVERY = 3600.0  # seconds

_of_mailman = TaskRunner._do_periodic


class Tasks:
    """Our part of the task runner's work; `clock` counts seconds."""

    def __init__(
        self,
        clock: Callable[[], float] = time.monotonic,
        upkeep: Upkeep | None = None,
    ) -> None:
        self._clock = clock
        self._upkeep = upkeep or Upkeep()
        self._has_reported = False
        self._looked_at: float | None = None

    def do_what_is_due(self) -> None:
        """Called each time the task runner comes by, which is once a minute."""
        services = wiring.services()
        if services is None:
            return
        self._upkeep.do_what_is_due(services, time.time())
        if not self._has_reported:
            self._has_reported = True
            startup.report_identities(services)
            doctor.report_summary(services)
        now = self._clock()
        if self._looked_at is None or now - self._looked_at >= LOOK_AT_KEYS_EVERY:
            self._looked_at = now
            remind_of_keys(services, int(time.time()))


_tasks = Tasks()


def join_task_runner() -> None:
    """Have Mailman's task runner do our work after its own."""
    TaskRunner._do_periodic = _do_periodic


def _do_periodic(runner: Any) -> None:
    _of_mailman(runner)
    # A runner that is to stop knows that by now.
    with degrade("tasks"), suppress(RunnerInterrupt):
        _tasks.do_what_is_due()
