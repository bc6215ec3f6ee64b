"""What we seal verifies elsewhere, and what was changed then does not."""

from __future__ import annotations

import dkim
import pytest

from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.reasons import Reason
from tests.interop.posts import (
    FORMS,
    LARGE,
    POSTS,
    ZONE,
    seal_here,
    sealed_up_to,
    young_list,
)
from tests.interop.sides import ARC, AUTHOR, DKIM, LIST, with_others, with_sides
from tests.support.mail import (
    DKIM as DKIM_TAGS,
    POST,
    chain_of,
    changed,
    judge_chain,
    mailing_list,
    sign_dkim,
)


LONGEST = {
    # What it thinks of each set of a long chain is asked below.
    "dkimpy": 2,
    # Takes seconds for long chains.
    "Mail::DKIM": 4,
    # Takes no instance above 10.
    "rspamd": 10,
    "mailauth": 50,
}


@with_sides(ARC, FORMS)
def test_they_verify_what_we_seal(other, algorithm, forms, post):
    length = 3 if post in LARGE else LONGEST[other.name]
    for octets in sealed_up_to(length, POSTS[post], LIST[algorithm], [forms]):
        opinion = other.ask(octets)
        assert opinion.arc == "pass", opinion


@pytest.mark.parametrize("post", POSTS)
@pytest.mark.parametrize(
    "first", [0, *(pytest.param(each, marks=pytest.mark.peers) for each in (1, 2, 3))]
)
def test_dkimpy_finds_every_set_of_ours_good(first, post):
    length = 10 if post in LARGE else 50
    forms = FORMS[first:] + FORMS[:first]
    *_, octets = sealed_up_to(length, POSTS[post], mailing_list(), forms)

    status, sets, _ = dkim.arc_verify(octets, dnsfunc=ZONE.txt)

    good = [each["instance"] for each in sets if each["ams-valid"] and each["as-valid"]]
    assert (status, good) == (b"pass", list(range(length, 0, -1)))
    verdict = judge_chain(octets, ZONE)
    assert (verdict.status, verdict.oldest_pass) == (ChainStatus.PASS, 0)


@with_others(ARC)
def test_they_verify_what_a_list_changed_and_sealed(other):
    octets = changed(chain_of(1), b"Subject: ", b"Subject: [List] ")
    assert other.ask(seal_here(octets, ChainStatus.PASS)).arc == "pass"


@with_others(ARC)
def test_they_take_a_seal_that_says_fail_for_the_end_of_the_chain(other):
    broken = changed(chain_of(1), b"Subject: ", b"Subject: [List] ")
    octets = seal_here(broken, ChainStatus.FAIL)
    assert other.ask(octets).arc == "fail"
    assert judge_chain(octets, ZONE).reason is Reason.ALREADY_FAILED


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Subject: ", b"Subject: [List] "),
        (b"Bye.", b"Bye!"),
        (b"dkim=pass", b"dkim=fail"),
        (b"i=1; relay.example", b"i=1; other.example"),
        (b"\r\nFrom:", b"\r\nFrom: eve@evil.example\r\nFrom:"),
        (b"cv=pass", b"cv=none"),
    ],
)
@with_others(ARC)
def test_they_find_a_change_after_we_sealed(other, old, new):
    octets = changed(seal_here(chain_of(1), ChainStatus.PASS), old, new)
    assert other.ask(octets).arc == "fail"
    assert judge_chain(octets, ZONE).status is ChainStatus.FAIL


def test_dkimpy_does_not_know_ed25519_in_arc():
    # The reason why the documentation recommends RSA for sealing.
    octets = seal_here(POST, signer=young_list())
    assert dkim.arc_verify(octets, dnsfunc=ZONE.txt)[0] == b"fail"
    assert judge_chain(octets, ZONE).status is ChainStatus.PASS


# We do not sign DKIM; the tests do, with a transcription of the RFC.
@with_sides(DKIM, FORMS)
def test_they_verify_what_the_tests_sign(other, algorithm, forms, post):
    tags = DKIM_TAGS.replace(b"relaxed/relaxed", forms.encode())
    octets = sign_dkim(POSTS[post], AUTHOR[algorithm], tags)
    assert other.ask(octets).dkim_of("author.example") == "pass"


@with_others(ARC)
def test_they_verify_the_chains_of_the_tests(other):
    assert other.ask(chain_of(3)).arc == "pass"
