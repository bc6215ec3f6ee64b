"""People, their domains and their mail, for the demo and the tests.

Keys are made at run time.  What others sign is signed by dkimpy, so that
nothing here depends on the code under test.  Names are those that RFC 2606
and RFC 6761 set aside for examples.
"""

from __future__ import annotations

import base64
import time
from collections.abc import Iterable
from dataclasses import dataclass
from email.utils import formatdate
from functools import cache

import dkim
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa


AUTHOR = "author.example"
FORWARDER = "forwarder.example"
BANK = "bank.example"

SIGNED_FIELDS = (
    *(b"from", b"to", b"subject", b"date", b"message-id"),
    *(b"mime-version", b"content-type", b"content-transfer-encoding"),
)


@dataclass(frozen=True, slots=True)
class Domain:
    """A mail domain, with the key it signs with and what it publishes."""

    name: str
    selector: str
    private_key: bytes  # PEM
    key_record: str
    dmarc_record: str | None

    def records(self) -> dict[str, str]:
        """The TXT records of the domain, by name."""
        found = {f"{self.selector}._domainkey.{self.name}": self.key_record}
        if self.dmarc_record is not None:
            found[f"_dmarc.{self.name}"] = self.dmarc_record
        return found


@cache
def make_domain(
    name: str, policy: str | None = "reject", selector: str = "s1"
) -> Domain:
    """A domain with a new RSA key; `policy` is that of its DMARC record."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    public = key.public_key().public_bytes(
        serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return Domain(
        name,
        selector,
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.TraditionalOpenSSL,
            serialization.NoEncryption(),
        ),
        f"v=DKIM1; k=rsa; p={base64.b64encode(public).decode()}",
        f"v=DMARC1; p={policy}" if policy else None,
    )


def zone_of(domains: Iterable[Domain]) -> dict[str, str]:
    """All records of these domains, as our DNS server and the oracles take them."""
    zone: dict[str, str] = {}
    for domain in domains:
        zone |= domain.records()
    return zone


def make_post(
    author: str,
    to: str,
    *,
    name: str = "",
    subject: str = "Lunch on Friday",
    body: str = "Shall we meet at noon?\r\n",
    message_id: str | None = None,
) -> bytes:
    """A plain post as it is on the wire; its Message-ID is a new one."""
    domain = author.partition("@")[2]
    fields = (
        f"From: {name} <{author}>" if name else f"From: {author}",
        f"To: {to}",
        f"Subject: {subject}",
        f"Date: {formatdate(localtime=False)}",
        f"Message-ID: {message_id or new_message_id(domain)}",
        "MIME-Version: 1.0",
        'Content-Type: text/plain; charset="utf-8"',
        "Content-Transfer-Encoding: 8bit",
    )
    return ("\r\n".join(fields) + "\r\n\r\n" + body).encode()


def new_message_id(domain: str) -> str:
    """A Message-ID nobody else has."""
    return f"<{time.time_ns()}@{domain}>"


def dkim_sign(octets: bytes, domain: Domain) -> bytes:
    """The message with a DKIM signature of the domain on top."""
    field = dkim.sign(
        octets,
        domain.selector.encode(),
        domain.name.encode(),
        domain.private_key,
        include_headers=list(SIGNED_FIELDS),
    )
    return _on_top(field, octets)


def arc_seal(octets: bytes, sealer: Domain, results: str, also: bytes = b"") -> bytes:
    """The message as a forwarder hands it on: judged by it, and ARC-sealed.

    `results` are those of its Authentication-Results field, for instance
    `dkim=pass header.d=author.example`; `also` is what it adds to the body.
    """
    field = f"Authentication-Results: {sealer.name}; {results}\r\n".encode()
    judged = _on_top(field, octets + also)
    fields = dkim.arc_sign(
        judged,
        sealer.selector.encode(),
        sealer.name.encode(),
        sealer.private_key,
        sealer.name.encode(),
        include_headers=list(SIGNED_FIELDS),
    )
    if len(fields) != 3:
        raise ValueError(f"dkimpy did not seal: {fields}")
    return _on_top(b"".join(fields), judged)


def _on_top(fields: bytes, octets: bytes) -> bytes:
    # Some versions of dkimpy fold with LF and some end the last field with it.
    lines = fields.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    return b"\r\n".join(lines) + b"\r\n" + octets
