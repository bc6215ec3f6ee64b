"""Verdicts in plain English, one sentence each."""

from __future__ import annotations

from collections.abc import Mapping

from mailman_arc.mailauth.arc.verify import ChainStatus, ChainVerdict, SetVerdict
from mailman_arc.mailauth.dkim import DkimVerdict
from mailman_arc.mailauth.dmarc import DmarcReason, DmarcVerdict
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.signature import Checked


# What is behind each reason, to follow "because".
CLAUSES: Mapping[Reason, str] = {
    Reason.SYNTAX: "its field does not follow the grammar",
    Reason.VERSION: "it is of a version nobody knows",
    Reason.MISSING_TAG: "a required tag is missing",
    Reason.UNKNOWN_ALGORITHM: "it uses an algorithm nobody knows",
    Reason.SHA1: "it uses SHA-1, which is not safe any more",
    Reason.DOMAIN: "its domains are no domain names or do not go together",
    Reason.FROM_NOT_SIGNED: "it does not sign the From field",
    Reason.EXPIRED: "it has expired",
    Reason.QUERY_METHOD: "its key is to be fetched in a way nobody knows",
    Reason.KEY_UNAVAILABLE: "the DNS did not give an answer about its key",
    Reason.NO_KEY: "its key is not published",
    Reason.KEY_SYNTAX: "its published key cannot be read",
    Reason.KEY_REVOKED: "its key has been revoked",
    Reason.KEY_TYPE: "its published key is of another kind",
    Reason.KEY_HASH: "its published key does not allow the hash",
    Reason.KEY_SERVICE: "its published key is not for mail",
    Reason.KEY_TOO_SHORT: "its key is too short to be safe",
    Reason.KEY_TOO_LONG: "its key is longer than anybody uses",
    Reason.KEY_STRICT: "its key does not allow addresses in subdomains",
    Reason.BODY_HASH: "the text has changed since",
    Reason.SIGNATURE: "a signed field has changed since, or the key is another",
    Reason.BODY_LENGTH: "text follows that it does not cover",
    Reason.HEADER_TOO_LONG: "the header is too long to be read",
    Reason.INSTANCE: "a set has no proper number",
    Reason.DUPLICATE: "a field occurs twice",
    Reason.GAP: "a field is missing",
    Reason.CHAIN_STATUS: "a seal does not say what its place in the chain demands",
    Reason.ALREADY_FAILED: "an earlier server has found it broken",
    Reason.SEAL_SIGNS_HEADERS: "a seal signs other fields, which is forbidden",
    Reason.SIGNS_SEAL: "a message signature signs a seal, which is forbidden",
}

# Where the rule is.
SOURCES: Mapping[Reason, str] = {
    Reason.SYNTAX: "RFC 6376 §3.2",
    Reason.VERSION: "RFC 6376 §3.5",
    Reason.MISSING_TAG: "RFC 6376 §6.1.1",
    Reason.UNKNOWN_ALGORITHM: "RFC 6376 §3.3",
    Reason.SHA1: "RFC 8301 §3.1",
    Reason.DOMAIN: "RFC 6376 §3.5",
    Reason.FROM_NOT_SIGNED: "RFC 6376 §5.4",
    Reason.EXPIRED: "RFC 6376 §3.5",
    Reason.QUERY_METHOD: "RFC 6376 §3.5",
    Reason.KEY_UNAVAILABLE: "RFC 6376 §6.1.2",
    Reason.NO_KEY: "RFC 6376 §6.1.2",
    Reason.KEY_SYNTAX: "RFC 6376 §6.1.2",
    Reason.KEY_REVOKED: "RFC 6376 §3.6.1",
    Reason.KEY_TYPE: "RFC 6376 §3.6.1",
    Reason.KEY_HASH: "RFC 6376 §3.6.1",
    Reason.KEY_SERVICE: "RFC 6376 §3.6.1",
    Reason.KEY_TOO_SHORT: "RFC 8301 §3.2",
    Reason.KEY_TOO_LONG: "RFC 8301 §3.2",
    Reason.KEY_STRICT: "RFC 6376 §3.6.1",
    Reason.BODY_HASH: "RFC 6376 §6.1.3",
    Reason.SIGNATURE: "RFC 6376 §6.1.3",
    Reason.BODY_LENGTH: "RFC 6376 §8.2",
    Reason.HEADER_TOO_LONG: "our own limit",
    Reason.INSTANCE: "RFC 8617 §4.2.1",
    Reason.DUPLICATE: "RFC 8617 §5.2",
    Reason.GAP: "RFC 8617 §5.2",
    Reason.CHAIN_STATUS: "RFC 8617 §5.2",
    Reason.ALREADY_FAILED: "RFC 8617 §5.2",
    Reason.SEAL_SIGNS_HEADERS: "RFC 8617 §4.1.3",
    Reason.SIGNS_SEAL: "RFC 8617 §4.1.2",
}

_DMARC_CLAUSES: Mapping[DmarcReason, str] = {
    DmarcReason.NO_AUTHOR: "the From field names no author",
    DmarcReason.SEVERAL_FROM: "there are several From fields",
    DmarcReason.SEVERAL_DOMAINS: "the From field names authors of several domains",
    DmarcReason.NO_RECORD: "the domain publishes no policy",
    DmarcReason.BROKEN_RECORD: "the published policy cannot be read",
    DmarcReason.LOOKUP_FAILED: "the DNS did not give an answer",
    DmarcReason.IDENTIFIER_UNKNOWN: "a signature that would count could not be checked",
    DmarcReason.NOT_ALIGNED: "nothing that was confirmed belongs to that domain",
}


def explain_dkim(verdict: DkimVerdict) -> str:
    """Say what came of one DKIM signature."""
    who = f"The DKIM signature of {verdict.signing_domain or 'an unnamed domain'}"
    if verdict.selector:
        who += f" (key {verdict.selector}{_size(verdict.algorithm, verdict.bits)})"
    if verdict.reason is None:
        return f"{who} is good."
    return f"{who} does not count, because {CLAUSES[verdict.reason]}."


def explain_chain(verdict: ChainVerdict) -> str:
    """Say what came of the ARC chain."""
    count = len(verdict.chain.sets)
    if verdict.status is ChainStatus.NONE:
        return "Nobody has sealed this message."
    if verdict.reason is None:
        sealers = ", ".join(each.sealer or "?" for each in verdict.sets)
        since = ""
        if verdict.oldest_pass:
            since = f"; what was signed has not changed since set {verdict.oldest_pass}"
        return f"The chain of {count} ({sealers}) is good{since}."
    where = f"set {verdict.instance}" if verdict.instance else "its fields"
    return f"The chain is broken at {where}, because {CLAUSES[verdict.reason]}."


def explain_set(verdict: SetVerdict) -> str:
    """Say what came of one set."""
    who = f"Set {verdict.instance}, sealed by {verdict.sealer or 'an unnamed domain'}"
    if verdict.selector:
        who += f" (key {verdict.selector})"
    seal = _outcome(verdict.seal)
    signature = _outcome(verdict.message_signature)
    return f"{who}: the seal {seal}, the message signature {signature}."


def explain_dmarc(verdict: DmarcVerdict) -> str:
    """Say what came of DMARC."""
    whose = f" of {verdict.author_domain}" if verdict.author_domain else ""
    if verdict.aligned is not None and verdict.result is Result.PASS:
        how = f"{verdict.aligned.method.upper()} of {verdict.aligned.domain}"
        return f"The author domain{whose} is confirmed by {how}."
    clause = _DMARC_CLAUSES[verdict.reason] if verdict.reason else "of an error"
    return f"The author domain{whose} is not confirmed, because {clause}."


def _outcome(checked: Checked | None) -> str:
    if checked is None:
        return "was not checked"
    if checked.reason is None:
        return "is good"
    return f"does not hold, because {CLAUSES[checked.reason]}"


def _size(algorithm: str | None, bits: int | None) -> str:
    known = [algorithm] if algorithm else []
    if bits:
        known.append(f"{bits} bits")
    return "".join(f", {each}" for each in known)
