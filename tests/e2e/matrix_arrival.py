"""Posts whose spelling is lost when a message is parsed and written again.

Each is signed in the strictest and in the laxest form (RFC 6376 §3.4).  The door
judges the octets, so it must say of each what others say of it on the wire; what
judges later has only what Mailman's parser keeps.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, partial

import dkim

from tests.e2e.house import AUTHOR, ZONE
from tests.e2e.matrix_features import NO_FOOTER, PLAIN, Feature, Where
from tests.e2e.matrix_posts import (
    LONG_NAME,
    TEXT,
    Post,
    make_post,
    multipart,
    part,
    plain,
)
from tests.house import oracles, posts


FORMS = ("simple/simple", "relaxed/relaxed")
FIRST_NUMBER = 1000  # that of the first post; the matrix has the lower ones

HELLO = plain(TEXT)
ODD_PART = b"Content-Type:text/plain\r\nContent-Description:\r\n one\r\n\r\nHello\r\n"
STATUS = (
    b"Reporting-MTA: dns; mx.example\r\n\r\n"
    b"Final-Recipient: rfc822; bob@author.example\r\nAction: failed"
)

# By name: more header fields, and everything from Content-Type on.
CASES: Mapping[str, tuple[bytes, bytes]] = {
    "nothing unusual": (b"", HELLO),
    "a header line of 600 octets": (b"X-Note: " + b"word " * 120 + b"\r\n", HELLO),
    "no space behind a field name": (b"X-Note:one\r\n", HELLO),
    "a fold right behind a field name": (b"X-Note:\r\n one\r\n", HELLO),
    "many blanks behind a field name": (b"X-Note:  \t one\r\n", HELLO),
    "folds with tabs": (b"X-Note: one\r\n\ttwo\r\n \t three\r\n", HELLO),
    "a fold of blanks only": (b"X-Note: one\r\n \r\n two\r\n", HELLO),
    "nothing behind a field name": (b"X-Note:\r\n", HELLO),
    "a blank behind a field name": (b"X-Note: \r\n", HELLO),
    "blanks at the end of a header line": (b"X-Note: one \t \r\n", HELLO),
    "names in mixed case": (b"x-NOTE: one\r\n", HELLO.replace(b"Type", b"tYPE")),
    "the same name twice": (b"X-Note: one\r\nX-Note: two\r\n", HELLO),
    "raw 8-bit octets in the header": (b"X-Note: \xe4\xc3\xbc\r\n", HELLO),
    "NUL in the header": (b"X-Note: o\0ne\r\n", HELLO),
    "page and line separators in the header": (
        b"X-Note: a\x0bb\x0cc\x1cd\x1de\x1ef\x85g\r\n",
        HELLO,
    ),
    "bare CR in the header": (b"X-Note: one\rtwo\r\n", HELLO),
    "bare CR in the header and a field behind it": (
        b"X-Note: one\rX-Other: two\r\n",
        HELLO,
    ),
    "encoded words, not folded": (
        b"X-Note: " + b"=?utf-8?q?gr=C3=BC=C3=9Fe?= " * 12 + b"\r\n",
        HELLO,
    ),
    "blanks at the ends of lines": (b"", plain(b"Hello  \r\n\t\r\n \r\nBye \t\r\n")),
    "blank lines at the end": (b"", plain(TEXT + b"\r\n" * 5)),
    "dots": (b"", plain(b".\r\n..\r\n...\r\n")),
    "lines that begin with From": (b"", plain(b"From a\r\n>From b\r\n")),
    "raw 8-bit text said to be 7-bit": (b"", plain(b"Gr\xfc\xdfe\r\n")),
    "NUL in the text": (b"", plain(b"a\0b\r\n")),
    "bare CR in the text": (b"", plain(b"one\rtwo\r\n")),
    "page and line separators in the text": (b"", plain(b"a\x0bb\x0cc\x1cd\x85e\r\n")),
    "no body": (b"", plain(b"")),
    "one blank line": (b"", plain(b"\r\n")),
    "a part with a long file name": (
        b"",
        multipart(
            b"mixed", HELLO, part(b'application/pdf; name="%s"' % LONG_NAME, b"x\r\n")
        ),
    ),
    "a part without spaces in its header": (b"", multipart(b"mixed", ODD_PART)),
    "a part with odd folds in its header": (
        b"",
        multipart(b"mixed", part(b"text/plain;\r\n\t  charset=utf-8", b"x\r\n")),
    ),
    "a part without header": (b"", multipart(b"mixed", b"\r\nHello\r\n")),
    "a part of nothing": (b"", multipart(b"mixed", b"", HELLO)),
    "blank lines before boundaries": (
        b"",
        multipart(b"mixed", HELLO + b"\r\n\r\n", HELLO + b" \r\n"),
    ),
    "blanks behind boundaries": (
        b"",
        multipart(b"mixed", HELLO, HELLO).replace(b"\r\n--b1\r\n", b"\r\n--b1 \t\r\n"),
    ),
    "preamble and epilogue": (
        b"",
        multipart(b"mixed", HELLO, around=b"From here\r\n\r\n--\r\n"),
    ),
    "nothing behind the last boundary": (
        b"",
        multipart(b"mixed", HELLO) + b"\r\n\r\n",
    ),
    "a multipart in it that is not closed": (
        b"",
        multipart(
            b"mixed",
            multipart(b"alternative", HELLO, boundary=b"b2").replace(
                b"--b2--\r\n", b""
            ),
        ),
    ),
    "a multipart that is not closed": (
        b"",
        multipart(b"mixed", HELLO).replace(b"--b1--\r\n", b""),
    ),
    "a multipart without parts": (b"", multipart(b"mixed")),
    "a message in it, oddly written": (
        b"",
        multipart(
            b"mixed",
            part(b"message/rfc822", b"Subject:odd\r\nX-Note:\r\n y\r\n\r\nx\r\n"),
        ),
    ),
    "a delivery status": (
        b"",
        multipart(b"report", HELLO, part(b"message/delivery-status", STATUS)),
    ),
    "multipart/signed with a long header line": (
        b"",
        multipart(
            b'signed; protocol="application/pgp-signature"',
            b"X-Note: " + b"word " * 30 + b"\r\n" + HELLO,
            part(b"application/pgp-signature", b"x\r\n"),
        ),
    ),
    "fields that Mailman adds, signed as absent": (b"", HELLO),
    "a Message-ID that Mailman repairs": (b"", HELLO),
}
# Mailman ends lines at bare CR too, so people get to read another header than the
# signed one; README tells of it.
READ_IN_TWO_WAYS = frozenset(("bare CR in the header and a field behind it",))

# By Mailman, with or without us.
REFUSED = frozenset(
    (
        "bare CR in the header",
        "a multipart that is not closed",
        "a multipart without parts",
    )
)

_ABSENT = [b"message-id-hash", b"x-message-id-hash", b"x-mailfrom"]

WITH_DOOR = Feature(
    "at the door", "door", PLAIN, NO_FOOTER, members=1, copies=1, is_judged=False
)
WITHOUT_DOOR = Feature(
    "later",
    "late",
    PLAIN,
    NO_FOOTER,
    Where.VERP,
    members=1,
    copies=1,
    is_judged=False,
)


@cache
def arrivals() -> Mapping[tuple[str, str], Post]:
    """The posts, by case and form of signature."""
    cases = [(name, form) for name in CASES for form in FORMS]
    return {
        (name, form): Post(name, number, partial(_make, name, form))
        for number, (name, form) in enumerate(cases, FIRST_NUMBER)
    }


def _make(name: str, form: str, number: int) -> bytes:
    octets = make_post(number, *CASES[name])
    if "repairs" in name:
        octets = octets.replace(b"<matrix.%d@" % number, b"<[odd.%d]@" % number)
    header, body = form.encode().split(b"/")
    field = dkim.sign(
        octets,
        AUTHOR.selector.encode(),
        AUTHOR.name.encode(),
        AUTHOR.private_key,
        canonicalize=(header, body),
        include_headers=[*posts.SIGNED_FIELDS, b"x-note", *_ABSENT],
    )
    lines = field.replace(b"\r\n", b"\n").rstrip(b"\n").split(b"\n")
    return b"\r\n".join([*lines, octets])


def on_the_wire(post: Post) -> dict[str, str]:
    """What others say of the author's signature before Mailman sees the post."""
    return {
        opinion.by: opinion.dkim_of(AUTHOR.name)
        for opinion in oracles.opinions(post.octets, ZONE)
    }
