"""A small client for Mailman's REST API."""

from __future__ import annotations

import base64
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

from tests.house.waiting import PATIENCE


Fields = Mapping[str, str | list[str]]


class RestError(Exception):
    """Mailman refused a request."""

    def __init__(self, request: str, status: int, body: str) -> None:
        super().__init__(f"{request}: {status} {body}")
        self.status = status
        self.body = body


class RestClient:
    """Asks one Mailman; paths are relative to its API version."""

    def __init__(self, base: str, user: str, password: str) -> None:
        self.base = base
        self.user = user
        self.password = password

    def get(self, path: str) -> Any:
        """The answer's JSON; None where there is none."""
        return self.call("GET", path)

    def post(self, path: str, fields: Fields) -> Any:
        return self.call("POST", path, fields)

    def put(self, path: str, fields: Fields) -> Any:
        return self.call("PUT", path, fields)

    def patch(self, path: str, fields: Fields) -> Any:
        return self.call("PATCH", path, fields)

    def delete(self, path: str) -> Any:
        return self.call("DELETE", path)

    def call(self, method: str, path: str, fields: Fields | None = None) -> Any:
        """Send a request; a status of 400 or more is a `RestError`."""
        data = None
        if fields is not None:
            data = urllib.parse.urlencode(fields, doseq=True).encode()
        request = urllib.request.Request(
            f"{self.base}/{path.lstrip('/')}", data, method=method
        )
        credentials = f"{self.user}:{self.password}".encode()
        request.add_header(
            "Authorization", f"Basic {base64.b64encode(credentials).decode()}"
        )
        try:
            with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
                body = answer.read()
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            raise RestError(f"{method} {path}", error.code, text) from None
        return json.loads(body) if body else None
