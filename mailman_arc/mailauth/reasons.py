"""Why a signature or a chain got its verdict: a closed vocabulary.

The texts are short enough for a comment in Authentication-Results.
"""

from __future__ import annotations

from enum import StrEnum


class Reason(StrEnum):
    """What decided; the first thing found wrong, in the order of the RFCs."""

    # The signature field (RFC 6376 §6.1.1, RFC 8617 §4.1)
    SYNTAX = "syntax error"
    VERSION = "unknown version"
    MISSING_TAG = "missing tag"
    UNKNOWN_ALGORITHM = "unknown algorithm"
    SHA1 = "rsa-sha1 is not accepted"
    DOMAIN = "domain mismatch"
    FROM_NOT_SIGNED = "From is not signed"
    EXPIRED = "expired"
    QUERY_METHOD = "unknown query method"
    # The key (RFC 6376 §6.1.2, RFC 8301, RFC 8463)
    KEY_UNAVAILABLE = "temporary DNS error"
    NO_KEY = "no key"
    KEY_SYNTAX = "key syntax error"
    KEY_REVOKED = "key revoked"
    KEY_TYPE = "key type mismatch"
    KEY_HASH = "hash not allowed by key"
    KEY_SERVICE = "key is not for mail"
    KEY_TOO_SHORT = "key too short"
    KEY_TOO_LONG = "key too long"
    KEY_STRICT = "key forbids subdomains"
    # The message (RFC 6376 §6.1.3)
    BODY_HASH = "body has changed"
    SIGNATURE = "signature does not verify"
    BODY_LENGTH = "text after the signed length"
    HEADER_TOO_LONG = "header too long"
    # The chain (RFC 8617 §5.2)
    INSTANCE = "bad instance"
    DUPLICATE = "field occurs twice"
    GAP = "field is missing"
    CHAIN_STATUS = "wrong cv"
    ALREADY_FAILED = "chain already failed"
    SEAL_SIGNS_HEADERS = "h= in ARC-Seal"
    SIGNS_SEAL = "ARC-Seal in h="
