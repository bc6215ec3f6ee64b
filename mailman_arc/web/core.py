"""What the plugin in Mailman tells, over Mailman's REST API.

A Mailman that does not answer is a `MailmanConnectionError` of mailmanclient,
for which Postorius has a page.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any
from urllib.error import HTTPError
from urllib.parse import quote, urlencode

from django.conf import settings
from django.utils.translation import gettext as _
from django_mailman3.lib.mailman import get_request_hooks
from mailmanclient.restbase.connection import Connection


PATIENCE = 25  # seconds, for a page; web servers give up after 30
HASTE = 3  # seconds, for what is only an addition to somebody else's page

_PLUGIN = "plugins/arc"

Answer = dict[str, Any]


class Trouble(Exception):
    """The plugin could not do it; the text is a sentence for people."""

    status = 503


class NotEnabled(Trouble):
    """Mailman has no such plugin."""


class NotFound(Trouble):
    """There is nothing of this name."""

    status = 404


class Refused(Trouble):
    """What was asked cannot be meant."""

    status = 400


class Plugin:
    """The plugin's part of the REST API; every method raises `Trouble`."""

    def __init__(self, patience: float = PATIENCE) -> None:
        """Wait for each answer so many seconds, and no longer."""
        self._connection = Connection(
            f"{settings.MAILMAN_REST_API_URL}/3.1",
            settings.MAILMAN_REST_API_USER,
            settings.MAILMAN_REST_API_PASS,
            [*get_request_hooks(), _limit(patience)],
        )

    def get(self, *segments: str, **query: str | int) -> Answer:
        """A resource; what is empty in the query is left out."""
        return self._call(_path(segments, query)) or {}

    def change(self, *segments: str, values: Mapping[str, str]) -> None:
        """Change these values of a resource."""
        self._call(_path(segments), dict(values), "PATCH")

    def delete(self, *segments: str) -> None:
        """Remove a resource."""
        self._call(_path(segments), None, "DELETE")

    def run(self, *segments: str) -> Answer:
        """Have something done, and get what came of it."""
        return self._call(_path(segments), {}, "POST") or {}

    def _call(
        self, path: str, data: Mapping[str, str] | None = None, method: str = "GET"
    ) -> Any:
        try:
            return self._connection.call(path, data, method)[1]
        except HTTPError as error:
            raise self._trouble(error) from error

    def _trouble(self, error: HTTPError) -> Trouble:
        sentence = str(error.reason)
        if error.code == Refused.status:
            return Refused(sentence)
        if error.code != NotFound.status:
            return Trouble(sentence)
        try:
            self._connection.call(_PLUGIN)
        except HTTPError:
            return NotEnabled(_("The ARC plugin is not enabled in Mailman."))
        return NotFound(sentence)


def _limit(patience: float) -> Callable[[Answer], Answer]:
    def limit(request: Answer) -> Answer:
        request["timeout"] = patience
        return request

    return limit


def _path(
    segments: tuple[str, ...], query: Mapping[str, str | int] | None = None
) -> str:
    if any(not each.strip(".") for each in segments):
        raise NotFound(_("There is nothing of this name."))  # nor a way up
    path = "/".join((_PLUGIN, *(quote(each, safe="@") for each in segments)))
    wanted = {name: value for name, value in (query or {}).items() if value != ""}
    return f"{path}?{urlencode(wanted)}" if wanted else path
