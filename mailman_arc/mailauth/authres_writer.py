"""Authentication-Results, written (RFC 8601 §2.2, RFC 8617 §4.1.1).

Most values come out of a message, so nobody may be able to write a field of
his own through them.  The output is simpler than the grammar allows, for the
sake of readers that split at semicolons or do not know nested comments.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from mailman_arc.mailauth.authres import (
    MAX_FIELD_OCTETS,
    MAX_RESULTS,
    MethodResult,
)


MAX_LINE_OCTETS = 77  # RFC 5322 §2.1.1 asks for at most 78
# Each value stays in one line, also when every octet of it has to be escaped:
# 2 * 400 and the words in front are below the 998 octets of RFC 5322 §2.1.1.
MAX_VALUE_OCTETS = 400
MAX_WORD_OCTETS = 64
MAX_COMMENT_OCTETS = 200
# So that one result always fits into the limits of the reader.
MAX_PROPERTIES = 12

# What a value becomes of which nothing is left.
NAMELESS = "unknown"

_TOKEN = re.compile(r"[!#$%&'*+.^_`{|}~0-9A-Za-z-]+")  # RFC 2045 §5.1
# RFC 8601 §2.2: [ [ local-part ] "@" ] domain-name, the local-part a dot-atom.
_ADDRESS = re.compile(r"[!#$%&'*+./=?^_`{|}~0-9A-Za-z-]*@[0-9A-Za-z.-]+")
_NOT_KEYWORD = re.compile(r"[^a-z0-9-]+")
# Nothing in a comment means anything to any reader.
_IN_COMMENT = str.maketrans('()\\;"', "[]/,'")


def format_results(authserv_id: str, methods: Sequence[MethodResult]) -> bytes:
    """Write what follows `Authentication-Results:`, or the `i=1;` of ARC.

    Begins with the space behind the colon, is folded, has no CRLF at its end,
    and says `none` when there are no results.  Takes any text: control
    characters are dropped, words brought to their alphabet, values quoted
    where they have to be, and everything cut at the limits above.  Writes the
    results that fit into the `MAX_RESULTS` and `MAX_FIELD_OCTETS` of the reader.
    """
    name = _cut(_printable(authserv_id), MAX_VALUE_OCTETS) or NAMELESS
    head = " " + (name if _TOKEN.fullmatch(name) else _quoted(name))
    folded: list[bytes] = []
    room = MAX_FIELD_OCTETS - len(head.encode())
    for method in methods[:MAX_RESULTS]:
        lines = _fold(_tokens(method))
        room -= len(lines) + 1
        if room < 0:
            break
        folded.append(lines)
    return b";".join([head.encode(), *(folded or [b" none"])])


def _tokens(method: MethodResult) -> Iterator[str]:
    """List what may be folded between, in the order of RFC 8601 §2.2."""
    yield f"{_keyword(method.method)}={_keyword(method.result)}"
    comment = _comment(method.comment or "")
    if comment:
        yield from f"({comment})".split(" ")
    if method.reason is not None:
        yield f"reason={_value(method.reason)}"
    for one in method.properties[:MAX_PROPERTIES]:
        yield f"{_keyword(one.ptype)}.{_keyword(one.name)}={_value(one.value)}"


def _fold(tokens: Iterator[str]) -> bytes:
    """Put tokens in lines, each of which begins with CRLF and a space."""
    lines: list[bytes] = []
    for token in tokens:
        octets = token.encode()
        # One octet is left for the semicolon.
        if lines and len(lines[-1]) + 1 + len(octets) < MAX_LINE_OCTETS:
            lines[-1] += b" " + octets
        else:
            lines.append(b" " + octets)
    return b"".join(b"\r\n" + line for line in lines)


def _keyword(text: str) -> str:
    """Bring a word to the alphabet of RFC 8601's Keyword."""
    word = _NOT_KEYWORD.sub("-", text[:MAX_WORD_OCTETS].lower()).strip("-")
    return word or NAMELESS


def _value(text: str) -> str:
    """Write a token, an address or a quoted string."""
    text = _cut(_printable(text), MAX_VALUE_OCTETS)
    if _TOKEN.fullmatch(text) or _ADDRESS.fullmatch(text):
        return text
    return _quoted(text)


def _quoted(text: str) -> str:
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'


def _comment(text: str) -> str:
    text = _printable(text).translate(_IN_COMMENT)
    return _cut(text.encode("ascii", "replace").decode(), MAX_COMMENT_OCTETS)


def _printable(text: str) -> str:
    """Drop control, format and line characters; one space for white space."""
    spaced = (" " if char.isspace() else char for char in text)
    return " ".join("".join(filter(str.isprintable, spaced)).split())


def _cut(text: str, octets: int) -> str:
    return text.encode()[:octets].decode("utf-8", "ignore").rstrip()
