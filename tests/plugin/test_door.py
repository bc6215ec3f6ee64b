"""The LMTP door: judged before Mailman looks at the post."""

from __future__ import annotations

import asyncio
import email
import re
from types import SimpleNamespace

import pytest
from mailman.email.message import Message
from mailman.runners.lmtp import LMTPHandler
from mailman.utilities.email import add_message_hash

from mailman_arc.mailauth.message import read_message
from mailman_arc.plugin import wiring
from mailman_arc.plugin.door import (
    AnnotatingQueue,
    ArcLMTPHandler,
    ArcLMTPRunner,
    Judged,
    _may_be_post,
)
from mailman_arc.plugin.messages import to_octets
from mailman_arc.plugin.reception import (
    RESULTS_FIELD,
    VOUCHER_FIELD,
    as_received,
    judge,
    take_voucher,
)
from tests.support.mail import POST, changed, sign_dkim, whole_zone


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
    return Judged(message, judge(message, whole_zone(), services.settings.trust))


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


def test_a_post_that_cannot_be_annotated_is_queued_all_the_same(services, log):
    board = Switchboard()
    queue = AnnotatingQueue(board)
    queue.judged = judged(SIGNED, services)
    msg = parsed(SIGNED)
    msg.set_payload("gr\xfc\xdfe")
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


def test_a_verdict_is_not_written_when_the_settings_have_gone(services, install):
    queue = AnnotatingQueue(Switchboard())
    queue.judged = judged(SIGNED, services)
    wiring._wiring.services, wiring._wiring.failed = None, True
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

    assert isinstance(runner.lmtp.handler, ArcLMTPHandler)
    assert isinstance(mailman.switchboards["in"], AnnotatingQueue)


@pytest.mark.usefixtures("switchboards", "disabled")
def test_without_the_plugin_the_runner_is_mailmans(mailman):
    runner = ArcLMTPRunner("lmtp")

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


def deliver(handler, octets: bytes, *recipients: str) -> str:
    envelope = SimpleNamespace(
        content=octets, mail_from="ann@author.example", rcpt_tos=list(recipients)
    )
    return asyncio.run(handler.handle_DATA(None, None, envelope))


def test_a_post_is_judged_from_its_octets_and_queued_as_by_mailman(queues, services):
    assert deliver(queues.handler, SIGNED, LIST) == "250 Ok"

    [(msg, _, metadata, _)] = queues.board.queued
    assert metadata["to_list"] is True
    assert "dkim=pass" in msg[RESULTS_FIELD]
    assert take_voucher(msg, services.secret) is not None
    assert msg["X-MailFrom"] == "ann@author.example"


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
        envelopes = [
            SimpleNamespace(content=each, mail_from="a@author.example", rcpt_tos=[LIST])
            for each in octets
        ]
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


def test_with_unusable_settings_a_post_is_taken_as_by_mailman(queues, install):
    wiring._wiring.services, wiring._wiring.failed = None, True

    assert deliver(queues.handler, SIGNED, LIST) == "250 Ok"
    assert RESULTS_FIELD not in queues.board.queued[0][0]
