"""Errors for LWE: the discrete Gaussian over the integers, by inversion of an exact table, in constant time.

Each sample reads 127 random bits for its magnitude and one for its sign. The table holds the cumulative distribution
to 127 bits (computed with 60 decimal digits at import), so a sample is within 2^-120 of the true distribution and a
query of 2^18 samples within 2^-100. Every sample compares against every table entry: no branch or address depends on
a secret. (Inversion sampling: Devroye 1986, III.2; the full-scan form is that of FrodoKEM, section 2.2.4.)
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal, localcontext
from fractions import Fraction
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

from mpc.party import RandomBytes
from mpc.pir.parameters import SIGMA

BITS: Final = 127


def sample(count: int, randomness: RandomBytes) -> npt.NDArray[np.int32]:
    """Draw ``count`` errors; consumes 16 * count bytes."""
    words = np.frombuffer(randomness(16 * count), dtype="<u8").reshape(count, 2)
    out = np.empty(count, dtype=np.int32)
    _invert(words, TABLE, out)
    return out


def cumulative(sigma: Fraction) -> list[int]:
    """floor(2^127 * Pr[|X| <= k]) for k = 0, 1, ... until the rest is below 2^-127."""
    with localcontext() as context:
        context.prec = 60
        exponent = -1 / (2 * (Decimal(sigma.numerator) / Decimal(sigma.denominator)) ** 2)
        weights = [Decimal(1)]
        while weights[-1] > Decimal(2) ** -(BITS + 20):
            weights.append(2 * (exponent * len(weights) ** 2).exp())
        total = sum(weights)
        running, out = Decimal(0), []
        for weight in weights:
            running += weight
            out.append(int(running / total * 2**BITS))
            if out[-1] >= 2**BITS - 1:
                break
    return out[:-1]  # everything beyond the last entry falls into the last magnitude


def _words(values: list[int]) -> npt.NDArray[np.uint64]:
    return np.array([[value >> 64, value & (2**64 - 1)] for value in values], dtype=np.uint64)


def _invert_plain(
    words: npt.NDArray[np.uint64], table: npt.NDArray[np.uint64], out: npt.NDArray[np.int32]
) -> None:  # pragma: no cover - compiled
    for i in range(words.shape[0]):
        sign = np.int64(words[i, 0] >> np.uint64(63))
        high = words[i, 0] & np.uint64(0x7FFFFFFFFFFFFFFF)
        low = words[i, 1]
        magnitude = np.int64(0)
        for k in range(table.shape[0]):
            above = high > table[k, 0]
            level = (high == table[k, 0]) & (low >= table[k, 1])
            magnitude += np.int64(above | level)
        out[i] = (magnitude ^ -sign) + sign


TABLE: Final = _words(cumulative(SIGMA))
_invert: Callable[..., Any] = numba.njit(nogil=True, cache=True)(_invert_plain)
