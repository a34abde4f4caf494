"""X25519 keys that messages between nodes are sealed to: the public half as text, the private half never shown."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

from jobs.documents.ed25519 import decode_base64, encode_base64
from jobs.errors import BadDocument

KEY_BYTES: Final = 32
PREFIX: Final = "x25519:"
_PRIME: Final = 2**255 - 19
_PROBE: Final = X25519PrivateKey.from_private_bytes(b"\x08" * KEY_BYTES)


@dataclass(frozen=True)
class SealingPublic:
    """32 raw bytes; ``text`` is ``x25519:`` and their base64. One key has one spelling: a number below 2^255 - 19."""

    raw: bytes

    def __post_init__(self) -> None:
        if len(self.raw) != KEY_BYTES:
            raise BadDocument(f"an X25519 public key has {KEY_BYTES} bytes, not {len(self.raw)}")
        if int.from_bytes(self.raw, "little") >= _PRIME:
            raise BadDocument("an X25519 public key is a number below 2^255 - 19")
        try:
            _PROBE.exchange(X25519PublicKey.from_public_bytes(self.raw))
        except ValueError:  # RFC 7748 section 6.1: with a point of small order every shared secret is zero
            raise BadDocument("a sealing key of small order: anybody could open what is sealed to it") from None

    @classmethod
    def parse(cls, text: str) -> SealingPublic:
        """Read ``x25519:<base64>``; raises ``BadDocument`` for any other spelling."""
        if not text.startswith(PREFIX):
            raise BadDocument("a sealing key is written as 'x25519:' and 44 characters of base64")
        return cls(decode_base64(text.removeprefix(PREFIX)))

    @property
    def text(self) -> str:
        return PREFIX + encode_base64(self.raw)


class SealingKey:
    """A private key in memory. Its ``repr`` shows the public half only, and it can be neither pickled nor compared."""

    __slots__ = ("_private", "public")

    def __init__(self, private: X25519PrivateKey) -> None:
        self._private = private
        self.public = SealingPublic(private.public_key().public_bytes_raw())

    @classmethod
    def from_seed(cls, seed: bytes) -> SealingKey:
        """Make the key of 32 secret bytes (RFC 7748 section 5); raises ``BadDocument`` for other sizes."""
        if len(seed) != KEY_BYTES:
            raise BadDocument(f"an X25519 private key has {KEY_BYTES} bytes, not {len(seed)}")
        return cls(X25519PrivateKey.from_private_bytes(seed))

    def private(self) -> X25519PrivateKey:
        """The key itself, for opening what was sealed and for writing the key file."""
        return self._private

    def __repr__(self) -> str:
        return f"SealingKey({self.public.text}, redacted)"

    def __reduce__(self) -> str:
        raise TypeError("a sealing key is not serialised; write a key file instead")
