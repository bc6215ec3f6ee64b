"""Many questions to one name server over one UDP socket."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from dataclasses import dataclass

import dns.exception
import dns.flags
import dns.message


class ServerLine:
    """One UDP socket connected to one server, shared by a batch.

    The kernel drops what comes from elsewhere and picks a port nobody can guess
    (RFC 5452 §9.2); the random id and the question must match besides.
    """

    def __init__(self, server: str, port: int) -> None:
        # A host name would have to be resolved first, by the very DNS.
        version = ipaddress.ip_address(server).version
        family = socket.AF_INET6 if version == 6 else socket.AF_INET
        self._loop = asyncio.get_running_loop()
        self._waiting: dict[int, _Waiting] = {}
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            self._socket.connect((server, port))
        except OSError:
            self._socket.close()
            raise
        self._loop.add_reader(self._socket, self._receive)

    async def ask(self, query: dns.message.Message) -> dns.message.Message:
        """Send a query and wait for its reply, however long that takes.

        Raises `OSError` when the network says that it cannot be had.
        """
        while query.id in self._waiting:
            query.id = (query.id + 1) % 0x10000
        waiting = _Waiting(query, self._loop.create_future())
        self._waiting[query.id] = waiting
        try:
            await self._loop.sock_sendall(self._socket, query.to_wire())
            return await waiting.reply
        finally:
            del self._waiting[query.id]

    def close(self) -> None:
        """Give the socket back."""
        self._loop.remove_reader(self._socket)
        self._socket.close()

    def _receive(self) -> None:
        try:
            wire = self._socket.recv(0x10000)
        except (BlockingIOError, InterruptedError):
            return
        except OSError as error:
            # An ICMP message, say "port unreachable", concerns all of them.
            for waiting in self._waiting.values():
                if not waiting.reply.done():
                    waiting.reply.set_exception(error)
            return
        waiting_for_it = self._waiting.get(int.from_bytes(wire[:2], "big"))
        if waiting_for_it is not None:
            waiting_for_it.take(wire)


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A question under way."""

    query: dns.message.Message
    reply: asyncio.Future[dns.message.Message]

    def take(self, wire: bytes) -> None:
        """Accept the reply to this question; drop all else, it may be forged."""
        # What follows the question may be cut off anywhere if TC is set.
        truncated = bool(int.from_bytes(wire[2:4], "big") & dns.flags.TC)
        try:
            reply = dns.message.from_wire(wire, question_only=truncated)
        except (dns.exception.DNSException, ValueError, LookupError):
            return
        if self.query.is_response(reply) and not self.reply.done():
            self.reply.set_result(reply)
