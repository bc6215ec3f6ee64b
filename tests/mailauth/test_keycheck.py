"""What the DNS shows of a key, by its answer."""

from __future__ import annotations

import pytest

from mailman_arc.mailauth.answers import LookupFailed
from mailman_arc.mailauth.keycheck import Found, Publication, find_key
from tests.support.keys import ed25519_key, key_record, public_text, rsa_key, rsa_record
from tests.support.zone import NO_DATA, NXDOMAIN, txt


KEY = rsa_key(2048)
PUBLIC = public_text(KEY)
RECORD = key_record(KEY)
OTHER = key_record(rsa_key(2048, 1))
ED25519 = ed25519_key()
SHOWN = Publication(Found.SHOWN)

ROWS = {
    "the key": (txt(RECORD), SHOWN),
    "no tags but p=": (txt(b"p=" + PUBLIC), SHOWN),
    "spaces in it": (
        txt(b"v=DKIM1 ; k=rsa;p= " + PUBLIC[:99] + b" \t" + PUBLIC[99:] + b" ;"),
        SHOWN,
    ),
    "in testing mode": (txt(b"v=DKIM1; t=y:s; p=" + PUBLIC), SHOWN),
    "beside what is no key": (txt(b"v=spf1 -all", RECORD), SHOWN),
    "twice": (txt(RECORD, RECORD), SHOWN),
    "another key": (txt(OTHER), Publication(Found.OTHER)),
    "a key of another kind": (txt(key_record(ED25519)), Publication(Found.OTHER)),
    "two keys": (txt(OTHER, RECORD), Publication(Found.OTHER, "beside ours")),
    "two keys, ours first": (
        txt(RECORD, OTHER),
        Publication(Found.OTHER, "beside ours"),
    ),
    "revoked": (txt(b"v=DKIM1; k=rsa; p="), Publication(Found.REVOKED)),
    "cut short": (
        txt(RECORD[:-100]),
        Publication(Found.UNUSABLE, "key syntax error"),
    ),
    "for SHA-1 only": (
        txt(b"v=DKIM1; h=sha1; p=" + PUBLIC),
        Publication(Found.UNUSABLE, "hash not allowed by key"),
    ),
    "not for mail": (
        txt(b"v=DKIM1; s=tlsrpt; p=" + PUBLIC),
        Publication(Found.UNUSABLE, "key is not for mail"),
    ),
    "too short": (
        txt(rsa_record(1023)),
        Publication(Found.UNUSABLE, "key too short"),
    ),
    "of another version": (
        txt(b"v=DKIM2; p=" + PUBLIC),
        Publication(Found.MISSING),
    ),
    "no key in it": (txt(b"v=spf1 -all"), Publication(Found.MISSING)),
    "no record": (NO_DATA, Publication(Found.MISSING)),
    "no name": (NXDOMAIN, Publication(Found.MISSING)),
    "no answer": (LookupFailed("SERVFAIL"), Publication(Found.UNKNOWN, "SERVFAIL")),
}


@pytest.mark.parametrize(("answer", "publication"), ROWS.values(), ids=ROWS)
def test_an_answer_shows_the_key_or_something_else(answer, publication):
    assert find_key(answer, KEY.verifying_key) == publication


def test_an_ed25519_key_is_found_too():
    assert find_key(txt(key_record(ED25519)), ED25519.verifying_key) == SHOWN
    assert find_key(txt(RECORD), ED25519.verifying_key).found is Found.OTHER
