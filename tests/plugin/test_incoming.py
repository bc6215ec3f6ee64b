"""The incoming runner: posts that did not come by our door."""

from __future__ import annotations

import asyncio
import email
import os
import signal
import threading
import time

import pytest
from mailman.core.switchboard import Switchboard
from mailman.email.message import Message
from mailman.interfaces.action import Action
from mailman.interfaces.runner import RunnerInterrupt
from mailman.utilities.email import add_message_hash

from mailman_arc.mailauth.answers import LookupFailed, NoSuchName
from mailman_arc.mailauth.message import read_message
from mailman_arc.plugin import incoming
from mailman_arc.plugin.handlers.authenticate import UNSEALED_KEY
from mailman_arc.plugin.history import ENTRY_KEY
from mailman_arc.plugin.incoming import WAITING_KEY, ArcIncomingRunner
from mailman_arc.plugin.messages import to_octets
from mailman_arc.plugin.reception import (
    RESULTS_FIELD,
    VOUCHER_FIELD,
    attach_voucher,
    judge,
    take_voucher,
    write_verdict,
)
from mailman_arc.plugin.waiting import WaitingQueue
from mailman_arc.policy.outbound import Unsealed
from tests.support.mail import (
    POST,
    Signer,
    add_set,
    chain_of,
    changed,
    relay,
    sign_dkim,
    whole_zone,
)


SIGNED = sign_dkim(changed(POST, b"Meeting", b"Gr\xfc\xdfe"))
CHAIN = chain_of(2)
FORGED = b"Authentication-Results: lists.example; dkim=pass; dmarc=pass\r\n"
TRUSTED = b"Authentication-Results: mx.lists.example; spf=pass\r\n"
DEAD = ("relay.example",)


class Dns:
    """The zone of the tests, with domains that do not answer, and slow ones."""

    def __init__(self):
        self.dead: tuple[str, ...] = ()
        self.slow = threading.Event()
        self.slow.set()
        self.asked = 0

    async def fetch_async(self, names):
        self.asked += 1
        while not self.slow.is_set():
            await asyncio.sleep(0.01)
        return {name: self._answer(name) for name in names}

    def _answer(self, name):
        if name.endswith(self.dead):
            return LookupFailed()
        return whole_zone().get(name, NoSuchName())


@pytest.fixture
def dns(services) -> Dns:
    found = Dns()
    services.__dict__["resolver"] = found
    yield found
    found.slow.set()


class Site:
    """The incoming runner on a list whose posts all go on to the pipeline."""

    def __init__(self, mailman, mlist):
        self.mailman = mailman
        self.mlist = mlist
        self.runner = ArcIncomingRunner("in")

    def post(self, octets: bytes | Message, **msgdata: object) -> None:
        msg = parsed(octets) if isinstance(octets, bytes) else octets
        marks = {"listid": self.mlist.list_id, "to_list": True, "version": 3}
        self.mailman.switchboards["in"].enqueue(msg, {**marks, **msgdata})

    def run(self) -> None:
        self.runner._one_iteration()

    def run_until(self, queue: str, count: int) -> None:
        ends_at = time.monotonic() + 30
        while len(self.files(queue)) != count:
            self.run()
            assert time.monotonic() < ends_at

    def files(self, queue: str) -> list[str]:
        return self.mailman.switchboards[queue].files

    def taken(self, queue: str = "pipeline") -> tuple[Message, dict]:
        """The only post in a queue, taken out."""
        board = self.mailman.switchboards[queue]
        [file] = board.files
        found = board.dequeue(file)
        board.finish(file)
        return found


@pytest.fixture
def site(mailman, mlist):
    before = mlist.default_nonmember_action
    mlist.default_nonmember_action = Action.accept
    made = Site(mailman, mlist)
    yield made
    mlist.default_nonmember_action = before
    for name in ("in", "pipeline", "shunt"):
        board = mailman.switchboards[name]
        for file in board.files:
            board.dequeue(file)
            board.finish(file)


def parsed(octets: bytes) -> Message:
    msg = email.message_from_bytes(octets, Message)
    add_message_hash(msg)
    msg.original_size = len(octets)
    return msg


def from_the_door(octets: bytes, services, zone=None) -> Message:
    msg = parsed(octets)
    trust = services.settings.trust
    zone = whole_zone() if zone is None else zone
    verdict = judge(read_message(octets), zone, trust).arrival
    write_verdict(msg, verdict, trust)
    attach_voucher(msg, verdict, services.secret)
    return msg


def test_a_post_is_judged_before_the_rules(site, dns, services):
    site.post(FORGED + SIGNED)

    site.run()

    msg, msgdata = site.taken()
    [field] = msg.get_all(RESULTS_FIELD)
    assert "dkim=pass header.d=author.example" in " ".join(field.split())
    vouched = take_voucher(msg, services.secret)
    assert vouched.is_whole
    assert vouched.arrival.summary == "arc=none dkim=pass dmarc=none"
    assert WAITING_KEY not in msgdata


def test_keys_are_as_long_here_as_the_site_asks(site, install):
    services = install(minimum_key_size_rsa="2048")
    site.post(SIGNED)

    site.run()

    vouched = take_voucher(site.taken()[0], services.secret)
    assert vouched.arrival.summary == "arc=none dkim=permerror dmarc=none"


def test_the_oldest_pass_is_found_here_only_where_the_site_wants_it(site, install):
    install(oldest_pass="no", temperror_hold="1h")
    older = Signer("relay.example", "older", relay().key)
    site.post(add_set(add_set(POST, 1, older, sealer=relay()), 2))

    site.run()

    assert "arc=pass;" in site.taken()[0][RESULTS_FIELD]


def test_a_post_of_a_peer_is_left_alone(site, dns):
    site.post(SIGNED, **{UNSEALED_KEY: Unsealed.PEER.value})

    site.run()

    msg, msgdata = site.taken()
    assert RESULTS_FIELD not in msg
    assert msgdata[UNSEALED_KEY] == Unsealed.PEER
    assert dns.asked == 0


def test_the_history_is_told_before_the_rules(site, dns, services):
    site.post(SIGNED)
    site.run()

    _, msgdata = site.taken()
    assert services.history.flush(30)
    store = services.storage.history
    found = store.entry(site.mlist.list_id, msgdata[ENTRY_KEY])
    assert (found.verdict, found.dkim) == ("confirmed", "pass")


def test_a_chain_is_judged(site, dns, services):
    site.post(CHAIN)

    site.run()

    msg, _ = site.taken()
    assert take_voucher(msg, services.secret).arrival.chain_status == "pass"


def test_what_the_door_found_is_kept_and_not_judged_again(site, dns, services):
    octets = to_octets(from_the_door(TRUSTED + SIGNED, services))
    site.post(from_the_door(TRUSTED + SIGNED, services))

    site.run()

    msg, _ = site.taken()
    assert to_octets(msg).startswith(octets.partition(b"\r\n\r\n")[0])
    assert "spf=pass" in take_voucher(msg, services.secret).arrival.results
    assert dns.asked == 0


def test_what_the_door_could_not_judge_does_not_wait_here(site, dns, services):
    site.post(from_the_door(CHAIN, services, zone={}))

    site.run()

    msg, _ = site.taken()
    assert take_voucher(msg, services.secret).arrival.chain_status is None


@pytest.mark.parametrize("field", ["From", "Subject"])
def test_a_voucher_of_another_post_is_worth_nothing(site, dns, services, field):
    msg = from_the_door(SIGNED, services)
    msg.replace_header(field, "eve@author.example")
    site.post(msg)

    site.run()

    msg, _ = site.taken()
    assert len(msg.get_all(RESULTS_FIELD)) == 1
    summary = take_voucher(msg, services.secret).arrival.summary
    assert summary == "arc=none dkim=fail dmarc=none"


def test_trusted_servers_are_not_believed_here(site, dns, services):
    site.post(TRUSTED + SIGNED)

    site.run()

    msg, _ = site.taken()
    assert "spf=pass" not in take_voucher(msg, services.secret).arrival.results


def test_a_field_with_our_own_name_is_a_forgery_even_when_that_is_trusted(
    site, install
):
    install(trusted_authserv_ids="lists.example")
    site.post(FORGED + SIGNED)

    site.run()

    msg, _ = site.taken()
    assert len(msg.get_all(RESULTS_FIELD)) == 1


def test_a_post_that_rules_have_seen_is_left_alone(site, dns):
    site.post(SIGNED, rule_hits=["approved"])

    site.run()

    msg, _ = site.taken()
    assert RESULTS_FIELD not in msg
    assert dns.asked == 0


def test_without_a_secret_there_is_a_verdict_and_no_voucher(
    site, dns, services, tmp_path
):
    (tmp_path / "arc.secret").write_bytes(b"short")
    site.post(SIGNED)

    site.run()

    msg, _ = site.taken()
    assert RESULTS_FIELD in msg
    assert VOUCHER_FIELD not in msg


# Waiting


def test_a_post_whose_chain_cannot_be_judged_waits(site, dns, log):
    dns.dead = DEAD
    site.post(CHAIN)

    for _ in range(5):
        site.run()

    assert site.files("pipeline") == []
    assert dns.asked == 1
    assert log() == [
        "INFO <1@author.example>: its chain cannot be judged, because the DNS does "
        "not answer; it waits for at most 1800 s"
    ]
    msg, msgdata = site.taken("in")
    assert RESULTS_FIELD not in msg
    assert VOUCHER_FIELD not in msg
    assert time.time() - msgdata[WAITING_KEY] < 60


def test_others_overtake_it(site, dns):
    dns.dead = DEAD
    site.post(CHAIN)
    site.post(SIGNED)

    site.run()

    assert "Gr" in str(site.taken()[0]["subject"])
    assert len(site.files("in")) == 1


def test_while_all_wait_the_runner_finds_nothing_to_do(site, dns):
    dns.dead = DEAD
    site.post(CHAIN)
    assert site.runner._one_iteration() == 1
    [file] = site.files("in")

    assert site.runner._one_iteration() == 0
    assert site.files("in") == [file]


def test_it_goes_on_when_the_dns_answers(site, dns, services, monkeypatch):
    monkeypatch.setattr(incoming, "PAUSE", 0)
    dns.dead = DEAD
    site.post(CHAIN)
    site.run()
    assert site.files("pipeline") == []

    dns.dead = ()
    site.run_until("pipeline", 1)

    msg, msgdata = site.taken()
    assert take_voucher(msg, services.secret).arrival.chain_status == "pass"
    assert len(msg.get_all(RESULTS_FIELD)) == 1
    assert WAITING_KEY not in msgdata


def test_it_goes_on_at_the_end_of_its_time_with_what_is_known(site, dns, services):
    dns.dead = DEAD
    site.post(CHAIN, **{WAITING_KEY: int(time.time()) - 1799})
    site.run()
    assert site.files("pipeline") == []

    site.run_until("pipeline", 1)

    msg, _ = site.taken()
    assert take_voucher(msg, services.secret).arrival.chain_status is None
    assert "(i=1: temporary DNS error)" in " ".join(msg[RESULTS_FIELD].split())
    assert dns.asked == 1


def test_a_restart_does_not_start_the_clock_again(site, dns, services):
    dns.dead = DEAD
    site.post(CHAIN, **{WAITING_KEY: int(time.time()) - 1800})

    site.run()

    msg, _ = site.taken()
    assert take_voucher(msg, services.secret).arrival.chain_status is None


def test_a_restart_loses_nobody_who_waits(site, dns, services, mailman, mlist):
    dns.dead = DEAD
    site.post(CHAIN)
    site.run()
    since = 0

    for _ in range(3):
        again = Site(mailman, mlist)
        again.run()
        board = mailman.switchboards["in"]
        [file] = board.files
        _, msgdata = board.dequeue(file)
        assert since in (0, msgdata[WAITING_KEY])
        since = msgdata[WAITING_KEY]

    # The last start found a file that its predecessor had not finished.
    last = Site(mailman, mlist)
    dns.dead = ()
    last.run()
    assert take_voucher(last.taken()[0], services.secret).is_whole


def test_a_clock_set_back_lets_nobody_wait_longer(site, dns):
    dns.dead = DEAD
    site.post(CHAIN, **{WAITING_KEY: int(time.time()) + 10**6})

    site.run()

    [waiting] = site.runner.switchboard._waiting.values()
    assert waiting.ends_at - time.monotonic() <= 1800


@pytest.mark.parametrize("hold", ["0", "no"])
def test_nobody_waits_where_that_is_switched_off(site, install, hold):
    services = install(temperror_hold=hold)
    services.__dict__["resolver"] = found = Dns()
    found.dead = DEAD
    site.post(CHAIN)

    site.run()

    msg, msgdata = site.taken()
    assert take_voucher(msg, services.secret).arrival.chain_status is None
    assert WAITING_KEY not in msgdata


def test_a_post_without_a_chain_does_not_wait(site, dns):
    dns.dead = ("author.example",)
    site.post(SIGNED)

    site.run()

    assert "dkim=temperror" in " ".join(site.taken()[0][RESULTS_FIELD].split())


# A slow DNS


def test_the_runner_does_not_stand_still_for_a_slow_dns(site, dns, services):
    dns.slow.clear()
    for _ in range(20):
        site.post(SIGNED)

    started = time.monotonic()
    site.run()

    assert time.monotonic() - started < 20 * incoming.PATIENCE
    assert len(site.files("in")) == 20
    site.run()
    assert site.files("pipeline") == []
    dns.slow.set()
    site.run_until("pipeline", 20)
    assert site.files("in") == []
    assert dns.asked == 20


def test_a_look_up_that_never_ends_leaves_the_post_to_the_pipeline(
    site, dns, monkeypatch
):
    monkeypatch.setattr(incoming, "MAX_LOOKUP", 0)
    monkeypatch.setattr(incoming, "PATIENCE", 0)
    dns.slow.clear()
    site.post(SIGNED)
    site.run()

    site.run()

    assert RESULTS_FIELD not in site.taken()[0]


# Whatever happens, Mailman gets the post


def test_without_the_plugin_the_runner_is_mailmans(mailman, mlist, disabled):
    site = Site(mailman, mlist)

    assert type(site.runner.switchboard) is Switchboard
    site.post(FORGED + SIGNED)
    octets = to_octets(parsed(FORGED + SIGNED)).partition(b"\r\n\r\n")[0]
    mlist.default_nonmember_action = Action.accept
    site.run()

    assert to_octets(site.taken()[0]).startswith(octets)


def test_without_settings_the_post_goes_on(site, install, unusable):
    unusable()
    site.post(SIGNED)

    site.run()

    assert RESULTS_FIELD not in site.taken()[0]


def test_a_bug_does_not_keep_a_post(site, services, log):
    services.__dict__["resolver"] = None
    site.post(SIGNED)

    site.run()

    assert RESULTS_FIELD not in site.taken()[0]
    assert log() == ["ERROR incoming runner: unexpected error, going on without it"]


def test_a_post_that_cannot_be_written_goes_on(site, dns, log):
    msg = parsed(POST)
    msg.set_payload("gr\xfc\xdfe")
    site.post(msg)

    site.run()

    assert len(site.files("pipeline")) == 1
    assert site.files("shunt") == []
    assert log() == ["ERROR incoming runner: unexpected error, going on without it"]


def test_a_signal_to_stop_shunts_nothing(site, dns):
    def interrupt(*_):
        site.runner.stop()
        raise RunnerInterrupt

    dns.slow.clear()
    site.post(SIGNED)
    before = signal.signal(signal.SIGUSR2, interrupt)
    later = threading.Timer(0.3, os.kill, (os.getpid(), signal.SIGUSR2))
    later.start()
    try:
        site.run()
    finally:
        later.join()
        signal.signal(signal.SIGUSR2, before)

    assert site.files("shunt") == []
    assert len(site.files("in")) == 1
    assert isinstance(site.runner.switchboard, WaitingQueue)
