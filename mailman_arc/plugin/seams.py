"""The one place that catches the unexpected, where Mailman calls us.

A bug of ours must never cost a post.  At each seam (door, handler, delivery)
the work is done under `degrade`, and what follows does without it.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from mailman.interfaces.runner import RunnerInterrupt


_log = logging.getLogger("mailman.plugins.arc")


@contextmanager
def degrade(seam: str) -> Iterator[None]:
    """Log any exception with its traceback, and go on behind the block.

    A runner that is told to stop is an exception too; that one passes, so
    that nothing leaves half done (the queue entry is kept by Mailman).
    """
    try:
        yield
    except RunnerInterrupt:
        raise
    except Exception:  # noqa: BLE001  # see above
        _log.exception("%s: unexpected error, going on without it", seam)
