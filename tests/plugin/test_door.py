"""The LMTP door: judged before Mailman looks at the post."""

from __future__ import annotations

import asyncio
import email
import re
import sys
from types import SimpleNamespace

import pytest
from mailman.email.message import Message
from mailman.runners.lmtp import LMTPController, LMTPHandler, LMTPRunner
from mailman.utilities.email import add_message_hash

from mailman_arc.mailauth.message import read_message
from mailman_arc.plugin.door import (
    MAX_SMALL,
    PUT_OFF,
    AnnotatingQueue,
    ArcLMTPHandler,
    ArcLMTPRunner,
    DoorKeeper,
    Judged,
    _may_be_post,
)
from mailman_arc.plugin.handlers.authenticate import UNSEALED_KEY
from mailman_arc.plugin.messages import to_octets
from mailman_arc.plugin.reception import (
    RESULTS_FIELD,
    VOUCHER_FIELD,
    as_received,
    judge,
    take_voucher,
)
from mailman_arc.plugin.xforward import NO_ATTRIBUTES, ArcLMTPController
from mailman_arc.policy.outbound import Unsealed
from tests.house.dns_server import DnsServer
from tests.support.mail import (
    POST,
    Signer,
    add_set,
    author,
    chain_of,
    changed,
    relay,
    sign_dkim,
    whole_zone,
)
from tests.support.zone import SERVFAIL, Zone


SIGNED = sign_dkim(changed(POST, b"Meeting", b"Gr\xfc\xdfe"))
LIST = "list@lists.example"


class Switchboard:
    """Takes what a queue takes."""

    recovered = False

    def __init__(self):
        self.queued = []

    def enqueue(self, _msg, _metadata=None, **kws):
        self.queued.append((_msg, to_octets(_msg, frozenset()), _metadata, kws))
        return "filebase"

    def recover_backup_files(self):
        self.recovered = True


def parsed(octets: bytes) -> Message:
    return email.message_from_bytes(octets, Message)


def judged(octets: bytes, services):
    message = read_message(octets)
    found = judge(message, whole_zone(), services.settings.trust)
    return Judged(message, found.arrival, found.tell)


# The queue


def test_a_post_is_queued_with_verdict_and_voucher(services):
    board = Switchboard()
    queue = AnnotatingQueue(board)
    queue.judged = judged(SIGNED, services)

    assert queue.enqueue(parsed(SIGNED), {"a": 1}, listid="x") == "filebase"

    [(msg, _, metadata, kws)] = board.queued
    assert (metadata, kws) == ({"a": 1}, {"listid": "x"})
    assert take_voucher(msg, services.secret) is not None
    assert "dkim=pass" in msg[RESULTS_FIELD]
    del msg[RESULTS_FIELD]
    assert as_received(msg) == SIGNED


def test_a_post_to_two_lists_is_annotated_once(services):
    board = Switchboard()
    queue = AnnotatingQueue(board)
    queue.judged = judged(SIGNED, services)
    msg = parsed(SIGNED)

    queue.enqueue(msg, {"listid": "one"})
    queue.enqueue(msg, {"listid": "two"})

    assert board.queued[0][1] == board.queued[1][1]
    assert len(msg.get_all(VOUCHER_FIELD)) == 1


def test_what_is_queued_behind_the_delivery_is_not_annotated(services):
    queue = AnnotatingQueue(Switchboard())
    queue.judged = judged(SIGNED, services)
    queue.forget()
    msg = parsed(SIGNED)

    queue.enqueue(msg)

    assert to_octets(msg) == SIGNED


def test_without_a_secret_the_verdict_is_written_without_voucher(services, tmp_path):
    (tmp_path / "arc.secret").write_bytes(b"short")
    queue = AnnotatingQueue(Switchboard())
    queue.judged = judged(SIGNED, services)
    msg = parsed(SIGNED)

    queue.enqueue(msg)

    assert VOUCHER_FIELD not in msg
    assert RESULTS_FIELD in msg


class Unreadable:
    """A body that Mailman would never make."""

    def __str__(self):
        raise RuntimeError


def test_a_post_that_cannot_be_annotated_is_queued_all_the_same(services, log):
    board = Switchboard()
    queue = AnnotatingQueue(board)
    queue.judged = judged(SIGNED, services)
    msg = parsed(SIGNED)
    msg._payload = Unreadable()
    board.enqueue = lambda _msg, _metadata, **_kws: "filebase"

    assert queue.enqueue(msg) == "filebase"
    assert log() == ["ERROR door: unexpected error, going on without it"]


def test_the_queue_does_everything_else_as_before():
    board = Switchboard()
    queue = AnnotatingQueue(board)

    queue.recover_backup_files()

    assert board.queued == []
    with pytest.raises(AttributeError):
        queue.nonexistent()


def test_a_verdict_is_not_written_when_the_settings_have_gone(
    services, install, unusable
):
    queue = AnnotatingQueue(Switchboard())
    queue.judged = judged(SIGNED, services)
    unusable()
    msg = parsed(SIGNED)

    queue.enqueue(msg)

    assert to_octets(msg) == SIGNED


EVIL = b"From: Ann <ann@author.example>\rSubject: pay now\r\rTo my account.\r"
TWO_READINGS = {
    "fields behind bare CR": b"X-Note: a\r" + EVIL + b"\r\n" + SIGNED,
    "an end of the header behind bare CR": b"X-Note: a\r\r\n" + SIGNED,
    "a last line that begins with From": SIGNED.replace(
        b"\r\n\r\n", b"\r\nFrom now on, pay to my account.\r\n\r\n", 1
    ),
}


@pytest.mark.parametrize("octets", TWO_READINGS.values(), ids=TWO_READINGS)
def test_a_verdict_is_worth_nothing_for_what_mailman_reads_otherwise(
    octets, services, log
):
    queue = AnnotatingQueue(Switchboard())
    queue.judged = judged(octets, services)
    assert "dkim=pass" in queue.judged.arrival.summary
    msg = parsed(octets)

    queue.enqueue(msg)

    assert RESULTS_FIELD not in msg
    assert VOUCHER_FIELD not in msg
    assert "can be read in two ways" in log()[0]


ONE_READING = {
    "an envelope line on top": b"From ann@author.example Mon Jan  5 10:00:00 2026\r\n"
    + SIGNED,
    "odd folding": b"X-Note:\r\n\t a \r\n  b\t\r\nX-Empty:\r\nX-Blank: \r\n \r\n"
    + SIGNED,
    "raw octets": b"X-Note: \xff\x00\x0b\x0c\x1c \xc3\xa9\r\nX-N:no space\r\n" + SIGNED,
    "an odd Message-ID": SIGNED.replace(b"<1@author.example>", b"<[1@author.example]>"),
    "bare LF": SIGNED.replace(b"\r\n", b"\n"),
    "bare CR in the body": SIGNED + b"a\rb\r\n",
}


@pytest.mark.parametrize("octets", ONE_READING.values(), ids=ONE_READING)
def test_what_mailman_reads_likewise_gets_its_verdict(octets, services):
    queue = AnnotatingQueue(Switchboard())
    queue.judged = judged(octets, services)
    msg = parsed(octets)
    repaired = re.sub(r"^<\[(.*)\]>", r"<\1>", msg["Message-ID"])
    msg.replace_header("Message-ID", repaired)
    add_message_hash(msg)
    msg["X-MailFrom"] = "ann@author.example"

    queue.enqueue(msg)

    assert RESULTS_FIELD in msg
    assert take_voucher(msg, services.secret).is_whole


# The runner


@pytest.fixture
def switchboards(mailman):
    """What the runner exchanges is put back; it never listens here."""
    before = dict(mailman.switchboards)
    yield
    mailman.switchboards.clear()
    mailman.switchboards.update(before)


@pytest.mark.usefixtures("switchboards", "services")
def test_the_runner_has_the_door_keeper_and_our_queue(mailman):
    runner = ArcLMTPRunner("lmtp")

    assert isinstance(runner.lmtp, ArcLMTPController)
    assert isinstance(runner.lmtp.handler, ArcLMTPHandler)
    theirs = LMTPRunner("lmtp").lmtp
    assert (runner.lmtp.hostname, runner.lmtp.port) == (theirs.hostname, theirs.port)
    assert isinstance(mailman.switchboards["in"], AnnotatingQueue)


@pytest.mark.usefixtures("switchboards", "disabled")
def test_without_the_plugin_the_runner_is_mailmans(mailman):
    runner = ArcLMTPRunner("lmtp")

    assert type(runner.lmtp) is LMTPController
    assert type(runner.lmtp.handler) is LMTPHandler
    assert not isinstance(mailman.switchboards["in"], AnnotatingQueue)


# Which mail is judged

POSTS = (
    [LIST],
    ["list-owner@lists.example"],
    ["LIST@lists.example"],
    ["leave@lists.example"],
    ["-leave@lists.example"],
    ["my-leave-days@lists.example"],
    ["list-join@lists.example", LIST],
    ["list"],
)
COMMANDS = (
    [],
    ["list-bounces@lists.example"],
    ["list-bounces+anne=other.example@lists.example"],
    ["list-confirm+0123456789@lists.example"],
    ["list-JOIN@lists.example"],
    ["list-leave@lists.example", "list-request@lists.example"],
    ["list-subscribe@lists.example"],
    ["list-unsubscribe@lists.example"],
)


@pytest.mark.parametrize("recipients", POSTS)
def test_mail_for_a_list_or_its_owners_is_judged(recipients):
    assert _may_be_post(recipients)


@pytest.mark.parametrize("recipients", COMMANDS)
def test_commands_and_bounces_are_not_judged(recipients):
    assert not _may_be_post(recipients)


# Through Mailman's own handler


@pytest.fixture
def queues(mailman, mlist, services):
    """The queues of Mailman, of which `in` is ours and empty."""
    board = Switchboard()
    queue = AnnotatingQueue(board)
    before = mailman.switchboards["in"]
    mailman.switchboards["in"] = queue
    yield SimpleNamespace(board=board, queue=queue, handler=ArcLMTPHandler(queue))
    mailman.switchboards["in"] = before


def envelope_with(
    octets: bytes, *recipients: str, sender: str = "ann@author.example", **xforward: str
) -> SimpleNamespace:
    """What aiosmtpd knows at the end of a post."""
    return SimpleNamespace(
        content=octets,
        mail_from=sender,
        rcpt_tos=list(recipients or [LIST]),
        xforward=xforward or NO_ATTRIBUTES,
    )


def take(handler, envelope: SimpleNamespace) -> str:
    return asyncio.run(handler.handle_DATA(None, None, envelope))


def deliver(handler, octets: bytes, *recipients: str) -> str:
    return take(handler, envelope_with(octets, *recipients))


def test_a_post_is_judged_from_its_octets_and_queued_as_by_mailman(queues, services):
    assert deliver(queues.handler, SIGNED, LIST) == "250 Ok"

    [(msg, _, metadata, _)] = queues.board.queued
    assert metadata["to_list"] is True
    assert "dkim=pass" in msg[RESULTS_FIELD]
    assert take_voucher(msg, services.secret) is not None
    assert msg["X-MailFrom"] == "ann@author.example"


@pytest.mark.parametrize("size", [MAX_SMALL - 5000, MAX_SMALL, 8 * MAX_SMALL])
def test_posts_of_any_size_are_judged(queues, services, size):
    large = sign_dkim(POST + b"A line of a large post.\r\n" * (size // 25))

    assert deliver(queues.handler, large, LIST) == "250 Ok"

    assert "dkim=pass" in queues.board.queued[0][0][RESULTS_FIELD]


def test_a_post_without_a_message_id_gets_one_and_its_voucher_is_good(queues, services):
    octets = changed(POST, b"Message-ID: <1@author.example>\r\n", b"")

    deliver(queues.handler, octets, LIST)

    [(msg, *_)] = queues.board.queued
    assert take_voucher(msg, services.secret) is not None


def test_mail_for_a_command_is_not_judged(queues, services):
    services.resolver = None

    assert deliver(queues.handler, SIGNED, "list-nonexistent-join@lists.example")[:1]
    assert queues.queue.judged is None


def test_one_delivery_does_not_taint_the_next(queues):
    deliver(queues.handler, SIGNED, LIST)

    assert queues.queue.judged is None


def test_a_post_for_nobody_is_refused_as_by_mailman(queues):
    answer = deliver(queues.handler, SIGNED, "nobody@lists.example")

    assert answer.startswith("550 ")
    assert queues.board.queued == []


def test_deliveries_at_the_same_time_get_their_own_verdicts(queues):
    octets = [SIGNED, changed(SIGNED, b"Bye", b"bye")] * 4

    async def all_at_once():
        envelopes = map(envelope_with, octets)
        await asyncio.gather(
            *(queues.handler.handle_DATA(None, None, each) for each in envelopes)
        )

    asyncio.run(all_at_once())

    for msg, *_ in queues.board.queued:
        good = b"Bye" in to_octets(msg)
        assert ("dkim=pass" in msg[RESULTS_FIELD]) is good
    assert len(queues.board.queued) == len(octets)


def test_a_bug_does_not_keep_a_post_out(queues, services, log):
    services.resolver = None

    assert deliver(queues.handler, SIGNED, LIST) == "250 Ok"

    [(msg, *_)] = queues.board.queued
    assert RESULTS_FIELD not in msg
    assert log() == ["ERROR door: unexpected error, going on without it"]


@pytest.mark.parametrize(
    "octets", [b"", b"\xff\r\n", b"\r\n" * 3, b"x" * 5000, b"\x00"]
)
def test_mailman_answers_for_nonsense(queues, octets, log):
    assert deliver(queues.handler, octets, LIST)[:3] in ("250", "501")
    assert log() == []


def test_with_unusable_settings_a_post_is_taken_as_by_mailman(
    queues, install, unusable
):
    unusable()

    assert deliver(queues.handler, SIGNED, LIST) == "250 Ok"
    assert RESULTS_FIELD not in queues.board.queued[0][0]


# SPF

SPF_ZONE = """\
author.example. TXT "v=spf1 ip4:192.0.2.1 ip6:2001:db8::1 -all"
mx.author.example. TXT "v=spf1 ip4:192.0.2.1 -all"
_dmarc.author.example. TXT "v=DMARC1; p=reject"
"""


@pytest.fixture
def spf_zone(queues, install, tmp_path):
    """The plugin is enabled, and the DNS knows who may send for the author."""
    path = tmp_path / "spf.zone"
    path.write_text(SPF_ZONE)
    return install(test_keys=str(path))


FROM_CLIENTS = (
    (
        {"ADDR": "192.0.2.1", "HELO": "mx.author.example"},
        "arc=none smtp.remote-ip=192.0.2.1; spf=pass smtp.mailfrom=author.example; "
        "dkim=none; dmarc=pass",
    ),
    (
        {"ADDR": "192.0.2.99"},
        "arc=none smtp.remote-ip=192.0.2.99; spf=fail smtp.mailfrom=author.example; "
        "dkim=none; dmarc=fail",
    ),
    (
        {"ADDR": "2001:db8::1"},
        'arc=none smtp.remote-ip="2001:db8::1"; spf=pass '
        "smtp.mailfrom=author.example; dkim=none; dmarc=pass",
    ),
    (
        {"ADDR": "192.0.2.1", "HELO": "mx.author.example", "sender": "<>"},
        "arc=none smtp.remote-ip=192.0.2.1; spf=pass smtp.helo=mx.author.example; "
        "dkim=none; dmarc=pass",
    ),
    (
        {"ADDR": "192.0.2.1", "sender": "a@other.example"},
        "arc=none smtp.remote-ip=192.0.2.1; spf=none smtp.mailfrom=other.example; "
        "dkim=none; dmarc=fail",
    ),
    (
        {"ADDR": "192.0.2.1", "sender": "<>"},
        "arc=none smtp.remote-ip=192.0.2.1; dkim=none; dmarc=fail",
    ),
    (
        {"ADDR": "192.0.2.1", "SOURCE": "LOCAL"},
        "arc=none; dkim=none; dmarc=fail",
    ),
    ({}, "arc=none; dkim=none; dmarc=fail"),
)


@pytest.mark.usefixtures("spf_zone")
@pytest.mark.parametrize(("known", "results"), FROM_CLIENTS)
def test_spf_is_evaluated_for_the_client_that_is_known(queues, known, results):
    assert take(queues.handler, envelope_with(POST, **known)) == "250 Ok"

    [(msg, *_)] = queues.board.queued
    assert f"lists.example; {results} " in " ".join(msg[RESULTS_FIELD].split()) + " "


@pytest.mark.usefixtures("spf_zone")
def test_what_a_trusted_server_says_of_spf_is_not_evaluated_again(queues):
    told = b"Authentication-Results: mx.lists.example; spf=fail smtp.mailfrom=a.b\r\n"

    take(queues.handler, envelope_with(told + POST, ADDR="192.0.2.1"))

    [(msg, *_)] = queues.board.queued
    ours = msg.get_all(RESULTS_FIELD)[0]
    assert "dmarc=fail" in ours
    assert "spf=" not in ours


@pytest.mark.usefixtures("spf_zone")
def test_without_the_library_spf_is_left_out(queues, log, monkeypatch):
    monkeypatch.setitem(sys.modules, "mailman_arc.adapters.spf", None)

    take(queues.handler, envelope_with(POST, ADDR="192.0.2.1"))
    take(queues.handler, envelope_with(POST, ADDR="192.0.2.1"))

    for msg, *_ in queues.board.queued:
        assert "spf=" not in msg[RESULTS_FIELD]
        assert "smtp.remote-ip=192.0.2.1" in msg[RESULTS_FIELD]
    assert log() == ["INFO SPF is not evaluated: pyspf is not installed"]


@pytest.mark.parametrize("text", [None, "\xff", "a.example. TXT ("])
def test_an_unusable_zone_file_does_not_stop_spf(queues, install, tmp_path, text):
    path = tmp_path / "broken.zone"
    if text is not None:
        path.write_text(text, "latin-1")
    with DnsServer(SPF_ZONE) as server:
        install(
            test_keys=str(path),
            nameservers="127.0.0.1",
            nameserver_port=str(server.port),
        )
        take(queues.handler, envelope_with(POST, ADDR="192.0.2.1"))

    [(msg, *_)] = queues.board.queued
    assert "spf=pass" in msg[RESULTS_FIELD]


# Put off

CHAINED = chain_of(1)
UNKNOWN = whole_zone().with_records({relay().key_name: SERVFAIL})


class Dns:
    """A resolver that has the answers of a zone."""

    def __init__(self, zone: Zone) -> None:
        self.zone = zone

    async def fetch_async(self, names):
        return {name: self.zone.get(name) for name in names}


def test_a_post_whose_chain_cannot_be_judged_waits_until_it_can(queues, services, log):
    services.resolver = Dns(UNKNOWN)
    assert deliver(queues.handler, CHAINED, LIST) == PUT_OFF
    assert queues.board.queued == []

    services.resolver = Dns(whole_zone())
    assert deliver(queues.handler, CHAINED, LIST) == "250 Ok"

    [(msg, *_)] = queues.board.queued
    assert "arc=pass" in msg[RESULTS_FIELD]
    assert log() == [
        "INFO <1@author.example>: put off, because the DNS does not let its chain "
        "be judged"
    ]


def test_every_recipient_is_put_off(queues, services):
    services.resolver = Dns(UNKNOWN)

    answer = deliver(queues.handler, CHAINED, LIST, "list-join@lists.example", LIST)

    assert answer.split("\r\n") == [PUT_OFF] * 3
    assert PUT_OFF.startswith("451 4.4.3 ")
    assert queues.board.queued == []


def test_commands_are_never_put_off(queues, services):
    services.resolver = Dns(UNKNOWN)

    assert deliver(queues.handler, CHAINED, "list-join@lists.example")[:3] != "451"


def test_keys_are_as_long_as_the_site_asks(queues, install):
    install(minimum_key_size_rsa="2048")

    deliver(queues.handler, SIGNED, LIST)

    assert "dkim=permerror (key too short)" in queues.board.queued[0][0][RESULTS_FIELD]


def test_without_the_oldest_pass_fewer_keys_are_looked_up(queues, install):
    older = Signer("relay.example", "older", relay().key)
    octets = add_set(add_set(POST, 1, older, sealer=relay()), 2)
    zone = whole_zone()
    install(oldest_pass="no").resolver = Dns(zone)

    deliver(queues.handler, octets, LIST)

    assert "arc=pass;" in queues.board.queued[0][0][RESULTS_FIELD]
    assert older.key_name not in zone.asked


def test_only_for_its_chain_a_post_is_put_off(queues, services):
    services.resolver = Dns(whole_zone().with_records({author().key_name: SERVFAIL}))

    assert deliver(queues.handler, SIGNED, LIST) == "250 Ok"

    assert "dkim=temperror" in queues.board.queued[0][0][RESULTS_FIELD]


def test_a_post_is_not_put_off_where_that_is_switched_off(queues, install):
    install(temperror_hold="0").resolver = Dns(UNKNOWN)

    assert deliver(queues.handler, CHAINED, LIST) == "250 Ok"

    assert "arc=fail" in queues.board.queued[0][0][RESULTS_FIELD]


def test_a_post_waits_for_so_long_and_no_longer(install):
    services = install(temperror_hold="30m")
    message = read_message(CHAINED)
    found = judge(message, UNKNOWN, services.settings.trust)
    unjudged = Judged(message, found.arrival, found.tell)
    now = 1000.0
    keeper = DoorKeeper(services, clock=lambda: now)
    envelope = envelope_with(CHAINED)

    def is_put_off(envelope):
        return asyncio.run(keeper.puts_off(unjudged, envelope))

    assert is_put_off(envelope)
    now += 1799
    assert is_put_off(envelope)
    now += 1
    assert not is_put_off(envelope)
    assert is_put_off(envelope_with(CHAINED + b"more"))
    assert is_put_off(envelope_with(CHAINED, sender="bob@author.example"))
    assert is_put_off(envelope_with(CHAINED, sender="\udcff@author.example"))
    assert not is_put_off(envelope)


def test_a_post_without_a_message_id_can_be_put_off(queues, services, log):
    services.resolver = Dns(UNKNOWN)
    octets = changed(CHAINED, b"Message-ID: <1@author.example>\r\n", b"")

    assert deliver(queues.handler, octets, LIST) == PUT_OFF

    assert log()[0].startswith("INFO n/a: put off")


# Who is left alone


def take_from(peer: str, handler, envelope: SimpleNamespace) -> str:
    session = SimpleNamespace(peer=(peer, 1234))
    return asyncio.run(handler.handle_DATA(None, session, envelope))


def test_a_post_of_a_peer_is_neither_judged_nor_to_be_sealed(queues, install):
    zone = whole_zone()
    install(peer_list="192.0.2.0/24").resolver = Dns(zone)

    take_from("127.0.0.1", queues.handler, envelope_with(SIGNED, ADDR="192.0.2.1"))

    [(msg, _, _, marks)] = queues.board.queued
    assert marks[UNSEALED_KEY] == Unsealed.PEER
    assert RESULTS_FIELD not in msg
    assert VOUCHER_FIELD not in msg
    assert as_received(msg) == SIGNED
    assert zone.asked == []


def test_the_mail_server_is_the_client_when_it_forwards_nothing(queues, install):
    install(peer_list="192.0.2.1")

    take_from("192.0.2.1", queues.handler, envelope_with(SIGNED))
    take_from("192.0.2.2", queues.handler, envelope_with(SIGNED))

    marked = [UNSEALED_KEY in marks for *_, marks in queues.board.queued]
    assert marked == [True, False]


def test_the_next_post_is_judged_again(queues, install):
    install(peer_list="192.0.2.1")

    take_from("::1", queues.handler, envelope_with(SIGNED, ADDR="192.0.2.1"))
    take_from("::1", queues.handler, envelope_with(SIGNED, ADDR="192.0.2.2"))
    take_from("::1", queues.handler, envelope_with(SIGNED))

    judged = [
        "dkim=pass" in msg.get(RESULTS_FIELD, "") for msg, *_ in queues.board.queued
    ]
    assert judged == [False, True, True]


# In time, and side by side


def test_a_post_whose_verdict_takes_too_long_is_taken_without_one(install, log):
    services = install(dns_deadline="0.1")

    class Endless:
        async def fetch_async(self, names):
            await asyncio.sleep(3600)

    services.resolver = Endless()
    keeper = DoorKeeper(services, cpu_seconds=0.1)

    assert asyncio.run(keeper.judge(envelope_with(SIGNED))) is None
    assert log() == ["ERROR door: no verdict in 0.2 s, going on without it"]


def test_a_black_hole_in_the_dns_does_not_hold_others_up(queues, install):
    lost = Signer("lost.example", "s1", author().key)
    records = {name: answer.texts[0].decode() for name, answer in whole_zone().items()}
    finished = []

    async def take_in(who: str, octets: bytes, sender: str) -> None:
        envelope = envelope_with(octets, sender=sender, ADDR="192.0.2.1")
        assert await queues.handler.handle_DATA(None, None, envelope) == "250 Ok"
        finished.append(who)

    async def all_at_once() -> None:
        others = [
            take_in("other", SIGNED + b"%d\r\n" % n, "a@author.example")
            for n in range(19)
        ]
        await asyncio.gather(
            take_in("lost", sign_dkim(POST, lost), "a@lost.example"),
            take_in("other", SIGNED, "a@author.example"),
            *others,
        )

    with DnsServer(records) as server:
        server.silent = {lost.key_name, "lost.example"}
        install(
            test_keys="",
            nameservers="127.0.0.1",
            nameserver_port=str(server.port),
            dns_timeout="3",
            dns_deadline="6",  # seconds in which all others have to be judged
        )
        asyncio.run(all_at_once())

    assert finished == ["other"] * 20 + ["lost"]
    results = [" ".join(msg[RESULTS_FIELD].split()) for msg, *_ in queues.board.queued]
    assert sum("dkim=pass" in each for each in results) == 1
    assert "spf=temperror smtp.mailfrom=lost.example" in results[-1]
    assert "dkim=temperror" in results[-1]
