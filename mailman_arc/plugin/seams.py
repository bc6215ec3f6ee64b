"""The one place that catches the unexpected, where Mailman calls us.

A bug of ours must never cost a post.  At each seam (door, handler, delivery)
the work is done under `degrade`, and what follows does without it.

A signal to stop is an exception too (`RunnerInterrupt`), raised wherever the
runner just is, and what it interrupts Mailman shunts.  By then the runner
knows that it has to stop after the post it is at, so nothing is lost when the
exception goes no further; work that may take a while is done `undisturbed`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import TypeVar

from mailman.interfaces.runner import RunnerInterrupt


_Made = TypeVar("_Made")

_log = logging.getLogger("mailman.plugins.arc")
_worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="arc")


@contextmanager
def degrade(seam: str) -> Iterator[None]:
    """Log any exception with its traceback, and go on behind the block."""
    try:
        yield
    except Exception:  # noqa: BLE001  # see above
        _log.exception("%s: unexpected error, going on without it", seam)


def undisturbed(step: Callable[[], _Made]) -> _Made:
    """Do a step that signals cannot cut short, and give its result.

    Signals reach the main thread only, so the step is done in another one.
    The step must end by itself and keep off Mailman's database.
    """
    future = _worker.submit(step)
    while not future.done():
        with suppress(RunnerInterrupt):
            future.exception()  # waits
    return future.result()
