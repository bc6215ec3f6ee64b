"""What holds for all messages, whoever wrote them and whatever the DNS says."""

from __future__ import annotations

import base64
import contextlib
import re
import time
from collections.abc import Callable, Iterator

import pytest
from hypothesis import HealthCheck, assume, given, settings, strategies as st

from mailman_arc.mailauth import dkim
from mailman_arc.mailauth.answers import LookupFailed, NoSuchName, TxtRecords
from mailman_arc.mailauth.arc import verify
from mailman_arc.mailauth.arc.chain import MAX_INSTANCE, chain_digest, read_chain
from mailman_arc.mailauth.arc.seal import Sealing, prove_newest_set, seal
from mailman_arc.mailauth.arc.verify import ChainStatus, ChainVerdict, verify_chain
from mailman_arc.mailauth.canonical import (
    BodyHashes,
    Canonicalization,
    canonical_body,
    canonical_field,
)
from mailman_arc.mailauth.dkim import DkimVerdict, verify_dkim
from mailman_arc.mailauth.domains import parse_domain
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.keyrecord import KeyRecord, parse_key_record, usable_keys
from mailman_arc.mailauth.message import (
    MAX_HEADER_OCTETS,
    Field,
    read_message,
    to_crlf,
)
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.results import Result
from mailman_arc.mailauth.signature import without_signature
from mailman_arc.mailauth.tags import (
    parse_base64,
    parse_number,
    parse_tag_list,
    unquote_printable,
)
from tests.support.keys import ed25519_key, key_record, rsa_key
from tests.support.mail import (
    AUTHOR,
    NOW,
    POST,
    Signer,
    author,
    chain_of,
    changed,
    judge_chain,
    judge_dkim,
    mailing_list,
    relaxed_body,
    relaxed_field,
    relay,
    sign_dkim,
    simple_body,
    to_wire,
    whole_zone,
    zone_of,
)
from tests.support.zone import Zone


# The same examples each time: a failure in one place is one in every place.
every = settings(
    derandomize=True,
    deadline=None,
    max_examples=200,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
)
some = settings(every, max_examples=40)

SLICE = 1 << 16

# Octets that mean something to some parser here.
meaningful = st.sampled_from(
    [
        b" ", b"\t", b"\r\n", b"\r\n ", b"\n", b"\r", b":", b";", b"=", b"a", b"b",
        b"b=", b"bh=", b"i=1;", b"(", b")", b"\\", b"\x00", b"\xff", b"\xc3\xbc", b"@",
        b"From: x\r\n", b"ARC-Seal:", b"ARC-Message-Signature:", b"DKIM-Signature:",
        b"ARC-Authentication-Results:", b"v=1;", b"a=rsa-sha256;", b"d=a.example;",
        b"s=s;", b"h=from;", b"cv=none;", b"AAAA", b"\r\n\r\n", b"l=1;", b"x=1;",
    ]
)  # fmt: skip
soup = st.lists(st.one_of(meaningful, st.binary(max_size=4)), max_size=40).map(b"".join)


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A good message, signed and sealed, in which something was replaced."""
    octets = draw(st.sampled_from(SIGNED))
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(octets)))
        end = min(len(octets), start + draw(st.integers(0, 30)))
        octets = octets[:start] + draw(st.one_of(meaningful, soup)) + octets[end:]
    return octets


SIGNED = (chain_of(2), chain_of(3, sign_dkim(POST)), sign_dkim(sign_dkim(POST)))
messages = st.one_of(st.binary(max_size=200), soup, damaged())
records = st.one_of(
    st.binary(max_size=80),
    soup,
    st.sampled_from([b"v=DKIM1; p=", b"p=AAAA", key_record(relay().key)]),
)
dns_answers = st.one_of(
    st.builds(NoSuchName),
    st.builds(LookupFailed),
    st.lists(records, max_size=5).map(lambda texts: TxtRecords(tuple(texts))),
)


@every
@given(messages, st.data(), st.integers(0, 10**13))
def test_any_octets_with_any_answers_get_verdicts(octets, data, now):
    message = read_message(octets)
    names = dkim.key_names(message, AUTHOR) | verify.key_names(message)
    answers = Zone({name: data.draw(dns_answers) for name in sorted(names)})
    bodies = BodyHashes(message.body)
    chain = verify_chain(message, answers, now, bodies)
    signatures = verify_dkim(message, AUTHOR, answers, now, bodies)
    assert isinstance(chain, ChainVerdict)
    assert (chain.reason is not None) == (chain.status is ChainStatus.FAIL)
    assert all(isinstance(verdict, DkimVerdict) for verdict in signatures)
    assert all((v.reason is None) == (v.result is Result.PASS) for v in signatures)
    assert set(answers.asked) <= names
    frugal = verify_chain(message, answers, now, bodies, find_oldest_pass=False)
    assert (frugal.status, frugal.reason, frugal.instance) == (
        chain.status,
        chain.reason,
        chain.instance,
    )
    assert prove_newest_set(message, relay().key.verifying_key) in (None, *Reason)


@every
@given(messages)
def test_a_second_call_gives_the_same_and_changes_nothing(octets):
    message, again = read_message(octets), read_message(octets)
    zone = whole_zone()
    bodies = BodyHashes(message.body)
    first = (
        verify_chain(message, zone, NOW, bodies),
        verify_dkim(message, AUTHOR, zone, NOW, bodies),
    )
    second = (
        verify_chain(message, zone, NOW, bodies),
        verify_dkim(message, AUTHOR, zone, NOW, bodies),
    )
    assert first == second
    assert message == again
    assert dict(zone) == dict(whole_zone())
    assert chain_digest(message) == chain_digest(again)


@every
@given(messages)
def test_every_name_to_look_up_can_be_asked(octets):
    message = read_message(octets)
    for name in dkim.key_names(message, None) | verify.key_names(message):
        labels = name.split(".")
        assert name == name.lower()
        assert name.isascii()
        assert all(0 < len(label) <= 63 for label in labels)


@every
@given(messages)
def test_local_line_ends_do_not_matter(octets):
    local = octets.replace(b"\r", b"")
    wire = to_crlf(local)
    assert to_crlf(wire) == wire
    assert read_message(local) == read_message(wire)


@every
@given(messages)
def test_the_body_of_a_message_on_the_wire_is_left_alone(octets):
    assert read_message(b"X: y\r\n\r\n" + octets).body == octets


@every
@given(messages)
def test_no_field_is_invented(octets):
    wire = to_crlf(octets)
    for field in read_message(octets).fields:
        assert field.raw in wire
        assert field.raw.lower().startswith(field.name)
        assert not re.search(rb"\r\n(?![ \t])", field.raw)


# Canonical forms.


bodies_of_any_kind = st.one_of(
    st.binary(max_size=200),
    st.lists(
        st.sampled_from([b" ", b"\t", b"\r\n", b"\r", b"x", b"\x0b"]), max_size=30
    ).map(b"".join),
).map(to_crlf)


@st.composite
def bodies_across_slices(draw: st.DrawFn) -> bytes:
    """A body whose lines are longer than a slice, with a seam at its border."""
    near = st.lists(st.sampled_from([b" ", b"\t", b"\r", b"\r\n", b"x"]), max_size=12)
    body = b""
    for _ in range(draw(st.integers(1, 2))):
        filler = draw(st.sampled_from([b"x", b" ", b"\r", b"\t x", b"\r\n"]))
        length = SLICE - draw(st.integers(0, 8))
        body += (filler * SLICE)[:length] + b"".join(draw(near))
    return to_crlf(body + draw(st.sampled_from([b"", b"x", b"\r\n", b" ", b"\r"])))


def canonical(body: bytes, how: Canonicalization) -> bytes:
    return b"".join(canonical_body(body, how))


@every
@given(bodies_of_any_kind)
def test_a_body_is_canonicalised_as_the_rfc_says(body):
    assert canonical(body, "relaxed") == relaxed_body(body)
    assert canonical(body, "simple") == simple_body(body)


@some
@given(bodies_across_slices())
def test_a_long_body_is_canonicalised_like_a_short_one(body):
    assert canonical(body, "relaxed") == relaxed_body(body)
    assert canonical(body, "simple") == simple_body(body)


@every
@given(st.one_of(bodies_of_any_kind, soup.map(to_crlf)))
def test_canonical_bodies_are_canonical(body):
    for how in ("simple", "relaxed"):
        once = canonical(body, how)
        assert canonical(once, how) == once
    assert canonical(canonical(body, "simple"), "relaxed") == canonical(body, "relaxed")


@every
@given(bodies_of_any_kind, st.integers(0, 300))
def test_a_limit_cuts_what_is_hashed_and_nothing_else(body, limit):
    for how in ("simple", "relaxed"):
        whole = canonical(body, how)
        cut = BodyHashes(body).digest(how, limit)
        assert cut.length == len(whole)
        assert (
            cut.digest == BodyHashes(whole).digest("simple", limit).digest or not whole
        )


@every
@given(messages)
def test_canonical_fields_are_canonical(octets):
    for field in read_message(octets).fields:
        relaxed = canonical_field(field, "relaxed")
        assert relaxed == relaxed_field(field.raw)
        assert canonical_field(Field(field.name, relaxed), "relaxed") == relaxed
        assert canonical_field(field, "simple") == field.raw


# Parsers.


tag_names = st.from_regex(r"[A-Za-z][A-Za-z0-9_]*", fullmatch=True)
tag_values = st.from_regex(r"([!-:<-~]+([ \t]+[!-:<-~]+)*)?", fullmatch=True)
white_space = st.sampled_from(["", " ", "\t", "\r\n ", " \r\n\t "])


@every
@given(st.dictionaries(tag_names, tag_values, max_size=8), st.data())
def test_a_written_tag_list_reads_back(tags, data):
    def space() -> str:
        return data.draw(white_space)

    text = ";".join(
        f"{space()}{name}{space()}={space()}{value}{space()}"
        for name, value in tags.items()
    )
    assert parse_tag_list(text.encode()) == tags


@every
@given(st.binary(min_size=1), st.data())
def test_written_base64_reads_back(octets, data):
    text = base64.b64encode(octets).decode()
    place = data.draw(st.integers(0, len(text)))
    folded = text[:place] + data.draw(white_space) + text[place:]
    assert parse_base64(folded) == octets


@every
@given(st.integers(0, 10**12 - 1))
def test_a_written_number_reads_back(number):
    assert parse_number(str(number), 12) == number


@every
@given(soup)
def test_parsers_read_or_refuse_and_nothing_else(octets):
    text = octets.decode("utf-8", "surrogateescape")
    for parse in (
        lambda: parse_tag_list(octets),
        lambda: parse_base64(text),
        lambda: parse_number(text, 12),
        lambda: parse_domain(text),
        lambda: unquote_printable(text),
        lambda: parse_key_record(octets, "rsa-sha256"),
    ):
        with contextlib.suppress(MalformedField):
            parse()


@every
@given(st.one_of(st.text(max_size=80), st.from_regex(r"[a-z\u00fc.-]{1,70}")))
def test_a_normalised_domain_stays_as_it_is(text):
    try:
        name = parse_domain(text)
    except MalformedField:
        assume(False)
    assert parse_domain(name) == name
    assert name.isascii()
    assert len(name) <= 253


@every
@given(st.lists(records, max_size=6), st.sampled_from(["rsa-sha256", "ed25519-sha256"]))
def test_any_records_give_keys_or_a_reason(texts, algorithm):
    keys, why = usable_keys(TxtRecords(tuple(texts)), algorithm)
    assert why in Reason
    assert len(keys) <= 3
    assert all(isinstance(key, KeyRecord) for key in keys)
    assert all(algorithm.startswith(key.key.key_type) for key in keys)


@every
@given(messages)
def test_taking_the_signature_out_twice_is_taking_it_out_once(octets):
    for field in read_message(octets).fields:
        once = without_signature(field)
        assert without_signature(once) == once
        assert len(once.raw) <= len(field.raw)


# What was sealed passes.


def seal_with(
    octets: bytes, status: ChainStatus, signer: Signer, results: bytes = b" x; none"
) -> bytes:
    octets = to_crlf(octets)
    message = read_message(octets)
    sealing = Sealing(status, results, NOW)
    fields = seal(message, read_chain(message), sealing, signer.identity)
    return to_wire(fields, octets)


field_names = st.sampled_from(
    ["From", "To", "Cc", "Subject", "DKIM-Signature", "List-Id", "X-Any", "Received"]
)
field_values = st.one_of(
    st.binary(max_size=30),
    st.lists(st.sampled_from([b" ", b"\r\n ", b"\t", b"x", b"\x0b", b"\xff"])).map(
        b"".join
    ),
).map(lambda octets: re.sub(rb"\r?\n(?![ \t])", b" ", octets))


@st.composite
def posts(draw: st.DrawFn) -> bytes:
    """A post with any fields and any body."""
    lines = draw(st.lists(st.tuples(field_names, field_values), max_size=8))
    header = b"".join(name.encode() + b":" + value + b"\r\n" for name, value in lines)
    return header + b"\r\n" + draw(st.one_of(st.binary(max_size=100), soup))


@every
@given(posts(), st.booleans())
def test_what_is_sealed_passes_and_is_proved(octets, use_ed25519):
    key = ed25519_key() if use_ed25519 else rsa_key(1024)
    signer = Signer("lists.example", "any", key)
    octets = seal_with(octets, ChainStatus.NONE, signer)
    verdict = judge_chain(octets, zone_of(signer))
    assert (verdict.status, verdict.oldest_pass) == (ChainStatus.PASS, 0)
    assert prove_newest_set(read_message(octets), key.verifying_key) is None
    other = rsa_key(1024, 8).verifying_key
    assert prove_newest_set(read_message(octets), other) is Reason.SIGNATURE


@every
@given(messages)
def test_whatever_is_sealed_is_proved_or_the_proof_says_why(octets):
    wire = to_crlf(octets)
    message = read_message(wire)
    chain = read_chain(message)
    status = ChainStatus.NONE if chain.is_absent else ChainStatus.FAIL
    assume(not chain.ended and chain.highest < MAX_INSTANCE)
    assume(chain.is_absent or chain.highest > 0)
    sealed = seal_with(wire, status, mailing_list())
    problem = prove_newest_set(read_message(sealed), mailing_list().key.verifying_key)
    # White space on top of a message would continue our lowest field.
    assert problem is None or wire[:1] in (b" ", b"\t")


@some
@given(st.lists(st.booleans(), min_size=1, max_size=8))
def test_the_oldest_pass_is_the_last_hop_that_received_a_change(changes):
    octets = POST
    expected = 0
    for instance, is_changed in enumerate(changes, start=1):
        if is_changed:
            octets = changed(octets, b"Subject: ", b"Subject: again ")
            expected = instance if instance > 1 else 0
        status = ChainStatus.NONE if instance == 1 else ChainStatus.PASS
        octets = seal_with(octets, status, mailing_list())
    verdict = judge_chain(octets, whole_zone())
    assert (verdict.status, verdict.oldest_pass) == (ChainStatus.PASS, expected)


def test_50_sets_can_be_added_and_no_more():
    octets = POST
    key = mailing_list().key.verifying_key
    for instance in range(1, MAX_INSTANCE + 1):
        status = ChainStatus.NONE if instance == 1 else ChainStatus.PASS
        octets = seal_with(octets, status, mailing_list())
        assert prove_newest_set(read_message(octets), key) is None
    verdict = judge_chain(octets, whole_zone())
    assert (verdict.status, verdict.chain.highest) == (ChainStatus.PASS, MAX_INSTANCE)
    with pytest.raises(ValueError, match="nothing may be added"):
        seal_with(octets, ChainStatus.PASS, mailing_list())


# What was changed does not pass.


SEALED = seal_with(chain_of(1, sign_dkim(POST)), ChainStatus.PASS, mailing_list())


def covered_places(octets: bytes) -> list[int]:
    """Where the octets stand that a seal or the newest signature covers."""
    header, _, _ = octets.partition(b"\r\n\r\n")
    places: list[int] = []
    for match in re.finditer(rb"(?s)([!-9;-~]+):(.*?)(?=\r\n(?![ \t])|\Z)", header):
        places += range(match.start(2), match.end(2))
    places += range(len(header) + 4, len(octets))
    newest_signature = octets.index(b" b=") + 3
    end = octets.index(b"\r\nARC-Message", newest_signature)
    return [
        place
        for place in places
        if not newest_signature <= place < end and octets[place] not in b" \t\r\n"
    ]


PLACES = covered_places(SEALED)


@every
@given(st.sampled_from(PLACES), st.integers(0x21, 0xFF))
def test_one_changed_octet_in_what_is_covered_does_not_pass(place, octet):
    assume(SEALED[place] != octet)
    octets = SEALED[:place] + bytes((octet,)) + SEALED[place + 1 :]
    assert judge_chain(octets, whole_zone()).status is ChainStatus.FAIL
    message = read_message(octets)
    assert prove_newest_set(message, mailing_list().key.verifying_key) is not None


@some
@given(st.sampled_from(PLACES))
def test_one_removed_octet_of_what_is_covered_does_not_pass(place):
    octets = SEALED[:place] + SEALED[place + 1 :]
    assert judge_chain(octets, whole_zone()).status is ChainStatus.FAIL


@some
@given(st.integers(0, 160), st.sampled_from(b"AZaz09+/"))
def test_one_changed_letter_of_the_newest_seal_does_not_pass(offset, letter):
    place = SEALED.index(b" b=") + 3 + offset
    assume(SEALED[place] != letter and SEALED[place] not in b" \r\n")
    octets = SEALED[:place] + bytes((letter,)) + SEALED[place + 1 :]
    verdict = judge_chain(octets, whole_zone())
    assert (verdict.reason, verdict.instance) == (Reason.SIGNATURE, 2)


def field_borders(octets: bytes) -> list[int]:
    header, _, _ = octets.partition(b"\r\n\r\n")
    return [0] + [m.end() for m in re.finditer(rb"\r\n(?![ \t])", header)]


@some
@given(
    st.lists(
        st.tuples(
            st.sampled_from(field_borders(SEALED)),
            st.sampled_from([b"X-New: 1", b"Received: by x\r\n\tfor y", b"no field"]),
        ),
        min_size=1,
        max_size=5,
    )
)
def test_fields_that_nobody_signed_change_no_verdict(additions):
    octets = SEALED
    for place, line in sorted(additions, reverse=True):
        octets = octets[:place] + line + b"\r\n" + octets[place:]
    before, after = judge_chain(SEALED, whole_zone()), judge_chain(octets, whole_zone())
    assert (after.status, after.oldest_pass) == (before.status, before.oldest_pass)
    assert judge_dkim(octets, whole_zone()) == judge_dkim(SEALED, whole_zone())


@some
@given(st.permutations(range(6)))
def test_the_order_of_the_arc_fields_changes_no_verdict(order):
    message = read_message(SEALED)
    rest = SEALED.removeprefix(to_wire(message.fields[:6], b""))
    octets = to_wire([message.fields[index] for index in order], rest)
    assert judge_chain(octets, whole_zone()).status is ChainStatus.PASS


# Hostile input.  The longest of these takes well below a second; what is
# quadratic would take minutes, so the limit need not be close.

LIMIT = 20  # seconds
MUCH = MAX_HEADER_OCTETS - 2000
BODY = 4 << 20

SIGNATURE = (
    b"a=rsa-sha256; c=relaxed/relaxed; d=author.example; s=s1; bh=AAAA; b=AAAA; h=from"
)


def hostile() -> Iterator[tuple[str, Callable[[], bytes]]]:
    dkim_field = b"DKIM-Signature: v=1; " + SIGNATURE
    yield "name", lambda: b"a" * MUCH
    yield "name-and-spaces", lambda: b"a" + b" " * MUCH + b"x"
    yield "colons", lambda: b":" * MUCH
    yield "short-fields", lambda: b"a:\r\n" * (MUCH // 4)
    yield "folds", lambda: b"From:" + b"\r\n " * (MUCH // 3)
    yield "folds-and-nul", lambda: b"From:\x00" + b"\r\n " * (MUCH // 3)
    yield "bare-cr", lambda: b"From:" + b"\r " * (MUCH // 2)
    yield "bare-lf", lambda: b"From: x\n " * (MUCH // 12)
    for text in (
        b";",
        b" ",
        b"=",
        b";b",
        b"; b",
        b"b=;",
        b":",
        b"(",
        b")",
        b"\\",
        b"\xff",
    ):
        many = text * (MUCH // len(text))
        yield f"dkim-{text!r}", lambda many=many: dkim_field + many
        for name in (b"ARC-Seal: i=1;", b"ARC-Authentication-Results:", b"ARC-Seal:"):
            yield f"{name!r}-{text!r}", lambda name=name, many=many: name + many
    yield "h", lambda: dkim_field + b":a" * (MUCH // 2)
    yield (
        "h-same",
        lambda: dkim_field + b":from" * (MUCH // 12) + (b"\r\nfrom:" * (MUCH // 16)),
    )
    yield "d", lambda: dkim_field.replace(b"author", b"\xc3\xbc" * (MUCH // 2))
    yield "i", lambda: dkim_field + b"; i=" + b"=41" * (MUCH // 3)
    yield "t", lambda: dkim_field + b"; t=" + b"1" * MUCH
    yield "signatures", lambda: (dkim_field + b"\r\n") * (MUCH // 120)
    yield "seals", lambda: b"ARC-Seal: i=1; cv=none\r\n" * (MUCH // 30)
    yield "results", lambda: b"ARC-Authentication-Results: ((((" * (MUCH // 40)


@pytest.mark.parametrize(("name", "make"), [*hostile()], ids=[n for n, _ in hostile()])
def test_a_hostile_header_is_judged_in_linear_time(name, make):
    octets = make() + b"\r\nFrom: x\r\n\r\nbody"
    started = time.process_time()
    message = read_message(octets)
    bodies = BodyHashes(message.body)
    verify_dkim(message, AUTHOR, whole_zone(), NOW, bodies)
    verify_chain(message, whole_zone(), NOW, bodies)
    chain_digest(message)
    for field in message.fields[:100]:
        canonical_field(field, "relaxed")
        without_signature(field)
    assert time.process_time() - started < LIMIT


@pytest.mark.parametrize(
    "piece", [b" ", b"\t ", b"\r", b" \r", b"\r\n", b" \r\n", b"\n", b"x", b"\r\r\n "]
)
@pytest.mark.parametrize("end", [b"", b"x"])
def test_a_hostile_body_is_hashed_in_linear_time(piece, end):
    body = to_crlf(piece * (BODY // len(piece)) + end)
    started = time.process_time()
    for how in ("simple", "relaxed"):
        BodyHashes(body).digest(how)
    assert time.process_time() - started < LIMIT


def test_a_body_is_hashed_once_however_many_sign_it():
    octets = POST.replace(b"Bye.\r\n", b"Bye.\r\n" * 10)
    for _ in range(5):
        octets = sign_dkim(octets, author())
    octets = chain_of(5, octets)
    message = read_message(octets)
    bodies = BodyHashes(message.body)
    verify_dkim(message, AUTHOR, whole_zone(), NOW, bodies)
    verify_chain(message, whole_zone(), NOW, bodies)
    known = bodies.digest("relaxed")
    assert bodies == BodyHashes(message.body, {("relaxed", None): known})


def test_a_full_chain_asks_for_no_more_names_than_it_has_fields():
    zone = whole_zone()
    judge_chain(chain_of(MAX_INSTANCE), zone)
    assert len(zone.asked) <= 2 * MAX_INSTANCE
