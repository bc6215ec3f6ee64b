"""A stranger's text as text: nothing in it moves, hides or reorders what is around."""

from __future__ import annotations

import unicodedata


MAX_SHOWN = 300  # characters
MAX_RAW = 5000  # characters, of a header field

# Some scripts cannot be written without these two.
_JOINERS = "\u200c\u200d"
_HARMFUL = frozenset(("Cc", "Cf", "Cs", "Co", "Zl", "Zp"))


def shown(text: object, limit: int = MAX_SHOWN) -> str:
    """One line of at most `limit` characters and a mark that more were cut off.

    Control characters, and those that change the direction, are shown as escapes.
    """
    given = "" if text is None else str(text)
    line = "".join(_visible(each) for each in given[: limit + 1])
    return f"{line[:limit]}…" if len(line) > limit else line


def _visible(character: str) -> str:
    if character in "\r\n\t":
        return " "
    if character in _JOINERS or unicodedata.category(character) not in _HARMFUL:
        return character
    return repr(character)[1:-1]


def guarded(value: object) -> str:
    """A cell of a table that spreadsheets do not take for a formula."""
    cell = shown(value, MAX_RAW)
    return f"'{cell}" if cell.lstrip().startswith(("=", "+", "-", "@")) else cell
