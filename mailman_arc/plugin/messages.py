"""Mailman's Message and the octets on the wire.

The standard library's generator folds long header fields anew and smtplib's
use of it puts ">" before lines beginning with "From ", both of which break
signatures.  Here a message is written as it is held: fields keep their
folding, lines are never changed.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Container
from email.errors import HeaderParseError
from email.generator import BytesGenerator
from email.header import Header
from email.message import Message
from io import BytesIO
from typing import Any

from mailman_arc.mailauth.message import to_crlf


# Removed when a message is sent (RFC 5322 §3.6.3), as smtplib does.
HIDDEN_RECIPIENTS = frozenset(("bcc", "resent-bcc"))
# What Mailman adds on the way from the door to the pipeline.
ADDED_ON_ARRIVAL = frozenset(("message-id-hash", "x-message-id-hash", "x-mailfrom"))

_ENCODED_LINE = 72  # an encoded word has at most 75 characters (RFC 2047 §2)
_LINE_BREAK = re.compile(rb"(?:\r\n|\r|\n)[ \t]*")


def to_octets(msg: Message, without: Container[str] = HIDDEN_RECIPIENTS) -> bytes:
    """Write a message with CRLF line ends, nothing folded, nothing mangled.

    Top-level fields whose lower-case name is in `without` are left out.  The
    message is not changed.  Raises what the standard library raises for
    messages it cannot write.
    """
    buffer = BytesIO()
    _PlainGenerator(buffer, without).flatten(msg, unixfrom=False, linesep="\r\n")
    return to_crlf(buffer.getvalue())


def body_digest(msg: Message) -> bytes:
    """SHA-256 over all below the header of a message, as Mailman holds it.

    Far cheaper than writing the message.  Queues keep the object itself, so it
    does not change there.
    """
    sha256 = hashlib.sha256()
    waiting: list[object] = [msg]  # what has been put last is next
    while waiting:
        found = waiting.pop()
        if not isinstance(found, Message):
            _hash_text(sha256, found)
            continue
        fields = [] if found is msg else list(found.raw_items())
        payload = found._payload  # type: ignore[attr-defined]
        parts = payload if isinstance(payload, list) else [payload]
        sha256.update(b"(%d %d)" % (len(fields), len(parts)))
        for field in fields:
            for text in field:
                _hash_text(sha256, text)
        waiting += (found.epilogue, *reversed(parts), found.preamble)
    return sha256.digest()


def _hash_text(sha256: Any, text: object) -> None:
    if text is None:
        sha256.update(b"-")
        return
    octets = str(text).encode("utf-8", "surrogatepass")
    sha256.update(b"%d:" % len(octets))
    sha256.update(octets)


def put_on_top(msg: Message, name: str, value: str) -> None:
    """Add a field above all others; the others stay exactly as they are.

    Going through the public methods would decode raw 8-bit fields.
    """
    msg._headers.insert(0, (name, value))  # type: ignore[attr-defined]


def remove_at(msg: Message, doomed: Container[int]) -> None:
    """Remove the fields at these positions, counted from the top."""
    msg._headers[:] = [  # type: ignore[attr-defined]
        field
        for position, field in enumerate(msg.raw_items())
        if position not in doomed
    ]


def value_octets(value: object) -> bytes:
    """The octets of a field value as held in a message."""
    if isinstance(value, str):
        try:
            return value.encode("ascii", "surrogateescape")
        except UnicodeEncodeError:
            # Text that a handler put there is encoded; raw octets may be in it.
            octets = value.encode("utf-8", "surrogateescape")
            value = Header(octets, "utf-8", errors="replace")
    if isinstance(value, Header):
        try:
            return value.encode(maxlinelen=_ENCODED_LINE).encode(
                "ascii", "surrogateescape"
            )
        except HeaderParseError:
            pass  # a line break that would make another field
    return str(value).encode("ascii", "replace")


class _PlainGenerator(BytesGenerator):
    """Writes fields and lines as they are.

    The base class makes one generator for each part with `type(self)(buffer)`;
    those leave nothing out.
    """

    def __init__(
        self,
        buffer: BytesIO,
        without: Container[str] = (),
        *,
        policy: object = None,
    ) -> None:
        super().__init__(buffer, mangle_from_=False, policy=policy)  # type: ignore[call-overload]
        self._without = without

    def clone(self, fp: Any) -> _PlainGenerator:
        return type(self)(fp, policy=self.policy)

    @property
    def _current(self) -> BytesIO:
        """Where the base class writes for the moment."""
        return self._fp  # type: ignore[attr-defined]

    def _handle_multipart(self, msg: Message) -> None:
        if _is_text(msg):  # its parts could not be told apart
            super()._handle_text(msg)  # type: ignore[misc]
        elif msg.get_boundary() == "":  # None: it has none yet
            self._write_parts(msg)
        else:
            super()._handle_multipart(msg)  # type: ignore[misc]

    def _write_parts(self, msg: Message) -> None:
        """Write a multipart whose boundary is empty; the base class would make one.

        It would change the message, too, to another one each time.
        """
        parts = []
        for part in msg.get_payload():
            buffer = BytesIO()
            self.clone(buffer).flatten(part, unixfrom=False, linesep="\r\n")
            parts.append(buffer.getvalue())
        if msg.preamble is not None:
            self._write_lines(msg.preamble)
            self._current.write(b"\r\n")
        self._current.write(b"--\r\n" + b"\r\n--\r\n".join(parts) + b"\r\n----\r\n")
        if msg.epilogue is not None:
            self._write_lines(msg.epilogue)

    def _write_lines(self, lines: str) -> None:
        # The base class writes line by line, which takes a second for 3 MB of
        # empty ones; these are the same line ends.
        if lines:
            ended = lines.replace("\r\n", "\n").replace("\r", "\n")
            self._current.write(
                ended.replace("\n", "\r\n").encode("ascii", "surrogateescape")
            )

    def _write_headers(self, msg: Message) -> None:
        for name, value in msg.raw_items():
            if name.lower() not in self._without:
                self._current.write(_field(name, value))
        self._current.write(b"\r\n")


def _is_text(msg: Message) -> bool:
    return isinstance(msg._payload, str)  # type: ignore[attr-defined]


def _field(name: str, value: object) -> bytes:
    octets = value_octets(value)
    if b"\n" in octets or b"\r" in octets:
        octets = _LINE_BREAK.sub(_as_fold, octets)
    return name.encode("ascii", "surrogateescape") + b": " + octets + b"\r\n"


def _as_fold(found: re.Match[bytes]) -> bytes:
    """Keep a fold, and make a fold of a line break that is none."""
    white_space = found[0].lstrip(b"\r\n")
    return b"\r\n" + (white_space or b" ")
