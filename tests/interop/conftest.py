"""Whoever takes part in a test is started once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from tests.interop.others import Other, introductions


@pytest.fixture(scope="session")
def introduce() -> Iterator[Callable[[str], Other | str]]:
    with introductions() as introduce:
        yield introduce


@pytest.fixture
def other(
    request: pytest.FixtureRequest, introduce: Callable[[str], Other | str]
) -> Other:
    found = introduce(request.param)
    if isinstance(found, str):
        # Nothing shall be tested less than it seems.
        assert os.environ.get("CI") != "true", found
        pytest.skip(f"{request.param}: {found}")
    return found
