"""Wait for something to become true, by looking again until a deadline."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar


Found = TypeVar("Found")

PATIENCE = 180.0  # seconds, on a slow machine that has much else to do
INTERVAL = 0.05  # seconds between two looks


def wait_until(
    look: Callable[[], Found],
    timeout: float,
    what: str,
    explain: Callable[[], str] | None = None,
) -> Found:
    """The first true answer of `look`; after `timeout` seconds a TimeoutError.

    `explain` is asked only then, for what a reader needs to find the cause.
    """
    deadline = time.monotonic() + timeout
    while not (found := look()):
        if time.monotonic() > deadline:
            detail = f"\n{explain()}" if explain else ""
            raise TimeoutError(f"{what}: not within {timeout:g} s{detail}")
        time.sleep(INTERVAL)
    return found
