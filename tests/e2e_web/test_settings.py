"""What an owner saves in the form holds for the next post."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e_web.neighbourhood import ANN, OURS, Neighbourhood
from tests.e2e_web.test_pages import SETTINGS
from tests.house import posts
from tests.house.browser import Visitor


pytestmark = pytest.mark.house


@pytest.fixture
def olivia(neighbourhood: Neighbourhood) -> Iterator[Visitor]:
    """The owner, before the form; what she sets is gone afterwards."""
    visitor = neighbourhood.visitor("olivia")
    assert visitor.open(SETTINGS) == 200
    yield visitor
    path = f"{OURS}/{neighbourhood.discuss.list_id}/config"
    neighbourhood.house.site.rest.delete(path)


def save(visitor: Visitor) -> None:
    visitor.page.get_by_role("button", name="Save changes").click()


def told(neighbourhood: Neighbourhood, name: str) -> str:
    path = f"{OURS}/{neighbourhood.discuss.list_id}/config/{name}"
    return str(neighbourhood.house.site.rest.get(path)[name])


def is_sealed(neighbourhood: Neighbourhood, subject: str) -> bool:
    """Send a post, and tell whether it left with our seal."""
    mlist = neighbourhood.discuss
    post = posts.make_post(ANN, mlist.address, subject=subject)
    neighbourhood.send(post, mlist)
    [copy, *_] = neighbourhood.copies(post)
    return bool(copy.fields("ARC-Seal"))


def test_what_is_saved_holds_for_the_next_post(
    neighbourhood: Neighbourhood, olivia: Visitor
) -> None:
    assert is_sealed(neighbourhood, "Before")

    olivia.page.select_option("[name=mode]", "none")
    save(olivia)

    assert "The settings have been updated." in olivia.text
    assert olivia.page.input_value("[name=mode]") == "none"
    assert told(neighbourhood, "mode") == "none"
    assert not is_sealed(neighbourhood, "While it is off")

    olivia.page.select_option("[name=mode]", "")
    save(olivia)

    assert told(neighbourhood, "mode") == "sv"
    assert is_sealed(neighbourhood, "Afterwards")


def test_what_makes_no_sense_is_said_beside_the_field(
    neighbourhood: Neighbourhood, olivia: Visitor
) -> None:
    before = told(neighbourhood, "history_days")

    olivia.page.check("[name=inherit_history_days][value=no]")
    olivia.page.fill("[name=history_days]", "<b>many</b>")
    save(olivia)

    olivia.take_picture("refused")
    assert "The settings have been updated." not in olivia.text
    assert "many" in olivia.page.locator("[role=alert]").inner_text()
    assert told(neighbourhood, "history_days") == before


def test_a_moderator_cannot_save_what_he_cannot_see(
    neighbourhood: Neighbourhood, olivia: Visitor
) -> None:
    mona = neighbourhood.visitor("mona")
    mona.open(SETTINGS)
    cookies = {each["name"]: each["value"] for each in mona.page.context.cookies()}

    answer = mona.page.request.post(
        mona.base + SETTINGS,
        form={"mode": "none", "csrfmiddlewaretoken": cookies["csrftoken"]},
    )

    assert answer.status == 403
    assert told(neighbourhood, "mode") == "sv"
