from __future__ import annotations

import re
from dataclasses import replace

import pytest

from mailman_arc.mailauth.arc.chain import MAX_INSTANCE, read_chain
from mailman_arc.mailauth.arc.seal import (
    OVERSIGNED_FIELDS,
    SIGNED_FIELDS,
    Sealing,
    SealingIdentity,
    prove_newest_set,
    seal,
)
from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import MAX_HEADER_OCTETS, Field, read_message
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.tags import parse_tag_list
from tests.support.keys import ed25519_key, rsa_key
from tests.support.mail import (
    NOW,
    POST,
    Signer,
    add_set,
    chain_of,
    changed,
    judge_chain,
    mailing_list,
    relay,
    sign_dkim,
    to_wire,
    whole_zone,
    without_field,
    zone_of,
)


RESULTS = b" lists.example;\r\n arc=none"
KEY = mailing_list().key.verifying_key


def sealing(status: ChainStatus, **more: object) -> Sealing:
    return replace(Sealing(status, RESULTS, NOW), **more)  # type: ignore[arg-type]


def seal_fields(
    octets: bytes,
    status: ChainStatus = ChainStatus.NONE,
    signer: Signer | None = None,
    **more: object,
) -> tuple[Field, Field, Field]:
    message = read_message(octets)
    identity = (signer or mailing_list()).identity
    return seal(message, read_chain(message), sealing(status, **more), identity)


def sealed(
    octets: bytes,
    status: ChainStatus = ChainStatus.NONE,
    signer: Signer | None = None,
    **more: object,
) -> bytes:
    return to_wire(seal_fields(octets, status, signer, **more), octets)


def tags_of(field: Field) -> dict[str, str]:
    return parse_tag_list(field.value)


def proof(octets: bytes, key=KEY) -> Reason | None:
    return prove_newest_set(read_message(octets), key)


def test_a_post_without_a_chain_gets_the_first_set():
    octets = sealed(POST)
    verdict = judge_chain(octets, whole_zone())
    assert (verdict.status, verdict.chain.highest) == (ChainStatus.PASS, 1)
    assert tags_of(read_message(octets).fields[0])["cv"] == "none"
    assert proof(octets) is None


def test_a_post_with_a_good_chain_gets_the_next_set():
    octets = sealed(chain_of(2), ChainStatus.PASS)
    verdict = judge_chain(octets, whole_zone())
    assert (verdict.status, verdict.chain.highest) == (ChainStatus.PASS, 3)
    assert verdict.oldest_pass == 0
    assert proof(octets) is None


def test_a_list_seals_what_it_has_changed():
    octets = changed(chain_of(2), b"Subject: ", b"Subject: [List] ")
    octets = sealed(octets, ChainStatus.PASS)
    verdict = judge_chain(octets, whole_zone())
    assert (verdict.status, verdict.oldest_pass) == (ChainStatus.PASS, 3)


def test_a_seal_over_a_failed_chain_covers_its_own_set_only():
    broken = changed(chain_of(2), b"i=1; relay.example", b"i=1; other.example")
    octets = sealed(broken, ChainStatus.FAIL)
    verdict = judge_chain(octets, whole_zone())
    assert (verdict.reason, verdict.instance) == (Reason.ALREADY_FAILED, 3)
    assert proof(octets) is None
    # Whatever else happens to the older sets, the proof is the same.
    assert proof(changed(octets, b"cv=none", b"cv=nono")) is None


def test_a_failed_chain_is_sealed_above_its_highest_number():
    broken = without_field(chain_of(3), b"ARC-Seal: i=2")
    octets = sealed(broken, ChainStatus.FAIL)
    assert tags_of(read_message(octets).fields[0])["i"] == "4"
    assert proof(octets) is None


def test_an_ed25519_key_seals_too():
    signer = Signer("lists.example", "ed", ed25519_key())
    octets = sealed(POST, ChainStatus.NONE, signer)
    assert judge_chain(octets, zone_of(signer)).status is ChainStatus.PASS
    assert proof(octets, signer.key.verifying_key) is None


def test_nothing_is_added_to_a_chain_that_has_ended():
    octets = add_set(chain_of(1), 2, cv=b"fail")
    with pytest.raises(ValueError, match="nothing may be added"):
        seal_fields(octets, ChainStatus.FAIL)


def test_a_set_can_be_the_50th_but_not_the_51st():
    octets = sealed(chain_of(MAX_INSTANCE - 1), ChainStatus.PASS)
    assert judge_chain(octets, whole_zone()).status is ChainStatus.PASS
    with pytest.raises(ValueError, match="nothing may be added"):
        seal_fields(octets, ChainStatus.PASS)


def test_the_fields_are_written_so_that_every_validator_reads_them():
    seal_field, signature, results = seal_fields(POST)
    assert re.fullmatch(
        rb"ARC-Seal: i=1; a=rsa-sha256; cv=none;\r\n"
        rb" d=lists.example; s=arc; t=1767607200;\r\n"
        rb" b=[A-Za-z0-9+/]{72}\r\n  [A-Za-z0-9+/]{72}\r\n  [A-Za-z0-9+/]{27}=",
        seal_field.raw,
    )
    assert re.fullmatch(
        rb"ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed;\r\n"
        rb" d=lists.example; s=arc; t=1767607200;\r\n"
        rb" h=[a-z:-]+(\r\n  [a-z:-]+)*;\r\n"
        rb" bh=[A-Za-z0-9+/]{43}=;\r\n"
        rb" b=[A-Za-z0-9+/]{72}\r\n  [A-Za-z0-9+/]{72}\r\n  [A-Za-z0-9+/]{27}=",
        signature.raw,
    )
    assert results.raw == b"ARC-Authentication-Results: i=1;" + RESULTS


def test_lines_are_short():
    post = b"".join(name.title().encode() + b": x\r\n" for name in SIGNED_FIELDS * 20)
    signer = Signer("lists.example", "arc", rsa_key(4096))
    for field in seal_fields(post + b"\r\n", signer=signer):
        assert max(map(len, field.raw.split(b"\r\n"))) <= 78
        assert not any(line.isspace() for line in field.raw.split(b"\r\n"))


def names_in(field: Field) -> list[str]:
    return tags_of(field)["h"].replace(" ", "").split(":")


def test_fields_are_named_as_often_as_they_occur_and_some_once_more():
    post = (
        b"Received: by x\r\nList-Id: <l>\r\nReply-To: a\r\nReply-To: b\r\n"
        b"X-Own: 1\r\nDKIM-Signature: x\r\nAuthentication-Results: x\r\n" + POST
    )
    names = names_in(seal_fields(post)[1])
    assert names == [
        "from", "reply-to", "reply-to", "to", "subject", "date", "message-id",
        "list-id", "dkim-signature",
        "from", "reply-to", "to", "subject", "date", "message-id",
    ]  # fmt: skip


def test_from_is_named_even_if_there_is_none():
    assert names_in(seal_fields(b"To: x\r\n\r\n")[1]) == ["to", "from", "to"]
    assert names_in(seal_fields(b"\r\n")[1]) == ["from"]


def test_no_field_may_be_added_that_is_named_once_more():
    post = sealed(POST)
    for name in ("From", "Subject", "To", "Date", "Message-ID"):
        octets = changed(post, b"\r\nFrom:", b"\r\n%s: x\r\nFrom:" % name.encode())
        assert judge_chain(octets, whole_zone()).reason is Reason.SIGNATURE


def test_an_outgoing_server_may_add_its_own_signature_and_fields():
    octets = b"Received: by x\r\nReturn-Path: <>\r\n" + sign_dkim(sealed(POST), relay())
    assert judge_chain(octets, whole_zone()).status is ChainStatus.PASS


@pytest.mark.parametrize(
    "name",
    [
        "received", "return-path", "bcc", "resent-bcc", "comments", "keywords",
        "authentication-results", "arc-authentication-results",
        "arc-message-signature", "arc-seal",
    ],
)  # fmt: skip
def test_what_must_not_be_signed_is_not(name):
    assert name not in SIGNED_FIELDS


def test_only_signed_fields_are_named_once_more():
    assert set(OVERSIGNED_FIELDS) <= set(SIGNED_FIELDS)
    assert "dkim-signature" not in OVERSIGNED_FIELDS


def test_the_fields_to_sign_can_be_chosen():
    fields = seal_fields(
        POST, signed_fields=("subject", "from"), oversigned_fields=("subject", "cc")
    )
    assert names_in(fields[1]) == ["subject", "from", "subject"]


def test_an_address_of_the_key_that_is_no_domain_is_refused():
    message = read_message(POST)
    identity = SealingIdentity("not a domain", "arc", mailing_list().key)
    with pytest.raises(MalformedField):
        seal(message, read_chain(message), sealing(ChainStatus.NONE), identity)


def test_sealing_changes_nothing_and_gives_the_same_again():
    message = read_message(chain_of(2))
    chain = read_chain(message)
    before = (message.fields, message.body)
    made = [
        seal(message, chain, sealing(ChainStatus.PASS), mailing_list().identity)
        for _ in range(2)
    ]
    assert made[0] == made[1]
    assert (message.fields, message.body) == before
    assert read_chain(message) == chain


# The proof that what leaves is what was signed.


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"Bye.", b"Bye!", Reason.BODY_HASH),
        (b"Subject: ", b"Subject: [List] ", Reason.SIGNATURE),
        (b"arc=none", b"arc=fail", Reason.SIGNATURE),
        (b"cv=pass", b"cv=none", Reason.CHAIN_STATUS),
        (b"i=1; relay.example", b"i=1; other.example", Reason.SIGNATURE),
        (b"i=1; relay.example", b"i=9; relay.example", Reason.GAP),
        (b"ARC-Seal: i=3", b"X-Seal: i=3", Reason.GAP),
        (b"ARC-Seal: i=3", b"X-New: 1\r\nARC-Seal: i=3", Reason.GAP),
        (b"ARC-Seal: i=3;", b"ARC-Seal: i=3;;", Reason.SYNTAX),
        (b"ARC-Message-Signature: i=3;", b"ARC-Message-Signature: i", Reason.SYNTAX),
        (b"ARC-Seal: i=3; a=", b"ARC-Seal: i=3; h=; a=", Reason.SEAL_SIGNS_HEADERS),
        (b" h=from:", b" h=arc-seal:from:", Reason.SIGNS_SEAL),
    ],
)
def test_a_change_after_sealing_is_found(old, new, reason):
    octets = sealed(chain_of(2), ChainStatus.PASS)
    assert proof(changed(octets, old, new)) is reason


def test_another_key_proves_nothing():
    octets = sealed(chain_of(2), ChainStatus.PASS)
    assert proof(octets, relay().key.verifying_key) is Reason.SIGNATURE
    assert proof(octets, ed25519_key().verifying_key) is Reason.SIGNATURE


def test_a_message_without_a_set_on_top_is_not_proved():
    assert proof(POST) is Reason.GAP
    assert proof(b"") is Reason.GAP
    too_long = b"X: " + b"x" * MAX_HEADER_OCTETS + b"\r\n" + sealed(POST)
    assert proof(too_long) is Reason.GAP


def test_a_message_made_of_local_line_ends_is_proved_on_the_wire():
    local = POST.replace(b"\r\n", b"\n")
    octets = to_wire(seal_fields(local), POST)
    assert proof(octets) is None
    assert judge_chain(octets, whole_zone()).status is ChainStatus.PASS


@pytest.mark.parametrize(
    ("octets", "status"),
    [
        (POST, ChainStatus.PASS),
        (POST, ChainStatus.FAIL),
        (chain_of(1), ChainStatus.NONE),
        (b"ARC-Seal: i=1; cv=none\r\n" + POST, ChainStatus.PASS),
    ],
)
def test_a_status_that_does_not_go_with_the_chain_is_refused(octets, status):
    with pytest.raises(ValueError, match="cannot be sealed"):
        seal_fields(octets, status)
