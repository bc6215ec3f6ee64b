from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings


# An assertion in a module of helpers says as much as one in a test.
pytest.register_assert_rewrite("tests.e2e", "tests.e2e_web", "tests.house")

# Busy machines are slow, and a build must not depend on chance.
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("default", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")
