"""When something is broken the pages say what, and Postorius' own still work."""

from __future__ import annotations

import re

import pytest

from tests.e2e_web.neighbourhood import Neighbourhood
from tests.e2e_web.test_pages import HISTORY, LIST, OVERVIEW, SETTINGS
from tests.house.browser import WIDTHS


pytestmark = pytest.mark.house

OUR_PAGES = {"overview": OVERVIEW, "history": HISTORY, "settings": SETTINGS}
THEIR_PAGES = (LIST, f"{LIST}held_messages", f"{LIST}members/member/")

SENTENCES = {
    "core is down": "Mailman REST API not available",
    "database is broken": "cannot be (used|read) now",
    "plugin is off": "The ARC plugin is not enabled in Mailman.",
}


@pytest.fixture(scope="module", params=SENTENCES)
def trouble(request: pytest.FixtureRequest, neighbourhood: Neighbourhood) -> str:
    """Mailman with one thing wrong; nobody mends it, for this module is the last."""
    site = neighbourhood.house.site
    site.stop()
    if request.param == "database is broken":
        for file in site.var.rglob("arc.db*"):
            file.write_bytes(b"This is no database. " * 1000)
    if request.param == "plugin is off":
        site.configure_mailman({"plugin.arc": {"enabled": "no"}})
    if request.param != "core is down":
        site.start()
    return str(request.param)


@pytest.mark.parametrize("page", OUR_PAGES)
def test_our_pages_say_what_is_wrong(
    neighbourhood: Neighbourhood, trouble: str, page: str
) -> None:
    olivia = neighbourhood.visitor("olivia")
    olivia.resize(WIDTHS[-1])

    status = olivia.open(OUR_PAGES[page])

    olivia.take_picture(f"{trouble}-{page}")
    can_be_read = (trouble, page) == ("database is broken", "settings")
    assert status == (200 if can_be_read else 503)
    assert re.search(SENTENCES[trouble], olivia.text)
    assert olivia.too_wide() <= 0


def test_their_pages_are_as_they_were(
    neighbourhood: Neighbourhood, trouble: str
) -> None:
    olivia = neighbourhood.visitor("olivia")

    for path in THEIR_PAGES:
        expected = 503 if trouble == "core is down" else 200
        assert olivia.open(path) == expected
