"""What is added to pages of Postorius and HyperKitty, and that it is not in the way."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mailman_arc.web import panels
from tests.web import told
from tests.web.browser import HISTORY, LIST, OVERVIEW, html, post_address, words


HELD = f"{LIST}held_messages"
PANEL = "Message authentication"
TAB = ">ARC</a>"


# The tab


def test_the_tab_stands_before_the_one_that_deletes_the_list(visit):
    page = html(visit("olivia").get(LIST))
    assert page.count(TAB) == 1
    assert page.find("Header filters") < page.find(TAB) < page.find(f"{LIST}delete")


def test_the_tab_of_a_moderator_is_the_last(visit):
    page = html(visit("mo").get(HELD))
    tabs = page.partition('class="nav nav-pills')[2].partition("<h2>")[0]
    assert tabs.find("Held messages") < tabs.find(TAB) < tabs.rfind("</ul>")


def test_the_tab_is_marked_on_our_pages(visit):
    page = html(visit("olivia").get(HISTORY))
    assert f'href="{OVERVIEW}" class="nav-link active" aria-current="page">ARC' in page


def test_the_tabs_stay_as_they_are_when_they_are_not_as_expected():
    user = SimpleNamespace(is_superuser=True)
    context = {"user": user, "list": SimpleNamespace(list_id=told.LIST_ID)}
    assert panels.with_tab("<p>No tabs</p>", context) == "<p>No tabs</p>"


def test_the_tabs_stay_as_they_are_when_we_fail():
    context = {"user": SimpleNamespace(is_superuser=True)}
    assert panels.with_tab("<ul></ul>", context) == "<ul></ul>"


# The first page of a list


@pytest.mark.parametrize(
    ("name", "is_there"),
    [("admin", True), ("olivia", True), ("mo", True), ("member", False), ("", False)],
)
def test_how_it_stands_is_told_on_the_first_page(name, is_there, visit):
    page = words(html(visit(name).get(LIST)))
    assert (f"{PANEL} ✔ Posts are sealed" in page) is is_there


def test_problems_are_told_on_the_first_page(visit, core):
    core.status = told.status(state="problem", problems=["No <key>."])
    page = html(visit("olivia").get(LIST))
    assert "No &lt;key&gt;." in page


@pytest.mark.parametrize("address", [LIST, HELD])
def test_a_page_is_shown_without_the_plugin(address, visit, core):
    core.has_plugin = False
    core.held = [told.held(7)]
    answer = visit("olivia").get(address)
    assert answer.status_code == 200
    assert PANEL not in html(answer)


# Held messages


def held(visit, core, entry=None, message=None):
    core.held = [message or told.held(7)]
    core.entries = [entry] if entry else []
    return html(visit("mo").get(HELD))


def test_a_held_message_has_its_verdict_below_its_subject(visit, core):
    entry = told.entry(disposition="held", verdict="unconfirmed")
    page = held(visit, core, entry)
    cell = page.partition('data-msgid="7"')[2].partition("</td>")[0]
    assert f'href="{post_address(entry)}"' in cell
    assert "✖ Not confirmed" in words(cell)


def test_verdicts_are_asked_for_once(visit, core):
    core.held = [told.held(7), told.held(8, "<2@author.example>")]
    visit("mo").get(HELD)
    asked = core.queries(f"/3.1/plugins/arc/lists/{told.LIST_ID}/history")
    assert asked == [
        {
            "disposition": "held",
            "since": "2026-11-19T09:30:01",
            "count": "200",
            "page": "1",
        }
    ]


def test_a_held_message_of_which_nothing_is_kept_has_no_verdict(visit, core):
    page = held(visit, core)
    assert 'data-msgid="7"' in page
    assert "arc-word" not in page


def test_a_held_message_of_a_stranger_is_harmless(visit, core):
    entry = told.entry(disposition="held", verdict="<script>alert(1)</script>")
    message = told.held(7) | {"subject": '</td><td data-msgid="7">"'}
    page = held(visit, core, entry, message)
    assert "<script>alert" not in page
    assert "&lt;/td&gt;" in page


def test_a_list_without_held_messages_asks_nothing(visit, core):
    visit("mo").get(HELD)
    assert core.queries(f"/3.1/plugins/arc/lists/{told.LIST_ID}/history") == []


def test_a_table_that_is_not_as_expected_stays_as_it_is(core):
    message = SimpleNamespace(
        message_id="<1@author.example>", request_id=7, hold_date=told.ARRIVED
    )
    core.entries = [told.entry(disposition="held")]
    context = {
        "held_messages": [message],
        "list": SimpleNamespace(list_id=told.LIST_ID),
    }
    assert panels.with_verdicts("<table></table>", context) == "<table></table>"


# A post in the archive


@pytest.fixture
def archived(core):
    """The address of a post in the archive, whose owner is olivia."""
    models = pytest.importorskip("hyperkitty.models")
    from django.contrib.auth import get_user_model
    from django.utils.timezone import now

    archive = models.MailingList.objects.create(
        name=told.ADDRESS, list_id=told.LIST_ID, archive_policy=2
    )
    archive.owners.add(get_user_model().objects.get(username="olivia"))
    thread = models.Thread.objects.create(
        mailinglist=archive, thread_id=told.HASH, date_active=now()
    )
    email = models.Email.objects.create(
        mailinglist=archive, thread=thread, message_id="1@author.example",
        sender=models.Sender.objects.create(address="ann@author.example"),
        message_id_hash=told.HASH, subject="A question", content="Hello.", date=now(),
        timezone=0, archived_date=now(),
    )  # fmt: skip
    thread.starting_email = email
    thread.save()
    yield f"/archives/list/{told.ADDRESS}/message/{told.HASH}/"
    archive.delete()
    email.sender.delete()


@pytest.mark.parametrize(
    ("name", "is_there"),
    [("admin", True), ("olivia", True), ("member", False), ("", False)],
)
def test_owners_see_beside_an_archived_post_how_it_arrived(
    name, is_there, visit, core, archived
):
    page = html(visit(name).get(archived))
    assert "Hello." in page
    assert (f'href="{post_address(core.entries[0])}"' in page) is is_there
    assert (f"{PANEL} ↪ Vouched for" in words(page)) is is_there


def test_who_is_no_owner_any_more_sees_nothing(visit, core, archived):
    core.owners = ()
    assert PANEL not in html(visit("olivia").get(archived))


def test_members_are_not_asked_about_for_the_panel(visit, core, archived):
    visit("member").get(archived)
    assert not [path for _, path, _ in core.asked if "/plugins/" in path]


def test_an_archived_post_of_which_nothing_is_kept_has_no_panel(visit, core, archived):
    core.entries = []
    page = html(visit("olivia").get(archived))
    assert "Hello." in page
    assert PANEL not in page


def test_an_archived_post_is_shown_without_the_plugin(visit, core, archived):
    core.has_plugin = False
    page = html(visit("olivia").get(archived))
    assert "Hello." in page
    assert PANEL not in page
