"""A mail server that takes everything and keeps it octet for octet."""

from __future__ import annotations

import contextlib
import re
import socketserver
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from types import TracebackType
from typing import Self

from tests.house.waiting import PATIENCE, wait_until


EXTENSIONS = ("8BITMIME", "SMTPUTF8", "SIZE 52428800")


class At(StrEnum):
    """Where in a transaction the sink is to refuse."""

    SENDER = "MAIL"
    RECIPIENT = "RCPT"
    DATA = "DATA"
    END_OF_DATA = "."


@dataclass(frozen=True, slots=True)
class Delivery:
    """One message as it came, with its envelope.

    `octets` are those of the wire, with the transparency dots removed (RFC
    5321 §4.5.2) and nothing else changed.
    """

    sender: str
    recipients: tuple[str, ...]
    octets: bytes
    options: tuple[str, ...] = ()

    def fields(self, name: str) -> list[bytes]:
        """The header fields of this name, top to bottom, without final CRLF."""
        header = b"\r\n" + self.octets.partition(b"\r\n\r\n")[0]
        found = re.findall(
            rb"\r\n(%b[ \t]*:[^\r\n]*(?:\r\n[ \t][^\r\n]*)*)"
            % re.escape(name.encode()),
            header,
            re.IGNORECASE,
        )
        return list(found)

    @property
    def message_id(self) -> str:
        """What is in the first Message-ID field, angle brackets included."""
        for found in self.fields("Message-ID"):
            return found.partition(b":")[2].strip().decode(errors="replace")
        return ""


@dataclass(slots=True)
class _Refusal:
    at: At
    reply: str
    times: int | None
    recipient: str | None


class Sink:
    """The SMTP server; use it as a context manager.

    `extensions` may be changed at any time, for instance to `()`.
    """

    def __init__(self, extensions: Iterable[str] = EXTENSIONS) -> None:
        self.extensions = tuple(extensions)
        self._deliveries: list[Delivery] = []
        self._refusals: list[_Refusal] = []
        self._lock = threading.Lock()
        self._server = _Server(("127.0.0.1", 0), _Session)
        self._server.sink = self
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def deliveries(self) -> list[Delivery]:
        """What has come so far, oldest first."""
        with self._lock:
            return list(self._deliveries)

    def clear(self) -> None:
        """Forget what has come, and what was to be refused."""
        with self._lock:
            self._deliveries.clear()
            self._refusals.clear()

    def refuse(
        self,
        at: At,
        reply: str,
        times: int | None = None,
        recipient: str | None = None,
    ) -> None:
        """Answer with `reply` there, `times` times (None: until `accept`)."""
        with self._lock:
            self._refusals.append(_Refusal(at, reply, times, recipient))

    def accept(self) -> None:
        """Refuse nothing any more."""
        with self._lock:
            self._refusals.clear()

    def wait_for(self, count: int, timeout: float = PATIENCE) -> list[Delivery]:
        """Wait until at least so many messages have come; answers with all."""
        return wait_until(
            lambda: found if len(found := self.deliveries) >= count else [],
            timeout,
            f"{count} messages at the sink",
            lambda: f"there are {len(self.deliveries)}",
        )

    def wait_for_copies(
        self, message_id: str, recipients: int, timeout: float = PATIENCE
    ) -> list[Delivery]:
        """Wait until a post has come for so many recipients; its copies."""

        def copies() -> list[Delivery]:
            found = [d for d in self.deliveries if d.message_id == message_id]
            return found if sum(len(d.recipients) for d in found) >= recipients else []

        return wait_until(
            copies,
            timeout,
            f"{message_id} for {recipients} recipients at the sink",
            lambda: "\n".join(
                f"{d.message_id} for {', '.join(d.recipients)}" for d in self.deliveries
            ),
        )

    def keep(self, delivery: Delivery) -> None:
        """Add a message, as its own server does."""
        with self._lock:
            self._deliveries.append(delivery)

    def refusal(self, at: At, recipient: str | None = None) -> str | None:
        """What to answer here instead of yes; counts."""
        with self._lock:
            for refusal in self._refusals:
                if refusal.at is not at or refusal.times == 0:
                    continue
                if refusal.recipient in (None, recipient):
                    if refusal.times is not None:
                        refusal.times -= 1
                    return refusal.reply
        return None


@dataclass(slots=True)
class _Transaction:
    sender: str
    options: tuple[str, ...]
    recipients: list[str] = field(default_factory=list)


class _Server(socketserver.ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    sink: Sink


class _Session(socketserver.StreamRequestHandler):
    """One connection; RFC 5321, as much as a client that behaves needs."""

    server: _Server

    def handle(self) -> None:
        self._transaction: _Transaction | None = None
        with contextlib.suppress(ConnectionError):
            self._say("220 sink.example ESMTP")
            while line := self.rfile.readline():
                verb, _, rest = line.decode("utf-8", "replace").strip().partition(" ")
                if verb.upper() == "QUIT":
                    self._say("221 2.0.0 bye")
                    return
                self._command(verb.upper(), rest)

    def _command(self, verb: str, rest: str) -> None:
        match verb:
            case "EHLO":
                self._transaction = None
                self._say("250", "sink.example", *self.server.sink.extensions)
            case "HELO" | "RSET":
                self._transaction = None
                self._say("250 2.0.0 ok")
            case "NOOP":
                self._say("250 2.0.0 ok")
            case "MAIL":
                self._say(self._mail(rest))
            case "RCPT":
                self._say(self._recipient(rest))
            case "DATA":
                self._say(self._data())
            case _:
                self._say("502 5.5.1 not implemented")

    def _mail(self, rest: str) -> str:
        if reply := self.server.sink.refusal(At.SENDER):
            return reply
        options = tuple(rest.partition(">")[2].split())
        self._transaction = _Transaction(_address(rest), options)
        return "250 2.1.0 ok"

    def _recipient(self, rest: str) -> str:
        address = _address(rest)
        if self._transaction is None:
            return "503 5.5.1 MAIL first"
        if reply := self.server.sink.refusal(At.RECIPIENT, address):
            return reply
        self._transaction.recipients.append(address)
        return "250 2.1.5 ok"

    def _data(self) -> str:
        if (mail := self._transaction) is None or not mail.recipients:
            return "503 5.5.1 MAIL and RCPT first"
        if reply := self.server.sink.refusal(At.DATA):
            return reply
        self._say("354 go on, end with a dot")
        octets = self._read_message()
        self._transaction = None
        if reply := self.server.sink.refusal(At.END_OF_DATA):
            return reply
        self.server.sink.keep(
            Delivery(mail.sender, tuple(mail.recipients), octets, mail.options)
        )
        return "250 2.0.0 ok"

    def _read_message(self) -> bytes:
        kept: list[bytes] = []
        line_begins = True  # only CRLF ends a line (RFC 5321 §2.3.8)
        while piece := self.rfile.readline():
            if line_begins and piece == b".\r\n":
                return b"".join(kept)
            kept.append(piece[line_begins and piece.startswith(b".") :])
            line_begins = piece.endswith(b"\r\n")
        raise ConnectionError("the client went away in the middle of a message")

    def _say(self, reply: str, *lines: str) -> None:
        if lines:
            *first, last = lines
            reply = "".join(f"{reply}-{line}\r\n" for line in first) + f"{reply} {last}"
        self.wfile.write(reply.encode() + b"\r\n")


def _address(rest: str) -> str:
    match = re.search(r"<([^>]*)>", rest)
    return match[1] if match else rest.partition(":")[2].strip()
