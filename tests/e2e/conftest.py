from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.e2e.house import FurnishedHouse, furnished


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "matrix: what -m 'not matrix' leaves out of tests/e2e/test_matrix.py"
    )


@pytest.fixture(scope="session")
def house() -> Iterator[FurnishedHouse]:
    """The configuration files of `example_cfg`, nothing changed but paths and ports."""
    with furnished(without=()) as opened:
        yield opened
