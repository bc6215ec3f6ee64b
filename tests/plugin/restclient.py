"""Requests to Mailman's REST API, without a server, and what they are answered."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from falcon import testing


BAD = "400 Bad Request"
MISSING = "404 Not Found"
DOWN = "503 Service Unavailable"


@dataclass
class Client:
    """Sends requests in Mailman's name."""

    application: Callable[..., Any]

    def __call__(
        self,
        method: str,
        path: str = "",
        *,
        form: dict[str, Any] | None = None,
        body: object = None,
        version: str = "3.1",
    ) -> testing.Result:
        credentials = base64.b64encode(b"restadmin:restpass").decode()
        headers = {"Authorization": f"Basic {credentials}"}
        if form is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
            octets = urlencode(form, doseq=True)
        else:
            headers["Content-Type"] = "application/json"
            octets = body if isinstance(body, str) else json.dumps(body)
        if form is None and body is None:
            octets = ""
            del headers["Content-Type"]
        path, _, query = path.partition("?")
        result: testing.Result = testing.simulate_request(
            self.application,
            method,
            f"/{version}/plugins/arc/{path}".rstrip("/"),
            query_string=query,
            headers=headers,
            body=octets,
        )
        return result

    def get(self, path: str = "") -> Any:
        """The JSON of an answer that must be one."""
        result = self("GET", path)
        assert result.status_code == 200, result.text
        return result.json

    def refused(self, method: str, path: str, status: str, **sent: Any) -> str:
        """The sentence of a refusal, whose form is Mailman's."""
        result = self(method, path, **sent)
        assert result.status == status
        assert set(result.json) == {"title", "description"}
        assert result.json["title"] == status
        assert "json" in result.headers["content-type"]
        return str(result.json["description"])

    def changed(self, method: str, path: str, **sent: Any) -> None:
        """Send what is to be answered with 204."""
        result = self(method, path, **sent)
        assert (result.status_code, result.text) == (204, "")
