"""`/lists/<list>/stats`: how many posts of which kind, by day and by domain."""

from __future__ import annotations

import time

import falcon

from mailman_arc.adapters.store.historyrows import Stats
from mailman_arc.plugin.historylist import history_of, tell_stats
from mailman_arc.plugin.rest.answers import (
    Body,
    answering,
    link,
    refuse_parameters,
    usable_services,
)
from mailman_arc.plugin.rest.collections import wanted_number
from mailman_arc.plugin.rest.history import database
from mailman_arc.plugin.rest.lists import ListName


MAX_DAYS = 365
DAYS = 30


class ListStats:
    """`/lists/<list>/stats`."""

    def __init__(self, spec: str) -> None:
        self._spec = spec

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """The numbers of the last days, today's included."""
        refuse_parameters(request, ("days",))
        days = wanted_number(request, "days", DAYS, range(1, MAX_DAYS + 1))
        store = history_of(usable_services())
        list_id = ListName.find(self._spec).list_id
        with database():
            found: Stats = store.stats(list_id, days, int(time.time()))
        return {**tell_stats(found), "self_link": link("lists", list_id, "stats")}
