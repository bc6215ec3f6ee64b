"""What a list can do to a post, with every kind of post: sealed, or told why not.

Each cell is a test of its own; Mailman runs once for all that were selected.
`-m "not matrix"` leaves those out that are not in the core.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.house import SITE
from tests.e2e.matrix import DOCUMENT, document
from tests.e2e.matrix_arrival import (
    FORMS,
    READ_IN_TWO_WAYS,
    REFUSED,
    WITH_DOOR,
    arrivals,
    on_the_wire,
)
from tests.e2e.matrix_notices import NOTICES, Notice
from tests.e2e.matrix_posts import CORE, all_posts
from tests.e2e.matrix_run import (
    Found,
    Judges,
    Key,
    all_keys,
    arrival_keys,
    complaints,
    run,
)
from tests.house import posts
from tests.house.sink import Delivery


pytestmark = pytest.mark.house
WHOLE = "test_the_document_tells_what_was_found"
OF_A_CELL = (
    "test_every_copy_is_sealed_or_it_is_told_why",
    "test_the_history_tells_all_of_a_post",
)


def cell_params() -> Iterator[object]:
    for feature, post in all_keys():
        beyond = () if feature.is_core and post.name in CORE else pytest.mark.matrix
        yield pytest.param(
            (feature, post), id=f"{feature.name}-{post.name}", marks=beyond
        )


def arrival_params() -> Iterator[object]:
    for feature, post in arrival_keys():
        if feature is WITH_DOOR:
            form = next(form for form in FORMS if arrivals()[post.name, form] is post)
            yield pytest.param((feature, post), id=f"{form}-{post.name}")


@pytest.fixture(scope="module")
def found(request: pytest.FixtureRequest) -> Found:
    """What became of all posts that the selected tests ask for."""
    selected = [item for item in request.session.items if item.path == request.path]
    asked = {item.originalname for item in selected}
    keys = [
        item.callspec.params["key"]
        for item in selected
        if item.originalname in OF_A_CELL
    ]
    if asked & {"test_the_door_says_what_is_said_on_the_wire", WHOLE}:
        keys += arrival_keys()
    notices = {
        "test_a_notice_is_not_sealed_and_it_is_told_why",
        "test_the_history_tells_of_posts_that_cause_notices",
        WHOLE,
    }
    return run(dict.fromkeys(keys), with_notices=bool(asked & notices))


@pytest.mark.parametrize("key", cell_params())
def test_every_copy_is_sealed_or_it_is_told_why(found: Found, key: Key):
    assert found.cells[key].problems == []


@pytest.mark.parametrize("key", cell_params())
def test_the_history_tells_all_of_a_post(found: Found, key: Key):
    assert found.cells[key].untold == []


def test_the_history_tells_of_posts_only(found: Found):
    assert found.surplus == []


def test_nothing_is_shunted(found: Found):
    assert found.trouble == []


@pytest.mark.matrix
@pytest.mark.parametrize("notice", NOTICES, ids=lambda notice: notice.title)
def test_a_notice_is_not_sealed_and_it_is_told_why(found: Found, notice: Notice):
    cell = found.notices[notice]

    assert cell.problems == []
    assert cell.outcome == "not sealed: not a post (digest or notice)"


@pytest.mark.matrix
def test_the_history_tells_of_posts_that_cause_notices(found: Found):
    assert found.beside_notices == []


@pytest.mark.matrix
@pytest.mark.parametrize("key", arrival_params())
def test_the_door_says_what_is_said_on_the_wire(found: Found, key: Key):
    cell = found.cells[key]
    result = "fail" if key[1].name in READ_IN_TWO_WAYS else "pass"

    assert set(on_the_wire(key[1]).values()) == {"pass"}
    if key[1].name in REFUSED:
        assert cell.refusal == "501 Message has defects"
        return
    assert f"dkim={result}" in cell.arrival
    assert cell.problems == []
    assert cell.untold == []


@pytest.mark.matrix
def test_the_document_tells_what_was_found(found: Found):
    if len(found.cells) < len(all_keys()) + len(arrival_keys()):
        pytest.skip("only some of the tests were selected")

    assert document(found) == DOCUMENT.read_text("utf-8")


SEALED = "sealed i=1 cv=none"
ENDED = "sealed i=3 cv=fail"


@pytest.mark.parametrize(
    ("name", "results", "old", "new", "told", "is_good"),
    [
        pytest.param("7-bit text", "dkim=pass", b"", b"", SEALED, True, id="good"),
        pytest.param(
            "7-bit text", "dkim=pass", b"noon", b"one", SEALED, False, id="changed"
        ),
        pytest.param("7-bit text", "", b"", b"", SEALED, False, id="not sealed"),
        pytest.param(
            "7-bit text", "dkim=pass", b"", b"", "not sealed: x", False, id="sealed"
        ),
        pytest.param(
            "a chain that is broken", "arc=fail", b"", b"", ENDED, True, id="ended"
        ),
        pytest.param(
            "a chain that is broken",
            "arc=fail",
            b"arc=fail",
            b"arc=pass",
            ENDED,
            False,
            id="ended, changed",
        ),
        pytest.param("7-bit text", "dkim=pass", b"", b"", ENDED, False, id="not ended"),
    ],
)
def test_a_bad_copy_is_noticed(
    name: str, results: str, old: bytes, new: bytes, told: str, is_good: bool
):
    octets = all_posts()[name].octets
    if results:
        octets = posts.arc_seal(octets, SITE, results)
    copy = Delivery("", (), octets.replace(old, new) if old else octets)

    assert (list(complaints(copy, told, Judges())) == []) is is_good
