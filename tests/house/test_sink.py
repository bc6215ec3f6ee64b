"""The sink keeps what is on the wire, and refuses when told to."""

from __future__ import annotations

import smtplib
import socket
from collections.abc import Iterator

import pytest

from tests.house.sink import At, Delivery, Sink


SENDER = "list-bounces@lists.example.org"
POST = b"Subject: hello\r\nMessage-ID: <1@author.example>\r\n\r\nHi\r\n"


@pytest.fixture
def sink() -> Iterator[Sink]:
    with Sink() as running:
        yield running


def deliver(sink: Sink, octets: bytes, *recipients: str) -> dict[str, object]:
    with smtplib.SMTP("127.0.0.1", sink.port) as connection:
        return connection.sendmail(SENDER, recipients or ["anne@one.example"], octets)


@pytest.mark.parametrize(
    "octets",
    [
        POST,
        b"Subject: dots\r\n\r\n.\r\n..\r\n.one\r\n...\r\n",
        b"\r\n",
        b"Subject: long\r\n\r\n" + b"x" * 100_000 + b"\r\n",
        b"Subject: odd\r\n\r\nNUL \0, 8-bit \xff\xc3\xbc, page \x0c\r\n",
    ],
)
def test_octets_are_kept_as_they_are_on_the_wire(sink: Sink, octets: bytes) -> None:
    deliver(sink, octets)

    [kept] = sink.wait_for(1)
    assert kept == Delivery(
        SENDER, ("anne@one.example",), octets, (f"size={len(octets)}",)
    )


def test_lonely_line_ends_neither_change_nor_end_a_message(sink: Sink) -> None:
    with socket.create_connection(("127.0.0.1", sink.port)) as peer:
        peer.sendall(
            b"EHLO client.example\r\nMAIL FROM:<>\r\nRCPT TO:<anne@one.example>\r\n"
            b"DATA\r\na\rb\nc\n.\n.\r\n..d\r\n.\r\nQUIT\r\n"
        )
        with peer.makefile("rb") as answers:
            answers.read()

    [kept] = sink.wait_for(1)
    assert kept.octets == b"a\rb\nc\n.\n.\r\n.d\r\n"
    assert kept.sender == ""


def test_the_envelope_has_all_recipients_and_options(sink: Sink) -> None:
    with smtplib.SMTP("127.0.0.1", sink.port) as connection:
        connection.sendmail(
            SENDER, ["anne@one.example", "bill@two.example"], POST, ["BODY=8BITMIME"]
        )

    [kept] = sink.wait_for(1)
    assert kept.recipients == ("anne@one.example", "bill@two.example")
    assert "BODY=8BITMIME" in kept.options


@pytest.mark.parametrize(
    ("at", "kind"),
    [
        (At.SENDER, smtplib.SMTPSenderRefused),
        (At.RECIPIENT, smtplib.SMTPRecipientsRefused),
        (At.DATA, smtplib.SMTPDataError),
        (At.END_OF_DATA, smtplib.SMTPDataError),
    ],
)
def test_it_refuses_where_it_is_told_to_as_often_as_it_is_told_to(
    sink: Sink, at: At, kind: type[smtplib.SMTPException]
) -> None:
    sink.refuse(at, "451 4.3.0 later", times=1)

    with pytest.raises(kind, match="451"):
        deliver(sink, POST)
    assert sink.deliveries == []

    deliver(sink, POST)
    assert len(sink.wait_for(1)) == 1


def test_it_refuses_one_recipient_until_it_accepts_again(sink: Sink) -> None:
    sink.refuse(At.RECIPIENT, "550 5.1.1 gone", recipient="bill@two.example")

    refused = deliver(sink, POST, "anne@one.example", "bill@two.example")
    assert refused == {"bill@two.example": (550, b"5.1.1 gone")}
    assert sink.deliveries[0].recipients == ("anne@one.example",)

    sink.accept()
    assert deliver(sink, POST, "bill@two.example") == {}


@pytest.mark.parametrize(
    ("extensions", "told"), [(("8BITMIME", "SMTPUTF8"), True), ((), False)]
)
def test_it_tells_of_the_extensions_it_is_given(
    sink: Sink, extensions: tuple[str, ...], told: bool
) -> None:
    sink.extensions = extensions

    with smtplib.SMTP("127.0.0.1", sink.port) as connection:
        connection.ehlo()
        assert connection.has_extn("8bitmime") is told
        assert connection.has_extn("smtputf8") is told


def test_header_fields_are_found_by_name_with_their_folding(sink: Sink) -> None:
    deliver(sink, b"A: 1\r\nList-Id: x\r\n\ty\r\nlist-id: z\r\n\r\nList-Id: no\r\n")

    [kept] = sink.wait_for(1)
    assert kept.fields("List-ID") == [b"List-Id: x\r\n\ty", b"list-id: z"]
    assert kept.message_id == ""


def test_copies_of_one_post_are_told_from_others(sink: Sink) -> None:
    deliver(sink, POST.replace(b"<1@", b"<2@"))
    deliver(sink, POST, "anne@one.example", "bill@two.example")
    deliver(sink, POST, "cleo@three.example")

    copies = sink.wait_for_copies("<1@author.example>", 3)
    assert [len(copy.recipients) for copy in copies] == [2, 1]


def test_waiting_in_vain_says_what_there_is(sink: Sink) -> None:
    deliver(sink, POST)

    with pytest.raises(TimeoutError, match=r"<1@author\.example> for anne@one"):
        sink.wait_for_copies("<2@author.example>", 1, timeout=0.1)
