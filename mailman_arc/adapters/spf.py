"""SPF evaluated by pyspf, with look-ups of ours that end in time.

pyspf knows the rules of RFC 7208 and asks for one record after the other; where
the answers come from and until when is decided here.  It is an extra: whoever
imports this module must expect an `ImportError`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import dns.exception
import dns.name
import dns.rdata
import dns.rdatatype
import dns.resolver
import spf

from mailman_arc.adapters.zonefile import ZoneRecord
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.spf import Envelope, SpfVerdict


MAX_AT_ONCE = 32  # checks under way; what has to wait for one loses its own time
# RFC 7208 §3.4 asks for less than 512; pyspf may take quadratic time over one.
MAX_RECORD_OCTETS = 2048
MAX_ALIASES = 8  # followed in a zone file
UDP_PAYLOAD = 1232  # octets; passes unfragmented everywhere (DNS flag day 2020)

_log = logging.getLogger("mailman.plugins.arc.dns")  # a child, so that it is kept

# Gives the records of a name and type, none if there are none; the third
# argument is how many seconds it may take.  Raises `spf.TempError`.
Lookup = Callable[[dns.name.Name, str, float], Sequence[dns.rdata.Rdata]]


@dataclass(frozen=True, slots=True)
class SpfOptions:
    """Where and how patiently to ask."""

    nameservers: tuple[str, ...] = ()  # IP addresses; none: those of the system
    port: int = 53
    timeout: float = 3.0  # seconds, one try
    deadline: float = 10.0  # seconds, a whole check


class SpfChecker:
    """Evaluates SPF beside the event loop; never raises, never takes longer.

    `static`, the records of a zone file, stands for the whole DNS.
    """

    def __init__(
        self, options: SpfOptions, static: Iterable[ZoneRecord] | None = None
    ) -> None:
        self._options = options
        self._lookup = self._ask if static is None else _static_lookup(static)
        self._pool = ThreadPoolExecutor(MAX_AT_ONCE, thread_name_prefix="arc-spf")

    async def check(self, envelope: Envelope) -> SpfVerdict | None:
        """Evaluate the identity of an envelope; None when it has none.

        Whatever goes wrong on our side is a temperror (RFC 7208 §2.6.6).
        """
        checked = envelope.spf_identity
        if checked is None:
            return None
        identity, domain = checked
        ends_at = time.monotonic() + self._options.deadline
        loop = asyncio.get_running_loop()
        result = Result.TEMPERROR
        try:
            async with asyncio.timeout(self._options.deadline):
                result = await loop.run_in_executor(
                    self._pool, self._evaluate, envelope, domain, ends_at
                )
        except TimeoutError:
            _log.info("SPF of %s: no result in time", domain)
        return SpfVerdict(result, identity, domain)

    def _evaluate(self, envelope: Envelope, domain: str, ends_at: float) -> Result:
        try:
            query = _Query(envelope, domain, self._lookup, ends_at)
            word, _, text = query.check()
            if word == "temperror":
                _log.info("SPF of %s: %s", domain, text)
            return Result(word)
        except Exception as error:  # noqa: BLE001  # pyspf, fed by strangers
            _log.warning("SPF of %s: pyspf ended in %r", domain, error)
            return Result.TEMPERROR

    def _ask(
        self, name: dns.name.Name, rdtype: str, seconds: float
    ) -> Sequence[dns.rdata.Rdata]:
        options = self._options
        resolver = dns.resolver.Resolver(configure=not options.nameservers)
        if options.nameservers:
            resolver.nameservers = list(options.nameservers)
        resolver.port = options.port
        resolver.timeout = options.timeout
        resolver.use_edns(0, 0, UDP_PAYLOAD)
        try:
            answer = resolver.resolve(
                name,
                rdtype,
                lifetime=seconds,
                search=False,
                raise_on_no_answer=False,
            )
        except dns.resolver.NXDOMAIN:
            return ()
        except (dns.exception.DNSException, OSError) as error:
            raise spf.TempError(str(error)) from error
        return tuple(answer.rrset or ())


class _Query(spf.query):  # type: ignore[misc]  # untyped
    """One evaluation, whose only way to the DNS is `dns`."""

    def __init__(
        self, envelope: Envelope, domain: str, lookup: Lookup, ends_at: float
    ) -> None:
        sender = envelope.mail_from or f"postmaster@{domain}"
        super().__init__(i=envelope.client_ip, s=sender, h=envelope.helo or "unknown")
        # pyspf looks for the first "@", and a local-part may hold one in quotes.
        self.l = sender.rpartition("@")[0] or "postmaster"
        self.o = self.d = domain
        self._lookup = lookup
        self._ends_at = ends_at
        self._known: dict[tuple[dns.name.Name, str], list[Any]] = {}

    def get_explanation(self, spec: str) -> None:
        """Nobody reads the explanation of a failure here."""

    def dns(self, name: str, qtype: str, *, ignore_void: bool = False) -> list[Any]:
        """Give records as pyspf wants them, aliases followed (RFC 7208 §4.6.4)."""
        seconds = self._ends_at - time.monotonic()
        if seconds <= 0:
            raise spf.TempError("no time left")
        asked = _dns_name(name)
        if asked is None:
            return []
        key = (asked, qtype)
        if key not in self._known:
            records = self._lookup(asked, qtype, seconds)
            self._known[key] = [_as_pyspf(each, qtype) for each in records]
        found = self._known[key]
        if not found and not ignore_void:
            self.void_lookups += 1
            if self.void_lookups > spf.MAX_VOID_LOOKUPS:
                raise spf.PermError("too many void look-ups")
        return found.copy()


def _dns_name(text: str) -> dns.name.Name | None:
    """The name as the DNS can be asked for it; macros make any octets of it."""
    labels = text.removesuffix(".").encode("utf-8", "surrogateescape").split(b".")
    try:
        return dns.name.Name([*labels, b""])
    except dns.exception.DNSException:
        return None


def _as_pyspf(record: Any, qtype: str) -> Any:
    match qtype:
        case "A" | "AAAA":
            return record.address
        case "MX":
            return record.preference, record.exchange.to_text(omit_final_dot=True)
        case "PTR":
            return record.target.to_text(omit_final_dot=True)
        case _:
            if sum(map(len, record.strings)) > MAX_RECORD_OCTETS:
                raise spf.PermError("record too long")
            return record.strings


def _static_lookup(records: Iterable[ZoneRecord]) -> Lookup:
    zone: dict[tuple[dns.name.Name, str], list[Any]] = {}
    for name, _, rdata in records:
        rdtype = dns.rdatatype.to_text(rdata.rdtype)
        zone.setdefault((name, rdtype), []).append(rdata)

    def look_up(
        name: dns.name.Name, rdtype: str, _seconds: float
    ) -> Sequence[dns.rdata.Rdata]:
        for _ in range(MAX_ALIASES):
            aliases = zone.get((name, "CNAME"))
            if not aliases:
                return zone.get((name, rdtype), ())
            name = aliases[0].target
        return ()

    return look_up
