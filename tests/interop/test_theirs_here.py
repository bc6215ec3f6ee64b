"""What others seal and sign verifies here, and what was changed then does not."""

from __future__ import annotations

import pytest

from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.results import Result
from tests.interop.posts import FORMS, LARGE, POSTS, ZONE, seal_here
from tests.interop.sides import ARC, AUTHOR, DKIM, can_sign, with_others, with_sides
from tests.support.mail import (
    POST,
    add_set,
    author,
    chain_of,
    changed,
    judge_chain,
    judge_dkim,
    mailing_list,
    relay,
)


# All seal relaxed/relaxed, and with RSA only.
SEALERS = tuple(side for side in ARC if side[1] == "rsa")

# rspamd 3.4 seals older sets in the wrong order, and nobody verifies that.
MOST_SETS_BELOW = {"rspamd": 1}


@with_sides(SEALERS, ["relaxed/relaxed"])
def test_what_they_seal_verifies_here(other, algorithm, forms, post):
    octets = POSTS[post]
    for below in range(1 + MOST_SETS_BELOW.get(other.name, 2 if post in LARGE else 10)):
        octets = add_set(octets, below) if below else octets
        sealed = other.seal(octets, mailing_list(), "pass" if below else "none")
        verdict = judge_chain(sealed, ZONE)
        assert (verdict.status, verdict.reason) == (ChainStatus.PASS, None)
        assert (verdict.chain.highest, verdict.oldest_pass) == (below + 1, 0)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: ", b"Subject: [List] "),
        (b"Bye.", b"Bye!"),
        (b"dkim=pass", b"dkim=fail"),
        (b"i=1; relay.example", b"i=1; other.example"),
        (b"cv=none", b"cv=pass"),
    ],
)
@with_others(ARC)
def test_a_change_after_they_sealed_is_found(other, old, new):
    sealed = other.seal(chain_of(1), mailing_list(), "pass")
    assert judge_chain(sealed, ZONE).status is ChainStatus.PASS
    octets = changed(sealed, old, new)
    assert judge_chain(octets, ZONE).status is ChainStatus.FAIL


@with_others(ARC)
def test_they_and_we_seal_one_chain_in_turn(other, introduce):
    octets = seal_here(other.seal(POST, relay(), "none"), ChainStatus.PASS)
    octets = introduce("Mail::DKIM").seal(octets, author(), "pass")
    octets = seal_here(octets, ChainStatus.PASS)
    octets = introduce("dkimpy").seal(octets, mailing_list(), "pass")
    octets = seal_here(octets, ChainStatus.PASS)

    assert other.ask(octets).arc == "pass"
    verdict = judge_chain(octets, ZONE)
    assert (verdict.status, verdict.chain.highest) == (ChainStatus.PASS, 6)


@with_sides(DKIM, FORMS, can_sign)
def test_what_they_sign_verifies_here(other, algorithm, forms, post):
    (verdict,) = judge_dkim(other.sign(POSTS[post], AUTHOR[algorithm], forms), ZONE)
    assert (verdict.result, verdict.reason) == (Result.PASS, None)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: ", b"Subject: [List] "),
        (b"Bye.", b"Bye!"),
        (b"ann@", b"eve@"),
    ],
)
@with_others(DKIM)
def test_a_change_after_they_signed_is_found(other, old, new):
    signed = other.sign(POST, author(), "relaxed/relaxed")
    (verdict,) = judge_dkim(changed(signed, old, new), ZONE)
    assert verdict.result is Result.FAIL
