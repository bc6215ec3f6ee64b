"""What a list does with posts whose authentication failed.

What has failed is found on arrival and travels with the post; what is done about it
is decided when Mailman's rules look at the post, by the settings that hold then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.authres import MethodResult
from mailman_arc.mailauth.dmarcrecord import Policy
from mailman_arc.mailauth.domains import is_same_or_subdomain
from mailman_arc.mailauth.results import Result
from mailman_arc.policy.arrival import Arrival
from mailman_arc.policy.history import Verdict, find_verdict
from mailman_arc.policy.inbound import Authentication
from mailman_arc.policy.settings import FailureAction, ListSettings, NonmemberAction
from mailman_arc.policy.vouching import Sealer, who_vouches


class Failure(StrEnum):
    """What has failed of a post; the words of the settings.

    Two have a second form, for domains that ask for nothing to be done (p=none).
    """

    DMARC = "dmarc_failure"
    DMARC_AT_NONE = "dmarc_failure p=none"
    CHAIN = "arc_failure"
    SIGNATURE = "dkim_failure"
    UNCONFIRMED = "unconfirmed"
    UNCONFIRMED_AT_NONE = "unconfirmed p=none"
    MISMATCH = "from_mismatch"


@dataclass(frozen=True, slots=True)
class Handling:
    """What is to be done with a post, and why; sentences for people, in English."""

    action: FailureAction
    reasons: tuple[str, ...]


# None says anything that a stranger has written.
REASONS = {
    Failure.DMARC: "The message fails DMARC for the domain of its author",
    Failure.CHAIN: "The message has a broken ARC chain",
    Failure.SIGNATURE: (
        "The message has no good DKIM signature of its author's domain"
    ),
    Failure.UNCONFIRMED: (
        "It could not be confirmed that the message comes from its author's domain"
    ),
    Failure.MISMATCH: (
        "Neither DKIM nor SPF has confirmed the domain of the message's author"
    ),
}

_COUNTS_AS = {
    Failure.DMARC_AT_NONE: Failure.DMARC,
    Failure.UNCONFIRMED_AT_NONE: Failure.UNCONFIRMED,
}
_STRICTEST_FIRST = (
    FailureAction.DISCARD,
    FailureAction.REJECT,
    FailureAction.HOLD,
    FailureAction.ACCEPT,
)


def find_failures(
    found: Authentication, results: Sequence[MethodResult]
) -> tuple[Failure, ...]:
    """What has failed of a post; `results` are those of the whole site.

    A name server that did not answer is no failure of the post's.
    """
    return tuple(_failures(found, results))


def _failures(
    found: Authentication, results: Sequence[MethodResult]
) -> Iterator[Failure]:
    said = _words(results, "dmarc")
    fails_dmarc = "fail" in said and not said & {"pass", "temperror"}
    asks = _is_asked_for(found, results)
    if fails_dmarc:
        yield Failure.DMARC if asks else Failure.DMARC_AT_NONE
    if found.chain_status is ChainStatus.FAIL:
        yield Failure.CHAIN
    signers = list(_signers(found, results))
    is_signed = any(_is_of_author(each, found) for each in signers)
    signatures = _words(results, "dkim") | {str(each.result) for each in found.dkim}
    # Whether other signers speak for the author is known with the policy only.
    doubt = signatures | said if signers else signatures
    if not is_signed and "temperror" not in doubt:
        yield Failure.SIGNATURE
    verdict = find_verdict(found, results)
    if verdict is Verdict.UNCONFIRMED:
        # Without its policy, a post without signatures had nothing to check it by.
        is_asked = asks or bool(found.dkim)
        yield Failure.UNCONFIRMED if is_asked else Failure.UNCONFIRMED_AT_NONE
    elif verdict is Verdict.VOUCHED and fails_dmarc:
        # Anybody can seal anything: that somebody trusted vouches shows later.
        yield Failure.UNCONFIRMED if asks else Failure.UNCONFIRMED_AT_NONE
    doubt = signatures | said | _words(results, "spf")
    is_sender = any(_is_of_author(each, found) for each in _senders(results))
    if not (is_signed or is_sender or "temperror" in doubt or "pass" in said):
        yield Failure.MISMATCH


def _words(results: Sequence[MethodResult], method: str) -> set[str]:
    return {each.result for each in results if each.method == method}


def _is_asked_for(found: Authentication, results: Sequence[MethodResult]) -> bool:
    """Tell whether the owner of the author's domain asks for something to be done."""
    told = {each.get("policy", "dmarc") for each in results if each.method == "dmarc"}
    return bool({Policy.QUARANTINE, Policy.REJECT} & {found.dmarc.policy, *told})


def _signers(found: Authentication, results: Sequence[MethodResult]) -> Iterator[str]:
    """The domains of good signatures, as we or servers of the site have found."""
    for verdict in found.dkim:
        if verdict.result is Result.PASS:
            yield verdict.signing_domain or ""
    for each in results:
        if each.method == "dkim" and each.result == Result.PASS:
            signer = each.get("header", "d") or each.get("header", "i") or ""
            yield signer.rpartition("@")[2]


def _senders(results: Sequence[MethodResult]) -> Iterator[str]:
    """The domains that SPF has confirmed (RFC 9989 §4.4.2)."""
    for each in results:
        if each.method == "spf" and each.result == Result.PASS:
            yield (each.get("smtp", "mailfrom") or "").rpartition("@")[2]


def _is_of_author(domain: str, found: Authentication) -> bool:
    """Tell whether a domain may speak for that of the author.

    A name below it may, where DMARC says so (RFC 9989 §4.4).
    """
    aligned, author = found.dmarc.aligned, found.author_domain
    domain = domain.lower()
    if aligned is not None and aligned.domain == domain:
        return True
    return author is not None and "." in domain and is_same_or_subdomain(author, domain)


def is_in_use(settings: ListSettings) -> bool:
    """Tell whether anything is done at all."""
    return any(
        _action(settings, failure, is_member=is_member) is not FailureAction.DEFER
        for failure in REASONS
        for is_member in (True, False)
    )


def decide(
    arrival: Arrival, settings: ListSettings, *, is_member: bool
) -> Handling | None:
    """What is to be done with a post; None: what else Mailman does with it.

    Nothing has failed of a post that a trusted sealer vouches for.  Of several
    actions the strictest is taken.
    """
    if isinstance(who_vouches(arrival.sealers, settings.trusted_sealers), Sealer):
        return None
    reasons: dict[FailureAction, list[str]] = {}
    for failure in _counting(arrival, settings):
        action = _action(settings, failure, is_member=is_member)
        reasons.setdefault(action, []).append(REASONS[failure])
    for action in _STRICTEST_FIRST:
        if action in reasons:
            return Handling(action, tuple(reasons[action]))
    return None


def _counting(arrival: Arrival, settings: ListSettings) -> Iterator[Failure]:
    for word in arrival.failures:
        failure = Failure(word)
        if failure in REASONS:
            yield failure
        elif settings.dmarc_none_counts:
            yield _COUNTS_AS[failure]


def _action(
    settings: ListSettings, failure: Failure, *, is_member: bool
) -> FailureAction:
    action = FailureAction(getattr(settings, f"{failure}_action"))
    of_others = NonmemberAction(getattr(settings, f"{failure}_nonmember_action"))
    if is_member or of_others is NonmemberAction.SAME:
        return action
    return FailureAction(of_others)
