from __future__ import annotations

import pytest

from tests.web import told
from tests.web.browser import (
    HISTORY,
    KEYS,
    LIST,
    OVERVIEW,
    SETTINGS,
    html,
    post_address,
)


POST = post_address(told.entry())
EXPORT = HISTORY.removesuffix("/") + ".csv"
EVERYBODY = ("admin", "olivia", "mo", "member", "")
TAB = ">ARC</a>"


@pytest.mark.parametrize(
    ("address", "statuses"),
    [
        (OVERVIEW, (200, 200, 200, 403, 302)),
        (HISTORY, (200, 200, 200, 403, 302)),
        (POST, (200, 200, 200, 403, 302)),
        (EXPORT, (200, 200, 200, 403, 302)),
        (SETTINGS, (200, 200, 403, 403, 302)),
        (KEYS, (200, 403, 403, 403, 302)),
    ],
)
def test_a_page_is_for_those_who_may_see_it(address, statuses, visit):
    found = {name: visit(name).get(address).status_code for name in EVERYBODY}
    assert tuple(found.values()) == statuses, found


@pytest.mark.parametrize("address", [OVERVIEW, SETTINGS, KEYS])
def test_who_is_not_logged_in_is_sent_to_the_login(address, visit):
    assert visit().get(address)["Location"].startswith("/accounts/login/?next=")


def test_nobody_but_owners_changes_settings(visit, core):
    answer = visit("mo").post(SETTINGS, {"mode": "none"})
    assert (answer.status_code, core.writes()) == (403, [])


def test_a_form_from_elsewhere_changes_nothing(core, visit):
    client = visit("olivia")
    client.handler.enforce_csrf_checks = True
    answer = client.post(SETTINGS, {"mode": "none"})
    assert (answer.status_code, core.writes()) == (403, [])


@pytest.mark.parametrize(
    ("name", "is_there"),
    [("admin", True), ("olivia", True), ("mo", True), ("member", False), ("", False)],
)
def test_the_tab_is_there_for_those_who_may_see_the_pages(name, is_there, visit):
    assert (TAB in html(visit(name).get(LIST))) is is_there


@pytest.mark.parametrize(("name", "is_there"), [("olivia", True), ("mo", False)])
def test_the_settings_are_linked_for_owners_only(name, is_there, visit):
    assert (f'href="{SETTINGS}"' in html(visit(name).get(OVERVIEW))) is is_there


def test_a_list_is_asked_for_by_the_name_mailman_has_for_it(visit, core):
    visit("olivia").get(f"/postorius/lists/{told.ADDRESS}/arc/history/")
    assert core.queries(f"/3.1/plugins/arc/lists/{told.LIST_ID}/history")


def test_a_list_that_does_not_exist_has_no_page(visit):
    address = OVERVIEW.replace(told.LIST_ID, "other.lists.example.org")
    assert visit("olivia").get(address).status_code == 404


def test_both_addresses_of_postorius_have_the_pages(visit):
    address = OVERVIEW.replace("/mailman3/", "/postorius/")
    assert visit("olivia").get(address).status_code == 200
