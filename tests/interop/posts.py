"""What is signed and sealed here and there: posts, forms, keys."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator

from mailman_arc.mailauth.answers import TxtRecords
from mailman_arc.mailauth.arc.chain import read_chain
from mailman_arc.mailauth.arc.seal import Sealing, seal
from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.message import read_message
from tests.support.keys import ed25519_key, ed25519_pem, rsa_pem
from tests.support.mail import (
    NOW,
    POST,
    Signer,
    author,
    mailing_list,
    relay,
    to_wire,
    zone_of,
)


HEADER = POST.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"
MULTIPART = (
    b"MIME-Version: 1.0\r\n"
    b'Content-Type: multipart/mixed; boundary="=-x"\r\n'
    + HEADER
    + b"Preamble\r\n--=-x\r\nContent-Type: text/html\r\n\r\n<p>Hello  list\r\n--=-x\r\n"
    b"Content-Type: application/pdf\r\nContent-Transfer-Encoding: base64\r\n\r\n"
    + (b"JVBERi0" * 10 + b"ICA=\r\n") * 30
    + b"--=-x--\r\n"
)

SMALL = {
    "plain": POST,
    "no-body": HEADER,
    "blank-body": HEADER + b" \r\n\r\n",
    "no-last-line-end": POST.removesuffix(b"\r\n"),
    "blank-lines-at-end": POST + b" \t\r\n\r\n\r\n",
    "wide-white-space": POST.replace(b"Bye.", b"\tBye.  \t Bye. \t"),
    "eight-bit": POST.replace(b"Bye", "Tschüß".encode()),
    "folded": POST.replace(b"notes", b"notes\r\n\tand \t more\r\n  "),
    "list-fields": b"List-Id: <l.example>\r\nReply-To: a@b.example\r\n" + POST,
    "two-of-a-kind": b"Resent-To: a@b.example\r\nResent-To: c@d.example\r\n" + POST,
    "dots": POST + b".\r\n..\r\nFrom here on\r\n--\r\n",
    "multipart": MULTIPART,
}
# More than is hashed at a time.
LARGE = {
    "long-body": POST + b"A line of text that goes on and on.\r\n" * 5000,
    "long-line": POST + b"long " * 30000 + b"\r\n",
    "much-white-space": POST + b"a  b \t\r\n \r\n" * 15000,
}
POSTS = {**SMALL, **LARGE}

FORMS = tuple(
    "/".join(forms) for forms in itertools.product(("simple", "relaxed"), repeat=2)
)


def young_list() -> Signer:
    """A list that signs with Ed25519."""
    return Signer("young.example", "ed", ed25519_key())


def young_author() -> Signer:
    return Signer("author.example", "ed", ed25519_key(1))


SIGNERS = (author(), relay(), mailing_list(), young_list(), young_author())
ZONE = zone_of(*SIGNERS)
TEXTS = {
    name: answer.texts[0].decode()
    for name, answer in ZONE.items()
    if isinstance(answer, TxtRecords)
}
PEM = {
    **{signer: rsa_pem(1024, number) for number, signer in enumerate(SIGNERS[:3])},
    **{signer: ed25519_pem(number) for number, signer in enumerate(SIGNERS[3:])},
}

RESULTS = (
    b" lists.example;\r\n dkim=pass header.d=author.example header.s=s1;\r\n"
    b" dmarc=pass header.from=author.example"
)


def seal_here(
    octets: bytes,
    status: ChainStatus = ChainStatus.NONE,
    signer: Signer | None = None,
    forms: str = "relaxed/relaxed",
) -> bytes:
    """The message with a set of ours on top."""
    message = read_message(octets)
    header_form, body_form = forms.split("/")
    sealing = Sealing(
        status,
        RESULTS,
        NOW,
        header_form=header_form,  # type: ignore[arg-type]
        body_form=body_form,  # type: ignore[arg-type]
    )
    identity = (signer or mailing_list()).identity
    return to_wire(seal(message, read_chain(message), sealing, identity), octets)


def sealed_up_to(
    length: int, octets: bytes, signer: Signer, forms: Iterable[str]
) -> Iterator[bytes]:
    """The message with one set of ours, with two, and so on; forms take turns."""
    status = ChainStatus.NONE
    for _, form in zip(range(length), itertools.cycle(forms), strict=False):
        octets = seal_here(octets, status, signer, form)
        status = ChainStatus.PASS
        yield octets
