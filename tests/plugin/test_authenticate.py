"""The handler at the head of the pipelines."""

from __future__ import annotations

import email
import os
import signal
import time
from types import SimpleNamespace

import pytest
from mailman.email.message import Message
from mailman.interfaces.handler import IHandler
from mailman.interfaces.runner import RunnerInterrupt
from mailman.utilities.email import add_message_hash
from zope.interface.verify import verifyObject

from mailman_arc.mailauth.message import read_message
from mailman_arc.plugin.handlers.authenticate import (
    ARRIVAL_KEY,
    SEEN_KEY,
    UNSEALED_KEY,
    Authenticate,
)
from mailman_arc.plugin.history import ENTRY_KEY
from mailman_arc.plugin.messages import put_on_top, to_octets
from mailman_arc.plugin.reception import (
    RESULTS_FIELD,
    VOUCHER_FIELD,
    attach_voucher,
    judge,
    write_verdict,
)
from mailman_arc.policy.arrival import Arrival, parse_arrival
from mailman_arc.policy.outbound import Unsealed
from tests.support.mail import POST, chain_of, changed, sign_dkim, whole_zone
from tests.support.zone import txt


MLIST = SimpleNamespace(
    list_id="list.lists.example", anonymous_list=False, mail_host="lists.example"
)
ANONYMOUS = SimpleNamespace(
    list_id="list.lists.example", anonymous_list=True, mail_host="lists.example"
)
SIGNED = sign_dkim(changed(POST, b"Meeting", b"Gr\xfc\xdfe"))
FORGED = b"Authentication-Results: lists.example; dkim=pass; dmarc=pass\r\n"
OTHERS = b"Authentication-Results: other.example; dkim=none\r\n"
TRUSTED = b"Authentication-Results: mx.lists.example; spf=pass\r\n"


def parsed(octets: bytes) -> Message:
    msg = email.message_from_bytes(octets, Message)
    add_message_hash(msg)
    msg["X-MailFrom"] = "ann@author.example"
    return msg


def from_the_door(octets: bytes, services) -> Message:
    msg = parsed(octets)
    trust = services.settings.trust
    verdict = judge(read_message(octets), whole_zone(), trust).arrival
    write_verdict(msg, verdict, trust)
    attach_voucher(msg, verdict, services.secret)
    return msg


def process(msg: Message, mlist=MLIST, **msgdata: object) -> dict[str, object]:
    Authenticate().process(mlist, msg, msgdata)
    return msgdata


def arrival_in(msgdata: dict[str, object]) -> Arrival:
    return parse_arrival(msgdata[ARRIVAL_KEY])


def test_it_is_a_handler_of_mailman():
    assert verifyObject(IHandler, Authenticate())


def test_what_the_door_found_is_recorded_and_the_voucher_is_gone(services):
    msg = from_the_door(chain_of(2), services)

    msgdata = process(msg)

    assert msgdata[SEEN_KEY] is True
    assert arrival_in(msgdata).summary == "arc=pass dkim=none dmarc=none"
    assert VOUCHER_FIELD not in msg
    assert len(msg.get_all(RESULTS_FIELD)) == 1


def test_a_post_that_came_past_the_door_is_judged_here(services):
    msg = parsed(FORGED + SIGNED)

    msgdata = process(msg)

    assert arrival_in(msgdata).summary == "arc=none dkim=pass dmarc=none"
    assert len(msg.get_all(RESULTS_FIELD)) == 1
    assert "dkim=pass header.d=author.example" in " ".join(msg[RESULTS_FIELD].split())
    assert to_octets(msg).partition(b"From: ")[2] in to_octets(parsed(SIGNED))


def test_keys_are_as_long_here_as_the_site_asks(install):
    install(minimum_key_size_rsa="2048")

    msgdata = process(parsed(SIGNED))

    assert arrival_in(msgdata).summary == "arc=none dkim=permerror dmarc=none"


def test_the_oldest_pass_is_found_here_only_where_the_site_wants_it(install):
    install(oldest_pass="no")
    msg = parsed(chain_of(2))

    process(msg)

    assert "arc=pass;" in msg[RESULTS_FIELD]


class Dns:
    """A resolver for a world in which the author asks for rejection."""

    def __init__(self):
        policy = {"_dmarc.author.example": txt(b"v=DMARC1; p=reject")}
        self.zone = whole_zone().with_records(policy)

    def fetch(self, names):
        return {name: self.zone.get(name) for name in names}


@pytest.fixture
def trusting(install):
    """The plugin of a site that trusts the relay."""

    def enable(**changes: str):
        services = install(trusted_sealers="relay.example", **changes)
        services.__dict__["resolver"] = Dns()
        return services

    return enable


@pytest.mark.parametrize("trusted", ["", "lists.example"])
def test_a_trusted_sealer_vouches_in_our_only_field(trusting, trusted):
    trusting(trusted_authserv_ids=trusted)
    msg = parsed(chain_of(1))

    msgdata = process(msg)

    [field] = msg.get_all(RESULTS_FIELD)
    assert (
        "dmarc=fail (p=reject, local_policy arc=pass as[1].d=relay.example "
        "as[1].s=arc) header.from=author.example"
    ) in " ".join(field.split())
    summary = "arc=pass dkim=none dmarc=fail vouched=relay.example"
    assert arrival_in(msgdata).summary == summary


def test_a_list_may_trust_nobody(trusting):
    trusting().list_settings.change(MLIST.list_id, {"trusted_sealers": ""})
    msg = parsed(chain_of(1))

    process(msg)

    assert "local_policy" not in msg[RESULTS_FIELD]


@pytest.mark.parametrize(
    ("mlist", "changes"),
    [(MLIST, {"mode": "s"}), (MLIST, {"shadow": "yes"}), (ANONYMOUS, {})],
)
def test_who_vouches_is_not_shown_where_nothing_is(trusting, mlist, changes):
    trusting(**changes)
    msg = parsed(chain_of(1))

    msgdata = process(msg, mlist)

    assert RESULTS_FIELD not in msg
    assert arrival_in(msgdata).summary.endswith(" vouched=relay.example")


def test_a_post_of_a_peer_is_not_judged_but_cannot_claim_to_be(services):
    msg = parsed(FORGED + OTHERS + SIGNED)

    msgdata = process(msg, **{UNSEALED_KEY: Unsealed.PEER.value})

    assert ARRIVAL_KEY not in msgdata
    assert msgdata[UNSEALED_KEY] == Unsealed.PEER
    assert msg.get_all(RESULTS_FIELD) == ["other.example; dkim=none"]


EDITS = {
    "header": lambda msg: msg.replace_header("From", "eve@author.example"),
    "body": lambda msg: msg.set_payload("Hello\n"),
    "header and body": lambda msg: (
        msg.replace_header("Subject", "x"),
        msg.set_payload("Hello\n"),
    ),
}


@pytest.mark.parametrize("edit", EDITS.values(), ids=EDITS)
def test_a_post_that_has_changed_since_the_door_is_not_judged_by_what_it_is_now(
    edit, services
):
    msg = from_the_door(SIGNED, services)
    edit(msg)

    msgdata = process(msg, rule_hits=["member-moderation"])

    assert ARRIVAL_KEY not in msgdata
    assert msgdata[UNSEALED_KEY] == Unsealed.CHANGED_EARLY
    assert RESULTS_FIELD not in msg
    assert VOUCHER_FIELD not in msg


def test_a_body_from_which_mailman_took_a_password_may_differ(services):
    msg = from_the_door(SIGNED, services)
    msg.set_payload("Hello\n")

    msgdata = process(msg, rule_hits=["approved"])

    assert arrival_in(msgdata).summary == "arc=none dkim=pass dmarc=none"


def test_a_header_may_not_differ_after_a_password_either(services):
    msg = from_the_door(SIGNED, services)
    msg.replace_header("From", "eve@author.example")

    msgdata = process(msg, rule_hits=["approved"])

    assert msgdata[UNSEALED_KEY] == Unsealed.CHANGED_EARLY


def test_a_post_that_comes_by_again_keeps_its_record(services):
    msg = from_the_door(SIGNED, services)
    msgdata = process(msg)
    first = msgdata[ARRIVAL_KEY]
    msg.set_payload("Hello\n-- \nthe list\n")

    again = process(msg, **msgdata)

    assert again[ARRIVAL_KEY] == first


def test_trusted_servers_are_believed_behind_the_door(services):
    msgdata = process(from_the_door(TRUSTED + SIGNED, services))

    assert "spf=pass" in arrival_in(msgdata).results


@pytest.mark.parametrize("end", [b"", b"X-Note: a\r"], ids=["plain", "behind bare CR"])
def test_trusted_servers_are_not_believed_past_the_door(services, end):
    msgdata = process(parsed(end + TRUSTED + SIGNED))

    assert "spf=pass" not in arrival_in(msgdata).results


def test_past_the_door_a_field_with_our_trusted_name_is_a_forgery(install):
    install(trusted_authserv_ids="lists.example")
    msg = parsed(FORGED + SIGNED)

    process(msg)

    assert len(msg.get_all(RESULTS_FIELD)) == 1


@pytest.mark.parametrize("way", ["door", "past the door"])
def test_a_post_from_which_mailman_took_a_line_is_not_judged(services, way):
    msg = from_the_door(SIGNED, services) if way == "door" else parsed(SIGNED)
    msg.set_payload("Hello\n")

    msgdata = process(msg, has_approved=True, rule_hits=["member-moderation"])

    assert ARRIVAL_KEY not in msgdata
    assert msgdata[UNSEALED_KEY] == Unsealed.CHANGED_EARLY
    assert VOUCHER_FIELD not in msg


def test_a_stolen_voucher_does_not_bring_forged_results_in(services):
    voucher = from_the_door(SIGNED, services)[VOUCHER_FIELD]
    again = parsed(FORGED + SIGNED)
    put_on_top(again, VOUCHER_FIELD, voucher)

    msgdata = process(again)

    assert arrival_in(msgdata).summary == "arc=none dkim=pass dmarc=none"
    assert len(again.get_all(RESULTS_FIELD)) == 1
    assert "dmarc=none" in again[RESULTS_FIELD]


def test_a_signal_to_stop_does_not_cut_the_judgement_short(services):
    class Slow(dict):
        def fetch(self, names):
            os.kill(os.getpid(), signal.SIGUSR2)
            time.sleep(0.2)
            return services_resolver.fetch(names)

    def interrupt(*_):
        raise RunnerInterrupt

    services_resolver = services.resolver
    services.__dict__["resolver"] = Slow()
    before = signal.signal(signal.SIGUSR2, interrupt)
    try:
        msgdata = process(parsed(SIGNED))
    finally:
        signal.signal(signal.SIGUSR2, before)

    assert arrival_in(msgdata).summary == "arc=none dkim=pass dmarc=none"


@pytest.mark.parametrize("door", [True, False])
def test_on_an_anonymous_list_the_results_are_removed_and_recorded(door, services):
    msg = from_the_door(SIGNED, services) if door else parsed(SIGNED)

    msgdata = process(msg, ANONYMOUS)

    assert RESULTS_FIELD not in msg
    assert arrival_in(msgdata).summary == "arc=none dkim=pass dmarc=none"


def test_without_settings_it_is_noted_that_this_is_a_post(
    install, mailman, files, unusable
):
    install()
    unusable()

    assert process(parsed(SIGNED)) == {SEEN_KEY: True}


def test_without_the_plugin_nothing_is_done(disabled):
    msg = parsed(FORGED + SIGNED)
    before = to_octets(msg)

    assert process(msg) == {}
    assert to_octets(msg) == before


def test_a_post_that_cannot_be_written_goes_on_without_a_record(services, log):
    msg = parsed(POST)
    msg.set_payload("gr\xfc\xdfe")

    found = process(msg)

    assert set(found) == {SEEN_KEY, ENTRY_KEY}
    assert log() == ["ERROR handler: unexpected error, going on without it"]


def test_a_post_that_cannot_be_judged_does_not_keep_forged_results(services):
    msg = parsed(FORGED + POST)
    msg.set_payload("gr\xfc\xdfe")

    process(msg)

    assert RESULTS_FIELD not in msg


def test_a_post_that_cannot_be_judged_on_an_anonymous_list_tells_nothing(services):
    msg = parsed(TRUSTED + POST)
    msg.set_payload("gr\xfc\xdfe")

    process(msg, ANONYMOUS)

    assert RESULTS_FIELD not in msg


def test_without_a_secret_the_door_is_not_believed(tmp_path, services):
    msg = from_the_door(SIGNED, services)
    (tmp_path / "arc.secret").write_bytes(b"short")
    del services.__dict__["secret"]
    msg.set_payload("Hello\n")

    msgdata = process(msg)

    assert arrival_in(msgdata).summary == "arc=none dkim=fail dmarc=none"


@pytest.mark.parametrize(
    ("changes", "shown"),
    [
        ({"mode": "sv"}, True),
        ({"mode": "v"}, True),
        ({"mode": "s"}, False),
        ({"mode": "none"}, False),
        ({"shadow": "yes"}, False),
    ],
)
@pytest.mark.parametrize("way", [from_the_door, lambda octets, _: parsed(octets)])
def test_a_list_can_do_without_our_field(changes, shown, way, install):
    services = install(**changes)
    msg = way(FORGED + OTHERS + SIGNED, services)

    msgdata = process(msg)

    assert ARRIVAL_KEY in msgdata
    ours = [each for each in msg.get_all(RESULTS_FIELD) if "dmarc=none" in each]
    assert len(ours) == shown
    assert len(msg.get_all(RESULTS_FIELD)) == 1 + shown
