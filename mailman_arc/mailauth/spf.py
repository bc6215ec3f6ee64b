"""SPF without its look-ups: who is checked, and what came of it (RFC 7208)."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.results import Result


class SpfIdentity(StrEnum):
    """Which name of the SMTP transaction was checked, as RFC 8601 §2.7.2 says it."""

    MAIL_FROM = "mailfrom"
    HELO = "helo"


@dataclass(frozen=True, slots=True)
class SpfVerdict:
    """What came of an SPF check; `domain` in A-labels."""

    result: Result
    identity: SpfIdentity
    domain: str


@dataclass(frozen=True, slots=True)
class Envelope:
    """What is known of the SMTP transaction in which a post came to the site.

    None stands for what nobody has told.  An empty `mail_from` is the empty
    reverse-path, and `spf` is about the identity that `spf_identity` gives.
    """

    client_ip: str | None = None
    helo: str | None = None
    mail_from: str | None = None
    spf: SpfVerdict | None = None

    @property
    def spf_identity(self) -> tuple[SpfIdentity, str] | None:
        """Whom to check: which identity, and its domain in A-labels.

        With an empty reverse-path the HELO name stands for MAIL FROM (RFC 7208
        §2.4).  None when the client is not known or there is no domain.
        """
        if self.client_ip is None or self.mail_from is None:
            return None
        if self.mail_from:
            identity, name = SpfIdentity.MAIL_FROM, self.mail_from.rpartition("@")[2]
        else:
            identity, name = SpfIdentity.HELO, self.helo or ""
        try:
            domain = parse_domain(name.removesuffix("."))
        except MalformedField:
            return None
        # RFC 7208 §4.3: a domain to check has more than one label.
        return (identity, domain) if "." in domain else None


NOTHING_KNOWN = Envelope()
