"""What a list does with posts whose authentication failed."""

from __future__ import annotations

from dataclasses import replace

import pytest

from mailman_arc.mailauth.message import read_message
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.spf import Envelope, SpfIdentity, SpfVerdict
from mailman_arc.policy.arrival import Arrival, remember
from mailman_arc.policy.handling import (
    REASONS,
    Failure,
    decide,
    find_failures,
    is_in_use,
)
from mailman_arc.policy.inbound import authenticate
from mailman_arc.policy.report import site_results
from mailman_arc.policy.settings import FailureAction, ListSettings, NonmemberAction
from mailman_arc.policy.trust import Trust
from mailman_arc.policy.vouching import Sealer
from tests.support.mail import (
    NOW,
    POST,
    add_set,
    chain_of,
    changed,
    relay,
    sign_dkim,
    whole_zone,
    zone_of,
)
from tests.support.zone import SERVFAIL, Zone, txt


TRUST = Trust("lists.example", frozenset(["mx.lists.example"]))
NO_POLICY = whole_zone()
SIGNED = sign_dkim(POST)
BROKEN = changed(SIGNED, b"Bye", b"bye")
BROKEN_CHAIN = changed(chain_of(1), b"Bye", b"bye")
VOUCHED = add_set(
    BROKEN, results=b" i={i}; {d};\r\n dmarc=pass header.from=author.example"
)
BY_RELAY = sign_dkim(POST, relay())
TWO_AUTHORS = b"From: boss@bank.example\r\n" + POST
BELOW = changed(POST, b"ann@author.example", b"ann@mail.author.example")
ABOVE = sign_dkim(BELOW)


def with_policy(record: bytes, zone: Zone = NO_POLICY) -> Zone:
    return zone.with_records({"_dmarc.author.example": txt(record)})


REJECT = with_policy(b"v=DMARC1; p=reject")
NONE = with_policy(b"v=DMARC1; p=none")
NO_KEY = REJECT.with_records({"s1._domainkey.author.example": SERVFAIL})
NO_RECORD = NO_POLICY.with_records({"_dmarc.author.example": SERVFAIL})


def told(results: bytes, octets: bytes = POST) -> bytes:
    """What a server of the site has found."""
    return b"Authentication-Results: mx.lists.example; " + results + b"\r\n" + octets


def sent_by(domain: str, result: Result = Result.PASS) -> Envelope:
    return Envelope(spf=SpfVerdict(result, SpfIdentity.MAIL_FROM, domain))


def failures_of(octets: bytes, zone: Zone, envelope: Envelope) -> set[str]:
    found = authenticate(read_message(octets), zone, NOW, TRUST, envelope)
    return set(find_failures(found, site_results(found)))


ALL = {Failure.DMARC, Failure.SIGNATURE, Failure.UNCONFIRMED, Failure.MISMATCH}
UNSIGNED = {Failure.SIGNATURE, Failure.MISMATCH}
FOUND = {
    "signed by its author": (SIGNED, REJECT, set()),
    "signed by its author, without a policy": (SIGNED, NO_POLICY, set()),
    "signed by the domain above": (ABOVE, NO_POLICY, set()),
    "not signed": (POST, NO_POLICY, UNSIGNED),
    "not signed, though its domain rejects": (POST, REJECT, ALL),
    "not signed, and nobody asks for anything": (
        POST,
        NONE,
        {Failure.DMARC_AT_NONE, Failure.UNCONFIRMED_AT_NONE, *UNSIGNED},
    ),
    "in test mode": (
        POST,
        with_policy(b"v=DMARC1; p=quarantine; t=y"),
        {Failure.DMARC_AT_NONE, Failure.UNCONFIRMED_AT_NONE, *UNSIGNED},
    ),
    "with a broken signature": (BROKEN, REJECT, ALL),
    "with a broken signature, and nobody asks for anything": (
        BROKEN,
        NONE,
        {Failure.DMARC_AT_NONE, Failure.UNCONFIRMED, *UNSIGNED},
    ),
    "with a broken signature, without a policy": (
        BROKEN,
        NO_POLICY,
        {Failure.UNCONFIRMED, *UNSIGNED},
    ),
    "signed by another": (BY_RELAY, REJECT, ALL),
    "of two authors": (TWO_AUTHORS, REJECT, UNSIGNED),
    "with a broken chain": (
        BROKEN_CHAIN,
        NO_POLICY,
        {Failure.CHAIN, *UNSIGNED},
    ),
    "confirmed before somebody broke it": (VOUCHED, REJECT, ALL),
    "confirmed before, and nobody asks for anything": (
        VOUCHED,
        NONE,
        {Failure.DMARC_AT_NONE, Failure.UNCONFIRMED_AT_NONE, *UNSIGNED},
    ),
    "confirmed before, without a policy": (VOUCHED, NO_POLICY, UNSIGNED),
    "with a key that cannot be had": (SIGNED, NO_KEY, set()),
    "with a policy that cannot be had": (POST, NO_RECORD, {Failure.SIGNATURE}),
    "signed by another, with a policy that cannot be had": (
        BY_RELAY,
        NO_RECORD,
        set(),
    ),
    "failed in a server of the site": (
        told(b"dmarc=fail policy.dmarc=reject header.from=author.example", SIGNED),
        NO_POLICY,
        {Failure.DMARC},
    ),
    "failed there, which does not say with which policy": (
        told(b"dmarc=fail header.from=author.example", SIGNED),
        NO_POLICY,
        {Failure.DMARC_AT_NONE},
    ),
    "passed in a server of the site": (
        told(b"dmarc=pass header.from=author.example", POST),
        REJECT,
        {Failure.SIGNATURE},
    ),
    "signed, says a server of the site": (
        told(b"dkim=pass header.d=author.example", BROKEN),
        NO_POLICY,
        {Failure.UNCONFIRMED},
    ),
    "signed, says a server of the site, in other words": (
        told(b"dkim=pass header.i=@author.example", POST),
        NO_POLICY,
        set(),
    ),
    "signed by nobody who is named": (told(b"dkim=pass"), NO_POLICY, UNSIGNED),
    "sent by its domain, says a server of the site": (
        told(b"spf=pass smtp.mailfrom=ann@author.example"),
        NO_POLICY,
        {Failure.SIGNATURE},
    ),
    "sent by nobody who is named": (told(b"spf=pass"), NO_POLICY, UNSIGNED),
    "sent by a top level domain": (
        told(b"spf=pass smtp.mailfrom=example"),
        NO_POLICY,
        UNSIGNED,
    ),
}  # fmt: skip


@pytest.mark.parametrize(("octets", "zone", "failures"), FOUND.values(), ids=FOUND)
def test_what_has_failed_of_a_post(octets, zone, failures):
    assert failures_of(octets, zone, Envelope()) == failures


SENT = {
    "its author's domain": (sent_by("author.example"), {Failure.SIGNATURE}),
    "another domain": (sent_by("relay.example"), UNSIGNED),
    "a client that is not allowed to": (
        sent_by("author.example", Result.FAIL),
        UNSIGNED,
    ),
    "nobody knows whom, now": (
        sent_by("author.example", Result.TEMPERROR),
        {Failure.SIGNATURE},
    ),
}


@pytest.mark.parametrize(("envelope", "failures"), SENT.values(), ids=SENT)
def test_a_post_without_signature_sent_by(envelope, failures):
    assert failures_of(POST, NO_POLICY, envelope) == failures


def test_a_neighbour_that_dmarc_takes_for_the_author_may_sign():
    zone = REJECT.with_records(zone_of(replace(relay(), domain="news.author.example")))
    signer = replace(relay(), domain="news.author.example")

    assert failures_of(sign_dkim(POST, signer), zone, Envelope()) == set()


# What is done


def arrival(*failures: str, sealers: tuple[Sealer, ...] = ()) -> Arrival:
    found = authenticate(read_message(POST), REJECT, NOW, TRUST)
    plain = remember(found, read_message(POST), "lists.example", NOW)
    return replace(plain, failures=failures, sealers=sealers)


ACTIONS = [each for each in FailureAction if each is not FailureAction.DEFER]


@pytest.mark.parametrize("failure", REASONS)
@pytest.mark.parametrize("action", ACTIONS)
def test_a_failure_has_the_action_of_its_setting(failure, action):
    settings = ListSettings(**{f"{failure}_action": action})

    for is_member in (True, False):
        handling = decide(arrival(failure), settings, is_member=is_member)
        assert handling is not None
        assert handling.action is action
        assert handling.reasons == (REASONS[failure],)
    assert is_in_use(settings)


@pytest.mark.parametrize("failure", REASONS)
def test_what_is_done_with_posts_of_others_may_differ(failure):
    settings = ListSettings(**{
        f"{failure}_action": FailureAction.REJECT,
        f"{failure}_nonmember_action": NonmemberAction.HOLD,
    })  # fmt: skip
    only_others = replace(settings, **{f"{failure}_action": FailureAction.DEFER})
    only_members = replace(
        settings, **{f"{failure}_nonmember_action": NonmemberAction.DEFER}
    )

    def action(settings: ListSettings, *, is_member: bool) -> str | None:
        handling = decide(arrival(failure), settings, is_member=is_member)
        return handling and handling.action

    assert action(settings, is_member=True) == "reject"
    assert action(settings, is_member=False) == "hold"
    assert action(only_others, is_member=True) is None
    assert action(only_others, is_member=False) == "hold"
    assert action(only_members, is_member=True) == "reject"
    assert action(only_members, is_member=False) is None
    assert is_in_use(only_others)
    assert is_in_use(only_members)


@pytest.mark.parametrize("is_member", [True, False])
def test_by_default_nothing_is_done(is_member):
    assert not is_in_use(ListSettings())
    assert decide(arrival(*Failure), ListSettings(), is_member=is_member) is None


def test_of_several_actions_the_strictest_is_taken_with_its_reasons():
    settings = ListSettings(
        dmarc_failure_action=FailureAction.HOLD,
        arc_failure_action=FailureAction.ACCEPT,
        dkim_failure_action=FailureAction.HOLD,
        unconfirmed_action=FailureAction.REJECT,
        from_mismatch_action=FailureAction.DISCARD,
    )
    failures = ["arc_failure", "dmarc_failure", "dkim_failure", "unconfirmed"]
    taken = [
        decide(arrival(*failures[:count], *more), settings, is_member=True)
        for count, more in ((1, ()), (3, ()), (4, ()), (4, ("from_mismatch",)))
    ]

    assert [each.action for each in taken] == ["accept", "hold", "reject", "discard"]
    assert taken[1].reasons == (
        "The message fails DMARC for the domain of its author",
        "The message has no good DKIM signature of its author's domain",
    )


@pytest.mark.parametrize(
    ("failure", "counts_as"),
    [
        (Failure.DMARC_AT_NONE, Failure.DMARC),
        (Failure.UNCONFIRMED_AT_NONE, Failure.UNCONFIRMED),
    ],
)
def test_a_policy_that_asks_for_nothing_counts_only_where_the_list_says_so(
    failure, counts_as
):
    settings = ListSettings(**{f"{counts_as}_action": FailureAction.HOLD})
    explicit = replace(settings, dmarc_none_counts=True)

    assert decide(arrival(failure), settings, is_member=True) is None
    assert decide(arrival(failure), explicit, is_member=True).action == "hold"


@pytest.mark.parametrize(
    ("trusted", "is_held"),
    [((), True), (("evil.example",), True), (("relay.example",), False)],
)
def test_nothing_is_done_with_a_post_that_a_trusted_sealer_vouches_for(
    trusted, is_held
):
    sealers = (Sealer(1, "relay.example", "arc", confirms=True),)
    settings = ListSettings(
        unconfirmed_action=FailureAction.HOLD, trusted_sealers=trusted
    )
    handling = decide(arrival("unconfirmed", sealers=sealers), settings, is_member=True)

    assert (handling is not None) is is_held
