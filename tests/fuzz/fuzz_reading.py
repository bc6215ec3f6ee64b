"""Any message that Mailman has read is written, marked and unmarked again.

No stranger's voucher is believed, no field of ours is left that we did not write.
"""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

import email
from email.message import Message

from mailman.email.message import Message as MailmanMessage

from mailman_arc.mailauth.message import read_message
from mailman_arc.plugin.messages import to_octets, value_octets
from mailman_arc.plugin.reception import (
    RESULTS_FIELD,
    VOUCHER_FIELD,
    as_received,
    attach_voucher,
    reads_alike,
    remove_forgeries,
    take_voucher,
    write_verdict,
)
from mailman_arc.policy.trust import Trust
from tests.fuzz.harness import ARRIVAL, BLANKS, ODD, POSTS, is_sampled, readings


OWN = b"Authentication-Results: lists.example; none\r\n"
SEEDS = (
    *POSTS,
    OWN + OWN + POSTS[0],
    b"X-Mailman-ARC-Arrival: AAAA\r\n" + POSTS[0],
    b"Content-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\n\r\na\r\n--x--\r\n",
    b"Content-Type: multipart/mixed\r\n\r\n--x\r\n",
    b"Content-Type: multipart/mixed; boundary\r\n\r\n--\r\n",
    b"Content-Type: message/rfc822\r\n\r\nFrom: a\r\n\r\nb\r\n",
    b"Subject: \xff\xfc\r\n\t=?utf-8?q?=0A?=\r\n\r\n\xff",
    b"A: b\rC: d\r\nFrom : x\r\nno field\r\n\r\n",
)
WORDS = (
    b"From: a@b.example\r\n", b"Subject: x\r\n", OWN, b"Authentication-Results:",
    b"X-Mailman-ARC-Arrival: AAAA\r\n", b"lists.example", b";", b'"', b"(", b")", b":",
    b"MIME-Version: 1.0\r\n", b"Content-Type: multipart/mixed; boundary=x\r\n",
    b"Content-Type: multipart/digest; boundary=\"x\"\r\n", b"\r\n--x\r\n",
    b"\r\n--x--\r\n", b"Content-Type: message/rfc822\r\n", b"Content-Type: text/plain",
    b"Content-Type: message/delivery-status\r\n", b"; charset=utf-8\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: x\r\n",
    b"\r\n\r\n", b"\r\n", b"From x\r\n", b"AAAA", b"=?utf-8?b?AAAA?=", b"x", *BLANKS,
    *ODD,
)  # fmt: skip

TRUST = Trust("lists.example")
SECRET = b"s" * 32


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        msg = email.message_from_bytes(octets, MailmanMessage)
        check_written(msg)
        if is_sampled(octets):
            assert to_octets(msg) == to_octets(msg)
        assert reads_alike(read_message(octets), msg) in (True, False)
        check_forgeries(msg)
        check_voucher(msg)


def check_written(msg: Message) -> None:
    before = list(msg.raw_items())
    to_octets(msg)
    assert list(msg.raw_items()) == before
    read_message(as_received(msg))


def check_forgeries(msg: Message) -> None:
    assert take_voucher(msg, SECRET) is None
    assert VOUCHER_FIELD not in msg
    write_verdict(msg, ARRIVAL, TRUST)
    written = list(msg.raw_items())
    assert written[0] == (RESULTS_FIELD, ARRIVAL.field)
    for name, value in written[1:]:
        if name.lower() == RESULTS_FIELD.lower():
            assert not TRUST.is_forged(value_octets(value))
    remove_forgeries(msg, TRUST)
    assert list(msg.raw_items()) == written[1:]


def check_voucher(msg: Message) -> None:
    before = list(msg.raw_items())
    attach_voucher(msg, ARRIVAL, SECRET)
    found = take_voucher(msg, SECRET)
    assert found is not None
    assert (found.arrival, found.is_whole) == (ARRIVAL, True)
    assert list(msg.raw_items()) == before
