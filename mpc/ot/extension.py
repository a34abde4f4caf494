"""The matrix of an OT extension: Ishai, Kilian, Nissim, Petrank 2003, with the wide codes of KKRT 2016.

After k base transfers in reversed roles, the *code side* (who held both seeds) has rows t_j and sends corrections
u_j = t_j ^ t'_j ^ c_j for its secret code words c_j; the *choice side* (secret bits s) gets q_j = t_j ^ (c_j & s).
The correction hides c_j behind the pseudorandom generator (AES-128-CTR, one stream per column); t_j ^ (c & s) for any
other word c at Hamming distance d hides behind d unknown bits of s. Semi-honest parties.
Rows come in blocks, so memory is bounded by the block and not by the number of transfers.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mpc.errors import BadParameters
from mpc.ot.transpose import columns_to_rows

BLOCK_ROWS: Final = 1 << 16

Longs = npt.NDArray[np.uint64]
Octets = npt.NDArray[np.uint8]


class CodeSide:
    """Holds both seeds of every column; gives its rows t and the corrections to send."""

    def __init__(self, seeds: Octets) -> None:
        if seeds.ndim != 3 or seeds.shape[1:] != (2, 16):
            raise BadParameters("the code side needs two 16-byte seeds per column")
        self._first, self._second = ColumnStreams(seeds[:, 0]), ColumnStreams(seeds[:, 1])

    def __repr__(self) -> str:
        return "CodeSide(seeds=<redacted>)"

    def next(self, words: Longs) -> tuple[Longs, Longs]:
        """Take the next code words (n, k/64); return rows t and corrections u of the same shape."""
        rows = self._first.next(len(words))
        return rows, rows ^ self._second.next(len(words)) ^ words


class ChoiceSide:
    """Holds the bits s and one seed per column; turns corrections into rows q."""

    def __init__(self, choices: Octets, seeds: Octets) -> None:
        if choices.shape != (len(seeds),):
            raise BadParameters("the choice side needs one seed per choice bit")
        self._streams = ColumnStreams(seeds)
        self.mask: Longs = np.packbits(choices, bitorder="little").view("<u8").astype(np.uint64)

    def __repr__(self) -> str:
        return "ChoiceSide(choices=<redacted>)"

    def next(self, corrections: Longs) -> Longs:
        """Take the next corrections (n, k/64); return the rows q of the same shape."""
        return self._streams.next(len(corrections)) ^ (corrections & self.mask)


class ColumnStreams:
    """k pseudorandom columns, handed out as rows."""

    def __init__(self, seeds: Octets) -> None:
        if seeds.ndim != 2 or seeds.shape[1] != 16 or len(seeds) % 64:
            raise BadParameters("a matrix needs a multiple of 64 columns with a 16-byte seed each")
        # Every seed is fresh and used for this one stream, so a zero counter start repeats nothing.
        ciphers = (Cipher(algorithms.AES(seed.tobytes()), modes.CTR(bytes(16))) for seed in seeds)
        self._encryptors = [cipher.encryptor() for cipher in ciphers]

    def next(self, count: int) -> Longs:
        """Return the next ``count`` rows as (count, k/64) words. Each call starts at a multiple of 64 rows."""
        words = -(-count // 64)
        zeros = bytes(8 * words)
        columns = np.empty((len(self._encryptors), words), "<u8")
        for column, encryptor in zip(columns, self._encryptors, strict=True):
            encryptor.update_into(zeros, column.view(np.uint8).data)
        return columns_to_rows(columns.astype(np.uint64, copy=False))[:count]
