"""Sizes of one intersection, each with the failure probability it keeps below 2^-40.

- ``bins_for``: cuckoo bins for three hash functions and no stash. Pinkas, Schneider, Zohner (TOPS 2018) find
  1.27 n by experiment; we take 1.3 n, for which ``placement_failure_bits`` is a proof.
- ``code_words_for``: width of the pseudorandom code, KKRT 2016: any code word of the sender is at Hamming
  distance at least 128 from the receiver's in the same bin.
- ``mask_bytes_for``: length of the sender's masks, KKRT 2016: no two masks of different items agree.
"""

from __future__ import annotations

from math import comb, log2
from typing import Final

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters

STATISTICAL_BITS: Final = 40
COMPUTATIONAL_BITS: Final = 128
HASHES: Final = 3
MAX_ITEMS: Final = 1 << 27
_SMALL: Final = 1 << 14
_FEWEST_BINS: Final = 2048

Reals = npt.NDArray[np.float64]


def check_count(count: int) -> int:
    """Return ``count``; raise ``BadParameters`` for a set size that no parameters here are proven for."""
    if not 0 <= count <= MAX_ITEMS:
        raise BadParameters(f"a set has 0 to {MAX_ITEMS} items: split larger sets by a public hash prefix")
    return count


def bins_for(items: int) -> int:
    """Return the number of cuckoo bins for ``items`` distinct items."""
    tenths_of_percent = 1350 if items <= _SMALL else 1300
    return max(_FEWEST_BINS, -(-check_count(items) * tenths_of_percent // 1000))


def code_words_for(sender_items: int) -> int:
    """Return the code width in 64-bit words: 7 (448 bits) up to 2^24 items, then 8."""
    pairs = max(1, HASHES * check_count(sender_items))
    for words in (7, 8):
        if code_distance_bits(64 * words) >= STATISTICAL_BITS + log2(pairs):
            return words
    raise BadParameters("no code of at most 512 bits keeps its distance for so many items")


def code_distance_bits(width: int) -> float:
    """Return -log2 of the probability that two random words of ``width`` bits differ in fewer than 128 places."""
    return width - log2(sum(comb(width, i) for i in range(COMPUTATIONAL_BITS)))


def mask_bytes_for(sender_items: int, receiver_items: int) -> int:
    """Return the mask length in bytes: 40 + log2 of the number of comparisons, rounded up; 10 for a million each."""
    comparisons = max(1, check_count(sender_items)) * max(1, check_count(receiver_items))
    return -(-(STATISTICAL_BITS + (comparisons - 1).bit_length()) // 8)


def placement_failure_bits(items: int, bins: int) -> float:
    """Return b such that some set of ``items`` fits into no placement with probability at most 2^-b.

    Union bound over violators of Hall's condition: t items whose positions lie in t-1 bins. Two bounds per t, the
    smaller counts: all such sets, C(n,t) C(m,t-1) (C(t-1,3) / C(m,3))^t, exact for few items; and only the minimal
    ones, which hit each of their bins at least twice (else an item could be dropped),
    C(n,t) C(m,t-1) (3t)! [z^3t] (e^z-1-z)^(t-1) / (m(m-1)(m-2))^t with the coefficient bounded at its saddle point.
    An analysis for tests and documents, not run by the protocol: about 100 bytes of memory per item.
    """
    n, m = float(items), float(bins)
    t: Reals = np.arange(4, min(items, bins + 1) + 1, dtype=np.float64)
    if not len(t):
        return float("inf")
    z = _saddle(3 * t / (t - 1))
    triples = np.log(m) + np.log(m - 1) + np.log(m - 2)
    minimal = _log_factorial(3 * t) + (t - 1) * np.log(np.expm1(z) - z) - 3 * t * np.log(z) - t * triples
    every = t * (np.log(t - 1) + np.log(t - 2) + np.log(t - 3) - triples)
    logs = log_comb(n, t) + log_comb(m, t - 1) + np.minimum(minimal, every)
    peak = float(logs.max())
    return -(peak + float(np.log(np.exp(logs - peak).sum()))) / float(np.log(2))


def _saddle(ratio: Reals) -> Reals:
    """Solve z (e^z-1) / (e^z-1-z) = ratio (2 < ratio <= 4) by bisection; any z > 0 gives a valid bound."""
    low, high = np.full_like(ratio, 1e-3), np.full_like(ratio, 8.0)
    for _ in range(50):
        middle = (low + high) / 2
        above = middle * np.expm1(middle) > ratio * (np.expm1(middle) - middle)
        low, high = np.where(above, low, middle), np.where(above, middle, high)
    return high


def _log_factorial(k: Reals | float) -> Reals:
    """Stirling's series with its first correction: above the truth by less than 0.003 for k >= 0."""
    x = np.asarray(k, np.float64) + 1
    return np.asarray((x - 0.5) * np.log(x) - x + 0.5 * np.log(2 * np.pi) + 1 / (12 * x))


def log_comb(n: float, k: Reals) -> Reals:
    return _log_factorial(n) - _log_factorial(k) - _log_factorial(n - k)
