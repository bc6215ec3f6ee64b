"""Keys, made when first asked for and kept for the session; none is in git."""

from __future__ import annotations

import base64
import functools

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from mailman_arc.mailauth.crypto import SigningKey, parse_signing_key


def rsa_pem(bits: int = 2048, number: int = 0) -> bytes:
    """A PKCS#1 key in PEM form; another `number` is another key."""
    return _made_rsa_pem(bits, number)


def ed25519_pem(number: int = 0) -> bytes:
    """A PKCS#8 key in PEM form; another `number` is another key."""
    return _made_ed25519_pem(number)


def ed25519_pem_of(seed: bytes) -> bytes:
    """The PEM form of the key whose seed these 32 octets are."""
    return Ed25519PrivateKey.from_private_bytes(seed).private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    )


def rsa_key(bits: int = 2048, number: int = 0) -> SigningKey:
    return _read(rsa_pem(bits, number))


def ed25519_key(number: int = 0) -> SigningKey:
    return _read(ed25519_pem(number))


def key_record(key: SigningKey) -> bytes:
    """The TXT record that publishes the public half (RFC 6376 §3.6.1)."""
    return b"v=DKIM1; k=%s; p=%s" % (key.key_type.encode(), public_text(key))


def public_text(key: SigningKey) -> bytes:
    """What stands in `p=`."""
    return base64.b64encode(key.verifying_key.record_octets())


def rsa_record(bits: int, exponent: int = 65537) -> bytes:
    """A record whose RSA key has this size; nobody has the private half."""
    return b"v=DKIM1; p=" + base64.b64encode(
        rsa_public_octets((1 << (bits - 1)) + 1, exponent)
    )


def rsa_public_octets(modulus: int, exponent: int) -> bytes:
    """A bare PKCS#1 public key in DER, of any numbers whatever."""
    return _der(0x30, _der_integer(modulus) + _der_integer(exponent))


def _der_integer(number: int) -> bytes:
    return _der(0x02, number.to_bytes(number.bit_length() // 8 + 1, "big"))


def _der(tag: int, content: bytes) -> bytes:
    length = len(content)
    if length < 0x80:
        return bytes((tag, length)) + content
    octets = length.to_bytes((length.bit_length() + 7) // 8, "big")
    return bytes((tag, 0x80 | len(octets))) + octets + content


def rsa_private_pem(p: int, q: int, exponent: int = 65537) -> bytes:
    """A PKCS#1 key of these primes, for sizes which the library makes no longer."""
    d = pow(exponent, -1, (p - 1) * (q - 1))
    numbers = (0, p * q, exponent, d, p, q, d % (p - 1), d % (q - 1), pow(q, -1, p))
    text = base64.encodebytes(_der(0x30, b"".join(map(_der_integer, numbers))))
    name = b"RSA PRIVATE KEY"
    return b"-----BEGIN %s-----\n%s-----END %s-----\n" % (name, text, name)


@functools.cache
def _made_rsa_pem(bits: int, _number: int) -> bytes:
    return generate_private_key(65537, bits).private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )


@functools.cache
def _made_ed25519_pem(_number: int) -> bytes:
    return ed25519_pem_of(
        Ed25519PrivateKey.generate().private_bytes(
            Encoding.Raw, PrivateFormat.Raw, NoEncryption()
        )
    )


_read = functools.cache(parse_signing_key)
