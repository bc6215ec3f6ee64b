"""Mail to the site owner when something has to be done about a key."""

from __future__ import annotations

import logging
import textwrap
from typing import Any

from mailman.config import config
from mailman.database.transaction import transaction
from mailman.email.message import OwnerNotification
from mailman.interfaces.listmanager import IListManager
from zope.component import getUtility

from mailman_arc.adapters.toldcauses import ToldCauses
from mailman_arc.plugin.wiring import Services


TOLD_FILE = "arc/told.json"

SUBJECT = "The ARC keys of your mailing lists need attention"
_INTRODUCTION = (
    "Because of the following, posts are not sealed, or some day will not be, or "
    "are sealed with a key that should be replaced:"
)
_CONCLUSION = (
    "`mailman arc doctor` says what helps, `mailman arc keys` makes keys and "
    "checks them. You get this mail at most once a week for the same reason, and "
    "not at all with `notify_site_owner: no` in arc.cfg."
)
_WIDTH = 72

_log = logging.getLogger("mailman.plugins.arc")


def remind_of_keys(services: Services, now: int) -> None:
    """Write to the site owner of what is due; `now` is in seconds since 1970.

    At the first look the DNS is waited for.  Not to be called while a post waits.
    """
    if not services.settings.notify_site_owner:
        return
    causes = _causes(services, now)
    told = ToldCauses(services.data_dir / TOLD_FILE)
    with transaction():
        mlist = _some_list() if causes else None
        if mlist is None:  # without lists there are no posts either
            return
        try:
            due = told.take_due(causes, now)
        except OSError as error:
            _log.error("the site owner is not told of keys: %s", error)
            return
        if due:
            OwnerNotification(mlist, SUBJECT, _text(due)).send(mlist)
            _log.info("%s is told of keys", config.mailman.site_owner)


def _causes(services: Services, now: int) -> list[str]:
    causes: list[str] = []
    for identity in services.configuration.identities.values():
        chosen = services.sealing_keys.choose(identity, now)
        causes += (*chosen.errors, *chosen.warnings)
    return causes


def _some_list() -> Any:
    """A list in whose name Mailman can send; it sends nothing without one."""
    lists = getUtility(IListManager)
    first = min(lists.name_components, default=None)
    return first and lists.get("{}@{}".format(*first))


def _text(causes: list[str]) -> str:
    told = [
        textwrap.fill(cause, _WIDTH, initial_indent="* ", subsequent_indent="  ")
        for cause in causes
    ]
    parts = [
        textwrap.fill(_INTRODUCTION, _WIDTH),
        *told,
        textwrap.fill(_CONCLUSION, _WIDTH),
    ]
    return "\n\n".join(parts) + "\n"
