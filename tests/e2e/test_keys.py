"""Keys are turned over on a real Mailman while posts flow, and outlive an outage."""

from __future__ import annotations

import itertools
import re
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

import pytest

from mailman_arc.adapters.keystore import KeyStore
from mailman_arc.mailauth.crypto import parse_signing_key
from mailman_arc.mailauth.keyrecord import key_name
from mailman_arc.policy.dnsrecord import record_value
from tests.e2e.house import (
    ANN,
    SITE,
    ZONE,
    FurnishedHouse,
    first_field,
    furnished,
    signed,
)
from tests.house import oracles, posts
from tests.house.dns_server import DnsServer
from tests.house.lists import MailingList
from tests.house.sink import Delivery
from tests.house.waiting import PATIENCE, wait_until


pytestmark = pytest.mark.house

MANAGED = {
    "arc": {
        "selector": None,
        "key_file": None,
        "dns_timeout": "2",
        "dns_deadline": "4",
    }
}
PAUSE = 0.1  # seconds between posts
SOME = 4  # posts


@dataclass
class Keys:
    """What the administrator does."""

    house: FurnishedHouse
    dns: DnsServer

    def __post_init__(self) -> None:
        self.store = KeyStore(self.house.site.var / "data/arc/keys")
        self._clock = itertools.count(int(time.time()))  # never twice the same

    def make(self, selector: str) -> None:
        self.store.new(SITE.name, selector, next(self._clock))

    def publish(self, selector: str) -> None:
        pem = self.store.get(SITE.name, selector).path.read_bytes()
        value = record_value(parse_signing_key(pem).verifying_key)
        self.dns.zone = {**self.dns.zone, key_name(selector, SITE.name): value}

    def activate(self, selector: str) -> None:
        self.store.set_state(SITE.name, selector, "active", next(self._clock))

    def retire(self, selector: str) -> None:
        self.store.set_state(SITE.name, selector, "retired", next(self._clock))


@dataclass
class Flow:
    """Posts to a list, one after the other, until the context ends."""

    house: FurnishedHouse
    to: MailingList
    sent: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._ends = threading.Event()
        self._thread = threading.Thread(target=self._post)

    def _post(self) -> None:
        while not self._ends.wait(PAUSE):
            post = signed(posts.make_post(ANN, self.to.address))
            assert self.house.site.post(post, ANN, self.to) == {}
            self.sent.append(post)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._ends.set()
        self._thread.join()

    def go_on(self) -> None:
        """Wait until some posts that were sent from now on have come out."""
        self.wait_for(len(self.sent) + 1 + SOME)

    def wait_for(self, count: int) -> list[Delivery]:
        """Wait until so many posts have come out."""
        return wait_until(
            lambda: (
                found if len(found := self.house.sink.deliveries) >= count else None
            ),
            PATIENCE,
            f"{count} posts",
            self.house.site.report,
        )


@pytest.fixture(scope="module")
def keys() -> Iterator[Keys]:
    with (
        DnsServer(ZONE) as dns,
        furnished(dns_port=dns.port, key=None, arc=MANAGED) as house,
    ):
        yield Keys(house, dns)


def selector_of(copy: Delivery) -> str:
    [seal] = copy.fields("ARC-Seal")
    return re.findall(rb" s=(\w+);", seal)[0].decode()


def test_keys_are_turned_over_while_posts_flow(keys: Keys):
    house = keys.house
    keys.make("old")
    keys.publish("old")
    keys.activate("old")
    discuss = house.make_list(["anne@one.example"])

    with Flow(house, discuss) as flow:
        flow.go_on()
        keys.make("new")
        flow.go_on()
        keys.publish("new")
        keys.activate("new")
        flow.go_on()
        keys.make("early")
        keys.activate("early")  # in force, and never published
        flow.go_on()
        keys.retire("old")
        flow.go_on()
    copies = flow.wait_for(len(flow.sent))

    used = [name for name, _ in itertools.groupby(copies, selector_of)]
    assert used == ["old", "new"]
    for copy in copies:
        for opinion in oracles.opinions(copy.octets, keys.dns.zone):
            assert opinion.arc == "pass", opinion
    [line] = house.site.log_lines("plugins", "sealing goes on with new")
    assert "does not show the key at early._domainkey.lists.example.org" in line
    house.assert_untroubled()


def test_a_restart_without_the_dns_costs_no_seal(keys: Keys):
    house = keys.house
    keys.make("steady")
    keys.publish("steady")
    keys.activate("steady")
    discuss = house.make_list(["anne@one.example"])
    house.deliver(signed(posts.make_post(ANN, discuss.address)), discuss, copies=1)

    keys.dns.dead = True
    # What a runner is at when it is told to stop, Mailman shunts.
    house.site.wait_until_idle()
    house.site.restart()
    copy = house.deliver(posts.make_post(ANN, discuss.address), discuss, copies=1)
    keys.dns.dead = False

    assert " s=steady; " in first_field(copy, "ARC-Seal")
    house.assert_untroubled()
