"""What is added to pages that are not ours.

They have no place for it, so that some of it goes into their finished HTML.  A
page that is not as expected stays as it is, and so does one for which the plugin
has no answer in time.
"""

from __future__ import annotations

import base64
import hashlib
import logging
import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import wraps
from typing import Any

from django.template.loader import render_to_string
from django.urls import reverse
from django.utils.html import conditional_escape, format_html
from django.utils.translation import gettext as _
from postorius.auth.utils import set_list_access_props

from mailman_arc.web.core import HASTE, Plugin
from mailman_arc.web.templatetags.mailman_arc import verdict
from mailman_arc.web.words import STATES, UNKNOWN, verdict_word


MAX_HELD = 200  # posts; the most that Postorius shows on a page

_log = logging.getLogger(__name__)

Context = Any


def _has_rights(user: Any) -> bool:
    """Tell whether our pages are for this user, as Postorius has found out."""
    return bool(
        getattr(user, "is_superuser", False)
        or getattr(user, "is_list_owner", False)
        or getattr(user, "is_list_moderator", False)
    )


def _harmless(unchanged: Callable[..., str]) -> Callable[..., Any]:
    """Whatever happens in an addition, the page is shown; without it."""

    def decorate(add: Callable[..., str]) -> Callable[..., str]:
        @wraps(add)
        def attempt(*given: Any) -> str:
            try:
                return add(*given)
            except Exception:  # noqa: BLE001  that page is somebody else's
                _log.warning("%s is left out", add.__name__, exc_info=True)
                return unchanged(*given)

        return attempt

    return decorate


def _nothing(*_given: Any) -> str:
    return ""


def _as_it_is(html: str, _context: Context) -> str:
    return html


# The tab


@_harmless(_as_it_is)
def with_tab(html: str, context: Context) -> str:
    """The tabs of a list, with ours before the one that deletes the list."""
    if not _has_rights(context.get("user")):
        return html
    list_id = context["list"].list_id
    address = conditional_escape(reverse("list_delete", args=[list_id]))
    delete = re.search(rf'(<li\b[^>]*>)\s*<a\s[^>]*href="{re.escape(address)}"', html)
    place = delete.start() if delete else html.rfind("</ul>")
    if place < 0:
        return html
    is_current = context.get("current") == "arc"
    tab = format_html(
        '<a href="{}" class="nav-link{}"{}>ARC</a></li>\n',
        reverse("arc_overview", args=[list_id]),
        " active" if is_current else "",
        format_html(' aria-current="page"') if is_current else "",
    )
    item = delete[1] if delete else '<li class="nav-item">'
    return f"{html[:place]}{item}{tab}{html[place:]}"


# The first page of a list


@_harmless(_nothing)
def list_panel(context: Context) -> str:
    """How it stands with sealing, for those who may see our pages."""
    if not _has_rights(context["user"]):
        return ""
    list_id = context["list"].list_id
    status = Plugin(HASTE).get("lists", list_id, "status")
    return render_to_string(
        "mailman_arc/list_panel.html",
        {
            "list_id": list_id,
            "status": status,
            "state": STATES.get(status["state"], UNKNOWN),
        },
    )


# A post in the archive


@_harmless(_nothing)
def message_panel(context: Context) -> str:
    """What is known of a post, for those who may see our pages."""
    user, archive = context["request"].user, context["mlist"]
    if not (user.is_authenticated and _may_see(user, archive)):
        return ""
    history = Plugin(HASTE).get(
        *("lists", archive.list_id, "history"),
        message_id_hash=context["message"].message_id_hash,
        count=1,
        page=1,
    )
    for entry in history.get("entries") or []:
        return render_to_string(
            "mailman_arc/message_panel.html",
            {
                "list_id": archive.list_id,
                "entry": entry,
                "word": verdict_word(entry["verdict"]),
            },
        )
    return ""


def _may_see(user: Any, archive: Any) -> bool:
    """Ask Mailman, and only about those whom the archive takes for an owner.

    The archive never forgets one, and asking takes several requests.
    """
    if user.is_superuser:
        return True
    roles = (archive.owners, archive.moderators)
    if not any(role.filter(pk=user.pk).exists() for role in roles):
        return False
    set_list_access_props(user, archive.list_id)
    return _has_rights(user)


# Held messages


@_harmless(_as_it_is)
def with_verdicts(html: str, context: Context) -> str:
    """The table of held messages, with a verdict below each subject."""
    held = list(context["held_messages"])
    if not held:
        return html
    list_id = context["list"].list_id
    found = _held_posts(list_id, held)
    for message in held:
        entry = found.get(_message_id_hash(message.message_id))
        at = html.find(f'data-msgid="{message.request_id}"')
        end = html.find("</td>", at)
        if entry is not None and 0 <= at < end:
            html = f"{html[:end]}{_link(list_id, entry)}{html[end:]}"
    return html


def _held_posts(list_id: str, held: list[Any]) -> Mapping[str, Mapping[str, Any]]:
    """The posts of this list that were held since the first of these."""
    first = min(datetime.fromisoformat(each.hold_date) for each in held)
    since = (first.replace(tzinfo=None) - timedelta(days=1)).isoformat()
    told = Plugin(HASTE).get(
        *("lists", list_id, "history"),
        disposition="held",
        since=since,
        count=MAX_HELD,
        page=1,
    )
    return {each["message_id_hash"]: each for each in told.get("entries") or []}


def _message_id_hash(message_id: str) -> str:
    """The Message-ID-Hash that Mailman gives to a Message-ID."""
    text = message_id.strip()
    if text.startswith("<") and text.endswith(">"):
        text = text[1:-1]
    octets = text.encode("utf-8", "surrogateescape")
    digest = hashlib.sha1(octets, usedforsecurity=False).digest()
    return base64.b32encode(digest).decode("ascii")


def _link(list_id: str, entry: Mapping[str, Any]) -> str:
    return format_html(
        '<div><a class="text-reset" href="{}" title="{}">{}</a></div>',
        reverse("arc_post", args=[list_id, entry["entry_id"]]),
        _("How this post arrived"),
        verdict(entry["verdict"]),
    )
