"""Tag lists, `a=1; b=2` (RFC 6376 §3.2)."""

from __future__ import annotations

import binascii
import re

from mailman_arc.mailauth.errors import MalformedField


MAX_TAGS = 200  # a signature or key record in use has about ten

_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f]")
_WHITE_SPACE = re.compile(r"[ \t\r\n]+")


def parse_tag_list(value: bytes) -> dict[str, str]:
    """Split a (folded) tag list into names and values, in order.

    Values are as written, unfolded, without the white space around them;
    octets that are not UTF-8 survive as surrogates.  An empty value is not an
    absent tag.  Raises `MalformedField` (RFC 6376 §3.2): a syntax error or a
    name that occurs twice makes the whole list invalid.
    """
    text = value.decode("utf-8", "surrogateescape")
    if "\r" in text:
        text = text.replace("\r\n ", " ").replace("\r\n\t", "\t")
    # Nearly all lists are printable, which is quicker to find out.
    if not text.isprintable() and _CONTROL.search(text):
        raise MalformedField("control character in tag list")
    pieces = text.split(";", MAX_TAGS + 1)
    if not pieces[-1].strip(" \t"):
        pieces.pop()
    if len(pieces) > MAX_TAGS:
        raise MalformedField("too many tags")
    tags: dict[str, str] = {}
    for piece in pieces:
        name, equals, content = piece.partition("=")
        name = name.strip(" \t")
        if not equals or not _is_tag_name(name) or name in tags:
            raise MalformedField("not a tag list")
        tags[name] = content.strip(" \t")
    return tags


def _is_tag_name(text: str) -> bool:
    # An ASCII identifier of Python, but for the underscore in front.
    return text.isidentifier() and text.isascii() and text[0] != "_"


def parse_base64(text: str) -> bytes:
    """Decode base64 with white space anywhere (RFC 6376 §2.10).

    Raises `MalformedField` for anything empty, cut or outside the alphabet.
    """
    try:
        packed = text.encode("ascii").translate(None, b" \t\r\n")
        octets = binascii.a2b_base64(packed, strict_mode=True)
    except (UnicodeEncodeError, binascii.Error) as error:
        raise MalformedField("not base64") from error
    # Even strict mode lets some superfluous padding pass.
    padding = packed.count(b"=")
    if not octets or padding > 2 or 4 * len(octets) != 3 * len(packed) - 4 * padding:
        raise MalformedField("empty or wrongly padded base64")
    return octets


def parse_number(text: str, max_digits: int) -> int:
    """Read an unsigned decimal number; raises `MalformedField`."""
    if len(text) > max_digits or not (text.isascii() and text.isdigit()):
        raise MalformedField("not a number")
    return int(text)


def parse_colon_list(text: str) -> tuple[str, ...]:
    """Split `a : b` at its colons, without white space (RFC 6376 §3.5, §3.6.1)."""
    return tuple(part.strip(" \t") for part in text.split(":"))


def unquote_printable(text: str) -> str:
    """Decode dkim-quoted-printable; raises `MalformedField` (RFC 6376 §2.11)."""
    packed = _WHITE_SPACE.sub("", text)
    head, *pieces = packed.split("=")
    octets = bytearray(head.encode("utf-8", "surrogateescape"))
    for piece in pieces:
        if not re.fullmatch(r"[0-9A-F]{2}", piece[:2], re.ASCII):
            raise MalformedField("not dkim-quoted-printable")
        octets.append(int(piece[:2], 16))
        octets += piece[2:].encode("utf-8", "surrogateescape")
    return octets.decode("utf-8", "surrogateescape")
