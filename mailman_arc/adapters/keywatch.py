"""Whether the DNS shows our keys, without making posts wait for it.

The first look at a key takes as long as the DNS does, at most the deadline of
the resolver that is given.  Later ones are answered from memory, and what is
old is looked up in the background.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Protocol

from mailman_arc.adapters.shownkeys import ShownKeys
from mailman_arc.mailauth.answers import TxtAnswer, answer_for
from mailman_arc.mailauth.crypto import VerifyingKey
from mailman_arc.mailauth.keycheck import Found, Publication, find_key


GOOD_FOR = 600  # seconds that a key once shown counts as shown
AGAIN_AFTER = 60  # seconds; a key published late shall be seen soon

Step = Callable[[], None]


class LooksUp(Protocol):
    """A resolver; its deadline is how long a first look may take."""

    def fetch(self, names: Iterable[str]) -> dict[str, TxtAnswer]:
        """The answer for each name; a failure is one, too."""


@dataclass(frozen=True, slots=True)
class _Known:
    publication: Publication
    checked_at: float
    since: int | None  # seconds since 1970, when the DNS first showed it


# The name in the DNS, and a digest of the key.
_Wanted = tuple[str, str]


def in_background(step: Step) -> None:
    """Do it in a thread that does not keep the process from ending."""
    threading.Thread(target=step, name="arc-keys", daemon=True).start()


class KeyWatch:
    """Remembers what the DNS shows of keys.

    While the DNS does not answer, the last answer counts, and before the first
    one that in the memory; without either the key is `UNKNOWN`.  `clock` gives
    seconds since 1970.  Used by one thread beside those it starts itself.
    """

    def __init__(
        self,
        resolver: LooksUp,
        memory: ShownKeys,
        clock: Callable[[], float],
        background: Callable[[Step], None] = in_background,
    ) -> None:
        self._resolver = resolver
        self._memory = memory
        self._clock = clock
        self._background = background
        self._known: dict[_Wanted, _Known] = {}
        self._is_looking = False

    def knows(self, keys: Mapping[str, VerifyingKey]) -> bool:
        """Tell whether `look` will answer at once."""
        return all(wanted in self._known for wanted in _wanted(keys))

    def look(self, keys: Mapping[str, VerifyingKey]) -> dict[str, Publication]:
        """What the DNS shows of these keys, both by their names in the DNS."""
        wanted = _wanted(keys)
        new = {each: key for each, key in wanted.items() if each not in self._known}
        if new:
            self._check(new)
        old = {each: key for each, key in wanted.items() if self._is_old(each)}
        if old and not self._is_looking:
            self._is_looking = True
            self._background(partial(self._check_again, old))
        return {each[0]: self._known[each].publication for each in wanted}

    def since(self, name: str, key: VerifyingKey) -> int | None:
        """When the DNS first showed a key that was looked at, seconds since 1970."""
        known = self._known.get((name, _digest(key)))
        return known.since if known else None

    def remembered(self, name: str, key: VerifyingKey) -> int | None:
        """Like `since`, but of any key, as the memory has it; the DNS is not asked."""
        return self._memory.since(name, _digest(key))

    def ask(self, keys: Mapping[str, VerifyingKey]) -> dict[str, Publication]:
        """What the DNS says now, by name, whatever it said before; waits for it."""
        answers = self._resolver.fetch(keys)
        return {name: find_key(answer_for(answers, name), keys[name]) for name in keys}

    def _is_old(self, wanted: _Wanted) -> bool:
        known = self._known[wanted]
        is_shown = known.publication.found is Found.SHOWN
        age = self._clock() - known.checked_at
        # A clock that was set back must not make an answer good for ever.
        return not 0 <= age < (GOOD_FOR if is_shown else AGAIN_AFTER)

    def _check_again(self, old: Mapping[_Wanted, VerifyingKey]) -> None:
        try:
            self._check(old)
        finally:
            self._is_looking = False

    def _check(self, wanted: Mapping[_Wanted, VerifyingKey]) -> None:
        found = self.ask({name: key for (name, _), key in wanted.items()})
        now = self._clock()
        for each in wanted:
            publication = found[each[0]]
            if publication.found is Found.UNKNOWN:
                publication = self._last(each, publication)
            else:
                is_shown = publication.found is Found.SHOWN
                self._memory.note(*each, int(now), is_shown=is_shown)
            since = self._memory.since(*each)
            self._known[each] = _Known(publication, now, since)

    def _last(self, wanted: _Wanted, unknown: Publication) -> Publication:
        known = self._known.get(wanted)
        if known is not None and known.publication.found is not Found.UNKNOWN:
            return known.publication
        if self._memory.since(*wanted) is not None:
            return Publication(Found.SHOWN)
        return unknown


def _wanted(keys: Mapping[str, VerifyingKey]) -> dict[_Wanted, VerifyingKey]:
    return {(name, _digest(key)): key for name, key in keys.items()}


def _digest(key: VerifyingKey) -> str:
    return hashlib.sha256(key.record_octets()).hexdigest()
