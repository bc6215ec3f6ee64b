"""Measure pieces of work side by side.

Time is CPU time of the process that does the work, so that neighbours disturb
little.  Each round visits everybody, in alternating order: whatever slows the
machine down for a while slows all of them down, and ratios survive.
"""

from __future__ import annotations

import gc
import statistics
import time
import tracemalloc
from collections.abc import Callable, Mapping
from dataclasses import dataclass


# Do it so many times; returns CPU seconds for all of them.
Work = Callable[[int], float]

_ENOUGH = 0.005  # CPU seconds of one round, against the grain of the clock


@dataclass(frozen=True, slots=True)
class Effort:
    """How many rounds, and after how many seconds of work there are fewer."""

    rounds: int = 9
    seconds: float = 3.0


@dataclass(frozen=True, slots=True)
class Timing:
    """CPU seconds of one piece of work, round by round."""

    rounds: tuple[float, ...]

    @property
    def least(self) -> float:
        return min(self.rounds)

    def over(self, other: Timing) -> Ratio:
        """How many times as long as `other` this took."""
        pairs = zip(self.rounds, other.rounds, strict=False)
        each = [mine / max(theirs, 1e-9) for mine, theirs in pairs]
        return Ratio(self.least / max(other.least, 1e-9), statistics.median(each))


@dataclass(frozen=True, slots=True)
class Ratio:
    """Of the quickest rounds, and the median of the ratios within each round."""

    least: float
    median: float


def timed(action: Callable[[], object]) -> Work:
    """Work done in this process."""

    def work(count: int) -> float:
        started = time.process_time()
        for _ in range(count):
            action()
        return time.process_time() - started

    return work


def side_by_side(works: Mapping[str, Work], effort: Effort) -> dict[str, Timing]:
    """Time everybody in turn; those who take long have fewer rounds."""
    trial = {name: work(1) for name, work in works.items()}  # warms up, too
    for name, seconds in trial.items():
        if seconds < _ENOUGH:
            trial[name] = max(works[name](1), 1e-7)
    counts = {name: max(1, round(_ENOUGH / trial[name])) for name in works}
    rounds = {name: _rounds(trial[name] * counts[name], effort) for name in works}
    taken: dict[str, list[float]] = {name: [] for name in works}
    for number in range(max(rounds.values(), default=0)):
        order = list(works)
        for name in order if number % 2 else reversed(order):
            if number < rounds[name]:
                gc.collect()
                taken[name].append(works[name](counts[name]) / counts[name])
    # Whoever takes longer than all the time there is has had his only round.
    return {name: Timing(tuple(taken[name] or [trial[name]])) for name in works}


def peak_memory(action: Callable[[], object]) -> int:
    """Octets that Python allocated at most while this ran, beyond what was there."""
    action()  # what is made once and kept is not counted
    gc.collect()
    tracemalloc.start()
    try:
        action()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def _rounds(seconds: float, effort: Effort) -> int:
    return min(effort.rounds, int(effort.seconds / seconds))
