"""Which release of the plugin this is."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def installed_version() -> str:
    """The version, as far as it is known."""
    try:
        return version("mailman-arc")
    except PackageNotFoundError:
        return "unknown"  # run from its sources
