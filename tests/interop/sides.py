"""Rows: who takes part in a test, and with which algorithm."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable

import pytest

from tests.interop.posts import POSTS, young_author, young_list
from tests.support.mail import author, mailing_list


LIST = {"rsa": mailing_list(), "ed25519": young_list()}
AUTHOR = {"rsa": author(), "ed25519": young_author()}

# In no package of Debian 12.
_PEERS = {"mailauth"}

Side = tuple[str, str]

# mailauth hands a digest to Ed25519 when it seals or signs, but the digest's
# input when it verifies a seal; the others do not know Ed25519 in ARC, and
# dkimpy would need PyNaCl for it in DKIM.
ARC: tuple[Side, ...] = (
    ("dkimpy", "rsa"),
    ("Mail::DKIM", "rsa"),
    ("rspamd", "rsa"),
    ("rspamd", "ed25519"),
    ("mailauth", "rsa"),
)
DKIM: tuple[Side, ...] = (
    ("dkimpy", "rsa"),
    ("Mail::DKIM", "rsa"),
    ("rspamd", "rsa"),
    ("rspamd", "ed25519"),
    ("OpenDKIM", "rsa"),
    ("OpenDKIM", "ed25519"),
    ("mailauth", "rsa"),
    ("mailauth", "ed25519"),
)


def differs(name: str, forms: str, post: str) -> bool:
    """Tell where somebody is known to be alone with his reading of RFC 6376."""
    if name == "rspamd":
        # Hashes a body of nothing but blank lines as one of them, §3.4.4.
        return post == "blank-body" and forms.endswith("/relaxed")
    if post == "no-last-line-end":
        # They add no line end to a body without one, §3.4.3 and §3.4.4.
        alone = {"Mail::DKIM": "/simple", "OpenDKIM": "/relaxed"}
        return name in alone and forms.endswith(alone[name])
    return False


def can_sign(side: Side, forms: str) -> bool:
    """Tell whether somebody makes DKIM signatures of this kind."""
    if side[0] == "rspamd":
        return forms == "relaxed/relaxed"
    # These verify nowhere, not even at OpenDKIM.
    return side != ("OpenDKIM", "ed25519") or forms.startswith("relaxed/")


def with_sides(
    sides: tuple[Side, ...],
    forms: Iterable[str],
    can: Callable[[Side, str], bool] = lambda _, __: True,
) -> pytest.MarkDecorator:
    """Run a test with `other`, `algorithm`, `forms` and `post`."""
    rows = [
        pytest.param(*side, form, post, marks=_marks(side[0]))
        for side, form, post in itertools.product(sides, forms, POSTS)
        if can(side, form) and not differs(side[0], form, post)
    ]
    names = ("other", "algorithm", "forms", "post")
    return pytest.mark.parametrize(names, rows, indirect=["other"])


def with_others(sides: tuple[Side, ...]) -> pytest.MarkDecorator:
    """Run a test with `other`."""
    names = dict.fromkeys(name for name, _ in sides)
    rows = [pytest.param(name, marks=_marks(name)) for name in names]
    return pytest.mark.parametrize("other", rows, indirect=True)


def _marks(name: str) -> tuple[pytest.MarkDecorator, ...]:
    return (pytest.mark.peers,) if name in _PEERS else ()
