"""Every setting, declared once: name, type, default, help.

Whoever reads settings (the configuration file today) loops over `SETTINGS`.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.policy.trust import Trust


_YES = frozenset(("yes", "true", "on", "1", "y", "t", "enabled"))
_NO = frozenset(("no", "false", "off", "0", "n", "f", "disabled"))


# Mail servers wait a few minutes for an answer to the end of a post.
MAX_SECONDS = 60
MAX_HOLD = 86400  # seconds; mail servers warn the author after some hours

_MAX_DIGITS = 9
_DURATION = re.compile(r"(\d{1,9}) *(s|m|min|h)?")
_UNITS = {None: 1, "s": 1, "m": 60, "min": 60, "h": 3600}

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
LOOPBACK: tuple[Network, ...] = (
    ipaddress.ip_network("127.0.0.0/8"),
    ipaddress.ip_network("::1"),
)


class TransportSafe(StrEnum):
    """Which copies are re-encoded so that no mail server has to change them."""

    YES = "yes"  # those whose author's signature is broken anyway
    ALWAYS = "always"
    NO = "no"


class AnonymousSeal(StrEnum):
    """How posts of anonymous lists are sealed."""

    FRESH = "fresh"  # as a new chain that does not name the author
    NONE = "none"


class SettingError(ValueError):
    """A setting that cannot be used; the text says which, why, and what would do."""

    def __init__(self, name: str, problem: str) -> None:
        super().__init__(f"{name}: {problem}")
        self.name = name
        self.problem = problem


@dataclass(frozen=True, slots=True)
class SiteSettings:
    """The effective settings of the site; the help is in `SETTINGS`."""

    authserv_id: str = ""
    trusted_authserv_ids: tuple[str, ...] = ()
    domain: str = ""
    selector: str = ""
    key_file: str = ""
    require_safe_keys: bool = True
    nameservers: tuple[str, ...] = ()
    nameserver_port: int = 53
    dns_timeout: float = 3.0
    dns_deadline: float = 10.0
    dns_cache_size: int = 4096
    test_keys: str = ""
    authorized_xforward_hosts: tuple[Network, ...] = LOOPBACK
    temperror_hold: int = 1800
    transport_safe: TransportSafe = TransportSafe.YES
    anonymous_seal: AnonymousSeal = AnonymousSeal.FRESH

    @property
    def trust(self) -> Trust:
        """Whose Authentication-Results are believed."""
        return Trust(self.authserv_id, frozenset(self.trusted_authserv_ids))

    @property
    def missing_for_sealing(self) -> tuple[str, ...]:
        """The names of settings without which nothing can be sealed."""
        needed = ("domain", "selector", "key_file")
        return tuple(name for name in needed if not getattr(self, name))


@dataclass(frozen=True, slots=True)
class Setting:
    """How one setting is written, and what it means."""

    name: str
    parse: Callable[[str], object]
    help: str


def parse_settings(values: Mapping[str, str]) -> SiteSettings:
    """Turn written values into settings; raises `SettingError`.

    Without `authserv_id`, the sealing domain names the site (RFC 8601 §2.5).
    """
    known = {setting.name: setting for setting in SETTINGS}
    parsed: dict[str, object] = {}
    for name, text in values.items():
        if name not in known:
            raise SettingError(name, f"there is no such setting; known: {_names()}")
        try:
            parsed[name] = known[name].parse(text.strip())
        except ValueError as error:
            raise SettingError(name, str(error)) from error
    if not parsed.get("authserv_id"):
        parsed["authserv_id"] = parsed.get("domain", "")
    if not parsed["authserv_id"]:
        raise SettingError(
            "authserv_id", "has no value; give your mail domain, such as example.org"
        )
    return SiteSettings(**parsed)  # type: ignore[arg-type]  # types are in SETTINGS


def parse_boolean(text: str) -> bool:
    """Read yes or no in any usual spelling; raises `ValueError`."""
    word = text.lower()
    if word in _YES or word in _NO:
        return word in _YES
    raise ValueError(f"{text!r} is neither yes nor no")


def _text(text: str) -> str:
    return text


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _domain(text: str) -> str:
    try:
        return parse_domain(text) if text else ""
    except MalformedField as error:
        raise ValueError(f"{text!r} is not a domain name") from error


def _authserv_id(text: str) -> str:
    if not text.isprintable() or any(each in ' ();"' for each in text):
        raise ValueError(f"{text!r} is not an authserv-id; it is one word")
    return text


def _positive(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    number = int(text) if is_number else 0
    if not number:
        raise ValueError(f"{text!r} is not a whole number above zero")
    return number


def _port(text: str) -> int:
    number = _positive(text)
    if number > 65535:
        raise ValueError(f"{text!r} is not a port, which is at most 65535")
    return number


def _seconds(text: str) -> float:
    try:
        seconds = float(text.removesuffix("s"))
    except ValueError:
        seconds = 0.0
    if not 0 < seconds <= MAX_SECONDS:
        raise ValueError(
            f"{text!r} is not a number of seconds between 0 and {MAX_SECONDS}"
        )
    return seconds


def _duration(text: str) -> int:
    found = _DURATION.fullmatch(text.lower())
    if text.lower() in _NO:
        return 0
    seconds = int(found[1]) * _UNITS[found[2]] if found else MAX_HOLD + 1
    if seconds > MAX_HOLD:
        raise ValueError(f"{text!r} is not a time such as 90s, 30m or 2h, at most 24h")
    return seconds


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(word) for word in _words(text))
    except ValueError as error:
        raise ValueError(f"{error}; give addresses or networks (CIDR)") from error


def _transport_safe(text: str) -> TransportSafe:
    if text.lower() == TransportSafe.ALWAYS:
        return TransportSafe.ALWAYS
    try:
        return TransportSafe.YES if parse_boolean(text) else TransportSafe.NO
    except ValueError as error:
        raise ValueError(f"{text!r} is none of yes, no, always") from error


def _anonymous_seal(text: str) -> AnonymousSeal:
    try:
        return AnonymousSeal(text.lower())
    except ValueError as error:
        raise ValueError(f"{text!r} is neither fresh nor none") from error


def _names() -> str:
    return ", ".join(setting.name for setting in SETTINGS)


SETTINGS = (
    Setting(
        "authserv_id",
        _authserv_id,
        "The name under which this site reports results (RFC 8601 §2.5); "
        "default: the sealing domain.",
    ),
    Setting(
        "trusted_authserv_ids",
        _words,
        "Servers of this site whose Authentication-Results fields are believed. "
        "They must remove such fields from mail that comes from outside. Needs "
        "the LMTP door ([runner.lmtp] in mailman.cfg).",
    ),
    Setting("domain", _domain, "The domain that seals: d= of seals and signatures."),
    Setting("selector", _domain, "The name of the key below _domainkey: s=."),
    Setting("key_file", _text, "The private key, in PEM, RSA or Ed25519."),
    Setting(
        "require_safe_keys",
        parse_boolean,
        "Refuse a key file that other users of the machine can read or change.",
    ),
    Setting(
        "authorized_xforward_hosts",
        _networks,
        "Mail servers that may tell the door, with XFORWARD, from where a post "
        "came: addresses or networks; default: this machine.",
    ),
    Setting(
        "temperror_hold",
        _duration,
        "How long to keep a post waiting whose chain cannot be judged because the "
        "DNS does not answer, such as 30m; 0: not at all. After that it is "
        "delivered, without a seal.",
    ),
    Setting(
        "transport_safe",
        _transport_safe,
        "Re-encode text that mail servers may change on the way (8-bit, long "
        "lines, lines that begin with From) before it is sealed. yes: unless a "
        "signature of the author would break by it; always; no.",
    ),
    Setting(
        "anonymous_seal",
        _anonymous_seal,
        "Posts of anonymous lists. fresh: sealed as a new chain that does not "
        "name the author; none: not sealed.",
    ),
    Setting(
        "nameservers",
        _words,
        "Addresses of the name servers to ask; default: those of the system.",
    ),
    Setting("nameserver_port", _port, "The port of these name servers."),
    Setting("dns_timeout", _seconds, "How long to wait for one DNS answer, seconds."),
    Setting(
        "dns_deadline",
        _seconds,
        "How long all look-ups of one post may take together, seconds.",
    ),
    Setting("dns_cache_size", _positive, "How many DNS answers to remember."),
    Setting(
        "test_keys",
        _text,
        "A zone file that answers instead of the DNS, for tests only.",
    ),
)
