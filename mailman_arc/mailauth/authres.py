"""Authentication-Results, read (RFC 8601); the writer is `authres_writer`.

The reader follows the grammar of RFC 8601 §2.2, and beyond it takes what
software in use is known to write: a semicolon at the end, values that should
have been quoted, a property without value, `action=none` without a property
type, and a host name or properties where a result should stand.  Whatever else
does not follow the grammar makes the whole field unreadable: text that broke
out of its quotes must not be taken for results.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass

from mailman_arc.mailauth.authres_lexemes import (
    Cursor,
    Lexeme,
    Segment,
    end_of_comment,
    split_segments,
)
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import WireMessage


# RFC 8601 sets no limits; these are far above what is seen in mail.
MAX_FIELDS = 50  # read of one message; each server on the way adds about one
MAX_FIELD_OCTETS = 16 * 1024
MAX_RESULTS = 50

FIELD_NAME = b"authentication-results"
VERSION = "1"  # RFC 8601 §2.6: of the field and of every method

_CONTROL = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
# RFC 2045 §5.1 token, and UTF-8 that should have been quoted.
_TOKEN = re.compile(r"[!#$%&'*+.^_`{|}~0-9A-Za-z\x80-\U0010ffff-]+")
_HOST_NAME = re.compile(r"[a-z0-9_-]++(?:\.[a-z0-9_-]++)+", re.ASCII | re.IGNORECASE)
# Comments in comments are left to `end_of_comment`.
_PLAIN_HEAD = re.compile(rb"[ \t\r\n]*+([0-9A-Za-z._-]++)[ \t\r\n]*+;")
_BEFORE_WORD = re.compile(r"(?:[\s;,=)]++|\((?:[^()\\]|\\.)*+\))*+", re.DOTALL)
_WORD = re.compile(r'(?:"(?:[^"\\]|\\.)*+"|[^\s();="]++)*+', re.DOTALL)


@dataclass(frozen=True, slots=True)
class Property:
    """What a result is about: `ptype.name=value`, the value unquoted.

    `ptype` and `name` are in lower case, `value` is as written.
    """

    ptype: str
    name: str
    value: str


@dataclass(frozen=True, slots=True)
class MethodResult:
    """The result of one method; `method` and `result` are in lower case.

    `comment` is the first comment that stands with the result.  The words are
    those of the field, known ones or not (RFC 8601 §2.7, §4.1).
    """

    method: str
    result: str
    reason: str | None = None
    properties: tuple[Property, ...] = ()
    comment: str | None = None

    def get(self, ptype: str, name: str) -> str | None:
        """Return the first value of a property, given its lower-case words."""
        for found in self.properties:
            if found.ptype == ptype and found.name == name:
                return found.value
        return None


@dataclass(frozen=True, slots=True)
class AuthenticationResults:
    """One field: who reports (as written, unquoted), and the results in order.

    No results at all stand for the word `none`.  Compare `authserv_id` after
    `normalize_authserv_id`.
    """

    authserv_id: str
    methods: tuple[MethodResult, ...] = ()


def results_of(
    message: WireMessage, authserv_ids: Collection[str]
) -> tuple[AuthenticationResults, ...]:
    """Read the fields of these servers, from the top; skip what cannot be read.

    Whether they are to be believed is for the caller to know (RFC 8601 §7.1).
    """
    wanted = {normalize_authserv_id(each) for each in authserv_ids}
    found = []
    for field in message.named(FIELD_NAME)[:MAX_FIELDS] if wanted else ():
        if claimed_authserv_id(field.value) not in wanted:
            continue
        try:
            found.append(parse_authentication_results(field.value))
        except MalformedField:
            continue
    return tuple(found)


def parse_authentication_results(value: bytes) -> AuthenticationResults:
    """Read the octets after the colon, folding included (RFC 8601 §2.2).

    Results of a method version other than 1 are left out (RFC 8601 §2.6).
    Raises `MalformedField` when there is no telling who reports what, for a
    field of another version, and beyond the limits above.
    """
    if len(value) > MAX_FIELD_OCTETS:
        raise MalformedField("field too long")
    text = value.decode("utf-8", "replace")
    if _CONTROL.search(text):
        raise MalformedField("control character")
    head, *segments = split_segments(text)
    authserv_id = _read_head(head.lexemes)
    filled = [segment for segment in segments if segment.lexemes]
    if not 0 < len(filled) <= MAX_RESULTS:
        raise MalformedField("no result or too many")
    if len(filled) == 1 and _is_none(filled[0]):
        return AuthenticationResults(authserv_id)
    methods = []
    for segment in filled:
        if _is_stray(segment, last=segment is segments[-1]):
            continue
        if (method := _read_result(segment)) is not None:
            methods.append(method)
    return AuthenticationResults(authserv_id, tuple(methods))


def claimed_authserv_id(value: bytes) -> str | None:
    """Tell which id a field claims or may be taken to claim, normalised.

    For finding forgeries (RFC 8601 §5): it reads any octets, because somebody
    else may read a malformed field with as much patience.  It is the id of
    whatever `parse_authentication_results` reads, and the first word of all
    other fields: comments, control characters, quotes, folding, a version or
    what follows do not hide it.  `None` when there is no word at all.
    """
    plain = _PLAIN_HEAD.match(value)
    if plain is not None:
        return normalize_authserv_id(plain[1].decode("ascii"))
    try:
        return normalize_authserv_id(parse_authentication_results(value).authserv_id)
    except MalformedField:
        return _first_word(value.decode("utf-8", "replace")) or None


def has_plain_authserv_id(value: bytes) -> bool:
    """Tell whether a field begins with an id and a semicolon, nothing else."""
    return _PLAIN_HEAD.match(value) is not None


def normalize_authserv_id(text: str) -> str:
    """Bring an authserv-id to the form for comparing: lower case, A-labels.

    RFC 8601 §5 asks for comparing without regard to case and to the form of
    internationalised names.
    """
    name = text.strip().rstrip(".")
    try:
        return parse_domain(name)
    except MalformedField:
        return name.lower()


def _is_none(segment: Segment) -> bool:
    return [lexeme.text.lower() for lexeme in segment.lexemes] == ["none"]


def _read_head(lexemes: list[Lexeme]) -> str:
    """Read the authserv-id, which stands in front of the first semicolon."""
    cursor = Cursor(lexemes)
    authserv_id = cursor.take_value()
    quoted = [lexeme.text for lexeme in lexemes[:1] if lexeme.kind == "quoted"]
    if not authserv_id or not (
        _TOKEN.fullmatch(authserv_id) or [authserv_id] == quoted
    ):
        raise MalformedField("no authserv-id")
    if not cursor.at_end() and cursor.take_value() != VERSION:
        raise MalformedField("not version 1")
    if not cursor.at_end():
        raise MalformedField("text after the authserv-id")
    return authserv_id


def _is_stray(segment: Segment, *, last: bool) -> bool:
    """Tell whether a host name or properties stand where a result should.

    A host name at the very end is the rest of something that was cut off.
    """
    if [lexeme.text for lexeme in segment.lexemes[1:2]] != ["."]:
        return False
    cursor = Cursor(segment.lexemes)
    name = cursor.take_value() or ""
    if not last and cursor.at_end() and _HOST_NAME.fullmatch(name):
        return True
    _read_details(Cursor(segment.lexemes))
    return True


def _read_result(segment: Segment) -> MethodResult | None:
    """Read one result; `None` for a version of the method nobody knows."""
    cursor = Cursor(segment.lexemes)
    method = cursor.take_keyword()
    version = cursor.take_keyword() if cursor.take_mark("/") else VERSION
    if not (version.isdigit() and cursor.take_mark("=")):
        raise MalformedField("method without result")
    result = cursor.take_keyword()
    reason, properties = _read_details(cursor)
    if version != VERSION:
        return None
    comment = next(filter(None, segment.comments), None)
    return MethodResult(method, result, reason, properties, comment)


def _read_details(cursor: Cursor) -> tuple[str | None, tuple[Property, ...]]:
    reason = None
    properties = []
    while not cursor.at_end():
        word = cursor.take_keyword()
        name = cursor.take_keyword() if cursor.take_mark(".") else None
        if not cursor.take_mark("="):
            raise MalformedField("word without value")
        value = cursor.take_value()
        if name is not None:
            properties.append(Property(word, name, value or ""))
        elif word == "reason":
            if value is None:
                raise MalformedField("reason without text")
            reason = reason or value
    return reason, tuple(properties)


def _first_word(text: str) -> str:
    text = _from_first_word(_CONTROL.sub("", text))
    end = _match_end(_WORD, text, 0)
    if text.startswith('"', end):  # a quoted string that is never closed
        text = text.replace('"', "")
        end = _match_end(_WORD, text, 0)
    word = re.sub(r'["\\\r\n]', "", text[:end]).strip("<>[],:@/ \t")
    return normalize_authserv_id(re.sub(r"/\d*$", "", word))


def _from_first_word(text: str) -> str:
    """Cut off what stands in front of the first word: white space, comments."""
    position = _match_end(_BEFORE_WORD, text, 0)
    while text.startswith("(", position):
        try:
            position = end_of_comment(text, position, len(text))
        except MalformedField:
            text = text[position:].replace("(", " ")
            position = 0
        position = _match_end(_BEFORE_WORD, text, position)
    return text[position:]


def _match_end(pattern: re.Pattern[str], text: str, position: int) -> int:
    match = pattern.match(text, position)
    return position if match is None else match.end()
