from __future__ import annotations

import csv
import json

import pytest

from mailman_arc.web.export import COLUMNS
from tests.web import told
from tests.web.browser import HISTORY, html, main, words


CSV = HISTORY.removesuffix("/") + ".csv"
JSONL = HISTORY.removesuffix("/") + ".jsonl"
ASKED = f"/3.1/plugins/arc/lists/{told.LIST_ID}/history"


def rows(answer):
    text = b"".join(answer).decode("utf-8-sig")
    return list(csv.DictReader(text.splitlines(keepends=True)))


def test_a_file_for_spreadsheets_has_a_header_and_a_row_for_each_post(visit, core):
    answer = visit("olivia").get(CSV)
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    name = f"{told.LIST_ID}-arc.csv"
    assert answer["Content-Disposition"] == f'attachment; filename="{name}"'
    [row] = rows(answer)
    assert tuple(row) == COLUMNS
    assert row["subject"] == "A question"
    assert row["arrived_at"] == told.ARRIVED
    assert row["sealed"] == "yes"
    assert row["left_at"] == "2026-11-20T09:30:02"


def test_spreadsheets_are_told_that_it_is_utf8(visit):
    assert html(visit("olivia").get(CSV)).startswith("\ufeff")


@pytest.mark.parametrize(
    "text", ["=1+1", "+1", "-1", "@SUM(A1)", " =1+1", "\t=1+1", "\r=1+1", "\n=1+1"]
)
def test_no_cell_is_a_formula(text, visit, core):
    core.entries = [told.entry(subject=text, author=text)]
    [row] = rows(visit("olivia").get(CSV))
    assert row["subject"].startswith("'")
    assert row["author"].startswith("'")


def test_text_of_strangers_stays_in_its_cell(visit, core):
    core.entries = [told.entry(subject='a",\r\nb\u202e;c')]
    [row] = rows(visit("olivia").get(CSV))
    assert row["subject"] == 'a",  b\\u202e;c'


def test_a_file_for_programs_has_a_line_of_json_for_each_post(visit, core):
    core.entries = [told.entry(2, subject="=1\u2028"), told.entry(1)]
    answer = visit("olivia").get(JSONL)
    lines = html(answer).splitlines()
    assert [json.loads(each)["subject"] for each in lines] == ["=1\u2028", "A question"]
    assert set(json.loads(lines[0])) == set(COLUMNS)


def test_a_file_has_what_the_page_shows(visit, core):
    core.entries = [told.entry(2, verdict="confirmed"), told.entry(1)]
    [row] = rows(visit("olivia").get(f"{CSV}?verdict=vouched&page=7&count=10"))
    assert row["verdict"] == "vouched"


def test_a_file_is_read_part_by_part(visit, core):
    core.entries = [told.entry(number) for number in range(2500, 0, -1)]
    found = rows(visit("olivia").get(CSV))
    assert [row["entry_id"] for row in found] == [e["entry_id"] for e in core.entries]
    pages = [(each["count"], each["page"]) for each in core.queries(ASKED)]
    assert pages == [("1000", "1"), ("1000", "2"), ("1000", "3")]


def test_a_post_that_comes_meanwhile_makes_none_come_twice(visit, core):
    core.entries = [told.entry(number) for number in range(1500, 0, -1)]
    answer = visit("olivia").get(CSV)  # has read the first part
    core.entries.insert(0, told.entry(9999))
    numbers = [row["entry_id"] for row in rows(answer)]
    assert len(numbers) == len(set(numbers)) == 1500


def test_a_file_has_an_end(visit, core, monkeypatch):
    monkeypatch.setattr("mailman_arc.web.export.MAX_EXPORTED", 1000)
    core.entries = [told.entry(number) for number in range(1500, 0, -1)]
    assert len(rows(visit("olivia").get(CSV))) == 1000


def test_nothing_makes_a_file_without_rows(visit, core):
    core.entries = []
    assert rows(visit("olivia").get(CSV)) == []


def test_trouble_is_a_page_and_no_file(visit, core):
    core.database_problem = "the history cannot be read now"
    answer = visit("olivia").get(CSV)
    assert answer.status_code == 503
    assert "the history cannot be read now" in words(main(answer))


def test_a_filter_that_cannot_be_meant_makes_no_file(visit):
    assert visit("olivia").get(f"{CSV}?since=x").status_code == 400
