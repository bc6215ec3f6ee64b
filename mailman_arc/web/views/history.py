"""History: the posts of a list, found by filters, page by page or as a file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpResponse, QueryDict, StreamingHttpResponse

from mailman_arc.web.export import MAX_EXPORTED, WRITERS, all_entries
from mailman_arc.web.forms import FilterForm
from mailman_arc.web.pages import Page, number_given, page_of_list


COUNTS = (10, 25, 50, 100, 200)
_USUAL = 25
_NEAR = 2  # pages on each side that are linked


@dataclass(frozen=True)
class Found:
    """A page of what was found."""

    query: QueryDict
    number: int
    count: int
    answer: Mapping[str, Any]

    @property
    def entries(self) -> list[dict[str, Any]]:
        """The posts of the page."""
        return self.answer.get("entries") or []

    @property
    def total(self) -> int:
        """How many were found."""
        return int(self.answer["total_size"])

    @property
    def last(self) -> int:
        """The number of the last page."""
        return max(1, -(-self.total // self.count))

    @property
    def newer(self) -> int:
        """The page before this."""
        return self.number - 1

    @property
    def older(self) -> int:
        """The page behind this."""
        return self.number + 1

    @property
    def numbers(self) -> Iterator[int | None]:
        """The pages to link; None stands for those between."""
        near = range(self.number - _NEAR, self.number + _NEAR + 1)
        wanted = sorted({1, self.last, *near} & set(range(1, self.last + 1)))
        before = 0
        for each in wanted:
            if each != before + 1:
                yield None
            yield each
            before = each

    @property
    def kept(self) -> list[tuple[str, str]]:
        """What else was asked for, for another number of posts on a page."""
        return [
            (name, value)
            for name, value in self.query.items()
            if name not in ("page", "count")
        ]


@page_of_list("history")
def show(page: Page) -> HttpResponse:
    """A page of posts."""
    form = FilterForm(page.request.GET)
    context: dict[str, Any] = {"form": form, "counts": COUNTS, "most": MAX_EXPORTED}
    if form.is_valid():
        found = _find(page, form.wanted())
        context |= {"found": found, "is_filtered": form.is_used()}
        if not found.total and not form.is_used():
            context["status"] = page.get("status")
    return page.render("history", context, 200 if form.is_valid() else 400)


def _find(page: Page, filters: Mapping[str, str]) -> Found:
    query = page.request.GET
    count = number_given(query.get("count", ""), _USUAL, COUNTS[-1])
    number = number_given(query.get("page", ""), 1, 10**8)
    answer = page.get("history", count=count, page=number, **filters)
    found = Found(query, number, count, answer)
    if found.number <= found.last:
        return found
    answer = page.get("history", count=count, page=found.last, **filters)
    return Found(query, found.last, count, answer)


@page_of_list("history")
def export(page: Page, form: str) -> StreamingHttpResponse:
    """What the filters let through as a file."""
    filters = FilterForm(page.request.GET)
    if not filters.is_valid():
        raise BadRequest(str(filters.errors.as_json()))
    entries = all_entries(page, filters.wanted())
    writer = WRITERS[form]
    response = StreamingHttpResponse(
        writer.write(entries), content_type=writer.content_type
    )
    name = f"{page.list_id}-arc.{form}"
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response
