"""A message as octets: the only reader of raw mail.

Nothing is decoded, unfolded or repaired: signatures cover octets, and so does
everything here.  Lines end in CRLF; mail with the line ends of this machine is
brought to CRLF before it is read (RFC 6376 §5.3), bare CR is an ordinary octet.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, TypeVar


T = TypeVar("T")

MAX_HEADER_OCTETS = 1 << 20  # what is longer than this is not looked into

_EMPTY_LINE = re.compile(rb"\n\r?\n")
# A literal in front makes the search fast, a look-behind in front would not.
_BARE_LF = re.compile(rb"\n(?<!\r\n)")
# CR LF WSP continues a field.
_FIELD_END = re.compile(rb"\r\n(?![ \t])")
# RFC 5322 §3.6.8 ftext, with the white space before the colon that §4.5 allows.
_NAME = re.compile(rb"([!-9;-~]+)[ \t]*:")


# Not frozen: there may be 100,000 of them, and freezing doubles what one costs.
@dataclass(slots=True)
class Field:
    """One header field, octet for octet; nobody changes one.

    `raw` is the whole field with its folding, without the final CRLF.
    `name` is in lower case; `value` is all that stands after the colon.
    `is_plain` is known of fields read from a message: all white space in it is
    SP, TAB and folds.
    """

    name: bytes
    raw: bytes
    is_plain: bool = field(default=False, repr=False, compare=False)
    # The canonical form, once somebody has asked for it.
    relaxed: bytes | None = field(default=None, repr=False, compare=False)

    @property
    def value(self) -> bytes:
        """The octets after the colon, folding included."""
        return self.raw.partition(b":")[2]


@dataclass(frozen=True)
class WireMessage:
    """A message as it is on the wire: header fields in order, and the body.

    Lines without a colon belong to no field; they are left out of `fields`,
    and `has_odd_lines` tells that there were some.
    """

    fields: tuple[Field, ...]
    body: bytes | memoryview  # a view into the message: bodies are large
    header_too_long: bool = False
    has_odd_lines: bool = False

    @cached_property
    def positions(self) -> dict[bytes, Sequence[int]]:
        """Where the fields of each (lower-case) name stand, top to bottom."""
        found: dict[bytes, Sequence[int]] = {}
        for index, each in enumerate(self.fields):
            known = found.get(each.name)
            if known is None:
                # Unlike 100,000 lists, ranges are no work for the collector.
                found[each.name] = range(index, index + 1)
            elif isinstance(known, list):
                known.append(index)
            else:
                found[each.name] = [*known, index]
        return found

    @cached_property
    def _readings(self) -> dict[object, Any]:
        return {}

    def once(self, read: Callable[..., T], *more: Hashable) -> T:
        """What `read` makes of this message; the second time from memory."""
        key = (read, *more)
        if key not in self._readings:
            self._readings[key] = read(self, *more)
        reading: T = self._readings[key]
        return reading

    def named(self, name: bytes) -> list[Field]:
        """All fields of this (lower-case) name, top to bottom."""
        return [self.fields[index] for index in self.positions.get(name, ())]


def read_message(octets: bytes) -> WireMessage:
    """Split a message into its header fields and its body.

    Reads any octets.  The header ends at the first empty line; without one
    everything is header (RFC 5322 §2.1).  A message whose first line ends in
    bare LF has the line ends of this machine, and is brought to CRLF whole;
    in another one, a bare LF ends a line of the header, and in the body it is
    an ordinary octet.  Time and memory are linear.
    """
    if not _begins_with_crlf_line(octets):
        octets = to_crlf(octets)
    if octets.startswith(b"\r\n"):
        return WireMessage((), octets[2:])
    found = _EMPTY_LINE.search(octets)
    header, body = octets, memoryview(b"")
    if found is not None:
        header = octets[: found.start()].removesuffix(b"\r")
        body = memoryview(octets)[found.end() :]
    header = to_crlf(header)
    if len(header) > MAX_HEADER_OCTETS:
        return WireMessage((), body, header_too_long=True)
    fields, count = _read_fields(header)
    return WireMessage(fields, body, has_odd_lines=count > len(fields))


def to_crlf(octets: bytes) -> bytes:
    """Bring bare LF to CRLF; octets that have none come back as they are."""
    if b"\r" in octets:
        if _BARE_LF.search(octets) is None:
            return octets
        octets = octets.replace(b"\r\n", b"\n")
    return octets.replace(b"\n", b"\r\n")


def _begins_with_crlf_line(octets: bytes) -> bool:
    end = octets.find(b"\n")
    return end > 0 and octets[end - 1 : end] == b"\r"


def make_field(name: bytes, value: bytes) -> Field:
    """A field from its name as written and the octets after the colon."""
    return Field(name.lower(), name + b":" + value)


def _read_fields(header: bytes) -> tuple[tuple[Field, ...], int]:
    """The fields, and of how many lines (folded ones count once) they are."""
    header = header.removesuffix(b"\r\n")
    if header.startswith(b"From ") and not _NAME.match(header):
        header = header.partition(b"\r\n")[2]  # from a mailbox file
    if not header:
        return (), 0
    lines = _FIELD_END.split(header)
    # Each LF follows a CR here, so a bare CR shows in the numbers.
    is_plain = (
        b"\x0b" not in header
        and b"\x0c" not in header
        and header.count(b"\r") == header.count(b"\n")
    )
    fields = tuple(
        Field(match[1].lower(), match.string, is_plain)
        for match in map(_NAME.match, lines)
        if match is not None
    )
    return fields, len(lines)
