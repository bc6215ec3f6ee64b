"""Post: what happened to one post, and why."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.http import HttpResponse
from django.urls import reverse
from django.utils.translation import gettext as _, gettext_lazy

from mailman_arc.web.pages import Page, page_of_list
from mailman_arc.web.text import shown
from mailman_arc.web.words import Text, Word, outcome_word, translated, verdict_word


MAX_SHOWN_CHECKS = 50  # of one kind; there are not as many

_SENDER_RESULTS = ("dmarc=pass", "dkim=pass")

_SENTENCES: Mapping[str, Text] = {
    "confirmed": gettext_lazy("The post really comes from %(domain)s."),
    "vouched": gettext_lazy(
        "The signature was broken on the way, but a server checked the post before, "
        "and its seal is intact."
    ),
    "vouched by": gettext_lazy(
        "The signature was broken on the way, but %(sealer)s checked the post before, "
        "and its seal is intact. Receivers that trust %(sealer)s can accept it."
    ),
    "unconfirmed": gettext_lazy(
        "The post says it is from %(domain)s, but that could not be confirmed. This is "
        "often a forwarder or a wrong set-up at the sender, not always a forgery."
    ),
    "unchecked": gettext_lazy(
        "The post could not be checked: %(domain)s has neither signed it nor said how "
        "to check its mail, or the DNS did not answer in time."
    ),
}


@dataclass(frozen=True)
class Check:
    """One thing that was looked at."""

    name: str
    word: Word
    sentence: str
    source: str


@dataclass(frozen=True)
class Hop:
    """A server on the way that sealed the post."""

    instance: str
    sealer: str
    selector: str
    chain_status: str
    sealed_at: str
    authserv_id: str
    recorded: list[str]
    checks: list[Check]
    aar: str


@page_of_list("history")
def show(page: Page, entry_id: str) -> HttpResponse:
    """All that is known of a post."""
    entry = page.get("history", entry_id)
    details = entry.get("details") or {}
    hops = [_hop(each) for each in details.get("hops") or []]
    context = {
        "entry": entry,
        "details": details,
        "word": verdict_word(entry.get("verdict", "")),
        "sentence": _sentence(entry, hops),
        "dmarc": _checks([details["dmarc"]] if details.get("dmarc") else []),
        "dkim": _checks(details.get("dkim") or []),
        "chain": _checks([details["arc"]] if details.get("arc") else []),
        "hops": hops,
        "hops_left_out": details.get("hops_left_out", 0),
        "statements": details.get("statements") or [],
        "remarks": _checks(details.get("remarks") or []),
        "archive_url": _archive_url(page, entry),
    }
    return page.render("post", context)


def _sentence(entry: Mapping[str, Any], hops: Iterable[Hop]) -> str:
    """The one sentence for the list's owner."""
    verdict = entry.get("verdict", "")
    sealer = _voucher(hops)
    if verdict == "vouched" and sealer:
        verdict = "vouched by"
    domain = shown(entry.get("author_domain")) or _("its author's domain")
    sentence = _SENTENCES.get(verdict, _("It is not known how the post arrived."))
    return str(sentence) % {"domain": domain, "sealer": sealer}


def _voucher(hops: Iterable[Hop]) -> str:
    """The first server that recorded the post as confirmed."""
    for hop in hops:
        if any(each.startswith(_SENDER_RESULTS) for each in hop.recorded):
            return shown(hop.sealer)
    return ""


def _hop(told: Mapping[str, Any]) -> Hop:
    return Hop(
        str(told.get("instance", "")),
        told.get("sealer", ""),
        told.get("selector", ""),
        told.get("chain_status", ""),
        told.get("sealed_at", ""),
        told.get("authserv_id", ""),
        list(told.get("recorded") or [])[:MAX_SHOWN_CHECKS],
        _checks(told.get("checks") or []),
        told.get("aar", ""),
    )


def _checks(told: Iterable[Mapping[str, Any]]) -> list[Check]:
    return list(_each_check(told))[:MAX_SHOWN_CHECKS]


def _each_check(told: Iterable[Mapping[str, Any]]) -> Iterator[Check]:
    for each in told:
        yield Check(
            each.get("name", ""),
            outcome_word(each.get("outcome", "")),
            translated(each.get("sentence", "")),
            each.get("source", ""),
        )


def _archive_url(page: Page, entry: Mapping[str, Any]) -> str:
    """Where the archive has the post; empty when it does not."""
    message_id_hash = entry.get("message_id_hash")
    if not message_id_hash or not apps.is_installed("hyperkitty"):
        return ""
    address = page.mailing_list.fqdn_listname
    archived = apps.get_model("hyperkitty", "Email").objects.filter(
        mailinglist__name=address, message_id_hash=message_id_hash
    )
    if not archived.exists():
        return ""
    return reverse(
        "hk_message_index",
        kwargs={"mlist_fqdn": address, "message_id_hash": message_id_hash},
    )
