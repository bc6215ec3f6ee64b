"""What the value of a setting may be: how it is written, and how it is shown.

Each `Kind` reads text and writes it back; what it writes it reads as the same
value.  All surfaces (configuration file, REST, command line, form) use these.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from mailman_arc.mailauth.canonical import Canonicalization
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField


Network = ipaddress.IPv4Network | ipaddress.IPv6Network

# Mail servers wait a few minutes for an answer to the end of a post.
MAX_SECONDS = 60
MAX_DURATION = 366 * 86400  # seconds
MAX_FIELD_NAMES = 100  # of a setting; a signature names each of them

MAILMANS_DATABASE = "mailman"  # instead of a URL

_YES = frozenset(("yes", "true", "on", "1", "y", "t", "enabled"))
_NO = frozenset(("no", "false", "off", "0", "n", "f", "disabled"))
_MAX_DIGITS = 9
_DURATION = re.compile(r"(\d{1,9}) *(s|m|min|h|d)?")
_UNITS = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_DATABASE_URL = re.compile(
    r"(sqlite:////|(postgresql|mysql|mariadb)(\+[a-z0-9]+)?://[^/]*/)\S.*"
)
_FIELD_NAME = re.compile(r"[!-9;-~]{1,80}")  # RFC 5322 §3.6.8; honest ones are short

_FORMS: dict[str, Canonicalization] = {"simple": "simple", "relaxed": "relaxed"}


@dataclass(frozen=True, slots=True)
class Kind:
    """How values of one kind are read and shown; `parse` raises `ValueError`."""

    parse: Callable[[str], Any]
    show: Callable[[Any], str] = str
    choices: tuple[str, ...] = ()  # where there are few


def parse_boolean(text: str) -> bool:
    """Read yes or no in any usual spelling; raises `ValueError`."""
    word = text.lower()
    if word in _YES or word in _NO:
        return word in _YES
    raise ValueError(f"{text!r} is neither yes nor no")


def parse_duration(text: str) -> int:
    """Read `90s`, `30m`, `2h`, `7d` or seconds, or `no`; raises `ValueError`."""
    found = _DURATION.fullmatch(text.lower())
    if text.lower() in _NO:
        return 0
    seconds = int(found[1]) * _UNITS[(found[2] or "s")[0]] if found else -1
    if not 0 <= seconds <= MAX_DURATION:
        raise ValueError(f"{text!r} is not a time such as 90s, 30m, 2h or 7d")
    return seconds


def show_duration(seconds: int) -> str:
    """The longest unit that leaves nothing over."""
    for unit, length in _UNITS.items():
        if seconds and seconds % length == 0:
            return f"{seconds // length}{unit}"
    return "0"


def _show_boolean(value: bool) -> str:  # a value, not a flag
    return "yes" if value else "no"


def _words(text: str) -> tuple[str, ...]:
    return tuple(text.replace(",", " ").split())


def _show_words(words: tuple[object, ...]) -> str:
    return ", ".join(map(str, words))


def _domain(text: str) -> str:
    try:
        return parse_domain(text) if text else ""
    except MalformedField as error:
        raise ValueError(f"{text!r} is not a domain name") from error


def _domains(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(_domain(word) for word in _words(text)))


def _authserv_id(text: str) -> str:
    if not text.isprintable() or any(each in ' ();"' for each in text):
        raise ValueError(f"{text!r} is not an authserv-id; it is one word")
    return text


def _database_url(text: str) -> str:
    if text.lower() in ("", MAILMANS_DATABASE):
        return text.lower()
    if not text.isprintable() or not _DATABASE_URL.fullmatch(text):
        # The text may hold a password, so it is not shown.
        raise ValueError(
            f"is neither {MAILMANS_DATABASE!r} nor a URL such as "
            "postgresql+psycopg2://user:password@host/name or "
            "sqlite:////path/to/arc.db"
        )
    return text


def _positive(text: str) -> int:
    is_number = text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS
    number = int(text) if is_number else 0
    if not number:
        raise ValueError(f"{text!r} is not a whole number above zero")
    return number


def _number(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) <= _MAX_DIGITS):
        raise ValueError(f"{text!r} is not a whole number")
    return int(text)


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


def _networks(text: str) -> tuple[Network, ...]:
    try:
        return tuple(ipaddress.ip_network(word) for word in _words(text))
    except ValueError as error:
        raise ValueError(f"{error}; give addresses or networks (CIDR)") from error


def _field_names(text: str) -> tuple[str, ...]:
    names = tuple(dict.fromkeys(re.findall(r"[^\s,:]+", text.lower())))
    if len(names) > MAX_FIELD_NAMES:
        raise ValueError(f"these are more than {MAX_FIELD_NAMES} header fields")
    for name in names:
        if not _FIELD_NAME.fullmatch(name):
            raise ValueError(f"{name[:80]!r} is not the name of a header field")
    return names


def _canonicalization(text: str) -> tuple[Canonicalization, Canonicalization]:
    header, slash, body = text.lower().partition("/")
    try:
        return _FORMS[header], _FORMS[body if slash else "simple"]  # RFC 6376 §3.5
    except KeyError as error:
        raise ValueError(
            f"{text!r} is not a canonicalization such as relaxed/relaxed"
        ) from error


def _show_forms(forms: tuple[str, str]) -> str:
    return "/".join(forms)


def words_among(*known: str) -> Kind:
    """Some of a few words, or none of them; in any order, shown in this one."""

    def parse(text: str) -> tuple[str, ...]:
        words = _words(text.lower())
        for word in words:
            if word not in known:
                raise ValueError(f"{word[:80]!r} is none of {', '.join(known)}")
        return tuple(word for word in known if word in words)

    return Kind(parse, _show_words)


def choice(of: type[StrEnum]) -> Kind:
    """One of a few words; yes and no in any spelling where they are among them."""
    words = tuple(each.value for each in of)

    def parse(text: str) -> StrEnum:
        word = text.lower()
        if word not in words and {"yes", "no"} <= set(words):
            word = "yes" if word in _YES else "no" if word in _NO else word
        if word not in words:
            raise ValueError(f"{text!r} is none of {', '.join(words)}")
        return of(word)

    return Kind(parse, str, words)


TEXT = Kind(str)
WORDS = Kind(_words, _show_words)
BOOLEAN = Kind(parse_boolean, _show_boolean, ("yes", "no"))
DOMAIN = Kind(_domain)
DOMAINS = Kind(_domains, _show_words)
AUTHSERV_ID = Kind(_authserv_id)
DATABASE_URL = Kind(_database_url)
POSITIVE = Kind(_positive)
NUMBER = Kind(_number)
PORT = Kind(_port)
SECONDS = Kind(_seconds, "{:g}".format)
DURATION = Kind(parse_duration, show_duration)
NETWORKS = Kind(_networks, _show_words)
FIELD_NAMES = Kind(_field_names, _show_words)
CANONICALIZATION = Kind(_canonicalization, _show_forms)
