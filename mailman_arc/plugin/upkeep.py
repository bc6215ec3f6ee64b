"""Once a day: count what became of posts, and forget those that are old."""

from __future__ import annotations

import _thread
import logging
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING

from mailman.config import config
from mailman.database.transaction import transaction
from mailman.model.mailinglist import MailingList

from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.plugin.seams import degrade


if TYPE_CHECKING:
    from mailman_arc.plugin.wiring import Services


SECONDS_A_DAY = 86400
TRY_AGAIN = 3600  # seconds, after a failure

_log = logging.getLogger("mailman.plugins.arc")

Start = Callable[[Callable[[], None]], None]


def in_background(work: Callable[[], None]) -> None:
    """Do something beside the runner's work, where no signal interrupts it."""
    _thread.start_new_thread(work, ())


class Upkeep:
    """Looks after the history; `start` has the work done."""

    def __init__(self, start: Start = in_background) -> None:
        self._start = start
        self._is_busy = False
        self._next_at = 0.0

    def do_what_is_due(self, services: Services, now: float) -> None:
        """Start the work of a day of UTC unless it is done; `now` since 1970."""
        if self._is_busy or now < self._next_at:
            return
        mail_hosts = _mail_hosts()

        def work() -> None:
            with degrade("history"):
                if look_after(services, mail_hosts, int(now)):
                    self._next_at = (now // SECONDS_A_DAY + 1) * SECONDS_A_DAY
            self._is_busy = False

        self._is_busy = True
        self._next_at = now + TRY_AGAIN
        try:
            self._start(work)
        except RuntimeError:  # there cannot be another thread now
            self._is_busy = False
            raise


def look_after(services: Services, mail_hosts: Mapping[str, str], now: int) -> bool:
    """Count the days that are over, then forget; tell whether that went well.

    `mail_hosts` has the mail domain of each list.  A list that is not among them
    is treated as any other of the site.
    """
    started = time.monotonic()
    try:
        own = services.list_settings.all()

        def keep_days(list_id: str) -> int:
            found = services.configuration.for_list(
                mail_hosts.get(list_id, ""), own.get(list_id)
            )
            return found.settings.history_days

        store = services.storage.history
        days = sum(1 for _ in store.roll_up(now))
        rows = max(store.expire(keep_days, now), default=0)
    except StoreError as error:
        _log.error("the history of posts is not looked after: %s", error)
        return False
    if rows:
        seconds = time.monotonic() - started
        _log.info(
            "history: %d days counted, %d old entries removed, %.1f s",
            days,
            rows,
            seconds,
        )
    return True


def _mail_hosts() -> dict[str, str]:
    """The mail domain of each list.

    Only these columns are read: a list has about a hundred.
    """
    wanted = (MailingList._list_id, MailingList.mail_host)
    with transaction():
        found = config.db.store.query(*wanted)
        return {str(list_id): str(mail_host) for list_id, mail_host in found}
