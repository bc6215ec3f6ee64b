from __future__ import annotations

import os

from hypothesis import HealthCheck, settings


# Busy machines are slow, and a build must not depend on chance.
settings.register_profile(
    "ci",
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow],
)
settings.register_profile("default", deadline=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "default")
