"""What lists do with posts that failed, and what people are told of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from mailman_arc.policy.handling import REASONS, Failure
from tests.e2e.house import (
    ANN,
    BANK,
    MEMBERS,
    UNUSED,
    FurnishedHouse,
    first_field,
    furnished,
    signed,
)
from tests.house import configfile, posts
from tests.house.lists import MailingList
from tests.house.sink import Delivery
from tests.house.waiting import wait_until


pytestmark = pytest.mark.house

OURS = "plugins/arc/lists"
BOSS = f"boss@{posts.BANK}"
PATIENCE = 90  # seconds


@pytest.fixture(scope="module")
def house() -> Iterator[FurnishedHouse]:
    with furnished() as opened:
        yield opened


@pytest.fixture(autouse=True)
def _untroubled(house: FurnishedHouse):
    house.sink.clear()
    yield
    house.assert_untroubled()


def forged(to: str) -> bytes:
    return posts.make_post(BOSS, to)


def broken_chain(to: str) -> bytes:
    post = signed(posts.make_post(BOSS, to), {posts.FORWARDER: "dkim=pass"})
    return post + b"and more\r\n"


FAILING: dict[Failure, Callable[[str], bytes]] = {
    Failure.DMARC: forged,
    Failure.CHAIN: broken_chain,
    Failure.SIGNATURE: forged,
    Failure.UNCONFIRMED: forged,
    Failure.MISMATCH: forged,
}


def configure(house: FurnishedHouse, discuss: MailingList, **settings: str) -> None:
    house.site.rest.patch(f"{OURS}/{discuss.list_id}/config", settings)


def make_list(house: FurnishedHouse, settings: dict[str, str]) -> MailingList:
    """A list with these settings of ours, whose owners are told of what is held."""
    discuss = house.make_list(admin_immed_notify=True)
    configure(house, discuss, **settings)
    return discuss


def owners_of(discuss: MailingList) -> str:
    return discuss.address.replace("@", "-owner@")


def send(house: FurnishedHouse, discuss: MailingList, octets: bytes) -> None:
    assert house.site.post(octets, BOSS, discuss) == {}


def become(
    house: FurnishedHouse, discuss: MailingList, disposition: str
) -> dict[str, Any]:
    """The only entry of a list in its history, once this has become of the post."""

    def look() -> list[dict[str, Any]]:
        answer = house.site.rest.get(f"{OURS}/{discuss.list_id}/history")
        found: list[dict[str, Any]] = answer.get("entries", [])
        return found if [e["disposition"] for e in found] == [disposition] else []

    return wait_until(look, PATIENCE, f"one entry, {disposition}", house.site.report)[0]


def notice_to(house: FurnishedHouse, recipient: str) -> str:
    """The text of the only mail that somebody got from Mailman, in one line."""

    def look() -> list[Delivery]:
        return [e for e in house.sink.deliveries if recipient in e.recipients]

    found = wait_until(look, PATIENCE, f"a notice to {recipient}", house.site.report)
    assert len(found) == 1
    return " ".join(found[0].octets.decode().split())


def recipients(house: FurnishedHouse) -> set[str]:
    house.site.wait_until_idle()
    return {each for copy in house.sink.deliveries for each in copy.recipients}


def settings_for(failure: Failure, action: str, *, is_member: bool) -> dict[str, str]:
    """This action for members or for others, and nothing for the rest."""
    return {
        f"{failure}_action": action if is_member else "defer",
        f"{failure}_nonmember_action": "defer" if is_member else action,
    }


by_both = pytest.mark.parametrize("is_member", [True, False], ids=["member", "other"])
for_each_failure = pytest.mark.parametrize("failure", FAILING)


def arranged(
    house: FurnishedHouse, failure: Failure, action: str, *, is_member: bool
) -> tuple[MailingList, bytes]:
    """A list, one that takes all else, and a post that fails, of a member or not."""
    settings = settings_for(failure, action, is_member=is_member)
    discuss = make_list(house, settings)
    if is_member:
        discuss.subscribe([BOSS])
    return discuss, FAILING[failure](discuss.address)


@by_both
@for_each_failure
def test_a_post_is_held_and_owners_author_and_history_are_told_why(
    house, failure, is_member
):
    discuss, post = arranged(house, failure, "hold", is_member=is_member)

    send(house, discuss, post)

    assert house.held(discuss)["reason"] == REASONS[failure]
    assert REASONS[failure] in notice_to(house, owners_of(discuss))
    assert REASONS[failure] in notice_to(house, BOSS)
    assert become(house, discuss, "held")["disposition_reason"] == REASONS[failure]
    assert recipients(house) == {owners_of(discuss), BOSS}


@by_both
@for_each_failure
def test_a_post_is_rejected_and_author_and_history_are_told_why(
    house, failure, is_member
):
    discuss, post = arranged(house, failure, "reject", is_member=is_member)

    send(house, discuss, post)

    assert REASONS[failure] in notice_to(house, BOSS)
    found = become(house, discuss, "rejected")
    assert found["disposition_reason"] == REASONS[failure]
    assert recipients(house) == {BOSS}


@by_both
@for_each_failure
def test_a_post_is_discarded_and_only_the_history_is_told_why(
    house, failure, is_member
):
    discuss, post = arranged(house, failure, "discard", is_member=is_member)

    send(house, discuss, post)

    found = become(house, discuss, "discarded")
    assert found["disposition_reason"] == REASONS[failure]
    assert recipients(house) == set()


@by_both
@for_each_failure
def test_a_post_is_accepted_that_the_list_would_discard(house, failure, is_member):
    discuss, post = arranged(house, failure, "accept", is_member=is_member)
    discuss.configure(
        default_member_action="discard", default_nonmember_action="discard"
    )

    send(house, discuss, post)

    house.collect(post)
    become(house, discuss, "posted")


@pytest.mark.parametrize("is_member", [True, False], ids=["member", "other"])
def test_what_is_done_with_posts_of_the_others_is_not_done(house, is_member):
    settings = settings_for(Failure.DMARC, "discard", is_member=not is_member)
    discuss = make_list(house, settings)
    if is_member:
        discuss.subscribe([BOSS])
    post = forged(discuss.address)

    send(house, discuss, post)

    house.collect(post)


def test_an_approved_post_leaves_sealed_with_what_was_found(house):
    discuss = make_list(house, {"dmarc_failure_action": "hold"})
    post = forged(discuss.address)
    send(house, discuss, post)
    request = house.held(discuss)

    discuss.moderate(request["request_id"], "accept")

    copy = next(e for e in house.collect(post) if e.recipients[0] in MEMBERS)
    assert "arc-results" in first_field(copy, "X-Mailman-Rule-Hits")
    assert "dmarc=fail (p=reject)" in first_field(copy, "ARC-Authentication-Results")
    assert become(house, discuss, "posted")["sealed"] is True


@pytest.mark.parametrize(
    ("field", "is_let_through"), [("secret", True), ("guessed", False)]
)
def test_the_moderators_password_lets_a_post_through_and_a_guess_does_not(
    house, field, is_let_through
):
    discuss = make_list(house, {"dmarc_failure_action": "discard"})
    discuss.configure(moderator_password="secret")
    post = posts.make_post(
        BOSS, discuss.address, body=f"Approved: {field}\r\n\r\nTo all.\r\n"
    )

    send(house, discuss, post)

    become(house, discuss, "posted" if is_let_through else "discarded")


def test_mail_to_the_owners_is_not_touched(house):
    discuss = make_list(house, {f"{each}_action": "discard" for each in FAILING})
    post = forged(discuss.address)

    house.deliver(post, owners_of(discuss), 1)


def test_a_good_post_passes_all_of_them(house):
    discuss = make_list(house, {f"{each}_action": "discard" for each in FAILING})
    post = signed(posts.make_post(ANN, discuss.address))

    copy = house.deliver(post, discuss)

    assert b"arc-results" not in copy.octets


def test_nothing_is_done_with_a_post_that_a_trusted_sealer_vouches_for(house):
    settings = {f"{each}_action": "discard" for each in FAILING}
    trusting = make_list(house, {**settings, "trusted_sealers": posts.FORWARDER})
    wary = make_list(house, settings)
    for discuss in (trusting, wary):
        changed = posts.dkim_sign(forged(discuss.address), BANK) + b"-- \r\nfooter\r\n"
        results = f"dmarc=pass header.from={posts.BANK}"
        forwarder = posts.make_domain(posts.FORWARDER, None)
        send(house, discuss, posts.arc_seal(changed, forwarder, results))

    become(house, trusting, "posted")
    become(house, wary, "discarded")


def test_in_shadow_mode_a_post_passes_and_the_log_says_what_would_be_done(house):
    discuss = make_list(house, {"dmarc_failure_action": "reject", "shadow": "yes"})
    post = forged(discuss.address)

    send(house, discuss, post)

    house.collect(post)
    said = f"list={discuss.list_id} shadow mode: reject: {REASONS[Failure.DMARC]}"
    house.site.wait_for_log("plugins", said)


def test_off_they_leave_no_trace_in_a_post(house):
    discuss = house.make_list()

    copy = house.deliver(forged(discuss.address), discuss)

    assert b"arc-results" not in copy.octets
    assert "dmarc-mitigation" in first_field(copy, "X-Mailman-Rule-Misses")


# With another Mailman


def test_without_door_and_incoming_runner_nothing_is_done():
    changes = {"runner.lmtp": {"class": None}}
    with furnished(mailman=changes) as house:
        discuss = make_list(house, {"dmarc_failure_action": "discard"})
        house.deliver(forged(discuss.address), discuss)
        house.assert_untroubled()


def test_without_the_door_the_incoming_runner_is_enough():
    incoming = "mailman_arc.plugin.incoming.ArcIncomingRunner"
    changes = {"runner.lmtp": {"class": None}, "runner.in": {"class": incoming}}
    with furnished(mailman=changes) as house:
        discuss = make_list(house, {"dmarc_failure_action": "discard"})
        send(house, discuss, forged(discuss.address))
        become(house, discuss, "discarded")
        house.assert_untroubled()


def test_lists_go_on_when_the_plugin_is_removed():
    with furnished(without=UNUSED) as house:
        discuss = make_list(house, {"dmarc_failure_action": "hold"})
        send(house, discuss, forged(discuss.address))
        request = house.held(discuss)
        house.site.stop()
        text = house.site.config.read_text("utf-8")
        house.site.config.write_text(configfile.without_plugin(text), "utf-8")
        house.site.start()

        discuss.moderate(request["request_id"], "accept")
        house.sink.wait_for_copies(request["message_id"], 3)
        house.deliver(forged(discuss.address), discuss)

        house.assert_untroubled()
