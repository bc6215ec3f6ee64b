"""`/settings` and `/identities`: what the whole site has."""

from __future__ import annotations

import falcon

from mailman_arc.plugin.rest.answers import (
    Body,
    answering,
    link,
    not_found,
    refuse_parameters,
    usable_services,
)
from mailman_arc.plugin.rest.collections import wanted_page
from mailman_arc.plugin.rest.values import row
from mailman_arc.policy.configuration import Identity
from mailman_arc.policy.settings import SETTINGS


class AllSettings:
    """`/settings`."""

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """The table of all settings, for those who make forms."""
        page = wanted_page(request)
        rows = [row(each) for each in SETTINGS]
        return page.body(len(rows), rows[page.slice])


class AllIdentities:
    """`/identities`."""

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """Who may seal."""
        page = wanted_page(request)
        identities = usable_services().configuration.identities
        names = sorted(identities)
        entries = [_shown(identities[name]) for name in names[page.slice]]
        return page.body(len(names), entries)


class AnIdentity:
    """`/identities/<name>`."""

    def __init__(self, name: str) -> None:
        self._name = name

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """Who may seal under this name."""
        refuse_parameters(request)
        identity = usable_services().configuration.identities.get(self._name)
        if identity is None:
            raise not_found(f"No such identity: {self._name}")
        return _shown(identity)


def _shown(identity: Identity) -> Body:
    """All but where the key is."""
    return {
        "name": identity.name,
        "domain": identity.domain,
        "selector": identity.selector,
        "self_link": link("identities", identity.name),
    }
