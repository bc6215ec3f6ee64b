"""What is done and checked when Mailman starts."""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from pathlib import Path

from mailman.config import config
from mailman.interfaces.chain import LinkAction
from mailman.interfaces.listmanager import ListDeletedEvent
from zope.event import subscribers

from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.plugin import wiring
from mailman_arc.plugin.findings import (
    find_about_identities,
    find_about_peers,
    find_in_mailman_cfg,
    find_where_posts_are_judged,
)
from mailman_arc.plugin.seams import degrade
from mailman_arc.plugin.wiring import Services
from mailman_arc.policy.diagnosis import Finding, Severity


HANDLER = "arc-authenticate"
MAILMANS_OWN = "validate-authenticity"  # the handler ours stands in for
PIPELINES = ("default-posting-pipeline", "default-owner-pipeline")
RULE = "arc-results"
POSTING_CHAIN = "default-posting-chain"
NEXT_RULE = "member-moderation"  # by then approved posts have gone on

LEVELS = {
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


def place_rule() -> None:
    """Put our rule into the chain that lists use by default.

    The owners' chain is left alone, and so is what the lists themselves say.
    """
    if RULE not in config.rules:
        return  # `place_handler` says what is missing
    chain = config.chains.get(POSTING_CHAIN)
    links = getattr(chain, "_link_descriptions", ())
    names = [each[0] for each in links]
    if NEXT_RULE not in names:
        _log.error(
            "rules on results do nothing: there is no place for them in the chain %r",
            POSTING_CHAIN,
        )
    elif RULE not in names:
        at = names.index(NEXT_RULE)
        ours = (RULE, LinkAction.jump, "moderation")
        # Of this object only; Mailman makes its links when the first post comes.
        chain._link_descriptions = (*links[:at], ours, *links[at:])


def report_configuration() -> None:
    """Say in the log what in mailman.cfg keeps the plugin from working.

    Every process loads the plugin; only the one that starts the others speaks.
    """
    if not starts_others():
        return
    _tell(find_in_mailman_cfg())
    services = wiring.services()
    if services is not None:
        _tell([find_where_posts_are_judged(), *find_about_peers(services)])


def report_identities(services: Services) -> None:
    """Say in the log who seals, and what keeps them from it; asks the DNS."""
    _tell(find_about_identities(services))


def _tell(findings: Iterable[Finding]) -> None:
    for each in findings:
        _log.log(LEVELS[each.severity], "%s", each.text)


def open_database() -> None:
    """Bring our tables up to date before the processes start that need them.

    A process that finds them otherwise does the same when it first needs them.
    """
    services = wiring.services() if starts_others() else None
    if services is None:
        return
    database = services.storage.database
    try:
        database.open()
    except StoreError as error:
        _log.error("lists have no settings of their own: %s", error)
    database.close()


def follow_deletions() -> None:
    """Have forgotten what a list had when Mailman deletes the list."""
    if _forget_list not in subscribers:
        subscribers.append(_forget_list)


def _forget_list(event: object) -> None:
    if not isinstance(event, ListDeletedEvent):
        return
    with degrade("deleted list"):
        services = wiring.services()
        if services is None:
            return
        list_id = event.fqdn_listname.replace("@", ".")
        try:
            services.storage.list_settings.forget(list_id)
        except StoreError as error:
            _log.error("%s: what the list had is still there: %s", list_id, error)


def starts_others() -> bool:
    """Tell whether this is the process that starts the others."""
    return Path(sys.argv[0]).name == "master"
