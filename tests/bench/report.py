"""Tables that grow row by row, and what has become of the targets."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field


_NAME_WIDTH = 34
_WIDTH = 17


@dataclass(frozen=True, slots=True)
class Target:
    """A ratio that is to be reached, in the worst of some cells.

    Without `values` the target is left out, and `why` says why.
    """

    name: str
    text: str
    values: Mapping[str, float]
    bound: float
    at_least: bool = False
    why: str = "not in this run"

    def __str__(self) -> str:
        head = f"{self.name}  {self.text}: "
        if not self.values:
            return f"{head}left out: {self.why}"
        choose = min if self.at_least else max
        worst = choose(self.values, key=lambda cell: self.values[cell])
        sign, holds = ("≥", operator.ge) if self.at_least else ("≤", operator.le)
        reached = holds(self.values[worst], self.bound)
        return (
            f"{head}{number(self.values[worst])} ({worst}), target {sign} "
            f"{self.bound:g}: {'reached' if reached else 'not reached'}"
        )


@dataclass(slots=True)
class Report:
    """Writes what is measured as soon as it is; remembers the targets."""

    write: Callable[[str], object]
    targets: list[Target] = field(default_factory=list)

    def line(self, text: str = "") -> None:
        self.write(text + "\n")

    def heading(self, title: str, columns: Sequence[str], note: str = "") -> None:
        """Begin a table; the first column is wide."""
        self.line()
        self.line(f"== {title}")
        if note:
            self.line(note)
        self.row("", *columns)

    def row(self, name: str, *cells: str) -> None:
        text = "".join(f"{cell:>{_WIDTH}}" for cell in cells)
        self.line(f"{name:<{_NAME_WIDTH}}{text}".rstrip())

    def target(self, *targets: Target) -> None:
        for target in targets:
            self.targets.append(target)
            self.line(str(target))


def number(value: float) -> str:
    """Three digits are as many as there is truth in."""
    if value >= 100:
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def milliseconds(seconds: float) -> str:
    return f"{number(seconds * 1000)} ms"
