"""The rule that does what a list wants done with posts that failed."""

from __future__ import annotations

import email
from types import SimpleNamespace

import pytest
from mailman.email.message import Message
from mailman.interfaces.chain import LinkAction
from mailman.interfaces.rules import IRule
from zope.interface.verify import verifyObject

from mailman_arc.mailauth.message import read_message
from mailman_arc.plugin import startup
from mailman_arc.plugin.reception import VOUCHER_FIELD, attach_voucher, judge
from mailman_arc.plugin.rules.results import AuthenticationResults
from mailman_arc.policy.handling import REASONS, Failure
from mailman_arc.policy.trust import Trust
from tests.support.mail import POST, changed, sign_dkim, whole_zone
from tests.support.zone import txt


ZONE = whole_zone().with_records({"_dmarc.author.example": txt(b"v=DMARC1; p=reject")})
HOLD = {"dkim_failure_action": "hold"}
APPROVED = changed(POST, b"\r\n\r\n", b"\r\n\r\nApproved: guessed\r\n")


def from_the_door(octets: bytes, services) -> Message:
    msg = email.message_from_bytes(octets, Message)
    arrival = judge(read_message(octets), ZONE, Trust("lists.example")).arrival
    attach_voucher(msg, arrival, services.secret)
    return msg


def check(mlist, msg: Message, **msgdata: object) -> tuple[bool, dict[str, object]]:
    return AuthenticationResults().check(mlist, msg, msgdata), msgdata


def links(mailman) -> list[tuple[str, object, str | None]]:
    return list(mailman.chains["default-posting-chain"]._link_descriptions)


def test_it_is_a_rule_of_mailman(mailman):
    assert verifyObject(IRule, AuthenticationResults())
    assert startup.RULE in mailman.rules


def test_it_stands_behind_approval_and_before_moderation(mailman):
    names = [each[0] for each in links(mailman)]

    assert (startup.RULE, LinkAction.jump, "moderation") in links(mailman)
    assert names.count(startup.RULE) == 1
    assert names.index("approved") < names.index(startup.RULE)
    assert names.index(startup.RULE) + 1 == names.index("member-moderation")


def test_it_is_placed_once(mailman):
    before = links(mailman)
    startup.place_rule()
    assert links(mailman) == before


def test_other_chains_of_that_kind_are_left_alone(mailman):
    kind = type(mailman.chains["default-posting-chain"])
    assert startup.RULE not in [each[0] for each in kind._link_descriptions]


@pytest.mark.parametrize(
    "chain",
    [SimpleNamespace(), SimpleNamespace(_link_descriptions=[("truth", None, "x")])],
)
def test_a_chain_of_another_kind_is_told_of(mailman, monkeypatch, log, chain):
    monkeypatch.setitem(mailman.chains, startup.POSTING_CHAIN, chain)
    startup.place_rule()
    assert log() == [
        "ERROR rules on results do nothing: there is no place for them in the chain "
        "'default-posting-chain'"
    ]


def test_a_post_that_failed_is_handled_with_action_and_reason(install, mlist):
    services = install(**HOLD)

    is_hit, msgdata = check(mlist, from_the_door(POST, services))

    assert is_hit
    assert msgdata == {
        "member_moderation_action": "hold",
        "moderation_sender": "ann@author.example",
        "moderation_reasons": [REASONS[Failure.SIGNATURE]],
        "rule_hits": ["arc-results"],
    }


def test_earlier_reasons_and_hits_stay(install, mlist):
    services = install(**HOLD)
    _, msgdata = check(
        mlist,
        from_the_door(POST, services),
        moderation_reasons=["Something"],
        rule_hits=["other"],
    )

    assert msgdata["moderation_reasons"] == ["Something", REASONS[Failure.SIGNATURE]]
    assert msgdata["rule_hits"] == ["other", "arc-results"]


def test_the_voucher_stays_for_the_pipeline(install, mlist):
    msg = from_the_door(POST, install(**HOLD))
    before = msg.items()

    check(mlist, msg)

    assert msg.items() == before
    assert VOUCHER_FIELD in msg


def test_nobody_gets_round_it_with_a_password(install, mlist):
    msg = from_the_door(APPROVED, install(**HOLD))
    msg.set_payload("Bye.\n")  # as the rule `approved` leaves it
    assert check(mlist, msg)[0]


def test_a_good_post_passes(install, mlist):
    msg = from_the_door(sign_dkim(POST), install(**HOLD))
    assert check(mlist, msg) == (False, {})


def test_off_it_passes_everything(services, mlist):
    assert check(mlist, from_the_door(POST, services)) == (False, {})


def test_without_a_verdict_it_passes(install, mlist):
    install(**HOLD)
    assert check(mlist, email.message_from_bytes(POST, Message)) == (False, {})


def test_the_verdict_on_another_post_is_none(install, mlist):
    msg = from_the_door(POST, install(**HOLD))
    msg.replace_header("Subject", "Another")
    assert check(mlist, msg) == (False, {})


@pytest.mark.parametrize("key", ["to_owner", "fromusenet"])
def test_mail_to_the_owners_and_news_pass(install, mlist, key):
    msg = from_the_door(POST, install(**HOLD))
    assert check(mlist, msg, **{key: True}) == (False, {key: True})


def test_in_shadow_mode_it_only_says_what_it_would_do(install, mlist, log):
    msg = from_the_door(POST, install(**HOLD, shadow="yes"))

    assert check(mlist, msg) == (False, {})
    assert log() == [
        "INFO <1@author.example> list=list.lists.example shadow mode: hold: "
        "The message has no good DKIM signature of its author's domain"
    ]


def test_a_disabled_plugin_passes_everything(install, mlist, disabled):
    assert not check(mlist, email.message_from_bytes(POST, Message))[0]


def test_an_error_lets_the_post_pass(install, log):
    msg = from_the_door(POST, install(**HOLD))
    assert check(SimpleNamespace(), msg) == (False, {})
    assert log() == ["ERROR rule: unexpected error, going on without it"]


# Members and others


@pytest.fixture
def members(mailman, mlist):
    """A user with two addresses, one of which is subscribed."""
    from mailman.database.transaction import transaction
    from mailman.interfaces.usermanager import IUserManager
    from zope.component import getUtility

    users = getUtility(IUserManager)
    with transaction():
        user = users.create_user("mia@members.example")
        user.register("mia@home.example")
        member = mlist.subscribe(users.get_address("mia@members.example"))
        users.create_address("nobody@members.example")
    yield
    with transaction():
        member.unsubscribe()
        users.delete_user(user)
        users.delete_address(users.get_address("nobody@members.example"))


@pytest.mark.parametrize(
    ("author", "action"),
    [
        (b"mia@members.example", "reject"),
        (b"mia@home.example", "reject"),
        (b"nobody@members.example", "hold"),
        (b"stranger@elsewhere.example", "hold"),
    ],
)
def test_members_are_known_by_any_of_their_addresses(
    install, mlist, members, author, action
):
    services = install(
        dkim_failure_action="reject", dkim_failure_nonmember_action="hold"
    )
    msg = from_the_door(changed(POST, b"ann@author.example", author), services)

    assert check(mlist, msg)[1]["member_moderation_action"] == action
