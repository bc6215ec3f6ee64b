"""Posts that wait for the DNS while others go on.

Mailman's runner takes up every file of its queue in turn, and writes what is to
stay queued anew, at once and without a pause.  Here a post that waits is left
out of the list of files until there is something to do for it, and its names
are looked up beside the runner's work.  So neither a dead name server nor a
crowd of waiting posts delays the others.
"""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterable
from concurrent.futures import Future
from dataclasses import dataclass
from email.message import Message
from typing import Any

from mailman_arc.mailauth.answers import Answers, LookupFailed, answer_for
from mailman_arc.plugin.seams import degrade


PAUSE = 60.0  # seconds between two look-ups for a post that waits
MAX_POSTS = 32  # looked up at one time: each takes a socket for each name server
MAX_AGAIN = 16  # of them may be posts looked up before, so that new ones find room

Fetch = Callable[[Iterable[str]], Coroutine[Any, Any, Answers]]


class Lookups:
    """Look-ups for whole posts, under way beside the thread that asks for them.

    Their own thread ends with the process, whatever is still under way.
    """

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._room = asyncio.Semaphore(MAX_POSTS)
        threading.Thread(
            target=self._loop.run_forever, name="arc-dns", daemon=True
        ).start()

    def start(self, fetch: Fetch, names: Iterable[str]) -> Future[Answers]:
        """Have the names of one post looked up."""
        return asyncio.run_coroutine_threadsafe(self._run(fetch, names), self._loop)

    async def _run(self, fetch: Fetch, names: Iterable[str]) -> Answers:
        async with self._room:
            return await fetch(names)


@dataclass(slots=True)
class Waiting:
    """What a post waits for.  Times are in seconds, by the clock of its queue."""

    look_up: Callable[[], Future[Answers]]  # all its names, anew
    decisive: frozenset[str]  # names whose failure keeps it waiting
    ends_at: float = 0.0
    lookup: Future[Answers] | None = None  # under way, or ended a moment ago
    answers: Answers | None = None  # of the last look-up
    asks_at: float = 0.0  # not before

    def take_answers(self) -> bool:
        """Tell whether a look-up has ended since; raises what ended it."""
        if self.lookup is None or not self.lookup.done():
            return False
        lookup, self.lookup = self.lookup, None
        self.answers = lookup.result()
        return True

    def is_over(self, now: float) -> bool:
        """Tell whether the post may go on; raises what ended a look-up.

        The first answers are worth a look, whatever they are.
        """
        is_first = self.answers is None
        if self.take_answers() and (is_first or self._is_decided):
            return True
        return now >= self.ends_at

    @property
    def _is_decided(self) -> bool:
        return not any(
            isinstance(answer_for(self.answers or {}, name), LookupFailed)
            for name in self.decisive
        )

    def ask_again(self, now: float) -> bool:
        """Start a look-up if it is time for one, and tell so."""
        if self.lookup is not None or now < self.asks_at:
            return False
        self.asks_at = now + PAUSE
        self.lookup = self.look_up()
        return True


class WaitingQueue:
    """A queue that hands posts out when they have nothing to wait for.

    Who waits for what is known to this process only.  A post that it does not
    know of, as after a restart, is handed out.
    """

    def __init__(
        self, switchboard: Any, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._switchboard = switchboard
        self._clock = clock
        self._waiting: dict[str, Waiting] = {}  # by file
        self._put_aside: Waiting | None = None
        self.woken: Waiting | None = None  # what the post in work has waited for

    def __getattr__(self, name: str) -> Any:
        return getattr(self._switchboard, name)

    @property
    def files(self) -> list[str]:
        """See `ISwitchboard`."""
        files: list[str] = self._switchboard.files
        known = self._waiting
        self._waiting = {file: known[file] for file in files if file in known}
        now = self._clock()
        over = {
            file for file, waiting in self._waiting.items() if _is_over(waiting, now)
        }
        waiting = [each for file, each in self._waiting.items() if file not in over]
        with degrade("incoming runner"):
            _ask_again(waiting, now)
        return [file for file in files if file in over or file not in self._waiting]

    def dequeue(self, filebase: str) -> Any:
        """See `ISwitchboard`."""
        self._put_aside = None
        self.woken = self._waiting.pop(filebase, None)
        return self._switchboard.dequeue(filebase)

    def put_aside(self, waiting: Waiting) -> None:
        """Let the post in work wait: what is queued next is that post."""
        self._put_aside = waiting

    def enqueue(
        self, _msg: Message, _metadata: dict[str, Any] | None = None, **kws: Any
    ) -> Any:
        """See `ISwitchboard`."""
        filebase = self._switchboard.enqueue(_msg, _metadata, **kws)
        if self._put_aside is not None:
            self._waiting[filebase] = self._put_aside
            self._put_aside = None
        return filebase


def _is_over(waiting: Waiting, now: float) -> bool:
    with degrade("incoming runner"):
        return waiting.is_over(now)
    return True


def _ask_again(waiting: list[Waiting], now: float) -> None:
    room = MAX_AGAIN - sum(each.lookup is not None for each in waiting)
    for each in waiting:
        if room > 0 and each.ask_again(now):
            room -= 1
