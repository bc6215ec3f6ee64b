"""An authoritative DNS server inside the test process, on a loopback port.

It behaves as a real one does: UDP and TCP on one port, EDNS, truncation, CNAMEs,
wildcards, NXDOMAIN and NODATA with the SOA.  And it misbehaves when asked to:
names that never answer, names that answer SERVFAIL, a server that is dead.
Everything may be changed while it runs.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Coroutine, Iterable, Mapping
from typing import NamedTuple, Self

import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rrset

from mailman_arc.adapters.zonefile import parse_records


MAX_ALIASES = 8
MAX_STRING = 255  # octets of one character-string, RFC 1035 §3.3

# For negative answers where the zone has no SOA of its own.
_ROOT_SOA = dns.rrset.from_text(
    ".", 60, "IN", "SOA", "ns.invalid. hostmaster.invalid. 1 3600 600 86400 60"
)

# A master file, or TXT records (one text or several) by name.
ZoneText = str | Mapping[str, str | Iterable[str]]
_Zone = dict[dns.name.Name, dict[dns.rdatatype.RdataType, dns.rrset.RRset]]


class Query(NamedTuple):
    """A question as it came in."""

    name: str  # lower case, without the final dot
    rdtype: str
    over: str  # "udp" or "tcp"


class DnsServer:
    """Serves a zone until the context ends."""

    def __init__(self, zone: ZoneText = "", *, address: str = "127.0.0.1") -> None:
        self.address = address
        self.port = 0
        self.zone = zone
        self.dead = False  # nothing is answered
        self.delay = 0.0  # seconds before each answer; they do not add up
        self.silent: set[str] = set()  # names that never answer
        self.failing: set[str] = set()  # names that answer SERVFAIL
        self.refusing: set[str] = set()  # names that answer REFUSED
        self.chases_aliases = True  # gives what is behind a CNAME, too
        self.sends_soa = True  # with its negative answers
        self._queries: list[Query] = []
        self._lock = threading.Lock()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)

    @property
    def zone(self) -> ZoneText:
        return self._text

    @zone.setter
    def zone(self, text: ZoneText) -> None:
        self._zone = _read_zone(text if isinstance(text, str) else _master_file(text))
        self._text = text

    @property
    def queries(self) -> list[Query]:
        """All questions so far, the oldest first."""
        with self._lock:
            return self._queries.copy()

    def asked(self, name: str) -> int:
        """Count the questions for a name."""
        return sum(query.name == name for query in self.queries)

    def forget_queries(self) -> None:
        with self._lock:
            self._queries.clear()

    def __enter__(self) -> Self:
        udp, tcp = bind_pair(self.address, self.port)
        self.port = udp.getsockname()[1]
        self._thread.start()
        self._run(self._listen(udp, tcp))
        return self

    def __exit__(self, *_: object) -> None:
        self._run(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self, work: Coroutine[None, None, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(timeout=10)

    async def _listen(self, udp: socket.socket, tcp: socket.socket) -> None:
        self._udp, _ = await self._loop.create_datagram_endpoint(
            lambda: _UdpSide(self), sock=udp
        )
        self._tcp = await asyncio.start_server(self._serve_tcp, sock=tcp)

    async def _close(self) -> None:
        self._udp.close()
        self._tcp.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)
        await asyncio.sleep(0)  # transports end one round after they were closed

    async def _serve_tcp(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        with (
            contextlib.closing(writer),
            contextlib.suppress(OSError, asyncio.IncompleteReadError),
        ):
            while True:
                size = int.from_bytes(await reader.readexactly(2), "big")
                reply = self.reply_to(await reader.readexactly(size), "tcp")
                if reply is not None:
                    await asyncio.sleep(self.delay)
                    writer.write(len(reply).to_bytes(2, "big") + reply)
                    await writer.drain()

    def reply_to(self, wire: bytes, over: str) -> bytes | None:
        """Build the answer for a question; None stays silent."""
        try:
            query = dns.message.from_wire(wire)
            question = query.question[0]
        except (dns.exception.DNSException, IndexError):
            return None
        name = question.name.to_text(omit_final_dot=True).lower()
        with self._lock:
            self._queries.append(
                Query(name, dns.rdatatype.to_text(question.rdtype), over)
            )
        if self.dead or name in self.silent:
            return None
        response = dns.message.make_response(query)
        response.flags |= dns.flags.AA
        if name in self.failing:
            response.set_rcode(dns.rcode.SERVFAIL)
        elif name in self.refusing:
            response.set_rcode(dns.rcode.REFUSED)
        else:
            self._answer(response, question.name, question.rdtype)
        return _fit(response, _room(query, over))

    def _answer(
        self,
        response: dns.message.Message,
        name: dns.name.Name,
        rdtype: dns.rdatatype.RdataType,
    ) -> None:
        for _ in range(MAX_ALIASES):
            node = _node(self._zone, name)
            if node is None:
                response.set_rcode(dns.rcode.NXDOMAIN)
                break
            found = node.get(rdtype)
            if found is not None:
                response.answer.append(_owned_by(name, found))
                return
            alias = node.get(dns.rdatatype.CNAME)
            if alias is None:
                break
            response.answer.append(_owned_by(name, alias))
            if not self.chases_aliases:
                return
            name = alias[0].target
        if self.sends_soa:
            response.authority.append(_soa(self._zone, name))


class _UdpSide(asyncio.DatagramProtocol):
    def __init__(self, server: DnsServer) -> None:
        self._server = server

    def connection_made(self, transport) -> None:
        self._transport = transport

    def datagram_received(self, wire: bytes, sender) -> None:
        reply = self._server.reply_to(wire, "udp")
        if reply is not None:
            asyncio.get_running_loop().call_later(
                self._server.delay, self._send, reply, sender
            )

    def _send(self, reply: bytes, sender) -> None:
        if not self._transport.is_closing():
            self._transport.sendto(reply, sender)


def bind_pair(address: str, port: int) -> tuple[socket.socket, socket.socket]:
    """Bind UDP and TCP to one port, a free one for port 0."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    for _ in range(20):
        udp = socket.socket(family, socket.SOCK_DGRAM)
        tcp = socket.socket(family, socket.SOCK_STREAM)
        tcp.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            udp.bind((address, port))
            tcp.bind((address, udp.getsockname()[1]))
        except OSError:
            udp.close()
            tcp.close()
            if port:
                raise
        else:
            return udp, tcp
    raise OSError("found no port that is free for both UDP and TCP")


def _master_file(records: Mapping[str, str | Iterable[str]]) -> str:
    lines = [
        f"{name.rstrip('.')}. TXT {quote_text(text)}\n"
        for name, texts in records.items()
        for text in ([texts] if isinstance(texts, str) else texts)
    ]
    return "".join(lines)


def quote_text(text: str) -> str:
    """Write a text as the strings of a TXT record in a master file."""
    parts = [text[at : at + MAX_STRING] for at in range(0, len(text), MAX_STRING)]
    escaped = (part.replace("\\", "\\\\").replace('"', '\\"') for part in parts)
    return " ".join(f'"{part}"' for part in escaped) or '""'


def _read_zone(text: str) -> _Zone:
    zone: _Zone = {}
    for name, ttl, rdata in parse_records(text, "<zone>"):
        rrset = dns.rrset.from_rdata(name, ttl, rdata)
        zone.setdefault(name, {}).setdefault(rdata.rdtype, rrset).add(rdata)
    return zone


def _node(
    zone: _Zone, name: dns.name.Name
) -> dict[dns.rdatatype.RdataType, dns.rrset.RRset] | None:
    """Find a name; the nearest wildcard stands in (RFC 4592 §3.3.1)."""
    if _exists(zone, name):
        return zone.get(name, {})
    ancestor = name
    while ancestor != dns.name.root:
        ancestor = ancestor.parent()
        if _exists(zone, ancestor):
            break
    return zone.get(dns.name.Name((b"*", *ancestor.labels)))


def _exists(zone: _Zone, name: dns.name.Name) -> bool:
    # Also without records, if something lies below (RFC 4592 §2.2.2).
    return name in zone or any(other.is_subdomain(name) for other in zone)


def _owned_by(name: dns.name.Name, found: dns.rrset.RRset) -> dns.rrset.RRset:
    return dns.rrset.from_rdata_list(name, found.ttl, list(found))


def _soa(zone: _Zone, name: dns.name.Name) -> dns.rrset.RRset:
    while True:
        found = zone.get(name, {}).get(dns.rdatatype.SOA)
        if found is not None:
            return found
        if name == dns.name.root:
            return _ROOT_SOA
        name = name.parent()


def _room(query: dns.message.Message, over: str) -> int:
    """Tell how many octets an answer may take (RFC 6891 §6.2.3)."""
    if over == "tcp":
        return 65535
    return max(512, query.payload if query.edns >= 0 else 512)


def _fit(response: dns.message.Message, room: int) -> bytes:
    try:
        return response.to_wire(max_size=room)
    except dns.exception.TooBig:
        response.answer.clear()
        response.authority.clear()
        response.flags |= dns.flags.TC
        return response.to_wire(max_size=room)
