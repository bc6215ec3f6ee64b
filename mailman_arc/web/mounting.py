"""Our addresses among those of Postorius."""

from __future__ import annotations

from importlib import import_module


def add_to_postorius() -> str:
    """Put our addresses before Postorius' own; says what was in the way, if anything.

    What this takes of Postorius is not documented, but the same since 1.3.8.
    """
    try:
        ours = import_module("mailman_arc.web.urls")
        postorius = import_module("postorius.urls")
        postorius.list_patterns[:0] = ours.LIST_PATTERNS
        postorius.urlpatterns[:0] = ours.SITE_PATTERNS
    except (ImportError, AttributeError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    return ""
