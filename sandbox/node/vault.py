"""Checkpoints at rest: ChaCha20-Poly1305 (RFC 8439) under the node's record key, bound to the permit they are of."""

from __future__ import annotations

import os
from typing import Final

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from sandbox.errors import IntegrityFailure

_NONCE: Final = 12


class Vault:
    """Holds nothing but the key."""

    def __init__(self, key: bytes) -> None:
        self._box = ChaCha20Poly1305(key)

    def encrypt(self, permit: str, checkpoint: bytes) -> bytes:
        nonce = os.urandom(_NONCE)
        return nonce + self._box.encrypt(nonce, checkpoint, _bound(permit))

    def decrypt(self, permit: str, box: bytes) -> bytes:
        """Raises ``IntegrityFailure`` for a box that was altered or is another job's."""
        try:
            return self._box.decrypt(box[:_NONCE], box[_NONCE:], _bound(permit))
        except (InvalidTag, ValueError):
            raise IntegrityFailure("a stored checkpoint was altered") from None

    def __repr__(self) -> str:
        return "Vault(key=<redacted>)"


def _bound(permit: str) -> bytes:
    return b"unseen/checkpoint/v1 " + permit.encode()
