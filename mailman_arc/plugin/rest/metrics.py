"""`/metrics`: numbers for Prometheus."""

from __future__ import annotations

import falcon

from mailman_arc.plugin.metrics import CONTENT_TYPE, metric_lines
from mailman_arc.plugin.rest.answers import (
    Text,
    answering,
    refuse_parameters,
    usable_services,
)
from mailman_arc.plugin.rest.history import database


class Metrics:
    """`/metrics`."""

    @answering
    def on_get(self, request: falcon.Request) -> Text:
        """All numbers, in the text format of Prometheus."""
        refuse_parameters(request)
        services = usable_services()
        with database():
            lines = metric_lines(services)
        return Text("".join(f"{each}\n" for each in lines), CONTENT_TYPE)
