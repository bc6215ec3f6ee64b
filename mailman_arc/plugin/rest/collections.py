"""Collections, a page at a time, in the form of Mailman's own.

Mailman's `CollectionMixin` fails when only `count` is given.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import falcon

from mailman_arc.plugin.rest.answers import (
    Body,
    bad_request,
    refuse_parameters,
    with_etags,
)


MAX_COUNT = 1000  # entries of a page; also where `count` is not given
PAGE_PARAMETERS = ("count", "page")

_MAX_PAGE = 999_999_999
_DIGITS = re.compile("[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Page:
    """Which entries are wanted; with `count` 0, none but their number."""

    count: int = MAX_COUNT
    number: int = 1

    @property
    def start(self) -> int:
        """The index of the first entry."""
        return (self.number - 1) * self.count

    @property
    def slice(self) -> slice:
        """The entries of the page."""
        return slice(self.start, self.start + self.count)

    def body(self, total: int, entries: Sequence[Mapping[str, Any]]) -> Body:
        """A page of a collection that has so many entries altogether."""
        body: Body = {"start": self.start, "total_size": total}
        if entries:
            body["entries"] = with_etags(entries)
        return body


def wanted_page(request: falcon.Request, others: Iterable[str] = ()) -> Page:
    """The page that `?count=…&page=…` asks for; `others` may be given beside them."""
    refuse_parameters(request, (*PAGE_PARAMETERS, *others))
    return Page(
        wanted_number(request, "count", MAX_COUNT, range(MAX_COUNT + 1)),
        wanted_number(request, "page", 1, range(1, _MAX_PAGE + 1)),
    )


def wanted_number(
    request: falcon.Request, name: str, default: int, allowed: range
) -> int:
    """A number that is given as a parameter; a refusal unless it is allowed."""
    text = request.params.get(name)
    if text is None:
        return default
    # Given twice, it is a list.
    if isinstance(text, str) and _DIGITS.fullmatch(text) and int(text) in allowed:
        return int(text)
    raise bad_request(
        f'Invalid Parameter "{name}": it must be a number from {allowed.start} '
        f"to {allowed.stop - 1}."
    )
