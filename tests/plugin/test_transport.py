"""Parts that mail servers may change on the way are encoded, and nothing else is."""

from __future__ import annotations

import copy
import email
import quopri
import re
from base64 import b64encode
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import assume, example, given, strategies as st
from mailman.email.message import Message

from mailman_arc.plugin.messages import to_octets, value_octets
from mailman_arc.plugin.transport import (
    LeftAlone,
    Made,
    make_transport_safe,
    needs_encoding,
)
from tests.support.mail import POST


TOP = b"From: ann@author.example\r\nMIME-Version: 1.0\r\n"
LONG = b"x" * 999 + b"\r\n"
LABEL = b"Content-Transfer-Encoding: "


def parsed(octets: bytes) -> Message:
    return email.message_from_bytes(octets, Message)


def part(fields: bytes, body: bytes) -> bytes:
    return fields + b"\r\n" + body


def text(body: bytes, label: bytes = b"") -> bytes:
    fields = b"Content-Type: text/plain; charset=utf-8; format=flowed\r\n"
    return part(fields + (LABEL + label + b"\r\n" if label else b""), body)


def of_type(content_type: bytes, body: bytes, label: bytes = b"") -> bytes:
    fields = b"Content-Type: " + content_type + b"\r\n"
    return part(fields + (LABEL + label + b"\r\n" if label else b""), body)


def multipart(*parts: bytes, kind: bytes = b"mixed", label: bytes = b"") -> bytes:
    boundary = b"=_" + kind
    body = b"".join(b"--" + boundary + b"\r\n" + one + b"\r\n" for one in parts)
    content_type = b'multipart/%s; boundary="%s"' % (kind, boundary)
    return of_type(content_type, body + b"--" + boundary + b"--\r\n", label)


def made_safe(octets: bytes) -> bytes:
    """What is written for a post of which nothing is left alone."""
    msg = parsed(octets)
    assert make_transport_safe(msg).left == ()
    return to_octets(msg)


HARMLESS = {
    "a plain post": POST,
    "no body": TOP + b"\r\n",
    "the longest lines": TOP + b"\r\n" + (b"x" * 998 + b"\r\n") * 3,
    "the longest lines, the last one without an end": TOP
    + b"\r\n"
    + (b"x" * 998 + b"\r\n")
    + b"x" * 998,
    "the longest lines of a Unix machine": TOP.replace(b"\r", b"")
    + b"\n"
    + (b"x" * 998 + b"\n") * 3,
    "From in a line": TOP + b"\r\n>From me\r\n From you\r\nFrom\r\nFrom: x\r\n",
    "dots and trailing white space": TOP + b"\r\n.\r\n..\r\n  \t\r\nbody \r\n",
    "a label that fits": TOP + text(b"text\r\n", b"7bit"),
    "quoted-printable": TOP + text(b"gr=C3=BC=C3=9Fe \r\n", b"quoted-printable"),
    "base64": TOP + text(b"Z3LDvMOfZQ==\r\n", b"Base64"),
    "an unknown encoding": TOP + text(b"text\r\n", b"x-unknown"),
    "something signed": TOP + multipart(text(b"text"), kind=b"signed"),
    "something in a multipart": TOP + multipart(text(b"one"), text(b"two")),
    "a raw field": TOP + b"Subject: gr\xc3\xbc\xc3\x9fe\r\n\r\nbody\r\n",
}


@pytest.mark.parametrize("octets", HARMLESS.values(), ids=HARMLESS)
def test_what_no_server_changes_needs_no_encoding(octets):
    assert not needs_encoding(parsed(octets))


@pytest.mark.parametrize("octets", HARMLESS.values(), ids=HARMLESS)
def test_what_no_server_changes_is_not_changed(octets):
    msg = parsed(octets)
    before = to_octets(msg)

    assert not make_transport_safe(msg).changed
    assert to_octets(msg) == before


QUOTED = b"quoted-printable"
BODIES = {
    "8-bit text": (
        b"A gr\xc3\xbcner Tag, sehr sch\xc3\xb6n\r\n",
        QUOTED,
        b"A gr=C3=BCner Tag, sehr sch=C3=B6n\r\n",
    ),
    "a line that begins with From": (b"From me\r\n", QUOTED, b"=46=\r\nrom me\r\n"),
    "From in the middle": (b"a\r\nFrom b\r\n", QUOTED, b"a\r\n=46=\r\nrom b\r\n"),
    "From after a soft line break": (
        b"x" * 75 + b"From me\xff and you\r\n",
        QUOTED,
        b"x" * 75 + b"=\r\n=46=\r\nrom me=FF and you\r\n",
    ),
    "a long line": (
        LONG + b"end\r\n",
        QUOTED,
        (b"x" * 75 + b"=\r\n") * 13 + b"x" * 24 + b"\r\nend\r\n",
    ),
    "a long last line": (
        b"x" * 999,
        QUOTED,
        (b"x" * 75 + b"=\r\n") * 13 + b"x" * 24,
    ),
    "NUL": (b"some words, a\x00b\r\n", QUOTED, b"some words, a=00b\r\n"),
    "white space at the end of a line": (
        b"From me \r\n-- \r\n\t\r\n",
        QUOTED,
        b"=46=\r\nrom me=20\r\n--=20\r\n=09\r\n",
    ),
    "white space at the end of a line with no room": (
        b"abc " * 19 + b"\r\nFrom me\r\n",
        QUOTED,
        b"abc " * 18 + b"abc=\r\n=20\r\n=46=\r\nrom me\r\n",
    ),
    "an equals sign": (b"From a=3D\r\n", QUOTED, b"=46=\r\nrom a=3D3D\r\n"),
    "mostly 8-bit text": (
        b"\xd0\xaf\r\n",
        b"base64",
        b64encode(b"\xd0\xaf\r\n") + b"\r\n",
    ),
    "a bare CR": (b"one\rtwo\r\n", b"base64", b64encode(b"one\rtwo\r\n") + b"\r\n"),
    "a bare CR at the end": (b"one\r", b"base64", b64encode(b"one\r") + b"\r\n"),
}


@pytest.mark.parametrize("label", [b"", b"7bit", b"8bit", b"BINARY", b"8bit (raw) "])
@pytest.mark.parametrize(("body", "encoding", "written"), BODIES.values(), ids=BODIES)
def test_a_text_is_encoded(body, encoding, written, label):
    msg = parsed(TOP + text(body, label))

    assert needs_encoding(msg)
    assert make_transport_safe(msg) == Made(changed=True, left=())
    assert to_octets(msg) == TOP + text(written, encoding)


@pytest.mark.parametrize(("body", "encoding", "written"), BODIES.values(), ids=BODIES)
def test_a_text_held_with_other_line_ends_is_encoded_the_same(body, encoding, written):
    msg = parsed(TOP + text(body))
    msg._payload = re.sub("\r?\n", "\n", msg._payload)

    make_transport_safe(msg)

    assert to_octets(msg) == TOP + text(written, encoding)


def test_a_bare_cr_before_a_line_end_is_kept():
    octets = TOP + text(b"one\r\r\n")

    assert decoded(parsed(made_safe(octets))) == b"one\r\r\n"


@pytest.mark.parametrize("label", [b"8bit", b"binary", b"8BIT"])
def test_a_label_that_servers_convert_by_goes(label):
    octets = TOP + multipart(text(b"text", label), label=label)

    assert needs_encoding(parsed(octets))
    assert made_safe(octets) == TOP + multipart(text(b"text", b"7bit"), label=b"7bit")


def test_no_label_is_added_where_nothing_was_encoded():
    octets = TOP + multipart(text(b"text"), text(b"two", b"8bit"))

    assert made_safe(octets) == TOP + multipart(text(b"text"), text(b"two", b"7bit"))


def test_data_become_base64_octet_for_octet():
    data = bytes(range(256)) + b"\r\n\n\r\r\n"
    octets = TOP + multipart(text(b"one"), of_type(b"image/png", data, b"binary"))

    written = made_safe(octets)

    assert decoded(parsed(written).get_payload(1)) == data


def test_data_become_base64_even_where_they_look_like_text():
    data = b"From here\r\nall is text\r\n"
    octets = TOP + of_type(b"application/x-patch", data)

    written = b64encode(data) + b"\r\n"
    assert made_safe(octets) == TOP + of_type(
        b"application/x-patch", written, b"base64"
    )


def test_data_without_line_ends_of_their_own_become_base64_octet_for_octet():
    octets = (
        b"Subject: x\r\n y\r\n"
        + TOP
        + multipart(of_type(b"image/png", b"\xff\n\xff\r\xff", b"8bit"))
    )

    assert decoded(parsed(made_safe(octets)).get_payload(0)) == b"\xff\n\xff\r\xff"


def test_lines_of_a_unix_machine_are_lines_in_data_too():
    octets = TOP + of_type(b"application/json", b"{\n\xff}\n", b"8bit")

    written = made_safe(octets.replace(b"\r\n", b"\n"))

    assert decoded(parsed(written)) == b"{\r\n\xff}\r\n"


def test_a_field_that_was_there_keeps_its_place_and_name():
    octets = b"content-TRANSFER-encoding: 8bit\r\n" + TOP + b"\r\nFrom me\r\n"

    assert made_safe(octets) == (
        b"content-TRANSFER-encoding: quoted-printable\r\n"
        + TOP
        + b"\r\n=46=\r\nrom me\r\n"
    )


def test_all_fields_of_the_name_are_set():
    octets = TOP + LABEL + b"8bit\r\n" + LABEL + b"8bit\r\n\r\nFrom me\r\n"

    assert made_safe(octets).count(LABEL + QUOTED) == 2


def test_a_message_without_mime_fields_gets_two_and_no_charset():
    octets = POST.replace(b"Bye", b"From gr\xc3\xbc\xc3\x9fe")
    header, _, _ = octets.partition(b"\r\n\r\n")

    written = made_safe(octets)

    assert written.startswith(
        header + b"\r\nMIME-Version: 1.0\r\n" + LABEL + QUOTED + b"\r\n\r\n"
    )


def test_a_message_is_given_its_version_and_parts_are_not():
    octets = b"From: ann@author.example\r\n" + multipart(text(b"From me"))

    written = parsed(made_safe(octets))

    assert written["mime-version"] == "1.0"
    assert "mime-version" not in written.get_payload(0)


def test_a_version_that_is_written_otherwise_is_kept():
    octets = b"mime-version: 1.0 (ours)\r\n" + text(b"From me\r\n")

    assert parsed(made_safe(octets)).get_all("mime-version") == ["1.0 (ours)"]


def test_raw_fields_stay_as_they_are():
    octets = b"Subject: gr\xc3\xbc\xc3\x9fe\r\n x\r\n" + TOP + b"\r\nFrom me\r\n"
    msg = parsed(octets)

    assert make_transport_safe(msg) == Made(changed=True, left=(LeftAlone.HEADER,))
    assert to_octets(msg).startswith(b"Subject: gr\xc3\xbc\xc3\x9fe\r\n x\r\n" + TOP)


def test_a_message_in_a_message_is_encoded_inside():
    inner = b"Subject: inner\r\n" + text(b"From me", b"8bit")
    octets = TOP + multipart(of_type(b"message/rfc822", inner, b"8bit"), label=b"8bit")

    written = made_safe(octets)

    assert written == TOP + multipart(
        of_type(
            b"message/rfc822",
            b"Subject: inner\r\nContent-Type: text/plain; charset=utf-8; "
            b"format=flowed\r\n" + LABEL + QUOTED + b"\r\nMIME-Version: 1.0\r\n\r\n"
            b"=46=\r\nrom me",
            b"7bit",
        ),
        label=b"7bit",
    )


def test_the_messages_of_a_digest_are_messages():
    octets = TOP + multipart(b"\r\nSubject: x\r\n\r\nFrom me", kind=b"digest")

    written = parsed(made_safe(octets))

    assert written.get_payload(0).get_payload(0)["mime-version"] == "1.0"


def test_a_boundary_is_not_made_by_a_soft_line_break():
    body = b"x" * 75 + b"--simple"
    octets = TOP + multipart(text(body + b"\r\nFrom me"), text(b"two"), kind=b"simple")
    octets = octets.replace(b"=_simple", b"simple")

    written = parsed(made_safe(octets))

    assert len(written.get_payload()) == 2
    assert decoded(written.get_payload(0)) == body + b"\r\nFrom me"
    assert written.get_payload(0)["content-transfer-encoding"] == "base64"


def test_other_dashes_after_a_soft_line_break_are_no_matter():
    octets = TOP + multipart(text(b"x" * 75 + b"----" + b"\r\nFrom me"))

    [leaf] = parsed(made_safe(octets)).get_payload()

    assert leaf["content-transfer-encoding"] == "quoted-printable"


MENDED = {
    "From in quoted-printable": (QUOTED, b"From me=20\r\n", b"=46=\r\nrom me=20\r\n"),
    "8-bit text in quoted-printable": (
        QUOTED,
        b"gr=C3=BC\xc3\x9fe\x00 \r\n",
        b"gr=C3=BC=C3=9Fe=00 \r\n",
    ),
    "a bare CR in quoted-printable": (QUOTED, b"a\rb=\r\n\r\n", b"a=0Db=\r\n\r\n"),
    "a long line in quoted-printable": (
        QUOTED,
        b"a=3D" * 300,
        b"=\r\n".join([b"a=3D" * 12] * 25),
    ),
    "a long line in base64": (
        b"base64",
        b"QUJD" * 300 + b"\r\n",
        (b"QUJD" * 19 + b"\r\n") * 15 + b"QUJD" * 15 + b"\r\n",
    ),
    "other octets in base64": (b"base64", b"Q\xffU\x00JD\r\n", b"QUJD\r\n"),
    "From in base64": (b"base64", b"From me\r\n=\r\n", b"Fromme=\r\n"),
}


@pytest.mark.parametrize(("label", "body", "written"), MENDED.values(), ids=MENDED)
def test_what_is_encoded_badly_is_mended(label, body, written):
    octets = TOP + text(body, label)

    assert made_safe(octets) == TOP + text(written, label)
    assert decoded(parsed(made_safe(octets))) == decoded(parsed(octets))


PGP = (
    b"-----BEGIN PGP SIGNED MESSAGE-----\r\nHash: SHA256\r\n\r\n"
    b"From me\r\n-----BEGIN PGP SIGNATURE-----\r\n"
)
REPORT = b"Reporting-MTA: dns; x\r\nX: \xff\r\n\r\nAction: failed\r\n\r\n"
KEPT = {
    "From in a signed part": (
        multipart(text(b"From me"), kind=b"signed"),
        LeftAlone.SIGNED,
    ),
    "8-bit text deep in a signed part": (
        multipart(multipart(text(b"\xff", b"8bit")), kind=b"signed"),
        LeftAlone.SIGNED,
    ),
    "a wide label in a signed part": (
        multipart(text(b"text", b"8bit"), kind=b"signed"),
        LeftAlone.SIGNED,
    ),
    "a long line in an encrypted part": (
        multipart(of_type(b"application/octet-stream", LONG), kind=b"encrypted"),
        LeftAlone.ENCRYPTED,
    ),
    "a message in a signed part": (
        multipart(of_type(b"message/rfc822", b"\r\nFrom me"), kind=b"signed"),
        LeftAlone.SIGNED,
    ),
    "something signed in a message": (
        of_type(b"message/rfc822", multipart(text(b"From me"), kind=b"signed")),
        LeftAlone.SIGNED,
    ),
    "S/MIME": (
        of_type(b"application/pkcs7-mime; smime-type=signed-data", b"\xff", b"binary"),
        LeftAlone.SMIME,
    ),
    "S/MIME under its old name": (
        of_type(b"application/x-pkcs7-mime", LONG),
        LeftAlone.SMIME,
    ),
    "PGP/MIME of old": (of_type(b"application/pgp", b"From me\r\n"), LeftAlone.PGP),
    "a PGP-signed text": (text(b"Hello\r\n" + PGP), LeftAlone.PGP),
    "a PGP-encrypted text": (
        text(b"-----BEGIN PGP MESSAGE-----\r\n\r\nFrom me\r\n"),
        LeftAlone.PGP,
    ),
    "a fragment of a message": (
        of_type(b"message/partial; id=x; number=1; total=2", b"\r\nFrom me\r\n"),
        LeftAlone.MESSAGE,
    ),
    "a body that is elsewhere": (
        of_type(b"message/external-body; access-type=x", b"\r\nFrom me\r\n"),
        LeftAlone.MESSAGE,
    ),
    "text before the parts": (
        multipart(text(b"text")).replace(b"\r\n\r\n--", b"\r\n\r\nFrom me\r\n--", 1),
        LeftAlone.MULTIPART,
    ),
    "text behind the parts": (
        multipart(text(b"text")) + b"\xff\r\n",
        LeftAlone.MULTIPART,
    ),
    "a multipart without boundary": (
        of_type(b"multipart/mixed", b"From me\r\n"),
        LeftAlone.MULTIPART,
    ),
    "an unknown encoding": (text(b"From me\r\n", b"x-unknown"), LeftAlone.ENCODING),
    "two labels": (
        LABEL + b"7bit\r\n" + text(b"From me\r\n", b"8bit"),
        LeftAlone.ENCODING,
    ),
    "an encoded multipart": (
        multipart(text(b"From me"), label=b"base64"),
        LeftAlone.ENCODING,
    ),
    "an encoded message": (
        of_type(b"message/rfc822", b"\r\n" + LONG, b"base64"),
        LeftAlone.ENCODING,
    ),
    "quoted-printable that has more than one reading": (
        text(b"=\xff\r\n", QUOTED),
        LeftAlone.UNREADABLE,
    ),
    "base64 that cannot be decoded": (
        text(b"A" * 1001 + b"!\r\n", b"base64"),
        LeftAlone.UNREADABLE,
    ),
}


@pytest.mark.parametrize(("entity", "reason"), KEPT.values(), ids=KEPT)
def test_what_must_not_be_encoded_keeps_its_octets_and_is_named(entity, reason):
    octets = TOP + multipart(entity, text(b"From you"), kind=b"related")
    msg = parsed(octets)

    made = make_transport_safe(msg)

    written = to_octets(msg)
    assert made.left == (reason,)
    assert needs_encoding(msg)
    assert entity in written
    assert b"=46=\r\nrom you" in written


@pytest.mark.parametrize(("entity", "reason"), KEPT.values(), ids=KEPT)
def test_a_message_that_must_not_be_encoded_is_not_changed(entity, reason):
    octets = TOP + entity
    msg = parsed(octets)

    assert make_transport_safe(msg) == Made(changed=False, left=(reason,))
    assert to_octets(msg) == to_octets(parsed(octets))


FIELDS = {
    "raw": b"Subject: gr\xc3\xbc\xc3\x9fe",
    "overlong": b"Subject: " + b"x" * 990,
    "overlong behind a fold": b"Subject: x\r\n " + b"x" * 998,
    "with NUL": b"Subject: \x00",
}


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_a_field_that_servers_may_change_is_named(field):
    octets = TOP + multipart(field + b"\r\n" + text(b"text"), label=b"8bit")
    msg = parsed(octets)

    assert make_transport_safe(msg) == Made(changed=False, left=(LeftAlone.HEADER,))
    assert to_octets(msg) == octets


@pytest.mark.parametrize("field", FIELDS.values(), ids=FIELDS)
def test_a_field_of_the_message_is_no_reason_to_keep_its_label(field):
    octets = field + b"\r\n" + TOP + text(b"text", b"8bit")
    msg = parsed(octets)

    assert make_transport_safe(msg) == Made(changed=True, left=(LeftAlone.HEADER,))
    assert to_octets(msg) == field + b"\r\n" + TOP + text(b"text", b"7bit")


def test_a_quoted_pgp_message_is_a_text_like_any_other():
    quoted = b"> " + PGP.replace(b"\r\n", b"\r\n> ") + b"\r\nFrom me\r\n"

    assert decoded(parsed(made_safe(TOP + text(quoted)))) == quoted


def test_a_raw_label_is_none_that_is_known():
    octets = TOP + text(b"From me\r\n", b"8bit\xff")
    msg = parsed(octets)

    assert make_transport_safe(msg).left == (LeftAlone.ENCODING, LeftAlone.HEADER)
    assert to_octets(msg) == octets


def test_a_multipart_keeps_its_label_while_something_in_it_is_8_bit():
    signed = multipart(text(b"\xff", b"8bit"), kind=b"signed", label=b"8bit")
    octets = TOP + multipart(signed, text(b"\xc3\xbc and some words", b"8bit"))
    octets = octets.replace(b"\r\n\r\n", b"\r\n" + LABEL + b"8bit\r\n\r\n", 1)

    msg = parsed(octets)
    make_transport_safe(msg)

    assert msg["content-transfer-encoding"] == "8bit"


def test_a_multipart_keeps_its_label_around_one_that_stays():
    octets = TOP + multipart(text(PGP, b"8bit"), label=b"8bit")
    msg = parsed(octets)

    assert make_transport_safe(msg) == Made(changed=False, left=(LeftAlone.PGP,))
    assert to_octets(msg) == octets


def test_a_multipart_loses_its_label_around_text_that_was_encoded():
    written = parsed(made_safe(TOP + multipart(text(b"\xff" * 9), label=b"8bit")))

    assert written["content-transfer-encoding"] == "7bit"


def test_a_multipart_loses_its_label_around_7_bit_text_that_is_signed():
    signed = multipart(text(b"From me"), kind=b"signed")
    msg = parsed(TOP + multipart(signed, label=b"8bit"))

    assert make_transport_safe(msg) == Made(changed=True, left=(LeftAlone.SIGNED,))
    assert to_octets(msg) == TOP + multipart(signed, label=b"7bit")


def test_the_parts_of_a_delivery_report_stay():
    octets = TOP + multipart(of_type(b"message/delivery-status", REPORT))
    msg = parsed(octets)

    assert make_transport_safe(msg) == Made(changed=False, left=(LeftAlone.HEADER,))
    assert to_octets(msg) == octets


def test_several_reasons_are_told_once_and_in_order():
    signed = multipart(text(b"From me"), text(b"From me"), kind=b"signed")
    msg = parsed(TOP + multipart(text(b"From x", b"x"), text(PGP), signed))

    assert make_transport_safe(msg).left == (
        LeftAlone.SIGNED,
        LeftAlone.PGP,
        LeftAlone.ENCODING,
    )


def test_text_that_a_handler_left_without_a_charset_stays():
    msg = MIMEMultipart()
    msg.attach(MIMEText("From me"))
    msg.attach(Message())
    msg.get_payload(1).set_payload("gr\xfc\xdfe")

    made = make_transport_safe(msg)

    assert made == Made(changed=True, left=(LeftAlone.UNREADABLE,))
    assert msg.get_payload(1).get_payload() == "gr\xfc\xdfe"


class TypeUnknown(Message):
    def get_content_type(self):
        raise RuntimeError


class MainTypeUnknown(Message):
    def get_content_maintype(self):
        raise RuntimeError


@pytest.mark.parametrize("odd", [TypeUnknown, MainTypeUnknown])
def test_a_part_that_breaks_is_left_as_it_was_and_the_others_are_not(odd):
    msg = parsed(TOP + multipart(text(b"From me"), label=b"8bit"))
    broken = odd()
    broken["Content-Transfer-Encoding"] = "8bit"
    broken.set_payload("From here\n")
    msg.attach(broken)

    made = make_transport_safe(msg)

    assert made == Made(changed=True, left=(LeftAlone.UNREADABLE,))
    assert broken.items() == [("Content-Transfer-Encoding", "8bit")]
    assert broken.get_payload() == "From here\n"
    assert msg["content-transfer-encoding"] == "8bit"
    assert msg.get_payload(0)["content-transfer-encoding"] == "quoted-printable"


def test_what_is_in_a_part_that_breaks_is_left_too():
    msg = TypeUnknown()
    msg.attach(parsed(text(b"From me")))

    assert make_transport_safe(msg) == Made(False, (LeftAlone.UNREADABLE,))


def test_a_header_object_is_read_too():
    msg = parsed(TOP + b"\r\nFrom me\r\n")
    msg["Subject"] = email.header.Header("gr\xfc\xdfe", "utf-8")
    msg["Content-Transfer-Encoding"] = email.header.Header("8bit")

    assert make_transport_safe(msg) == Made(changed=True, left=())


def test_payloads_that_are_no_messages_and_no_text_are_passed_over():
    msg = parsed(TOP + multipart(text(b"From me")))
    msg._payload += ["text", None]
    msg.attach(Message())
    msg.attach(Message())
    msg.get_payload(4)._payload = b"\xff"

    assert needs_encoding(msg)
    assert make_transport_safe(msg) == Made(changed=True, left=())


def test_parts_nested_deeper_than_the_recursion_limit_are_reached():
    msg = parsed(text(b"From me"))
    leaf = msg
    for _ in range(5000):
        outer = MIMEMultipart()
        outer.attach(msg)
        msg = outer

    assert needs_encoding(msg)
    assert make_transport_safe(msg).changed
    assert leaf["content-transfer-encoding"] == "quoted-printable"


def decoded(leaf: Message) -> bytes:
    """What a reader sees of a leaf; line ends as they are written there."""
    held = leaf._payload.encode("ascii", "surrogateescape")
    label = str(leaf["content-transfer-encoding"] or "").strip().lower()
    if label in ("quoted-printable", "base64"):
        reading = Message()
        reading["Content-Transfer-Encoding"] = label
        reading.set_payload(held)
        return reading.get_payload(decode=True)
    return held


def as_rfc_2045_says(octets: bytes) -> bytes:
    """Quoted-printable by the book, and no other octets than the book allows."""
    lines = octets.split(b"\r\n")
    assert all(re.fullmatch(rb"[\t -~]{0,76}", line) for line in lines)
    assert not any(line.endswith((b" ", b"\t")) for line in lines)
    joined = b"\r\n".join(lines).replace(b"=\r\n", b"")
    assert re.fullmatch(rb"(?:=[0-9A-F]{2}|[^=])*", joined)
    return re.sub(
        rb"=([0-9A-F]{2})", lambda found: bytes.fromhex(found[1].decode()), joined
    )


lines_of_text = st.lists(
    st.sampled_from([b"\r\n", b"From ", b" ", b"=", b"-", b"\t", b".", b"--x", b"\xff"])
    | st.integers(1, 160).map(lambda n: b"abc " * n)
    | st.binary(max_size=9),
    max_size=12,
).map(b"".join)


@given(lines_of_text)
@example(b"x" * 75 + b" From me" * 20)
@example(b"From From From \r\nFrom ")
@example(b"\xff" * 100)
def test_two_readers_see_the_same_in_a_text(body):
    # Plain text all around, so that quoted-printable is chosen.
    body = body.replace(b"\r\n", b"\n").replace(b"\r", b"").replace(b"\n", b"\r\n")
    body = b"From me\r\n" + body + b"\r\n" + b"plain text " * len(body)

    _, _, written = made_safe(TOP + text(body)).partition(b"\r\n\r\n")

    assert as_rfc_2045_says(written) == body
    assert quopri.decodestring(written) == body


def is_safe(octets: bytes) -> bool:
    return (
        octets.isascii()
        and b"\x00" not in octets
        and not re.search(rb"^From |[^\r\n]{999}", octets, re.MULTILINE)
        and octets.count(b"\r") == octets.count(b"\r\n") == octets.count(b"\n")
    )


def shape(msg: Message) -> list[object]:
    """Structure, types, other fields and decoded octets of all parts."""
    # Fields are taken raw: how they are written is not at issue here.
    fields = [
        (name, value_octets(value))
        for name, value in msg.raw_items()
        if name.lower() not in ("content-transfer-encoding", "mime-version")
    ]
    payload = msg._payload
    if isinstance(payload, list):
        inside: object = [shape(child) for child in payload]
    else:
        inside = decoded(msg).replace(b"\r\n", b"\n")
    return [msg.get_content_type(), fields, msg.preamble, msg.epilogue, inside]


def written_shape(msg: Message) -> list[object]:
    """The shape that others read, as far as line ends allow to compare it."""
    return shape(parsed(to_octets(msg).replace(b"\r\n", b"\n")))


B = b"Content-Type: multipart/"
pieces = st.sampled_from(
    [
        *(b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b" ", b"x", b"=", b"\xff", b"\x00"),
        *(b"From ", b"\r\nFrom ", b"\r\n\r\n", b"--x\r\n", b"--x--\r\n", b"--y\r\n"),
        *(b"--x\r\n\r\n", b"\r\n--x\r\n", b"some words of text " * 6, b"x" * 500),
        *(B + b"mixed; boundary=x\r\n", B + b"signed; boundary=x\r\n"),
        *(B + b"mixed; boundary=y\r\n", B + b"mixed\r\n"),
        *(B + b"digest; boundary=y\r\n", B + b"encrypted; boundary=y\r\n"),
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: message/partial\r\n",
        b"Content-Type: message/delivery-status\r\n",
        b"Content-Type: text/html; charset=\xff\r\n",
        b"Content-Type: image/png\r\n",
        b"Content-Type: application/pkcs7-mime\r\n",
        *(LABEL + b"8bit\r\n", LABEL + b"base64\r\n", LABEL + QUOTED + b"\r\n"),
        *(LABEL + b"binary\r\n", LABEL + b"x\r\n", LABEL + b"\r\n"),
        *(b"MIME-Version: 1.0\r\n", b"QUJD\r\n", b"=C3=BC\r\n"),
        b"-----BEGIN PGP MESSAGE-----\r\n",
    ]
)
posts = st.lists(pieces | st.binary(max_size=9), max_size=40).map(b"".join)


@given(posts)
def test_what_is_left_unsafe_is_named(octets):
    msg = parsed(octets)

    made = make_transport_safe(msg)

    assert made.left or is_safe(to_octets(msg))


@given(posts)
def test_a_second_time_changes_nothing(octets):
    msg = parsed(octets)
    first = make_transport_safe(msg)
    before = to_octets(msg)

    assert make_transport_safe(msg) == Made(changed=False, left=first.left)
    assert to_octets(msg) == before


@given(posts)
def test_what_was_changed_is_told(octets):
    msg = parsed(octets)
    before = to_octets(msg)

    made = make_transport_safe(msg)

    assert made.changed == (to_octets(msg) != before)


@given(posts)
def test_readers_see_the_same_as_before(octets):
    msg = parsed(octets)
    before = copy.deepcopy(msg)

    make_transport_safe(msg)

    assert shape(msg) == shape(before)


@given(posts)
def test_readers_of_what_is_written_see_the_same_as_before(octets):
    msg = parsed(octets)
    assume(written_shape(msg) == shape(parsed(octets.replace(b"\r\n", b"\n"))))
    before = written_shape(msg)

    make_transport_safe(msg)

    assert written_shape(msg) == before


@given(posts)
def test_what_needs_nothing_is_safe_and_not_changed(octets):
    msg = parsed(octets)
    assume(not needs_encoding(msg))

    made = make_transport_safe(msg)

    assert not made.changed
    assert set(made.left) <= {LeftAlone.HEADER}
    assert made.left or is_safe(to_octets(msg))
