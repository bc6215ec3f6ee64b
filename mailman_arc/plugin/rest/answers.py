"""How requests are answered: the same forms, words and statuses as Mailman's own.

Mailman leaves no traceback in its logs when REST fails, so nothing that is
raised here reaches it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import wraps
from typing import Any
from urllib.parse import quote

import falcon
from mailman.core.api import API31
from mailman.rest.helpers import (
    CONTENT_TYPE_JSON,
    etag,
    get_request_params,
    no_content,
    okay,
)

from mailman_arc.plugin import wiring
from mailman_arc.plugin.seams import degrade
from mailman_arc.plugin.wiring import Services


Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Text:
    """An answer that is not JSON."""

    text: str
    content_type: str


Answer = Callable[[Any, falcon.Request], Body | Text | None]
Responder = Callable[[Any, falcon.Request, falcon.Response], None]


def answering(answer: Answer) -> Responder:
    """A responder that answers with a body or a text, or with none: 204.

    A `falcon.HTTPError` is a refusal.  Anything else that is raised is logged,
    and the answer is 500.
    """

    @wraps(answer)
    def respond(
        resource: Any, request: falcon.Request, response: falcon.Response
    ) -> None:
        with degrade(f"REST {request.method} {request.path!r}"):
            try:
                body = answer(resource, request)
                if body is None:
                    no_content(response)
                elif isinstance(body, Text):
                    response.content_type = body.content_type
                    response.text = body.text
                else:
                    okay(response, etag(body))
            except falcon.HTTPError as error:
                _refuse(response, error)
            return
        failed = "an unexpected error; plugins.log has its traceback"
        _refuse(response, refusal(falcon.HTTP_500, failed))

    return respond


def _refuse(response: falcon.Response, error: falcon.HTTPError) -> None:
    response.status = error.status
    response.content_type = CONTENT_TYPE_JSON
    response.text = error.to_json().decode()


def refusal(status: str, sentence: str) -> falcon.HTTPError:
    """An error to raise; `status` is one of falcon's, such as `HTTP_404`."""
    return falcon.HTTPError(status, description=sentence)


def bad_request(sentence: str) -> falcon.HTTPError:
    """An error to raise: the request cannot be meant."""
    return refusal(falcon.HTTP_400, sentence)


def not_found(sentence: str) -> falcon.HTTPError:
    """An error to raise: there is nothing of this name."""
    return refusal(falcon.HTTP_404, sentence)


def unavailable(sentence: str) -> falcon.HTTPError:
    """An error to raise: it might work later."""
    return refusal(falcon.HTTP_503, sentence)


def refuse_parameters(request: falcon.Request, known: Iterable[str] = ()) -> None:
    """Refuse parameters of the query, or of a form, that mean nothing here."""
    unknown = sorted(set(request.params) - set(known))
    if unknown:
        raise bad_request(f"Unexpected parameters: {', '.join(unknown)}")


def given_values(request: falcon.Request) -> Mapping[str, object]:
    """The values of a form or of a JSON object."""
    given: object = get_request_params(request)
    if not isinstance(given, dict):
        raise bad_request("The body is not a JSON object")
    if given is not request.params:
        refuse_parameters(request)
    return given


def usable_services() -> Services:
    """The services of this process; a refusal while `arc.cfg` cannot be used."""
    services = wiring.services()
    if services is None:
        raise unavailable("arc.cfg cannot be used; plugins.log says why")
    return services


def link(*segments: str) -> str:
    """The address of one of our resources."""
    path = "/".join(quote(each, safe="@") for each in segments)
    return str(API31.path_to(f"plugins/{wiring.section()}/{path}".rstrip("/")))


def with_etags(entries: Iterable[Mapping[str, Any]]) -> list[Body]:
    """The entries of a collection, each with its `http_etag`."""
    tagged = [dict(entry) for entry in entries]
    for entry in tagged:
        etag(entry)
    return tagged
