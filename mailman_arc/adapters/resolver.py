"""Many TXT look-ups at once, with a cache and a deadline.

All names of a post are asked together: they share one UDP socket for each name
server, so a post costs about one round trip however many signatures it carries.
What went wrong is an answer too (`LookupFailed`), never an exception: an outage
of the DNS must not decide over a post, and must not stop it.

dnspython writes and reads the messages; the sockets are ours, because its own
resolver opens one for every question and has no deadline for a batch.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import dns.asyncquery
import dns.exception
import dns.flags
import dns.message
import dns.name
import dns.rcode
import dns.rdatatype
import dns.rdtypes.ANY.TXT

from mailman_arc.adapters.answercache import AnswerCache
from mailman_arc.adapters.serverline import ServerLine
from mailman_arc.mailauth.answers import (
    Answers,
    LookupFailed,
    NoSuchName,
    TxtAnswer,
    TxtRecords,
)
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField


MAX_UNDER_WAY = 64  # questions of a batch at one time: spares small routers
MAX_ROUNDS = 3  # times each server is asked while it keeps silent
MAX_NAMESERVERS = 3  # resolv.conf(5), MAXNS
MAX_ALIASES = 8  # questions for one name when servers leave CNAMEs to us
MAX_TTL = 3600  # seconds; a revoked key shall not live on here for longer
MAX_NEGATIVE_TTL = 300  # seconds; a key published late shall be seen soon
FAILURE_TTL = 5  # seconds; a black hole shall not delay every post anew
UDP_PAYLOAD = 1232  # octets; passes unfragmented everywhere (DNS flag day 2020)

_log = logging.getLogger("mailman.plugins.arc.dns")  # a child, so that it is kept

_Expiring = tuple[TxtAnswer, float]


@dataclass(frozen=True, slots=True)
class ResolverOptions:
    """Where and how patiently to ask."""

    nameservers: tuple[str, ...] = ()  # IP addresses; none: those of resolv_conf
    port: int = 53
    timeout: float = 3.0  # seconds, one try
    deadline: float = 10.0  # seconds, a whole batch
    cache_size: int = 4096  # answers
    static_only: bool = False  # what the static answers lack does not exist
    resolv_conf: str = "/etc/resolv.conf"  # read again for each batch


DEFAULT_OPTIONS = ResolverOptions()


class Resolver:
    """Looks up TXT records; remembers answers; never raises for a failure.

    May be used from several threads and event loops: nothing but the cache
    outlives a call.  `static` answers, say from a zone file, come before the
    DNS.  `clock` counts seconds and decides how old cached answers are.
    """

    def __init__(
        self,
        options: ResolverOptions = DEFAULT_OPTIONS,
        static: Answers | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._options = options
        self._static: Answers = {} if static is None else static
        self._cache = AnswerCache(options.cache_size, clock)
        self._answering = ""  # the server that answered last, asked first

    def fetch(self, names: Iterable[str]) -> dict[str, TxtAnswer]:
        """Give every name, in lower case, its answer; blocks until then.

        A name that the DNS cannot be asked (too long, empty labels, odd octets)
        does not exist.  For threads without a running event loop; others await
        `fetch_async`.
        """
        answers, unknown = self._recall(names)
        if unknown:
            # The factory keeps the runner from replacing the thread's own loop.
            with asyncio.Runner(loop_factory=asyncio.new_event_loop) as runner:
                answers |= runner.run(self._look_up(unknown))
        return answers

    async def fetch_async(self, names: Iterable[str]) -> dict[str, TxtAnswer]:
        """Give every name, in lower case, its answer; see `fetch`."""
        answers, unknown = self._recall(names)
        if unknown:
            answers |= await self._look_up(unknown)
        return answers

    def _recall(
        self, names: Iterable[str]
    ) -> tuple[dict[str, TxtAnswer], dict[str, str]]:
        """Split names into those answered at once and those to ask, normalised."""
        answers: dict[str, TxtAnswer] = {}
        unknown: dict[str, str] = {}
        for name in map(str.lower, names):
            answer = self._remembered(name)
            if answer is None:
                unknown[name] = name
            else:
                answers[name] = answer
        for name in tuple(unknown):
            normalised = _normalise(name)
            answer = self._remembered(normalised) if normalised else NoSuchName()
            if answer is None:
                unknown[name] = normalised
            else:
                answers[name] = answer
                del unknown[name]
        return answers, unknown

    def _remembered(self, name: str) -> TxtAnswer | None:
        return self._static.get(name) or self._cache.get(name)

    async def _look_up(self, unknown: Mapping[str, str]) -> dict[str, TxtAnswer]:
        if self._options.static_only:
            return dict.fromkeys(unknown, NoSuchName())
        names = tuple(dict.fromkeys(unknown.values()))
        batch = _Batch(self._options, self._nameservers())
        try:
            found = await asyncio.gather(
                *map(batch.look_up, names), return_exceptions=True
            )
        finally:
            batch.close()
        self._answering = batch.answering or self._answering
        answers: dict[str, TxtAnswer] = {}
        for name, outcome in zip(names, found, strict=True):
            answers[name], seconds = _checked(name, outcome)
            self._cache.put(name, answers[name], seconds)
        return {asked: answers[name] for asked, name in unknown.items()}

    def _nameservers(self) -> tuple[str, ...]:
        servers = self._options.nameservers or _read_nameservers(
            Path(self._options.resolv_conf)
        )
        # Else every batch would wait for a dead first server anew.
        return tuple(sorted(servers, key=lambda server: server != self._answering))


def _normalise(name: str) -> str:
    try:
        return parse_domain(name.removesuffix("."))
    except MalformedField:
        return ""


def _checked(name: str, outcome: _Expiring | BaseException) -> _Expiring:
    if not isinstance(outcome, BaseException):
        return outcome
    if not isinstance(outcome, Exception):
        raise outcome
    _log.error("DNS look-up of %s ended in a bug", name, exc_info=outcome)
    return LookupFailed(f"unexpected {type(outcome).__name__}"), FAILURE_TTL


def _read_nameservers(path: Path) -> tuple[str, ...]:
    """Take the `nameserver` lines; nothing else there concerns absolute names."""
    try:
        lines = path.read_text("utf-8", "replace").splitlines()
    except OSError as error:
        _log.warning("cannot read the name servers from %s: %s", path, error)
        return ()
    words = (line.split() for line in lines)
    servers = [word[1] for word in words if len(word) > 1 and word[0] == "nameserver"]
    return tuple(servers[:MAX_NAMESERVERS])


class _Unanswered(Exception):
    """No server could tell; the text says why."""


class _Batch:
    """The questions of one post, under way together until one deadline."""

    def __init__(self, options: ResolverOptions, servers: tuple[str, ...]) -> None:
        self.answering = ""  # the server that answered last
        self._options = options
        self._servers = servers
        self._ends_at = asyncio.get_running_loop().time() + options.deadline
        self._slots = asyncio.Semaphore(MAX_UNDER_WAY)
        self._lines: dict[str, ServerLine] = {}

    async def look_up(self, name: str) -> _Expiring:
        """Give the answer for a name and the seconds that it may be kept."""
        try:
            async with asyncio.timeout_at(self._ends_at):
                return await self._follow(dns.name.from_text(name))
        except TimeoutError:
            why = f"no answer within {self._options.deadline:g} s"
        except (_Unanswered, dns.exception.DNSException) as error:
            why = str(error)
        return LookupFailed(why), FAILURE_TTL

    def close(self) -> None:
        for line in self._lines.values():
            line.close()

    async def _follow(self, name: dns.name.Name) -> _Expiring:
        """Ask on where a server gives a CNAME without what lies behind it."""
        seconds = float(MAX_TTL)
        for _ in range(MAX_ALIASES):
            reply = await self._exchange(name)
            chain = reply.resolve_chaining()
            seconds = min(seconds, chain.minimum_ttl)
            if chain.answer is not None:
                return _joined(chain.answer), seconds
            # An NXDOMAIN is about the end of the chain (RFC 6604 §3).
            if reply.rcode() == dns.rcode.NXDOMAIN:
                return NoSuchName(), _negative_seconds(reply, seconds)
            if chain.canonical_name == name:
                return _nothing_there(reply), _negative_seconds(reply, seconds)
            name = chain.canonical_name
        raise _Unanswered("too many aliases")

    async def _exchange(self, name: dns.name.Name) -> dns.message.QueryMessage:
        """Ask one server after the other, the silent ones again."""
        failures: dict[str, str] = {}
        for server in self._tries(failures):
            try:
                async with self._slots, asyncio.timeout(self._options.timeout):
                    reply = await self._ask(server, name)
            except TimeoutError:
                continue
            except (OSError, EOFError, ValueError, dns.exception.DNSException) as error:
                failures[server] = f"{server}: {str(error) or type(error).__name__}"
                continue
            if reply.rcode() in (dns.rcode.NOERROR, dns.rcode.NXDOMAIN):
                self.answering = server
                return reply
            failures[server] = f"{server} says {dns.rcode.to_text(reply.rcode())}"
        raise _Unanswered(
            "; ".join(failures.values())
            or (f"no answer from {', '.join(self._servers)}" if self._servers else "")
            or f"no name server in {self._options.resolv_conf}"
        )

    def _tries(self, failures: Mapping[str, str]) -> Iterator[str]:
        """Name the servers to ask, round by round; one that failed is not asked."""
        for server in self._servers * MAX_ROUNDS:
            if server not in failures:
                yield server

    async def _ask(self, server: str, name: dns.name.Name) -> dns.message.QueryMessage:
        query = dns.message.make_query(
            name, dns.rdatatype.TXT, use_edns=0, payload=UDP_PAYLOAD
        )
        reply: dns.message.Message = await self._line_to(server).ask(query)
        if reply.flags & dns.flags.TC:
            reply = await dns.asyncquery.tcp(query, server, port=self._options.port)
        if not isinstance(reply, dns.message.QueryMessage):
            raise _Unanswered(f"{server} did not reply to a query")
        return reply

    def _line_to(self, server: str) -> ServerLine:
        if server not in self._lines:
            self._lines[server] = ServerLine(server, self._options.port)
        return self._lines[server]


def _joined(answer: dns.rrset.RRset) -> TxtRecords:
    """Join the strings of each record, with nothing between (RFC 6376 §3.6.2.2)."""
    return TxtRecords(
        tuple(
            b"".join(record.strings)
            for record in answer
            if isinstance(record, dns.rdtypes.ANY.TXT.TXT)
        )
    )


def _nothing_there(reply: dns.message.Message) -> TxtAnswer:
    types = {rrset.rdtype for rrset in reply.authority}
    # Name servers without an SOA are a referral (RFC 2308 §2.2): this server
    # does not look names up for others and knows nothing of this one.
    if dns.rdatatype.NS in types and dns.rdatatype.SOA not in types:
        return LookupFailed("the name server only refers to others")
    return TxtRecords()


def _negative_seconds(reply: dns.message.Message, seconds: float) -> float:
    """Trust a "no" for as long as its SOA says (RFC 2308 §5)."""
    if any(rrset.rdtype == dns.rdatatype.SOA for rrset in reply.authority):
        return min(seconds, MAX_NEGATIVE_TTL)
    return FAILURE_TTL
