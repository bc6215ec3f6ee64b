"""Overview: whether posts are sealed, and how they arrived these days."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.http import HttpResponse
from django.utils.translation import gettext as _

from mailman_arc.web.chart import draw
from mailman_arc.web.core import Trouble
from mailman_arc.web.pages import Page, page_of_list
from mailman_arc.web.words import STATES, UNKNOWN, VERDICTS, Word


RANGES = (7, 30, 90)  # days
_USUAL = 30


@dataclass(frozen=True)
class Card:
    """How many posts had a verdict."""

    verdict: str
    word: Word
    count: int
    percent: int


@dataclass(frozen=True)
class Domain:
    """A sender's domain whose posts have problems, and what could be done."""

    name: str
    unconfirmed: int
    unchecked: int
    broken_chain: int
    confirmed: int
    advice: tuple[str, ...]

    @property
    def wants_mitigation(self) -> bool:
        """Tell whether Mailman's DMARC mitigations are worth a look."""
        return bool(self.unconfirmed)


@page_of_list("overview")
def show(page: Page) -> HttpResponse:
    """The first page."""
    status = page.get("status")
    days = _days(page.request.GET.get("days", ""))
    problem = status.get("database_problem", "")
    stats = None
    if not problem:
        try:
            stats = page.get("stats", days=days)
        except Trouble as trouble:
            if trouble.status != Trouble.status:
                raise
            problem = str(trouble)
    context = {
        "status": status,
        "state": STATES.get(status.get("state", ""), UNKNOWN),
        "database_problem": problem,
        "days": days,
        "ranges": RANGES,
        "verdicts": VERDICTS,
        **({} if stats is None else _numbers(stats)),
    }
    return page.render("overview", context, Trouble.status if problem else 200)


def _days(given: str) -> int:
    return next((each for each in RANGES if str(each) == given), _USUAL)


def _numbers(stats: Mapping[str, Any]) -> Mapping[str, Any]:
    total = stats["total"]
    return {
        "total": total,
        "since": stats["since"],
        "last_arrived_at": stats.get("last_arrived_at"),
        "last_sealed_at": stats.get("last_sealed_at"),
        "cards": list(_cards(total)),
        "chart": draw(stats["per_day"]),
        "domains": [
            _domain(each) for each in stats.get("domains", []) if _is_odd(each)
        ],
    }


def _cards(total: Mapping[str, int]) -> Iterator[Card]:
    for verdict, word in VERDICTS.items():
        count = total[verdict]
        yield Card(verdict, word, count, round(100 * count / max(total["posts"], 1)))


def _is_odd(domain: Mapping[str, Any]) -> bool:
    """Tell whether there is a problem, and a domain that has it."""
    problems = ("unconfirmed", "unchecked", "broken_chain")
    return bool(domain["author_domain"]) and any(domain[each] for each in problems)


def _domain(told: Mapping[str, Any]) -> Domain:
    return Domain(
        told["author_domain"],
        told["unconfirmed"],
        told["unchecked"],
        told["broken_chain"],
        told["confirmed"],
        tuple(_advice(told)),
    )


def _advice(told: Mapping[str, Any]) -> Iterator[str]:
    if told["unconfirmed"]:
        yield _("Ask its administrator to sign all mail with DKIM.")
    elif told["unchecked"]:
        yield _("Ask its administrator to sign mail with DKIM and to publish DMARC.")
    if told["broken_chain"]:
        yield _("A server on the way changes posts after they were sealed.")
