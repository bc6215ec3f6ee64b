"""Encode what mail servers change on the way, so that a seal over it stays good.

A server that cannot pass 8-bit text on encodes it; long lines are wrapped, ">"
is put before "From ", other line ends become CRLF.  Each of these breaks a
signature over the body, so RFC 6376 §5.3 has such text encoded before.  A part
that holds none of it keeps its octets.  Only a label "8bit" or "binary" goes:
Postfix, for one, converts by the label and not by what is there.

What is decoded at the other end is what was in the part: the same octets, with
CRLF for the line ends of text.  No charset is made up for a text that names
none, as nobody here knows it: readers guess as they did before.
"""

from __future__ import annotations

import base64
import binascii
import re
import string
from collections.abc import Iterator
from dataclasses import dataclass
from email.message import Message
from enum import StrEnum
from typing import Any

from mailman_arc.mailauth.message import to_crlf
from mailman_arc.plugin.messages import value_octets
from mailman_arc.plugin.seams import degrade


MAX_LINE = 998  # octets, without the line end (RFC 5322 §2.1.1)
BASE64_LINE = 76  # octets (RFC 2045 §6.8)
# Quoted-printable makes three octets of one that it quotes, base64 four of three:
# the former is the shorter one if at least this many octets come on each quoted.
OCTETS_FOR_ONE_QUOTED = 6

_LABEL = "content-transfer-encoding"
_WIDE = frozenset(("8bit", "binary"))
_NOT_ENCODED = _WIDE | {"7bit", ""}

_NOT_TO_BE_QUOTED = bytes(range(0x20, 0x7F)).replace(b"=", b"") + b"\t\r\n"
_OF_BASE64 = (string.ascii_letters + string.digits + "+/=").encode()
_NOT_OF_BASE64 = bytes(set(range(0x100)).difference(_OF_BASE64))
_NEVER_RAW = frozenset((0, *range(0x80, 0x100)))
# White space at the end of a line, for which b2a_qp keeps no room.
_BEYOND = re.compile(rb"=(?:20|09)$(?<=[^\n]{77})", re.MULTILINE)
_FROM = re.compile(rb"F(?=rom )(?<=^F)", re.MULTILINE)  # the quicker for its literal
# A piece of a long line has at most 72 octets, and no cut is within "=3D".
_PIECE = re.compile(rb"(?>=[0-9A-Fa-f]{2}|[^\r\n]){24}(?=[^\r\n])")
_BARE_CR = re.compile(r"\r(?!\n)")
_PGP = re.compile(r"^-----BEGIN PGP (?:SIGNED )?MESSAGE-----", re.MULTILINE)


class LeftAlone(StrEnum):
    """Where there is something that servers may change and we must not."""

    SIGNED = "a signed part"
    ENCRYPTED = "an encrypted part"
    SMIME = "an S/MIME part"
    PGP = "a text with a PGP message in it"
    MESSAGE = "a message part that must not be encoded"
    MULTIPART = "text outside of the parts of a multipart"
    ENCODING = "a part with an unknown or forbidden transfer encoding"
    HEADER = "a header field"
    UNREADABLE = "a part that could not be encoded"


_UNTOUCHABLE = {
    "multipart/signed": LeftAlone.SIGNED,
    "multipart/encrypted": LeftAlone.ENCRYPTED,
    "application/pkcs7-mime": LeftAlone.SMIME,
    "application/x-pkcs7-mime": LeftAlone.SMIME,
    "application/pgp": LeftAlone.PGP,
}
# What is in these is a message with parts of its own; RFC 2046 §5.2 keeps the
# other kinds of message/* from being encoded, each for reasons of its own.
_HOLD_A_MESSAGE = frozenset(("message/rfc822", "message/global"))


@dataclass(frozen=True, slots=True)
class Made:
    """Whether a message was changed, and where servers may still change it."""

    changed: bool
    left: tuple[LeftAlone, ...]


def needs_encoding(msg: Message) -> bool:
    """Tell whether `make_transport_safe` has anything to look at.

    If not, it would change nothing, and servers find nothing to change outside
    of header fields.  Linear time; the message is not changed.
    """
    waiting = [msg]
    while waiting:
        part = waiting.pop()
        if _label(part) in _WIDE or any(map(_is_at_risk, _texts(part))):
            return True
        waiting += _children(part)
    return False


def make_transport_safe(msg: Message) -> Made:
    """Encode the parts of a message that servers may change on the way.

    The message is changed in place: bodies, their Content-Transfer-Encoding,
    and MIME-Version where it is missing (RFC 2045 §4: without it the former
    means nothing).  A part is encoded whole or not at all; one that must not be
    encoded keeps its octets, and the result names it if servers may change it.
    Never raises.  Time and memory are linear.
    """
    nodes = _nodes(msg)
    has_wire_ends = any(_has_crlf(node.part) for node in nodes)
    left: set[LeftAlone] = set()
    for node in reversed(nodes):  # what is in a part comes before it
        reasons = {LeftAlone.UNREADABLE}
        with degrade("transport"):
            reasons = _settle(node, has_wire_ends=has_wire_ends)
        left |= reasons
        if node.parent is not None:
            is_7bit = node.is_7bit and LeftAlone.UNREADABLE not in reasons
            node.parent.is_7bit &= is_7bit
    return Made(
        any(node.is_changed for node in nodes),
        tuple(reason for reason in LeftAlone if reason in left),
    )


@dataclass(slots=True)
class _Node:
    """A part, and where it stands in the tree."""

    part: Message
    parent: _Node | None
    message: Message  # the one whose header says MIME-Version for this part
    untouchable: LeftAlone | None  # why nothing in it may be changed
    is_7bit: bool = True  # as far as it is settled (RFC 2045 §2.7)
    is_changed: bool = False

    def become(self, payload: object, label: str) -> None:
        """Set body and label; a signal that comes in between gets both or none."""
        fields = _set_field(self.part, "Content-Transfer-Encoding", label)
        vars(self.part).update(_headers=fields, _payload=payload)
        self.is_changed = True


def _nodes(msg: Message) -> list[_Node]:
    """All parts of a message, each behind the one it is in."""
    nodes: list[_Node] = []
    waiting = [_Node(msg, None, msg, None)]
    while waiting:
        node = waiting.pop()
        nodes.append(node)
        within = node.untouchable
        holds_message = False
        if within is None:
            within = LeftAlone.UNREADABLE
            with degrade("transport"):
                within = _why_untouchable(node.part)
                holds_message = node.part.get_content_type() in _HOLD_A_MESSAGE
        node.untouchable = within
        for child in _children(node.part):
            message = child if holds_message else node.message
            waiting.append(_Node(child, node, message, within))
    return nodes


def _why_untouchable(part: Message) -> LeftAlone | None:
    content_type = part.get_content_type()
    if content_type in _UNTOUCHABLE:
        return _UNTOUCHABLE[content_type]
    if content_type.startswith("message/"):
        if content_type not in _HOLD_A_MESSAGE or _is_leaf(part):
            return LeftAlone.MESSAGE
    elif content_type.startswith("multipart/"):
        if _is_leaf(part):
            return LeftAlone.MULTIPART
    else:
        return None
    # RFC 2045 §6.4: otherwise readers need not see any parts in it.
    return None if _label(part) in _NOT_ENCODED else LeftAlone.ENCODING


def _settle(node: _Node, *, has_wire_ends: bool) -> set[LeftAlone]:
    """Make a part safe, after all that is in it, and tell what is not."""
    left = set()
    reason = _make_safe(node, has_wire_ends=has_wire_ends)
    if reason is not None:
        left.add(reason)
    if any(_is_field_at_risk(*field) for field in node.part.raw_items()):
        left.add(LeftAlone.HEADER)
    if LeftAlone.HEADER in left or _label(node.part) in _WIDE:
        node.is_7bit = False
    return left


def _make_safe(node: _Node, *, has_wire_ends: bool) -> LeftAlone | None:
    label = _label(node.part)
    texts = list(_texts(node.part))
    is_at_risk = any(map(_is_at_risk, texts))
    node.is_7bit &= all(map(_is_7bit, texts))
    if node.untouchable is not None:
        return node.untouchable if is_at_risk or label in _WIDE else None
    if is_at_risk and _is_leaf(node.part):
        return _encode(node, label, has_wire_ends=has_wire_ends)
    if label in _WIDE and node.is_7bit:
        node.become(_payload(node.part), "7bit")
    return LeftAlone.MULTIPART if is_at_risk else None


def _encode(node: _Node, label: str, *, has_wire_ends: bool) -> LeftAlone | None:
    text = _payload(node.part)
    if "-----BEGIN PGP " in text and _PGP.search(text):
        return LeftAlone.PGP
    try:
        octets = text.encode("ascii", "surrogateescape")
    except UnicodeEncodeError:  # a handler put text there that is no octets
        return LeftAlone.UNREADABLE
    if label in _NOT_ENCODED:
        is_text = node.part.get_content_maintype() == "text"
        if is_text or not has_wire_ends:
            octets = to_crlf(octets)
        encoded, label = _encoded(octets, node.parent, is_text=is_text)
        if "MIME-Version" not in node.message:
            vars(node.message)["_headers"] = _set_field(
                node.message, "MIME-Version", "1.0"
            )
    elif label in _MENDED:
        octets = octets.replace(b"\r\n", b"\n")
        mended = _MENDED[label](octets)
        encoded = mended.decode("ascii")
        is_same = _decoded(mended, label) == _decoded(octets, label)
        if not is_same or _has_delimiter(encoded, node.parent):
            return LeftAlone.UNREADABLE
    else:
        return LeftAlone.ENCODING
    node.become(encoded, label)
    node.is_7bit = True
    return None


def _encoded(octets: bytes, parent: _Node | None, *, is_text: bool) -> tuple[str, str]:
    """A body in the shorter of the two encodings that can hold it, and which."""
    if is_text and _has_crlf_only(octets):
        quoted = len(octets.translate(None, _NOT_TO_BE_QUOTED))
        if quoted * OCTETS_FOR_ONE_QUOTED <= len(octets):
            encoded = binascii.b2a_qp(octets).replace(b"\r\n", b"\n")
            encoded = _BEYOND.sub(rb"=\n\g<0>", encoded)
            text = _FROM.sub(b"=46=\n", encoded).decode("ascii")
            if not _has_delimiter(text, parent):
                return text, "quoted-printable"
    return base64.encodebytes(octets).decode("ascii"), "base64"


def _mended_quoted(octets: bytes) -> bytes:
    """Quoted-printable, lines ending in LF, with all quoted that has to be."""
    for octet in set(octets) & _NEVER_RAW:
        octets = octets.replace(bytes((octet,)), b"=%02X" % octet)
    octets = octets.replace(b"\r", b"=0D")
    if _has_long_line(octets.decode("ascii")):
        octets = _PIECE.sub(rb"\g<0>=\n", octets)
    return _FROM.sub(b"=46=\n", octets)


def _mended_base64(octets: bytes) -> bytes:
    """Base64 without what readers ignore, in lines of the right length."""
    octets = octets.translate(None, _NOT_OF_BASE64)
    starts = range(0, len(octets), BASE64_LINE)
    return b"".join(octets[at : at + BASE64_LINE] + b"\n" for at in starts)


_MENDED = {"quoted-printable": _mended_quoted, "base64": _mended_base64}


def _decoded(octets: bytes, label: str) -> object:
    """What the standard library, which is lenient, reads in an encoded body."""
    part = Message()
    part["Content-Transfer-Encoding"] = label
    part.set_payload(octets)
    return part.get_payload(decode=True)


def _has_delimiter(text: str, node: _Node | None) -> bool:
    """Tell whether a soft line break made a line that would end the part."""
    if "=\n--" not in text:
        return False
    while node is not None:
        boundary = node.part.get_boundary()
        if boundary and f"\n--{boundary}" in text:
            return True
        node = node.parent
    return False


def _is_at_risk(text: str) -> bool:
    """Tell whether servers may change a text on the way."""
    return (
        not _is_7bit(text)
        or text.startswith("From ")
        or "\nFrom " in text
        or _BARE_CR.search(text) is not None
    )


def _is_7bit(text: str) -> bool:
    """Tell whether a text is 7bit data by RFC 2045 §2.7; to_octets mends CR."""
    return text.isascii() and "\0" not in text and not _has_long_line(text)


def _has_long_line(text: str) -> bool:
    start = 0
    while len(text) - start > MAX_LINE:
        end = text.rfind("\n", start, start + MAX_LINE + 1)
        if end < 0:
            end = start + MAX_LINE + 1
            if not text.startswith("\r\n", end - 1):
                return True
        start = end + 1
    return False


def _has_crlf_only(octets: bytes) -> bool:
    pairs = octets.count(b"\r\n")
    return octets.count(b"\r") == pairs == octets.count(b"\n")


def _has_crlf(part: Message) -> bool:
    values = (str(value) for _, value in part.raw_items())
    return any("\r\n" in text for text in (*_texts(part), *values))


def _is_field_at_risk(name: str, value: object) -> bool:
    text = value_octets(value).decode("ascii", "surrogateescape")
    return not _is_7bit(f"{name}: {text}")


def _label(part: Message) -> str:
    """How a body is encoded, in lower case; what cannot be told is no encoding."""
    labels = {
        str(value).partition("(")[0].strip().lower()
        for name, value in part.raw_items()
        if name.lower() == _LABEL
    }
    return ", ".join(labels)


def _set_field(part: Message, name: str, value: str) -> list[tuple[str, object]]:
    """The fields of a part with one set, where it is or else at the end.

    Going through the public methods would decode raw 8-bit fields.
    """
    fields = list(part.raw_items())
    if name not in part:
        return [*fields, (name, value)]
    lower = name.lower()
    return [
        (other, value if other.lower() == lower else held) for other, held in fields
    ]


def _texts(part: Message) -> Iterator[str]:
    """The body of a leaf, or what stands around the parts of a multipart."""
    payload = _payload(part)
    held = (part.preamble, part.epilogue) if isinstance(payload, list) else (payload,)
    return (text for text in held if isinstance(text, str))


def _children(part: Message) -> list[Message]:
    payload = _payload(part)
    if not isinstance(payload, list):
        return []
    return [child for child in payload if isinstance(child, Message)]


def _is_leaf(part: Message) -> bool:
    return isinstance(_payload(part), str)


def _payload(part: Message) -> Any:
    """A body as it is held: the public method decodes what is 8-bit."""
    return part._payload  # type: ignore[attr-defined]
