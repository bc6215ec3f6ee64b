"""Look-ups over real sockets, from a name server inside the test process."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator

import dns.flags
import dns.message
import pytest

from mailman_arc.adapters.answercache import MAX_CACHED_OCTETS
from mailman_arc.adapters.resolver import (
    FAILURE_TTL,
    MAX_NEGATIVE_TTL,
    MAX_ROUNDS,
    MAX_TTL,
    Resolver,
    ResolverOptions,
)
from mailman_arc.mailauth.answers import (
    LookupFailed,
    NoSuchName,
    TxtRecords,
    answer_for,
)
from tests.house.dns_server import DnsServer


ZONE = f"""
$ORIGIN example.org.
@           3600 SOA   ns hostmaster 1 3600 600 86400 120
key          600 TXT   "v=DKIM1; " "p=abc"
several      600 TXT   "one"
             600 TXT   "two"
address      600 A     192.0.2.1
below.empty  600 TXT   "deep"
alias        200 CNAME key
far          600 CNAME alias
dangling     600 CNAME nowhere
to-address   600 CNAME address
loop         600 CNAME loop2
loop2        600 CNAME loop
big          600 TXT   {" ".join(['"' + "x" * 250 + '"'] * 8)}
forever  9999999 TXT   "old"
volatile       0 TXT   "new"
"""


class Clock:
    """A clock that a test moves."""

    now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def server() -> Iterator[DnsServer]:
    with DnsServer(ZONE) as running:
        yield running


@pytest.fixture
def clock() -> Clock:
    return Clock()


def options(*servers: DnsServer, **changes) -> ResolverOptions:
    asked = {
        "nameservers": tuple(server.address for server in servers),
        "port": servers[0].port,
        "timeout": 1.0,
        "deadline": 5.0,
    }
    return ResolverOptions(**(asked | changes))


def ask(server: DnsServer, name: str, **changes):
    return Resolver(options(server, **changes)).fetch([name])[name]


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("key", TxtRecords((b"v=DKIM1; p=abc",))),
        ("alias", TxtRecords((b"v=DKIM1; p=abc",))),
        ("far", TxtRecords((b"v=DKIM1; p=abc",))),
        ("big", TxtRecords((b"x" * 2000,))),
        ("address", TxtRecords()),
        ("empty", TxtRecords()),
        ("to-address", TxtRecords()),
        ("nowhere", NoSuchName()),
        ("dangling", NoSuchName()),
    ],
)
@pytest.mark.parametrize("chases_aliases", [True, False])
def test_each_kind_of_name_has_its_answer(server, name, answer, chases_aliases):
    server.chases_aliases = chases_aliases
    assert ask(server, f"{name}.example.org") == answer


def test_each_record_of_a_name_is_a_text_of_its_own(server):
    answer = ask(server, "several.example.org")
    assert sorted(answer.texts) == [b"one", b"two"]


@pytest.mark.parametrize("chases_aliases", [True, False])
def test_aliases_in_a_circle_are_a_failure(server, chases_aliases):
    server.chases_aliases = chases_aliases
    assert isinstance(ask(server, "loop.example.org"), LookupFailed)
    assert len(server.queries) < 20


def test_an_answer_too_long_for_udp_comes_over_tcp(server):
    ask(server, "big.example.org")
    assert [query.over for query in server.queries] == ["udp", "tcp"]


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "a..example.org",
        ".example.org",
        "x" * 64 + ".example.org",
        "x." * 130 + "org",
        "sp ace.example.org",
        "new\nline.example.org",
        "back\\slash.example.org",
        "nul\0.example.org",
        "\udcff.example.org",
        "x" * 100_000,
    ],
)
def test_a_name_that_cannot_be_asked_does_not_exist(server, name):
    assert ask(server, name) == NoSuchName()
    assert server.queries == []


@pytest.mark.parametrize("spelling", ["KEY.Example.ORG", "key.example.org."])
def test_the_spelling_of_a_name_does_not_matter(server, spelling):
    answers = Resolver(options(server)).fetch([spelling, "key.example.org"])
    assert answer_for(answers, spelling) == answer_for(answers, "key.example.org")
    assert server.asked("key.example.org") == 1


def test_an_internationalised_name_is_asked_in_ascii(server):
    server.zone = {"xn--bcher-kva.example": "found"}
    assert ask(server, "bücher.example") == TxtRecords((b"found",))


def test_the_names_of_a_post_are_asked_in_parallel(server):
    names = [f"n{number}.example" for number in range(50)]
    server.zone = dict.fromkeys(names, "text")
    server.delay = 0.4
    started_at = time.monotonic()
    answers = Resolver(options(server)).fetch(names)
    assert time.monotonic() - started_at < 10  # one after the other: 20
    assert answers == dict.fromkeys(names, TxtRecords((b"text",)))


def test_a_name_is_asked_once_however_often_it_is_wanted(server):
    Resolver(options(server)).fetch(["key.example.org", "KEY.example.org"] * 5)
    assert len(server.queries) == 1


def test_no_names_cost_nothing(server):
    assert Resolver(options(server)).fetch([]) == {}


def test_an_answer_is_remembered(server, clock):
    resolver = Resolver(options(server), clock=clock)
    first = resolver.fetch(["key.example.org", "nowhere.example.org"])
    second = resolver.fetch(["key.example.org", "nowhere.example.org"])
    assert first == second
    assert len(server.queries) == 2


@pytest.mark.parametrize(
    ("name", "seconds"),
    [
        ("key", 600),
        ("alias", 200),  # the shortest of the chain
        ("forever", MAX_TTL),
        ("nowhere", 120),  # SOA minimum
        ("address", 120),
        ("loop", FAILURE_TTL),
    ],
)
def test_an_answer_is_forgotten_in_time(server, clock, name, seconds):
    resolver = Resolver(options(server), clock=clock)
    name += ".example.org"
    resolver.fetch([name])
    clock.now += seconds - 1
    resolver.fetch([name])
    assert server.asked(name) == 1
    clock.now += 1
    resolver.fetch([name])
    assert server.asked(name) == 2


def test_a_long_negative_ttl_is_cut(server, clock):
    server.zone = "example.org. 86400 SOA ns. host. 1 3600 600 86400 86400"
    resolver = Resolver(options(server), clock=clock)
    resolver.fetch(["new.example.org"])
    clock.now += MAX_NEGATIVE_TTL
    resolver.fetch(["new.example.org"])
    assert server.asked("new.example.org") == 2


def test_a_negative_answer_without_soa_is_hardly_remembered(server, clock):
    server.sends_soa = False
    resolver = Resolver(options(server), clock=clock)
    assert resolver.fetch(["nowhere.example.org"]).popitem()[1] == NoSuchName()
    clock.now += FAILURE_TTL
    resolver.fetch(["nowhere.example.org"])
    assert server.asked("nowhere.example.org") == 2


def test_a_ttl_of_zero_is_respected(server):
    resolver = Resolver(options(server))
    resolver.fetch(["volatile.example.org"])
    resolver.fetch(["volatile.example.org"])
    assert len(server.queries) == 2


def test_the_cache_keeps_what_was_used_last(server):
    resolver = Resolver(options(server, cache_size=2))
    a, b, c = (f"{letter}.example" for letter in "abc")
    server.zone = {a: "a", b: "b", c: "c"}
    for name in (a, b, a, c, a, b):
        resolver.fetch([name])
    assert [server.asked(name) for name in (a, b, c)] == [1, 2, 1]


@pytest.mark.parametrize(("octets", "queries"), [(0, 1), (1, 2)])
def test_a_huge_answer_is_not_remembered(server, octets, queries):
    server.zone = {"huge.example": "x" * (MAX_CACHED_OCTETS + octets)}
    resolver = Resolver(options(server))
    resolver.fetch(["huge.example"])
    resolver.fetch(["huge.example"])
    assert len([q for q in server.queries if q.over == "tcp"]) == queries


def test_a_cache_of_size_zero_remembers_nothing(server):
    resolver = Resolver(options(server, cache_size=0))
    resolver.fetch(["key.example.org"])
    resolver.fetch(["key.example.org"])
    assert len(server.queries) == 2


@pytest.mark.parametrize("kind", ["failing", "refusing"])
def test_an_error_of_the_server_is_a_failure_and_not_asked_again(server, kind):
    getattr(server, kind).add("key.example.org")
    answer = ask(server, "key.example.org")
    assert isinstance(answer, LookupFailed)
    assert {"failing": "SERVFAIL", "refusing": "REFUSED"}[kind] in answer.why
    assert len(server.queries) == 1


def test_a_silent_name_is_asked_again_and_then_a_failure(server):
    server.silent.add("key.example.org")
    answer = ask(server, "key.example.org", timeout=0.1)
    assert answer == LookupFailed("no answer from 127.0.0.1")
    assert len(server.queries) == MAX_ROUNDS


def test_a_silent_name_does_not_harm_the_others(server):
    server.silent.add("silent.example.org")
    names = ["silent.example.org", "key.example.org"]
    answers = Resolver(options(server, deadline=2.0)).fetch(names)
    assert isinstance(answers["silent.example.org"], LookupFailed)
    assert isinstance(answers["key.example.org"], TxtRecords)


def test_a_black_hole_costs_the_deadline_once(server):
    server.dead = True
    names = [f"n{number}.example.org" for number in range(120)]
    resolver = Resolver(options(server, timeout=0.4, deadline=1.0))
    started_at = time.monotonic()
    answers = resolver.fetch(names)
    assert time.monotonic() - started_at < 30  # one after the other: 144
    assert answers == dict.fromkeys(names, LookupFailed("no answer within 1 s"))
    server.forget_queries()
    resolver.fetch(names)
    assert server.queries == []


def test_a_black_hole_is_asked_again_after_a_while(server, clock):
    server.dead = True
    resolver = Resolver(options(server, deadline=0.2), clock=clock)
    resolver.fetch(["key.example.org"])
    server.dead = False
    clock.now += FAILURE_TTL
    answers = resolver.fetch(["key.example.org"])
    assert isinstance(answers["key.example.org"], TxtRecords)


def test_a_second_server_is_asked_when_the_first_is_silent(server):
    with second_server(server) as second:
        server.dead = True
        resolver = Resolver(options(server, second))
        answers = resolver.fetch(["key.example.org"])
        assert isinstance(answers["key.example.org"], TxtRecords)
        server.forget_queries()
        resolver.fetch(["alias.example.org"])
        assert server.queries == []  # the one that answered comes first now


def test_a_second_server_is_asked_when_the_first_fails(server):
    with second_server(server) as second:
        server.failing.add("key.example.org")
        answers = Resolver(options(server, second)).fetch(["key.example.org"])
        assert isinstance(answers["key.example.org"], TxtRecords)


def second_server(first: DnsServer) -> DnsServer:
    """On another loopback address, since all servers share the port."""
    second = DnsServer(ZONE, address="127.0.0.2")
    second.port = first.port
    return second


def test_nobody_at_the_port_is_a_failure():
    with DnsServer() as gone:
        pass
    answer = ask(gone, "key.example.org")
    assert isinstance(answer, LookupFailed)
    assert "refused" in answer.why


@pytest.mark.parametrize(
    ("nameserver", "why"),
    [
        ("ns.example.org", "does not appear to be an IPv4 or IPv6 address"),
        ("", "does not appear to be an IPv4 or IPv6 address"),
        ("fe80::1%no-such-link", "fe80::1%no-such-link: "),
    ],
)
def test_a_name_server_that_cannot_be_reached_is_a_failure(server, nameserver, why):
    answer = ask(server, "key.example.org", nameservers=(nameserver,))
    assert why in answer.why


def test_resolv_conf_names_the_servers(server, tmp_path):
    file = tmp_path / "resolv.conf"
    file.write_text("# here\nsearch a..b\nnameserver\nnameserver 127.0.0.1 # x\n")
    answer = ask(server, "key.example.org", nameservers=(), resolv_conf=str(file))
    assert isinstance(answer, TxtRecords)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\0nonsense", b"options edns0\n"])
def test_a_broken_resolv_conf_is_a_failure(server, tmp_path, content):
    file = tmp_path / "resolv.conf"
    file.write_bytes(content)
    answer = ask(server, "key.example.org", nameservers=(), resolv_conf=str(file))
    assert answer == LookupFailed(f"no name server in {file}")


def test_a_missing_resolv_conf_is_a_failure(server, tmp_path):
    file = tmp_path / "nothing"
    answer = ask(server, "key.example.org", nameservers=(), resolv_conf=str(file))
    assert answer == LookupFailed(f"no name server in {file}")


class Liar(DnsServer):
    """Changes the replies on their way."""

    lie = staticmethod(lambda reply: reply)

    def reply_to(self, wire: bytes, over: str) -> bytes | None:
        reply = super().reply_to(wire, over)
        return self.lie(reply) if over == "udp" else reply


def other_question(reply: bytes) -> bytes:
    return reply.replace(b"\x03key", b"\x03kez")


@pytest.mark.parametrize(
    "lie",
    [
        lambda reply: b"",
        lambda reply: reply[:1],
        lambda reply: reply[:30],
        lambda reply: reply[:2] + b"\xff" * 40,
        lambda reply: bytes([reply[0] ^ 1]) + reply[1:],
        lambda reply: reply[:2] + bytes([reply[2] & 0x7F]) + reply[3:],
        other_question,
    ],
    ids=["empty", "octet", "cut", "garbage", "other id", "a query", "other question"],
)
def test_what_is_no_reply_to_the_question_is_ignored(lie):
    with Liar(ZONE) as liar:
        liar.lie = lie
        answer = ask(liar, "key.example.org", timeout=0.1)
        assert answer == LookupFailed("no answer from 127.0.0.1")


def test_a_reply_cut_off_anywhere_leads_to_tcp():
    with Liar(ZONE) as liar:
        liar.lie = lambda reply: (
            reply[:2] + bytes([reply[2] | dns.flags.TC >> 8]) + reply[3:50]
        )
        answer = ask(liar, "key.example.org")
        assert answer == TxtRecords((b"v=DKIM1; p=abc",))


def test_a_referral_is_a_failure_and_no_denial():
    def refer(reply: bytes) -> bytes:
        message = dns.message.from_wire(reply)
        message.answer = []
        message.authority = [
            dns.rrset.from_text("example.org.", 60, "IN", "NS", "ns.example.org.")
        ]
        return message.to_wire()

    with Liar(ZONE) as liar:
        liar.lie = refer
        assert isinstance(ask(liar, "key.example.org"), LookupFailed)


def test_a_dead_tcp_side_is_a_failure(server):
    class OnlyUdp(DnsServer):
        def reply_to(self, wire: bytes, over: str) -> bytes | None:
            return super().reply_to(wire, over) if over == "udp" else None

    with OnlyUdp(ZONE) as half:
        answer = ask(half, "big.example.org", timeout=0.1)
        assert isinstance(answer, LookupFailed)


def test_static_answers_come_first(server):
    static = {"key.example.org": TxtRecords((b"mine",))}
    resolver = Resolver(options(server), static)
    answers = resolver.fetch(["KEY.example.org", "alias.example.org"])
    assert answers["key.example.org"] == TxtRecords((b"mine",))
    assert answers["alias.example.org"] == TxtRecords((b"v=DKIM1; p=abc",))
    assert server.asked("key.example.org") == 0


def test_what_static_answers_lack_does_not_exist_if_nothing_is_asked(server):
    static = {"key.example.org": TxtRecords((b"mine",))}
    resolver = Resolver(options(server, static_only=True), static)
    answers = resolver.fetch(["key.example.org", "alias.example.org"])
    assert answers["key.example.org"] == TxtRecords((b"mine",))
    assert answers["alias.example.org"] == NoSuchName()
    assert server.queries == []


def test_a_running_loop_awaits(server):
    resolver = Resolver(options(server))

    async def twice():
        return await asyncio.gather(
            resolver.fetch_async(["key.example.org"]),
            resolver.fetch_async(["address.example.org"]),
        )

    first, second = asyncio.run(twice())
    assert first == {"key.example.org": TxtRecords((b"v=DKIM1; p=abc",))}
    assert second == {"address.example.org": TxtRecords()}


def test_a_fetch_leaves_the_event_loop_of_its_thread_alone(server):
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    try:
        Resolver(options(server)).fetch(["key.example.org"])
        assert asyncio.get_event_loop_policy().get_event_loop() is loop
    finally:
        asyncio.set_event_loop(None)
        loop.close()


def test_several_threads_may_fetch(server):
    names = [f"n{number}.example" for number in range(20)]
    server.zone = dict.fromkeys(names, "text")
    resolver = Resolver(options(server, cache_size=10))
    outcomes = []

    def work() -> None:
        outcomes.extend(resolver.fetch(names) for _ in range(10))

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert outcomes == [dict.fromkeys(names, TxtRecords((b"text",)))] * 40
