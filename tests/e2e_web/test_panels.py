"""What pages of Postorius and HyperKitty tell beside what they always told."""

from __future__ import annotations

import pytest

from tests.e2e_web.neighbourhood import ANN, Neighbourhood
from tests.e2e_web.test_pages import HISTORY, LIST, path_of
from tests.house.browser import WIDTHS


pytestmark = pytest.mark.house

HEADING = "Message authentication"


@pytest.mark.parametrize(
    ("role", "sees"), [("olivia", True), ("sue", True), ("max", False), ("otto", False)]
)
def test_the_way_to_our_pages_is_shown_to_those_who_may_go_it(
    neighbourhood: Neighbourhood, role: str, sees: bool
) -> None:
    visitor = neighbourhood.visitor(role)

    assert visitor.open(LIST) == 200

    assert (
        visitor.page.get_by_role("link", name="ARC", exact=True).count() > 0
    ) is sees
    assert (HEADING in visitor.text) is sees


def test_a_moderator_sees_how_a_post_arrived_before_he_decides(
    neighbourhood: Neighbourhood,
) -> None:
    otto = neighbourhood.visitor("otto")

    otto.open(f"/mailman3/lists/{neighbourhood.board.list_id}/held_messages")
    otto.take_picture("held")
    otto.page.get_by_role("link", name="Confirmed").click()

    assert "A secret" in otto.text
    assert "The post really comes from author.example" in otto.text


@pytest.mark.parametrize("width", WIDTHS)
def test_the_archive_tells_owners_how_a_post_arrived(
    neighbourhood: Neighbourhood, width: int
) -> None:
    olivia = neighbourhood.visitor("olivia")
    olivia.resize(width)
    way = path_of(neighbourhood, "post")

    olivia.open(way)
    olivia.page.get_by_role("link", name="Show it in the archive").click()

    olivia.page.wait_for_url("**/archives/**")
    olivia.take_picture(f"archive-{width}")
    assert olivia.complaints == []
    assert olivia.too_wide() <= 0
    assert "Vouched for" in olivia.text
    in_archive = olivia.path
    olivia.page.get_by_role("link", name="How this post arrived").click()
    assert olivia.path == way
    for role in ("max", "otto", "anonymous"):
        reader = neighbourhood.visitor(role)
        assert reader.open(in_archive) == 200
        assert HEADING not in reader.text


def test_filters_find_posts_and_files_have_them(neighbourhood: Neighbourhood) -> None:
    olivia = neighbourhood.visitor("olivia")

    olivia.open(HISTORY)
    olivia.page.select_option("[name=verdict]", "vouched")
    olivia.page.get_by_role("button", name="Filter").click()

    assert "Lunch on Monday" in olivia.text
    assert "Lunch on Friday" not in olivia.text
    with olivia.page.expect_download() as download:
        olivia.page.get_by_role("link", name="CSV").click()
    lines = download.value.path().read_text(encoding="utf-8").splitlines()
    assert len(lines) == 2
    assert ANN in lines[1]
