"""The way to each resource.

Nothing is looked up on the way: what goes wrong there, Mailman would not log.
"""

from __future__ import annotations

from typing import Any

import falcon
from mailman.rest.helpers import child

from mailman_arc.plugin import wiring
from mailman_arc.plugin.release import installed_version
from mailman_arc.plugin.rest.answers import Body, answering, link, refuse_parameters
from mailman_arc.plugin.rest.doctor import Doctor
from mailman_arc.plugin.rest.history import AnEntry, History, HistoryCount
from mailman_arc.plugin.rest.keys import AKey, AllKeys, CheckKey
from mailman_arc.plugin.rest.listconfig import ListConfig
from mailman_arc.plugin.rest.lists import AList, AllLists
from mailman_arc.plugin.rest.metrics import Metrics
from mailman_arc.plugin.rest.site import AllIdentities, AllSettings, AnIdentity
from mailman_arc.plugin.rest.stats import ListStats
from mailman_arc.plugin.rest.status import Status


# Without segments that are left over; None is 404.
Found = tuple[Any, list[str]] | None


class Root:
    """`/`."""

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """Who answers here."""
        refuse_parameters(request)
        return {
            "name": wiring.section(),
            "version": installed_version(),
            "doctor_link": link("doctor"),
            "identities_link": link("identities"),
            "keys_link": link("keys"),
            "lists_link": link("lists"),
            "metrics_link": link("metrics"),
            "settings_link": link("settings"),
            "self_link": link(),
        }

    @child()
    def lists(self, context: object, segments: list[str]) -> Found:
        """`/lists[/<list>[/…]]`."""
        match segments:
            case []:
                return AllLists(), []
            case [spec]:
                return AList(spec), []
            case [spec, *below]:
                resource = _of_list(spec, below)
                return None if resource is None else (resource, [])
            case _:
                return None

    @child()
    def doctor(self, context: object, segments: list[str]) -> Found:
        """`/doctor`."""
        return None if segments else (Doctor(), [])

    @child()
    def metrics(self, context: object, segments: list[str]) -> Found:
        """`/metrics`."""
        return None if segments else (Metrics(), [])

    @child()
    def settings(self, context: object, segments: list[str]) -> Found:
        """`/settings`."""
        return None if segments else (AllSettings(), [])

    @child()
    def identities(self, context: object, segments: list[str]) -> Found:
        """`/identities[/<name>]`."""
        match segments:
            case []:
                return AllIdentities(), []
            case [name]:
                return AnIdentity(name), []
            case _:
                return None

    @child()
    def keys(self, context: object, segments: list[str]) -> Found:
        """`/keys[/<domain>/<selector>[/check]]`."""
        match segments:
            case []:
                return AllKeys(), []
            case [domain, selector]:
                return AKey(domain, selector), []
            case [domain, selector, "check"]:
                return CheckKey(domain, selector), []
            case _:
                return None


def _of_list(spec: str, segments: list[str]) -> Any:
    """What is below `/lists/<list>`; None when there is nothing of this name."""
    match segments:
        case ["config"]:
            return ListConfig(spec)
        case ["config", attribute]:
            return ListConfig(spec, attribute)
        case ["history"]:
            return History(spec)
        case ["history", "count"]:
            return HistoryCount(spec)
        case ["history", entry_id]:
            return AnEntry(spec, entry_id)
        case ["stats"]:
            return ListStats(spec)
        case ["status"]:
            return Status(spec)
        case _:
            return None
