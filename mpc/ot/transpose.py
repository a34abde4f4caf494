"""Bit-matrix transposition: columns of pseudorandom bits to rows of 64-bit words."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters
from mpc.ot.compiled import compiled

Longs = npt.NDArray[np.uint64]


def columns_to_rows(columns: Longs) -> Longs:
    """Turn (k, n/64) words, bit j of column i at bit j%64 of word j//64, into (n, k/64) with bit i of row j likewise.

    ``k`` must be a multiple of 64 (``BadParameters``).
    """
    if columns.ndim != 2 or columns.shape[0] % 64:
        raise BadParameters("a bit matrix is transposed in squares of 64: the number of columns is no multiple of it")
    rows = np.empty((columns.shape[1] * 64, columns.shape[0] // 64), np.uint64)
    _transpose(columns, rows)
    return rows


@compiled
def _transpose(columns: Longs, rows: Longs) -> None:
    """64 x 64 squares by six rounds of swapping halves (Warren, Hacker's Delight, section 7-3)."""
    square = np.empty(64, np.uint64)
    for group in range(columns.shape[0] // 64):
        for word in range(columns.shape[1]):
            for i in range(64):
                square[i] = columns[group * 64 + i, word]
            half = 32
            mask = np.uint64(0x00000000FFFFFFFF)
            while half:
                shift = np.uint64(half)
                for base in range(0, 64, 2 * half):
                    for i in range(base, base + half):
                        swap = ((square[i] >> shift) ^ square[i + half]) & mask
                        square[i + half] ^= swap
                        square[i] ^= swap << shift
                half >>= 1
                mask ^= mask << np.uint64(half)
            for i in range(64):
                rows[word * 64 + i, group] = square[i]
