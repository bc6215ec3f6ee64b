"""What to publish in the DNS for a key, in the forms that name servers take."""

from __future__ import annotations

import base64
import json
from enum import StrEnum

from mailman_arc.mailauth.crypto import VerifyingKey


MAX_STRING = 255  # octets of one string of a TXT record, RFC 1035 §3.3

# What a note may have in it as it is: RFC 6376 §2.11, and nothing that a zone file
# would have to escape.
_PLAIN = frozenset(range(0x21, 0x7F)) - frozenset(b';="\\')


class RecordForm(StrEnum):
    """How the record is written; the words are those of openarc-keygen, and JSON."""

    ZONE = "zone"  # a line of a zone file
    TEXT = "text"  # the value alone, in quoted strings as in a zone file
    BARE = "bare"  # the value alone, for the form of a DNS provider
    TESTKEY = "testkey"  # a line of the file that OpenARC calls TestKeys
    JSON = "json"  # name, type, value and strings, for programs


def record_value(
    key: VerifyingKey,
    *,
    testing: bool = False,
    no_subdomains: bool = False,
    email_only: bool = False,
    hash_algorithms: str | None = None,
    note: str = "",
) -> str:
    """The text of the key record (RFC 6376 §3.6.1).

    `testing` is t=y, `no_subdomains` t=s, `email_only` s=email, `hash_algorithms`
    h= and `note` n=.
    """
    flags = ":".join(
        flag for flag, is_set in (("y", testing), ("s", no_subdomains)) if is_set
    )
    tags = ["v=DKIM1", f"k={key.key_type}"]
    if hash_algorithms:
        tags.append(f"h={hash_algorithms}")
    if note:
        tags.append(f"n={_quoted(note)}")
    if email_only:
        tags.append("s=email")
    if flags:
        tags.append(f"t={flags}")
    tags.append(f"p={base64.b64encode(key.record_octets()).decode()}")
    return "; ".join(tags)


def show_record(name: str, value: str, form: RecordForm) -> str:
    """Write the record of this name, which has no final dot."""
    match form:
        case RecordForm.BARE:
            return value
        case RecordForm.TEXT:
            return _text(value)
        case RecordForm.TESTKEY:
            return f"{name} {value}"
        case RecordForm.ZONE:
            return f"{name}. IN TXT ( {_text(value)} )"
        case RecordForm.JSON:
            return json.dumps(
                {
                    "name": name,
                    "type": "TXT",
                    "value": value,
                    "strings": _strings(value),
                }
            )


def _quoted(note: str) -> str:
    """The note in DKIM-Quoted-Printable (RFC 6376 §2.11)."""
    return "".join(
        chr(octet) if octet in _PLAIN else f"={octet:02X}" for octet in note.encode()
    )


def _text(value: str) -> str:
    return " ".join(f'"{piece}"' for piece in _strings(value))


def _strings(value: str) -> list[str]:
    # Nothing in it has to be escaped.
    return [
        value[start : start + MAX_STRING] for start in range(0, len(value), MAX_STRING)
    ]
