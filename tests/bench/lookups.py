"""The DNS: answers at hand, many names at once, and servers that are silent."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from multiprocessing.connection import Connection

import dns.resolver

from mailman_arc.adapters.resolver import Resolver, ResolverOptions
from mailman_arc.mailauth.answers import LookupFailed, TxtRecords
from mailman_arc.mailauth.arc.verify import key_names, verify_chain
from mailman_arc.mailauth.canonical import BodyHashes
from mailman_arc.mailauth.message import read_message
from tests.bench.cases import KB, chains, hop, plain_post
from tests.bench.measure import side_by_side, timed
from tests.bench.peers import Peers
from tests.bench.report import Report, Target, number
from tests.bench.tables import Plan
from tests.house.dns_server import DnsServer
from tests.support.keys import key_record
from tests.support.mail import NOW


_SERVER = "127.0.0.1"
_ROUND_TRIP = 0.020  # seconds
_NAMES = [hop(instance).key_name for instance in range(1, 51)]
_ROUNDS = 5

_Server = tuple[int, Callable[[], int]]  # its port; how many questions it had


def lookups(report: Report, _: Peers, plan: Plan) -> None:
    """A server of its own process answers slowly, then not at all."""
    report.heading(f"Look up {len(_NAMES)} names", ["measured"])
    records = {
        hop(instance).key_name: key_record(hop(instance).key).decode()
        for instance in range(1, 51)
    }
    with _server(records, _ROUND_TRIP) as (port, question_count):
        options = ResolverOptions((_SERVER,), port)
        seconds = min(_fetch_anew(options) for _ in range(_ROUNDS))
        report.row(
            f"round trips of {_ROUND_TRIP * 1000:g} ms, wall time",
            number(seconds / _ROUND_TRIP),
        )
        per_name = question_count() / _ROUNDS / len(_NAMES)
        report.row("questions for each name", number(per_name))
        cached = _cached(options, plan)
        report.row("dnspython's LRUCache / ours, one name", number(cached["one name"]))
        report.row("dnspython's LRUCache / ours, 50 names", number(cached["50 names"]))
    waited = _ask_a_black_hole(plan.patience)
    report.row(f"black hole, wall time / {plan.patience:g} s", number(waited))
    report.target(
        Target("D1", "dnspython / ours, cached", cached, 5, at_least=True),
        Target("D1", "questions for each name", {"50 names": per_name}, 1),
        Target("D1", "round trips", {"50 names": seconds / _ROUND_TRIP}, 3),
        Target("D2", "black hole, time / budget", {"50 sets": waited}, 1.1),
    )


def _fetch_anew(options: ResolverOptions) -> float:
    resolver = Resolver(options)
    started = time.perf_counter()
    answers = resolver.fetch([*_NAMES, *map(str.upper, _NAMES)])
    seconds = time.perf_counter() - started
    assert all(isinstance(answer, TxtRecords) for answer in answers.values())
    return seconds


def _cached(options: ResolverOptions, plan: Plan) -> dict[str, float]:
    ours = Resolver(options)
    ours.fetch(_NAMES)
    theirs = dns.resolver.Resolver(configure=False)
    theirs.nameservers, theirs.port = [_SERVER], options.port
    theirs.cache = dns.resolver.LRUCache()
    for name in _NAMES:
        theirs.resolve(name, "TXT")
    times = side_by_side(
        {
            "ours": timed(lambda: ours.fetch(_NAMES[:1])),
            "ours, 50": timed(lambda: ours.fetch(_NAMES)),
            "dnspython": timed(lambda: theirs.resolve(_NAMES[0], "TXT")),
        },
        plan.effort,
    )
    one = times["dnspython"]
    return {
        "one name": one.over(times["ours"]).least,
        "50 names": len(_NAMES) * one.over(times["ours, 50"]).least,
    }


def _ask_a_black_hole(patience: float) -> float:
    """The share of the budget that judging fifty sets takes; never an exception."""
    (post,) = chains(plain_post(2 * KB), [50])
    message = read_message(post.octets)
    with DnsServer() as server:
        server.dead = True
        resolver = Resolver(
            ResolverOptions((server.address,), server.port, deadline=patience)
        )
        started = time.perf_counter()
        answers = resolver.fetch(key_names(message))
        verdict = verify_chain(message, answers, NOW, BodyHashes(message.body))
        seconds = time.perf_counter() - started
    assert all(isinstance(answer, LookupFailed) for answer in answers.values())
    assert verdict.is_unjudged
    return seconds / patience


@contextmanager
def _server(
    records: dict[str, str], delay: float
) -> Iterator[tuple[int, Callable[[], int]]]:
    """Serve from another process, so that its work does not delay us."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_serve, args=(theirs, records, delay))
    process.start()
    try:
        port = ours.recv()

        def question_count() -> int:
            ours.send("how many?")
            return int(ours.recv())

        yield port, question_count
    finally:
        ours.close()
        process.join()


def _serve(channel: Connection, records: dict[str, str], delay: float) -> None:
    with DnsServer(records) as server:
        server.delay = delay
        channel.send(server.port)
        try:
            while channel.recv():
                channel.send(len(server.queries))
        except EOFError:
            return
