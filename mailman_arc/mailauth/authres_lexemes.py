"""The lexemes of Authentication-Results: words, marks, comments, quotes.

A field is cut into lexemes first and split at semicolons afterwards, because
comments and quoted strings may hold semicolons too (RFC 8601 §2.2).
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mailman_arc.mailauth.errors import MalformedField


MAX_COMMENT_DEPTH = 20  # comments in comments; RFC 5322 §3.2.2 sets no limit

# Registered property types (RFC 8601 §2.3, RFC 8904).  A value that is missing
# is told from one on the next line by them alone.
_PTYPES = frozenset({"body", "dns", "header", "policy", "smtp"})

_COMMENT_MARK = re.compile(r"\\.|[()]", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)
_FOLD = re.compile(r"\r?\n")
_LEXEME = re.compile(
    r"""(?P<space>[ \t\r\n]++)
      | "(?P<quoted>(?:[^"\\]|\\.)*+)"
      | (?P<mark>[;=./])
      | (?P<word>[^ \t\r\n"();=./]++)
    """,
    re.DOTALL | re.VERBOSE,
)
# RFC 5321 §4.1.2 Ldh-str; "_" occurs in local names.
_KEYWORD = re.compile(r"[a-z0-9](?:[a-z0-9_-]*[a-z0-9])?", re.ASCII | re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Lexeme:
    """A word, a mark (one of `=./`) or a quoted string without its quotes."""

    kind: str
    text: str
    spaced: bool  # white space or a comment stands in front


@dataclass(frozen=True, slots=True)
class Segment:
    """What stands between two semicolons; the lists grow while it is read."""

    lexemes: list[Lexeme]
    comments: list[str]


class Cursor:
    """Walks over the lexemes of one segment."""

    def __init__(self, lexemes: list[Lexeme]) -> None:
        self._lexemes = lexemes
        self._next = 0

    def at_end(self) -> bool:
        """Tell whether nothing is left."""
        return self._next == len(self._lexemes)

    def take_mark(self, mark: str) -> bool:
        """Take this mark if it is next, and tell whether it was."""
        if not self._is("mark", mark):
            return False
        self._next += 1
        return True

    def take_keyword(self) -> str:
        """Take a word, in lower case; raises `MalformedField` if none is next."""
        if self.at_end() or not _is_keyword(self._lexemes[self._next]):
            raise MalformedField("keyword expected")
        self._next += 1
        return self._lexemes[self._next - 1].text.lower()

    def take_value(self) -> str | None:
        """Take the text up to the next white space; `None` if there is none."""
        if self.at_end() or self._at_property():
            return None
        parts = [self._lexemes[self._next].text]
        self._next += 1
        while not self.at_end() and not self._lexemes[self._next].spaced:
            parts.append(self._lexemes[self._next].text)
            self._next += 1
        return "".join(parts)

    def _is(self, kind: str, text: str, ahead: int = 0) -> bool:
        lexemes = self._lexemes[self._next + ahead : self._next + ahead + 1]
        return any(one.kind == kind and one.text == text for one in lexemes)

    def _at_property(self) -> bool:
        """Tell whether a property begins where the value of another is missing."""
        first = self._lexemes[self._next]
        return (
            first.spaced
            and first.text.lower() in _PTYPES
            and self._is("mark", ".", ahead=1)
            and self._is("mark", "=", ahead=3)
        )


def split_segments(text: str) -> list[Segment]:
    """Cut the text of a field at its semicolons.

    Raises `MalformedField` for quotes and comments that are not closed.
    """
    segments = [Segment([], [])]
    position, spaced = 0, False
    while position < len(text):
        if text[position] == "(":
            end = end_of_comment(text, position, MAX_COMMENT_DEPTH)
            comment = " ".join(_plain(text[position + 1 : end - 1]).split())
            segments[-1].comments.append(comment)
            position, spaced = end, True
            continue
        match = _LEXEME.match(text, position)
        if match is None or match.lastgroup is None:
            raise MalformedField("unclosed quoted string or stray parenthesis")
        position = match.end()
        kind, found = match.lastgroup, match[match.lastgroup]
        if found == ";" and kind == "mark":
            segments.append(Segment([], []))
        elif kind != "space":
            found = _plain(found) if kind == "quoted" else found
            segments[-1].lexemes.append(Lexeme(kind, found, spaced))
        spaced = kind == "space"
    return segments


def end_of_comment(text: str, start: int, max_depth: int) -> int:
    """Find where the comment ends that begins at `start` (RFC 5322 §3.2.2).

    Raises `MalformedField` if it does not, or holds too many in one another.
    """
    depth = 0
    for mark in _COMMENT_MARK.finditer(text, start):
        depth += (mark[0] == "(") - (mark[0] == ")")
        if depth > max_depth:
            break
        if depth == 0:
            return mark.end()
    raise MalformedField("unclosed comment or too many in one another")


def _plain(text: str) -> str:
    return _ESCAPED.sub(r"\1", _FOLD.sub("", text))


def _is_keyword(lexeme: Lexeme) -> bool:
    return lexeme.kind == "word" and _KEYWORD.fullmatch(lexeme.text) is not None
