"""What lists have of their own, and what is said when the database is down."""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass

from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.adapters.store.listsettings import ListSettingsStore
from mailman_arc.plugin.rest.answers import unavailable


NOT_READ = "what lists have of their own cannot be read now; plugins.log says why"
NOT_WRITTEN = "settings of lists cannot be changed now; plugins.log says why"

_log = logging.getLogger("mailman.plugins.arc")


@dataclass(frozen=True, slots=True)
class OwnValues:
    """What each list has; with a `problem` that is not known."""

    by_list: Mapping[str, Mapping[str, str]]
    problem: str = ""


def own_values(store: ListSettingsStore, list_id: str | None = None) -> OwnValues:
    """What a list has of its own, or what all lists have."""
    try:
        if list_id is None:
            return OwnValues(store.all())
        return OwnValues({list_id: store.values(list_id)})
    except StoreError as error:
        _log.error("REST: %s", error)
        return OwnValues({}, NOT_READ)


@contextmanager
def writing() -> Iterator[None]:
    """Refuse the request when the database cannot be written to in the block."""
    try:
        yield
    except StoreError as error:
        _log.error("REST: %s", error)
        raise unavailable(NOT_WRITTEN) from error
