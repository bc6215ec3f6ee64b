"""A Mailman that has one list and a plugin, as far as its REST API shows that.

It answers over HTTP, in the forms of Mailman and of `mailman_arc.plugin.rest`;
`tests/e2e_web` has the real ones.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tests.web import told


JSON = dict[str, Any]


class Refusal(Exception):
    """An answer other than 2xx."""

    def __init__(self, status: int, sentence: str = "") -> None:
        super().__init__(sentence)
        self.status = status


@dataclass
class FakeCore:
    """What it knows, and what it was asked."""

    owners: tuple[str, ...] = ("olivia@example.org",)
    moderators: tuple[str, ...] = ("mo@example.org",)
    has_plugin: bool = True
    database_problem: str = ""
    status: JSON = field(default_factory=told.status)
    stats: JSON = field(default_factory=told.stats)
    entries: list[JSON] = field(default_factory=lambda: [told.entry()])
    is_complete: bool = True
    settings: JSON = field(default_factory=told.settings)
    refused: str = ""
    keys: list[JSON] = field(default_factory=lambda: [told.key()])
    unreadable: bool = False  # each single key
    found: JSON = field(default_factory=told.found)
    doctor: JSON | None = None
    held: list[JSON] = field(default_factory=list)
    asked: list[tuple[str, str, JSON]] = field(default_factory=list)
    url: str = ""

    def queries(self, path: str) -> list[JSON]:
        """The parameters with which this was read."""
        return [
            given for method, at, given in self.asked if (method, at) == ("GET", path)
        ]

    def writes(self) -> list[tuple[str, str, JSON]]:
        """What was asked of the plugin but to read."""
        return [
            each for each in self.asked if each[0] != "GET" and "/plugins/" in each[1]
        ]

    def answer(self, method: str, path: str, given: JSON) -> JSON | None:
        """What Mailman says."""
        self.asked.append((method, path, given))
        match path.strip("/").split("/"):
            case ["3.1", "plugins", "arc", *below]:
                if not self.has_plugin:
                    raise Refusal(404)
                return self._plugin(method, below, given)
            case ["3.1", "lists", told.LIST_ID | told.ADDRESS, *below]:
                return self._list(below, given)
            case ["3.1", "users", _, "preferred_address"] | ["3.1", "addresses", _]:
                return told.address("olivia@example.org")
            case ["3.1", "users", _]:
                return told.user()
            case ["3.1", "users", _, "addresses"] | ["3.1", "members", "find"]:
                return told.collection([], given)
            case ["3.1", "system", *_]:
                return {"mailman_version": "GNU Mailman", "python_version": "3"}
            case ["3.1", "queues"]:
                return {"start": 0, "total_size": 0, "entries": []}
        raise Refusal(404)

    def _list(self, below: list[str], given: JSON) -> JSON:
        match below:
            case []:
                return told.mailing_list()
            case ["config"]:
                return told.list_config()
            case ["roster", role]:
                people = {"owner": self.owners, "moderator": self.moderators}
                return told.roster(people.get(role, ()))
            case ["archivers"]:
                return {"hyperkitty": True, "http_etag": '"x"'}
            case ["requests"]:
                return told.collection([], given)
            case ["held"]:
                return told.collection(self.held, given)
            case ["held" | "requests", "count"]:
                return {"count": len(self.held)}
        raise Refusal(404)

    def _plugin(self, method: str, below: list[str], given: JSON) -> JSON | None:
        match below:
            case []:
                return {"name": "arc"}
            case ["keys"]:
                return told.collection(self.keys, given)
            case ["keys", domain, selector]:
                return self._key(domain, selector)
            case ["keys", _, _, "check"] if method == "POST":
                return self.found
            case ["doctor"] if self.doctor is not None:
                return self.doctor
            case ["lists", told.LIST_ID, *of_list]:
                return self._of_list(method, of_list, given)
        raise Refusal(404)

    def _key(self, domain: str, selector: str) -> JSON:
        if self.unreadable:
            raise Refusal(503, "keys cannot be read")
        for each in self.keys:
            if (each["domain"], each["selector"]) == (domain, selector):
                return {**each, "record": "v=DKIM1; p=ABC", "record_name": "s2026a"}
        raise Refusal(404, "No such key")

    def _of_list(self, method: str, below: list[str], given: JSON) -> JSON | None:
        match below:
            case []:
                return self.settings
            case ["config"] | ["config", _] if method != "GET":
                if self.database_problem:
                    raise Refusal(503, self.database_problem)
                if self.refused:
                    raise Refusal(400, self.refused)
                return None
            case ["status"]:
                return self.status
            case _ if self.database_problem:
                raise Refusal(503, self.database_problem)
            case ["stats"]:
                return self.stats
            case ["history", *entry]:
                return self._history(entry, given)
        raise Refusal(404)

    def _history(self, below: list[str], given: JSON) -> JSON:
        match below:
            case []:
                found = told.collection(list(self._found(given)), given)
                more = {} if self.is_complete else {"searched_since": told.ARRIVED}
                return {**found, "is_complete": self.is_complete, **more}
            case [number]:
                for each in self.entries:
                    if each["entry_id"] == number:
                        return each
        raise Refusal(404, "No such entry")

    def _found(self, given: JSON) -> Iterator[JSON]:
        names = ("verdict", "disposition", "message_id_hash", "dkim")
        wanted = {name: given[name] for name in names if name in given}
        for each in self.entries:
            if all(each[name] == value for name, value in wanted.items()):
                yield {
                    name: value
                    for name, value in each.items()
                    if name not in ("results", "details")
                }


@contextmanager
def running(core: FakeCore) -> Iterator[FakeCore]:
    """Let it answer on a free port."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _do(self) -> None:
            parts = urlsplit(self.path)
            length = int(self.headers.get("content-length") or 0)
            text = self.rfile.read(length).decode()
            pairs = [*parse_qsl(parts.query), *parse_qsl(text, keep_blank_values=True)]
            try:
                body = core.answer(self.command, unquote(parts.path), dict(pairs))
                self._send(204 if body is None else 200, body)
            except Refusal as refusal:
                told = {"title": f"{refusal.status}"}
                if str(refusal):
                    told["description"] = str(refusal)
                self._send(refusal.status, told)

        def _send(self, status: int, body: JSON | None) -> None:
            octets = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(octets)))
            self.end_headers()
            self.wfile.write(octets)

        do_GET = do_POST = do_PATCH = do_DELETE = _do  # noqa: N815

        def log_message(self, *_given: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    core.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield core
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
