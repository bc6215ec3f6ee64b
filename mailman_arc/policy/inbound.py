"""Authenticate a post as it arrived.

Three steps for DKIM, ARC and DMARC together: name what has to be looked up,
have it fetched in one batch, judge.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from mailman_arc.mailauth import dkim
from mailman_arc.mailauth.answers import Answers
from mailman_arc.mailauth.arc import verify
from mailman_arc.mailauth.arc.verify import ChainStatus, ChainVerdict
from mailman_arc.mailauth.author import find_author
from mailman_arc.mailauth.authres import AuthenticationResults
from mailman_arc.mailauth.canonical import BodyHashes
from mailman_arc.mailauth.crypto import MIN_RSA_BITS
from mailman_arc.mailauth.dkim import DkimVerdict
from mailman_arc.mailauth.dmarc import (
    DmarcVerdict,
    Identifier,
    evaluate_dmarc,
    names_to_look_up as dmarc_names,
)
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import WireMessage
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.spf import (
    NOTHING_KNOWN,
    Envelope,
    SpfIdentity,
    SpfVerdict,
)
from mailman_arc.policy.trust import (
    Trust,
    believed_received_spf,
    believed_results,
)


MAX_SPF_RESULTS = 2  # of trusted servers; each names a domain to look up


@dataclass(frozen=True, slots=True)
class Demands:
    """What this site asks of signatures, beyond what the RFCs do or below."""

    min_rsa_bits: int = MIN_RSA_BITS
    oldest_pass: bool = True  # look for it, in message signatures below the newest


USUAL_DEMANDS = Demands()


@dataclass(frozen=True, slots=True)
class Authentication:
    """All that was found about a post on arrival."""

    dkim: tuple[DkimVerdict, ...]
    arc: ChainVerdict
    dmarc: DmarcVerdict
    believed: tuple[AuthenticationResults, ...]  # what trusted servers said
    author_domain: str | None = None  # None when there is not exactly one
    spf: SpfVerdict | None = None  # None where nobody knows, or a trusted server said
    remote_ip: str | None = None  # of the client that brought the post to the site

    @property
    def chain_status(self) -> ChainStatus | None:
        """The status to attest, or None when the DNS did not let us judge.

        A trusted server saw the post before us: where it judged and we could
        not, its word stands; where both did, the worse one (RFC 8617 §5.1).
        """
        said = {
            method.result
            for results in self.believed
            for method in results.methods
            if method.method == "arc"
        }
        if self.arc.is_unjudged:
            if "fail" in said:
                return ChainStatus.FAIL
            return ChainStatus.PASS if "pass" in said else None
        if self.arc.status is ChainStatus.PASS and "fail" in said:
            return ChainStatus.FAIL
        return self.arc.status


def names_to_look_up(
    message: WireMessage,
    trust: Trust,
    envelope: Envelope = NOTHING_KNOWN,
    demands: Demands = USUAL_DEMANDS,
) -> set[str]:
    """Every DNS name that `authenticate` may want to read.

    Those that the evaluation of SPF itself asks for depend on one another and
    are not among them.
    """
    author_domain = find_author(message).domain
    names = dkim.key_names(message, author_domain)
    names |= verify.key_names(message, find_oldest_pass=demands.oldest_pass)
    if author_domain is not None:
        signers = dkim.signing_domains(message, author_domain)
        senders = _sender_domains(message, trust, envelope)
        names |= dmarc_names(author_domain, [*signers, *senders])
    return names


def authenticate(
    message: WireMessage,
    answers: Answers,
    now: int,
    trust: Trust,
    envelope: Envelope = NOTHING_KNOWN,
    demands: Demands = USUAL_DEMANDS,
) -> Authentication:
    """Judge a post from its original octets; `now` in seconds since 1970.

    Any message and any answers give a verdict, never an exception.
    """
    author = find_author(message)
    bodies = BodyHashes(message.body)
    bits = demands.min_rsa_bits
    signatures = dkim.verify_dkim(message, author.domain, answers, now, bodies, bits)
    chain = verify.verify_chain(
        message, answers, now, bodies, bits, find_oldest_pass=demands.oldest_pass
    )
    believed = believed_results(message, trust)
    spf = _spf(message, trust, envelope)
    identifiers = [
        Identifier("dkim", verdict.signing_domain, verdict.result)
        for verdict in signatures
        if verdict.is_complete and verdict.signing_domain is not None
    ]
    senders = [spf] if spf is not None else _told_spf(believed)
    identifiers += [Identifier("spf", each.domain, each.result) for each in senders]
    verdict = evaluate_dmarc(author, identifiers, answers)
    return Authentication(
        signatures, chain, verdict, believed, author.domain, spf, envelope.client_ip
    )


def is_spf_told(message: WireMessage, trust: Trust) -> bool:
    """Tell whether a trusted server has reported on SPF, so that we need not."""
    return any(
        method.method == "spf"
        for results in believed_results(message, trust)
        for method in results.methods
    )


def _spf(message: WireMessage, trust: Trust, envelope: Envelope) -> SpfVerdict | None:
    """What is known of SPF beside the results of trusted servers.

    Those stand, because their writers saw the client themselves and before us
    (cf. RFC 8617 §4.1.1).  Next is our own evaluation, of what a server that we
    let speak has told us.  A Received-SPF field comes last: nothing but its place
    shows that it is genuine.
    """
    if is_spf_told(message, trust):
        return None
    own = envelope.spf
    if own is not None and own.result is not Result.TEMPERROR:
        return own
    return _received_spf(message, trust) or own


def _received_spf(message: WireMessage, trust: Trust) -> SpfVerdict | None:
    field = believed_received_spf(message, trust)
    return field.verdict if field is not None else None


def _sender_domains(
    message: WireMessage, trust: Trust, envelope: Envelope
) -> list[str]:
    """The domains that SPF may turn out to have confirmed."""
    if is_spf_told(message, trust):
        return [each.domain for each in _told_spf(believed_results(message, trust))]
    checked = envelope.spf_identity
    received = _received_spf(message, trust)
    domains = [checked[1]] if checked is not None else []
    return [*domains, *([received.domain] if received is not None else [])]


def _told_spf(believed: Iterable[AuthenticationResults]) -> list[SpfVerdict]:
    """What trusted servers say of the envelope sender (RFC 9989 §4.4.2).

    Only MAIL FROM counts; HELO alone identifies nobody.
    """
    told = []
    for results in believed:
        for method in results.methods:
            mail_from = method.get("smtp", "mailfrom")
            if method.method != "spf" or not mail_from:
                continue
            try:
                domain = parse_domain(mail_from.rpartition("@")[2])
                result = Result(method.result)
            except (MalformedField, ValueError):
                continue
            told.append(SpfVerdict(result, SpfIdentity.MAIL_FROM, domain))
    return told[:MAX_SPF_RESULTS]
