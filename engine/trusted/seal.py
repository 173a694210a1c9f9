"""Messages that one key alone can open: HPKE (RFC 9180), X25519, HKDF-SHA256, ChaCha20-Poly1305.

Claim: what ``seal`` returns is opened by the holder of the key alone, and only with the same ``info``; an altered
       byte is refused.
Because: HPKE base mode binds ``info`` into the key schedule and authenticates the ciphertext. It does not
         authenticate the sender: senders sign what they sealed (sign.py).
Checked by: tests/trusted_crypto/test_seal.py::test_only_the_same_key_and_info_open_it
"""

from __future__ import annotations

from dataclasses import dataclass, field

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import hashes, hpke
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from engine.errors import Refused

_SUITE = hpke.Suite(hpke.KEM.X25519, hpke.KDF.HKDF_SHA256, hpke.AEAD.CHACHA20_POLY1305)


@dataclass(frozen=True, slots=True)
class SealingKey:
    """An X25519 key that messages are sealed to. Its text form shows nothing secret, and nothing gives it out again."""

    _key: X25519PrivateKey = field(repr=False, compare=False)

    @classmethod
    def from_raw(cls, raw: bytes) -> SealingKey:
        """The key of 32 raw bytes."""
        return cls(X25519PrivateKey.from_private_bytes(raw))

    @property
    def public(self) -> bytes:
        return self._key.public_key().public_bytes_raw()

    def open(self, sealed: bytes, info: bytes) -> bytes:
        """The payload that was sealed to this key with ``info``; else Refused POLICY_SEAL_INVALID."""
        try:
            return _SUITE.decrypt(sealed, self._key, info=info)
        except (InvalidTag, ValueError):
            raise Refused("POLICY_SEAL_INVALID") from None

    def shared(self, public_key: bytes, info: bytes) -> bytes:
        """32 bytes that the holders of this key and of ``public_key`` alone can compute, bound to ``info``.

        Claim: another ``info`` gives unrelated bytes; a point of small order is POLICY_SEAL_INVALID.
        Because: X25519, then HKDF-SHA256; the library refuses a shared secret of zeros.
        Checked by: tests/trusted_crypto/test_seal.py::test_two_keys_share_a_secret_bound_to_its_purpose
        """
        try:
            secret = self._key.exchange(X25519PublicKey.from_public_bytes(public_key))
        except ValueError:
            raise Refused("POLICY_SEAL_INVALID") from None
        return HKDF(hashes.SHA256(), 32, None, info).derive(secret)


def seal(payload: bytes, public_key: bytes, info: bytes) -> bytes:
    """``payload`` sealed to ``public_key`` (32 bytes): 48 bytes longer. A key that is none: POLICY_SEAL_INVALID."""
    try:
        return _SUITE.encrypt(payload, X25519PublicKey.from_public_bytes(public_key), info=info)
    except ValueError:
        raise Refused("POLICY_SEAL_INVALID") from None
