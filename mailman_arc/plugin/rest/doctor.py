"""`/doctor`: what is wrong with the site, as `mailman arc doctor` says it."""

from __future__ import annotations

import falcon

from mailman_arc.plugin.doctor import examine
from mailman_arc.plugin.rest.answers import (
    Body,
    answering,
    link,
    refuse_parameters,
    usable_services,
)


class Doctor:
    """`/doctor`."""

    @answering
    def on_get(self, request: falcon.Request) -> Body:
        """All findings but those about the last posts of each list.

        The DNS is waited for, for one `dns_timeout` at most: what it showed some
        time ago would be no news to who has just mended it.
        """
        refuse_parameters(request)
        services = usable_services()
        found = examine(services, services.hasty_resolver, looks_back=False)
        return {
            "checks": [
                {"severity": each.severity.value, "text": each.text} for each in found
            ],
            "self_link": link("doctor"),
        }
