from __future__ import annotations

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from mailman_arc.mailauth.crypto import (
    make_private_key,
    parse_signing_key,
    parse_verifying_key,
)
from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.reasons import Reason
from tests.support.keys import (
    ed25519_key,
    ed25519_pem,
    rsa_key,
    rsa_pem,
    rsa_private_pem,
    rsa_public_octets,
)


DIGEST = hashlib.sha256(b"what is signed").digest()
OTHER_DIGEST = hashlib.sha256(b"something else").digest()


def pkcs8(pem: bytes, password: bytes | None = None) -> bytes:
    how = BestAvailableEncryption(password) if password else NoEncryption()
    key = load_pem_private_key(pem, None)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, how)


def ec_pem() -> bytes:
    return generate_private_key(SECP256R1()).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def rsa_octets(modulus_bits: int, exponent: int = 65537) -> bytes:
    return rsa_public_octets((1 << (modulus_bits - 1)) + 1, exponent)


@pytest.mark.parametrize(
    ("make_key", "algorithm"),
    [
        (lambda: rsa_key(1024), "rsa-sha256"),
        (lambda: rsa_key(2048), "rsa-sha256"),
        (ed25519_key, "ed25519-sha256"),
    ],
)
def test_a_key_verifies_what_it_signed_and_nothing_else(make_key, algorithm):
    key = make_key()
    signature = key.sign(DIGEST)
    assert key.algorithm == algorithm
    assert key.verifying_key.verifies(signature, DIGEST)
    assert not key.verifying_key.verifies(signature, OTHER_DIGEST)
    assert not key.verifying_key.verifies(signature[:-1], DIGEST)
    assert not key.verifying_key.verifies(signature + b"\0", DIGEST)
    assert not key.verifying_key.verifies(b"", DIGEST)


@pytest.mark.parametrize("make_key", [lambda n: rsa_key(1024, n), ed25519_key])
def test_another_key_of_the_same_kind_does_not_verify(make_key):
    assert not make_key(1).verifying_key.verifies(make_key(0).sign(DIGEST), DIGEST)


@pytest.mark.parametrize("make_key", [lambda: rsa_key(1024), ed25519_key])
def test_signing_twice_gives_the_same_octets(make_key):
    assert make_key().sign(DIGEST) == make_key().sign(DIGEST)


@pytest.mark.parametrize("make_key", [lambda: rsa_key(1024), ed25519_key])
def test_a_published_key_is_the_public_half(make_key):
    key = make_key()
    read = parse_verifying_key(key.key_type, key.verifying_key.record_octets())
    assert (read.key_type, read.bits) == (key.key_type, key.bits)
    assert read.verifies(key.sign(DIGEST), DIGEST)


@pytest.mark.parametrize(
    ("make_pem", "key_type", "bits"),
    [
        (lambda: rsa_pem(1024), "rsa", 1024),
        (lambda: pkcs8(rsa_pem(1024)), "rsa", 1024),
        (ed25519_pem, "ed25519", 256),
    ],
)
def test_a_private_key_is_read_from_pem(make_pem, key_type, bits):
    key = parse_signing_key(make_pem())
    assert (key.key_type, key.bits) == (key_type, bits)


@pytest.mark.parametrize(
    ("make_pem", "why"),
    [
        (lambda: b"", "there is no private key in PEM form in it"),
        (lambda: b"\xff\x00", "there is no private key in PEM form in it"),
        (lambda: rsa_pem(1024)[:400], "there is no private key in PEM form in it"),
        (lambda: pkcs8(rsa_pem(1024), b"x"), "the key is encrypted, which is not sup"),
        (ec_pem, "the key is neither RSA nor Ed25519"),
    ],
)
def test_an_operator_is_told_why_a_key_file_is_of_no_use(make_pem, why):
    with pytest.raises(MalformedField, match=why):
        parse_signing_key(make_pem())


def test_the_representation_of_a_private_key_shows_nothing_of_it():
    # The key is an object of the crypto library, whose repr shows an address.
    text = repr(rsa_key(1024)) + repr(ed25519_key())
    assert "PRIVATE" not in text
    assert "0x" in text


@pytest.mark.parametrize("bits", [1024, 2048, 4096, 8192])
def test_rsa_keys_from_1024_to_8192_bits_may_verify(bits):
    assert parse_verifying_key("rsa", rsa_octets(bits)).bits == bits


@pytest.mark.parametrize(
    ("octets", "reason"),
    [
        (rsa_octets(512), Reason.KEY_TOO_SHORT),
        (rsa_octets(768), Reason.KEY_TOO_SHORT),
        (rsa_octets(1023), Reason.KEY_TOO_SHORT),
        (rsa_octets(8193), Reason.KEY_TOO_LONG),
        (rsa_octets(16384), Reason.KEY_TOO_LONG),
        (rsa_octets(1024, (1 << 64) + 1), Reason.KEY_TOO_LONG),
        (rsa_octets(1024, 1), Reason.KEY_SYNTAX),
        (rsa_octets(1024, 2), Reason.KEY_SYNTAX),
        (rsa_octets(1024) + b"\0", Reason.KEY_SYNTAX),
        (b"", Reason.KEY_SYNTAX),
        (b"\x30\x80", Reason.KEY_SYNTAX),
        (b"no key", Reason.KEY_SYNTAX),
    ],
)
def test_other_rsa_keys_are_refused(octets, reason):
    with pytest.raises(MalformedField) as caught:
        parse_verifying_key("rsa", octets)
    assert caught.value.reason is reason


def test_an_exponent_may_have_64_bits():
    assert parse_verifying_key("rsa", rsa_octets(1024, (1 << 63) + 1)).bits == 1024


def test_an_rsa_key_may_stand_there_in_either_form():
    key = rsa_key(1024)
    wrapped = key.verifying_key.record_octets()
    bare = load_pem_private_key(rsa_pem(1024), None).public_key()
    octets = bare.public_bytes(Encoding.DER, PublicFormat.PKCS1)
    assert octets != wrapped
    assert parse_verifying_key("rsa", octets).verifies(key.sign(DIGEST), DIGEST)


def test_a_key_of_another_kind_in_der_form_is_no_rsa_key():
    key = generate_private_key(SECP256R1()).public_key()
    octets = key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    with pytest.raises(MalformedField) as caught:
        parse_verifying_key("rsa", octets)
    assert caught.value.reason is Reason.KEY_TYPE


@pytest.mark.parametrize("length", [0, 31, 33, 44])
def test_an_ed25519_key_has_32_octets(length):
    with pytest.raises(MalformedField) as caught:
        parse_verifying_key("ed25519", bytes(length))
    assert caught.value.reason is Reason.KEY_SYNTAX


def test_32_octets_that_are_no_point_verify_nothing():
    for octets in (bytes(32), b"\xff" * 32):
        key = parse_verifying_key("ed25519", octets)
        assert not key.verifies(ed25519_key().sign(DIGEST), DIGEST)


def test_a_private_key_that_is_too_short_is_refused_with_its_size():
    pem = rsa_private_pem(2**256 - 189, 2**256 - 357)  # the two largest primes
    with pytest.raises(MalformedField, match="has 512 bits, 1024 to 8192 are"):
        parse_signing_key(pem)


@pytest.mark.parametrize(
    ("key_type", "bits", "made"),
    [("rsa", 2048, 2048), ("rsa", 4096, 4096), ("ed25519", 0, 256)],
)
def test_a_new_key_can_be_read_and_used(key_type, bits, made):
    key = parse_signing_key(make_private_key(key_type, bits))

    assert (key.key_type, key.bits) == (key_type, made)
    assert key.verifying_key.verifies(key.sign(DIGEST), DIGEST)


@pytest.mark.parametrize("bits", [0, 1024, 2047, 4097, 10**9])
def test_no_key_is_made_that_is_too_weak_or_too_long(bits):
    with pytest.raises(ValueError, match=f"2048 to 4096 bits, not {bits}"):
        make_private_key("rsa", bits)
