"""A Mailman message as octets: nothing folded, nothing mangled, nothing added."""

from __future__ import annotations

import copy
import email
import pickle
from email.header import Header
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText

import pytest
from hypothesis import example, given, strategies as st
from mailman.email.message import Message

from mailman_arc.mailauth.message import read_message
from mailman_arc.plugin.messages import (
    ADDED_ON_ARRIVAL,
    body_digest,
    put_on_top,
    remove_at,
    to_octets,
    value_octets,
)
from tests.support.mail import POST, chain_of, sign_dkim


TOP = b"From: ann@author.example\r\nTo: list@lists.example\r\n"
LONG = b"X-Long: " + b"a-word-of-some-length " * 60 + b"end\r\n"


def parsed(octets: bytes) -> Message:
    return email.message_from_bytes(octets, Message)


def with_type(content_type: bytes, body: bytes) -> bytes:
    return TOP + b"Content-Type: " + content_type + b"\r\n\r\n" + body


MULTIPART = with_type(
    b'multipart/mixed;\r\n\tboundary="x"',
    b"preamble\r\n"
    b"--x\r\nContent-Type: text/plain;\r\n   charset=us-ascii\r\n" + LONG + b"\r\n"
    b"From here on\r\n>From there\r\n.\r\n"
    b"--x\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: 8bit\r\n\r\n"
    b"<p>gr\xc3\xbc\xc3\x9fe \xff</p>\r\n"
    b"--x--\r\nepilogue\r\n",
)
NESTED = with_type(
    b"multipart/mixed; boundary=a",
    b"--a\r\nContent-Type: multipart/alternative; boundary=b\r\n\r\n"
    b"--b\r\n\r\nplain\r\n"
    b"--b\r\nContent-Type: text/html\r\n\r\n<p>html</p>\r\n"
    b"--b--\r\n\r\n"
    b"--a\r\nContent-Type: message/rfc822\r\n\r\n"
    b"Bcc: kept@author.example\r\nSubject: inner\r\n folded\r\n\r\nFrom inside\r\n"
    b"--a--\r\n",
)
REPORT = with_type(
    b"multipart/report; report-type=delivery-status; boundary=r",
    b"--r\r\n\r\nIt failed.\r\n"
    b"--r\r\nContent-Type: message/delivery-status\r\n\r\n"
    b"Reporting-MTA: dns; mx.example\r\n\r\n"
    b"Final-Recipient: rfc822; bob@author.example\r\nAction: failed\r\n\r\n"
    b"--r--\r\n",
)
SIGNED = with_type(
    b'multipart/signed; protocol="application/pgp-signature"; boundary=s',
    b"--s\r\nContent-Type: text/plain\r\n" + LONG + b"\r\nsigned  \r\n"
    b"--s\r\nContent-Type: application/pgp-signature\r\n\r\nnonsense\r\n--s--\r\n",
)

KEPT = {
    "a simple post": POST,
    "no line end at the end": TOP + b"\r\nbody",
    "no body": TOP + b"\r\n",
    "no header": b"\r\nbody\r\n",
    "empty lines at the end": TOP + b"\r\nbody\r\n\r\n\r\n",
    "lines that begin with From": TOP + b"\r\nFrom me\r\n\r\nFrom you\r\n",
    "dots and trailing white space": TOP + b"\r\n.\r\n..\r\n  \t\r\nbody \r\n",
    "a long field in one line": LONG + TOP + b"\r\nbody\r\n",
    "a long line in the body": TOP + b"\r\n" + b"x" * 5000 + b"\r\n",
    "a fold with a tab": TOP + b"Subject: one\r\n\ttwo\r\n \t three\r\n\r\nbody\r\n",
    "a fold with white space only": TOP + b"Subject: one\r\n \r\n\r\nbody\r\n",
    "an empty field": TOP + b"Subject: \r\n\r\nbody\r\n",
    "white space around a value": TOP + b"Subject: one  \t\r\n\r\nbody\r\n",
    "vertical tab and form feed": TOP + b"Subject: a\x0bb\x0cc\r\n\r\nd\x0be\x0c\r\n",
    "other separators": TOP + b"Subject: \x1c\x1d\x1e\x85\xe2\x80\xa8x\r\n\r\n\x85\r\n",
    "NUL": TOP + b"Subject: a\x00b\r\n\r\na\x00b\r\n",
    "Latin-1 in fields and body": TOP + b"Subject: gr\xfc\xdfe\r\n\r\ngr\xfc\xdfe\r\n",
    "UTF-8 in fields and body": TOP + b"Subject: \xc3\xbc\r\n\r\n\xc3\xbc\r\n",
    "8 bit under a charset": with_type(
        b"text/plain; charset=utf-8", b"\xc3\xbc \xff\r\n"
    ),
    "an unknown charset": with_type(b"text/plain; charset=nonsense", b"\xff\r\n"),
    "7 bit that is none": TOP
    + b"Content-Transfer-Encoding: 7bit\r\nContent-Type: text/plain\r\n\r\n\xff\r\n",
    "broken base64": TOP + b"Content-Transfer-Encoding: base64\r\n\r\n%%%\r\n",
    "a multipart": MULTIPART,
    "parts in parts": NESTED,
    "a delivery report": REPORT,
    "something signed": SIGNED,
    "a multipart without boundary": with_type(b"multipart/mixed", b"text\r\n"),
    "a multipart with an empty boundary": with_type(
        b"multipart/mixed; boundary",
        b"one\r\n--\r\nX: y\r\n\r\ntwo\r\n--\r\n\r\nthree\r\n----\r\nfour\r\n",
    ),
    "a multipart without parts": with_type(b"multipart/mixed; boundary=x", b"t\r\n"),
    "encoded words": TOP + b"Subject: =?utf-8?q?gr=C3=BC=C3=9Fe?=\r\n\r\nbody\r\n",
    "a chain": chain_of(3),
    "a DKIM signature": sign_dkim(POST),
    "fields that occur twice": TOP + TOP + b"\r\nbody\r\n",
    "strange names": b"from: a\r\nX_Y!: b\r\n" + TOP + b"\r\nbody\r\n",
    "two Resent blocks": b"Resent-To: a\r\nResent-Date: b\r\nResent-To: c\r\n"
    b"Resent-Date: d\r\n" + TOP + b"\r\nbody\r\n",
}


@pytest.mark.parametrize("octets", KEPT.values(), ids=KEPT)
def test_a_parsed_post_is_written_octet_for_octet(octets):
    assert to_octets(parsed(octets)) == octets


@pytest.mark.parametrize("octets", KEPT.values(), ids=KEPT)
def test_a_post_that_has_been_in_a_queue_is_written_octet_for_octet(octets):
    queued = pickle.loads(pickle.dumps(parsed(octets), protocol=4))

    assert to_octets(queued) == octets


@pytest.mark.parametrize("octets", KEPT.values(), ids=KEPT)
def test_in_a_queue_the_fingerprint_of_a_body_stays_the_same(octets):
    msg = parsed(octets)
    digest = body_digest(msg)
    put_on_top(msg, "Subject", "another")

    assert body_digest(pickle.loads(pickle.dumps(msg, protocol=4))) == digest


def test_what_is_below_the_header_has_a_fingerprint_of_its_own():
    bodies = [each.partition(b"\r\n\r\n") for each in KEPT.values()]
    under_one_header = {
        # What the header says decides what is read as parts.
        body_digest(parsed(TOP + header.removeprefix(TOP) + end + body))
        for header, end, body in bodies
        if body
    }

    assert len(under_one_header) == len({body for _, _, body in bodies if body})


CHANGES = {
    "text before the parts": (b"preamble", b"Preamble"),
    "text behind the parts": (b"epilogue", b"epilogues"),
    "a field of a part": (b"text/html", b"text/plain"),
    "another field in a part": (
        b"charset=us-ascii\r\n",
        b"charset=us-ascii\r\nX: y\r\n",
    ),
    "the text of a part": (b"gr\xc3\xbc", b"gr\xc3\xbd"),
    "a part less": (b"--x\r\nContent-Type: text/html", b"Content-Type: text/html"),
    "an octet that is no text": (b"\xff", b"\xfe"),
}


@pytest.mark.parametrize(("old", "new"), CHANGES.values(), ids=CHANGES)
def test_a_change_below_the_header_changes_the_fingerprint(old, new):
    assert MULTIPART.count(old) == 1

    assert body_digest(parsed(MULTIPART.replace(old, new))) != body_digest(
        parsed(MULTIPART)
    )


def test_texts_cannot_move_from_one_part_to_the_next():
    one, two = (
        with_type(b"multipart/mixed; boundary=x", body)
        for body in (
            b"--x\r\n\r\na\r\n--x\r\n\r\nbc\r\n--x--\r\n",
            b"--x\r\n\r\nab\r\n--x\r\n\r\nc\r\n--x--\r\n",
        )
    )

    assert body_digest(parsed(one)) != body_digest(parsed(two))


# What the parser of the standard library does not keep, and what is written
# then.  Signatures with relaxed canonicalisation survive the first four.
NOT_KEPT = {
    "no space behind the colon": (
        TOP + b"Subject:x\r\n\r\nbody\r\n",
        TOP + b"Subject: x\r\n\r\nbody\r\n",
    ),
    "a fold right behind the colon": (
        TOP + b"Subject:\r\n x\r\n\r\nbody\r\n",
        TOP + b"Subject: \r\n x\r\n\r\nbody\r\n",
    ),
    "bare LF": (TOP.replace(b"\r", b"") + b"\nbody\n", TOP + b"\r\nbody\r\n"),
    "no empty line": (TOP, TOP + b"\r\n"),
    "a Unix From line": (b"From a Mon\r\n" + TOP + b"\r\nx\r\n", TOP + b"\r\nx\r\n"),
    "bare CR in a body": (TOP + b"\r\na\rb\r\n", TOP + b"\r\na\r\nb\r\n"),
    "a multipart that is not closed": (
        with_type(b"multipart/mixed; boundary=x", b"--x\r\n\r\na\r\n"),
        with_type(b"multipart/mixed; boundary=x", b"--x\r\n\r\na\r\n--x--\r\n"),
    ),
    "a report without the empty line at its end": (
        REPORT.replace(b"failed\r\n\r\n", b"failed\r\n"),
        REPORT,
    ),
    "no octets at all": (b"", b"\r\n"),
}


@pytest.mark.parametrize(("octets", "written"), NOT_KEPT.values(), ids=NOT_KEPT)
def test_what_the_parser_loses_is_written_as_it_was_understood(octets, written):
    assert to_octets(parsed(octets)) == written


@pytest.mark.parametrize("octets", KEPT.values(), ids=KEPT)
def test_writing_a_post_does_not_change_it(octets):
    msg = parsed(octets)
    before = pickle.dumps(msg)

    first = to_octets(msg)

    assert pickle.dumps(msg) == before
    assert to_octets(msg) == first


def test_a_message_made_of_parts_is_written_the_same_twice():
    msg = MIMEMultipart()
    msg.attach(MIMEText("one"))
    msg.attach(MIMEText("two"))

    first = to_octets(msg)

    assert to_octets(msg) == first
    assert first.count(b"\r\n--===") == 3


def test_hidden_recipients_are_left_out_at_the_top():
    octets = (
        b"Bcc: a@author.example,\r\n b@author.example\r\n"
        b"RESENT-BCC: c@author.example\r\nbcc: d@author.example\r\n" + NESTED
    )

    assert to_octets(parsed(octets)) == NESTED


def test_hidden_recipients_can_be_kept():
    octets = b"Bcc: a@author.example\r\n" + POST

    assert to_octets(parsed(octets), frozenset()) == octets


def test_other_fields_can_be_left_out_by_name():
    octets = b"X-MailFrom: a@author.example\r\nmessage-id-HASH: X\r\n" + POST

    assert to_octets(parsed(octets), ADDED_ON_ARRIVAL) == POST


# Values as a handler may put them into a message; each must stay one field.
INJECTIONS = (
    "one\nX-Evil: yes",
    "one\rX-Evil: yes",
    "one\r\nX-Evil: yes",
    "one\n\nX-Evil: yes",
    "one\r\n\r\nX-Evil: yes",
    "one\n\r\n\r X-Evil: yes",
    "one\r\n \r\nX-Evil: yes",
    "\nX-Evil: yes",
    "one\n",
    "one\r\n\r\n",
    "\r",
    "gr\N{LATIN SMALL LETTER U WITH DIAERESIS}\nX-Evil: yes",
    "\udcfc\nX-Evil: yes",
    "\udcfc\r\n\r\nX-Evil: yes",
    Header("gr\N{LATIN SMALL LETTER U WITH DIAERESIS}\nX-Evil: yes", "utf-8"),
    Header("one\n X-Evil: yes"),
    Header("one\nX-Evil: yes"),
)


@pytest.mark.parametrize("value", INJECTIONS, ids=ascii)
def test_a_line_break_in_a_value_never_makes_a_new_field(value):
    msg = parsed(POST)
    msg["X-Given"] = value

    written = read_message(to_octets(msg))

    assert [field.name for field in written.fields] == [
        *(field.name for field in read_message(POST).fields),
        b"x-given",
    ]
    assert written.body == read_message(POST).body


def test_a_bare_cr_on_the_wire_is_written_as_the_fields_that_mailman_sees():
    octets = POST.replace(b"notes\r\n", b"notes\rX-Other: yes\r\n")

    written = read_message(to_octets(parsed(octets)))

    assert [field.raw for field in written.named(b"x-other")] == [b"X-Other: yes"]


def test_a_text_outside_of_ascii_becomes_encoded_words():
    msg = parsed(POST)
    msg["X-Given"] = "Gr\xfc\xdfe"

    assert b"X-Given: =?utf-8?b?R3LDvMOfZQ==?=\r\n" in to_octets(msg)


def test_a_header_object_is_written_as_encoded_words():
    msg = parsed(POST)
    msg["X-Given"] = Header("Gr\xfc\xdfe", "iso-8859-1")

    assert b"X-Given: =?iso-8859-1?q?Gr=FC=DFe?=\r\n" in to_octets(msg)


LONG_TEXTS = (
    Header("\N{HIRAGANA LETTER A}" * 400, "utf-8"),
    Header("gr\xfc\xdfe " * 200, "iso-8859-1"),
    "\N{HIRAGANA LETTER A}" * 400,
)


@pytest.mark.parametrize("value", LONG_TEXTS, ids=["utf-8", "iso-8859-1", "a string"])
def test_encoded_words_are_no_longer_than_the_rfc_allows(value):
    msg = parsed(POST)
    msg["X-Given"] = value

    [field] = read_message(to_octets(msg)).named(b"x-given")

    # RFC 2047 §2: 75 characters a word; RFC 5322 §2.1.1: 998 octets a line.
    assert max(map(len, field.value.split())) <= 75
    assert max(map(len, field.raw.split(b"\r\n"))) <= 998


def test_raw_octets_and_text_in_one_value_can_be_written():
    msg = parsed(TOP + b"Subject: gr\xfc\xdfe\r\n\r\nbody\r\n")
    raw = dict(msg.raw_items())["Subject"]
    msg["X-Given"] = f"{raw} \N{EURO SIGN}"

    [field] = read_message(to_octets(msg)).named(b"x-given")

    assert field.value.isascii()


def test_a_value_that_is_no_text_is_written_as_its_text():
    msg = parsed(POST)
    msg["X-Given"] = 12

    assert b"12" in to_octets(msg)


@pytest.mark.parametrize(
    "content_type",
    [b"multipart/mixed", b"multipart/mixed; boundary=x", b"text/plain"],
)
def test_the_wire_has_crlf_only(content_type):
    octets = with_type(content_type, b"one\rtwo\nthree\r\n")

    written = to_octets(parsed(octets)).replace(b"\r\n", b"")

    assert b"\n" not in written
    assert b"\r" not in written


def test_a_body_that_is_real_text_is_refused_as_the_standard_library_does():
    msg = parsed(POST)
    msg.set_payload("gr\xfc\xdfe")

    with pytest.raises(UnicodeEncodeError):
        to_octets(msg)


def test_a_field_is_put_on_top_and_the_others_stay_raw():
    octets = TOP + b"Subject: gr\xfc\xdfe\r\n\r\nbody\r\n"
    msg = parsed(octets)

    put_on_top(msg, "X-New", "one\n two")

    assert to_octets(msg) == b"X-New: one\r\n two\r\n" + octets


def test_fields_are_removed_by_their_position_and_the_others_stay_raw():
    octets = TOP + b"Subject: gr\xfc\xdfe\r\n\r\nbody\r\n"
    msg = parsed(b"X-Old: 1\r\n" + octets)
    held = msg._headers

    remove_at(msg, {0})

    assert to_octets(msg) == octets
    assert msg._headers is held


VALUES = (
    ("plain", b"plain"),
    ("raw \udcfc", b"raw \xfc"),
    ("\xfc", b"=?utf-8?b?w7w=?="),
    (Header("plain"), b"plain"),
    (Header("\xfc", "utf-8"), b"=?utf-8?b?w7w=?="),
)


@pytest.mark.parametrize(("value", "octets"), VALUES, ids=ascii)
def test_the_octets_of_a_value(value, octets):
    assert value_octets(value) == octets


names = st.sampled_from(["Subject", "X-Given", "Content-Type", "Bcc", "bCC"])
texts = st.text(
    st.characters(max_codepoint=0x7F) | st.sampled_from("\r\n \t:\udcfc"), max_size=30
)


@given(st.lists(st.tuples(names, texts), max_size=5))
@example([("Subject", "\r\n\r\n")])
@example([("Content-Type", "multipart/mixed; boundary=\r\n")])
def test_any_values_give_one_field_each(fields):
    msg = Message()
    msg.set_payload("body\n")
    for name, value in fields:
        msg[name] = value

    written = read_message(to_octets(msg))

    kept = [name for name, _ in fields if name.lower() != "bcc"]
    assert [field.name.decode() for field in written.fields] == [
        name.lower() for name in kept
    ]
    assert written.body == b"body\r\n"


pieces = st.sampled_from(
    [
        *(b"\r\n", b"\r\n", b"\r\n", b"\n", b"\r", b" ", b"\t", b":", b"x", b"\xff"),
        *(b"From ", b"Subject: ", b"Bcc: ", b"--x\r\n", b"--x--\r\n", b"\x00"),
        b"Content-Type: multipart/mixed; boundary=x\r\n",
        b"Content-Type: multipart/mixed\r\n",
        b"Content-Type: multipart/digest; boundary*=utf-8''x\r\n",
        b"Content-Type: message/rfc822\r\n",
        b"Content-Type: message/delivery-status\r\n",
        b"Content-Type: text/plain; charset=\xff\r\n",
        b"Content-Transfer-Encoding: base64\r\n",
    ]
)
posts = st.lists(pieces | st.binary(max_size=9), max_size=30).map(b"".join)


@given(posts)
def test_any_octets_can_be_parsed_and_written(octets):
    written = to_octets(parsed(octets))

    assert b"\n" not in written.replace(b"\r\n", b"")


@given(posts)
def test_a_message_is_written_the_same_twice(octets):
    msg = parsed(octets)

    assert to_octets(msg) == to_octets(copy.deepcopy(msg)) == to_octets(msg)
