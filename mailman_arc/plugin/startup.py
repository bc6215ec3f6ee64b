"""What is done and checked when Mailman starts."""

from __future__ import annotations

import logging
import sys
from pathlib import Path

from mailman.config import config

from mailman_arc.plugin import wiring
from mailman_arc.plugin.findings import Severity, find_all, find_in_mailman_cfg


HANDLER = "arc-authenticate"
MAILMANS_OWN = "validate-authenticity"  # the handler ours stands in for
PIPELINES = ("default-posting-pipeline", "default-owner-pipeline")

_LEVELS = {
    Severity.GOOD: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.ERROR: logging.ERROR,
}

_log = logging.getLogger("mailman.plugins.arc")


def place_handler() -> None:
    """Put our handler first in the pipelines that lists use by default.

    The pipelines exist and the handlers are known by now, so nothing can be
    missing that Mailman then fails to start without.
    """
    handler = config.handlers.get(HANDLER)
    if handler is None:
        _log.error(
            "posts are neither judged nor sealed: the handler %r was not found; "
            "[plugin.%s] in mailman.cfg needs the line "
            "'component_package: mailman_arc.plugin'",
            HANDLER,
            wiring.section(),
        )
        return
    for name in PIPELINES:
        handlers = getattr(config.pipelines.get(name), "_handlers", None)
        if handlers is None:
            _log.error("posts are not judged: there is no pipeline %r to use", name)
        elif handler not in handlers:
            handlers[:] = [handler, *(h for h in handlers if h.name != MAILMANS_OWN)]


def report_configuration() -> None:
    """Say in the log what in mailman.cfg keeps the plugin from working.

    Every process loads the plugin; only the one that starts the others speaks.
    """
    if Path(sys.argv[0]).name != "master":
        return
    services = wiring.services()
    for each in find_in_mailman_cfg() if services is None else find_all(services):
        _log.log(_LEVELS[each.severity], "%s", each.text)
