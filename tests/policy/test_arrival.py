"""What is kept of an arrival, and who can have written it."""

from __future__ import annotations

import base64
import itertools
import json
import re
from dataclasses import replace

import pytest
from hypothesis import given, strategies as st

from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import read_message
from mailman_arc.policy.arrival import (
    BOUND_FIELDS,
    Arrival,
    Binding,
    Vouched,
    anonymised,
    bind,
    format_arrival,
    parse_arrival,
    remember,
    vouch,
    vouched_arrival,
    with_vouching,
)
from mailman_arc.policy.inbound import authenticate
from mailman_arc.policy.trust import Trust
from mailman_arc.policy.vouching import Sealer
from tests.support.mail import NOW, POST, chain_of, changed, sign_dkim, whole_zone
from tests.support.zone import SERVFAIL, Zone, txt


SECRET = b"s" * 32
ARRIVAL = Arrival(
    status="pass",
    results=" lists.example;\r\n arc=pass header.oldest-pass=0",
    field="lists.example;\n arc=pass header.oldest-pass=0",
    summary="arc=pass dkim=pass dmarc=none",
    chain="0123456789abcdef",
    good="0123456789abcdef0123456789abcdef",
    judged_at=NOW,
)
# A post that has each of the fields that are bound.
BOUND_POST = b"Cc: bob@other.example\r\n" + POST
BINDING = bind(read_message(BOUND_POST))
WHOLE = Vouched(ARRIVAL, fits_header=True, fits_body=True)


def remembered(octets: bytes, zone=None) -> Arrival:
    trust = Trust("lists.example")
    message = read_message(octets)
    found = authenticate(message, zone or whole_zone(), NOW, trust)
    return remember(found, message, "lists.example", NOW)


# The record


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (POST, ChainStatus.NONE),
        (chain_of(1), ChainStatus.PASS),
        (changed(chain_of(1), b"Bye", b"bye"), ChainStatus.FAIL),
    ],
)
def test_an_arrival_has_the_status_of_the_chain(octets, status):
    assert remembered(octets).chain_status is status


def test_an_arrival_without_answers_from_the_dns_has_no_status():
    zone = whole_zone().with_records({"arc._domainkey.relay.example": SERVFAIL})

    arrival = remembered(chain_of(1), zone)

    assert arrival.status == ""
    assert arrival.chain_status is None
    assert arrival.summary.startswith("arc=unjudged ")


def test_an_arrival_has_results_summary_and_time():
    arrival = remembered(sign_dkim(POST))

    assert arrival.results.startswith(" lists.example;\r\n arc=none;\r\n dkim=pass ")
    assert arrival.summary == "arc=none dkim=pass dmarc=none"
    assert arrival.judged_at == NOW


def test_the_fingerprint_of_the_chain_is_that_of_its_fields():
    assert remembered(chain_of(1)).chain != remembered(chain_of(2)).chain
    assert remembered(POST).chain == remembered(sign_dkim(POST)).chain


def test_what_was_remembered_comes_back_from_its_text():
    arrival = remembered(chain_of(2))

    text = format_arrival(arrival)

    assert parse_arrival(text) == arrival
    assert text.isascii()
    assert text.isprintable()


def test_what_has_failed_comes_back_and_may_be_missing_in_old_texts():
    arrival = replace(ARRIVAL, failures=("dmarc_failure", "unconfirmed"))
    old = json.loads(format_arrival(arrival))
    del old["failures"]

    assert parse_arrival(format_arrival(arrival)) == arrival
    assert parse_arrival(json.dumps(old)) == ARRIVAL


# Who vouches


STRICT = whole_zone().with_records({"_dmarc.author.example": txt(b"v=DMARC1; p=none")})


def field_of(arrival: Arrival) -> str:
    return " ".join(arrival.field.split())


def test_a_list_that_trusts_the_sealers_says_who_vouches():
    plain = remembered(chain_of(1), STRICT)

    told = with_vouching(plain, ["relay.example"])

    assert "dmarc=fail (p=none)" in field_of(plain)
    assert field_of(told) == field_of(plain).replace(
        "(p=none)",
        "(p=none, local_policy arc=pass as[1].d=relay.example as[1].s=arc)",
    )
    assert told.summary == "arc=pass dkim=none dmarc=fail vouched=relay.example"
    assert (told.status, told.results) == (plain.status, plain.results)
    assert parse_arrival(format_arrival(told)) == told


@pytest.mark.parametrize("trusted", [[], ["lists.example"]])
def test_a_list_that_does_not_says_nothing(trusted):
    plain = remembered(chain_of(1), STRICT)

    assert with_vouching(plain, trusted) is plain


def test_it_is_said_once():
    told = with_vouching(remembered(chain_of(1), STRICT), ["relay.example"])

    assert with_vouching(told, ["relay.example"]) is told


def test_a_comment_about_many_sealers_ends_with_a_whole_word():
    trusted = ["relay.example", "lists.example"]

    told = with_vouching(remembered(chain_of(9), STRICT), trusted)

    comment = field_of(told).partition("dmarc=fail ")[2].partition(")")[0]
    assert re.fullmatch(
        r"\(p=none, local_policy arc=pass( as\[\d\]\.[ds]=[a-z.]+)+ \.\.\.", comment
    )
    assert comment.endswith((".example ...", "=arc ..."))
    assert len(comment) <= 201


def test_a_post_that_needs_no_word_for_it_names_no_sealers():
    assert remembered(chain_of(1)).sealers == ()


def test_a_field_that_cannot_be_read_stays():
    sealers = (Sealer(1, "relay.example", "arc", True),)
    odd = replace(ARRIVAL, field="(", sealers=sealers)

    assert with_vouching(odd, ["relay.example"]) is odd


def test_an_arrival_of_an_anonymous_list_names_no_sealers():
    assert anonymised(remembered(chain_of(1), STRICT)).sealers == ()


arrivals = st.builds(
    Arrival,
    status=st.sampled_from(["", "none", "pass", "fail"]),
    results=st.text(),
    field=st.text(),
    good=st.text(),
    summary=st.text(),
    chain=st.text(),
    judged_at=st.integers(-(10**15), 10**15),
    sealers=st.lists(
        st.builds(Sealer, st.integers(), st.text(), st.text(), st.booleans(), st.text())
    ).map(tuple),
)


@given(arrivals)
def test_any_arrival_comes_back_from_its_text(arrival):
    assert parse_arrival(format_arrival(arrival)) == arrival


@given(st.text() | st.binary().map(lambda octets: octets.decode("latin-1")))
def test_any_text_is_an_arrival_or_malformed(text):
    try:
        parse_arrival(text)
    except MalformedField:
        pass


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
    lambda inner: (
        st.lists(inner, max_size=2)
        | st.dictionaries(st.text(max_size=4), inner, max_size=2)
    ),
    max_leaves=4,
)


@given(
    st.fixed_dictionaries(
        {
            "status": st.sampled_from(["", "none", "pass", "fail"]) | values,
            "results": values,
            "field": values,
            "summary": values,
            "chain": values,
            "good": values,
            "judged_at": values,
        }
    )
    | values
)
def test_any_json_is_an_arrival_or_malformed(value):
    try:
        parse_arrival(json.dumps(value))
    except MalformedField:
        pass


COMPLETE = {
    "status": "pass",
    "results": "",
    "field": "",
    "summary": "",
    "chain": "",
    "good": "",
    "judged_at": 1,
}
MALFORMED = (
    "",
    "null",
    "[]",
    "1",
    '"text"',
    "{}",
    "{",
    "[" * 100_000,
    "\udcff",
    "\0",
    *(
        json.dumps({key: value for key, value in COMPLETE.items() if key != left_out})
        for left_out in COMPLETE
    ),
    json.dumps({**COMPLETE, "status": "unknown"}),
    json.dumps({**COMPLETE, "status": "PASS"}),
    json.dumps({**COMPLETE, "status": None}),
    json.dumps({**COMPLETE, "judged_at": "soon"}),
    json.dumps({**COMPLETE, "judged_at": None}),
    json.dumps({**COMPLETE, "judged_at": float("nan")}),
    json.dumps({**COMPLETE, "judged_at": float("inf")}),
    format_arrival(ARRIVAL) + "x",
    format_arrival(ARRIVAL)[:-1],
)


@pytest.mark.parametrize("text", MALFORMED, ids=lambda text: ascii(text[:40]))
def test_what_is_no_record_is_malformed(text):
    with pytest.raises(MalformedField):
        parse_arrival(text)


# The voucher


def test_a_vouched_arrival_is_believed_for_its_post():
    text = vouch(ARRIVAL, BINDING, SECRET)

    assert vouched_arrival(text, BINDING, SECRET) == WHOLE


def test_a_voucher_is_a_folded_field_value_of_short_lines():
    lines = vouch(ARRIVAL, BINDING, SECRET).split("\n")

    assert max(map(len, lines)) <= 73
    assert all(line.startswith(" ") for line in lines[1:])
    assert not any(line.startswith("  ") or line.endswith(" ") for line in lines)


@pytest.mark.parametrize("fold", ["", " ", "\r\n ", "\n\t", " \r\n  "])
def test_a_voucher_may_be_folded_in_other_places(fold):
    text = vouch(ARRIVAL, BINDING, SECRET)

    refolded = fold.join("".join(text.split())[i : i + 30] for i in range(0, 2000, 30))

    assert vouched_arrival(refolded, BINDING, SECRET).arrival == ARRIVAL


# One change to the post each.
POSTS = {
    "From": changed(BOUND_POST, b"ann@author", b"eve@author"),
    "name of From": changed(BOUND_POST, b"Ann Author", b"Eve Author"),
    "To": changed(BOUND_POST, b"To: list", b"To: other"),
    "Cc": changed(BOUND_POST, b"bob", b"eve"),
    "Subject": changed(BOUND_POST, b"Meeting", b"meeting"),
    "Date": changed(BOUND_POST, b"10:00", b"11:00"),
    "Message-ID": changed(BOUND_POST, b"<1@", b"<2@"),
    "a second From": b"From: eve@author.example\r\n" + BOUND_POST,
    "no Cc": POST,
    "two fields in one": changed(BOUND_POST, b"\r\nTo: list", b"\r\n To: list"),
    "another order": b"Cc: x\r\n" + BOUND_POST + b"",
    "body": changed(BOUND_POST, b"Bye", b"bye"),
    "white space in the body": changed(BOUND_POST, b"Bye.", b"Bye. "),
    "line end of the body": BOUND_POST + b"\r\n",
    "no body": BOUND_POST.partition(b"\r\n\r\n")[0] + b"\r\n\r\n",
}


BODIES = ("body", "white space in the body", "line end of the body", "no body")


@pytest.mark.parametrize("change", BODIES)
def test_it_is_told_when_the_body_is_another(change):
    binding = bind(read_message(POSTS[change]))
    text = vouch(ARRIVAL, BINDING, SECRET)

    assert vouched_arrival(text, binding, SECRET) == Vouched(
        ARRIVAL, fits_header=True, fits_body=False
    )


@pytest.mark.parametrize("change", [name for name in POSTS if name not in BODIES])
def test_it_is_told_when_a_field_is_another(change):
    binding = bind(read_message(POSTS[change]))
    text = vouch(ARRIVAL, BINDING, SECRET)

    assert vouched_arrival(text, binding, SECRET) == Vouched(
        ARRIVAL, fits_header=False, fits_body=False
    )


def test_every_bound_field_has_a_row():
    named = {name.lower().encode() for name in POSTS}

    assert set(BOUND_FIELDS) <= named


UNBOUND = {
    "folding": changed(BOUND_POST, b"Meeting\r\n  notes", b"Meeting notes"),
    "case of a name": changed(BOUND_POST, b"Subject:", b"SUBJECT:"),
    "white space": changed(BOUND_POST, b"Subject: M", b"Subject:\t M"),
    "another field": b"X-Spam: no\r\n" + BOUND_POST,
    "bare LF": BOUND_POST.replace(b"\r\n", b"\n"),
}


@pytest.mark.parametrize("octets", UNBOUND.values(), ids=UNBOUND)
def test_what_mailman_may_have_changed_is_not_bound(octets):
    assert bind(read_message(octets)) == BINDING


@pytest.mark.parametrize("secret", [b"", b"t" * 32, SECRET[:-1], SECRET + b"s"])
def test_another_secret_is_refused(secret):
    text = vouch(ARRIVAL, BINDING, SECRET)

    with pytest.raises(MalformedField):
        vouched_arrival(text, BINDING, secret)


def test_another_record_is_refused():
    other = replace(ARRIVAL, status="none")
    mac = base64.b64decode("".join(vouch(ARRIVAL, BINDING, SECRET).split()))[:96]
    forged = base64.b64encode(mac + format_arrival(other).encode()).decode()

    with pytest.raises(MalformedField):
        vouched_arrival(forged, BINDING, SECRET)


@given(st.data())
def test_one_changed_octet_is_refused(data):
    octets = bytearray(
        base64.b64decode("".join(vouch(ARRIVAL, BINDING, SECRET).split()))
    )
    position = data.draw(st.integers(0, len(octets) - 1))
    octets[position] ^= data.draw(st.integers(1, 255))

    text = base64.b64encode(octets).decode()

    if 32 <= position < 96:  # the proofs about header and body
        assert not vouched_arrival(text, BINDING, SECRET).is_whole
    else:
        with pytest.raises(MalformedField):
            vouched_arrival(text, BINDING, SECRET)


@pytest.mark.parametrize("order", itertools.permutations(range(3)))
def test_the_proofs_cannot_change_places(order):
    octets = base64.b64decode("".join(vouch(ARRIVAL, BINDING, SECRET).split()))
    proofs = [octets[32 * number :][:32] for number in order]
    text = base64.b64encode(b"".join(proofs) + octets[96:]).decode()

    if order[0]:
        with pytest.raises(MalformedField):
            vouched_arrival(text, BINDING, SECRET)
    else:
        assert vouched_arrival(text, BINDING, SECRET).is_whole is (order == (0, 1, 2))


def test_octets_cannot_move_from_one_fingerprint_to_the_other():
    moved = Binding(BINDING.header[:-1], BINDING.header[-1:] + BINDING.body)

    found = vouched_arrival(vouch(ARRIVAL, BINDING, SECRET), moved, SECRET)

    assert not found.fits_header
    assert not found.is_whole


@given(st.text() | st.binary().map(lambda octets: base64.b64encode(octets).decode()))
def test_any_text_is_refused(text):
    with pytest.raises(MalformedField):
        vouched_arrival(text, BINDING, SECRET)


@given(arrivals, st.binary(min_size=1), st.binary(), st.binary())
def test_any_arrival_can_be_vouched_for(arrival, secret, header, body):
    binding = Binding(header, body)

    text = vouch(arrival, binding, secret)
    assert vouched_arrival(text, binding, secret) == Vouched(
        arrival, fits_header=True, fits_body=True
    )


@given(st.binary(max_size=200))
def test_any_octets_can_be_bound(octets):
    binding = bind(read_message(octets))

    assert (len(binding.header), len(binding.body)) == (32, 64)


# The author concealed


def test_of_an_anonymous_post_results_are_told_without_names():
    arrival = anonymised(remembered(sign_dkim(chain_of(2))))

    assert arrival.results == " lists.example;\r\n dkim=pass;\r\n dmarc=none"
    assert arrival.chain_status is ChainStatus.NONE
    assert arrival.chain == remembered(POST).chain
    assert arrival.good == ""


@pytest.mark.parametrize("zone", [whole_zone(), Zone({})])
@pytest.mark.parametrize("octets", [POST, sign_dkim(POST), chain_of(3)])
def test_of_an_anonymous_post_nothing_tells_the_author(octets, zone):
    arrival = anonymised(remembered(octets, zone))

    assert "author" not in arrival.results
    assert "relay" not in arrival.results
    assert anonymised(arrival) == arrival
