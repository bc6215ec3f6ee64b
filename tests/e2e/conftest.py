from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.house import Furnished, House


@pytest.fixture(scope="session")
def house() -> Iterator[House]:
    """The configuration files of `example_cfg`, nothing changed but paths and ports."""
    with Furnished() as furnished:
        yield furnished
