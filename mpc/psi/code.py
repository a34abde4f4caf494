"""The pseudorandom code of KKRT 2016: C(x) = AES_k1(x) | AES_k2(x) | AES_k3(x) | AES_k4(x), cut to width.

The keys are public to both parties and chosen after their inputs. Distances: ``parameters.code_words_for``.
"""

from __future__ import annotations

import hashlib
from typing import Final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

CODE_KEY_BYTES: Final = 16
_BLOCKS: Final = 4

Longs = npt.NDArray[np.uint64]


class Code:
    """Code words of ``words`` x 64 bits under one public key."""

    def __init__(self, key: bytes, words: int) -> None:
        self.width = words
        keys = hashlib.blake2b(key, digest_size=16 * _BLOCKS, person=b"unseenKKRTcode").digest()
        # ECB on single 128-bit blocks is the pseudorandom permutation itself, which is what the code is made of.
        ciphers = (Cipher(algorithms.AES(keys[16 * b : 16 * b + 16]), modes.ECB()) for b in range(_BLOCKS))  # noqa: S305
        self._encryptors = [cipher.encryptor() for cipher in ciphers]

    def blocks(self, identities: Longs) -> Longs:
        """Return (4, n, 2): four encryptions of each identity (n, 2)."""
        flat = np.ascontiguousarray(identities, "<u8").view(np.uint8).reshape(-1)
        out = np.empty((_BLOCKS, len(flat) + 15), np.uint8)  # update_into asks for 15 bytes to spare
        for row, encryptor in zip(out, self._encryptors, strict=True):
            encryptor.update_into(flat.data, row.data)
        return np.ascontiguousarray(out[:, : len(flat)]).view("<u8").reshape(_BLOCKS, -1, 2)

    def words(self, identities: Longs) -> Longs:
        """Return the code words (n, words) of identities (n, 2)."""
        rows = self.blocks(identities).transpose(1, 0, 2).reshape(len(identities), 2 * _BLOCKS)
        return np.ascontiguousarray(rows[:, : self.width])
