"""The public key in the DNS (RFC 6376 §3.6.1, RFC 8301, RFC 8463)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from mailman_arc.mailauth.answers import (
    LookupFailed,
    NoSuchName,
    TxtAnswer,
    TxtRecords,
)
from mailman_arc.mailauth.crypto import (
    MIN_RSA_BITS,
    VerifyingKey,
    parse_verifying_key,
)
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.tags import parse_base64, parse_colon_list, parse_tag_list


MAX_KEYS = 3  # of one selector; RFC 6376 §3.6.2.2 leaves the number open
MAX_RECORD_OCTETS = 16384  # RSA-8192 needs about 1,500

_KNOWN_PARSED = 1024


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One usable key record."""

    key: VerifyingKey
    testing: bool  # t=y
    strict: bool  # t=s


def key_name(selector: str, domain: str) -> str:
    """Where the key is published (RFC 6376 §3.6.2.1)."""
    return f"{selector}._domainkey.{domain}"


def usable_keys(
    answer: TxtAnswer, algorithm: str, min_rsa_bits: int = MIN_RSA_BITS
) -> tuple[tuple[KeyRecord, ...], Reason]:
    """The keys in a DNS answer that may verify `algorithm`, in order.

    The reason says why there is none; it means nothing when there are keys.
    Records that are no keys at all are passed over (RFC 6376 §6.1.2).  RSA keys
    have `min_rsa_bits` at least.
    """
    match answer:
        case LookupFailed():
            return (), Reason.KEY_UNAVAILABLE
        case NoSuchName():
            return (), Reason.NO_KEY
        case TxtRecords(texts):
            return _judge_records(texts, algorithm, min_rsa_bits)


def parse_key_record(text: bytes, algorithm: str) -> KeyRecord:
    """Read a key record that is to verify `algorithm`.

    Raises `MalformedField` with a `Reason`; `NO_KEY` if this is no key record.
    """
    if len(text) > MAX_RECORD_OCTETS:
        raise MalformedField(Reason.KEY_SYNTAX)
    record = _parse_record(text, algorithm)
    if isinstance(record, Reason):
        raise MalformedField(record)
    return record


def _judge_records(
    texts: tuple[bytes, ...], algorithm: str, min_rsa_bits: int
) -> tuple[tuple[KeyRecord, ...], Reason]:
    keys: list[KeyRecord] = []
    why = Reason.NO_KEY
    for text in texts:
        try:
            record = parse_key_record(text, algorithm)
            if record.key.key_type == "rsa" and record.key.bits < min_rsa_bits:
                raise MalformedField(Reason.KEY_TOO_SHORT)
            keys.append(record)
        except MalformedField as error:
            if why is Reason.NO_KEY:
                why = Reason(error.reason)
    return tuple(keys[:MAX_KEYS]), why


# Parsing an RSA key costs more than verifying with it; a reason is returned, not
# raised, so that it is remembered like a key.
@lru_cache(maxsize=_KNOWN_PARSED)
def _parse_record(text: bytes, algorithm: str) -> KeyRecord | Reason:
    try:
        tags = parse_tag_list(text)
    except MalformedField:
        return Reason.KEY_SYNTAX if b"p=" in text else Reason.NO_KEY
    return _judge_tags(tags, algorithm)


def _judge_tags(tags: dict[str, str], algorithm: str) -> KeyRecord | Reason:
    if "p" not in tags:
        return Reason.NO_KEY
    if "v" in tags and (next(iter(tags)) != "v" or tags["v"] != "DKIM1"):
        return Reason.NO_KEY
    if not {"*", "email"}.intersection(parse_colon_list(tags.get("s", "*"))):
        return Reason.KEY_SERVICE
    key_type = tags.get("k", "rsa")
    if key_type not in ("rsa", "ed25519") or not algorithm.startswith(key_type + "-"):
        return Reason.KEY_TYPE
    if "h" in tags and "sha256" not in parse_colon_list(tags["h"]):
        return Reason.KEY_HASH
    if not tags["p"]:
        return Reason.KEY_REVOKED
    try:
        octets = parse_base64(tags["p"])
    except MalformedField:
        return Reason.KEY_SYNTAX
    try:
        key = parse_verifying_key("rsa" if key_type == "rsa" else "ed25519", octets)
    except MalformedField as error:
        return Reason(error.reason)
    flags = parse_colon_list(tags.get("t", ""))
    return KeyRecord(key, testing="y" in flags, strict="s" in flags)
