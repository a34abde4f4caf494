"""A secret uniform permutation: Fisher-Yates driven by AES-128-CTR under a fresh key."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mpc.errors import BadParameters
from mpc.ot.compiled import compiled
from mpc.party import RandomBytes

Longs = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]


def secret_permutation(count: int, random: RandomBytes) -> Indices:
    """Return a permutation of range(count), count < 2^32, within statistical distance count^2 / 2^97 of uniform."""
    if not 0 <= count < 1 << 32:
        raise BadParameters("a permutation here has fewer than 2^32 elements")
    encryptor = Cipher(algorithms.AES(random(16)), modes.CTR(bytes(16))).encryptor()
    words = np.frombuffer(encryptor.update(bytes(16 * count)), "<u8").astype(np.uint64).reshape(count, 2)
    order = np.arange(count, dtype=np.int64)
    _swap(order, words)
    return order


@compiled
def _swap(order: Indices, words: Longs) -> None:
    for i in range(order.shape[0] - 1, 0, -1):
        # floor(96 random bits * (i+1) / 2^96), limb by limb
        size = np.uint64(i + 1)
        carry = ((words[i, 1] >> np.uint64(32)) * size) >> np.uint64(32)
        carry = ((words[i, 0] & np.uint64(0xFFFFFFFF)) * size + carry) >> np.uint64(32)
        j = np.int64(((words[i, 0] >> np.uint64(32)) * size + carry) >> np.uint64(32))
        order[i], order[j] = order[j], order[i]
