"""The author domain: whose policy DMARC asks for (RFC 9989 §4.2, §5.3.1).

The address is read by the grammar of RFC 5322 §3.4, not searched for an at
sign: a display name may look like an address.  What stands between the commas
of a display name that should have been quoted is taken as part of the name;
everything else that the grammar does not allow leaves the message without
author domain, because readers would not agree on one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise

from mailman_arc.mailauth.authres_lexemes import MAX_COMMENT_DEPTH, end_of_comment
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import WireMessage


MAX_FROM_OCTETS = 16 * 1024  # RFC 5322 sets no limit; names of people are shorter

_LEXEME = re.compile(
    r"""[ \t\r\n]++
      | "(?P<quoted>(?:[^"\\]|\\.)*+)"
      | \[(?P<literal>(?:[^\[\]\\]|\\.)*+)\]
      | (?P<special>[<>@,:;.])
      | (?P<atom>[^ \t\r\n"()<>@,:;.\[\]]++)
    """,
    re.DOTALL | re.VERBOSE,
)


class AuthorReason(StrEnum):
    """Why a message has no author domain."""

    NO_FROM = "no-from"
    SEVERAL_FROM = "several-from"
    SEVERAL_DOMAINS = "several-domains"
    UNUSABLE = "unusable"


@dataclass(frozen=True, slots=True)
class Author:
    """The author domain as lower-case A-labels, or why there is none."""

    domain: str | None
    reason: AuthorReason | None = None


def find_author(message: WireMessage) -> Author:
    """Find the one domain of all mailboxes in the one From field.

    A domain without a dot and a domain literal are unusable: no policy could
    be published for them.
    """
    return message.once(_find_author)


def _find_author(message: WireMessage) -> Author:
    fields = message.named(b"from")
    if len(fields) != 1:
        several = AuthorReason.SEVERAL_FROM
        return Author(None, several if fields else AuthorReason.NO_FROM)
    try:
        domains = _parse_domains(fields[0].value)
    except MalformedField:
        return Author(None, AuthorReason.UNUSABLE)
    if len(domains) > 1:
        return Author(None, AuthorReason.SEVERAL_DOMAINS)
    return Author(domains.pop())


@dataclass(frozen=True, slots=True)
class _Lexeme:
    kind: str  # the group of _LEXEME that matched
    text: str


_Lexemes = Sequence[_Lexeme]


def _parse_domains(value: bytes) -> set[str]:
    if len(value) > MAX_FROM_OCTETS:
        raise MalformedField("field too long")
    lexemes = _read_lexemes(value.decode("utf-8", "replace"))
    addresses = [_address(mailbox) for mailbox in _split(lexemes)]
    domains = {_domain(address) for address in addresses if address is not None}
    if not domains:
        raise MalformedField("no address")
    return domains


def _read_lexemes(text: str) -> Iterator[_Lexeme]:
    position = 0
    while position < len(text):
        if text[position] == "(":
            position = end_of_comment(text, position, MAX_COMMENT_DEPTH)
            continue
        match = _LEXEME.match(text, position)
        if match is None:
            raise MalformedField("unclosed quoted string or stray bracket")
        position = match.end()
        if match.lastgroup is not None:
            yield _Lexeme(match.lastgroup, match[match.lastgroup])


def _split(lexemes: Iterator[_Lexeme]) -> Iterator[_Lexemes]:
    """Split a list of mailboxes and groups into mailboxes."""
    mailbox: list[_Lexeme] = []
    in_angles = False
    for lexeme in lexemes:
        mark = lexeme.text if lexeme.kind == "special" else ""
        if mark in ("<", ">"):
            in_angles = mark == "<"
        if in_angles or mark not in (",", ":", ";"):
            mailbox.append(lexeme)
            continue
        if mark != ":":
            yield mailbox
        elif _count(mailbox, "@"):
            raise MalformedField("name of a group that looks like an address")
        mailbox = []
    yield mailbox


def _address(mailbox: _Lexemes) -> _Lexemes | None:
    """Find the address of a mailbox; `None` if there are only words."""
    opened, closed = _count(mailbox, "<"), _count(mailbox, ">")
    if not opened and not closed:
        return mailbox if _count(mailbox, "@") else None
    if (opened, closed) != (1, 1) or mailbox[-1] != _Lexeme("special", ">"):
        raise MalformedField("text after the address")
    return mailbox[mailbox.index(_Lexeme("special", "<")) + 1 : -1]


def _domain(address: _Lexemes) -> str:
    if _count(address, "@") != 1:
        raise MalformedField("not one at sign")
    at = address.index(_Lexeme("special", "@"))
    local_part, domain = address[:at], address[at + 1 :]
    if not local_part or any(lexeme.kind == "literal" for lexeme in local_part):
        raise MalformedField("no local-part")
    if any(lexeme.kind not in ("atom", "special") for lexeme in domain):
        raise MalformedField("no domain name")
    for one, other in pairwise(address):
        if _is_word(one) and _is_word(other):
            raise MalformedField("words without a dot between them")
    # Other marks than dots do no harm in a local-part; none is in a domain name.
    name = parse_domain("".join(lexeme.text for lexeme in domain).removesuffix("."))
    if "." not in name:
        raise MalformedField("a domain without a dot")
    return name


def _is_word(lexeme: _Lexeme) -> bool:
    return lexeme.kind != "special"


def _count(lexemes: _Lexemes, mark: str) -> int:
    return sum(lexeme == _Lexeme("special", mark) for lexeme in lexemes)
