from __future__ import annotations

from hypothesis import given, strategies as st

from mailman_arc.web.chart import HEIGHT, draw
from tests.web import told


_NUMBERS = st.integers(0, 10**6)
_DAYS = st.lists(st.tuples(_NUMBERS, _NUMBERS, _NUMBERS, _NUMBERS), max_size=90)


def days(counts):
    return [
        {
            "day": f"2026-{1 + number // 28:02}-{1 + number % 28:02}",
            **told.counts(
                posts=sum(each), confirmed=each[0], vouched=each[1],
                unconfirmed=each[2], unchecked=each[3],
            ),
        }
        for number, each in enumerate(counts)
    ]  # fmt: skip


def test_bars_stand_on_each_other_in_the_order_of_the_verdicts():
    chart = draw(days([(1, 1, 0, 2)]))
    assert [(each.verdict, each.y, each.height) for each in chart.bars] == [
        ("confirmed", "75.00", "25.00"),
        ("vouched", "50.00", "25.00"),
        ("unchecked", "0.00", "50.00"),
    ]


def test_days_stand_side_by_side():
    chart = draw(days([(1, 0, 0, 0), (0, 0, 0, 0), (2, 0, 0, 0)]))
    assert [each.x for each in chart.bars] == ["1", "21"]
    assert chart.view_box == f"0 0 30 {HEIGHT}"


@given(_DAYS)
def test_no_bar_leaves_the_drawing(counts):
    chart = draw(days(counts))
    for bar in chart.bars:
        top, height = float(bar.y), float(bar.height)
        assert top >= -0.01
        assert top + height <= HEIGHT + 0.02


def test_no_day_at_all_is_no_drawing():
    assert draw([]).bars == ()
