"""What all pages have in common: who may see them, and what is shown in trouble."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import render
from postorius.auth.decorators import (
    list_moderator_required,
    list_owner_required,
    superuser_required,
)
from postorius.models import List

from mailman_arc.web.core import NotFound, Plugin, Trouble


View = Callable[..., HttpResponseBase]


class Page:
    """A page about a list, for somebody who may see it.

    `list_id` is that of Mailman's answer, for the list whose rights were checked.
    """

    def __init__(self, request: HttpRequest, mailing_list: Any, current: str) -> None:
        self.request = request
        self.mailing_list = mailing_list
        self.list_id: str = mailing_list.list_id
        self.plugin = Plugin()
        self._current = current

    @property
    def is_for_owner(self) -> bool:
        """Tell whether the visitor may change the list."""
        user = self.request.user
        return bool(user.is_superuser or getattr(user, "is_list_owner", False))

    def get(self, *segments: str, **query: str | int) -> dict[str, Any]:
        """What the plugin tells of the list; raises `Trouble`."""
        return self.plugin.get("lists", self.list_id, *segments, **query)

    def render(
        self, template: str, context: Mapping[str, Any], status: int = 200
    ) -> HttpResponse:
        """The page."""
        return render(
            self.request,
            f"mailman_arc/{template}.html",
            {
                "list": self.mailing_list,
                "current": self._current,
                "is_owner": self.is_for_owner,
                **context,
            },
            status=status,
        )

    def trouble(self, trouble: Trouble) -> HttpResponse:
        """The page, with nothing but what is wrong."""
        return self.render(
            "trouble",
            {"sentence": str(trouble), "is_missing": isinstance(trouble, NotFound)},
            trouble.status,
        )


def page_of_list(current: str, *, for_owners: bool = False) -> Callable[[View], View]:
    """Make a page from a function of `Page` and what else is in the address.

    Moderators see it, or owners only; others get 403, and strangers the login.
    """
    required = list_owner_required if for_owners else list_moderator_required

    def decorate(view: View) -> View:
        @wraps(view)
        def show(
            request: HttpRequest, *, list_id: str, **others: str
        ) -> HttpResponseBase:
            mailing_list = List.objects.get_or_404(fqdn_listname=list_id)
            page = Page(request, mailing_list, current)
            try:
                return view(page, **others)
            except Trouble as trouble:
                return page.trouble(trouble)

        shown: View = login_required(required(show))
        return shown

    return decorate


def page_of_site(view: View) -> View:
    """Make a page from a function of a request and a `Plugin`, for superusers."""

    @wraps(view)
    def show(request: HttpRequest) -> HttpResponseBase:
        try:
            return view(request, Plugin())
        except Trouble as trouble:
            return render(
                request,
                "mailman_arc/trouble_of_site.html",
                {"sentence": str(trouble)},
                status=trouble.status,
            )

    shown: View = login_required(superuser_required(show))
    return shown


def number_given(text: str, usual: int, most: int) -> int:
    """A number from 1 to `most` of a query; `usual` when it is none."""
    if not (text.isascii() and text.isdigit()):
        return usual
    return min(max(int(text[:9]), 1), most)
