"""What is kept of a post's arrival until it leaves, days later perhaps.

An `Arrival` travels with the post as text.  Inside the post it is vouched for
with a keyed hash over itself and the content it was made for, so that nobody
outside can write one and none can be moved to another post.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import textwrap
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from mailman_arc.mailauth.arc.chain import chain_digest
from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.authres import MethodResult, parse_authentication_results
from mailman_arc.mailauth.authres_writer import MAX_COMMENT_OCTETS, format_results
from mailman_arc.mailauth.canonical import canonical_field
from mailman_arc.mailauth.dkim import good_signatures
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import WireMessage
from mailman_arc.policy.inbound import Authentication
from mailman_arc.policy.report import own_results, site_results, summary
from mailman_arc.policy.vouching import (
    NotVouched,
    Sealer,
    override_comment,
    sealers_of,
    who_vouches,
)


# Fields that say who wrote what to whom; with the body they are the content a
# verdict is bound to.  Mailman's rules change others before the pipeline.
BOUND_FIELDS = (b"from", b"to", b"cc", b"subject", b"date", b"message-id")
# They say how the body is to be read.
BODY_FIELDS = (b"content-type", b"content-transfer-encoding")

_LINE = 72


@dataclass(frozen=True, slots=True)
class Arrival:
    """The part of the verdict that is needed later."""

    status: str  # ChainStatus, or "" when the DNS did not let us judge
    results: str  # value of the ARC-Authentication-Results behind "i=N;"
    field: str  # value of our Authentication-Results, folded with LF
    summary: str  # for the log
    chain: str  # fingerprint of the ARC fields on arrival
    good: str  # fingerprints of the signatures that passed, space between
    judged_at: int  # seconds since 1970
    sealers: tuple[Sealer, ...] = ()  # that may vouch for it, newest first
    failures: tuple[str, ...] = ()  # of `policy.handling.Failure`

    @property
    def chain_status(self) -> ChainStatus | None:
        """The status to attest, or None when it could not be judged."""
        return ChainStatus(self.status) if self.status else None


def remember(
    found: Authentication, message: WireMessage, authserv_id: str, now: int
) -> Arrival:
    """Keep what the seal will need of an authentication."""
    own = format_results(authserv_id, own_results(found)).decode()
    sealers = sealers_of(found)
    return Arrival(
        status=found.chain_status or "",
        results=format_results(authserv_id, site_results(found)).decode(),
        field=_as_field(own),
        summary=summary(found),
        chain=chain_digest(message),
        good=" ".join(good_signatures(message, found.author_domain, found.dkim)),
        judged_at=now,
        sealers=() if isinstance(sealers, NotVouched) else sealers,
    )


def _as_field(results: str) -> str:
    return results.replace("\r\n", "\n").lstrip(" ")


def format_arrival(arrival: Arrival) -> str:
    """The arrival as one line of ASCII."""
    return json.dumps(asdict(arrival), separators=(",", ":"))


def parse_arrival(text: str) -> Arrival:
    """Read what `format_arrival` wrote; raises `MalformedField`."""
    try:
        values = json.loads(text)
        arrival = Arrival(
            status=str(values["status"]),
            results=str(values["results"]),
            field=str(values["field"]),
            summary=str(values["summary"]),
            chain=str(values["chain"]),
            good=str(values["good"]),
            judged_at=int(values["judged_at"]),
            # Posts that are waiting may have come before these were kept.
            sealers=tuple(_read_sealer(each) for each in values.get("sealers", ())),
            failures=tuple(str(each) for each in values.get("failures", ())),
        )
        _ = arrival.chain_status
    except (ValueError, TypeError, LookupError, OverflowError, RecursionError) as error:
        raise MalformedField("not an arrival record") from error
    return arrival


def _read_sealer(values: Mapping[str, Any]) -> Sealer:
    return Sealer(
        int(values["instance"]),
        str(values["domain"]),
        str(values["selector"]),
        bool(values["confirms"]),
        str(values["remote_ip"]),
    )


def with_vouching(arrival: Arrival, trusted_sealers: Collection[str]) -> Arrival:
    """An arrival whose field says that somebody vouches, if somebody does.

    Without, it is the same object.  What a seal attests is not changed.
    """
    vouching = who_vouches(arrival.sealers, trusted_sealers)
    if isinstance(vouching, NotVouched):
        return arrival
    comment = override_comment(arrival.sealers)
    try:
        told = parse_authentication_results(arrival.field.encode())
    except MalformedField:  # longer than anybody reads
        return arrival
    methods = [
        replace(each, comment=_joined(each.comment, comment))
        if each.method == "dmarc"
        else each
        for each in told.methods
    ]
    return replace(
        arrival,
        field=_as_field(format_results(told.authserv_id, methods).decode()),
        summary=f"{arrival.summary} vouched={vouching.domain}",
        sealers=(),
    )


def _joined(comment: str | None, more: str) -> str:
    """Two comments in one, which ends with a whole word."""
    both = ", ".join(filter(None, (comment, more)))
    return textwrap.shorten(both, MAX_COMMENT_OCTETS, placeholder=" ...")


def anonymised(arrival: Arrival) -> Arrival:
    """What may be told of a post whose author is not to be known.

    Its chain and its signatures have been taken out, so there is none.  Results
    are told without what they are about; that of the chain would make no sense.
    """
    told = parse_authentication_results(arrival.results.encode())
    methods = [
        MethodResult(each.method, each.result)
        for each in told.methods
        if each.method != "arc"
    ]
    return replace(
        arrival,
        status=ChainStatus.NONE,
        results=format_results(told.authserv_id, methods).decode(),
        chain=chain_digest(WireMessage((), b"")),
        good="",
        sealers=(),
    )


@dataclass(frozen=True, slots=True)
class Binding:
    """Two fingerprints of a post as Mailman holds it."""

    header: bytes
    body: bytes


def bind(message: WireMessage) -> Binding:
    """Fingerprint the content a verdict is about."""
    header = _fields_digest(message, BOUND_FIELDS)
    body = _fields_digest(message, BODY_FIELDS)
    return Binding(header, body + hashlib.sha256(message.body).digest())


def _fields_digest(message: WireMessage, names: Sequence[bytes]) -> bytes:
    sha256 = hashlib.sha256()
    for name in names:
        for field in message.named(name):
            sha256.update(canonical_field(field, "relaxed") + b"\n")
    return sha256.digest()


def vouch(arrival: Arrival, binding: Binding, secret: bytes) -> str:
    """The arrival as a field value that only the holder of `secret` can make.

    Folded with LF and one space, without a final line end.
    """
    record = format_arrival(arrival).encode()
    octets = b"".join(_macs(secret, binding, record)) + record
    text = base64.b64encode(octets).decode()
    return "\n ".join(
        text[start : start + _LINE] for start in range(0, len(text), _LINE)
    )


@dataclass(frozen=True, slots=True)
class Vouched:
    """An arrival that was written here, and whether this is the post it is of."""

    arrival: Arrival
    fits_header: bool
    fits_body: bool

    @property
    def is_whole(self) -> bool:
        """Tell whether the post is the one that arrived."""
        return self.fits_header and self.fits_body


def vouched_arrival(text: str, binding: Binding, secret: bytes) -> Vouched:
    """Read a vouched arrival; raises `MalformedField` unless it was made here."""
    try:
        octets = base64.b64decode("".join(text.split()), validate=True)
    except (ValueError, binascii.Error) as error:
        raise MalformedField("not a vouched arrival") from error
    size = hashlib.sha256().digest_size
    record = octets[3 * size :]
    given = (octets[:size], octets[size : 2 * size], octets[2 * size : 3 * size])
    genuine, fits_header, fits_body = map(
        hmac.compare_digest, given, _macs(secret, binding, record)
    )
    if not genuine:
        raise MalformedField("the arrival record was not made here")
    arrival = parse_arrival(record.decode("utf-8", "replace"))
    return Vouched(arrival, fits_header, fits_body)


def _macs(secret: bytes, binding: Binding, record: bytes) -> tuple[bytes, bytes, bytes]:
    """Of the record alone, with the header, and with header and body."""
    return (
        _mac(secret, b"record", b"", record),
        _mac(secret, b"header", binding.header, record),
        _mac(secret, b"body", binding.header + binding.body, record),
    )


def _mac(secret: bytes, purpose: bytes, bound: bytes, record: bytes) -> bytes:
    return hmac.digest(secret, purpose + b"\0" + bound + record, "sha256")
