"""What was found on arrival stays with the post, whatever becomes of it."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import pytest

from tests.e2e.house import (
    ANN,
    SECOND_FORWARDER,
    ZONE,
    FurnishedHouse,
    assert_others_accept,
    first_field,
    furnished,
    signed,
)
from tests.house import posts
from tests.house.dns_server import DnsServer
from tests.house.lists import MailingList
from tests.house.sink import At, Delivery
from tests.house.waiting import PATIENCE, wait_until


pytestmark = pytest.mark.house

QUICK = {
    "runner.retry": {"sleep_time": "1s"},
    "runner.in": {"class": "mailman_arc.plugin.incoming.ArcIncomingRunner"},
}
SITES: dict[str, dict[str, dict[str, str | None]]] = {
    "door": {"runner.retry": QUICK["runner.retry"]},
    "incoming runner": {**QUICK, "runner.lmtp": {"class": None}},
}
NEW_KEY = posts.make_domain(posts.AUTHOR, "none")  # another than AUTHOR's


@dataclass
class Arrivals:
    """A house whose DNS can be changed and taken away."""

    house: FurnishedHouse
    dns: DnsServer
    by: str  # who judges: the key in SITES

    def hold(self, post: bytes, discuss: MailingList) -> dict[str, Any]:
        """Hand a post in for a moderated list; what the moderator sees."""
        assert self.house.site.post(post, ANN, discuss) == {}
        return self.house.held(discuss)

    def rotate_key_and_take_dns_away(self) -> None:
        self.dns.zone = ZONE | NEW_KEY.records()
        self.dns.dead = True


@pytest.fixture(scope="module", params=SITES)
def running(request) -> Iterator[Arrivals]:
    with (
        DnsServer(ZONE) as dns,
        furnished(
            dns.port,
            mailman=SITES[request.param],
            arc={"arc": {"dns_timeout": "2", "dns_deadline": "4"}},
        ) as house,
    ):
        # Who seals looks at its own key in the DNS with the first post.
        first = house.make_list()
        house.deliver(signed(posts.make_post(ANN, first.address)), first)
        yield Arrivals(house, dns, request.param)


@pytest.fixture
def arrivals(running: Arrivals) -> Iterator[Arrivals]:
    yield running
    running.dns.zone, running.dns.dead = ZONE, False
    running.dns.silent.clear()
    running.house.sink.accept()
    running.house.assert_untroubled()


def moderated(house: FurnishedHouse, **settings: Any) -> MailingList:
    return house.make_list(default_nonmember_action="hold", **settings)


def verdict_of(copy: Delivery) -> str:
    """What the seal says; "unsealed" when there is none."""
    if not copy.fields("ARC-Seal"):
        return "unsealed"
    assert_others_accept(copy.octets)
    return first_field(copy, "ARC-Authentication-Results")


def field_in(held: dict[str, Any]) -> str:
    """The topmost results as the moderator sees them, unfolded."""
    text = held["msg"].replace("\r", "")
    field = re.search(
        r"^Authentication-Results:(.*\n(?:[ \t].*\n)*)", text, re.MULTILINE
    )
    assert field
    return " ".join(field[1].split())


def test_a_held_post_is_sealed_with_the_verdict_of_its_arrival(arrivals: Arrivals):
    discuss = moderated(arrivals.house)
    post = signed(posts.make_post(ANN, discuss.address), {posts.FORWARDER: "dkim=pass"})
    held = arrivals.hold(post, discuss)
    said = field_in(held)
    assert said.startswith("lists.example.org; arc=pass")
    assert "dmarc=pass" in said

    arrivals.rotate_key_and_take_dns_away()
    discuss.moderate(held["request_id"], "accept")
    copy = arrivals.house.collect(post)[0]

    assert (
        first_field(copy, "Authentication-Results")
        == (f"Authentication-Results: {said}".partition(": ")[2])
    )
    assert first_field(copy, "ARC-Seal").startswith("i=2; a=rsa-sha256; cv=pass;")
    assert "dmarc=pass" in verdict_of(copy)
    assert b"X-Mailman-ARC-Arrival" not in copy.octets


@pytest.mark.parametrize("action", ["discard", "reject"])
def test_a_post_that_is_not_wanted_leaves_nothing(arrivals: Arrivals, action: str):
    discuss = moderated(arrivals.house, respond_to_post_requests=False)
    post = signed(posts.make_post(ANN, discuss.address))
    held = arrivals.hold(post, discuss)

    discuss.moderate(held["request_id"], action)

    arrivals.house.site.wait_until_idle()
    assert discuss.held() == []
    sent = [d for d in arrivals.house.sink.deliveries if d.message_id in str(post)]
    assert sent == []


@pytest.mark.parametrize("broken", ["posting_chain", "posting_pipeline"])
def test_a_shunted_post_keeps_its_verdict(arrivals: Arrivals, broken: str):
    house = arrivals.house
    discuss = house.make_list()
    post = signed(posts.make_post(ANN, discuss.address))
    before = set_in_database(house, discuss, broken, "gone")
    house.site.post(post, ANN, discuss)
    wait_until(house.site.shunted, PATIENCE, "a shunted post", house.site.report)

    set_in_database(house, discuss, broken, before)
    arrivals.rotate_key_and_take_dns_away()
    house.site.command("unshunt")
    copy = house.collect(post)[0]

    assert "dmarc=pass" in verdict_of(copy)
    forget_tracebacks(house)


def set_in_database(
    house: FurnishedHouse, discuss: MailingList, column: str, value: str
) -> str:
    """Write what REST would refuse; what stood there before."""
    file = house.site.var / "data/mailman.db"
    with closing(sqlite3.connect(file, timeout=PATIENCE)) as database:
        where = "WHERE list_id = ?"
        [[before]] = database.execute(
            f"SELECT {column} FROM mailinglist {where}", [discuss.list_id]
        )
        database.execute(
            f"UPDATE mailinglist SET {column} = ? {where}", [value, discuss.list_id]
        )
        database.commit()
    return str(before)


def forget_tracebacks(house: FurnishedHouse) -> None:
    """Of what a test has broken on purpose."""
    house.site.wait_until_idle()
    log = house.site.logs / "mailman.log"
    log.write_text(re.sub("Traceback", "As wanted", log.read_text()))


def test_a_post_that_is_sent_again_has_its_verdict(arrivals: Arrivals):
    house = arrivals.house
    discuss = house.make_list(["anne@one.example"])
    post = signed(posts.make_post(ANN, discuss.address))
    house.sink.refuse(At.RECIPIENT, "451 4.7.1 greylisted", times=2)

    house.site.post(post, ANN, discuss)
    house.site.wait_for_log("plugins", discuss.list_id)
    arrivals.rotate_key_and_take_dns_away()
    [copy] = house.collect(post, 1)

    assert "dmarc=pass" in verdict_of(copy)
    assert len(copy.fields("ARC-Seal")) == 1


def test_mail_to_the_owners_is_judged_and_sealed(arrivals: Arrivals):
    discuss = arrivals.house.make_list()
    discuss.subscribe(["olga@one.example"], "owner")
    post = signed(posts.make_post(ANN, discuss.address))

    copy = arrivals.house.deliver(post, discuss.address.replace("@", "-owner@"), 1)

    assert "dmarc=pass" in verdict_of(copy)
    assert len(copy.fields("Authentication-Results")) == 1


@pytest.mark.parametrize("transactions", [1, 2])
def test_a_post_to_two_lists_has_its_verdict_on_both(
    arrivals: Arrivals, transactions: int
):
    house = arrivals.house
    lists = [moderated(house), house.make_list(["dora@four.example"])]
    post = signed(posts.make_post(ANN, lists[0].address))

    if transactions == 1:
        house.post_to(post, lists)
    else:
        for each in lists:
            assert house.site.post(post, ANN, each) == {}
    house.collect(post, 1)
    held = house.held(lists[0])
    arrivals.rotate_key_and_take_dns_away()
    lists[0].moderate(held["request_id"], "accept")
    copies = house.collect(post, 4)

    assert len(copies) == 2
    for copy in copies:
        assert len(copy.fields("Authentication-Results")) == 1
        assert "dmarc=pass" in verdict_of(copy)


def test_what_was_injected_is_judged_as_it_came(arrivals: Arrivals):
    house = arrivals.house
    discuss = moderated(house)
    post = signed(posts.make_post(ANN, discuss.address))

    house.site.inject(post, discuss)
    held = house.held(discuss)

    if arrivals.by == "door":
        # Nobody judges before the pipeline what comes past the door.
        assert "Authentication-Results" not in held["msg"]
    else:
        assert "dmarc=pass" in field_in(held)
        arrivals.rotate_key_and_take_dns_away()
    discuss.moderate(held["request_id"], "accept")
    assert "dmarc=pass" in verdict_of(house.collect(post)[0])


@pytest.mark.parametrize("first", ["forged", "genuine"])
def test_one_message_id_does_not_bring_a_verdict_to_another_text(
    arrivals: Arrivals, first: str
):
    # Mailman keeps one text for a Message-ID, whoever else uses it.
    house = arrivals.house
    one, two = moderated(house), moderated(house)
    genuine = signed(posts.make_post(ANN, one.address))
    message_id = re.search(rb"^Message-ID: (\S+)", genuine, re.MULTILINE)
    assert message_id
    forged = posts.make_post(
        ANN,
        one.address,
        body="Pay to my account.\r\n",
        message_id=message_id[1].decode(),
    )
    order = (forged, genuine) if first == "forged" else (genuine, forged)
    held = [
        arrivals.hold(post, each) for post, each in zip(order, (one, two), strict=True)
    ]

    for each, request in zip((two, one), reversed(held), strict=True):
        each.moderate(request["request_id"], "accept")
    copies = house.collect(genuine, 6)

    assert len(copies) == 2
    for copy in copies:
        verdict = verdict_of(copy)
        if b"Pay to my account." in copy.octets:
            assert "dmarc=pass" not in verdict
            assert b"dmarc=pass" not in copy.octets
        else:
            assert verdict == "unsealed" or "dmarc=pass" in verdict


def test_a_post_waits_for_the_dns_while_others_go_on(arrivals: Arrivals):
    if arrivals.by == "door":
        pytest.skip("there the mail server does the waiting")
    house = arrivals.house
    discuss = house.make_list()
    waits = signed(
        posts.make_post(ANN, discuss.address), {SECOND_FORWARDER.name: "dkim=pass"}
    )
    goes_on = signed(posts.make_post(ANN, discuss.address))
    # Nobody has asked for this key yet, so nobody remembers it.
    arrivals.dns.silent.update(SECOND_FORWARDER.records())

    house.site.post(waits, ANN, discuss)
    house.site.wait_for_log("plugins", "it waits for at most")
    house.deliver(goes_on, discuss)
    [waiting] = house.site.queue("in")

    # A restart loses nobody.
    house.site.stop()
    assert house.site.queue("in") == [waiting]
    arrivals.dns.silent.clear()
    house.site.start()
    copy = house.collect(waits)[0]

    assert first_field(copy, "ARC-Seal").startswith("i=2; a=rsa-sha256; cv=pass;")
    assert "dmarc=pass" in verdict_of(copy)
