from __future__ import annotations

import random

import pytest

from mailman_arc.mailauth.arc.chain import MAX_INSTANCE, TaggedField
from mailman_arc.mailauth.arc.verify import (
    ChainStatus,
    key_names,
    parse_message_signature,
    parse_seal,
    verify_chain,
)
from mailman_arc.mailauth.canonical import BodyHashes
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.message import (
    MAX_HEADER_OCTETS,
    make_field,
    read_message,
)
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.tags import parse_tag_list
from tests.support.keys import ed25519_key, key_record, rsa_key
from tests.support.mail import (
    MESSAGE_SIGNATURE,
    NOW,
    POST,
    SEAL,
    Signer,
    add_set,
    chain_of,
    changed,
    judge_chain,
    mailing_list,
    relay,
    whole_zone,
    without_field,
    zone_of,
)
from tests.support.zone import NO_DATA, NXDOMAIN, SERVFAIL, Zone, txt


PASS = (ChainStatus.PASS, None, None)


def outcome(
    octets: bytes, zone: Zone | None = None
) -> tuple[ChainStatus, Reason | None, int | None]:
    verdict = judge_chain(octets, zone if zone is not None else whole_zone())
    return verdict.status, verdict.reason, verdict.instance


def failed(
    reason: Reason, instance: int | None
) -> tuple[ChainStatus, Reason, int | None]:
    return ChainStatus.FAIL, reason, instance


def sealed_with(old: bytes, new: bytes, count: int = 1) -> bytes:
    """A first set whose sealer writes one thing in both fields differently."""
    signature = MESSAGE_SIGNATURE.replace(old, new, count)
    seal = SEAL.replace(old, new, count)
    assert (signature, seal) != (MESSAGE_SIGNATURE, SEAL)
    return add_set(POST, signature=signature, seal=seal)


def signed_with(old: bytes, new: bytes) -> bytes:
    """A first set whose ARC-Message-Signature is written differently."""
    return add_set(POST, signature=changed(MESSAGE_SIGNATURE, old, new, -1))


def seal_with(old: bytes, new: bytes) -> bytes:
    """A first set whose ARC-Seal is written differently."""
    return add_set(POST, seal=changed(SEAL, old, new))


def test_a_post_without_arc_fields_has_no_chain():
    assert outcome(POST) == (ChainStatus.NONE, None, None)


def test_sets_inside_an_attached_message_are_no_chain():
    octets = b"From: a@author.example\r\n\r\n" + chain_of(1)
    assert outcome(octets) == (ChainStatus.NONE, None, None)


@pytest.mark.parametrize("length", [1, 2, 3, 7])
def test_a_good_chain_passes(length):
    verdict = judge_chain(chain_of(length), whole_zone())
    assert (verdict.status, verdict.reason, verdict.instance) == PASS
    assert verdict.oldest_pass == 0
    assert verdict.chain.highest == length


def test_50_sets_pass():
    assert outcome(chain_of(MAX_INSTANCE)) == PASS


def test_an_ed25519_chain_passes():
    signer = Signer("relay.example", "ed", ed25519_key())
    assert outcome(add_set(POST, 1, signer), zone_of(signer)) == PASS


def test_the_two_signatures_of_a_set_may_have_different_keys_and_domains():
    signer = Signer("relay.example", "ed", ed25519_key())
    octets = add_set(POST, 1, signer, sealer=mailing_list())
    assert outcome(octets, zone_of(signer, mailing_list())) == PASS


def test_the_order_of_the_fields_does_not_matter():
    octets = chain_of(3)
    header = octets.removesuffix(POST)
    fields = header.replace(b"\r\nARC", b"\r\n\0ARC").split(b"\0")
    for seed in range(5):
        random.Random(seed).shuffle(fields)
        assert outcome(b"".join(fields) + POST) == PASS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"ARC-Seal:", b"arc-SEAL :"),
        (b"ARC-Authentication-Results: i=1;", b"ARC-Authentication-Results:\t i=1; "),
        (b" d=relay.example;", b"\t  d=relay.example;\r\n\t"),
        (b"dkim=pass header", b"dkim=pass\r\n\theader"),
        (b"\r\nFrom:", b"\r\nX-New: 1\r\nFrom:"),
        (b"Subject: Meeting\r\n  notes", b"SUBJECT:Meeting notes"),
        (b"Hello  list, ", b"Hello\tlist,"),
    ],
)
def test_a_change_that_relaxed_canonicalisation_forgives_passes(old, new):
    assert outcome(changed(chain_of(1), old, new)) == PASS


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"Bye.", b"Bye!", Reason.BODY_HASH),
        (b"Bye.\r\n", b"Bye.\r\n-- \r\nfooter\r\n", Reason.BODY_HASH),
        (b"Subject: ", b"Subject: [List] ", Reason.SIGNATURE),
        (b"\r\nTo:", b"\r\nFrom: eve@evil.example\r\nTo:", Reason.SIGNATURE),
        (b"dkim=pass", b"dkim=fail", Reason.SIGNATURE),
        (b"dkim=pass", b"dkim= pass", Reason.SIGNATURE),
        (b"cv=none;", b"cv=none; n=1;", Reason.SIGNATURE),
        (b"cv=none", b"cv=NONE", Reason.SIGNATURE),
        (b"c=relaxed/relaxed", b"c=relaxed/simple", Reason.BODY_HASH),
        (b"c=relaxed/relaxed", b"c=simple/relaxed", Reason.SIGNATURE),
    ],
)
def test_a_change_of_what_is_covered_fails(old, new, reason):
    assert outcome(changed(chain_of(1), old, new)) == failed(reason, 1)


# How sealers may write a tag of both fields, or of one of them.


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"a={a};", b"a={a}; foo=bar;"),
        (b" i={i};", b"i={i};"),
        (b" i={i};", b" i=0{i};"),
        (b" i={i}; a={a};", b" a={a}; i = {i} ;"),
        (b" t=1767607200;", b""),
        (b"t=1767607200", b"t=999999999999"),
        (b"d={d}", b"d=Relay.EXAMPLE"),
        (b"b={b}", b"b={b};"),
        (b"b={b}", b"b={b} \r\n\t;\r\n "),
        (b"a={a}", b"v=1; a={a}"),
        (b"a={a}", b"v=2; a={a}"),
        (b"a={a}", b"A=rsa-sha1; a={a}"),
    ],
)
def test_a_set_written_differently_passes(old, new):
    assert outcome(sealed_with(old, new)) == PASS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"c=relaxed/relaxed", b"c=relaxed"),
        (b"c=relaxed/relaxed", b"c=simple"),
        (b"c=relaxed/relaxed", b"c=simple/relaxed"),
        (b"h=from:to", b"h=FROM : To"),
        (b"h=from:to", b"h=from:x-ms-exchange-0:x-ms-exchange-1:to"),
        (b"h=from:to", b"h=from::to"),
        (b"h=from:to", b"h=from:authentication-results:to"),
        (b"subject", b"subject:subject"),
        (b"t=1767607200", b"t=1767607200; x=1767607201"),
        (b"t=1767607200", b"q=dns/txt"),
        (b"t=1767607200", b"l=5"),  # what follows is not covered, and passes
        (b"t=1767607200", b"l=21"),
        (b"t=1767607200", b"z=From:x"),
        (b"t=1767607200", b"cv=fail"),
    ],
)
def test_a_message_signature_written_differently_passes(old, new):
    assert outcome(signed_with(old, new)) == PASS


@pytest.mark.parametrize(
    "names", [b"arc-authentication-results", b"arc-message-signature"]
)
def test_a_message_signature_that_covers_older_sets_passes(names):
    # A sealer must not (RFC 8617 §4.1.2), but many did.
    tags = changed(MESSAGE_SIGNATURE, b"h=from", b"h=%s:from" % names)
    assert outcome(add_set(chain_of(1), 2, signature=tags)) == PASS


@pytest.mark.parametrize("form", ["simple/simple", "relaxed/relaxed"])
def test_without_c_both_readings_are_tried(form):
    tags = changed(MESSAGE_SIGNATURE, b" c=relaxed/relaxed;", b"")
    post = changed(POST, b"Bye.", b"Bye.  Bye. ")
    octets = add_set(post, signature=tags, form=form)
    assert outcome(octets) == PASS
    assert outcome(changed(octets, b"Bye.", b"Bye!")) == failed(Reason.BODY_HASH, 1)
    broken = changed(octets, b"Subject: ", b"Subject: [List] ")
    assert outcome(broken)[0] is ChainStatus.FAIL


def test_a_given_c_is_taken_at_its_word():
    tags = changed(MESSAGE_SIGNATURE, b"c=relaxed/relaxed", b"c=simple/simple")
    octets = changed(add_set(POST, signature=tags), b"Subject:", b"SUBJECT:")
    assert outcome(octets) == failed(Reason.SIGNATURE, 1)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"t=1767607200", b"c=simple/simple"),
        (b"t=1767607200", b"bh=AAAA"),
        (b"t=1767607200", b"x=1"),  # x= is no tag of a seal (RFC 8617 §4.1.3)
        (b"t=1767607200", b"q=http; l=0; z=1"),
        (b"cv={cv}", b"cv=None"),
        (b" a={a}; cv={cv};", b" cv={cv}; a={a};"),
    ],
)
def test_a_seal_written_differently_passes(old, new):
    assert outcome(seal_with(old, new)) == PASS


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b" a={a};", b"", Reason.MISSING_TAG),
        (b"a={a}", b"A={a}", Reason.MISSING_TAG),
        (b" d={d};", b"", Reason.MISSING_TAG),
        (b" s={s};", b"", Reason.MISSING_TAG),
        (b" b={b}", b" n=", Reason.MISSING_TAG),
        (b"a={a}", b"a=rsa-sha1", Reason.SHA1),
        (b"a={a}", b"a=RSA-SHA256", Reason.UNKNOWN_ALGORITHM),
        (b"a={a}", b"a=ed25519-sha256", Reason.KEY_TYPE),
        (b"d={d}", b"d=", Reason.DOMAIN),
        (b"d={d}", b"d=***", Reason.DOMAIN),
        (b"d={d}", b"d=relay.example.", Reason.DOMAIN),
        (b"s={s}", b"s=", Reason.DOMAIN),
        (b"s={s}", b"s=unknown", Reason.NO_KEY),
        (b" b={b}", b" b=", Reason.SYNTAX),
        (b" b={b}", b" b=*", Reason.SYNTAX),
        (b" b={b}", b" b=AAAA", Reason.SIGNATURE),
        (b"t=1767607200", b"t=abc", Reason.SYNTAX),
        (b"t=1767607200", b"t=", Reason.SYNTAX),
        (b"t=1767607200", b"t=12 345", Reason.SYNTAX),
        (b"t=1767607200", b"t=-1.2", Reason.SYNTAX),
        (b"t=1767607200", b"t=1234567890123", Reason.SYNTAX),
    ],
)
@pytest.mark.parametrize("write", [signed_with, seal_with])
def test_one_wrong_tag_of_either_field_fails(write, old, new, reason):
    assert outcome(write(old, new)) == failed(reason, 1)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"bh={bh}", b"n=x", Reason.MISSING_TAG),
        (b"bh={bh}", b"bh=", Reason.SYNTAX),
        (b"bh={bh}", b"bh=no", Reason.SYNTAX),
        (b"bh={bh}", b"bh=AAAA", Reason.BODY_HASH),
        (b"c=relaxed/relaxed", b"c=", Reason.SYNTAX),
        (b"c=relaxed/relaxed", b"c=foo/bar", Reason.SYNTAX),
        (b"\r\n h=from:to:subject:date:message-id:from;", b"", Reason.MISSING_TAG),
        (b"from:to:subject:date:message-id:from", b"", Reason.SYNTAX),
        (b"from", b"x-from", Reason.FROM_NOT_SIGNED),
        (b"h=from:to", b"h=from:arc-seal:to", Reason.SIGNS_SEAL),
        (b"h=from:to", b"h=from:ARC-Seal :to", Reason.SIGNS_SEAL),
        (b"t=1767607200", b"l=9999", Reason.BODY_HASH),
        (b"t=1767607200", b"l=x", Reason.SYNTAX),
        (b"t=1767607200", b"x=1767600000", Reason.EXPIRED),
        (b"t=1767607200", b"t=5; x=4", Reason.SYNTAX),
        (b"t=1767607200", b"q=http", Reason.QUERY_METHOD),
    ],
)
def test_one_wrong_tag_of_a_message_signature_fails(old, new, reason):
    assert outcome(signed_with(old, new)) == failed(reason, 1)


@pytest.mark.parametrize("tag", [b"h=from", b"h=", b"h=x"])
def test_a_seal_may_not_say_which_fields_it_signs(tag):
    octets = seal_with(b"t=1767607200", tag)
    assert outcome(octets) == failed(Reason.SEAL_SIGNS_HEADERS, 1)


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"a={a};", b"a={a};;", Reason.SYNTAX),
        (b"a={a};", b"a={a}; d=x.example;", Reason.SYNTAX),
        (b"a={a};", b"a={a}; word;", Reason.SYNTAX),
        (b"a={a};", b"a={a}; 1=2;", Reason.SYNTAX),
        (b"i={i};", b"i=(c){i};", Reason.INSTANCE),
        (b"i={i};", b"i=0;", Reason.INSTANCE),
        (b"i={i};", b"i=51;", Reason.INSTANCE),
    ],
)
@pytest.mark.parametrize("write", [signed_with, seal_with])
def test_what_cannot_be_read_fails_without_an_instance(write, old, new, reason):
    assert outcome(write(old, new)) == failed(reason, None)


@pytest.mark.parametrize(
    "results",
    [
        b" (comment) i = {i} ; {d}; none",
        b"\r\n\ti={i};\r\n\t{d};\r\n\tnone",
        b" i={i}; complete garbage (((",
        b" i={i}; {d}; dkim=pass header.d=never.example",
        b" i={i}; {d}; note=\xc3\xbc",
        b"i={i};",
    ],
)
def test_results_are_covered_but_not_judged(results):
    octets = add_set(POST, results=results)
    assert outcome(octets) == PASS
    assert outcome(changed(octets, b"i=1", b"n=2; i=1", 1)) != PASS


@pytest.mark.parametrize(
    "results", [b" {d}; i={i}; spf=pass", b" i={i} {d}; spf=pass", b" {d}; none"]
)
def test_results_without_an_instance_fail(results):
    octets = add_set(POST, results=results)
    assert outcome(octets) == failed(Reason.INSTANCE, None)


# Chains of several sets.


@pytest.mark.parametrize("cv", [b"pass", b"maybe", b""])
def test_a_first_set_with_another_cv_than_none_fails(cv):
    assert outcome(add_set(POST, cv=cv)) == failed(Reason.CHAIN_STATUS, 1)


@pytest.mark.parametrize("cv", [b"none", b"maybe", b""])
def test_a_later_set_with_another_cv_than_pass_fails(cv):
    octets = add_set(chain_of(1), 2, cv=cv)
    assert outcome(octets) == failed(Reason.CHAIN_STATUS, 2)


def test_a_chain_whose_newest_seal_says_fail_fails_without_a_lookup():
    zone = whole_zone()
    octets = add_set(chain_of(1), 2, cv=b"fail")
    assert outcome(octets, zone) == failed(Reason.ALREADY_FAILED, 2)
    assert zone.asked == []


def test_a_seal_that_says_fail_below_a_newer_set_fails():
    octets = add_set(add_set(POST, cv=b"fail"), 2)
    assert outcome(octets) == failed(Reason.CHAIN_STATUS, 1)


@pytest.mark.parametrize(
    "start",
    [
        b"ARC-Seal: i=1", b"ARC-Message-Signature: i=1",
        b"ARC-Authentication-Results: i=1",
    ],
)  # fmt: skip
def test_a_chain_that_lost_a_field_fails(start):
    octets = without_field(chain_of(2), start)
    assert outcome(octets) == failed(Reason.GAP, 1)


def test_a_chain_that_lost_its_newest_set_is_the_shorter_chain():
    octets = chain_of(3)
    shorter = chain_of(2)
    assert octets.endswith(shorter)
    assert outcome(shorter) == PASS


def list_changes(octets: bytes) -> bytes:
    return changed(octets, b"Subject: ", b"Subject: [List] ")


def test_a_list_that_seals_what_it_changed_keeps_the_chain():
    octets = add_set(list_changes(chain_of(1)), 2)
    verdict = judge_chain(octets, whole_zone())
    assert (verdict.status, verdict.oldest_pass) == (ChainStatus.PASS, 2)


def test_the_oldest_pass_is_the_set_since_which_nothing_changed():
    octets = add_set(list_changes(chain_of(1)), 2)
    octets = add_set(add_set(octets, 3), 4)
    assert judge_chain(octets, whole_zone()).oldest_pass == 2


def test_the_oldest_pass_stops_at_the_first_failure():
    # The third set restores what the second one signed changed: the first and
    # the third are good (RFC 8617 §5.2 step 5).
    octets = add_set(list_changes(chain_of(1)), 2)
    octets = add_set(changed(octets, b"[List] ", b""), 3)
    verdict = judge_chain(octets, whole_zone())
    assert (verdict.status, verdict.oldest_pass) == (ChainStatus.PASS, 3)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"t=1767607200", b"x=5"),
        (b"t=1767607200", b"t=abc"),
        (b"a={a}", b"a=rsa-sha1"),
        (b"h=from", b"h=arc-seal:from"),
        (b"s={s}", b"s=unknown"),
        (b"bh={bh}", b"n=x"),
    ],
)
def test_an_older_message_signature_of_any_kind_does_not_break_the_chain(old, new):
    octets = add_set(signed_with(old, new), 2)
    verdict = judge_chain(octets, whole_zone())
    assert (verdict.status, verdict.oldest_pass) == (ChainStatus.PASS, 2)


def test_a_newest_message_signature_that_does_not_verify_fails():
    octets = list_changes(chain_of(2))
    assert outcome(octets) == failed(Reason.SIGNATURE, 2)


@pytest.mark.parametrize("instance", [1, 2, 3])
def test_every_seal_must_verify(instance):
    octets = chain_of(instance - 1)
    octets = add_set(octets, instance, seal=changed(SEAL, b"b={b}", b"b=AAAA"))
    for later in range(instance + 1, 4):
        octets = add_set(octets, later)
    assert outcome(octets) == failed(Reason.SIGNATURE, instance)


def test_a_seal_over_its_own_set_only_does_not_verify_in_a_chain():
    # As RFC 8617 §5.1.2 has it for a failed chain, but saying pass.
    own_only = add_set(POST, 2)
    octets = own_only.removesuffix(POST) + chain_of(1)
    assert outcome(octets) == failed(Reason.SIGNATURE, 2)


def refold_signature(octets: bytes, field: bytes) -> bytes:
    """Fold the b= of one field at another place."""
    start = octets.index(field)
    place = octets.index(b" b=", start) + 40
    return octets[:place] + b"\r\n " + octets[place:]


@pytest.mark.parametrize(
    ("field", "instance"),
    [
        (b"ARC-Seal: i=1", 2),
        (b"ARC-Message-Signature: i=1", 2),
        (b"ARC-Message-Signature: i=2", 2),
    ],
)
def test_no_base64_that_a_seal_covers_may_be_folded_again(field, instance):
    octets = refold_signature(chain_of(2), field)
    assert outcome(octets) == failed(Reason.SIGNATURE, instance)


def test_the_base64_of_the_newest_seal_may_be_folded_again():
    assert outcome(refold_signature(chain_of(2), b"ARC-Seal: i=2")) == PASS


def test_white_space_in_base64_does_not_matter_while_nobody_changes_it():
    def fold(text: bytes) -> bytes:
        return b" " + text[:7] + b"\r\n\t " + text[7:20] + b" \t" + text[20:] + b" "

    assert outcome(add_set(add_set(POST, fold=fold), 2, fold=fold)) == PASS


def test_two_fields_of_one_name_are_covered_from_the_bottom_up():
    tags = changed(MESSAGE_SIGNATURE, b"h=from", b"h=received:received:from")
    post = b"Received: one\r\nReceived: two\r\n" + POST
    octets = add_set(post, signature=tags)
    assert outcome(octets) == PASS
    swapped = b"Received: two\r\nReceived: one\r\n" + POST
    octets = octets.removesuffix(post) + swapped
    assert outcome(octets) == failed(Reason.SIGNATURE, 1)


# Keys.


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (NXDOMAIN, Reason.NO_KEY),
        (NO_DATA, Reason.NO_KEY),
        (SERVFAIL, Reason.KEY_UNAVAILABLE),
        (txt(b"v=DKIM1; p="), Reason.KEY_REVOKED),
        (txt(b"v=DKIM1; p=*"), Reason.KEY_SYNTAX),
        (txt(b"v=DKIM1; h=sha1; p=x"), Reason.KEY_HASH),
        (txt(b"v=DKIM1; s=foo; p=x"), Reason.KEY_SERVICE),
        (txt(b"v=spf1 -all"), Reason.NO_KEY),
    ],
)
@pytest.mark.parametrize(
    ("signer", "sealer", "who"),
    [(relay(), mailing_list(), relay()), (relay(), mailing_list(), mailing_list())],
)
def test_any_trouble_with_a_key_fails(signer, sealer, who, answer, reason):
    octets = add_set(POST, 1, signer, sealer=sealer)
    zone = whole_zone().with_records({who.key_name: answer})
    verdict = judge_chain(octets, zone)
    assert (verdict.status, verdict.reason) == (ChainStatus.FAIL, reason)
    assert verdict.is_unjudged is (answer is SERVFAIL)


def test_trouble_with_the_key_of_an_older_seal_fails_and_tells_which():
    zone = whole_zone().with_records({relay().key_name: SERVFAIL})
    assert outcome(chain_of(3), zone) == failed(Reason.KEY_UNAVAILABLE, 1)


def test_the_flag_that_forbids_subdomains_means_nothing_here():
    record = changed(key_record(relay().key), b"k=rsa", b"k=rsa; t=s:y")
    zone = whole_zone().with_records({relay().key_name: txt(record)})
    assert outcome(chain_of(1), zone) == PASS


def test_every_key_of_the_selector_is_tried():
    records = txt(key_record(rsa_key(1024, 9)), key_record(relay().key))
    zone = whole_zone().with_records({relay().key_name: records})
    assert outcome(chain_of(1), zone) == PASS


def test_a_key_of_4096_bits_verifies():
    signer = Signer("relay.example", "big", rsa_key(4096))
    assert outcome(add_set(POST, 1, signer), zone_of(signer)) == PASS


def test_the_names_to_look_up_are_told_beforehand():
    octets = add_set(chain_of(2), 3, seal=changed(SEAL, b"d={d}", b"d=no domain"))
    octets = add_set(
        octets, 4, signature=changed(MESSAGE_SIGNATURE, b"bh={bh}", b"n=x")
    )
    names = key_names(read_message(octets))
    assert names == {relay().key_name, mailing_list().key_name}
    assert key_names(read_message(POST)) == set()


def test_nothing_else_is_looked_up():
    octets = add_set(list_changes(chain_of(3)), 4)
    zone = whole_zone()
    judge_chain(octets, zone)
    assert set(zone.asked) == key_names(read_message(octets))


def test_without_the_oldest_pass_only_the_newest_message_signature_is_looked_at():
    older = Signer("relay.example", "older", rsa_key(1024, 1))
    octets = add_set(add_set(POST, 1, older, sealer=relay()), 2)
    message, zone = read_message(octets), whole_zone()

    verdict = verify_chain(
        message, zone, NOW, BodyHashes(message.body), find_oldest_pass=False
    )

    assert (verdict.status, verdict.oldest_pass) == (ChainStatus.PASS, None)
    assert [each.message_signature is None for each in verdict.sets] == [True, False]
    assert set(zone.asked) == key_names(message, find_oldest_pass=False)
    assert key_names(message) - set(zone.asked) == {older.key_name}


def test_a_header_that_is_too_long_fails():
    octets = b"X: " + b"x" * MAX_HEADER_OCTETS + b"\r\n" + POST
    assert outcome(octets) == failed(Reason.HEADER_TOO_LONG, None)


def tagged(value: bytes) -> TaggedField:
    return TaggedField(make_field(b"ARC-Seal", value), 0, parse_tag_list(value))


def test_the_place_of_the_key_is_brought_to_a_labels():
    seal = parse_seal(tagged(b"a=rsa-sha256; b=AAAA; d=B\xc3\xbccher.Example; s=S1"))
    assert seal.key_name == "s1._domainkey.xn--bcher-kva.example"


def test_a_message_signature_is_a_signature():
    value = b"i=1; a=rsa-sha256; b=AAAA; bh=AAAA; d=a.example; h=from; s=s"
    assert parse_message_signature(tagged(value)).signing_domain == "a.example"
    with pytest.raises(MalformedField):
        parse_message_signature(tagged(changed(value, b"h=from", b"h=from:arc-seal")))


LONG = Signer("relay.example", "long", rsa_key(2048, 1))
SHORT = Signer("relay.example", "short", rsa_key(1024, 1))


@pytest.mark.parametrize(
    ("signer", "sealer", "reason"),
    [
        (LONG, LONG, None),
        (SHORT, LONG, Reason.KEY_TOO_SHORT),
        (LONG, SHORT, Reason.KEY_TOO_SHORT),
    ],
)
def test_a_site_may_ask_for_longer_keys(signer, sealer, reason):
    message = read_message(add_set(POST, 1, signer, sealer=sealer))
    bodies = BodyHashes(message.body)

    verdict = verify_chain(message, zone_of(LONG, SHORT), NOW, bodies, 2048)

    assert verdict.reason is reason


def test_an_older_message_signature_may_have_a_shorter_key():
    octets = add_set(add_set(POST, 1, SHORT, sealer=LONG), 2, LONG)
    message = read_message(octets)
    bodies = BodyHashes(message.body)

    verdict = verify_chain(message, zone_of(LONG, SHORT), NOW, bodies, 2048)

    assert (verdict.status, verdict.oldest_pass) == (ChainStatus.PASS, 2)
