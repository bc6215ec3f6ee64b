"""The result words of RFC 8601 §2.7, RFC 8617 §6 and RFC 9989 §9."""

from __future__ import annotations

from enum import StrEnum


class Result(StrEnum):
    """How the check of one method ended."""

    NONE = "none"
    PASS = "pass"
    FAIL = "fail"
    SOFTFAIL = "softfail"
    POLICY = "policy"
    NEUTRAL = "neutral"
    TEMPERROR = "temperror"
    PERMERROR = "permerror"
