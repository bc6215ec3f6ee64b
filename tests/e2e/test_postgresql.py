"""Mailman on PostgreSQL, which indexes what is kept of a held post.

An entry of that index has at most 2704 octets; a post with more in its
`msgdata` would be shunted instead of held.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace

import pytest

from tests.e2e.house import (
    ANN,
    AUTHOR,
    FORWARDER,
    ZONE,
    FurnishedHouse,
    first_field,
    furnished,
)
from tests.house import oracles, posts
from tests.house.dns_server import DnsServer
from tests.house.postgres import Postgres, find_programs


pytestmark = [
    pytest.mark.house,
    pytest.mark.skipif(
        find_programs() is None and os.environ.get("CI") != "true",
        reason="needs PostgreSQL (apt-get install postgresql) and psycopg2",
    ),
]

SIGNATURES = 20
HOPS = [replace(FORWARDER, name=f"hop{number}.example") for number in range(10)]
WHOLE_ZONE = ZONE | posts.zone_of(HOPS)


@pytest.fixture
def house() -> Iterator[FurnishedHouse]:
    with DnsServer(WHOLE_ZONE) as dns, Postgres() as postgres:
        database = {
            "class": "mailman.database.postgresql.PostgreSQLDatabase",
            "url": postgres.url,
        }
        incoming = {"class": "mailman_arc.plugin.incoming.ArcIncomingRunner"}
        changes = {"database": database, "runner.in": incoming}
        with furnished(dns.port, mailman=changes) as opened:
            yield opened


def test_a_post_of_which_there_is_much_to_tell_is_held_and_sealed(
    house: FurnishedHouse,
):
    discuss = house.make_list(default_nonmember_action="hold")
    post = posts.make_post(ANN, discuss.address)
    for _ in range(SIGNATURES):
        post = posts.dkim_sign(post, AUTHOR)
    for hop in HOPS:
        said = "dkim=pass" if hop is HOPS[0] else "arc=pass; dkim=pass"
        post = posts.arc_seal(post, hop, said)

    house.site.post(post, ANN, discuss)
    held = house.held(discuss)
    discuss.moderate(held["request_id"], "accept")
    copy = house.collect(post)[0]

    assert "dmarc=pass" in first_field(copy, "Authentication-Results")
    seal = first_field(copy, "ARC-Seal")
    assert seal.startswith("i=11; a=rsa-sha256; cv=pass;"), seal
    for opinion in oracles.opinions(copy.octets, WHOLE_ZONE):
        assert opinion.arc == "pass", opinion
    house.assert_untroubled()
