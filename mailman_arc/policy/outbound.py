"""Whether and how to seal what is about to leave (RFC 8617 §5.1)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mailman_arc.mailauth.arc.chain import (
    MAX_INSTANCE,
    chain_digest,
    read_chain,
)
from mailman_arc.mailauth.arc.seal import (
    Sealing,
    SealingIdentity,
    prove_newest_set,
    seal,
)
from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.message import (
    MAX_HEADER_OCTETS,
    WireMessage,
    read_message,
)
from mailman_arc.policy.arrival import Arrival
from mailman_arc.policy.settings import ListSettings


MAX_SIGNED_FIELDS = 200  # of one post; honest mail has about thirty
ROOM = 65536  # octets; for our set, which is far smaller
DEFAULTS = ListSettings()


class Unsealed(StrEnum):
    """Why a copy leaves without our seal."""

    PEER = "client is in peer_list"
    NOT_A_POST = "not a post (digest or notice)"
    NO_VERDICT = "nothing was recorded on arrival"
    NO_RECIPIENTS = "no recipients"
    NOT_BEGUN = "delivery failed before the first copy"
    SETTINGS = "settings are unusable"
    NO_KEY = "no usable key"
    KEY_NOT_SHOWN = "the DNS does not show the key"
    OFF = "switched off for this list"
    SHADOW = "shadow mode"
    ANONYMOUS = "anonymous list"
    CHAIN_UNJUDGED = "chain could not be judged: DNS did not answer"
    CHAIN_ENDED = "chain already failed before us"
    CHAIN_FULL = "chain has 50 sets"
    CHAIN_UNREADABLE = "chain has no readable instance"
    CHANGED_EARLY = "changed between arrival and pipeline"
    HEADER = "header is too large to be sealed"
    CHAIN_ALTERED = "ARC fields changed since arrival"
    ENVELOPE = "recipient address is not ASCII"
    PROOF = "proof failed"
    ERROR = "internal error"


@dataclass(frozen=True, slots=True)
class Outgoing:
    """The octets to send, and what was done to them.

    `instance` and `status` describe our set; they are None, and `unsealed`
    says why, when there is none.
    """

    octets: bytes
    unsealed: Unsealed | None
    instance: int | None = None
    status: ChainStatus | None = None
    detail: str = ""


def seal_octets(
    octets: bytes,
    arrival: Arrival,
    identity: SealingIdentity,
    now: int,
    how: ListSettings = DEFAULTS,
) -> Outgoing:
    """Put our set on top of the final octets of a copy, and prove it.

    The set says what was true on arrival and covers what is leaving.  A copy
    that must not or cannot be sealed comes back as it is, with the reason.
    """
    message = read_message(octets)
    if _is_header_too_large(octets, message, how):
        return Outgoing(octets, Unsealed.HEADER)
    if chain_digest(message) != arrival.chain:
        return Outgoing(octets, Unsealed.CHAIN_ALTERED)
    status = arrival.chain_status
    if status is None:
        return Outgoing(octets, Unsealed.CHAIN_UNJUDGED)
    chain = read_chain(message)
    if chain.ended:
        return Outgoing(octets, Unsealed.CHAIN_ENDED)
    if chain.highest >= MAX_INSTANCE:
        return Outgoing(octets, Unsealed.CHAIN_FULL)
    if status is ChainStatus.FAIL and not chain.highest:
        return Outgoing(octets, Unsealed.CHAIN_UNREADABLE)
    sealing = _sealing(status, arrival, now, how)
    fields = seal(message, chain, sealing, identity)
    sealed = b"".join(field.raw + b"\r\n" for field in fields) + octets
    leaving = read_message(sealed)
    if not _goes_on_like(leaving, message, sealed):
        return Outgoing(octets, Unsealed.PROOF, detail="reads differently when sealed")
    problem = prove_newest_set(leaving, identity.key.verifying_key, message)
    if problem is not None:
        return Outgoing(octets, Unsealed.PROOF, detail=str(problem))
    return Outgoing(sealed, None, chain.highest + 1, status)


def _sealing(
    status: ChainStatus, arrival: Arrival, now: int, how: ListSettings
) -> Sealing:
    header_form, body_form = how.canonicalization
    return Sealing(
        status,
        arrival.results.encode(),
        now,
        signed_fields=how.sign_headers,
        oversigned_fields=how.oversign_headers,
        header_form=header_form,
        body_form=body_form,
        expires_at=now + how.signature_ttl if how.signature_ttl else None,
    )


def _goes_on_like(leaving: WireMessage, message: WireMessage, sealed: bytes) -> bool:
    """Tell whether below our set everything is read as it was in `message`."""
    return (
        leaving.fields[3:] == message.fields
        and len(leaving.body) == len(message.body)
        and sealed.endswith(message.body)
    )


def _is_header_too_large(
    octets: bytes, message: WireMessage, how: ListSettings
) -> bool:
    """Tell whether readers, ourselves included, would give up on the header."""
    length = octets.find(b"\r\n\r\n")
    signed = sum(
        len(message.positions.get(name.encode(), ())) for name in how.sign_headers
    )
    return (
        message.header_too_long
        or length > MAX_HEADER_OCTETS - ROOM
        or signed > MAX_SIGNED_FIELDS
    )
