"""Hand octets to Mailman by LMTP, as a mail server does (RFC 2033)."""

from __future__ import annotations

import re
import smtplib
from collections.abc import Sequence
from dataclasses import dataclass

from tests.house.waiting import PATIENCE


@dataclass(frozen=True, slots=True)
class Reply:
    """What the server answered for one recipient."""

    code: int
    text: str


def send(
    port: int, octets: bytes, sender: str, recipients: Sequence[str]
) -> dict[str, Reply]:
    """Deliver a message; answers with the recipients that were refused.

    The octets, CRLF and all, go out as they are but for the transparency dots.
    `sender` is that of the envelope and may be empty, as for bounces.
    """
    refused = {}
    with smtplib.LMTP("127.0.0.1", port, timeout=PATIENCE) as connection:
        connection.ehlo()
        options = ["BODY=8BITMIME"] if connection.has_extn("8bitmime") else []
        code, text = connection.mail(sender, options)
        if code != 250:
            return dict.fromkeys(recipients, _reply(code, text))
        accepted = []
        for recipient in recipients:
            code, text = connection.rcpt(recipient)
            if code == 250:
                accepted.append(recipient)
            else:
                refused[recipient] = _reply(code, text)
        if not accepted:
            return refused
        code, text = connection.docmd("DATA")
        if code != 354:
            return refused | dict.fromkeys(accepted, _reply(code, text))
        connection.send(_with_dots(octets))
        # One reply for each recipient (RFC 2033 §4.2); smtplib reads only one.
        for recipient in accepted:
            code, text = connection.getreply()
            if code != 250:
                refused[recipient] = _reply(code, text)
    return refused


def _with_dots(octets: bytes) -> bytes:
    stuffed = re.sub(rb"(\A|\r\n)\.", rb"\1..", octets)
    end = b".\r\n" if stuffed.endswith(b"\r\n") or not stuffed else b"\r\n.\r\n"
    return stuffed + end


def _reply(code: int, text: bytes) -> Reply:
    return Reply(code, text.decode(errors="replace"))
