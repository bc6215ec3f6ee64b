"""The canonical forms "simple" and "relaxed" (RFC 6376 §3.4).

White space is SP and TAB only; vertical tab, form feed and bare CR are
ordinary octets.  A body is walked in slices, so that hashing 25 MB takes
little memory, and every step is linear whatever the octets are.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Literal

from mailman_arc.mailauth.message import Field, WireMessage


Canonicalization = Literal["simple", "relaxed"]
Octets = bytes | memoryview

MAX_LENGTHS = 5  # different l= of one message; honest mail has one at most

_SLICE = 1 << 16
_FEW = 1024  # runs of white space in a slice
_LF = 0x0A
_WHITE_SPACE = re.compile(rb"[ \t]+")


def canonical_field(field: Field, how: Canonicalization) -> bytes:
    """A header field in canonical form, without the final CRLF (§3.4.1, §3.4.2)."""
    if how == "simple":
        return field.raw
    if field.relaxed is None:
        field.relaxed = field.name + b":" + _relaxed_value(field)
    return field.relaxed


def canonical_body(body: Octets, how: Canonicalization) -> Iterator[Octets]:
    """The canonical body in slices (§3.4.3, §3.4.4); expects CRLF line ends."""
    if how == "simple":
        end = _end_of_content(body, b"\r\n")
        yield memoryview(body)[:end]
        yield b"\r\n"
    else:
        yield from _relaxed_body(body)


@dataclass(frozen=True, slots=True)
class BodyDigest:
    """SHA-256 of a canonical body, cut at `l=`, and the uncut length in octets."""

    digest: bytes
    length: int


@dataclass(slots=True)
class BodyHashes:
    """The hashes of one body, each computed once however many ask for it."""

    body: Octets
    _known: dict[tuple[str, int | None], BodyDigest] = field(default_factory=dict)
    _expected: dict[str, set[int]] = field(default_factory=dict)

    def expect(self, how: Canonicalization, limit: int | None) -> None:
        """Say what will be asked for, so that one pass gives it all."""
        if limit is not None and (how, limit) not in self._known:
            self._expected.setdefault(how, set()).add(limit)

    def digest(self, how: Canonicalization, limit: int | None = None) -> BodyDigest:
        """Hash the canonical body, or its first `limit` octets.

        Beyond `MAX_LENGTHS` different limits that nobody expected the answer is
        a digest that nothing matches: each costs a pass over the body.
        """
        if (how, limit) not in self._known:
            limits = self._expected.pop(how, set())
            if limit is not None:
                if limit not in limits and self._is_asked_too_much():
                    return BodyDigest(b"", 0)
                limits.add(limit)
            for each, found in _digests(self.body, how, limits).items():
                self._known[how, each] = found
        return self._known[how, limit]

    def _is_asked_too_much(self) -> bool:
        return len([True for _, limit in self._known if limit is not None]) >= (
            MAX_LENGTHS
        )


def body_hashes(message: WireMessage) -> BodyHashes:
    """The hashes of the body of a message, for all who ask for them."""
    return message.once(_body_hashes)


def _body_hashes(message: WireMessage) -> BodyHashes:
    return BodyHashes(message.body)


def _digests(
    body: Octets, how: Canonicalization, limits: set[int]
) -> dict[int | None, BodyDigest]:
    """The digests cut at each limit, and the one that is not cut, in one pass."""
    sha256 = hashlib.sha256()
    length = 0
    cuts: dict[int | None, bytes] = {}
    ahead = sorted(limits, reverse=True)
    for piece in canonical_body(body, how):
        while ahead and ahead[-1] <= length + len(piece):
            cut = sha256.copy()
            cut.update(piece[: ahead[-1] - length])
            cuts[ahead.pop()] = cut.digest()
        sha256.update(piece)
        length += len(piece)
    cuts |= dict.fromkeys([None, *ahead], sha256.digest())
    return {limit: BodyDigest(digest, length) for limit, digest in cuts.items()}


def _relaxed_value(field: Field) -> bytes:
    value = field.value
    if field.is_plain or _is_plain(value):
        return b" ".join(value.split())
    # bytes.split() takes more octets for white space than RFC 6376 does.
    return _WHITE_SPACE.sub(b" ", value.replace(b"\r\n", b"")).strip(b" ")


def _relaxed_body(body: Octets) -> Iterator[bytes]:
    end = _end_of_content(body, b" \t\r\n")
    position = 0
    pending = b""  # white space whose line goes on in the next slice
    while position < end:
        piece = _slice(body, position, end)
        position += len(piece)
        if b"\t" in piece:
            piece = piece.replace(b"\t", b" ")
        if pending or b" " in piece:
            # replace() would search twice.
            piece = b"\r\n".join(_squeezed(pending + piece).split(b" \r\n"))
            pending = b" " if piece.endswith(b" ") else b""
            piece = piece.removesuffix(b" ")
        yield piece
    if end:
        yield b"\r\n"


def _squeezed(text: bytes) -> bytes:
    """Make one space of each run of spaces.

    Ordinary text has few runs: it is searched once, split there and joined
    again.  Where there are many, replacing again and again is quicker.
    """
    head, *parts = text.split(b"  ", _FEW)
    if not parts:
        return text
    if len(parts) < _FEW:
        rest = [part for part in (part.lstrip(b" ") for part in parts) if part]
        ends_in_space = parts[-1] in (b"", b" ")
        return b" ".join([head, *rest, b""] if ends_in_space else [head, *rest])
    for run in (b" " * 256, b" " * 16, b" " * 4):
        text = text.replace(run, b" ")
    while b"  " in text:
        text = text.replace(b"  ", b" ")
    return text


def _slice(body: Octets, start: int, end: int) -> bytes:
    """What follows, up to the end of a line if that is not too far."""
    piece = bytes(body[start : min(start + _SLICE, end)])
    if start + len(piece) == end:
        return piece
    newline = piece.rfind(b"\n")
    return piece[: newline + 1] if newline >= 0 else piece.removesuffix(b"\r")


def _end_of_content(body: Octets, ignored: bytes) -> int:
    """Where the body ends when trailing lines of `ignored` octets are dropped."""
    end = len(body)
    while end:
        start = max(0, end - _SLICE)
        if start and body[start] == _LF:
            start -= 1
        window = bytes(body[start:end])
        kept = len(window.rstrip(ignored))
        # Stray ones are content: they and what stands before them stays.
        strays = window[kept:].replace(b"\r\n", b"  ")
        kept += max(strays.rfind(b"\r"), strays.rfind(b"\n")) + 1
        if kept:
            return start + kept
        end = start
    return 0


def _is_plain(octets: bytes) -> bool:
    """Tell whether all white space is SP, TAB and CRLF."""
    return (
        b"\x0b" not in octets
        and b"\x0c" not in octets
        and octets.count(b"\r") == octets.count(b"\r\n") == octets.count(b"\n")
    )
