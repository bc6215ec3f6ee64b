"""Posts per day as a picture, drawn on the server."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from mailman_arc.web.words import VERDICTS


HEIGHT = 100  # of the drawing, which is stretched to where it stands
_STEP = 10  # from day to day
_WIDTH = 8  # of a day


@dataclass(frozen=True)
class Bar:
    """A rectangle; the numbers are texts, for no language may change them."""

    verdict: str
    x: str
    y: str
    height: str
    width: str = str(_WIDTH)


@dataclass(frozen=True)
class Day:
    """How many posts there were on a day, by verdict."""

    day: date
    posts: int
    counts: tuple[int, ...]  # in the order of VERDICTS
    sealed: int


@dataclass(frozen=True)
class Chart:
    """The drawing, and the days it is of."""

    days: tuple[Day, ...]
    bars: tuple[Bar, ...]
    most: int  # posts on a day

    @property
    def view_box(self) -> str:
        """The corner and the size of the drawing."""
        return f"0 0 {len(self.days) * _STEP} {HEIGHT}"


def draw(per_day: Sequence[Mapping[str, Any]]) -> Chart:
    """Draw the days as the plugin tells them."""
    days = tuple(map(_day, per_day))
    most = max((each.posts for each in days), default=0)
    return Chart(days, tuple(_bars(days, max(most, 1))), most)


def _day(told: Mapping[str, Any]) -> Day:
    return Day(
        date.fromisoformat(told["day"]),
        told["posts"],
        tuple(told[verdict] for verdict in VERDICTS),
        told["sealed"],
    )


def _bars(days: Iterable[Day], most: int) -> Iterator[Bar]:
    for number, day in enumerate(days):
        below = 0
        for verdict, count in zip(VERDICTS, day.counts, strict=True):
            below += count
            if count:
                yield Bar(
                    verdict,
                    str(number * _STEP + (_STEP - _WIDTH) // 2),
                    f"{HEIGHT - below * HEIGHT / most:.2f}",
                    f"{count * HEIGHT / most:.2f}",
                )
