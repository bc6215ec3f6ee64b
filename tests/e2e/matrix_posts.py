"""The posts of the matrix: every kind of body and header that lists get to see.

All are signed by their author.  Each has a number in its Message-ID and its
Subject, by which its copies are known again.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from email.header import decode_header
from email.utils import formatdate
from functools import cache, cached_property, partial

from tests.e2e.house import ANN, AUTHOR, BANK, FORWARDER, SECOND_FORWARDER
from tests.house import posts
from tests.house.sink import Delivery


# Nobody's address; the lists take posts that do not name them.
TO = "everybody@lists.example.org"
LARGE = "10 MB"
LARGE_SIZE = 10_000_000  # octets

TEXT = b"Shall we meet at noon?\r\n"
UTF8 = "Grüße aus Köln, schöne Straße.\r\n".encode()
LONG_NAME = b"minutes of the meeting " * 5 + b"final version.pdf"
PDF = b"JVBERi0xLjQKJeLjz9MK\r\n" * 3
HTML = "<html><body><p>Grüße <b>aus</b> Köln</p></body></html>\r\n".encode()
SENTENCE = b"One sentence that is in no way the last of them. "
PGP_SIGNATURE = (
    b"-----BEGIN PGP SIGNATURE-----\r\n\r\niQEzBAEBCAAdFiEE\r\n=abcd\r\n"
    b"-----END PGP SIGNATURE-----\r\n"
)


# A quick run has these only.
CORE = frozenset(
    (
        *("7-bit text", "8-bit UTF-8", "lines that begin with From", "parts in parts"),
        *("a chain that passes", "a chain that is broken"),
    )
)


# LMTP cannot carry these as they are, so they are put into the queue.
INJECTED = frozenset(("a line of 2000 octets", "no line end at the end"))


@dataclass(frozen=True, eq=False)
class Post:
    """A post and what is known of it; it is made and signed when it is needed."""

    name: str
    number: int
    make: Callable[[int], bytes]
    chain: str = "none"  # what is found on arrival: none, pass, fail or ended

    @cached_property
    def octets(self) -> bytes:
        return self.make(self.number)

    @property
    def must_be_injected(self) -> bool:
        return self.name in INJECTED

    @property
    def arrives_as(self) -> frozenset[str]:
        """The results that are to be found on arrival."""
        arc = "fail" if self.chain == "ended" else self.chain
        author = "fail" if arc == "fail" else "pass"
        return frozenset((f"arc={arc}", f"dkim={author}", f"dmarc={author}"))

    @property
    def can_be_collected(self) -> bool:
        """Tell whether it is put into a digest here."""
        return not self.must_be_injected and self.name != LARGE


def _message_id(number: int) -> str:
    return f"<matrix.{number}@author.example>"


def number_of(copy: Delivery) -> int | None:
    """The number of the post this is a copy of; None if it is none."""
    found = re.fullmatch(r"<matrix\.(\d+)@author\.example>", copy.message_id)
    if found is None:
        for field in copy.fields("Subject"):
            text = field.partition(b":")[2].decode("ascii", "replace")
            plain = "".join(
                part if isinstance(part, str) else part.decode("latin-1")
                for part, _ in decode_header(text)
            )
            found = found or re.search(r"\bpost (\d+)\b", plain)
    return int(found[1]) if found else None


def plain(
    body: bytes, encoding: str = "7bit", charset: str = "utf-8", more: str = ""
) -> bytes:
    return (
        f'Content-Type: text/plain; charset="{charset}"{more}\r\n'
        f"Content-Transfer-Encoding: {encoding}\r\n\r\n"
    ).encode() + body


def part(content_type: bytes, body: bytes) -> bytes:
    return b"Content-Type: " + content_type + b"\r\n\r\n" + body


def multipart(
    kind: bytes, *parts: bytes, boundary: bytes = b"b1", around: bytes = b""
) -> bytes:
    pieces = b"".join(b"--" + boundary + b"\r\n" + each + b"\r\n" for each in parts)
    head = b"Content-Type: multipart/" + kind + b'; boundary="' + boundary + b'"\r\n'
    return head + b"\r\n" + around + pieces + b"--" + boundary + b"--\r\n" + around


ALTERNATIVE = multipart(
    b"alternative",
    plain(UTF8, "8bit"),
    b"Content-Transfer-Encoding: 8bit\r\n" + part(b"text/html; charset=utf-8", HTML),
    boundary=b"alternative",
)
ATTACHED = b"Content-Disposition: attachment\r\nContent-Transfer-Encoding: base64\r\n"

# By name: more header fields, and everything from Content-Type on.
CONTENTS: Mapping[str, tuple[bytes, bytes]] = {
    "7-bit text": (b"", plain(TEXT, charset="us-ascii")),
    "8-bit UTF-8": (b"", plain(UTF8, "8bit")),
    "8-bit text without MIME": (b"", b"\r\nGr\xfc\xdfe\r\n"),
    "base64": (b"", plain(base64.encodebytes(UTF8).replace(b"\n", b"\r\n"), "base64")),
    "base64 without a line end in it": (
        b"",
        plain(base64.b64encode(b"no line end") + b"\r\n", "base64"),
    ),
    "quoted-printable": (b"", plain(b"Gr=C3=BC=C3=9Fe=\r\n!\r\n", "quoted-printable")),
    "a paragraph in one line": (
        b"",
        plain((SENTENCE + b"=\r\n") * 40 + b"\r\n", "quoted-printable", "us-ascii"),
    ),
    "a line of 998 octets": (b"", plain(b"x" * 998 + b"\r\n")),
    "a line of 2000 octets": (b"", plain(b"word " * 400 + b"\r\n")),
    "lines that begin with From": (
        b"",
        plain(b"From here on\r\n>From there\r\n\r\nFrom nowhere\r\n"),
    ),
    "From in 8-bit text": (b"", plain(b"From here\r\n" + UTF8, "8bit")),
    "no line end at the end": (b"", plain(b"no line end")),
    "blank lines at the end": (b"", plain(b"Hello.  \r\n\r\n \r\n\r\n\r\n")),
    "dots and white space": (b"", plain(b"..\r\n.\r\n \tHello. \t \r\n")),
    "preamble and epilogue": (
        b"",
        multipart(
            b"mixed",
            plain(TEXT),
            ATTACHED + part(b"application/pdf", PDF),
            around=b"From outside of the parts\r\n",
        ),
    ),
    "parts in parts": (
        b"",
        multipart(
            b"mixed",
            ALTERNATIVE,
            ATTACHED + part(b'application/pdf; name="' + LONG_NAME + b'"', PDF),
        ),
    ),
    "plain and HTML": (b"", ALTERNATIVE),
    "HTML alone": (
        b"",
        b"Content-Transfer-Encoding: 8bit\r\n"
        + part(b"text/html; charset=utf-8", HTML),
    ),
    "multipart/signed": (
        b"",
        multipart(
            b'signed; micalg=pgp-sha256; protocol="application/pgp-signature"',
            plain(b"From me, signed.  \r\n" + UTF8, "8bit"),
            part(b"application/pgp-signature", PGP_SIGNATURE),
        ),
    ),
    "multipart/encrypted": (
        b"",
        multipart(
            b'encrypted; protocol="application/pgp-encrypted"',
            part(b"application/pgp-encrypted", b"Version: 1\r\n"),
            part(
                b"application/octet-stream; name=encrypted.asc",
                b"-----BEGIN PGP MESSAGE-----\r\n\r\nhQEMA\r\n=abcd\r\n"
                b"-----END PGP MESSAGE-----\r\n",
            ),
        ),
    ),
    "inline PGP": (
        b"",
        plain(
            b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n"
            + UTF8
            + PGP_SIGNATURE,
            "8bit",
        ),
    ),
    "odd folding": (
        b"References: <a@b.example>\r\n\t<c@d.example>\r\n   \t <e@f.example>\r\n"
        b"X-Long: " + b"y " * 300 + b"\r\nX-Empty:\r\nX-Blank: \r\n \r\n",
        plain(TEXT),
    ),
    "raw 8-bit header fields": (
        b"X-Comment: \xe4\xf6\xfc\r\nKeywords: caf\xc3\xa9\r\n"
        b"Organization: K\xf6ln\r\n",
        plain(TEXT),
    ),
    "fields that occur twice": (
        b"Sender: one@author.example\r\nSender: two@author.example\r\n"
        b"Autocrypt: addr=a@a; keydata=AA==\r\nAutocrypt: addr=b@b; keydata=BB==\r\n"
        b"Cc: cleo@author.example\r\nCc: dora@author.example\r\n",
        plain(TEXT),
    ),
    "two Resent blocks and Bcc": (
        b"Bcc: secret@author.example\r\nResent-Bcc: secret@author.example\r\n"
        b"Resent-From: bob@author.example\r\nResent-To: x@author.example\r\n"
        b"Resent-Date: Mon, 5 Jan 2026 10:00:00 +0000\r\n"
        b"Resent-From: cy@author.example\r\nResent-To: bob@author.example\r\n"
        b"Resent-Date: Mon, 5 Jan 2026 09:00:00 +0000\r\n",
        plain(TEXT),
    ),
    "format=flowed": (
        b"",
        plain(
            b"A line that goes \r\non. \r\n> quoted \r\n> too\r\n-- \r\nAnn\r\n",
            more="; format=flowed; delsp=yes",
        ),
    ),
    "no body": (b"", plain(b"")),
}


def make_post(number: int, fields: bytes, content: bytes) -> bytes:
    """A post as its author writes it, not signed."""
    mime = b"MIME-Version: 1.0\r\n" if content[:2] != b"\r\n" else b""
    return (
        (
            f"From: Ann Author <{ANN}>\r\nTo: {TO}\r\n"
            f"Subject: About lunch, post {number}\r\n"
            f"Date: {formatdate()}\r\nMessage-ID: {_message_id(number)}\r\n"
        ).encode()
        + mime
        + fields
        + content
    )


def signed(fields: bytes, content: bytes, number: int) -> bytes:
    return posts.dkim_sign(make_post(number, fields, content), AUTHOR)


def _with_signed_message(number: int) -> bytes:
    inner = signed(b"", plain(UTF8, "8bit"), 900)
    return signed(
        b"", multipart(b"mixed", plain(TEXT), part(b"message/rfc822", inner)), number
    )


def _large(number: int) -> bytes:
    line = b"JVBERi0x" * 9 + b"\r\n"
    attached = ATTACHED + part(b"application/pdf", line * (LARGE_SIZE // len(line)))
    return signed(b"", multipart(b"mixed", plain(UTF8, "8bit"), attached), number)


def _forwarded(number: int) -> bytes:
    once = posts.arc_seal(
        signed(b"", plain(UTF8, "8bit"), number), FORWARDER, "dkim=pass"
    )
    return posts.arc_seal(once, SECOND_FORWARDER, "arc=pass; dkim=pass")


def _broken(number: int) -> bytes:
    return _forwarded(number) + b"changed\r\n"


def _ended(number: int) -> bytes:
    return posts.arc_seal(_broken(number), BANK, "arc=fail")


@cache
def all_posts() -> Mapping[str, Post]:
    """Every post of the matrix, by its name."""
    made = [(name, partial(signed, *each), "none") for name, each in CONTENTS.items()]
    made += [
        ("a signed message attached", partial(_with_signed_message), "none"),
        ("a chain that passes", partial(_forwarded), "pass"),
        ("a chain that is broken", partial(_broken), "fail"),
        ("a chain that has ended", partial(_ended), "ended"),
        (LARGE, partial(_large), "none"),
    ]
    return {
        name: Post(name, number, make, chain)
        for number, (name, make, chain) in enumerate(made, 1)
    }
