"""Any message is made safe for transport without a change of what it says.

What is not safe is named, a second time changes nothing, and where nothing needs
encoding nothing is changed.
"""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

import email
import re

from mailman.email.message import Message

from mailman_arc.plugin.messages import to_octets
from mailman_arc.plugin.transport import make_transport_safe, needs_encoding
from tests.fuzz.harness import BLANKS, ODD, readings


WORDS = (
    b"From: a@author.example\r\n", b"MIME-Version: 1.0\r\n", b"\r\n\r\n", b"--b\r\n",
    b"--b--\r\n", b"Content-Type: multipart/mixed; boundary=b\r\n",
    b"Content-Type: multipart/signed; boundary=b\r\n", b"Content-Type: text/plain\r\n",
    b"Content-Type: message/rfc822\r\n", b"Content-Type: image/png\r\n",
    b"Content-Transfer-Encoding: 8bit\r\n", b"Content-Transfer-Encoding: binary\r\n",
    b"Content-Transfer-Encoding: base64\r\n", b"Content-Transfer-Encoding: x\r\n",
    b"Content-Transfer-Encoding: quoted-printable\r\n", b"From x\r\n", b"AAAA", b"=3D",
    b"=\r\n", b"x" * 999, b"-----BEGIN PGP MESSAGE-----\r\n", *BLANKS, *ODD,
)  # fmt: skip
SEEDS = (
    WORDS[0] + b"\r\nFrom me\r\n\xc3\xbc\r\n",
    b"".join(
        (*WORDS[:2], WORDS[5], b"\r\n--b\r\n", WORDS[10], b"\r\n\xff\r\n--b--\r\n")
    ),
    b"".join(
        (*WORDS[:2], WORDS[6], b"\r\n--b\r\n", WORDS[10], b"\r\n\xff\r\n--b--\r\n")
    ),
    WORDS[0] + WORDS[12] + b"\r\nAAAA\r\nFrom " + b"A" * 999,
    WORDS[0] + WORDS[14] + b"\r\n=FF=\r\nFrom \xff",
)

_DANGER = re.compile(
    rb"[\x80-\xff\x00]|^From |\r(?!\n)|(?<!\r)\n|[^\r\n]{999}", re.MULTILINE
)


def check(data: bytes) -> None:
    for octets in readings(data, WORDS):
        check_one(octets)


def check_one(octets: bytes) -> None:
    msg = email.message_from_bytes(octets, Message)
    needed = needs_encoding(msg)
    try:
        before = to_octets(msg)
    except Exception:  # noqa: BLE001  # what the standard library cannot write
        make_transport_safe(msg)
        return
    made = make_transport_safe(msg)
    after = to_octets(msg)
    if not needed:
        assert not made.changed
    if not made.changed:
        assert after == before
    body = after.partition(b"\r\n\r\n")[2]
    if not made.left and needed:
        assert not _DANGER.search(body), body
    again = make_transport_safe(msg)
    assert not again.changed
    assert to_octets(msg) == after
