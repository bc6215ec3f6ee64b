"""Whether the DNS shows a key where verifiers look for it (RFC 6376 §3.6.2)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mailman_arc.mailauth.answers import LookupFailed, NoSuchName, TxtAnswer, TxtRecords
from mailman_arc.mailauth.crypto import VerifyingKey
from mailman_arc.mailauth.keyrecord import usable_keys
from mailman_arc.mailauth.reasons import Reason


class Found(StrEnum):
    """What is where the key should be."""

    SHOWN = "shown"
    OTHER = "other key"
    UNUSABLE = "unusable"  # a record that no verifier can use
    REVOKED = "revoked"  # an empty p=
    MISSING = "missing"
    UNKNOWN = "unknown"  # the DNS does not answer


_FOUND_WITHOUT_KEY = {
    Reason.NO_KEY: Found.MISSING,
    Reason.KEY_REVOKED: Found.REVOKED,
    Reason.KEY_TYPE: Found.OTHER,
}


@dataclass(frozen=True, slots=True)
class Publication:
    """What the DNS shows of a key; `detail` is a few words more, or empty."""

    found: Found
    detail: str = ""


def find_key(answer: TxtAnswer, key: VerifyingKey) -> Publication:
    """Compare the answer for the key's name with the key.

    A second key under the same name makes it `OTHER`: which of them a verifier
    takes is left open (RFC 6376 §3.6.2.2).  A key in testing mode (t=y) is
    shown.
    """
    match answer:
        case LookupFailed(why):
            return Publication(Found.UNKNOWN, why)
        case NoSuchName():
            return Publication(Found.MISSING)
        case TxtRecords():
            return _compare(answer, key)


def _compare(answer: TxtRecords, key: VerifyingKey) -> Publication:
    records, why = usable_keys(answer, f"{key.key_type}-sha256")
    if not records:
        found = _FOUND_WITHOUT_KEY.get(why, Found.UNUSABLE)
        return Publication(found, str(why) if found is Found.UNUSABLE else "")
    octets = key.record_octets()
    are_ours = [record.key.record_octets() == octets for record in records]
    if all(are_ours):
        return Publication(Found.SHOWN)
    return Publication(Found.OTHER, "beside ours" if any(are_ours) else "")
