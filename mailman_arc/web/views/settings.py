"""Settings: what holds for a list, where it comes from, and what it has of its own."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpResponse, HttpResponseRedirect
from django.urls import reverse
from django.utils.translation import gettext as _

from mailman_arc.web.core import NotEnabled, Trouble
from mailman_arc.web.forms import SettingsForm
from mailman_arc.web.pages import Page, page_of_list


@page_of_list("settings", for_owners=True)
def show(page: Page) -> HttpResponse:
    """The form, or what became of it."""
    told = page.get()
    form = SettingsForm(told, page.request.POST or None)
    status = 200
    if page.request.method == "POST" and form.is_valid():
        try:
            _save(page, form)
        except NotEnabled:
            raise
        except Trouble as trouble:
            form.refuse(str(trouble))
            status = trouble.status
        else:
            messages.success(page.request, _("The settings have been updated."))
            return HttpResponseRedirect(reverse("arc_settings", args=[page.list_id]))
    context = {"form": form, "told": told, "status": page.get("status")}
    return page.render("settings", context, status)


def _save(page: Page, form: SettingsForm) -> None:
    """Set what is set, which may be refused, before anything is inherited again."""
    changes = form.changes()
    values = {name: value for name, value in changes.items() if value is not None}
    config = ("lists", page.list_id, "config")
    if values:
        page.plugin.change(*config, values=values)
    for name in changes.keys() - values.keys():
        page.plugin.delete(*config, name)
