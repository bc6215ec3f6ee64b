"""The same messages through dkimpy: each side verifies what the other signed."""

from __future__ import annotations

import dkim
import pytest

from mailman_arc.mailauth.arc.chain import read_chain
from mailman_arc.mailauth.arc.seal import Sealing, seal
from mailman_arc.mailauth.arc.verify import ChainStatus
from mailman_arc.mailauth.message import read_message
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.results import Result
from tests.support.keys import ed25519_key, rsa_pem
from tests.support.mail import (
    NOW,
    POST,
    Signer,
    author,
    chain_of,
    changed,
    judge_chain,
    judge_dkim,
    mailing_list,
    relay,
    sign_dkim,
    to_wire,
    whole_zone,
    zone_of,
)


PEM = {signer().domain: rsa_pem(1024, number) for number, signer in enumerate(
    (author, relay, mailing_list)
)}  # fmt: skip
RESULTS = (
    b" lists.example;\r\n dkim=pass header.d=author.example header.s=s1;\r\n"
    b" dmarc=pass header.from=author.example"
)

POSTS = {
    "plain": POST,
    "no-body": POST.partition(b"\r\n\r\n")[0] + b"\r\n\r\n",
    "blank-body": POST.partition(b"\r\n\r\n")[0] + b"\r\n\r\n \r\n\r\n",
    "no-last-line-end": POST.removesuffix(b"\r\n"),
    "blank-lines-at-end": POST + b" \t\r\n\r\n\r\n",
    "wide-white-space": POST.replace(b"Bye.", b"\tBye.  \t Bye. \t"),
    "eight-bit": POST.replace(b"Bye", "Tschüß".encode()),
    "folded": POST.replace(b"notes", b"notes\r\n\tand \t more\r\n  "),
    "list-fields": b"List-Id: <l.example>\r\nReply-To: a@b.example\r\n" + POST,
    "two-of-a-kind": b"Resent-To: a@b.example\r\nResent-To: c@d.example\r\n" + POST,
    "long-body": POST + b"A line of text that goes on and on.\r\n" * 5000,
}


def seal_here(
    octets: bytes,
    status: ChainStatus = ChainStatus.NONE,
    signer: Signer | None = None,
) -> bytes:
    message = read_message(octets)
    sealing = Sealing(status, RESULTS, NOW)
    identity = (signer or mailing_list()).identity
    return to_wire(seal(message, read_chain(message), sealing, identity), octets)


def seal_there(octets: bytes, signer: Signer, arc: bytes = b"") -> bytes:
    domain = signer.domain.encode()
    results = b"Authentication-Results: %s; spf=none%s\r\n" % (domain, arc)
    octets = results + octets
    made = dkim.arc_sign(
        octets,
        signer.selector.encode(),
        domain,
        PEM[signer.domain],
        domain,
        include_headers=[b"from", b"to", b"subject", b"date", b"message-id", b"from"],
        timestamp=str(NOW),
    )
    assert len(made) == 3
    return b"".join(made) + octets


def verdict_there(octets: bytes) -> bytes | None:
    return dkim.arc_verify(octets, dnsfunc=whole_zone().txt)[0]


@pytest.fixture(params=POSTS)
def post(request: pytest.FixtureRequest) -> bytes:
    return POSTS[request.param]


def test_dkimpy_verifies_a_first_seal(post):
    octets = seal_here(post)
    assert verdict_there(octets) == b"pass"
    assert judge_chain(octets, whole_zone()).status is ChainStatus.PASS


def test_dkimpy_verifies_a_seal_over_other_sets(post):
    octets = seal_here(chain_of(2, post), ChainStatus.PASS)
    assert verdict_there(octets) == b"pass"


def test_dkimpy_verifies_what_a_list_changed_and_sealed():
    octets = changed(chain_of(1), b"Subject: ", b"Subject: [List] ")
    assert verdict_there(seal_here(octets, ChainStatus.PASS)) == b"pass"


def test_dkimpy_verifies_fifty_sets():
    octets = POST
    for instance in range(1, 51):
        status = ChainStatus.NONE if instance == 1 else ChainStatus.PASS
        octets = seal_here(octets, status)
    assert verdict_there(octets) == b"pass"


def test_dkimpy_takes_a_seal_that_says_fail_for_the_end_of_the_chain():
    broken = changed(chain_of(1), b"Subject: ", b"Subject: [List] ")
    octets = seal_here(broken, ChainStatus.FAIL)
    assert verdict_there(octets) is None
    assert judge_chain(octets, whole_zone()).reason is Reason.ALREADY_FAILED


def test_dkimpy_does_not_know_ed25519_in_arc():
    # The reason why the documentation recommends RSA for sealing.
    signer = Signer("lists.example", "ed", ed25519_key())
    octets = seal_here(POST, signer=signer)
    assert dkim.arc_verify(octets, dnsfunc=zone_of(signer).txt)[0] == b"fail"
    assert judge_chain(octets, zone_of(signer)).status is ChainStatus.PASS


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
def test_both_find_a_change_after_sealing(old, new):
    octets = changed(seal_here(chain_of(1), ChainStatus.PASS), old, new)
    assert verdict_there(octets) == b"fail"
    assert judge_chain(octets, whole_zone()).status is ChainStatus.FAIL


def test_what_dkimpy_seals_verifies_here(post):
    octets = seal_there(post, relay())
    assert judge_chain(octets, whole_zone()).status is ChainStatus.PASS
    octets = seal_there(octets, mailing_list(), b"; arc=pass")
    verdict = judge_chain(octets, whole_zone())
    assert (verdict.status, verdict.chain.highest) == (ChainStatus.PASS, 2)
    assert verdict.oldest_pass == 0


def test_both_seal_one_chain_in_turn():
    octets = seal_there(POST, relay())
    octets = seal_here(octets, ChainStatus.PASS)
    octets = seal_there(octets, relay(), b"; arc=pass")
    octets = seal_here(octets, ChainStatus.PASS)
    assert verdict_there(octets) == b"pass"
    verdict = judge_chain(octets, whole_zone())
    assert (verdict.status, verdict.chain.highest) == (ChainStatus.PASS, 4)


@pytest.mark.parametrize("body_form", [b"simple", b"relaxed"])
@pytest.mark.parametrize("header_form", [b"simple", b"relaxed"])
def test_what_dkimpy_signs_verifies_here(post, header_form, body_form):
    field = dkim.sign(
        post,
        b"s1",
        b"author.example",
        PEM["author.example"],
        canonicalize=(header_form, body_form),
    )
    (verdict,) = judge_dkim(field + post, whole_zone())
    assert (verdict.result, verdict.reason) == (Result.PASS, None)


def test_what_the_tests_sign_verifies_at_dkimpy(post):
    assert dkim.verify(sign_dkim(post), dnsfunc=whole_zone().txt)
    assert verdict_there(chain_of(2, post)) == b"pass"
