from __future__ import annotations

import pytest

from tests.web import told
from tests.web.browser import SETTINGS, html, main, words


CONFIG = f"/3.1/plugins/arc/lists/{told.LIST_ID}/config"

# What a browser sends of a form that nobody has changed.
UNCHANGED = {
    "mode": "",
    "shadow": "",
    "identity": "",
    "inherit_sign_headers": "yes",
    "sign_headers": "",
    "inherit_history_days": "yes",
    "history_days": "",
    "inherit_history_fields": "yes",
    "history_fields": "",
}


def save(visit, **changes):
    return visit("olivia").post(SETTINGS, UNCHANGED | changes)


def own(core, name, value):
    """Give the list a value of its own."""
    for each in core.settings["settings"]:
        if each["name"] == name:
            each |= {"value": value, "origin": "list"}


def test_each_setting_is_shown_with_what_it_means_and_where_it_comes_from(visit, core):
    core.settings["settings"][0] |= {"origin": "domain lists.example.org"}
    page = words(main(visit("olivia").get(SETTINGS)))
    assert "What is done with posts Inherited (Seal posts, and mark them" in page
    assert "What it means. In arc.cfg: mode. Now: set for the mail domain" in page
    assert "Inherited (from, subject)" in page
    assert "In arc.cfg: sign_headers. Now: set for the whole site." in page


def test_settings_for_people_who_know_why_are_not_seen_at_once(visit):
    page = main(visit("olivia").get(SETTINGS))
    groups = page.split("<details")[1:]
    assert [
        words(each.partition("</summary>")[0].partition(">")[2]) for each in groups
    ] == [
        "Sealing",
        "History",
        "Details",
    ]
    assert [each.startswith(" open") for each in groups] == [True, True, False]


def test_what_the_list_has_of_its_own_is_seen_at_once(visit, core):
    own(core, "sign_headers", ["from"])
    groups = main(visit("olivia").get(SETTINGS)).split("<details")[1:]
    assert groups[2].startswith(" open")


def test_what_the_list_has_of_its_own_is_in_the_form(visit, core):
    own(core, "mode", "none")
    own(core, "history_days", "7")
    page = html(visit("olivia").get(SETTINGS))
    assert '<option value="none" selected>' in page
    assert 'name="history_days" value="7"' in page


def test_what_the_site_has_set_is_told(visit):
    page = words(main(visit("olivia").get(SETTINGS)))
    assert "Sealing domain lists.example.org" in page
    assert "s2026a._domainkey.lists.example.org" in page


@pytest.mark.parametrize(
    ("changes", "values"),
    [
        ({"mode": "none"}, {"mode": "none"}),
        ({"shadow": "yes"}, {"shadow": "yes"}),
        ({"identity": "lists.example.org"}, {"identity": "lists.example.org"}),
        (
            {"inherit_history_days": "no", "history_days": "7"},
            {"history_days": "7"},
        ),
        ({"inherit_history_fields": "no"}, {"history_fields": ""}),
        (
            {"mode": "v", "inherit_sign_headers": "no", "sign_headers": " from "},
            {"mode": "v", "sign_headers": "from"},
        ),
    ],
)
def test_a_value_of_its_own_is_set(changes, values, visit, core):
    answer = save(visit, **changes)
    assert core.writes() == [("PATCH", CONFIG, values)]
    assert (answer.status_code, answer["Location"]) == (302, SETTINGS)


def test_it_says_that_settings_were_saved(visit):
    client = visit("olivia")
    answer = client.post(SETTINGS, UNCHANGED | {"mode": "v"}, follow=True)
    assert "The settings have been updated." in html(answer)


def test_what_is_inherited_again_is_removed(visit, core):
    own(core, "mode", "none")
    own(core, "history_days", "7")
    save(visit, history_days="7")
    assert sorted(core.writes()) == [
        ("DELETE", f"{CONFIG}/history_days", {}),
        ("DELETE", f"{CONFIG}/mode", {}),
    ]


def test_what_is_set_comes_before_what_is_removed(visit, core):
    own(core, "mode", "none")
    save(visit, shadow="yes")
    assert [method for method, _, _ in core.writes()] == ["PATCH", "DELETE"]


def test_nothing_is_written_when_nothing_changed(visit, core):
    own(core, "mode", "none")
    assert save(visit, mode="none").status_code == 302
    assert core.writes() == []


def test_a_text_that_would_not_be_obeyed_is_refused(visit, core):
    answer = save(visit, history_days="7")
    assert core.writes() == []
    assert "Choose the value of its own, or leave the field empty." in main(answer)


def test_a_choice_that_is_none_is_refused(visit, core):
    answer = save(visit, mode="nonsense")
    assert core.writes() == []
    assert "errorlist" in main(answer)


def test_what_the_plugin_refuses_is_told_beside_the_setting(visit, core):
    core.refused = 'Invalid Parameter "history_days": at most 365.'
    answer = save(visit, inherit_history_days="no", history_days="9999")
    assert answer.status_code == 400
    page = main(answer)
    field = page.partition('name="history_days"')[2].partition("arc-help")[0]
    assert "at most 365" in field
    assert 'value="9999"' in page


def test_what_the_plugin_refuses_otherwise_is_told_above(visit, core):
    core.refused = "No."
    answer = save(visit, mode="v")
    assert "alert-danger" in main(answer).partition("No.")[0]


def test_a_database_in_trouble_leaves_what_was_typed(visit, core):
    core.database_problem = "settings of lists cannot be changed now"
    answer = save(visit, mode="v")
    assert answer.status_code == 503
    assert "settings of lists cannot be changed now" in words(main(answer))
    assert '<option value="v" selected>' in main(answer)


def test_trouble_with_what_the_list_has_is_told(visit, core):
    core.settings["problem"] = "mode: there is no such mode"
    assert "there is no such mode" in words(main(visit("olivia").get(SETTINGS)))


def test_every_field_has_a_name_for_those_who_do_not_see_it(visit):
    page = main(visit("olivia").get(SETTINGS))
    assert '<label for="id_mode">' in page
    assert page.count("<legend>") == page.count("<fieldset")
    assert 'aria-describedby="help_mode"' in page
