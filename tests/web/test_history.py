from __future__ import annotations

import pytest

from tests.web import told
from tests.web.browser import HISTORY, SETTINGS, html, main, post_address, words


ASKED = f"/3.1/plugins/arc/lists/{told.LIST_ID}/history"


def history(visit, query="", name="olivia"):
    return visit(name).get(HISTORY + query)


def test_a_post_is_a_line_with_a_link_to_all_about_it(visit, core):
    page = main(history(visit))
    assert f'href="{post_address(core.entries[0])}"' in page
    assert "A question ann@author.example ↪ Vouched for ✖ fail ✖ fail ✔ pass" in words(
        page
    )


def test_times_can_be_read_by_machines(visit):
    assert '<time datetime="2026-11-20T09:30:00Z">' in main(history(visit))


@pytest.mark.parametrize(
    ("entry", "shown"),
    [
        ({"subject": ""}, "(no subject)"),
        ({"author": ""}, "author.example"),
        ({"sealed": None, "disposition": "held", "is_waiting": True}, "Waiting for a"),
        ({"sealed": None, "disposition": "held"}, "Held for moderation"),
        ({"sealed": None}, "Has not left"),
        ({"sealed": False}, "Not sealed"),
        ({"sealed": True}, "Sealed i=2"),
        ({"verdict": ""}, "Not known"),
        ({"verdict": "confirmed"}, "✔ Confirmed"),
    ],
)
def test_what_became_of_a_post_is_said_in_words(entry, shown, visit, core):
    core.entries = [told.entry(**entry)]
    assert shown in words(main(history(visit)).partition("<tbody>")[2])


@pytest.mark.parametrize(
    ("query", "asked"),
    [
        ("", {}),
        ("?verdict=vouched", {"verdict": "vouched"}),
        ("?from_domain=author.example", {"from_domain": "author.example"}),
        ("?q=hello+there%26more", {"q": "hello there&more"}),
        ("?since=2026-11-01", {"since": "2026-11-01T00:00:00"}),
        ("?until=2026-11-30", {"until": "2026-12-01T00:00:00"}),
        ("?dkim=pass&sealed=no", {"dkim": "pass", "sealed": "no"}),
        (f"?message_id_hash={told.HASH}", {"message_id_hash": told.HASH}),
        ("?unknown=1", {}),
    ],
)
def test_filters_are_those_of_rest(query, asked, visit, core):
    history(visit, query)
    assert core.queries(ASKED)[0] == {"count": "25", "page": "1", **asked}


def test_days_are_those_of_the_visitor(visit, core):
    from django.test import override_settings

    with override_settings(TIME_ZONE="Asia/Tokyo"):
        history(visit, "?since=2026-11-01&until=2026-11-01")
    asked = core.queries(ASKED)[0]
    assert asked["since"] == "2026-10-31T15:00:00"
    assert asked["until"] == "2026-11-01T15:00:00"


@pytest.mark.parametrize(
    "query", ["?verdict=nonsense", "?since=yesterday", "?until=2026-13-01"]
)
def test_a_filter_that_cannot_be_meant_is_refused(query, visit, core):
    answer = history(visit, query)
    assert answer.status_code == 400
    assert core.queries(ASKED) == []
    assert "errorlist" in main(answer)


@pytest.mark.parametrize("day", ["0001-01-01", "9999-12-31"])
def test_the_ends_of_time_are_days_too(day, visit):
    assert history(visit, f"?since={day}&until={day}").status_code in (200, 400)


# Pages


@pytest.mark.parametrize(
    ("query", "count", "page"),
    [
        ("", 25, 1),
        ("?count=10&page=3", 10, 3),
        ("?count=1000", 200, 1),
        ("?count=0&page=0", 1, 1),
        ("?count=x&page=-1", 25, 1),
    ],
)
def test_pages_are_asked_for_as_they_are_shown(query, count, page, visit, core):
    core.entries = [told.entry(number) for number in range(500, 0, -1)]
    history(visit, query)
    assert core.queries(ASKED) == [{"count": str(count), "page": str(page)}]


def test_behind_the_last_page_is_the_last_page(visit, core):
    core.entries = [told.entry(number) for number in range(60, 0, -1)]
    page = main(history(visit, "?page=99"))
    assert '<span class="page-link" aria-current="page">3</span>' in page
    assert page.count('<th scope="row">') == 10


def test_links_to_pages_keep_the_filter(visit, core):
    core.entries = [told.entry(number) for number in range(500, 0, -1)]
    page = main(history(visit, "?verdict=vouched&page=10"))
    assert 'href="?verdict=vouched&amp;page=11"' in page
    assert 'rel="prev"' in page
    numbers = words(page.partition('aria-label="Pages"')[2].partition("</nav>")[0])
    assert numbers.endswith("1 … 8 9 10 11 12 … 20 Older posts →")


def test_the_number_of_posts_on_a_page_keeps_the_filter(visit):
    page = main(history(visit, "?verdict=vouched&page=1&count=50"))
    form = page.partition("arc-count-form")[2]
    assert '<input type="hidden" name="verdict" value="vouched">' in form
    assert 'name="page"' not in form
    assert '<option value="50" selected>' in form


def test_it_says_how_far_was_searched(visit, core):
    core.is_complete = False
    assert "There may be more before" in words(main(history(visit)))


# Nothing


def test_a_filter_that_finds_nothing_can_be_left(visit, core):
    page = main(history(visit, "?verdict=confirmed"))
    assert "No post matches this filter. Show all posts" in words(page)


def test_a_search_that_found_nothing_yet_says_how_far_it_went(visit, core):
    core.is_complete = False
    page = main(history(visit, "?verdict=confirmed"))
    assert "There may be more before" in words(page)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "The first post will appear here."),
        ({"state": "off"}, "Sealing is off for this list."),
        ({"history_days": 0}, "This list keeps no history (0 days)."),
    ],
)
def test_a_history_without_posts_says_why(changes, sentence, visit, core):
    core.entries, core.status = [], told.status(**changes)
    page = main(history(visit))
    assert sentence in words(page)
    assert "<table" not in page
    assert ".csv" not in page


def test_no_sentence_leads_a_moderator_to_the_settings(visit, core):
    core.entries, core.status = [], told.status(history_days=0)
    assert SETTINGS not in main(history(visit, name="mo"))


def test_a_database_in_trouble_has_a_sentence(visit, core):
    core.database_problem = "the history cannot be read now"
    answer = history(visit)
    assert answer.status_code == 503
    assert "the history cannot be read now" in words(main(answer))


def test_there_is_no_script_of_ours(visit):
    assert "<script" not in main(history(visit))
    assert "onclick" not in html(history(visit))
