"""What Mailman calls when it starts: `class: mailman_arc.plugin.hooks.ArcPlugin`."""

from __future__ import annotations

from mailman.interfaces.plugin import IPlugin
from zope.interface import implementer

from mailman_arc.plugin import startup, wiring
from mailman_arc.plugin.seams import degrade


@implementer(IPlugin)
class ArcPlugin:
    """See `IPlugin`."""

    name = ""  # the section's, set by Mailman
    resource = None  # no REST yet

    def pre_hook(self) -> None:
        """See `IPlugin`."""
        wiring.activate(self.name)

    def post_hook(self) -> None:
        """See `IPlugin`."""
        with degrade("start"):
            startup.place_handler()
        with degrade("start"):
            startup.report_configuration()
