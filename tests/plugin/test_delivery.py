"""The last moment: copies become octets, get sealed, and leave."""

from __future__ import annotations

import copy
import email
import re
import smtplib
from dataclasses import dataclass, field
from types import SimpleNamespace

import pytest
from mailman.email.message import Message
from mailman.interfaces.mta import SomeRecipientsFailed
from mailman.mta import deliver as mailman_delivery

from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.crypto import SigningKey
from mailman_arc.mailauth.message import read_message
from mailman_arc.plugin.delivery import _OctetConnection, _Run, deliver
from mailman_arc.plugin.handlers.authenticate import ARRIVAL_KEY, SEEN_KEY
from mailman_arc.plugin.messages import put_on_top, to_octets
from mailman_arc.plugin.reception import judge
from mailman_arc.policy.arrival import format_arrival
from mailman_arc.policy.trust import Trust
from tests.house.sink import At
from tests.support.mail import (
    POST,
    add_set,
    chain_of,
    changed,
    judge_chain,
    sign_dkim,
    whole_zone,
)


pytestmark = pytest.mark.usefixtures("services")
SENDER = "list-bounces@lists.example"
MLIST = SimpleNamespace(
    list_id="list.lists.example", anonymous_list=False, mail_host="lists.example"
)


@dataclass
class Server:
    """Takes what a connection of Mailman's takes."""

    sent: list[tuple[str, list[str], object]] = field(default_factory=list)
    has_quit: bool = False

    def sendmail(self, sender, recipients, msg):
        self.sent.append((sender, list(recipients), msg))
        return {}

    def quit(self):
        self.has_quit = True

    @property
    def octets(self) -> list[bytes]:
        return [msg for _, _, msg in self.sent]


def parsed(octets: bytes) -> Message:
    return email.message_from_bytes(octets, Message)


def metadata(octets: bytes = POST, **more: object) -> dict[str, object]:
    judged = judge(read_message(octets), whole_zone(), Trust("lists.example")).arrival
    return {
        SEEN_KEY: True,
        ARRIVAL_KEY: format_arrival(judged),
        "recipients": {"anne@other.example", "bart@other.example"},
        **more,
    }


def send(msgdata, *messages: Message, mlist=MLIST, to="anne@other.example"):
    """Send messages in one run; answers with the server and the run."""
    server, run = Server(), _Run(mlist, msgdata)
    connection = _OctetConnection(server, run)
    for msg in messages:
        assert connection.sendmail(SENDER, [to], msg) == {}
    return server, run


def log_of(run: _Run, log, msg: Message | None = None) -> str:
    run.log(msg or parsed(POST))
    [line] = [each for each in log() if " list=" in each]
    return re.sub(r"seconds=[0-9.]+$", "seconds=…", line)


# What is sealed


def test_a_post_leaves_as_octets_with_a_seal_that_passes():
    server, _ = send(metadata(), parsed(POST))

    [octets] = server.octets
    assert octets.endswith(POST)
    assert judge_chain(octets, whole_zone()).status is ChainStatus.PASS


def test_a_post_with_a_chain_leaves_with_one_set_more():
    server, _ = send(metadata(chain_of(2)), parsed(chain_of(2)))

    verdict = judge_chain(server.octets[0], whole_zone())
    assert verdict.status is ChainStatus.PASS
    assert verdict.chain.highest == 3


@pytest.mark.parametrize("mark", ["to_list", "to_owner"])
def test_a_post_is_known_by_the_marks_of_mailman_too(mark):
    msgdata = metadata(**{mark: True})
    del msgdata[SEEN_KEY]

    server, _ = send(msgdata, parsed(POST))

    assert server.octets[0].startswith(b"ARC-Seal: ")


def test_sender_and_recipients_are_handed_on():
    server, _ = send(metadata(), parsed(POST), to="bart@other.example")

    assert server.sent[0][:2] == (SENDER, ["bart@other.example"])


def test_hidden_recipients_and_the_voucher_do_not_leave():
    msg = parsed(b"X-Mailman-ARC-Arrival: AAAA\r\nBcc: eve@other.example\r\n" + POST)

    server, _ = send(metadata(), msg)

    assert server.octets[0].endswith(b"\r\n" + POST)
    assert b"eve@" not in server.octets[0]
    assert b"X-Mailman-ARC-Arrival" not in server.octets[0]


def test_the_message_itself_is_not_changed():
    msg = parsed(POST)

    send(metadata(), msg)

    assert to_octets(msg) == POST


# Copies


def seals(server: Server) -> list[bytes]:
    return [
        octets.removesuffix(POST).partition(b"ARC-Mess")[0] for octets in server.octets
    ]


def test_chunks_of_a_bulk_delivery_share_one_seal(log):
    msg = parsed(POST)

    server, run = send(metadata(), msg, msg, msg)

    assert server.octets[0] is server.octets[1] is server.octets[2]
    assert "copies=3 seals=1 recipients=2" in log_of(run, log)


def test_equal_copies_share_one_seal(log):
    msg = parsed(POST)

    server, run = send(metadata(), copy.deepcopy(msg), copy.deepcopy(msg))

    assert server.octets[0] is server.octets[1]
    assert "copies=2 seals=1" in log_of(run, log)


def test_unequal_copies_are_sealed_each(log):
    other = parsed(changed(POST, b"list@lists", b"anne@other"))

    server, run = send(metadata(), parsed(POST), other)

    for octets in server.octets:
        assert judge_chain(octets, whole_zone()).status is ChainStatus.PASS
    assert server.octets[0] != server.octets[1]
    assert "copies=2 seals=2" in log_of(run, log)


def test_a_copy_that_was_changed_in_place_is_not_taken_for_the_last_one():
    first, second = parsed(POST), parsed(POST)
    second.replace_header("To", "anne@other.example")

    server, _ = send(metadata(), first, second)

    assert b"To: anne@other.example\r\n" in server.octets[1]


# What is not sealed

NO_VERDICT = {ARRIVAL_KEY: None}
ENDED = add_set(changed(chain_of(1), b"Bye", b"bye"), 2, cv=b"fail")


def without_arrival() -> dict[str, object]:
    msgdata = metadata()
    del msgdata[ARRIVAL_KEY]
    return msgdata


def test_a_message_that_is_no_post_is_left_to_mailman(log):
    msg = parsed(POST)

    server, run = send({"recipients": {"anne@other.example"}}, msg)

    assert server.octets[0] is msg
    assert log_of(run, log) == (
        "INFO <1@author.example> list=list.lists.example no verdict; "
        "not sealed: not a post (digest or notice); "
        "copies=1 seals=0 recipients=1 seconds=…"
    )


@pytest.mark.parametrize("to", ["ann\xe9@other.example", "anne@b\xfccher.example"])
def test_a_copy_for_an_address_outside_of_ascii_is_left_to_mailman(to, log):
    msg = parsed(POST)

    server, run = send(metadata(), msg, to=to)

    assert server.octets[0] is msg
    assert "; not sealed: recipient address is not ASCII; " in log_of(run, log)


UNSEALED = {
    "no record": (without_arrival, {}, "nothing was recorded on arrival"),
    "a record nobody can read": (
        lambda: metadata(**{ARRIVAL_KEY: "{"}),
        {},
        "nothing was recorded on arrival",
    ),
    "no key": (metadata, {"key_file": ""}, "no usable key"),
    "no such key": (metadata, {"key_file": "/nonexistent"}, "no usable key"),
    "no selector": (metadata, {"selector": ""}, "no usable key"),
    "no key made yet": (
        metadata,
        {"selector": "", "key_file": ""},
        "no usable key",
    ),
    "a key that is not published": (
        metadata,
        {"selector": "other"},
        "the DNS does not show the key",
    ),
    "another chain": (
        lambda: metadata(chain_of(1)),
        {},
        "ARC fields changed since arrival",
    ),
}


@pytest.mark.parametrize(
    ("msgdata", "changes", "reason"), UNSEALED.values(), ids=UNSEALED
)
def test_a_post_that_cannot_be_sealed_leaves_as_the_same_octets(
    msgdata, changes, reason, install, log
):
    install(**changes)

    server, run = send(msgdata(), parsed(POST), parsed(POST))

    assert server.octets == [POST, POST]
    assert f"; not sealed: {reason}; copies=2 seals=0 " in log_of(run, log)


def test_a_post_whose_chain_has_ended_leaves_as_the_same_octets(log):
    server, run = send(metadata(ENDED), parsed(ENDED))

    assert server.octets == [ENDED]
    assert "; not sealed: chain already failed before us; " in log_of(run, log)


ANONYMOUS = SimpleNamespace(
    list_id="list.lists.example", anonymous_list=True, mail_host="lists.example"
)


def test_a_post_of_an_anonymous_list_begins_a_chain_that_does_not_name_the_author(log):
    octets = sign_dkim(chain_of(2))
    post = changed(POST, b"Ann Author <ann@author.example>", b"list@lists.example")

    server, run = send(metadata(octets), parsed(post), mlist=ANONYMOUS)

    [sent] = server.octets
    seal = sent.removesuffix(post)
    assert judge_chain(sent, whole_zone()).status is ChainStatus.PASS
    assert b"author" not in seal
    assert b"dkim=pass;" in seal
    assert "; sealed i=1 cv=none; " in log_of(run, log)


def test_an_anonymous_post_that_still_has_a_chain_is_not_sealed(log):
    octets = chain_of(2)

    server, run = send(metadata(octets), parsed(octets), mlist=ANONYMOUS)

    assert server.octets == [octets]
    assert "; not sealed: ARC fields changed since arrival; " in log_of(run, log)


def test_a_site_can_leave_anonymous_lists_unsealed(install, log):
    install(anonymous_seal="none")

    server, run = send(metadata(), parsed(POST), mlist=ANONYMOUS)

    assert server.octets == [POST]
    assert "; not sealed: anonymous list; " in log_of(run, log)


# Modes


@pytest.mark.parametrize("mode", ["v", "none"])
def test_a_list_can_be_left_unsealed(mode, install, log):
    install(mode=mode)

    server, run = send(metadata(), parsed(POST))

    assert server.octets == [POST]
    assert "; not sealed: switched off for this list; " in log_of(run, log)


def test_in_shadow_mode_the_log_says_what_would_be_done(install, log):
    install(shadow="yes")
    octets = chain_of(2)

    server, run = send(metadata(octets), parsed(octets))

    assert server.octets == [octets]
    line = log_of(run, log)
    assert "; not sealed: shadow mode, would be i=3 cv=pass; copies=1 seals=0 " in line


def test_in_shadow_mode_nothing_is_encoded(install):
    install(shadow="yes")

    server, _ = send(metadata(EIGHT_BIT), parsed(EIGHT_BIT))

    assert server.octets == [EIGHT_BIT]


def test_the_settings_of_the_mail_domain_hold(install, log):
    install({"domain.lists.example": {"mode": "v"}})
    other = SimpleNamespace(**{**vars(MLIST), "mail_host": "other.example"})

    server, _ = send(metadata(), parsed(POST))
    assert server.octets == [POST]
    server, _ = send(metadata(), parsed(POST), mlist=other)
    assert judge_chain(server.octets[0], whole_zone()).status is ChainStatus.PASS


def test_a_seal_is_made_as_the_settings_say(install):
    install(
        sign_headers="from, subject, to",
        oversign_headers="from",
        canonicalization="simple/simple",
        signature_ttl="30d",
    )

    server, _ = send(metadata(), parsed(POST))

    [sent] = server.octets
    signature = sent.partition(b"ARC-Message-Signature:")[2]
    assert b" h=from:subject:to:from;" in signature
    assert b" c=simple/simple;" in signature
    signed_at, expires_at = re.findall(rb" [tx]=([0-9]+);", signature)[:2]
    assert int(expires_at) - int(signed_at) == 30 * 86400
    assert judge_chain(sent, whole_zone()).status is ChainStatus.PASS


def test_each_domain_can_have_an_identity_of_its_own(install, files):
    key = str(files / "arc.pem")
    install(
        {
            "identity.press": {
                "domain": "press.example",
                "selector": "s",
                "key_file": key,
            }
        },
        check_pubkey="no",
    )
    press = SimpleNamespace(**{**vars(MLIST), "mail_host": "press.example"})

    server, _ = send(metadata(), parsed(POST), mlist=press)

    assert b" d=press.example; s=s; " in server.octets[0]


# Made to survive transport

EIGHT_BIT = (
    POST.partition(b"\r\n\r\n")[0]
    + b"\r\nMIME-Version: 1.0\r\n"
    + b"Content-Type: text/plain; charset=utf-8\r\n"
    + b"Content-Transfer-Encoding: 8bit\r\n\r\n"
    + "Viele schöne Grüße aus dem Süden\r\n".encode()
)
SIGNED_TEXT = (
    POST.partition(b"\r\n\r\n")[0]
    + b"\r\nMIME-Version: 1.0\r\n"
    + b"Content-Type: multipart/signed; boundary=b\r\n\r\n"
    + b"--b\r\nContent-Type: text/plain; charset=utf-8\r\n"
    + b"Content-Transfer-Encoding: 8bit\r\n\r\n"
    + "Grüße\r\n".encode()
    + b"--b\r\nContent-Type: application/pgp-signature\r\n\r\nx\r\n--b--\r\n"
)
FOOTER = "-- \r\ndie Fußzeile\r\n".encode()


def test_text_that_may_be_changed_on_the_way_is_encoded_and_sealed(log):
    server, run = send(metadata(EIGHT_BIT), parsed(EIGHT_BIT))

    [sent] = server.octets
    assert sent.isascii()
    text = email.message_from_bytes(sent).get_payload(decode=True)
    assert text == EIGHT_BIT.partition(b"\r\n\r\n")[2]
    assert judge_chain(sent, whole_zone()).status is ChainStatus.PASS
    assert "at risk" not in log_of(run, log)


def test_a_signature_of_the_author_that_is_still_good_is_not_broken(log):
    octets = sign_dkim(EIGHT_BIT)

    server, run = send(metadata(octets), parsed(octets))

    assert server.octets[0].endswith(octets)
    assert "; at risk on the way: a text the author signed; " in log_of(run, log)


def test_a_signature_of_the_author_that_the_list_has_broken_is_no_obstacle(log):
    octets = sign_dkim(EIGHT_BIT)

    server, run = send(metadata(octets), parsed(octets + FOOTER))

    assert server.octets[0].isascii()
    assert "at risk" not in log_of(run, log)


@pytest.mark.parametrize(("mode", "encoded"), [("always", True), ("no", False)])
def test_a_site_can_decide_otherwise(mode, encoded, install):
    install(transport_safe=mode)
    octets = sign_dkim(EIGHT_BIT)

    server, _ = send(metadata(octets), parsed(octets))
    other, _ = send(metadata(octets), parsed(octets + FOOTER))

    assert server.octets[0].isascii() is encoded
    assert other.octets[0].isascii() is encoded


def test_what_must_not_be_encoded_is_told(log):
    server, run = send(metadata(SIGNED_TEXT), parsed(SIGNED_TEXT))

    assert server.octets[0].endswith(SIGNED_TEXT)
    assert "; sealed i=1 cv=none; at risk on the way: a signed part; " in log_of(
        run, log
    )


def test_what_is_not_sealed_is_not_encoded(install):
    install(key_file="")

    server, _ = send(metadata(EIGHT_BIT), parsed(EIGHT_BIT))

    assert server.octets == [EIGHT_BIT]


def test_with_unusable_settings_a_post_leaves_as_the_same_octets(log, disabled):
    server, run = send(metadata(), parsed(POST))

    assert server.octets == [POST]
    assert "; not sealed: settings are unusable; " in log_of(run, log)


@dataclass
class BrokenKey:
    """A key whose library has a bug, or which has no fitting public half."""

    error: Exception | None
    algorithm: str = "rsa-sha256"
    bits: int = 1024

    def __init__(self, key, error=None):
        self.verifying_key = key.verifying_key
        self.error = error

    def sign(self, digest: bytes) -> bytes:
        if self.error is not None:
            raise self.error
        return b"nonsense"


@dataclass
class FailingLater:
    """A key that is good for a while."""

    key: SigningKey
    has_failed: bool = False

    def __getattr__(self, name: str) -> object:
        return getattr(self.key, name)

    def sign(self, digest: bytes) -> bytes:
        if self.has_failed:
            raise RuntimeError("a bug")
        return self.key.sign(digest)


@dataclass
class Keys:
    """The key that every file has."""

    key: SigningKey

    def get(self, path: str) -> SigningKey:
        return self.key


def with_key(services, error: Exception | None = None) -> None:
    services.sealing_keys.ring = Keys(
        BrokenKey(services.sealing_identity(MLIST).key, error)
    )


def test_a_bug_in_sealing_costs_the_seal_only(services, log):
    with_key(services, RuntimeError("a bug"))

    server, run = send(metadata(), parsed(POST))

    assert server.octets == [POST]
    assert "; not sealed: internal error; " in log_of(run, log)
    assert "ERROR seal: unexpected error, going on without it" in log()


def test_a_proof_that_fails_costs_the_seal_only_and_is_an_error(services, log):
    with_key(services)

    server, run = send(metadata(), parsed(POST))

    assert server.octets == [POST]
    assert "; not sealed: proof failed; " in log_of(run, log)
    assert "ERROR proof failed: signature does not verify" in log()


def test_a_message_that_cannot_be_written_is_left_to_mailman(log):
    msg = parsed(POST)
    msg.set_payload("gr\xfc\xdfe")

    server, run = send(metadata(), msg)

    assert server.octets[0] is msg
    line = log_of(run, log)
    assert "; not sealed: internal error; " in line
    assert "copies=1 seals=0 " in line


# The log


def test_the_line_of_a_sealed_post(log):
    _, run = send(metadata(chain_of(1)), parsed(chain_of(1)))

    assert log_of(run, log) == (
        "INFO <1@author.example> list=list.lists.example "
        "arc=pass dkim=none dmarc=none; sealed i=2 cv=pass; "
        "copies=1 seals=1 recipients=2 seconds=…"
    )


MESSAGE_IDS = (
    (b"<a\x00b\x1b[31mc\x7f@x>", "<a b [31mc @x>"),
    (b"<a\r\n\tb@x>", "<a b@x>"),
    (b"<" + b"a" * 5000 + b"@x>", "<" + "a" * 199),
    (b"<gr\xfc\xdfe@x>", "<gr e@x>"),
    (b"<a@x> list=forged sealed", "<a@x> list=forged sealed"),
)


@pytest.mark.parametrize(("given", "logged"), MESSAGE_IDS)
def test_the_line_is_one_line_whatever_the_message_id_is(given, logged, log):
    msg = parsed(changed(POST, b"<1@author.example>", given))
    _, run = send(metadata(), msg)

    run.log(msg)

    [line] = [each for each in log() if " list=list.lists.example " in each]
    assert line.startswith(f"INFO {logged} list=list.lists.example ")
    assert line.isprintable()


def test_a_post_without_message_id_has_a_line(log):
    msg = parsed(changed(POST, b"Message-ID: <1@author.example>\r\n", b""))
    _, run = send(metadata(), msg)

    assert log_of(run, log, msg).startswith("INFO n/a list=")


def test_a_post_without_recipients_says_so(log):
    run = _Run(MLIST, metadata(recipients=set()))

    assert "; not sealed: no recipients; copies=0 seals=0 recipients=0 " in log_of(
        run, log
    )


def test_a_post_of_which_some_copies_were_sealed_tells_both(log):
    server, run = Server(), _Run(MLIST, metadata())
    connection = _OctetConnection(server, run)
    for to in ("anne@other.example", "ann\xe9@other.example"):
        connection.sendmail(SENDER, [to], parsed(POST))

    line = log_of(run, log)

    assert "; sealed i=1 cv=none; not sealed: recipient address is not ASCII; " in line


def test_a_post_of_which_the_last_copy_was_not_sealed_tells_both(services, log):
    other = parsed(changed(POST, b"list@lists", b"anne@other"))
    key = FailingLater(services.sealing_identity(MLIST).key)
    services.sealing_keys.ring = Keys(key)
    server, run = Server(), _Run(MLIST, metadata())
    connection = _OctetConnection(server, run)
    connection.sendmail(SENDER, ["anne@other.example"], parsed(POST))
    key.has_failed = True
    connection.sendmail(SENDER, ["bart@other.example"], other)

    line = log_of(run, log)

    assert "; sealed i=1 cv=none; not sealed: internal error; " in line


def test_the_connection_is_closed():
    server = Server()

    _OctetConnection(server, _Run(MLIST, {})).quit()

    assert server.has_quit


# Through Mailman's own function

TWO = {"anne@other.example", "bart@other.example"}


@pytest.fixture
def house(mailman, mlist, sink, install):
    """A list, and a mail server that is empty."""
    sink.clear()
    install()
    return SimpleNamespace(mlist=mlist, sink=sink, config=mailman)


def test_a_bulk_delivery_is_sealed_once_in_all_its_chunks(house, log):
    recipients = {f"{name}@other.example" for name in ("a", "b", "c", "d", "e")}

    deliver(house.mlist, parsed(POST), metadata(recipients=recipients, nodecorate=True))

    copies = house.sink.wait_for(3)
    assert {each.octets for each in copies} == {copies[0].octets}
    assert {to for each in copies for to in each.recipients} == recipients
    assert judge_chain(copies[0].octets, whole_zone()).status is ChainStatus.PASS
    assert any("copies=3 seals=1 recipients=5" in line for line in log())


def test_a_personal_delivery_is_sealed_with_mailmans_own_envelope(house):
    msgdata = metadata(recipients=TWO, verp=True, nodecorate=True)

    deliver(house.mlist, parsed(POST), msgdata)

    copies = house.sink.wait_for(2)
    assert {each.sender for each in copies} == {
        "list-bounces+anne=other.example@lists.example",
        "list-bounces+bart=other.example@lists.example",
    }
    for each in copies:
        assert judge_chain(each.octets, whole_zone()).status is ChainStatus.PASS


def test_the_footer_of_the_list_is_under_the_seal(house):
    deliver(house.mlist, parsed(POST), metadata(recipients=TWO))

    [sent] = house.sink.wait_for(1)
    assert b"List mailing list -- list@lists.example" in sent.octets
    assert judge_chain(sent.octets, whole_zone()).status is ChainStatus.PASS


class TooMany:
    """Mailman's own sealing, which would be a second set."""

    def process(self, mlist, msg, msgdata):
        put_on_top(msg, "ARC-Seal", "i=1")


@pytest.mark.parametrize("verp", [False, True])
def test_mailmans_own_sealing_is_left_out(house, verp, monkeypatch):
    monkeypatch.setitem(house.config.handlers, "arc-sign", TooMany())
    msgdata = metadata(recipients=TWO, verp=verp, nodecorate=True)

    deliver(house.mlist, parsed(POST), msgdata)

    for each in house.sink.wait_for(1):
        assert each.octets.count(b"ARC-Seal: ") == 1
        assert judge_chain(each.octets, whole_zone()).status is ChainStatus.PASS


def test_mailmans_own_sealing_is_there_without_the_plugin(house, disabled, monkeypatch):
    monkeypatch.setitem(house.config.handlers, "arc-sign", TooMany())

    deliver(house.mlist, parsed(POST), metadata(recipients=TWO, nodecorate=True))

    assert house.sink.wait_for(1)[0].octets.startswith(b"ARC-Seal: i=1\r\n")


def test_lines_that_begin_with_from_and_dots_can_leave_as_they_are(house, install):
    install(transport_safe="no")
    octets = POST + b"From me\r\n.\r\n..\r\n" + b"x" * 998 + b"\r\n"

    deliver(
        house.mlist, parsed(octets), metadata(octets, recipients=TWO, nodecorate=True)
    )

    [sent] = house.sink.wait_for(1)
    assert sent.octets.endswith(octets)


def test_two_resent_blocks_do_not_keep_a_post_from_leaving(house):
    octets = b"Resent-To: a\r\nResent-Date: b\r\nResent-To: c\r\n" + POST

    deliver(
        house.mlist, parsed(octets), metadata(octets, recipients=TWO, nodecorate=True)
    )

    assert house.sink.wait_for(1)[0].octets.endswith(octets)


def test_a_notice_is_delivered_as_by_mailman(house):
    deliver(house.mlist, parsed(POST), {"recipients": TWO, "nodecorate": True})

    [sent] = house.sink.wait_for(1)
    assert b"ARC-Seal" not in sent.octets


def test_without_the_plugin_delivery_is_mailmans(house, disabled, log):
    deliver(house.mlist, parsed(POST), metadata(recipients=TWO, nodecorate=True))

    [sent] = house.sink.wait_for(1)
    assert b"ARC-Seal" not in sent.octets
    assert log() == []


def test_without_recipients_nothing_is_sent(house, log):
    assert deliver(house.mlist, parsed(POST), metadata(recipients=set())) is None

    assert house.sink.deliveries == []
    assert "; not sealed: no recipients; " in log()[-1]


def test_a_delivery_that_fails_before_the_first_copy_does_not_blame_recipients(
    house, log
):
    msg = parsed(POST)
    msgdata = metadata(recipients=TWO, verp="yes", **{"add-dup-header": None})

    with pytest.raises(TypeError):
        deliver(house.mlist, msg, msgdata)

    assert "; not sealed: delivery failed before the first copy; " in log()[-1]


def test_recipients_that_are_refused_are_told_to_mailman(house):
    house.sink.refuse(At.RECIPIENT, "450 4.2.1 later", recipient="anne@other.example")
    house.sink.refuse(At.RECIPIENT, "550 5.1.1 never", recipient="bart@other.example")
    recipients = {*TWO, "cris@third.example"}

    with pytest.raises(SomeRecipientsFailed) as caught:
        deliver(
            house.mlist,
            parsed(POST),
            metadata(recipients=recipients, verp=True, nodecorate=True),
        )

    assert caught.value.temporary_failures == ["anne@other.example"]
    assert [each[0] for each in caught.value.permanent_failures] == [
        "bart@other.example"
    ]


def test_a_copy_that_is_sent_again_is_sealed_again(house):
    msgdata = metadata(recipients=TWO, nodecorate=True)
    house.sink.refuse(At.END_OF_DATA, "451 4.3.0 later", times=1)
    msg = parsed(POST)
    with pytest.raises(SomeRecipientsFailed):
        deliver(house.mlist, msg, msgdata)

    deliver(house.mlist, msg, msgdata)

    [sent] = house.sink.wait_for(1)
    assert judge_chain(sent.octets, whole_zone()).chain.highest == 1


def test_the_errors_of_the_server_reach_mailman(house):
    class Refusing(Server):
        def sendmail(self, sender, recipients, msg):
            raise smtplib.SMTPServerDisconnected("gone")

    connection = _OctetConnection(Refusing(), _Run(MLIST, metadata()))

    with pytest.raises(smtplib.SMTPServerDisconnected):
        connection.sendmail(SENDER, ["anne@other.example"], parsed(POST))


@pytest.mark.parametrize("agent", ["Deliver", "BulkDelivery"])
def test_a_mailman_without_the_agents_we_know_delivers_itself(
    house, agent, monkeypatch, log
):
    known = {"Deliver": True, "BulkDelivery": False}
    monkeypatch.delattr(mailman_delivery, agent)
    msgdata = metadata(recipients=TWO, verp=not known[agent], nodecorate=True)

    deliver(house.mlist, parsed(POST), msgdata)

    assert b"ARC-Seal" not in house.sink.wait_for(1)[0].octets
    assert log()[0].startswith(
        f"ERROR posts are not sealed: this Mailman has no {agent} in mailman.mta"
    )


def test_a_delivery_without_a_list_is_mailmans_own(house):
    with pytest.raises(AttributeError):
        deliver(None, parsed(POST), {"recipients": TWO, "nodecorate": True})
