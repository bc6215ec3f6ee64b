"""What is changed by REST holds for the next post, without a restart."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.house import (
    ANN,
    ZONE,
    FurnishedHouse,
    first_field,
    furnished,
    signed,
    zones,
)
from tests.house import oracles, posts
from tests.house.dns_server import quote_text
from tests.house.lists import MailingList
from tests.house.nsd import authoritative_server
from tests.house.rest import RestClient, RestError
from tests.house.sink import Delivery


pytestmark = pytest.mark.house

HOST = "press.example"
PRESS = posts.make_domain(HOST, "none", "press2026")
BOARD = posts.make_domain(HOST, "none", "board2026")
OURS = "plugins/arc/lists"


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FurnishedHouse]:
    """A site with two mail domains, the second with two keys of its own."""
    directory = tmp_path_factory.mktemp("keys")
    sections = {
        f"identity.{name}": {
            "domain": HOST,
            "selector": domain.selector,
            "key_file": str(key_in(directory, domain)),
        }
        for name, domain in (("press", PRESS), ("board", BOARD))
    }
    with (
        authoritative_server({**zones(), HOST: zone_of_press()}) as dns,
        furnished(dns.port, arc=sections) as opened,
    ):
        yield opened


def key_in(directory: Path, domain: posts.Domain) -> Path:
    path = directory / f"{domain.selector}.pem"
    path.touch(mode=0o600)
    path.write_bytes(domain.private_key)
    return path


def zone_of_press() -> str:
    head = "$TTL 60\n@ SOA ns hostmaster 1 3600 600 86400 60\n@ NS ns\nns A 127.0.0.1\n"
    records = posts.zone_of([PRESS, BOARD])
    return head + "".join(
        f"{name}. TXT {quote_text(text)}\n" for name, text in records.items()
    )


def post_to(house: FurnishedHouse, mlist: MailingList) -> tuple[Delivery, str]:
    """A new post: what members get, and its line in the log."""
    post = signed(posts.make_post(ANN, mlist.address))
    return house.deliver(post, mlist), house.log_of(post)


def told(house: FurnishedHouse, mlist: MailingList, name: str) -> tuple[Any, str]:
    """A value that holds for a list, and where it comes from."""
    found = house.site.rest.get(f"{OURS}/{mlist.list_id}/config/{name}")
    return found[name], found["origin"]


def assert_sealed(copy: Delivery, sealer: str) -> None:
    seal = first_field(copy, "ARC-Seal")
    domain, selector = sealer.split()
    assert f"d={domain};" in seal
    assert f"s={selector};" in seal
    zone = {**ZONE, **posts.zone_of([PRESS, BOARD])}
    for opinion in oracles.opinions(copy.octets, zone):
        assert opinion.arc == "pass", opinion


def test_what_is_changed_holds_for_the_next_post(house: FurnishedHouse):
    rest = house.site.rest
    quiet, cautious = house.make_list(), house.make_list()
    news = house.make_list(domain=HOST)
    assert_sealed(post_to(house, quiet)[0], "lists.example.org arc2026")
    assert_sealed(post_to(house, cautious)[0], "lists.example.org arc2026")
    assert_sealed(post_to(house, news)[0], f"{HOST} press2026")

    rest.patch(f"{OURS}/{quiet.list_id}/config", {"mode": "none"})
    rest.put(f"{OURS}/{cautious.address}/config/shadow", {"shadow": "True"})
    rest.patch(f"{OURS}/{news.list_id}/config", {"identity": "board"})

    assert told(house, quiet, "mode") == ("none", "list")
    assert told(house, cautious, "shadow") == (True, "list")
    assert told(house, cautious, "mode") == ("sv", "default")
    assert told(house, news, "identity") == ("board", "list")
    copy, line = post_to(house, quiet)
    assert not copy.fields("ARC-Seal")
    assert not copy.fields("Authentication-Results")
    assert "not sealed: switched off for this list" in line
    copy, line = post_to(house, cautious)
    assert not copy.fields("ARC-Seal")
    assert "not sealed: shadow mode" in line
    assert_sealed(post_to(house, news)[0], f"{HOST} board2026")

    for each in (quiet, cautious, news):
        rest.delete(f"{OURS}/{each.list_id}/config")
    assert told(house, quiet, "mode") == ("sv", "default")
    assert_sealed(post_to(house, quiet)[0], "lists.example.org arc2026")
    assert_sealed(post_to(house, cautious)[0], "lists.example.org arc2026")
    assert_sealed(post_to(house, news)[0], f"{HOST} press2026")
    house.assert_untroubled()


def test_what_is_changed_by_command_is_told_and_obeyed(house: FurnishedHouse):
    mlist = house.make_list()
    assert told(house, mlist, "mode") == ("sv", "default")

    house.site.command("arc", "settings", mlist.address, "mode=none")

    assert told(house, mlist, "mode") == ("none", "list")
    assert not post_to(house, mlist)[0].fields("ARC-Seal")

    house.site.rest.delete(f"{OURS}/{mlist.list_id}/config/mode")

    shown = house.site.command("arc", "settings", mlist.address)
    assert "mode: sv (default)" in shown
    assert post_to(house, mlist)[0].fields("ARC-Seal")


def test_each_worker_tells_the_same(house: FurnishedHouse):
    """Two processes answer, and one of them has made the change."""
    rest = house.site.rest
    mlist = house.make_list()
    rest.patch(f"{OURS}/{mlist.list_id}/config", {"mode": "s"})

    assert {told(house, mlist, "mode") for _ in range(20)} == {("s", "list")}
    lines = rest.get(f"{OURS}?count=1000&page=1")["entries"]
    modes = {line["list_id"]: line["mode"] for line in lines}
    assert modes[mlist.list_id] == "s"
    assert rest.get(f"{OURS}?count=0&page=1")["total_size"] == len(lines)


def test_what_makes_no_sense_changes_nothing(house: FurnishedHouse):
    mlist = house.make_list()
    path = f"{OURS}/{mlist.list_id}/config"

    with pytest.raises(RestError) as refused:
        house.site.rest.patch(path, {"mode": "v", "identity": "board"})

    assert refused.value.status == 400
    assert "'board' may not seal for lists.example.org" in refused.value.body
    assert "list" not in house.site.rest.get(path)["origins"].values()


def test_the_dns_shows_the_keys(house: FurnishedHouse):
    lines = house.site.rest.get("plugins/arc/keys")["entries"]
    names = [(line["domain"], line["selector"]) for line in lines]

    assert names == [
        ("lists.example.org", "arc2026"),
        (HOST, "board2026"),
        (HOST, "press2026"),
    ]
    for domain, selector in names:
        answer = house.site.rest.post(f"plugins/arc/keys/{domain}/{selector}/check", {})
        assert answer["found"] == "shown"


def test_only_the_account_of_mailmans_rest_gets_in(house: FurnishedHouse):
    stranger = RestClient(house.site.rest.base, "stranger", "secret")

    with pytest.raises(RestError) as refused:
        stranger.get("plugins/arc")

    assert refused.value.status == 401
