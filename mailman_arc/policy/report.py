"""Put what was found about a post into the words of RFC 8601.

Two texts: our Authentication-Results field, which has our results, and the
ARC-Authentication-Results, which has those of the whole site (RFC 8617 §4.1.1).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.authres import MethodResult, Property
from mailman_arc.mailauth.dkim import DkimVerdict
from mailman_arc.mailauth.dmarc import DmarcVerdict
from mailman_arc.mailauth.domains import is_same_or_subdomain
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.spf import SpfVerdict
from mailman_arc.policy.inbound import Authentication


SIGNATURE_START = 8  # characters of b= that tell signatures apart (RFC 6008 §4)


def own_results(found: Authentication) -> list[MethodResult]:
    """What we found ourselves: arc, spf if known, each DKIM signature, dmarc."""
    return [
        _in_ascii(result)
        for result in (
            _arc_result(found, found.arc.status),
            *_spf_results(found.spf),
            *_dkim_results(found.dkim),
            _dmarc_result(found.dmarc),
        )
    ]


def site_results(found: Authentication) -> list[MethodResult]:
    """What the site found: trusted servers' results, and ours where they have none.

    A trusted server saw the post before us, so its word stands; there is one
    `arc` result, the one that is attested, and one for each DKIM signature.
    """
    status = found.chain_status or ChainStatus.FAIL
    theirs = [
        method
        for results in found.believed
        for method in results.methods
        if method.method != "arc"
    ]
    methods = {method.method for method in theirs}
    ours = [
        result
        for result in own_results(found)[1:]
        if not _is_told(result, theirs, methods)
    ]
    return [
        _in_ascii(result) for result in (_arc_result(found, status), *theirs, *ours)
    ]


def _in_ascii(result: MethodResult) -> MethodResult:
    """Leave out what could only be written in an internationalised message."""
    return replace(
        result,
        reason=result.reason if (result.reason or "").isascii() else None,
        comment=result.comment if (result.comment or "").isascii() else None,
        properties=tuple(each for each in result.properties if each.value.isascii()),
    )


def summary(found: Authentication) -> str:
    """One line for the log: `arc=none spf=pass dkim=pass,fail dmarc=pass`."""
    signatures = ",".join(str(each.result) for each in found.dkim) or "none"
    status = found.chain_status or "unjudged"
    spf = f" spf={found.spf.result}" if found.spf is not None else ""
    return f"arc={status}{spf} dkim={signatures} dmarc={found.dmarc.result}"


def _is_told(
    ours: MethodResult, theirs: Sequence[MethodResult], methods: set[str]
) -> bool:
    """Tell whether a trusted server has reported on the same thing."""
    if ours.method != "dkim" or ours.result == Result.NONE:
        return ours.method in methods
    start = ours.get("header", "b")
    signing_domain = ours.get("header", "d") or ""
    selector = ours.get("header", "s") or ""
    for result in theirs:
        if result.method != "dkim":
            continue
        their_start = result.get("header", "b")
        if their_start and start:
            if their_start.startswith(start) or start.startswith(their_start):
                return True
        elif _may_be_signature_of(result, signing_domain, selector):
            return True
    return False


def _may_be_signature_of(result: MethodResult, domain: str, selector: str) -> bool:
    """Tell whether a dkim result is about this signer, as far as it says."""
    if (result.get("header", "s") or selector).lower() != selector.lower():
        return False
    named = result.get("header", "d")
    if named is not None:
        return named.lower() == domain
    # i= may lie below d= (RFC 6376 §3.5).
    identifier = (result.get("header", "i") or "").rpartition("@")[2]
    return is_same_or_subdomain(identifier.lower(), domain)


def _arc_result(found: Authentication, status: ChainStatus) -> MethodResult:
    verdict = found.arc
    comment = None
    if verdict.reason is not None and status is not ChainStatus.PASS:
        where = f"i={verdict.instance}: " if verdict.instance else ""
        comment = f"{where}{verdict.reason}"
    properties = []
    is_pass = status is ChainStatus.PASS and verdict.status is ChainStatus.PASS
    if is_pass and verdict.oldest_pass is not None:
        properties.append(Property("header", "oldest-pass", str(verdict.oldest_pass)))
    if found.remote_ip is not None:
        properties.append(Property("smtp", "remote-ip", found.remote_ip))
    return MethodResult("arc", status, properties=tuple(properties), comment=comment)


def _spf_results(verdict: SpfVerdict | None) -> list[MethodResult]:
    """Without the local-part, as RFC 8601 §2.7.2 asks."""
    if verdict is None:
        return []
    about = Property("smtp", verdict.identity, verdict.domain)
    return [MethodResult("spf", verdict.result, properties=(about,))]


def _dkim_results(verdicts: Sequence[DkimVerdict]) -> list[MethodResult]:
    if not verdicts:
        return [MethodResult("dkim", Result.NONE)]
    length = _telling_length([each.signature_start or "" for each in verdicts])
    return [_dkim_result(each, length) for each in verdicts]


def _dkim_result(verdict: DkimVerdict, length: int) -> MethodResult:
    start = verdict.signature_start
    values = (
        ("d", verdict.signing_domain),
        ("s", verdict.selector),
        ("a", verdict.algorithm),
        ("b", start[:length] if start else None),
    )
    comment = str(verdict.reason) if verdict.reason else None
    if verdict.testing:
        comment = f"{comment}, test mode" if comment else "test mode"
    return MethodResult(
        "dkim",
        verdict.result,
        properties=tuple(
            Property("header", name, text) for name, text in values if text
        ),
        comment=comment,
    )


def _telling_length(texts: Sequence[str]) -> int:
    """How many characters tell the signatures apart, at least eight."""
    length = SIGNATURE_START
    longest = max(map(len, texts), default=0)
    while length < longest and len({each[:length] for each in texts}) < len(set(texts)):
        length *= 2
    return length


def _dmarc_result(verdict: DmarcVerdict) -> MethodResult:
    properties = []
    if verdict.author_domain is not None:
        properties.append(Property("header", "from", verdict.author_domain))
    if verdict.policy is not None:
        properties.append(Property("policy", "dmarc", verdict.policy))
    return MethodResult(
        "dmarc",
        verdict.result,
        properties=tuple(properties),
        comment=_dmarc_comment(verdict),
    )


def _dmarc_comment(verdict: DmarcVerdict) -> str | None:
    """What the domain owner has published, or why there is no answer."""
    if verdict.result in (Result.TEMPERROR, Result.PERMERROR):
        return verdict.reason.replace("-", " ") if verdict.reason else None
    record = verdict.record
    if record is None:
        return None
    published = (
        ("p", record.policy),
        ("sp", record.subdomain_policy),
        ("np", record.nonexistent_policy),
    )
    return " ".join(f"{tag}={policy}" for tag, policy in published if policy)
