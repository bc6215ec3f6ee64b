"""What was found about a message, check by check, for people who want to know why.

Each check has a sentence, and the place where its rule is written.
"""

from __future__ import annotations

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from enum import StrEnum

from mailman_arc.mailauth.arc.chain import ARC_FIELDS, MAX_ARC_FIELDS, ArcSet
from mailman_arc.mailauth.arc.verify import ChainStatus, SetVerdict
from mailman_arc.mailauth.authres import (
    FIELD_NAME,
    MAX_FIELDS,
    AuthenticationResults,
    claimed_authserv_id,
    parse_authentication_results,
)
from mailman_arc.mailauth.canonical import body_hashes
from mailman_arc.mailauth.dkim import MAX_SIGNATURES, DkimVerdict
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.explain import (
    CLAUSES,
    SOURCES,
    explain_chain,
    explain_dkim,
    explain_dmarc,
)
from mailman_arc.mailauth.message import WireMessage
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.signature import Checked, Signature, parse_signature
from mailman_arc.mailauth.tags import parse_tag_list
from mailman_arc.policy.inbound import Authentication
from mailman_arc.policy.trust import Trust


_SIGNED_FIELDS = (b"dkim-signature", b"arc-message-signature")
_CHAIN_RULES = "RFC 8617 §5.2"
_MAX_TIME = 253402300799  # the year 9999
_MAX_SHOWN = 400  # characters of a field


class Outcome(StrEnum):
    """How a check ended."""

    GOOD = "good"
    BAD = "bad"
    CHANGED = "changed"  # was good once; that of an earlier server may be so
    UNKNOWN = "unknown"  # the DNS did not answer
    UNCHECKED = "not checked"
    NONE = "none"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at."""

    name: str
    outcome: Outcome
    sentence: str
    source: str = ""  # section of an RFC


@dataclass(frozen=True, slots=True)
class Hop:
    """A server that sealed, what it recorded, and what is left of its set."""

    instance: int
    sealer: str
    selector: str
    chain_status: str  # cv=
    sealed_at: str  # UTC; empty where the seal does not tell
    authserv_id: str
    recorded: tuple[str, ...]
    aar: str  # its ARC-Authentication-Results, in one line
    checks: tuple[Check, ...]


@dataclass(frozen=True, slots=True)
class Statement:
    """An Authentication-Results field: who says what, and what that is worth."""

    authserv_id: str
    standing: str
    results: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SignedHash:
    """The body hash of a signature, and that of the body as it is (base64)."""

    name: str
    form: str
    signed: str
    computed: str

    @property
    def is_equal(self) -> bool:
        """Tell whether the body is the one that was signed."""
        return self.signed == self.computed


@dataclass(frozen=True, slots=True)
class Explanation:
    """All that can be said about a message.

    `arc_fields` has the ARC fields of a chain whose sets cannot be told apart.
    """

    author_domain: str | None
    summary: str
    dmarc: Check
    dkim: tuple[Check, ...]
    arc: Check
    hops: tuple[Hop, ...]
    arc_fields: tuple[str, ...]
    statements: tuple[Statement, ...]
    remarks: tuple[Check, ...]
    body_hashes: tuple[SignedHash, ...]


def explain_message(
    octets: bytes,
    message: WireMessage,
    found: Authentication,
    trust: Trust,
    *,
    with_body_hashes: bool = False,
) -> Explanation:
    """Explain what was found; `message` is what was read of `octets`.

    Without octets, nothing is said about how they were kept.
    """
    sets = found.arc.chain.sets
    return Explanation(
        author_domain=found.author_domain,
        summary=_summary(found),
        dmarc=Check(
            "DMARC",
            _outcome_of(found.dmarc.result),
            explain_dmarc(found.dmarc),
            "RFC 9989 §5.3",
        ),
        dkim=tuple(_dkim_check(each) for each in found.dkim),
        arc=_chain_check(found),
        hops=tuple(
            _hop(each, verdict, found.arc.chain.highest)
            for each, verdict in zip(sets, found.arc.sets, strict=True)
        ),
        arc_fields=() if sets else tuple(_arc_fields(message)),
        statements=tuple(_statements(message, trust)),
        remarks=tuple(_remarks(octets, message, found)),
        body_hashes=tuple(_body_hashes(message)) if with_body_hashes else (),
    )


def _summary(found: Authentication) -> str:
    if found.dmarc.result is Result.PASS:
        return "The message comes from whom it says it does."
    sealers = ", ".join(each.sealer or "?" for each in found.arc.sets)
    if found.arc.status is ChainStatus.PASS:
        return (
            "The author domain is not confirmed (any more). Receivers that trust "
            f"{sealers} can go by what was recorded before (RFC 8617 §7.2)."
        )
    if found.arc.is_unjudged or found.dmarc.result is Result.TEMPERROR:
        return "The DNS did not answer, so that there is no telling for now."
    return "Nothing confirms that the message comes from whom it says it does."


def _dkim_check(verdict: DkimVerdict) -> Check:
    source = SOURCES[verdict.reason] if verdict.reason else "RFC 6376 §6.1"
    outcome = _outcome_of(verdict.result)
    return Check("DKIM-Signature", outcome, explain_dkim(verdict), source)


def _outcome_of(result: Result) -> Outcome:
    match result:
        case Result.PASS:
            return Outcome.GOOD
        case Result.NONE:
            return Outcome.NONE
        case Result.TEMPERROR:
            return Outcome.UNKNOWN
        case _:
            return Outcome.BAD


def _chain_check(found: Authentication) -> Check:
    verdict = found.arc
    source = SOURCES[verdict.reason] if verdict.reason else _CHAIN_RULES
    outcome = _outcome_of(Result(verdict.status))
    if verdict.is_unjudged:
        outcome = Outcome.UNKNOWN
    return Check("ARC", outcome, explain_chain(verdict), source)


def _hop(arc_set: ArcSet, verdict: SetVerdict, newest: int) -> Hop:
    tags = arc_set.seal.tags
    told = _read_results(arc_set.results.value.partition(b";")[2])  # behind i=
    return Hop(
        instance=verdict.instance,
        sealer=verdict.sealer or "",
        selector=verdict.selector or "",
        chain_status=tags.get("cv", ""),
        sealed_at=_show_time(tags),
        authserv_id=told.authserv_id if told else "",
        recorded=_show_results(told) if told else (),
        aar=" ".join(arc_set.results.value.decode("utf-8", "replace").split()),
        checks=(
            _check("ARC-Seal", verdict.seal),
            _signature_check(verdict, is_newest=verdict.instance == newest),
        ),
    )


def _signature_check(verdict: SetVerdict, *, is_newest: bool) -> Check:
    name, checked = "ARC-Message-Signature", verdict.message_signature
    has_changed = checked is not None and checked.reason in (
        Reason.BODY_HASH,
        Reason.SIGNATURE,
    )
    if has_changed and not is_newest:
        sentence = (
            "The message has changed since, as lists change posts; only the newest "
            "signature has to hold."
        )
        return Check(name, Outcome.CHANGED, sentence, _CHAIN_RULES)
    return _check(name, checked)


def _check(name: str, checked: Checked | None) -> Check:
    if checked is None:
        sentence = "Not looked at: what came before has decided."
        return Check(name, Outcome.UNCHECKED, sentence, _CHAIN_RULES)
    if checked.reason is None:
        return Check(name, Outcome.GOOD, "It is good.", _CHAIN_RULES)
    is_unknown = checked.reason is Reason.KEY_UNAVAILABLE
    return Check(
        name,
        Outcome.UNKNOWN if is_unknown else Outcome.BAD,
        f"It does not hold, because {CLAUSES[checked.reason]}.",
        SOURCES[checked.reason],
    )


def _show_time(tags: Mapping[str, str]) -> str:
    text = tags.get("t", "")
    if not (text.isascii() and text.isdigit()) or int(text[:20]) > _MAX_TIME:
        return ""
    return f"{datetime.fromtimestamp(int(text), UTC):%Y-%m-%d %H:%M:%S} UTC"


def _read_results(value: bytes) -> AuthenticationResults | None:
    try:
        return parse_authentication_results(value)
    except MalformedField:
        return None


def _show_results(told: AuthenticationResults) -> tuple[str, ...]:
    shown = []
    for each in told.methods:
        words = [f"{each.method}={each.result}"]
        words += [f"{one.ptype}.{one.name}={one.value}" for one in each.properties]
        shown.append(" ".join(words))
    return tuple(shown) or ("none",)


def _arc_fields(message: WireMessage) -> Iterator[str]:
    positions = sorted(
        position for name in ARC_FIELDS for position in message.positions.get(name, ())
    )
    for position in positions[:MAX_ARC_FIELDS]:
        text = message.fields[position].raw.decode("utf-8", "replace")
        yield " ".join(text.split())[:_MAX_SHOWN]


def _statements(message: WireMessage, trust: Trust) -> Iterator[Statement]:
    for each in message.named(FIELD_NAME)[:MAX_FIELDS]:
        told = _read_results(each.value)
        claimed = claimed_authserv_id(each.value) or ""
        standing = "not believed: nobody we trust"
        if told is None:
            standing = "not believed: it cannot be read"
        elif trust.is_trusted(claimed):
            standing = "believed: in trusted_authserv_ids"
        elif trust.is_forged(each.value):
            standing = "of this site; one that arrives from outside is forged"
        results = _show_results(told) if told else ()
        yield Statement(told.authserv_id if told else claimed, standing, results)


def _remarks(
    octets: bytes, message: WireMessage, found: Authentication
) -> Iterator[Check]:
    if octets.startswith(b"From "):
        yield _remark("The first line is that of a mailbox file; it is left out.")
    if octets and b"\r\n" not in octets[: octets.find(b"\n") + 1]:
        yield _remark(
            "The lines end as in a file of this machine; they are read as those on the "
            "wire, which a signature over unusual line ends may not survive.",
            "RFC 6376 §5.3",
        )
    if message.has_odd_lines:
        yield _remark("The header has lines that belong to no field.", "RFC 5322 §2.2")
    for name, signature in _signatures(message):
        if signature.body_length is not None:
            yield _remark(
                f"{name} covers only the first {signature.body_length} octets of the "
                "text (l=); anybody can add to it.",
                "RFC 6376 §8.2",
            )
        if b"arc-authentication-results" in signature.signed_fields:
            yield _remark(
                f"{name} signs ARC-Authentication-Results, which is forbidden.",
                "RFC 8617 §4.1.2",
            )
    for verdict in found.dkim:
        if verdict.testing:
            yield _remark(
                f"{verdict.signing_domain} says that it is only testing DKIM.",
                "RFC 6376 §3.6.1",
            )


def _remark(sentence: str, source: str = "") -> Check:
    return Check("remark", Outcome.NONE, sentence, source)


def _body_hashes(message: WireMessage) -> Iterator[SignedHash]:
    bodies = body_hashes(message)
    found = list(_signatures(message))
    for _, signature in found:
        bodies.expect(signature.body_form, signature.body_length)
    for name, signature in found:
        limit = signature.body_length
        yield SignedHash(
            name,
            signature.body_form
            if limit is None
            else f"{signature.body_form} l={limit}",
            base64.b64encode(signature.body_hash).decode(),
            base64.b64encode(bodies.digest(signature.body_form, limit).digest).decode(),
        )


def _signatures(message: WireMessage) -> Iterator[tuple[str, Signature]]:
    """The signatures that can be read, and what to call them."""
    for name in _SIGNED_FIELDS:
        for position in message.positions.get(name, ())[:MAX_SIGNATURES]:
            field = message.fields[position]
            try:
                signature = parse_signature(
                    field, position, parse_tag_list(field.value)
                )
            except MalformedField:
                continue
            shown = field.raw.partition(b":")[0].decode("ascii", "replace").strip()
            yield f"{shown} of {signature.signing_domain}", signature


# As text


def show_explanation(explanation: Explanation) -> list[str]:
    """The lines of an explanation; text from the message may be in any of them."""
    return [
        explanation.summary,
        "",
        *_show_check(explanation.dmarc),
        "",
        *(line for each in explanation.dkim for line in _show_check(each)),
        *([] if explanation.dkim else ["[none] There is no DKIM signature."]),
        "",
        *_show_check(explanation.arc),
        *_show_hops(explanation),
        *(f"    {each}" for each in explanation.arc_fields),
        *_show_rest(explanation),
    ]


def _show_check(check: Check, margin: str = "") -> Iterator[str]:
    source = f" ({check.source})" if check.source else ""
    yield f"{margin}[{check.outcome}] {check.sentence}{source}"


def _show_hops(explanation: Explanation) -> Iterator[str]:
    if explanation.hops:
        yield f"    author: {explanation.author_domain or 'unknown'}"
    for hop in explanation.hops:
        yield "     |"
        when = f", {hop.sealed_at}" if hop.sealed_at else ""
        yield (
            f"    i={hop.instance}: {hop.sealer} (key {hop.selector}{when}), "
            f"cv={hop.chain_status}"
        )
        for result in hop.recorded:
            yield f"     |  {hop.authserv_id} recorded {result}"
        for check in hop.checks:
            named = replace(check, sentence=f"{check.name}: {check.sentence}")
            yield from _show_check(named, "     |  ")


def _show_rest(explanation: Explanation) -> Iterator[str]:
    for statement in explanation.statements:
        yield ""
        yield f"{statement.authserv_id} says ({statement.standing}):"
        yield from (f"    {result}" for result in statement.results)
    if explanation.remarks:
        yield ""
    for remark in explanation.remarks:
        source = f" ({remark.source})" if remark.source else ""
        yield f"Note: {remark.sentence}{source}"
    for each in explanation.body_hashes:
        yield ""
        equal = "the body is the same" if each.is_equal else "the body is another"
        yield f"{each.name}, {each.form}: {equal}"
        yield f"    signed   {each.signed}"
        yield f"    computed {each.computed}"
