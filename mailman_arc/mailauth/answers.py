"""What the DNS said, as values.

A failed look-up is an answer like any other: whoever reads one has to say what
each kind means to him, so no outage can be mistaken for a forgery.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TxtRecords:
    """The name exists; its TXT records, each with its strings joined.

    The strings of one record are joined with nothing between them (RFC 6376
    §3.6.2.2).  No record at all (an empty tuple) means that the name exists
    without TXT.
    """

    texts: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class NoSuchName:
    """The DNS says that the name does not exist (NXDOMAIN)."""


@dataclass(frozen=True, slots=True)
class LookupFailed:
    """Nobody knows for now: time-out, SERVFAIL, REFUSED, no network."""

    why: str = "temporary DNS error"


TxtAnswer = TxtRecords | NoSuchName | LookupFailed

# Names are lower-case A-labels without the final dot.
Answers = Mapping[str, TxtAnswer]


def answer_for(answers: Answers, name: str) -> TxtAnswer:
    """Look a name up among the answers; what was never asked has failed."""
    return answers.get(name.lower(), LookupFailed("not looked up"))
