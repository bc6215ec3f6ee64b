"""Any record is a key that can be used, or MalformedField with a Reason."""

from __future__ import annotations

import sys
from pathlib import Path


if __name__ == "__main__":
    sys.path[0] = str(Path(__file__).parents[2])
    from tests.fuzz.engine import run_file

    sys.exit(run_file(__file__))

import base64

from mailman_arc.mailauth.answers import TxtRecords
from mailman_arc.mailauth.keyrecord import MAX_KEYS, parse_key_record, usable_keys
from mailman_arc.mailauth.reasons import Reason
from tests.fuzz.harness import (
    AUTHOR,
    KEY_WORDS,
    PART,
    RECORD,
    Refused,
    folded,
    readings,
    steady,
)
from tests.support.keys import key_record, rsa_public_octets, rsa_record


WORDS = (*KEY_WORDS, RECORD, RECORD + b"p=")
SEEDS = (
    key_record(AUTHOR.key),
    rsa_record(1024),
    rsa_record(1023),
    b"v=DKIM1; p=",
    b"p=AAAA; k=ed25519; t=y:s; h=sha256; s=email",
    b"v=DKIM1; k=rsa" + RECORD + key_record(AUTHOR.key),
    PART + rsa_public_octets((1 << 1023) + 1, 65537),
    PART + rsa_public_octets((1 << 1023) + 2, 65537),
    PART + rsa_public_octets((1 << 1023) + 1, 1),
    PART + rsa_public_octets((1 << 1023) + 1, 2),
    PART + rsa_public_octets((1 << 8191) + 1, 3),
)

DIGEST = bytes(32)


def check(data: bytes) -> None:
    if data.startswith(PART):
        octets = base64.b64encode(data[1:])
        check_records((b"k=rsa; p=" + octets, b"k=ed25519; p=" + octets))
        return
    for octets in readings(data, WORDS):
        check_records(tuple(octets.split(RECORD)))


def check_records(texts: tuple[bytes, ...]) -> None:
    for algorithm in ("rsa-sha256", "ed25519-sha256"):
        found = [steady(parse_key_record, text, algorithm) for text in texts]
        good = [each for each in found if not isinstance(each, Refused)]
        keys, why = usable_keys(TxtRecords(texts), algorithm)
        assert list(keys) == good[:MAX_KEYS]
        assert isinstance(why, Reason)
        refused = [each.reason for each in found if isinstance(each, Refused)]
        assert all(isinstance(reason, Reason) for reason in refused)
        for key in keys:
            assert algorithm.startswith(key.key.key_type + "-")
            assert not key.key.verifies(folded(texts[0], (b"a", b"\0")), DIGEST)
            assert not key.key.verifies(bytes(key.key.bits // 8), DIGEST)
