"""What Mailman calls when it starts: `class: mailman_arc.plugin.hooks.ArcPlugin`."""

from __future__ import annotations

from typing import Any

from mailman.interfaces.plugin import IPlugin
from zope.interface import implementer

from mailman_arc.plugin import history, startup, tasks, wiring
from mailman_arc.plugin.seams import degrade


@implementer(IPlugin)
class ArcPlugin:
    """See `IPlugin`."""

    name = ""  # the section's, set by Mailman

    @property
    def resource(self) -> Any:
        """The root of our REST API; None while the plugin is not in use."""
        if not wiring.is_active():
            return None
        with degrade("REST"):
            # Only the processes that answer requests need falcon.
            from mailman_arc.plugin.rest.root import Root  # noqa: PLC0415

            return Root()

    def pre_hook(self) -> None:
        """See `IPlugin`."""
        wiring.activate(self.name)

    def post_hook(self) -> None:
        """See `IPlugin`."""
        with degrade("start"):
            startup.place_handler()
        with degrade("start"):
            startup.place_rule()
        with degrade("start"):
            startup.follow_deletions()
        with degrade("start"):
            history.follow_mailman()
        with degrade("start"):
            startup.open_database()
        with degrade("start"):
            startup.report_configuration()
        with degrade("start"):
            tasks.join_task_runner()
