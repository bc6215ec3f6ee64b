"""A queue that a thread of its own empties into the database.

A database that does not work costs entries, never a post: whoever puts something
in never waits and gets no exception.
"""

from __future__ import annotations

import _thread
import atexit
import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from typing import Any

from mailman.interfaces.runner import RunnerInterrupt

from mailman_arc.adapters.store.errors import StoreError
from mailman_arc.adapters.store.history import HistoryStore
from mailman_arc.adapters.store.historyrows import Row
from mailman_arc.plugin.seams import degrade
from mailman_arc.policy.settings import ListSettings


MAX_NOTES = 1000  # that wait to be written; more are dropped
MAX_BATCH = 200  # written in one transaction
LINGER = 0.3  # seconds until notes are written, so that some go together
PAUSE = 10.0  # seconds until what failed is tried again
LAST_CHANCE = 2.0  # seconds to write what is left when the process ends

_log = logging.getLogger("mailman.plugins.arc")


class Writer:
    """Has notes written, in batches, by a thread of its own."""

    def __init__(
        self,
        write: Callable[[Sequence[Any]], None],
        *,
        linger: float = LINGER,
        pause: float = PAUSE,
    ) -> None:
        """Prepare; times are in seconds.

        `write` is given some notes; it raises `StoreError` if none was written.
        """
        self._write = write
        self._linger = linger
        self._pause = pause
        self._start_anew()
        # What the parent has is the parent's to write, and a child has no threads.
        os.register_at_fork(after_in_child=self._start_anew)

    def _start_anew(self) -> None:
        # Whatever a signal interrupts, this kind of queue stays whole.
        self._queue: SimpleQueue[object] = SimpleQueue()
        self._starts = itertools.count()
        self._is_started = False
        self._batch: list[object] = []
        self._flushed: list[threading.Event] = []
        self._hurry = threading.Event()
        self._dropped = 0
        self._told: set[str] = set()

    def put(self, note: object) -> None:
        """Have a note written, or dropped when too many wait."""
        if self._queue.qsize() + len(self._batch) >= MAX_NOTES:
            self._dropped += 1
            self._tell("entries are dropped, because too many wait")
            return
        self._queue.put(note)
        if not self._is_started and next(self._starts) == 0:
            try:
                _thread.start_new_thread(self._work, ())
            except RuntimeError:  # there cannot be another thread now
                self._starts = itertools.count()
                raise
            self._is_started = True
            atexit.register(self.flush, LAST_CHANCE)

    def flush(self, seconds: float) -> bool:
        """Wait until all is written, or for so long; tell whether it is."""
        if not self._is_started:
            return True
        done = threading.Event()
        self._queue.put(done)
        self._hurry.set()
        deadline = time.monotonic() + seconds
        while not done.is_set() and (left := deadline - time.monotonic()) > 0:
            with suppress(RunnerInterrupt):
                done.wait(left)
        return done.is_set()

    def _work(self) -> None:
        while True:
            try:
                self._take()
                while self._batch:
                    self._write_batch()
                    self._take_more()
            except Exception:  # noqa: BLE001  # or nothing would ever be written
                _log.exception("history: unexpected error, some entries are lost")
                self._batch = []
            for each in self._flushed:
                each.set()
            self._flushed = []

    def _take(self) -> None:
        """Wait for something to write, and for what else is about to come."""
        self._sort_in(self._queue.get())
        if self._batch:
            self._hurry.wait(self._linger)
        self._hurry.clear()
        self._take_more()

    def _take_more(self) -> None:
        with suppress(Empty):
            while len(self._batch) < MAX_BATCH:
                self._sort_in(self._queue.get_nowait())

    def _sort_in(self, item: object) -> None:
        if isinstance(item, threading.Event):
            self._flushed.append(item)
        else:
            self._batch.append(item)

    def _write_batch(self) -> None:
        """Write the batch, or keep it and wait."""
        try:
            self._write(self._batch)
        except StoreError as error:
            self._tell(str(error))
            self._hurry.wait(self._pause)
            self._hurry.clear()
        else:
            self._batch = []
            self._tell_of_recovery()

    def _tell(self, problem: str) -> None:
        if problem not in self._told:
            self._told.add(problem)
            _log.error("the history of posts is not written: %s", problem)

    def _tell_of_recovery(self) -> None:
        if self._told:
            _log.info(
                "the history of posts is written again; %d entries were dropped",
                self._dropped,
            )
            self._told = set()
            self._dropped = 0


@dataclass(frozen=True, slots=True)
class About:
    """A list, as far as the history has to know it."""

    list_id: str
    mail_host: str
    is_anonymous: bool

    @classmethod
    def of(cls, mlist: Any) -> About:
        """Read it from Mailman's list."""
        return cls(str(mlist.list_id), str(mlist.mail_host), bool(mlist.anonymous_list))


@dataclass(frozen=True, slots=True)
class Note:
    """What may become a row, when it is known what the list wants kept."""

    about: About
    make: Callable[[ListSettings], Row]


class History:
    """Where the seams put what they know."""

    def __init__(
        self, store: HistoryStore, settings_of: Callable[[About], ListSettings]
    ) -> None:
        """Prepare; `settings_of` may ask the database and raise `StoreError`."""
        self._store = store
        self._settings_of = settings_of
        # Of its own: what waits for a database that was replaced delays nobody.
        self._writer = Writer(self.write)

    def put(self, note: Note) -> None:
        """Have it written soon."""
        self._writer.put(note)

    def flush(self, seconds: float) -> bool:
        """Wait until all is written, or for so long; tell whether it is."""
        return self._writer.flush(seconds)

    def write(self, notes: Sequence[Note]) -> None:
        """Write what lists want kept; raises `StoreError` if nothing was written."""
        lists = {note.about for note in notes}
        settings = {about: self._settings_of(about) for about in lists}
        rows = []
        for note in notes:
            if settings[note.about].history_days:
                with degrade("history"):
                    rows.append(note.make(settings[note.about]))
        for problem in self._store.write(rows) if rows else ():
            _log.error("an entry of the history cannot be written: %s", problem)
