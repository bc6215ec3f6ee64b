"""Who vouches for a post that fails DMARC, and who never does."""

from __future__ import annotations

import pytest
from hypothesis import given, strategies as st

from mailman_arc.mailauth.message import read_message
from mailman_arc.policy.inbound import authenticate
from mailman_arc.policy.trust import Trust
from mailman_arc.policy.vouching import (
    NotVouched,
    Sealer,
    override_comment,
    sealers_of,
    who_vouches,
)
from tests.support.keys import rsa_key
from tests.support.mail import (
    MESSAGE_SIGNATURE,
    NOW,
    POST,
    SEAL,
    Signer,
    add_set,
    chain_of,
    changed,
    relay,
    sign_dkim,
    whole_zone,
    zone_of,
)
from tests.support.zone import Zone, txt


RELAY, LISTS, EVIL = "relay.example", "lists.example", "evil.example"
MX = "mx.lists.example"
NOTHING = b" i={i}; {d};\r\n dkim=none; dmarc=none header.from=author.example"
CONFIRMED = b" i={i}; {d}; dmarc=pass header.from=author.example"


def evil() -> Signer:
    return Signer(EVIL, "arc", rsa_key(1024, 7))


def strict_zone(policy: bytes = b"v=DMARC1; p=reject") -> Zone:
    zone = whole_zone().with_records(zone_of(evil()))
    return zone.with_records({"_dmarc.author.example": txt(policy)})


def sealers_in(octets: bytes, zone: Zone | None = None):
    trust = Trust("lists.example", frozenset({MX}))
    message = read_message(octets)
    return sealers_of(authenticate(message, zone or strict_zone(), NOW, trust))


def vouching(octets: bytes, *trusted: str, zone: Zone | None = None):
    """The instance and domain of who vouches, or why nobody does."""
    found = who_vouches(sealers_in(octets, zone), trusted)
    return found if isinstance(found, NotVouched) else (found.instance, found.domain)


def forged(octets: bytes = POST, instance: int = 1) -> bytes:
    """A set of a stranger's that says what a good one would say."""
    results = CONFIRMED.replace(b"{d}", b"relay.example")
    return add_set(octets, instance, evil(), results=results)


# The relay saw the author's signature; then the list did, or did not.
TWO = chain_of(2)
SEEN_BY_RELAY = add_set(chain_of(1), 2, results=NOTHING)
BETWEEN = add_set(add_set(chain_of(1), 2, evil()), 3, results=NOTHING)

CHAINS = (
    (chain_of(1), [RELAY], (1, RELAY)),
    (chain_of(1), [RELAY, LISTS], (1, RELAY)),
    (chain_of(1), [], NotVouched.UNTRUSTED),
    (chain_of(1), [LISTS], NotVouched.UNTRUSTED),
    (chain_of(1), ["example", "sub.relay.example"], NotVouched.UNTRUSTED),
    # Whoever is trusted must have had the last word.
    (TWO, [RELAY], NotVouched.UNTRUSTED),
    (TWO, [LISTS], (2, LISTS)),
    (TWO, [RELAY, LISTS], (2, LISTS)),
    (SEEN_BY_RELAY, [LISTS], NotVouched.UNTRUSTED),
    (SEEN_BY_RELAY, [RELAY], NotVouched.UNTRUSTED),
    (SEEN_BY_RELAY, [RELAY, LISTS], (1, RELAY)),
    (BETWEEN, [RELAY, LISTS], NotVouched.UNTRUSTED),
    (BETWEEN, [RELAY, LISTS, EVIL], (2, EVIL)),
    (forged(), [RELAY], NotVouched.UNTRUSTED),
    (forged(chain_of(1), 2), [RELAY], NotVouched.UNTRUSTED),
    # A trusted list that found nothing itself does not make a forgery true.
    (add_set(forged(), 2, results=NOTHING), [LISTS, RELAY], NotVouched.UNTRUSTED),
    (add_set(POST, 1, results=NOTHING), [RELAY], NotVouched.NOTHING_SAID),
    # It is the seal that counts, which covers the message signature.
    (add_set(POST, 1, evil(), sealer=relay()), [RELAY], (1, RELAY)),
    (add_set(POST, 1, relay(), sealer=evil()), [RELAY], NotVouched.UNTRUSTED),
)


@pytest.mark.parametrize(("octets", "trusted", "expected"), CHAINS)
def test_a_trusted_sealer_vouches_while_all_after_him_are_trusted(
    octets, trusted, expected
):
    assert vouching(octets, *trusted) == expected


def test_domains_are_compared_as_a_labels():
    sealer = Signer("xn--bcher-kva.example", "arc", rsa_key(1024, 1))
    seal = changed(SEAL, b"d={d}", "d=b\xfccher.example".encode())
    octets = add_set(POST, 1, sealer, seal=seal)
    zone = strict_zone().with_records(zone_of(sealer))

    assert vouching(octets, sealer.domain, zone=zone) == (1, sealer.domain)


RECORDED = (
    (b"dmarc=pass header.from=author.example", True),
    (b"dmarc=pass (p=reject) header.from=Author.Example", True),
    (b"dmarc=pass header.from=ann@author.example", True),
    (b"spf=fail; dkim=none; dmarc=pass header.from=author.example", True),
    (b"dmarc=pass", False),
    (b"dmarc=pass header.from=other.example", False),
    (b"dmarc=pass header.from=sub.author.example", False),
    (b"dmarc=pass header.from=example", False),
    (b"dmarc=fail header.from=author.example", False),
    (b"dmarc=bestguesspass header.from=author.example", False),
    (b"dkim=pass header.d=author.example", True),
    (b"dkim=pass header.i=@author.example", True),
    (b"dkim=fail header.d=author.example; dkim=pass header.d=author.example", True),
    (b"dkim=fail header.d=author.example", False),
    (b"dkim=pass", False),
    (b"dkim=pass header.d=other.example", False),
    (b"dkim=pass header.d=other.example header.i=@author.example", False),
    (b"dkim=pass header.d=sub.author.example", False),
    (b"dkim=pass header.d=example", False),
    (b"dkim=pass header.d=..", False),
    (b"spf=pass smtp.mailfrom=author.example", False),
    (b"arc=pass header.d=author.example", False),
    (b"none", False),
    (b"dmarc=pass header.from=author.example (", False),
)


@pytest.mark.parametrize(("recorded", "counts"), RECORDED)
def test_what_was_recorded_must_confirm_the_author(recorded, counts):
    octets = add_set(POST, 1, results=b" i={i}; {d}; " + recorded)

    expected = (1, RELAY) if counts else NotVouched.NOTHING_SAID
    assert vouching(octets, RELAY) == expected


NEWS = changed(POST, b"ann@author", b"ann@a.news.author")
RELAXED = b"v=DMARC1; p=none; adkim=r"


@pytest.mark.parametrize(
    ("policy", "signer", "counts"),
    [
        (RELAXED, b"a.news.author.example", True),
        (RELAXED, b"news.author.example", True),
        (RELAXED, b"author.example", True),
        (RELAXED, b"example", False),
        (RELAXED, b"b.news.author.example", False),
        (RELAXED, b"x.a.news.author.example", False),
        (RELAXED, b"ews.author.example", False),
        (b"v=DMARC1; p=none; adkim=s", b"a.news.author.example", True),
        (b"v=DMARC1; p=none; adkim=s", b"news.author.example", False),
        (b"v=DMARC1; p=none; psd=y", b"a.news.author.example", True),
        (b"v=DMARC1; p=none; psd=y", b"author.example", False),
    ],
)
def test_a_signature_of_a_parent_counts_as_far_as_the_policy_reaches(
    policy, signer, counts
):
    results = b" i={i}; {d}; dkim=pass header.d=" + signer
    octets = add_set(NEWS, 1, results=results)

    expected = (1, RELAY) if counts else NotVouched.NOTHING_SAID
    assert vouching(octets, RELAY, zone=strict_zone(policy)) == expected


SHORT = changed(MESSAGE_SIGNATURE, b"c=relaxed/relaxed;", b"c=relaxed/relaxed; l=5;")
LONG = changed(MESSAGE_SIGNATURE, b"c=relaxed/relaxed;", b"c=relaxed/relaxed; l=21;")


@pytest.mark.parametrize(
    ("octets", "why"),
    [
        (sign_dkim(chain_of(1)), NotVouched.NOT_NEEDED),
        (changed(chain_of(1), b"author", b"other", -1), NotVouched.NOT_NEEDED),
        (POST, NotVouched.NO_CHAIN),
        (changed(chain_of(1), b"Bye", b"bye"), NotVouched.CHAIN),
        (changed(chain_of(2), b"i=1; a=", b"i=7; a="), NotVouched.CHAIN),
        (
            b"Authentication-Results: mx.lists.example; arc=fail\r\n" + chain_of(1),
            NotVouched.CHAIN,
        ),
        (add_set(POST, 1, signature=SHORT), NotVouched.UNSIGNED_TEXT),
    ],
)
def test_nobody_can_vouch(octets, why):
    assert vouching(octets, RELAY) is why


def test_nobody_can_vouch_while_the_dns_does_not_answer():
    octets = b"Authentication-Results: mx.lists.example; arc=pass\r\n" + chain_of(1)
    zone = Zone({"_dmarc.author.example": txt(b"v=DMARC1; p=reject")})

    assert vouching(octets, RELAY, zone=zone) is NotVouched.CHAIN


def test_text_behind_what_an_older_signature_covers_was_there_for_the_newer_one():
    octets = add_set(add_set(POST, 1, signature=SHORT), 2, results=NOTHING)

    assert vouching(octets, RELAY, LISTS) == (1, RELAY)


def test_a_length_that_covers_all_leaves_no_room():
    assert vouching(add_set(POST, 1, signature=LONG), RELAY) == (1, RELAY)


chains = st.lists(
    st.tuples(st.sampled_from("abc"), st.booleans()), min_size=1, max_size=8
)


@given(chains, st.sets(st.sampled_from("abcd")))
def test_it_takes_one_word_and_trust_from_there_to_the_newest(chain, trusted):
    sealers = [
        Sealer(instance, domain, "s", confirms)
        for instance, (domain, confirms) in enumerate(chain, 1)
    ]

    found = who_vouches(sealers[::-1], trusted)

    good = [
        each
        for each in sealers
        if each.confirms
        and all(later.domain in trusted for later in sealers[each.instance - 1 :])
    ]
    assert found == good[-1] if good else isinstance(found, NotVouched)


def test_the_comment_is_that_of_reports():
    first = b" i={i}; {d}; arc=none smtp.remote-ip=192.0.2.7; dkim=pass"
    second = b" i={i}; {d}; arc=pass smtp.remote-ip=192.0.2.99; dkim=pass"
    octets = add_set(add_set(POST, 1, results=first), 2, results=second)

    assert override_comment(sealers_in(octets)) == (
        "local_policy arc=pass as[2].d=lists.example as[2].s=arc "
        "as[1].d=relay.example as[1].s=arc remote-ip[1]=192.0.2.7"
    )


@pytest.mark.parametrize("address", [b"192.0.2", b'"1 evil"', b"unknown"])
def test_what_is_no_address_is_not_repeated(address):
    results = b" i={i}; {d}; arc=none smtp.remote-ip=" + address

    assert "remote" not in override_comment(
        sealers_in(add_set(POST, 1, results=results))
    )
