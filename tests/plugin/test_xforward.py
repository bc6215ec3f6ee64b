"""XFORWARD: what a mail server tells of the client that brought a post."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
from hypothesis import given, strategies as st
from mailman.runners.lmtp import LMTPController, LMTPHandler

from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.spf import Envelope
from mailman_arc.plugin.door import AnnotatingQueue, ArcLMTPHandler
from mailman_arc.plugin.xforward import (
    IDENT,
    MAX_VALUE_OCTETS,
    ArcLMTPController,
    attributes_of,
    client_of,
    envelope_of,
    is_authorized,
    parse_xforward,
)
from tests.house.ports import free_ports
from tests.house.waiting import PATIENCE


# Reading

READ = (
    # As Postfix writes them.
    (
        "NAME=spike.example ADDR=192.0.2.1 PORT=1234",
        {"NAME": "spike.example", "ADDR": "192.0.2.1", "PORT": "1234"},
    ),
    (
        "PROTO=ESMTP HELO=spike.example IDENT=4F2A SOURCE=REMOTE",
        {
            "PROTO": "ESMTP",
            "HELO": "spike.example",
            "IDENT": "4F2A",
            "SOURCE": "REMOTE",
        },
    ),
    ("name=a.example Source=local", {"NAME": "a.example", "SOURCE": "LOCAL"}),
    ("ADDR=IPV6:2001:db8::1", {"ADDR": "2001:db8::1"}),
    ("ADDR=ipv6:2001:DB8:0::1", {"ADDR": "2001:db8::1"}),
    ("ADDR=2001:db8::1", {"ADDR": "2001:db8::1"}),
    ("ADDR=IPV6:::ffff:192.0.2.1", {"ADDR": "192.0.2.1"}),
    ("NAME=[UNAVAILABLE]", {"NAME": None}),
    ("ADDR=[TEMPUNAVAIL]", {"ADDR": None}),
    ("SOURCE=[unavailable] PORT=[UNAVAILABLE]", {"SOURCE": None, "PORT": None}),
    ("HELO=a+2Bb", {"HELO": "a+b"}),
    ("HELO=+5BUNAVAILABLE+5d", {"HELO": None}),
    ("HELO=a+20b", {"HELO": "a b"}),
    ("HELO=a+b", {"HELO": "a+b"}),
    ("HELO=a=b", {"HELO": "a=b"}),
    ("HELO=a+0D+0Ab+00+FF", {"HELO": "a??b??"}),
    ("HELO=[192.0.2.1]", {"HELO": "[192.0.2.1]"}),
    ("HELO=a HELO=b", {"HELO": "b"}),
    ("IDENT=" + "x" * MAX_VALUE_OCTETS, {"IDENT": "x" * MAX_VALUE_OCTETS}),
)


@pytest.mark.parametrize(("text", "attributes"), READ)
def test_attributes_are_read(text, attributes):
    assert parse_xforward(text) == attributes


MALFORMED = (
    "",
    " ",
    "NAME",
    "=x",
    "NAME=",
    "FOO=x",
    "NAME=x FOO=x",
    "ADDR=spike.example",
    "ADDR=192.0.2.300",
    "ADDR=192.0.2.1/24",
    "ADDR=IPV6:",
    "ADDR=IPV6:nonsense",
    "PORT=0",
    "PORT=65536",
    "PORT=-1",
    "PORT=1e3",
    "PORT=" + "1" * 100,
    "SOURCE=elsewhere",
    "HELO=" + "x" * (MAX_VALUE_OCTETS + 1),
)


@pytest.mark.parametrize("text", MALFORMED)
def test_what_is_malformed_is_refused(text):
    with pytest.raises(MalformedField):
        parse_xforward(text)


@given(st.text())
def test_any_text_is_read_or_refused(text):
    try:
        found = parse_xforward(text)
    except MalformedField:
        return
    assert all(value is None or value.isprintable() for value in found.values())


@given(
    st.sampled_from(["NAME", "ADDR", "PORT", "PROTO", "HELO", "IDENT", "SOURCE"]),
    st.text(st.characters(codec="latin-1")),
)
def test_any_value_is_read_or_refused(name, value):
    encoded = "".join(f"+{ord(each):02X}" for each in value)
    try:
        found = parse_xforward(f"{name}={encoded}")
    except MalformedField:
        return
    assert envelope_of(found, "<>").mail_from == ""


# What it means

ENVELOPES = (
    (
        {"ADDR": "192.0.2.1", "HELO": "mx.example", "SOURCE": "REMOTE"},
        Envelope("192.0.2.1", "mx.example", "a@b.example"),
    ),
    ({"ADDR": "2001:db8::1"}, Envelope("2001:db8::1", None, "a@b.example")),
    ({"ADDR": "192.0.2.1", "HELO": None}, Envelope("192.0.2.1", None, "a@b.example")),
    ({"ADDR": None, "HELO": "mx.example"}, Envelope(mail_from="a@b.example")),
    ({"ADDR": "192.0.2.1", "SOURCE": "LOCAL"}, Envelope(mail_from="a@b.example")),
    ({"ADDR": "127.0.0.1"}, Envelope(mail_from="a@b.example")),
    ({"ADDR": "::1", "SOURCE": "REMOTE"}, Envelope(mail_from="a@b.example")),
    ({}, Envelope(mail_from="a@b.example")),
)


@pytest.mark.parametrize(("attributes", "envelope"), ENVELOPES)
def test_a_client_is_known_unless_the_post_was_written_there(attributes, envelope):
    assert envelope_of(attributes, "a@b.example") == envelope


# Who may use it

HOSTS = tuple(map(ipaddress.ip_network, ("127.0.0.0/8", "2001:db8::/32")))


@pytest.mark.parametrize(
    ("peer", "allowed"),
    [
        (("127.0.0.1", 1234), True),
        (("::ffff:127.0.0.1", 1234, 0, 0), True),
        (("2001:db8::5", 1234, 0, 0), True),
        (("192.0.2.1", 1234), False),
        (("::1", 1234, 0, 0), False),
        (("fe80::1%eth0", 1234, 0, 2), False),
        (("", 0), False),
        ((), False),
        ("", False),
        (None, False),
    ],
)
def test_only_hosts_that_are_listed_may_say_who_their_client_was(peer, allowed):
    assert is_authorized(peer, HOSTS) is allowed


@pytest.mark.parametrize(
    ("told", "peer", "client"),
    [
        ("ADDR=192.0.2.1 NAME=a.example", ("127.0.0.1", 1), ("192.0.2.1", "a.example")),
        ("ADDR=192.0.2.1 NAME=[UNAVAILABLE]", ("127.0.0.1", 1), ("192.0.2.1", "")),
        ("ADDR=127.0.0.1 SOURCE=LOCAL", ("192.0.2.9", 1), ("127.0.0.1", "")),
        ("ADDR=[UNAVAILABLE] SOURCE=LOCAL", ("192.0.2.9", 1), ("192.0.2.9", "")),
        ("ADDR=[UNAVAILABLE] SOURCE=REMOTE", ("192.0.2.9", 1), (None, "")),
        ("NAME=a.example", ("192.0.2.9", 1), (None, "")),
        ("", ("::ffff:192.0.2.9", 1, 0, 0), ("192.0.2.9", "")),
        ("", "/run/lmtp.sock", (None, "")),
        ("", None, (None, "")),
    ],
)
def test_the_client_is_who_was_forwarded_else_who_connects(told, peer, client):
    attributes = parse_xforward(told) if told else {}

    assert client_of(attributes, peer) == client


# Over the wire


class Listening(ArcLMTPHandler):
    """Notes what is known at the end of each post."""

    def __init__(self) -> None:
        super().__init__(AnnotatingQueue(None))
        self.known: list[dict] = []

    async def handle_RCPT(  # noqa: N802
        self, server, session, envelope, to, rcpt_options
    ):
        envelope.rcpt_tos.append(to)
        return "250 Ok"

    async def handle_DATA(self, server, session, envelope):  # noqa: N802
        self.known.append(dict(attributes_of(envelope)))
        return "250 Ok"


class Client:
    def __init__(self, port: int) -> None:
        self._socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._lines = self._socket.makefile("rb")
        self.greeting = self._reply()

    def __call__(self, *commands: str) -> list[str]:
        """Say these, one after the other; the last line of each answer."""
        return [self.all_of(command)[-1] for command in commands]

    def all_of(self, command: str) -> list[str]:
        self._socket.sendall(command.encode() + b"\r\n")
        return self._reply()

    def _reply(self) -> list[str]:
        lines = [self._lines.readline().decode().rstrip()]
        while lines[-1][3:4] == "-":
            lines.append(self._lines.readline().decode().rstrip())
        return lines

    def close(self) -> None:
        self._lines.close()
        self._socket.close()


@pytest.fixture
def handler() -> Listening:
    return Listening()


def connected(controller: LMTPController) -> Iterator[Client]:
    controller.start()
    try:
        port = controller.server.sockets[0].getsockname()[1]
        with closing(Client(port)) as client:
            yield client
    finally:
        controller.stop()


@pytest.fixture
def client(handler) -> Iterator[Client]:
    yield from connected(ArcLMTPController(handler, "127.0.0.1", *free_ports(1)))


@pytest.fixture
def plain_client() -> Iterator[Client]:
    """One that talks to Mailman's own server."""
    yield from connected(LMTPController(LMTPHandler(), "127.0.0.1", *free_ports(1)))


POST = ("MAIL FROM:<a@b.example>", "RCPT TO:<list@lists.example>", "DATA", "x\r\n.")
OK = "250 2.0.0 Ok"


@pytest.mark.usefixtures("services")
def test_it_is_offered_besides_what_mailman_offers(log, client, plain_client):
    theirs = plain_client.all_of("LHLO mx.example")
    ours = client.all_of("LHLO mx.example")

    assert [each for each in ours if each not in theirs] == [
        "250-XFORWARD NAME ADDR PORT PROTO HELO IDENT SOURCE"
    ]
    assert [each for each in ours if each in theirs] == theirs
    assert client.greeting == plain_client.greeting
    assert IDENT in client.greeting[0]
    assert log() == []


@pytest.mark.usefixtures("services")
def test_attributes_add_up_until_the_post_and_are_gone_after_it(client, handler):
    assert client(
        "LHLO mx.example",
        "XFORWARD NAME=a.example ADDR=192.0.2.1",
        "xforward ADDR=192.0.2.2 HELO=h.example",
    )[1:] == [OK, OK]
    client(*POST, *POST)

    assert handler.known == [
        {"NAME": "a.example", "ADDR": "192.0.2.2", "HELO": "h.example"},
        {},
    ]


@pytest.mark.usefixtures("services")
@pytest.mark.parametrize("command", ["RSET", "LHLO mx.example"])
def test_attributes_are_gone_after_a_new_beginning(client, handler, command):
    client("LHLO mx.example", "XFORWARD ADDR=192.0.2.1", command, *POST)

    assert handler.known == [{}]


@pytest.mark.usefixtures("services")
def test_a_malformed_command_changes_nothing(client, handler):
    replies = client(
        "LHLO mx.example",
        "XFORWARD ADDR=192.0.2.1",
        "XFORWARD",
        "XFORWARD ADDR=nonsense HELO=x",
        "XFORWARD FOO=x",
        "XFORWARD HELO=" + "x" * 300,
        "XFORWARD HELO=" + "x" * 600,
        "XFORWARD HELO=" + "x" * 2000,
    )
    client(*POST)

    assert [each[:3] for each in replies[2:]] == ["501"] * 4 + ["500"] * 2
    assert handler.known == [{"ADDR": "192.0.2.1"}]


@pytest.mark.usefixtures("services")
def test_it_comes_after_the_greeting_and_before_the_post(client, handler):
    replies = client(
        "XFORWARD ADDR=192.0.2.1",
        "LHLO mx.example",
        POST[0],
        "XFORWARD ADDR=192.0.2.1",
        *POST[1:],
    )

    assert [replies[0][:3], replies[3][:3]] == ["503", "503"]
    assert handler.known == [{}]


def assert_is_mailmans(client: Client, plain_client: Client) -> None:
    conversation = (
        "LHLO mx.example",
        "HELP",
        "HELP XFORWARD",
        "XFORWARD ADDR=192.0.2.1",
        "XFORWARD",
    )
    for command in conversation:
        assert client.all_of(command) == plain_client.all_of(command)


def test_who_is_not_listed_is_answered_as_by_mailman(
    install, client, plain_client, handler
):
    install(authorized_xforward_hosts="192.0.2.0/24")

    assert_is_mailmans(client, plain_client)
    client(*POST)

    assert handler.known == [{}]


@pytest.mark.usefixtures("install")
def test_without_usable_settings_everybody_is_answered_as_by_mailman(
    client, plain_client, unusable
):
    unusable()

    assert_is_mailmans(client, plain_client)


@pytest.mark.usefixtures("disabled")
def test_without_the_plugin_everybody_is_answered_as_by_mailman(client, plain_client):
    assert_is_mailmans(client, plain_client)


# Mailman shunts posts with a sender that is not ASCII (its digests are mailboxes
# whose first lines are), so the mail server must know that it does not take them.
@pytest.mark.usefixtures("services")
def test_no_more_is_promised_than_mailman_can_cope_with(client):
    extensions = client.all_of("LHLO mx.example")

    assert "250-SMTPUTF8" not in extensions
    [refusal] = client("MAIL FROM:<a@b.example> SMTPUTF8")
    assert refusal.startswith("501 ")


@pytest.mark.parametrize(
    "limit", ["data_size_limit", "line_length_limit", "command_size_limit"]
)
def test_limits_are_mailmans(limit):
    async def made():
        ours = ArcLMTPController(None, "127.0.0.1", 1)
        theirs = LMTPController(None, "127.0.0.1", 1)
        try:
            return ours.factory(), theirs.factory()
        finally:
            ours.loop.close()
            theirs.loop.close()

    ours, theirs = asyncio.run(made())
    assert getattr(ours, limit) == getattr(theirs, limit)
