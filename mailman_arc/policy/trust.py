"""Whose word we take: of results (RFC 8601 §1.2, §4.1, §5, §7.1) and of SPF."""

from __future__ import annotations

from dataclasses import dataclass

from mailman_arc.mailauth import receivedspf
from mailman_arc.mailauth.authres import (
    AuthenticationResults,
    claimed_authserv_id,
    has_plain_authserv_id,
    normalize_authserv_id,
    results_of,
)
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import WireMessage
from mailman_arc.mailauth.receivedspf import ReceivedSpf, parse_received_spf


MAX_HEAD_OCTETS = 2048  # of a field, in which its authserv-id has to stand

_TRACE_FIELDS = (b"received", receivedspf.FIELD_NAME)


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

        Read as tolerantly as can be, because a reader further on might be.  A
        long field that does not say at once whose it is counts as forged.
        """
        head = value[:MAX_HEAD_OCTETS]
        claimed = claimed_authserv_id(head)
        if len(value) > len(head) and not has_plain_authserv_id(head):
            return True
        return (
            claimed is not None
            and claimed == normalize_authserv_id(self.authserv_id)
            and not self.is_trusted(claimed)
        )


def believed_results(
    message: WireMessage, trust: Trust
) -> tuple[AuthenticationResults, ...]:
    """The fields of trusted servers, from the top."""
    return message.once(results_of, trust.trusted)


def believed_received_spf(message: WireMessage, trust: Trust) -> ReceivedSpf | None:
    """The Received-SPF field of a trusted server, if it is the topmost one.

    No server has to remove such fields when they come from outside, as it has to
    remove Authentication-Results.  But each puts a Received field on top of what
    it gets, so above all of those nobody outside can write (RFC 7208 §9.1).
    """
    trace = (each for each in message.fields if each.name in _TRACE_FIELDS)
    top = next(trace, None)
    if not trust.trusted or top is None or top.name != receivedspf.FIELD_NAME:
        return None
    try:
        found = parse_received_spf(top.value)
    except MalformedField:
        return None
    return found if trust.is_trusted(normalize_authserv_id(found.receiver)) else None
