"""Messages whose verdict is known (tests/vectors/README.md says from where)."""

from __future__ import annotations

import base64
import hashlib
import textwrap
import tomllib
from pathlib import Path
from typing import Any

import pytest

from mailman_arc.mailauth.arc.chain import ArcSet, TaggedField, read_chain
from mailman_arc.mailauth.arc.seal import Sealing, SealingIdentity, seal
from mailman_arc.mailauth.arc.verify import (
    ChainStatus,
    parse_message_signature,
    seal_digests,
)
from mailman_arc.mailauth.crypto import SigningKey, parse_signing_key
from mailman_arc.mailauth.message import Field, WireMessage, read_message
from mailman_arc.mailauth.reasons import Reason
from mailman_arc.mailauth.signature import header_hash_input
from mailman_arc.mailauth.tags import parse_base64, parse_tag_list
from tests.support.keys import ed25519_pem_of, key_record
from tests.support.mail import judge_chain, judge_dkim, to_wire
from tests.support.zone import Zone, txt


VECTORS = Path(__file__).parents[1] / "vectors"
CASES = sorted(path.parent.name for path in VECTORS.glob("*/message.eml"))
SEALED_AT = 1767607260
SIGNED_BY_THE_VECTORS = ("from", "to", "subject", "date", "message-id")


RSA_PEM = "RSA PRIVATE KEY"


def octets_of(case: str) -> bytes:
    return (VECTORS / case / "message.eml").read_bytes()


def zone_of_case(case: str) -> Zone:
    records = tomllib.loads((VECTORS / case / "dns.toml").read_text())
    return Zone({name: txt(text.encode()) for name, text in records.items()})


def expected_of(case: str) -> dict[str, Any]:
    return tomllib.loads((VECTORS / case / "expected.toml").read_text())


def sample_keys() -> dict[str, SigningKey]:
    texts = tomllib.loads((VECTORS / "rfc8463-sample-keys.toml").read_text())
    lines = textwrap.fill(texts["rsa_pkcs1"], 64)
    pem = f"-----BEGIN {RSA_PEM}-----\n{lines}\n-----END {RSA_PEM}-----\n"
    return {
        "rsa": parse_signing_key(pem.encode()),
        "ed25519": parse_signing_key(
            ed25519_pem_of(base64.b64decode(texts["ed25519_seed"]))
        ),
    }


def without_newest_set(message: WireMessage, octets: bytes) -> bytes:
    top = message.fields[:3]
    return octets.removeprefix(to_wire(top, b""))


def seal_again(case: str, status: ChainStatus, selector: str, key: SigningKey):
    """Take the newest set of a vector off, and make it anew."""
    octets = octets_of(case)
    message = read_message(octets)
    below = read_message(without_newest_set(message, octets))
    sealing = Sealing(
        status,
        message.fields[2].value.removeprefix(b" i=2;"),
        SEALED_AT,
        SIGNED_BY_THE_VECTORS,
        ("from",),
    )
    identity = SealingIdentity("lists.example", selector, key)
    return seal(below, read_chain(below), sealing, identity), message, below


def packed(field: Field) -> bytes:
    return b"".join(field.raw.split())


def test_every_vector_is_run():
    assert len(CASES) == 6


@pytest.mark.parametrize("case", CASES)
def test_the_octets_are_those_that_were_signed(case):
    found = hashlib.sha256(octets_of(case)).hexdigest()
    assert found == expected_of(case)["octets_sha256"]


@pytest.mark.parametrize("case", CASES)
def test_the_chain_has_the_known_verdict(case):
    expected = expected_of(case)["chain"]
    verdict = judge_chain(octets_of(case), zone_of_case(case), SEALED_AT)
    reason = expected.get("reason")
    assert verdict.status == expected["status"]
    assert verdict.reason is (reason and Reason[reason])
    assert verdict.instance == expected.get("instance")
    assert verdict.oldest_pass == expected.get("oldest_pass", 0)


@pytest.mark.parametrize("case", CASES)
def test_the_dkim_signatures_have_the_known_verdicts(case):
    expected = expected_of(case).get("dkim", [])
    verdicts = judge_dkim(octets_of(case), zone_of_case(case), SEALED_AT)
    found = [
        {name: getattr(verdict, name) for name in row}
        for verdict, row in zip(verdicts, expected, strict=True)
    ]
    assert found == expected


@pytest.mark.parametrize(
    "case", [case for case in CASES if "newest_set" in expected_of(case)]
)
def test_what_is_hashed_is_what_was_worked_out_by_hand(case):
    expected = expected_of(case)["newest_set"]
    message = read_message(octets_of(case))
    newest = newest_set(message)
    signature = parse_message_signature(newest.message_signature)
    hashed = header_hash_input(signature, message)
    assert signature.body_hash == base64.b64decode(expected["body_hash"])
    assert len(hashed) == expected["header_input_octets"]
    assert hashlib.sha256(hashed).hexdigest() == expected["header_input_sha256"]
    # A seal with cv=fail covers its own set only (RFC 8617 §5.1.2).
    chain = read_chain(message)
    covered = (newest,) if chain.ended else chain.sets
    assert seal_digests(covered)[-1].hex() == expected["seal_input_sha256"]


def newest_set(message: WireMessage) -> ArcSet:
    seal_field, signature, results = message.fields[:3]
    return ArcSet(
        read_chain(message).highest,
        results,
        TaggedField(signature, 1, parse_tag_list(signature.value)),
        TaggedField(seal_field, 0, parse_tag_list(seal_field.value)),
    )


def test_the_sample_keys_are_those_of_the_dns():
    published = zone_of_case("rfc8463-both-signatures")
    keys = sample_keys()
    assert published == {
        "brisbane._domainkey.football.example.com": txt(
            key_record(keys["ed25519"]),
        ),
        "test._domainkey.football.example.com": txt(key_record(keys["rsa"])),
    }


@pytest.mark.parametrize(
    ("case", "status", "selector", "key"),
    [
        ("two-sets", ChainStatus.PASS, "arc", "rsa"),
        ("two-sets-ed25519", ChainStatus.PASS, "ed", "ed25519"),
        ("failed-chain-sealed", ChainStatus.FAIL, "arc", "rsa"),
    ],
)
def test_the_sealer_makes_the_same_message_signature_again(case, status, selector, key):
    made, message, _ = seal_again(case, status, selector, sample_keys()[key])
    known = message.fields[:3]
    assert packed(made[1]) == packed(known[1])  # differs in the folding of b= only
    assert made[2] == known[2]


@pytest.mark.parametrize(
    ("case", "status", "selector", "key"),
    [
        ("two-sets", ChainStatus.PASS, "arc", "rsa"),
        ("two-sets-ed25519", ChainStatus.PASS, "ed", "ed25519"),
        ("failed-chain-sealed", ChainStatus.FAIL, "arc", "rsa"),
    ],
)
def test_the_seal_differs_only_by_the_folding_of_what_it_covers(
    case, status, selector, key
):
    signing_key = sample_keys()[key]
    made, message, below = seal_again(case, status, selector, signing_key)
    # The message signature as the vector folds it, under the seal made here.
    own = ArcSet(
        2,
        made[2],
        TaggedField(message.fields[1], 1, {}),
        TaggedField(made[0], 0, {}),
    )
    covered = (own,) if status is ChainStatus.FAIL else (*read_chain(below).sets, own)
    known = parse_tag_list(message.fields[0].value)
    again = parse_tag_list(made[0].value)
    assert signing_key.sign(seal_digests(covered)[-1]) == parse_base64(known.pop("b"))
    assert again.pop("b") != ""
    assert again == known


def test_what_the_sealer_makes_of_the_vector_passes():
    octets = octets_of("two-sets")
    made, _, below = seal_again(
        "two-sets", ChainStatus.PASS, "arc", sample_keys()["rsa"]
    )
    rest = without_newest_set(read_message(octets), octets)
    verdict = judge_chain(to_wire(made, rest), zone_of_case("two-sets"), SEALED_AT)
    assert (verdict.status, verdict.oldest_pass) == (ChainStatus.PASS, 2)
    assert read_message(rest) == below
