"""Which posts of a history are wanted: as REST and the command line are told.

The names are those of REST; on the command line `from_domain` is
`--from-domain`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from mailman_arc.adapters.store.historyrows import DISPOSITIONS, Filters
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.results import Result
from mailman_arc.policy.history import UNJUDGED, Verdict
from mailman_arc.policy.values import parse_boolean


MAX_QUERY = 200  # characters of `q`

_HASH = re.compile("[A-Z2-7]{32}")  # base32 of SHA-1, as Mailman has it
_DAY = re.compile(r"\d{4}-\d\d-\d\d", re.ASCII)


class FilterError(ValueError):
    """A value that cannot be meant; the text says what would do."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


def read_filters(given: Mapping[str, str | None]) -> Filters:
    """The filters that are given by the names of `FILTERS`; an empty one is none.

    Raises `FilterError`.
    """
    wanted: dict[str, Any] = {}
    for name, (field, read) in FILTERS.items():
        text = given.get(name)
        if text:
            try:
                wanted[field] = read(text)
            except ValueError as error:
                raise FilterError(name, str(error)) from error
    return Filters(**wanted)


def parse_moment(text: str) -> int:
    """Seconds since 1970 of a date (its begin) or date-time (ISO 8601, UTC).

    Raises `ValueError`.
    """
    try:
        moment = datetime.fromisoformat(text)
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        # Before 1970 there was no list.
        return max(0, int(moment.timestamp()))
    except (ValueError, OverflowError) as error:
        raise ValueError(
            "it must be a date or a date and time in UTC, such as 2026-11-30 or "
            "2026-11-30T18:00:00"
        ) from error


def _parse_end(text: str) -> int:
    """A day that is named as the last is meant with all its hours."""
    if not _DAY.fullmatch(text):
        return parse_moment(text)
    day = parse_moment(text)
    return day + int(timedelta(days=1).total_seconds())


def _one_of(words: Iterable[str]) -> Callable[[str], str]:
    allowed = tuple(map(str, words))

    def read(text: str) -> str:
        if text not in allowed:
            raise ValueError(f"it must be one of {', '.join(allowed)}")
        return text

    return read


def _domain(text: str) -> str:
    try:
        return parse_domain(text)
    except MalformedField as error:
        raise ValueError("it is not a domain name") from error


def _sealed(text: str) -> bool:
    try:
        return parse_boolean(text)
    except ValueError as error:
        raise ValueError("it must be yes or no") from error


def _message_id_hash(text: str) -> str:
    if not _HASH.fullmatch(text.upper()):
        raise ValueError("it must be a Message-ID-Hash, 32 letters and digits")
    return text.upper()


def _query(text: str) -> str:
    if len(text) > MAX_QUERY or not text.isprintable():
        raise ValueError(f"it must be at most {MAX_QUERY} printable characters")
    return text


_RESULT = _one_of(Result)

# By the name that is given: the field of `Filters`, and how its value is read.
FILTERS: Mapping[str, tuple[str, Callable[[str], object]]] = {
    "since": ("since", parse_moment),
    "until": ("until", _parse_end),
    "verdict": ("verdict", _one_of(Verdict)),
    "from_domain": ("author_domain", _domain),
    "dkim": ("dkim", _RESULT),
    "spf": ("spf", _RESULT),
    "dmarc": ("dmarc", _RESULT),
    "arc": ("arc", _one_of((*Result, UNJUDGED))),
    "sealed": ("sealed", _sealed),
    "disposition": ("disposition", _one_of(DISPOSITIONS)),
    "q": ("q", _query),
    "message_id_hash": ("message_id_hash", _message_id_hash),
}
