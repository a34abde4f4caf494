"""Ed25519 keys as the documents see them: a public key is text anyone may read, a signing key never shows itself."""

from __future__ import annotations

import base64
import binascii
import hashlib
from dataclasses import dataclass
from typing import Final

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from jobs.errors import BadDocument

KEY_BYTES: Final = 32
SIGNATURE_BYTES: Final = 64
PREFIX: Final = "ed25519:"
# Encodings of the points of order 1, 2, 4 and 8 without the sign bit, and those of 0 and 1 plus the field prime. Under
# such a key one signature fits many messages, so its owner could deny all of them.
_SMALL_ORDER: Final = frozenset(
    bytes.fromhex(text)
    for text in (
        "00" * 32,
        "01" + "00" * 31,
        "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
        "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
        "ec" + "ff" * 30 + "7f",
        "ed" + "ff" * 30 + "7f",
        "ee" + "ff" * 30 + "7f",
    )
)


@dataclass(frozen=True)
class PublicKey:
    """32 raw bytes; ``text`` is ``ed25519:`` and their base64, as documents and trust files carry it."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_BYTES:
            raise BadDocument(f"an Ed25519 public key has {KEY_BYTES} bytes, not {len(self.raw)}")
        if self.raw[:-1] + bytes((self.raw[-1] & 0x7F,)) in _SMALL_ORDER:
            raise BadDocument("a public key of small order: anybody could sign for it")

    @classmethod
    def parse(cls, text: str) -> PublicKey:
        """Read ``ed25519:<base64>``; raises ``BadDocument`` for any other spelling."""
        if not text.startswith(PREFIX):
            raise BadDocument("a public key is written as 'ed25519:' and 44 characters of base64")
        return cls(decode_base64(text.removeprefix(PREFIX)))

    @property
    def text(self) -> str:
        return PREFIX + encode_base64(self.raw)

    @property
    def key_id(self) -> str:
        """First 32 hexadecimal digits of SHA-256 over the raw key: a name to find it by, never a proof."""
        return hashlib.sha256(self.raw).hexdigest()[:32]

    def verifies(self, signature: bytes, message: bytes) -> bool:
        if len(signature) != SIGNATURE_BYTES:
            return False
        try:
            Ed25519PublicKey.from_public_bytes(self.raw).verify(signature, message)
        except (InvalidSignature, ValueError):
            return False
        return True


class SigningKey:
    """A private key in memory. Its ``repr`` shows the key id only, and it can be neither pickled nor compared."""

    __slots__ = ("_private", "public")

    def __init__(self, private: Ed25519PrivateKey) -> None:
        self._private = private
        self.public = PublicKey(private.public_key().public_bytes_raw())

    @classmethod
    def from_seed(cls, seed: bytes) -> SigningKey:
        """Make the key of a 32-byte secret seed (RFC 8032 section 5.1.5); raises ``BadDocument`` for other sizes."""
        if len(seed) != KEY_BYTES:
            raise BadDocument(f"an Ed25519 seed has {KEY_BYTES} bytes, not {len(seed)}")
        return cls(Ed25519PrivateKey.from_private_bytes(seed))

    def sign(self, message: bytes) -> bytes:
        return self._private.sign(message)

    def private(self) -> Ed25519PrivateKey:
        """The key itself, for the one place that writes the key file."""
        return self._private

    def __repr__(self) -> str:
        return f"SigningKey({self.public.key_id}, redacted)"

    def __reduce__(self) -> str:
        raise TypeError("a signing key is not serialised; write a key file instead")


def encode_base64(data: bytes) -> str:
    return base64.b64encode(data).decode()


def decode_base64(text: str) -> bytes:
    """Decode standard base64 with padding and nothing else, so that one byte string has one spelling."""
    try:
        data = base64.b64decode(text.encode("ascii"), validate=True)
    except (binascii.Error, ValueError):
        raise BadDocument("not base64") from None
    if encode_base64(data) != text:  # unused bits set in the last character
        raise BadDocument("not canonical base64")
    return data
