"""Received-SPF, read (RFC 7208 §9.1).

Beyond the grammar the reader takes what software in use writes: pairs without
a semicolon between them, addresses that should have been quoted, comments
anywhere, and the older words `error` and `unknown`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailman_arc.mailauth.authres_lexemes import Cursor, split_segments
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.spf import SpfIdentity, SpfVerdict


FIELD_NAME = b"received-spf"
MAX_FIELD_OCTETS = 16 * 1024  # RFC 7208 sets no limit

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_RESULTS = {
    **{word: Result(word) for word in ("none", "neutral", "pass", "fail", "softfail")},
    **dict.fromkeys(("temperror", "error"), Result.TEMPERROR),  # RFC 4408 drafts
    **dict.fromkeys(("permerror", "unknown"), Result.PERMERROR),
}


@dataclass(frozen=True, slots=True)
class ReceivedSpf:
    """One field.  Texts are as written, unquoted; an absent one is empty."""

    result: Result
    receiver: str = ""
    envelope_from: str = ""
    identity: str = ""  # in lower case

    @property
    def verdict(self) -> SpfVerdict | None:
        """What it says about MAIL FROM; None when it is about something else."""
        if (self.identity or SpfIdentity.MAIL_FROM) != SpfIdentity.MAIL_FROM:
            return None
        try:
            domain = parse_domain(self.envelope_from.strip("<>").rpartition("@")[2])
        except MalformedField:
            return None
        return SpfVerdict(self.result, SpfIdentity.MAIL_FROM, domain)


def parse_received_spf(value: bytes) -> ReceivedSpf:
    """Read the octets after the colon, folding included; raises `MalformedField`.

    Whether it is to be believed is for the caller to know.
    """
    if len(value) > MAX_FIELD_OCTETS:
        raise MalformedField("field too long")
    text = value.decode("utf-8", "replace")
    if _CONTROL.search(text):
        raise MalformedField("control character")
    first, *others = [Cursor(segment.lexemes) for segment in split_segments(text)]
    result = _RESULTS.get(first.take_keyword())
    if result is None:
        raise MalformedField("unknown result")
    pairs: dict[str, str] = {}
    for cursor in (first, *others):
        _read_pairs(cursor, pairs)
    return ReceivedSpf(
        result,
        receiver=pairs.get("receiver", ""),
        envelope_from=pairs.get("envelope-from", ""),
        identity=pairs.get("identity", "").lower(),
    )


def _read_pairs(cursor: Cursor, pairs: dict[str, str]) -> None:
    while not cursor.at_end():
        key = cursor.take_keyword()
        if not cursor.take_mark("="):
            raise MalformedField("key without value")
        text = cursor.take_value() or ""
        # One who reads the first and one who reads the last must not differ.
        if pairs.setdefault(key, text) != text:
            raise MalformedField("key occurs twice")
