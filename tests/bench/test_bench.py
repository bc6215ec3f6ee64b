"""The benchmarks still run; how fast anything is, no test asks."""

from __future__ import annotations

import shutil

import pytest

from tests.bench.__main__ import TABLES
from tests.bench.cases import KB
from tests.bench.hostile import HOSTILE, Hostile, judge
from tests.bench.measure import Effort
from tests.bench.peers import Dkimpy, Limit, Ours, Peers
from tests.bench.report import Report, Target
from tests.bench.tables import Plan
from tests.interop.others import find_opendkim


SMALLEST = Plan(
    sizes=(2 * KB,),
    text_sizes=(),
    lengths=(0, 1),
    effort=Effort(rounds=1, seconds=0.01),
    patience=0.2,
    history_rows=1000,
)


OTHERS_HERE = shutil.which("rspamd") or find_opendkim()


@pytest.mark.parametrize(
    "name",
    [
        *sorted(TABLES.keys() - {"daemons", "hostile", "lookups"}),
        pytest.param(
            "daemons",
            marks=pytest.mark.skipif(
                not OTHERS_HERE, reason="neither rspamd nor OpenDKIM here"
            ),
        ),
    ],
)
def test_a_table_has_rows(name: str) -> None:
    lines: list[str] = []
    peers = Peers((Limit(), Ours(), Dkimpy()), ())
    TABLES[name](Report(lines.append), peers, SMALLEST)
    assert any(line.startswith("2k") or " ms" in line for line in lines)


@pytest.mark.parametrize("case", HOSTILE, ids=lambda case: case.name)
def test_a_hostile_message_is_judged(case: Hostile) -> None:
    judge(case.make(min(case.size, 2 * KB)))


@pytest.mark.parametrize(
    ("values", "at_least", "end"),
    [
        ({"a": 1.0, "b": 3.0}, False, "3.00 (b), target ≤ 2: not reached"),
        ({"a": 3.0, "b": 4.0}, True, "3.00 (a), target ≥ 2: reached"),
        ({}, False, "left out: not in this run"),
    ],
)
def test_a_target_is_judged_by_its_worst_cell(
    values: dict[str, float], at_least: bool, end: str
) -> None:
    assert str(Target("T", "text", values, 2, at_least=at_least)).endswith(end)
