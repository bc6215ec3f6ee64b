from __future__ import annotations

import pytest

from tests.web import told
from tests.web.browser import HISTORY, OVERVIEW, SETTINGS, html, main, words


def overview(visit, name="olivia", query=""):
    return visit(name).get(OVERVIEW + query)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "Posts are sealed as lists.example.org (key s2026a)."),
        ({"selector": ""}, "Posts are sealed as lists.example.org."),
        ({"state": "shadow"}, "nothing is added to posts"),
        ({"state": "off"}, "Sealing is off for this list."),
        (
            {"state": "problem", "problems": ["No key."]},
            "Posts are not sealed. No key.",
        ),
    ],
)
def test_the_first_line_says_how_it_stands(changes, sentence, visit, core):
    core.status = told.status(**changes)
    assert sentence in words(main(overview(visit)))


def test_cards_lead_to_the_posts_they_count(visit):
    page = main(overview(visit))
    assert f'{HISTORY}?verdict=unconfirmed&amp;since=2026-10-24"' in page
    assert "13 ✖ Not confirmed 9 %" in words(page)


@pytest.mark.parametrize(
    ("query", "days"),
    [("", 30), ("?days=7", 7), ("?days=90", 90), ("?days=8", 30), ("?days=x", 30)],
)
def test_the_numbers_are_those_of_a_few_ranges(query, days, visit, core):
    overview(visit, query=query)
    [asked] = core.queries(f"/3.1/plugins/arc/lists/{told.LIST_ID}/stats")
    assert asked == {"days": str(days)}


def test_the_range_is_marked(visit):
    page = main(overview(visit, query="?days=7"))
    assert 'aria-current="true" href="?days=7"' in page


def test_the_picture_has_a_title_and_a_table(visit):
    page = main(overview(visit))
    assert '<svg role="img" aria-labelledby="arc-chart-title"' in page
    assert "140 posts in 30 days" in words(page)
    assert "Show as a table" in words(page)
    assert '<time datetime="2026-11-22">' in page


def test_owners_are_told_what_helps_against_the_problems_of_a_domain(visit):
    page = main(overview(visit))
    assert f'{HISTORY}?from_domain=broken.example&amp;since=2026-10-24"' in page
    assert "sign all mail with DKIM. DMARC Mitigations" in words(page)


def test_moderators_are_not_sent_to_settings_they_may_not_see(visit):
    assert "DMARC Mitigations" not in words(main(overview(visit, "mo")))


def test_posts_without_a_domain_are_not_a_domain_with_problems(visit):
    assert main(overview(visit)).count('<th scope="row"><a') == 2


def test_a_list_without_problems_says_so(visit, core):
    core.stats["domains"] = []
    assert "None in this time." in words(main(overview(visit)))


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({}, "The first post will appear here."),
        ({"state": "off"}, "Switch it on in Settings ."),
        ({"history_days": 0}, "This list keeps no history (0 days)."),
    ],
)
def test_a_list_without_a_post_has_a_sentence_and_no_picture(
    changes, sentence, visit, core
):
    core.stats = told.no_stats()
    core.status = told.status(**changes)
    page = main(overview(visit))
    assert sentence in words(page)
    assert "<svg" not in page


def test_moderators_are_told_who_can_switch_it_on(visit, core):
    core.stats = told.no_stats()
    core.status = told.status(state="off")
    page = main(overview(visit, "mo"))
    assert "An owner of the list can switch it on." in words(page)
    assert SETTINGS not in page


def test_a_quiet_time_says_when_the_last_post_was(visit, core):
    core.stats = told.no_stats() | {"last_arrived_at": told.ARRIVED}
    page = main(overview(visit))
    assert "No post arrived in this time." in words(page)
    assert '<time datetime="2026-11-20T09:30:00Z">' in page
    assert "<svg" not in page


# Trouble


def test_it_says_that_the_plugin_is_not_enabled(visit, core):
    core.has_plugin = False
    answer = overview(visit)
    assert answer.status_code == 503
    assert "The ARC plugin is not enabled in Mailman." in words(main(answer))


def test_a_database_in_trouble_has_a_sentence_and_the_rest_is_shown(visit, core):
    core.database_problem = "the history cannot be read now"
    answer = overview(visit)
    assert answer.status_code == 503
    assert "Posts are sealed as" in words(main(answer))
    assert "the history cannot be read now" in words(main(answer))


def test_trouble_that_the_plugin_knows_itself_is_not_asked_for(visit, core):
    core.status = told.status(database_problem="the database cannot be used now")
    answer = overview(visit)
    assert answer.status_code == 503
    assert "the database cannot be used now" in words(main(answer))
    assert core.queries(f"/3.1/plugins/arc/lists/{told.LIST_ID}/stats") == []


def test_without_mailman_there_is_the_page_of_postorius(visit, settings_at):
    client = visit("olivia")
    with settings_at("http://127.0.0.1:1"):
        answer = client.get(OVERVIEW)
    assert answer.status_code == 503
    assert "Mailman REST API not available" in html(answer)
