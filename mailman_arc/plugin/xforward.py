"""XFORWARD: a mail server tells from where it got a post (Postfix's XFORWARD_README).

Mailman's LMTP server sees only the mail server in front of it.  Postfix, with
`lmtp_send_xforward_command = yes`, says before each post what it knows of the
client that brought it.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable, Mapping
from types import MappingProxyType
from typing import Any

from aiosmtpd.lmtp import LMTP
from mailman.runners.lmtp import LMTPController

from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.spf import Envelope
from mailman_arc.plugin import wiring
from mailman_arc.plugin.seams import degrade
from mailman_arc.policy.values import Network


IDENT = "GNU Mailman LMTP runner 2.0"  # in the greeting, as Mailman has it
MAX_VALUE_OCTETS = 255  # of NAME and IDENT, the longest ones there are

_UNKNOWN = ("[UNAVAILABLE]", "[TEMPUNAVAIL]")
_ESCAPED = re.compile(r"\+([0-9A-Fa-f]{2})")  # RFC 3461 §4 xtext

_Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Attributes = Mapping[str, str | None]  # by name; None for what the server cannot tell


def parse_xforward(text: str) -> Attributes:
    """Read the attributes of one command; raises `MalformedField`.

    Old servers send values that are not encoded, so anything but a space stands
    for itself (XFORWARD_README).
    """
    attributes: dict[str, str | None] = {}
    for word in text.split():
        name, equals, encoded = word.partition("=")
        name = name.upper()
        if not equals or name not in _READERS:
            raise MalformedField("no attribute")
        value = _decode(encoded)
        known = value.upper() not in _UNKNOWN
        attributes[name] = _READERS[name](value) if known else None
    if not attributes:
        raise MalformedField("no attribute")
    return attributes


def _decode(encoded: str) -> str:
    octets = _ESCAPED.sub(lambda match: chr(int(match[1], 16)), encoded)
    if not octets or len(octets) > MAX_VALUE_OCTETS:
        raise MalformedField("empty or too long")
    # As Postfix does with what strangers have told it.
    return "".join(each if " " <= each <= "~" else "?" for each in octets)


def _text(value: str) -> str:
    return value


def _address(value: str) -> str:
    is_v6 = value[:5].upper() == "IPV6:"
    try:
        address = ipaddress.ip_address(value[5:] if is_v6 else value)
    except ValueError as error:
        raise MalformedField("not an address") from error
    return str(_unmapped(address))


def _port(value: str) -> str:
    if not (value.isdigit() and len(value) <= 5 and 0 < int(value) < 1 << 16):
        raise MalformedField("not a port")
    return value


def _source(value: str) -> str:
    if value.upper() not in ("LOCAL", "REMOTE"):
        raise MalformedField("not a source")
    return value.upper()


_READERS: Mapping[str, Callable[[str], str]] = {
    "NAME": _text,
    "ADDR": _address,
    "PORT": _port,
    "PROTO": _text,
    "HELO": _text,
    "IDENT": _text,
    "SOURCE": _source,
}
ADVERTISED = "XFORWARD " + " ".join(_READERS)
NO_ATTRIBUTES: Attributes = MappingProxyType({})


def envelope_of(attributes: Attributes, mail_from: str | None) -> Envelope:
    """What is known of the transaction; `mail_from` as aiosmtpd gives it.

    A post that was written on the mail server's own machine has no client.
    """
    reverse_path = "" if mail_from == "<>" else mail_from
    address = attributes.get("ADDR")
    is_remote = (
        address is not None
        and attributes.get("SOURCE") != "LOCAL"
        and not ipaddress.ip_address(address).is_loopback
    )
    if not is_remote:
        return Envelope(mail_from=reverse_path)
    return Envelope(address, attributes.get("HELO"), reverse_path)


def client_of(attributes: Attributes, peer: object) -> tuple[str | None, str]:
    """The address and the host name of who brought a post, as far as is known.

    `peer` is that of the connection.  It counts when the mail server there has
    forwarded nothing, or says that the post was written there.
    """
    address = attributes.get("ADDR")
    if address is not None:
        return address, attributes.get("NAME") or ""
    if attributes and attributes.get("SOURCE") != "LOCAL":
        return None, ""
    connected = _address_of(peer)
    return (str(connected) if connected is not None else None), ""


def is_authorized(peer: object, hosts: Iterable[Network]) -> bool:
    """Tell whether the peer of a connection is one of these hosts."""
    address = _address_of(peer)
    return address is not None and any(address in network for network in hosts)


def _address_of(peer: object) -> _Address | None:
    """The address at the other end of a connection; None for a socket without."""
    if not isinstance(peer, tuple) or not peer:
        return None
    try:
        return _unmapped(ipaddress.ip_address(peer[0]))
    except ValueError:
        return None


def _unmapped(address: _Address) -> _Address:
    mapped = getattr(address, "ipv4_mapped", None)
    return address if mapped is None else mapped


class ArcLMTP(LMTP):
    """LMTP as Mailman speaks it, and XFORWARD to those who may use it.

    The attributes live and die with aiosmtpd's envelope: until the end of the
    post, RSET or LHLO.  SMTPUTF8 is not offered, because Mailman shunts posts
    whose sender is not ASCII.
    """

    def accepts_xforward(self) -> bool:
        """Tell whether the mail server at the other end may say who its client was."""
        accepts = False
        with degrade("door"):
            services = wiring.services()
            if services is not None:
                hosts = services.settings.authorized_xforward_hosts
                accepts = is_authorized(self.session.peer, hosts)
        return accepts

    async def smtp_XFORWARD(self, arg: str | None) -> None:  # noqa: N802
        """Take attributes of the next post."""
        if not self.accepts_xforward():
            await self.push('500 Error: command "XFORWARD" not recognized')
            return
        if await self.check_helo_needed("LHLO"):
            return
        if self.envelope.mail_from:
            await self.push("503 5.5.1 Error: MAIL transaction in progress")
            return
        try:
            attributes = parse_xforward(arg or "")
        except MalformedField:
            await self.push("501 5.5.4 Syntax: XFORWARD attribute=value...")
            return
        self.envelope.xforward = {**attributes_of(self.envelope), **attributes}
        await self.push("250 2.0.0 Ok")


def attributes_of(envelope: Any) -> Attributes:
    """What XFORWARD has told about the post in this envelope of aiosmtpd."""
    attributes: Attributes = getattr(envelope, "xforward", NO_ATTRIBUTES)
    return attributes


class ArcLMTPController(LMTPController):
    """Mailman's controller, for our LMTP."""

    def factory(self) -> ArcLMTP:
        """See `Controller`."""
        return ArcLMTP(self.handler, ident=IDENT)
