"""The embedded name server answers as a real one does."""

from __future__ import annotations

import time

import dns.exception
import dns.flags
import dns.message
import dns.query
import dns.rcode
import pytest

from tests.house.dns_server import DnsServer
from tests.house.nsd import Nsd, authoritative_server, find_nsd


RECORDS = f"""
@        300 SOA   ns hostmaster 1 3600 600 86400 60
         300 NS    ns
ns       300 A     127.0.0.1
text     300 TXT   "one" "two"
alias    300 CNAME text
dangling 300 CNAME nowhere
deep.er  300 TXT   "x"
*.wild   300 TXT   "any"
big      300 TXT   {" ".join(['"' + "x" * 250 + '"'] * 8)}
"""
ZONES = {"example.org": RECORDS}

needs_nsd = pytest.mark.skipif(find_nsd() is None, reason="nsd is not installed")


def embedded() -> DnsServer:
    return DnsServer(f"$ORIGIN example.org.\n{RECORDS}")


def ask(server, name, rdtype="TXT", over=dns.query.udp, timeout=5.0, **options):
    query = dns.message.make_query(name, rdtype, **options)
    return over(query, server.address, timeout=timeout, port=server.port)


@pytest.fixture
def server():
    with embedded() as running:
        yield running


@needs_nsd
def test_it_answers_what_nsd_answers():
    names = "@ text alias dangling deep.er er x.wild y.x.wild wild big ns no no.text"
    with embedded() as ours, Nsd(ZONES) as real:
        for name in names.split():
            asked = "example.org" if name == "@" else f"{name}.example.org"
            for over in (dns.query.udp, dns.query.tcp):
                assert gist(ask(ours, asked, over=over)) == gist(
                    ask(real, asked, over=over)
                ), name


def gist(reply: dns.message.Message) -> tuple:
    soas = [rrset for rrset in reply.authority if rrset.rdtype == dns.rdatatype.SOA]
    return (
        reply.rcode(),
        sorted(rrset.to_text() for rrset in reply.answer),
        [soa.name for soa in soas],
        bool(reply.flags & dns.flags.TC),
    )


def test_a_long_answer_is_truncated_over_udp_and_whole_over_tcp(server):
    assert ask(server, "big.example.org").flags & dns.flags.TC
    assert ask(server, "big.example.org", over=dns.query.tcp).answer


def test_a_larger_buffer_takes_a_longer_answer(server):
    reply = ask(server, "big.example.org", use_edns=0, payload=4096)
    assert len(reply.answer[0][0].strings) == 8


def test_a_mapping_is_a_zone_too(server):
    server.zone = {"a.example": "x" * 300, "b.example": ["one", 't"w\\o']}
    assert [len(part) for part in ask(server, "a.example").answer[0][0].strings] == [
        255,
        45,
    ]
    texts = {rdata.strings for rdata in ask(server, "b.example").answer[0]}
    assert texts == {(b"one",), (b't"w\\o',)}


def test_the_zone_may_change_while_it_runs(server):
    server.zone = {"new.example": "x"}
    assert ask(server, "new.example").rcode() == dns.rcode.NOERROR
    assert ask(server, "text.example.org").rcode() == dns.rcode.NXDOMAIN


def test_names_answer_errors_when_told_to(server):
    server.failing = {"text.example.org"}
    server.refusing = {"alias.example.org"}
    assert ask(server, "TEXT.example.org").rcode() == dns.rcode.SERVFAIL
    assert ask(server, "alias.example.org").rcode() == dns.rcode.REFUSED


@pytest.mark.parametrize("over", [dns.query.udp, dns.query.tcp])
def test_a_dead_server_is_silent_until_it_lives_again(server, over):
    server.dead = True
    with pytest.raises(dns.exception.Timeout):
        ask(server, "text.example.org", over=over, timeout=0.1)
    server.dead = False
    assert ask(server, "text.example.org", over=over).answer


def test_a_silent_name_leaves_the_others_alone(server):
    server.silent = {"text.example.org"}
    with pytest.raises(dns.exception.Timeout):
        ask(server, "text.example.org", timeout=0.1)
    assert ask(server, "deep.er.example.org").answer


def test_an_answer_can_be_late(server):
    server.delay = 0.2
    started_at = time.monotonic()
    ask(server, "text.example.org")
    assert time.monotonic() - started_at >= 0.2


def test_questions_are_written_down(server):
    ask(server, "Text.example.org")
    ask(server, "text.example.org", "A", over=dns.query.tcp)
    assert server.queries == [
        ("text.example.org", "TXT", "udp"),
        ("text.example.org", "A", "tcp"),
    ]
    assert server.asked("text.example.org") == 2
    server.forget_queries()
    assert server.queries == []


def test_an_authoritative_server_is_always_to_be_had():
    with authoritative_server(ZONES) as running:
        assert ask(running, "text.example.org").answer
