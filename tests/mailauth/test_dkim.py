from __future__ import annotations

import pytest

from mailman_arc.mailauth.canonical import BodyHashes
from mailman_arc.mailauth.dkim import (
    MAX_SIGNATURES,
    DkimVerdict,
    good_signatures,
    is_still_good,
    key_names,
    signing_domains,
    verify_dkim,
)
from mailman_arc.mailauth.message import MAX_HEADER_OCTETS, read_message
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.results import Result
from tests.support.keys import ed25519_key, key_record, rsa_key
from tests.support.mail import (
    AUTHOR,
    DKIM,
    NOW,
    POST,
    Signer,
    author,
    changed,
    judge_dkim,
    mailing_list,
    relay,
    sign_dkim,
    whole_zone,
    zone_of,
)
from tests.support.zone import NO_DATA, NXDOMAIN, SERVFAIL, Zone, txt


def only_verdict(octets: bytes, zone: Zone | None = None) -> DkimVerdict:
    (verdict,) = judge_dkim(octets, zone if zone is not None else whole_zone())
    return verdict


def outcome(octets: bytes, zone: Zone | None = None) -> tuple[Result, Reason | None]:
    verdict = only_verdict(octets, zone)
    return verdict.result, verdict.reason


def signed_with(old: bytes, new: bytes) -> bytes:
    """A post, validly signed by a signer who writes one thing differently."""
    return sign_dkim(POST, tags=changed(DKIM, old, new))


PASS = (Result.PASS, None)


def test_an_unsigned_post_has_no_verdict():
    assert judge_dkim(POST, whole_zone()) == ()


def test_a_valid_signature_passes():
    octets = sign_dkim(POST)
    verdict = only_verdict(octets)
    start = octets.partition(b" b=")[2].partition(b"\r\n")[0].decode()
    assert verdict == DkimVerdict(
        result=Result.PASS,
        reason=None,
        signing_domain="author.example",
        selector="s1",
        algorithm="rsa-sha256",
        signature_start=start,
        bits=1024,
        testing=False,
        is_complete=True,
    )


def test_an_ed25519_signature_passes():
    signer = Signer(AUTHOR, "ed", ed25519_key())
    verdict = only_verdict(sign_dkim(POST, signer), zone_of(signer))
    assert verdict.result is Result.PASS
    assert (verdict.algorithm, verdict.bits) == ("ed25519-sha256", 256)


@pytest.mark.parametrize(
    "form",
    ["simple", "relaxed", "simple/simple", "simple/relaxed", "relaxed/simple"],
)
def test_every_form_passes(form):
    assert outcome(signed_with(b"relaxed/relaxed", form.encode())) == PASS


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b" c=relaxed/relaxed;", b""),
        (b" t=1767607200;", b""),
        (b"t=1767607200", b"t=999999999999"),  # a clock that is wrong
        (b"t=1767607200", b"t=1; x=1767607200"),
        (b"t=1767607200", b"q=dns/txt"),
        (b"t=1767607200", b"foo=bar"),
        (b"t=1767607200", b"z=From:ann=20(b=3D1)"),
        (b"t=1767607200", b"i=@author.example"),
        (b"t=1767607200", b"i=ann@author.example"),
        (b"t=1767607200", b"i=ann@mail.Author.example"),
        (b"t=1767607200", b"i=a=40b@author.example"),
        (b"d={d}", b"d=AUTHOR.example"),
        (b"h=from:to", b"h=FROM : TO"),
        (b"h=from", b"h=x-absent:from"),
        (b"b={b}", b"b={b};"),
        (b"b={b}", b"b = {b} ; n=behind"),
        (b" v=1;", b"v=1;"),
        (b" bh={bh};\r\n b={b}", b" b={b};\r\n bh={bh}"),
        (b";\r\n", b"\r\n\t;"),
    ],
)
def test_a_signature_written_differently_passes(old, new):
    assert outcome(signed_with(old, new)) == PASS


def test_white_space_in_base64_does_not_matter():
    def fold(text: bytes) -> bytes:
        return b" " + text[:7] + b"\r\n\t " + text[7:20] + b" \t" + text[20:] + b" "

    octets = sign_dkim(POST, fold=fold)
    verdict = only_verdict(octets)
    assert verdict.result is Result.PASS
    assert verdict.signature_start == "".join((verdict.signature_start or "").split())


@pytest.mark.parametrize(
    ("old", "new", "result", "reason"),
    [
        (b"v=1;", b"v=1;;", Result.NEUTRAL, Reason.SYNTAX),
        (b"v=1;", b"v=1; d=x.example;", Result.NEUTRAL, Reason.SYNTAX),
        (b"v=1;", b"v=2;", Result.NEUTRAL, Reason.VERSION),
        (b"v=1;", b"v=;", Result.NEUTRAL, Reason.VERSION),
        (b"v=1;", b"v=1.0;", Result.NEUTRAL, Reason.VERSION),
        (b" v=1;", b"", Result.PERMERROR, Reason.MISSING_TAG),
        (b" v=1;", b" V=1;", Result.PERMERROR, Reason.MISSING_TAG),
        (b" d={d};", b"", Result.PERMERROR, Reason.MISSING_TAG),
        (b"bh={bh}", b"n=x", Result.PERMERROR, Reason.MISSING_TAG),
        (b" b={b}", b" n=", Result.PERMERROR, Reason.MISSING_TAG),
        (b"a={a}", b"a=rsa-sha1", Result.PERMERROR, Reason.SHA1),
        (b"a={a}", b"a=rsa-md5", Result.NEUTRAL, Reason.UNKNOWN_ALGORITHM),
        (b"a={a}", b"a=ed25519-sha256", Result.PERMERROR, Reason.KEY_TYPE),
        (b"d={d}", b"d=***", Result.PERMERROR, Reason.DOMAIN),
        (b"t=1767607200", b"i=@evilauthor.example", Result.PERMERROR, Reason.DOMAIN),
        (b"t=1767607200", b"i=@example", Result.PERMERROR, Reason.DOMAIN),
        (b"t=1767607200", b"i=author.example", Result.PERMERROR, Reason.DOMAIN),
        (b"t=1767607200", b"i=@", Result.PERMERROR, Reason.DOMAIN),
        (b"t=1767607200", b"i=", Result.PERMERROR, Reason.DOMAIN),
        (b"t=1767607200", b"i=a=4@author.example", Result.PERMERROR, Reason.DOMAIN),
        (b"from", b"x-from", Result.PERMERROR, Reason.FROM_NOT_SIGNED),
        (b"c=relaxed/relaxed", b"c=foo", Result.NEUTRAL, Reason.SYNTAX),
        (b"bh={bh}", b"bh=#", Result.NEUTRAL, Reason.SYNTAX),
        (b"bh={bh}", b"bh=AAAA", Result.FAIL, Reason.BODY_HASH),
        (b"b={b}", b"b=#", Result.NEUTRAL, Reason.SYNTAX),
        (b"b={b}", b"b=AAAA", Result.FAIL, Reason.SIGNATURE),
        (b"t=1767607200", b"t=tomorrow", Result.NEUTRAL, Reason.SYNTAX),
        (b"t=1767607200", b"t=5; x=5", Result.NEUTRAL, Reason.SYNTAX),
        (b"t=1767607200", b"x=1767606000", Result.FAIL, Reason.EXPIRED),
        (b"t=1767607200", b"q=http", Result.NEUTRAL, Reason.QUERY_METHOD),
        (b"t=1767607200", b"l=9999", Result.FAIL, Reason.BODY_HASH),
        (b"t=1767607200", b"l=4", Result.POLICY, Reason.BODY_LENGTH),
        (b"s={s}", b"s=unknown", Result.PERMERROR, Reason.NO_KEY),
    ],
)
def test_one_thing_wrong_gives_one_result_and_one_reason(old, new, result, reason):
    octets = sign_dkim(POST, tags=changed(DKIM, old, new, -1))
    assert outcome(octets) == (result, reason)


def test_the_length_may_be_that_of_the_canonical_body():
    assert outcome(signed_with(b"t=1767607200", b"l=21")) == PASS


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        (b"Bye.", b"Bye!", Reason.BODY_HASH),
        (b"Bye.\r\n", b"Bye.\r\n-- \r\nfooter\r\n", Reason.BODY_HASH),
        (b"Subject: ", b"Subject: [List] ", Reason.SIGNATURE),
        (b"ann@", b"eve@", Reason.SIGNATURE),
        (b"t=1767607200", b"t=1767607201", Reason.SIGNATURE),
        (b" t=1767607200;", b"", Reason.SIGNATURE),
        (b"h=from:to:", b"h=to:from:", Reason.SIGNATURE),
        (b"h=from:", b"h=From:", Reason.SIGNATURE),
        (b"\r\nFrom:", b"\r\nFrom: eve@evil.example\r\nFrom:", Reason.SIGNATURE),
        (b"\r\nTo:", b"\r\nFrom: eve@evil.example\r\nTo:", Reason.SIGNATURE),
        (b"Date: ", b"X-Date: ", Reason.SIGNATURE),
    ],
)
def test_a_change_of_what_is_covered_fails(old, new, reason):
    octets = changed(sign_dkim(POST), old, new)
    assert outcome(octets) == (Result.FAIL, reason)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject:", b"X-New: 1\r\nSubject:"),
        (b"Subject:", b"SUBJECT  :"),
        (b"Subject: Meeting\r\n  notes", b"Subject: Meeting notes"),
        (b"Hello  list, \r\n", b"Hello list,\r\n"),
        (b"Bye.\r\n", b"Bye.\r\n \r\n\t\r\n"),
        (b"Bye.\r\n", b"Bye."),
        (b"\r\nSubject", b"\r\nReceived: by x\r\nSubject"),
        # h= names Subject once: the lower one stays signed (RFC 6376 §8.15)
        (b"\r\nSubject:", b"\r\nSubject: another\r\nSubject:"),
    ],
)
def test_a_change_of_what_is_not_covered_passes(old, new):
    assert outcome(changed(sign_dkim(POST), old, new)) == PASS


@pytest.mark.parametrize("where", [b"Subject:", b"Date:"])
def test_a_field_named_once_more_than_it_occurs_cannot_be_added(where):
    octets = signed_with(b"subject:date", b"subject:subject:date")
    assert outcome(octets) == PASS
    octets = changed(octets, b"\r\n" + where, b"\r\nSubject: another\r\n" + where)
    assert outcome(octets) == (Result.FAIL, Reason.SIGNATURE)


def test_fields_of_one_name_are_covered_from_the_bottom_up():
    post = b"Received: one\r\nReceived: two\r\n" + POST
    octets = sign_dkim(post, tags=changed(DKIM, b"h=from", b"h=received:received:from"))
    assert outcome(octets) == PASS
    swapped = b"Received: two\r\nReceived: one\r\n" + POST
    octets = octets.removesuffix(post) + swapped
    assert outcome(octets) == (Result.FAIL, Reason.SIGNATURE)


def test_text_after_the_signed_length_is_not_accepted():
    octets = signed_with(b"t=1767607200", b"l=21") + b"An advertisement.\r\n"
    assert outcome(octets) == (Result.POLICY, Reason.BODY_LENGTH)


def test_a_body_of_blank_lines_is_signed_as_an_empty_one():
    octets = sign_dkim(POST.partition(b"\r\n\r\n")[0] + b"\r\n\r\n \r\n\r\n")
    assert b"bh=47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=" in octets
    assert outcome(octets) == PASS


@pytest.mark.parametrize(
    ("answer", "result", "reason"),
    [
        (NXDOMAIN, Result.PERMERROR, Reason.NO_KEY),
        (NO_DATA, Result.PERMERROR, Reason.NO_KEY),
        (SERVFAIL, Result.TEMPERROR, Reason.KEY_UNAVAILABLE),
        (txt(b"v=spf1 -all"), Result.PERMERROR, Reason.NO_KEY),
        (txt(b"v=DKIM1; p="), Result.PERMERROR, Reason.KEY_REVOKED),
        (txt(b"v=DKIM1; p=x"), Result.PERMERROR, Reason.KEY_SYNTAX),
        (txt(b"v=DKIM1; h=sha1; p=x"), Result.PERMERROR, Reason.KEY_HASH),
        (txt(b"v=DKIM1; s=tlsrpt; p=x"), Result.PERMERROR, Reason.KEY_SERVICE),
    ],
)
def test_without_a_usable_key_there_is_no_pass(answer, result, reason):
    zone = whole_zone().with_records({author().key_name: answer})
    assert outcome(sign_dkim(POST), zone) == (result, reason)


def test_another_key_of_the_domain_does_not_verify():
    record = txt(key_record(rsa_key(1024, 9)))
    zone = whole_zone().with_records({author().key_name: record})
    assert outcome(sign_dkim(POST), zone) == (Result.FAIL, Reason.SIGNATURE)


def test_the_right_one_of_several_records_verifies():
    records = txt(
        b"v=spf1 -all", key_record(rsa_key(1024, 9)), key_record(author().key)
    )
    zone = whole_zone().with_records({author().key_name: records})
    assert outcome(sign_dkim(POST), zone) == PASS


def flagged(flags: bytes) -> Zone:
    record = changed(key_record(author().key), b"k=rsa", b"k=rsa; t=" + flags)
    return Zone({author().key_name: txt(record)})


def test_a_key_can_forbid_subdomains():
    below = signed_with(b"t=1767607200", b"i=@mail.author.example")
    same = signed_with(b"t=1767607200", b"i=@author.example")
    assert outcome(below, flagged(b"y")) == PASS
    assert outcome(below, flagged(b"s")) == (Result.PERMERROR, Reason.KEY_STRICT)
    assert outcome(same, flagged(b"s")) == PASS
    assert outcome(sign_dkim(POST), flagged(b"s")) == PASS


def test_a_key_can_be_in_testing():
    octets = sign_dkim(POST)
    broken = changed(octets, b"Subject", b"X-Subject")
    assert only_verdict(octets, flagged(b"y")).testing
    assert only_verdict(broken, flagged(b"y")).testing
    assert not only_verdict(octets).testing


def test_an_internationalised_domain_is_looked_up_as_a_labels():
    signer = Signer("b\u00fccher.example", "s1", rsa_key(1024))
    record = txt(key_record(signer.key))
    zone = Zone({"s1._domainkey.xn--bcher-kva.example": record})
    verdict = only_verdict(sign_dkim(POST, signer), zone)
    assert verdict.result is Result.PASS
    assert verdict.signing_domain == "xn--bcher-kva.example"


def test_each_signature_has_its_own_verdict_from_the_top():
    octets = changed(sign_dkim(POST), b"Subject: ", b"Subject: [List] ")
    octets = sign_dkim(octets, mailing_list())
    verdicts = judge_dkim(octets, whole_zone())
    assert [(v.signing_domain, v.result, v.reason) for v in verdicts] == [
        ("lists.example", Result.PASS, None),
        ("author.example", Result.FAIL, Reason.SIGNATURE),
    ]


def test_a_signature_may_cover_another_one():
    tags = changed(DKIM, b"h=from", b"h=dkim-signature:from")
    octets = sign_dkim(sign_dkim(POST), mailing_list(), tags)
    results = [verdict.result for verdict in judge_dkim(octets, whole_zone())]
    assert results == [Result.PASS, Result.PASS]
    # No white space may move in what is covered with b= and all.
    changed_inside = changed(octets, b"s=s1", b"s=s1; n=1")
    results = [verdict.result for verdict in judge_dkim(changed_inside, whole_zone())]
    assert results == [Result.FAIL, Result.FAIL]


@pytest.mark.parametrize(
    ("old", "new", "domain", "selector"),
    [
        (b"v=1", b"v=2", "author.example", "s1"),
        (b"d={d}", b"d=Not A Domain", "Not A Domain", "s1"),
        (b"v=1", b"v=1;;", None, None),
    ],
)
def test_what_could_not_be_tested_is_shown_as_written(old, new, domain, selector):
    verdict = only_verdict(signed_with(old, new))
    assert (verdict.signing_domain, verdict.selector) == (domain, selector)
    assert not verdict.is_complete


def test_no_signature_hides_behind_a_heap_of_false_ones():
    octets = sign_dkim(POST)
    for _ in range(5 * MAX_SIGNATURES):
        octets = b"DKIM-Signature: v=1; d=evil.example\r\n" + octets
    octets = sign_dkim(octets, relay())
    verdicts = judge_dkim(octets, whole_zone())
    assert len(verdicts) == MAX_SIGNATURES
    assert verdicts[-1].result is Result.PASS
    assert verdicts[-1].signing_domain == AUTHOR


@pytest.mark.parametrize(
    "author_domain",
    ["author.example", "mail.author.example", "example"],
)
def test_domains_above_and_below_that_of_the_author_come_first(author_domain):
    octets = sign_dkim(POST)
    for number in range(MAX_SIGNATURES):
        signer = Signer(f"other{number}.test", "s1", rsa_key(1024))
        octets = sign_dkim(octets, signer)
    verdicts = judge_dkim(octets, whole_zone(), NOW, author_domain)
    assert AUTHOR in [verdict.signing_domain for verdict in verdicts]
    verdicts = judge_dkim(octets, whole_zone(), NOW, None)
    assert AUTHOR not in [verdict.signing_domain for verdict in verdicts]


def test_the_names_to_look_up_are_told_beforehand():
    octets = sign_dkim(sign_dkim(POST), relay())
    octets = sign_dkim(octets, tags=changed(DKIM, b"a={a}", b"a=rsa-sha1"))
    octets = sign_dkim(octets, tags=changed(DKIM, b"d={d}", b"d=no domain"))
    message = read_message(octets)
    names = key_names(message, AUTHOR)
    assert names == {author().key_name, relay().key_name}
    assert signing_domains(message, AUTHOR) == {"author.example", "relay.example"}
    zone = whole_zone()
    judge_dkim(octets, zone)
    assert set(zone.asked) == names


def test_a_header_that_is_too_long_has_no_verdicts():
    octets = sign_dkim(b"X: " + b"x" * MAX_HEADER_OCTETS + b"\r\n" + POST)
    assert judge_dkim(octets, whole_zone()) == ()


def test_a_signature_inside_an_attached_message_is_not_looked_at():
    octets = b"From: a@author.example\r\n\r\n" + sign_dkim(POST)
    assert judge_dkim(octets, whole_zone()) == ()


STILL_GOOD = (
    (b"\r\nFrom:", b"\r\nList-Id: <l.lists.example>\r\nFrom:", True),
    (b"Hello  list", b"Hello list", True),
    (b"Bye.", b"Bye!", False),
    (b"Bye.\r\n", b"Bye.\r\n-- \r\nfooter\r\n", False),
    (b"Subject: ", b"Subject: [List] ", False),
    (b"ann@author", b"ann=40author", False),
    (b"t=1767607200", b"t=1767607201", False),
)


@pytest.mark.parametrize(("old", "new", "good"), STILL_GOOD)
def test_a_signature_is_known_again_without_its_key(old, new, good):
    octets = sign_dkim(POST)
    message = read_message(octets)
    fingerprints = good_signatures(message, AUTHOR, judge_dkim(octets, whole_zone()))
    copy = read_message(changed(octets, old, new))

    assert len(fingerprints) == 1
    assert is_still_good(message, fingerprints, BodyHashes(message.body))
    assert is_still_good(copy, fingerprints, BodyHashes(copy.body)) is good


@pytest.mark.parametrize(
    ("octets", "zone"),
    [
        (POST, whole_zone()),
        (sign_dkim(POST), Zone({})),
        (changed(sign_dkim(POST), b"Bye.", b"Bye!"), whole_zone()),
        (sign_dkim(POST, tags=DKIM[4:]), whole_zone()),
    ],
)
def test_what_was_not_good_is_not_known_again(octets, zone):
    message = read_message(octets)
    fingerprints = good_signatures(message, AUTHOR, judge_dkim(octets, zone))

    assert not fingerprints
    assert not is_still_good(message, fingerprints, BodyHashes(message.body))


def test_one_good_signature_of_several_is_enough():
    octets = sign_dkim(changed(sign_dkim(POST), b"Bye.", b"Bye!"))
    message = read_message(octets)
    verdicts = judge_dkim(octets, whole_zone())
    fingerprints = good_signatures(message, AUTHOR, verdicts)

    assert [each.result for each in verdicts] == [Result.PASS, Result.FAIL]
    assert len(fingerprints) == 1
    assert is_still_good(message, fingerprints, BodyHashes(message.body))


@pytest.mark.parametrize(
    ("bits", "result", "reason"),
    [
        (1024, Result.PASS, None),
        (1025, Result.PERMERROR, Reason.KEY_TOO_SHORT),
    ],
)
def test_a_site_may_ask_for_longer_keys(bits, result, reason):
    message = read_message(sign_dkim(POST))

    (verdict,) = verify_dkim(
        message, AUTHOR, whole_zone(), NOW, BodyHashes(message.body), bits
    )

    assert (verdict.result, verdict.reason) == (result, reason)
