"""Domain names as octets in a message and as text for the DNS.

A name is normalised to lower-case A-labels without the final dot, whatever
form it was written in (RFC 8616 §4, §5).
"""

from __future__ import annotations

import re
from functools import lru_cache

from mailman_arc.mailauth.errors import MalformedField


MAX_NAME_LENGTH = 253  # RFC 1035 §2.3.4, as text without the final dot
MAX_LABEL_LENGTH = 63  # RFC 1035 §2.3.4

# "_" is not in the grammar of RFC 6376 §3.5, but selectors in use contain it.
_LABEL = re.compile(r"[a-z0-9_](?:[a-z0-9_-]*[a-z0-9_])?", re.ASCII)


@lru_cache(maxsize=1024)
def parse_domain(text: str) -> str:
    """Normalise a domain name or selector to lower-case A-labels.

    Raises `MalformedField` for anything the DNS could not be asked.
    """
    if len(text) > 4 * MAX_NAME_LENGTH:
        raise MalformedField("domain name too long")
    name = text.lower() if text.isascii() else _to_a_labels(text)
    if not 0 < len(name) <= MAX_NAME_LENGTH:
        raise MalformedField("domain name empty or too long")
    for label in name.split("."):
        if len(label) > MAX_LABEL_LENGTH or not _LABEL.fullmatch(label):
            raise MalformedField("not a domain name")
    return name


def is_same_or_subdomain(name: str, parent: str) -> bool:
    """Tell whether `name` is `parent` or lies below it, label by label."""
    return name == parent or name.endswith("." + parent)


def _to_a_labels(text: str) -> str:
    try:
        return text.encode("idna").decode("ascii").lower()
    except UnicodeError as error:
        raise MalformedField("not an internationalised domain name") from error
