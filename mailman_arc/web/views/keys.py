"""Keys and DNS: what the administrator of the site wants to know of all keys."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render
from django.urls import reverse
from django.utils.translation import gettext as _

from mailman_arc.web.core import NotFound, Plugin, Trouble
from mailman_arc.web.pages import number_given, page_of_site
from mailman_arc.web.text import shown


COUNT = 25  # keys on a page


@page_of_site
def show(request: HttpRequest, plugin: Plugin) -> HttpResponse:
    """The keys; a form asks the DNS for one of them."""
    if request.method == "POST":
        _ask(request, plugin)
        return HttpResponseRedirect(reverse("arc_keys"))
    page = number_given(request.GET.get("page", ""), 1, 10**6)
    told = plugin.get("keys", count=COUNT, page=page)
    is_asked = "doctor" in request.GET
    context = {
        "keys": [_with_record(plugin, each) for each in told.get("entries") or []],
        "page": page,
        "more": page + 1 if page * COUNT < told["total_size"] else 0,
        "less": page - 1,
        "is_asked": is_asked,
        "checks": _doctor(plugin) if is_asked else None,
    }
    return render(request, "mailman_arc/keys.html", context)


def _with_record(plugin: Plugin, key: Mapping[str, Any]) -> Mapping[str, Any]:
    try:
        return plugin.get("keys", key["domain"], key["selector"])
    except Trouble:
        return key


def _ask(request: HttpRequest, plugin: Plugin) -> None:
    domain = request.POST.get("domain", "")
    selector = request.POST.get("selector", "")
    try:
        told = plugin.run("keys", domain, selector, "check")
    except Trouble as trouble:
        messages.error(request, shown(trouble))
        return
    found = shown(told["found"])
    if told.get("detail"):
        found = f"{found} ({shown(told['detail'])})"
    words = {"name": shown(told["record_name"]), "found": found}
    if told["found"] == "shown":
        messages.success(request, _("The DNS shows the key at %(name)s.") % words)
    else:
        messages.warning(
            request, _("The DNS does not show the key at %(name)s: %(found)s") % words
        )


def _doctor(plugin: Plugin) -> list[Mapping[str, Any]] | None:
    """What is wrong with the site; None when the plugin cannot say."""
    try:
        return list(plugin.get("doctor")["checks"])
    except NotFound:
        return None
