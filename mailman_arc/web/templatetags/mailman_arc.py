"""How things are shown: texts of strangers, times, verdicts, results."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from django import template
from django.utils.formats import date_format
from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.timezone import localtime
from django.utils.translation import gettext as _

from mailman_arc.web import words
from mailman_arc.web.text import MAX_RAW, shown


register = template.Library()

register.filter("shown", shown)
register.filter("translated", words.translated)
register.filter("reasons", words.reasons)
register.filter("disposition", words.disposition_label)


@register.filter
def stranger(text: object) -> SafeString:
    """A stranger's text, which may be written from right to left."""
    return format_html("<bdi>{}</bdi>", shown(text))


@register.filter
def sender(entry: Mapping[str, Any]) -> SafeString:
    """Who wrote a post, as far as that is kept."""
    return stranger(entry.get("author") or entry.get("author_domain"))


@register.filter
def raw(text: object) -> str:
    """A header field; longer than others, and still cut."""
    return shown(text, MAX_RAW)


@register.filter
def when(text: str | None) -> SafeString | str:
    """A time as the plugin tells it (UTC, without a zone) in the visitor's zone."""
    return _time(text, "DATETIME_FORMAT")


@register.filter
def when_short(text: str | None) -> SafeString | str:
    """The same, for narrow columns."""
    return _time(text, "SHORT_DATETIME_FORMAT")


def _time(text: str | None, form: str) -> SafeString | str:
    if not text:
        return words.NOTHING
    try:
        moment = datetime.fromisoformat(text).replace(tzinfo=UTC)
        local = date_format(localtime(moment), form)
    except (ValueError, OverflowError):
        return shown(text)
    machine = f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    return format_html('<time datetime="{}">{}</time>', machine, local)


@register.filter
def word(found: words.Word) -> SafeString:
    """A word with its sign, in a frame; the styles of Bootstrap 4 and 5 will do."""
    return format_html(
        '<span class="arc-word arc-{} border rounded px-1 text-nowrap">'
        '<span aria-hidden="true">{}</span> {}</span>',
        found.tone,
        found.icon,
        found.label,
    )


@register.filter
def verdict(text: str) -> SafeString:
    """A verdict of the plugin."""
    return word(words.verdict_word(text))


@register.filter
def result(text: str, method: str = "") -> SafeString:
    """A result of RFC 8601; with the method before it where no column says so."""
    if not text:
        return format_html(
            '<span aria-hidden="true">{}</span><span class="sr-only">{}</span>',
            words.NOTHING,
            _("none"),
        )
    found = words.result_word(shown(text, 20))
    name = f"{method}={found.label}" if method else found.label
    return word(words.Word(name, found.icon, found.tone))


@register.filter
def severity(text: str) -> SafeString:
    """How bad it is what the doctor says."""
    return word(words.SEVERITIES.get(text, words.UNKNOWN))


@register.filter
def key_state(text: str) -> words.Text:
    """How far a key has come."""
    return words.KEY_STATES.get(text, shown(text))


@register.filter
def sealed(entry: Mapping[str, Any]) -> SafeString:
    """Whether a post has left with a seal."""
    is_sealed = entry.get("sealed")
    if is_sealed is None:
        return word(words.Word(_("Has not left"), "…", "plain"))
    if not is_sealed:
        return word(words.Word(_("Not sealed"), words.NOTHING, "plain"))
    number = entry.get("seal_instance")
    name = _("Sealed") if number is None else f"{_('Sealed')} i={shown(number, 10)}"
    return word(words.Word(name, "✔", "good"))


@register.simple_tag(takes_context=True)
def query(context: Mapping[str, Any], **changes: object) -> str:
    """The query of this page with something changed; what is empty is left out."""
    wanted = context["request"].GET.copy()
    for name, value in changes.items():
        wanted.pop(name, None)
        if value not in ("", None):
            wanted[name] = str(value)
    return f"?{wanted.urlencode()}"
