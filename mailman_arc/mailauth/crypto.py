"""RSA and Ed25519: the only module that knows the crypto library.

The library loads keys of any size and kind, so every check of RFC 8301 and
RFC 8463 is made here.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Literal

from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import (
    Ed25519PrivateKey,
    Ed25519PublicKey,
)
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import (
    RSAPrivateKey,
    RSAPublicKey,
    generate_private_key,
)
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_public_key,
    load_pem_private_key,
)

from mailman_arc.mailauth.errors import MalformedField
from mailman_arc.mailauth.reasons import Reason


KeyType = Literal["rsa", "ed25519"]

_EXPONENT = 65537  # of new RSA keys; RFC 6376 §3.3.1
_PADDING = PKCS1v15()
_SHA256_DIGEST = Prehashed(SHA256())

MIN_RSA_BITS = 1024  # RFC 8301 §3.2
MAX_RSA_BITS = 8192  # RFC 8301 §3.2 asks for 4096 only; beyond this it costs too much
MIN_NEW_RSA_BITS = 2048  # RFC 8301 §3.2
MAX_NEW_RSA_BITS = 4096  # RFC 8301 §3.2; nobody has to verify longer ones
MIN_EXPONENT = 3  # RFC 8017 §3.1; it is odd, too
MAX_EXPONENT_BITS = 64  # RFC 6376 §8.13 warns of large ones
ED25519_OCTETS = 32  # RFC 8463 §4.2


@dataclass(frozen=True, slots=True)
class VerifyingKey:
    """A public key that RFC 8301 and RFC 8463 allow to be used."""

    key_type: KeyType
    bits: int
    _key: RSAPublicKey | Ed25519PublicKey

    def verifies(self, signature: bytes, digest: bytes) -> bool:
        """Tell whether `signature` is this key's over a SHA-256 digest.

        RSASSA-PKCS1-v1_5 (RFC 6376 §3.3.2), or Ed25519 whose message is the
        digest (RFC 8463 §3).
        """
        try:
            if isinstance(self._key, RSAPublicKey):
                self._key.verify(signature, digest, _PADDING, _SHA256_DIGEST)
            else:
                self._key.verify(signature, digest)
        except InvalidSignature:
            return False
        return True

    def record_octets(self) -> bytes:
        """The octets whose base64 stands in `p=` of the key record."""
        if isinstance(self._key, RSAPublicKey):
            return self._key.public_bytes(
                Encoding.DER, PublicFormat.SubjectPublicKeyInfo
            )
        return self._key.public_bytes(Encoding.Raw, PublicFormat.Raw)


@dataclass(frozen=True)
class SigningKey:
    """A private key; its repr shows no part of it."""

    key_type: KeyType
    bits: int
    _key: RSAPrivateKey | Ed25519PrivateKey

    @property
    def algorithm(self) -> str:
        """The word for `a=` (RFC 6376 §3.3, RFC 8463 §3)."""
        return f"{self.key_type}-sha256"

    @cached_property
    def verifying_key(self) -> VerifyingKey:
        """The public half."""
        return VerifyingKey(self.key_type, self.bits, self._key.public_key())

    def sign(self, digest: bytes) -> bytes:
        """Sign a SHA-256 digest."""
        if isinstance(self._key, RSAPrivateKey):
            return self._key.sign(digest, _PADDING, _SHA256_DIGEST)
        return self._key.sign(digest)


def parse_signing_key(pem: bytes) -> SigningKey:
    """Read a private key in PEM, PKCS#1 or PKCS#8, without a password.

    Raises `MalformedField` whose reason is a clause for an operator.
    """
    try:
        key = load_pem_private_key(pem, password=None)
    except TypeError as error:
        raise MalformedField("the key is encrypted, which is not supported") from error
    except (ValueError, UnsupportedAlgorithm) as error:
        raise MalformedField("there is no private key in PEM form in it") from error
    if isinstance(key, Ed25519PrivateKey):
        return SigningKey("ed25519", 256, key)
    if not isinstance(key, RSAPrivateKey):
        raise MalformedField("the key is neither RSA nor Ed25519")
    if not MIN_RSA_BITS <= key.key_size <= MAX_RSA_BITS:
        raise MalformedField(
            f"the RSA key has {key.key_size} bits, "
            f"{MIN_RSA_BITS} to {MAX_RSA_BITS} are possible"
        )
    return SigningKey("rsa", key.key_size, key)


def make_private_key(key_type: KeyType, bits: int = MIN_NEW_RSA_BITS) -> bytes:
    """A new private key in PEM, PKCS#8, without a password.

    `bits` are those of an RSA key.  Raises `ValueError` whose text is a clause
    for an operator.
    """
    key: RSAPrivateKey | Ed25519PrivateKey
    if key_type == "ed25519":
        key = Ed25519PrivateKey.generate()
    elif MIN_NEW_RSA_BITS <= bits <= MAX_NEW_RSA_BITS:
        key = generate_private_key(_EXPONENT, bits)
    else:
        raise ValueError(
            f"a new RSA key has {MIN_NEW_RSA_BITS} to {MAX_NEW_RSA_BITS} bits, "
            f"not {bits}"
        )
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def parse_verifying_key(key_type: KeyType, octets: bytes) -> VerifyingKey:
    """Read the decoded `p=` of a key record.

    RSA as SubjectPublicKeyInfo or bare PKCS#1 (RFC 6376 §3.6.1 and erratum
    3017), Ed25519 as 32 octets (RFC 8463 §4.2).  Raises `MalformedField`.
    """
    try:
        if key_type == "ed25519":
            return VerifyingKey("ed25519", 256, _ed25519_key(octets))
        if not _is_one_der_value(octets):
            raise MalformedField(Reason.KEY_SYNTAX)
        key = load_der_public_key(octets)
        if not isinstance(key, RSAPublicKey):
            raise MalformedField(Reason.KEY_TYPE)
        exponent = key.public_numbers().e
    except (ValueError, UnsupportedAlgorithm) as error:
        if isinstance(error, MalformedField):
            raise
        raise MalformedField(Reason.KEY_SYNTAX) from error
    if exponent < MIN_EXPONENT or exponent % 2 == 0:
        # New versions of the library have refused it by now.
        raise MalformedField(Reason.KEY_SYNTAX)  # pragma: no cover
    if key.key_size < MIN_RSA_BITS:
        raise MalformedField(Reason.KEY_TOO_SHORT)
    if key.key_size > MAX_RSA_BITS or exponent.bit_length() > MAX_EXPONENT_BITS:
        raise MalformedField(Reason.KEY_TOO_LONG)
    return VerifyingKey("rsa", key.key_size, key)


def _is_one_der_value(octets: bytes) -> bool:
    """Tell whether a DER value ends where the octets end.

    Some versions of the library let more follow.
    """
    head, length = 2, octets[1] if len(octets) > 1 else 0
    if length >= 0x80:
        head += length & 0x7F
        length = int.from_bytes(octets[2:head], "big")
    return len(octets) == head + length


def _ed25519_key(octets: bytes) -> Ed25519PublicKey:
    if len(octets) != ED25519_OCTETS:
        raise MalformedField(Reason.KEY_SYNTAX)
    return Ed25519PublicKey.from_public_bytes(octets)
