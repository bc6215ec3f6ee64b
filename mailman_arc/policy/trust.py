"""Whose Authentication-Results we believe (RFC 8601 §1.2, §4.1, §5, §7.1)."""

from __future__ import annotations

from dataclasses import dataclass

from mailman_arc.mailauth.authres import (
    AuthenticationResults,
    claimed_authserv_id,
    normalize_authserv_id,
    parse_authentication_results,
)
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import WireMessage


FIELD_NAME = b"authentication-results"
MAX_FIELDS = 50  # read of one post; each server on the way adds about one


@dataclass(frozen=True, slots=True)
class Trust:
    """Our own authserv-id, and those whose fields are taken for true.

    Nobody is trusted unless listed (RFC 8601 §4.1).  Our own id may be listed,
    for servers in front that use the same one; unless it is, a field that
    carries it on arrival is a forgery.
    """

    authserv_id: str
    trusted: frozenset[str] = frozenset()

    def is_trusted(self, claimed: str) -> bool:
        """Tell whether fields of this (normalised) id are believed."""
        return claimed in {normalize_authserv_id(each) for each in self.trusted}

    def is_forged(self, value: bytes) -> bool:
        """Tell whether a field from outside claims to be ours (RFC 8601 §5).

        Read as tolerantly as can be, because a reader further on might be.
        """
        claimed = claimed_authserv_id(value)
        return (
            claimed is not None
            and claimed == normalize_authserv_id(self.authserv_id)
            and not self.is_trusted(claimed)
        )


def believed_results(
    message: WireMessage, trust: Trust
) -> tuple[AuthenticationResults, ...]:
    """The fields of trusted servers, from the top; what cannot be read is skipped."""
    if not trust.trusted:
        return ()
    believed = []
    for field in message.named(FIELD_NAME)[:MAX_FIELDS]:
        claimed = claimed_authserv_id(field.value)
        if claimed is None or not trust.is_trusted(claimed):
            continue
        try:
            believed.append(parse_authentication_results(field.value))
        except MalformedField:
            continue
    return tuple(believed)
