from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from tests.e2e_web.neighbourhood import Neighbourhood, open_neighbourhood
from tests.house import browser, web


# Playwright keeps an event loop in this thread, so no longer than our tests.
@pytest.fixture(scope="package")
def neighbourhood() -> Iterator[Neighbourhood]:
    missing = [*web.what_is_missing(), *browser.what_is_missing()]
    if missing and os.environ.get("CI") != "true":
        pytest.skip(f"not installed: {', '.join(missing)}")
    with open_neighbourhood() as opened:
        yield opened
