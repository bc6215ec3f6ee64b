"""The other implementations agree about mail that is plainly good or bad."""

from __future__ import annotations

import pytest

from tests.house import oracles, posts


AUTHOR = posts.make_domain(posts.AUTHOR)
FORWARDER = posts.make_domain(posts.FORWARDER)
ZONE = posts.zone_of([AUTHOR, FORWARDER])

PLAIN = posts.make_post("ann@author.example", "discuss@lists.example.org")
SIGNED = posts.dkim_sign(PLAIN, AUTHOR)
SEALED = posts.arc_seal(SIGNED, FORWARDER, "dkim=pass header.d=author.example")
TWICE = posts.arc_seal(SEALED, AUTHOR, "arc=pass")
ENDED = posts.arc_seal(SEALED + b"more\r\n", AUTHOR, "arc=fail")


def everyone(octets: bytes, zone: oracles.Zone) -> list[oracles.Opinion]:
    if oracles.find_maildkim() is None:
        pytest.skip("Mail::DKIM is not installed")
    return oracles.opinions(octets, zone)


@pytest.mark.parametrize(
    ("octets", "arc", "dkim"),
    [
        pytest.param(PLAIN, "none", "none", id="plain"),
        pytest.param(SIGNED, "none", "pass", id="signed"),
        pytest.param(SIGNED + b"more\r\n", "none", "fail", id="signed, changed"),
        pytest.param(SEALED, "pass", "pass", id="sealed"),
        pytest.param(SEALED + b"more\r\n", "fail", "fail", id="sealed, changed"),
        pytest.param(TWICE, "pass", "pass", id="sealed twice"),
        pytest.param(ENDED, "fail", "fail", id="chain ended"),
    ],
)
def test_all_say_the_same(octets: bytes, arc: str, dkim: str) -> None:
    for opinion in everyone(octets, ZONE):
        assert (opinion.arc, opinion.dkim_of(posts.AUTHOR)) == (arc, dkim), opinion


def test_nobody_believes_a_key_that_is_not_there() -> None:
    without = {name: text for name, text in ZONE.items() if "author" not in name}
    for zone in (without, dict.fromkeys(ZONE)):
        for opinion in everyone(TWICE, zone):
            assert opinion.arc != "pass", opinion
            assert opinion.dkim_of(posts.AUTHOR) != "pass", opinion
