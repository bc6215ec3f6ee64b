"""SPF evaluated with answers of a real name server, and in time without them."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mailman_arc.adapters.spf import MAX_AT_ONCE, SpfChecker, SpfOptions
from mailman_arc.adapters.zonefile import parse_records
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.spf import Envelope, SpfIdentity, SpfVerdict
from tests.house.dns_server import DnsServer


IP = "192.0.2.1"
OTHER_IP = "192.0.2.99"
LONG = ['"v=spf1 "', *['"ip4:198.51.100.1 "'] * 150, '"+all"']
ZONE = f"""\
author.example. TXT "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all"
mx.author.example. TXT "v=spf1 a -all"
mx.author.example. A 192.0.2.1
a.example. TXT "v=spf1 a:mx.author.example ~all"
aaaa.example. TXT "v=spf1 a -all"
aaaa.example. AAAA 2001:db8::1
mx.example. TXT "v=spf1 mx -all"
mx.example. MX 20 nowhere.example.
mx.example. MX 10 mx.author.example.
include.example. TXT "v=spf1 include:author.example -all"
redirect.example. TXT "v=spf1 redirect=author.example"
macro.example. TXT "v=spf1 exists:%{{i}}.%{{l}}.allowed.example -all"
192.0.2.1.ann.allowed.example. A 127.0.0.2
ptr.example. TXT "v=spf1 ptr:author.example -all"
1.2.0.192.in-addr.arpa. PTR mx.author.example.
alias.example. CNAME author.example.
soft.example. TXT "v=spf1 ~all"
neutral.example. TXT "v=spf1 ?all"
empty.example. TXT "v=spf1"
split.example. TXT "v=spf1 ip4:192." "0.2.1 -all"
exp.example. TXT "v=spf1 exp=silent.example -all"
silent.example. TXT "v=spf1 +all"
other.example. TXT "v=something"
two.example. TXT "v=spf1 +all"
two.example. TXT "v=spf1 -all"
broken.example. TXT "v=spf1 ip4:nonsense +all"
loop.example. TXT "v=spf1 redirect=loop.example"
void.example. TXT "v=spf1 a:v1.example a:v2.example a:v3.example +all"
mixed.example. TXT "v=spf1 include:failing.example +all"
long.example. TXT {" ".join(LONG)}
octets.example. TXT "v=spf1 \\200 +all"
"""


@pytest.fixture(scope="module")
def server() -> Iterator[DnsServer]:
    with DnsServer(ZONE) as running:
        running.failing = {"failing.example"}
        running.silent = {"silent.example"}
        yield running


def options_for(port: int, **changes) -> SpfOptions:
    known = SpfOptions(("127.0.0.1",), port, timeout=1.0, deadline=5.0)
    return replace(known, **changes)


@pytest.fixture
def checker(server) -> SpfChecker:
    return SpfChecker(options_for(server.port))


def check(checker: SpfChecker, envelope: Envelope) -> SpfVerdict | None:
    return asyncio.run(checker.check(envelope))


def from_domain(domain: str, client_ip: str = IP) -> Envelope:
    return Envelope(client_ip, "mx.author.example", f"ann@{domain}")


RESULTS = (
    ("author.example", IP, Result.PASS),
    ("author.example", OTHER_IP, Result.FAIL),
    ("author.example", "2001:db8::1", Result.PASS),
    ("author.example", "2001:db8::2", Result.FAIL),
    ("a.example", IP, Result.PASS),
    ("a.example", OTHER_IP, Result.SOFTFAIL),
    ("aaaa.example", "2001:db8::1", Result.PASS),
    ("mx.example", IP, Result.PASS),
    ("mx.example", OTHER_IP, Result.FAIL),
    ("include.example", IP, Result.PASS),
    ("redirect.example", OTHER_IP, Result.FAIL),
    ("macro.example", IP, Result.PASS),
    ("macro.example", OTHER_IP, Result.FAIL),
    ("ptr.example", IP, Result.PASS),
    ("ptr.example", OTHER_IP, Result.FAIL),
    ("alias.example", IP, Result.PASS),
    ("soft.example", IP, Result.SOFTFAIL),
    ("neutral.example", IP, Result.NEUTRAL),
    ("empty.example", IP, Result.NEUTRAL),
    ("split.example", IP, Result.PASS),
    ("exp.example", IP, Result.FAIL),
    ("other.example", IP, Result.NONE),
    ("nowhere.example", IP, Result.NONE),
    ("two.example", IP, Result.PERMERROR),
    ("broken.example", IP, Result.PERMERROR),
    ("loop.example", IP, Result.PERMERROR),
    ("void.example", IP, Result.PERMERROR),
    ("long.example", IP, Result.PERMERROR),
    ("octets.example", IP, Result.PERMERROR),
    ("failing.example", IP, Result.TEMPERROR),
    ("mixed.example", IP, Result.TEMPERROR),
)


@pytest.mark.parametrize(("domain", "client_ip", "result"), RESULTS)
def test_the_record_of_mail_from_decides(checker, domain, client_ip, result):
    verdict = check(checker, from_domain(domain, client_ip))

    assert verdict == SpfVerdict(result, SpfIdentity.MAIL_FROM, domain)


# What the name server knows of, without aliases and with those followed here.
IN_A_ZONE_FILE = [row for row in RESULTS if row[2] is not Result.TEMPERROR]


@pytest.mark.parametrize(("domain", "client_ip", "result"), IN_A_ZONE_FILE)
def test_a_zone_file_stands_for_the_dns(domain, client_ip, result):
    nobody = options_for(9, deadline=2.0)
    checker = SpfChecker(nobody, parse_records(ZONE, "zone"))

    verdict = check(checker, from_domain(domain, client_ip))

    assert verdict is not None
    assert verdict.result is result


def test_an_endless_alias_in_a_zone_file_leads_nowhere():
    records = parse_records(
        "a.example. CNAME b.example.\nb.example. CNAME a.example.", ""
    )

    verdict = check(SpfChecker(SpfOptions(), records), from_domain("a.example"))

    assert verdict is not None
    assert verdict.result is Result.NONE


def test_with_an_empty_reverse_path_the_helo_name_decides(checker):
    verdict = check(checker, Envelope(IP, "mx.author.example", ""))

    assert verdict == SpfVerdict(Result.PASS, SpfIdentity.HELO, "mx.author.example")


def test_the_domain_stands_behind_the_last_at(checker):
    envelope = Envelope(OTHER_IP, None, '"x@silent.example"@author.example')

    assert check(checker, envelope).result is Result.FAIL


@pytest.mark.parametrize(
    "local_part", ["a.b", "", "\xe4", "\udcff", "x" * 300, "%{l}", '"a b"', "a\\b"]
)
def test_any_local_part_may_be_asked_for(checker, local_part):
    envelope = Envelope(IP, "\xff", f"{local_part}@macro.example")

    assert check(checker, envelope).result in (Result.FAIL, Result.PERMERROR)


def test_without_a_client_nothing_is_asked(checker, server):
    server.forget_queries()

    assert check(checker, Envelope(mail_from="ann@author.example")) is None
    assert server.queries == []


def test_records_that_are_needed_twice_are_asked_for_once(checker, server):
    server.forget_queries()

    check(checker, from_domain("mx.author.example"))
    check(checker, from_domain("void.example"))

    names = [(each.name, each.rdtype) for each in server.queries]
    assert len(names) == len(set(names))


def test_nobody_is_asked_for_explanations(checker, server):
    server.forget_queries()

    check(checker, from_domain("exp.example"))

    assert [each.name for each in server.queries] == ["exp.example"]


def test_a_record_that_is_too_long_for_udp_is_fetched_by_tcp(checker, server):
    server.forget_queries()

    check(checker, from_domain("long.example"))

    assert [each.over for each in server.queries] == ["udp", "tcp"]


# In time


def test_a_name_server_that_keeps_silent_is_a_temporary_error(server):
    checker = SpfChecker(options_for(server.port, deadline=0.5))

    assert check(checker, from_domain("silent.example")).result is Result.TEMPERROR


def test_records_that_lead_on_and_on_are_given_up_in_time(server):
    """Each answer comes in time, all together do not."""
    server.delay = 0.15
    try:
        checker = SpfChecker(options_for(server.port, timeout=5.0, deadline=0.3))
        verdict = check(checker, from_domain("mx.example"))
    finally:
        server.delay = 0.0

    assert verdict.result is Result.TEMPERROR


def test_so_many_checks_that_some_never_begin_all_end_in_time(server):
    checker = SpfChecker(options_for(server.port, deadline=0.5))
    envelope = from_domain("silent.example")

    async def all_at_once():
        return await asyncio.gather(
            *(checker.check(envelope) for _ in range(3 * MAX_AT_ONCE))
        )

    verdicts = asyncio.run(all_at_once())

    assert {each.result for each in verdicts} == {Result.TEMPERROR}


def test_what_had_to_wait_for_its_turn_asks_nobody_any_more(server):
    checker = SpfChecker(options_for(server.port, deadline=5.0))
    server.forget_queries()

    result = checker._evaluate(
        from_domain("author.example"), "author.example", time.monotonic() - 1
    )

    assert result is Result.TEMPERROR
    assert server.queries == []


BAD_OPTIONS = (
    {"nameservers": ("not an address",)},
    {"nameservers": ("127.0.0.1",), "port": 9},
    {"nameservers": ("192.0.2.255",), "deadline": 0.3},
)


@pytest.mark.parametrize("changes", BAD_OPTIONS)
def test_a_name_server_that_cannot_be_asked_is_a_temporary_error(changes):
    checker = SpfChecker(replace(options_for(53, deadline=1.0), **changes))

    assert check(checker, from_domain("author.example")).result is Result.TEMPERROR


def test_a_bug_of_the_library_is_a_temporary_error(server, caplog):
    checker = SpfChecker(options_for(server.port))
    envelope = replace(from_domain("author.example"), client_ip=object())

    assert check(checker, envelope).result is Result.TEMPERROR
    assert "pyspf ended in" in caplog.text


def test_without_name_servers_those_of_the_system_are_asked():
    """Whatever they are here, the check ends in time and without an exception."""
    checker = SpfChecker(SpfOptions(deadline=0.5))

    assert check(checker, from_domain("author.invalid")).result in Result


def test_other_work_goes_on_meanwhile(server):
    checker = SpfChecker(options_for(server.port, deadline=2.0))

    async def beside() -> list[str]:
        order = []

        async def slow():
            await checker.check(from_domain("silent.example"))
            order.append("silent")

        async def quick():
            await checker.check(from_domain("author.example"))
            order.append("quick")

        await asyncio.gather(slow(), *(quick() for _ in range(5)))
        return order

    assert asyncio.run(beside()) == ["quick"] * 5 + ["silent"]
