"""Everybody sees the pages he may see, on every screen, and nothing else."""

from __future__ import annotations

import pytest

from tests.e2e_web.neighbourhood import EVIL, Neighbourhood
from tests.house.browser import WIDTHS, Flaw, Visitor


pytestmark = pytest.mark.house

LIST = "/mailman3/lists/discuss.lists.example.org/"
LOGIN = "/accounts/login/"
# Without anything of ours, for somebody who has no right to see it.
THEIRS = {"olivia": ("members/member/", "held_messages"), "otto": ("",)}

OVERVIEW, HISTORY, SETTINGS = (
    f"{LIST}arc/",
    f"{LIST}arc/history/",
    f"{LIST}arc/settings/",
)
KEYS, SYSTEM = "/mailman3/arc/keys/", "/mailman3/system/"
POST = "a post"
PATHS = {
    "overview": OVERVIEW,
    "history": HISTORY,
    "post": POST,
    "settings": SETTINGS,
    "keys": KEYS,
    "checks of the site": f"{KEYS}?doctor=yes",
    "system information": SYSTEM,
    "summary": LIST,
}
OF_THE_SITE = {"keys", "checks of the site", "system information"}

MODERATORS = {"olivia", "mona", "sue"}
MAY_SEE = {
    "overview": MODERATORS,
    "history": MODERATORS,
    "post": MODERATORS,
    "settings": {"olivia", "sue"},
    "keys": {"sue"},
}
ROLES = ("olivia", "mona", "max", "otto", "sue", "anonymous")


def path_of(neighbourhood: Neighbourhood, page: str, subject: str = "Monday") -> str:
    if page != "post":
        return PATHS[page]
    entry = neighbourhood.entry(neighbourhood.discuss, subject)
    return f"{HISTORY}{entry['entry_id']}/"


@pytest.fixture(scope="module")
def their_flaws(neighbourhood: Neighbourhood) -> set[Flaw]:
    """What axe-core finds on pages of Postorius."""
    found = set()
    for name, pages in THEIRS.items():
        visitor = neighbourhood.visitor(name)
        for page in pages:
            for width in WIDTHS:
                visitor.resize(width)
                assert visitor.open(LIST + page) == 200
                found |= visitor.flaws()
    return found


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("page", MAY_SEE)
def test_everybody_sees_what_he_may_see(
    neighbourhood: Neighbourhood, page: str, role: str
) -> None:
    visitor = neighbourhood.visitor(role)

    status = visitor.open(path_of(neighbourhood, page))

    if role == "anonymous":
        assert visitor.path == LOGIN
    else:
        assert status == (200 if role in MAY_SEE[page] else 403)


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", PATHS)
def test_every_page_fits_on_the_screen_and_reads_well(
    neighbourhood: Neighbourhood, their_flaws: set[Flaw], page: str, width: int
) -> None:
    visitor = neighbourhood.visitor("sue" if page in OF_THE_SITE else "olivia")
    visitor.resize(width)

    status = visitor.open(path_of(neighbourhood, page))

    visitor.unfold()
    visitor.take_picture(f"{page}-{width}")
    assert status == 200
    assert visitor.complaints == []
    assert visitor.too_wide() <= 0
    assert sorted(map(str, visitor.flaws() - their_flaws)) == []


def test_no_post_is_shown_at_another_list(neighbourhood: Neighbourhood) -> None:
    """The number of a post is worth nothing where it does not belong."""
    secret = neighbourhood.entry(neighbourhood.board, "A secret")
    olivia = neighbourhood.visitor("olivia")

    assert olivia.open(f"{HISTORY}{secret['entry_id']}/") == 404
    assert "A secret" not in olivia.text
    assert neighbourhood.visitor("otto").open(OVERVIEW) == 403


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize("page", ["history", "post"])
def test_what_strangers_write_is_text(
    neighbourhood: Neighbourhood, page: str, width: int
) -> None:
    visitor = neighbourhood.visitor("olivia")
    visitor.resize(width)

    assert visitor.open(path_of(neighbourhood, page, "evil")) == 200

    visitor.unfold()
    visitor.take_picture(f"evil-{page}-{width}")
    assert EVIL in visitor.text
    assert_harmless(visitor)


def assert_harmless(visitor: Visitor) -> None:
    assert visitor.page.locator(".evil").count() == 0
    assert visitor.page.evaluate("window.evil") is None
    assert visitor.complaints == []
    assert visitor.too_wide() <= 0
    forbidden = {"\x00", "\x1b", "\u202e"}
    assert not forbidden & set(visitor.page.content())
