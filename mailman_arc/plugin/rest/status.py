"""`/lists/<list>/status`: whether its posts are sealed, and what is in the way."""

from __future__ import annotations

import falcon

from mailman_arc.plugin.keylist import iso_time
from mailman_arc.plugin.liststatus import status_of
from mailman_arc.plugin.rest.answers import (
    Body,
    answering,
    link,
    refuse_parameters,
    usable_services,
)
from mailman_arc.plugin.rest.lists import find_mlist


class Status:
    """`/lists/<list>/status`."""

    def __init__(self, spec: str) -> None:
        self._spec = spec

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """How it stands, in sentences for the list's owners."""
        refuse_parameters(request)
        services = usable_services()
        mlist = find_mlist(self._spec)
        found = status_of(services, mlist)
        identity = found.identity
        trouble = found.database_problem
        return {
            "list_id": mlist.list_id,
            "state": found.state.value,
            "mode": found.settings.mode.value,
            "identity": identity.name if identity else "",
            "domain": identity.domain if identity else "",
            "selector": found.selector,
            "key_seen_at": iso_time(found.key_seen_at),
            "problems": list(found.problems),
            "history_days": found.settings.history_days,
            "is_keeping_history": bool(found.settings.history_days) and not trouble,
            "door": found.has_door,
            **({"database_problem": trouble} if trouble else {}),
            "self_link": link("lists", mlist.list_id, "status"),
        }
