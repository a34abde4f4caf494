"""Number theory on GMP integers; refuses to run on Python's own, which are ten times slower."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mpc.errors import BadParameters
from mpc.integers import random_below
from mpc.party import RandomBytes

try:
    import gmpy2
except ImportError:
    # phe would fall back to Python's own integers, ten times slower: better no Paillier than one that nobody can use
    raise BadParameters("Paillier needs gmpy2, which is not installed here: install the extra unseen[mpc]") from None

MILLER_RABIN_ROUNDS = 40


def random_blum_prime(bits: int, randomness: RandomBytes) -> int:
    """A random prime of exactly ``bits`` bits that is 3 modulo 4; its two top bits are set: p*q has 2*bits bits."""
    top = 0b11 << (bits - 2)
    while True:
        candidate = random_below(1 << bits, randomness) | top | 3
        # one cheap round throws out nearly every composite; the full number of rounds runs on survivors only
        if gmpy2.is_prime(candidate, 1) and gmpy2.is_prime(candidate, MILLER_RABIN_ROUNDS):
            return candidate


def multi_power(bases: Sequence[Any], exponents: Sequence[int], modulus: Any) -> Any:
    """The product of ``bases[i] ** exponents[i]`` modulo ``modulus``, exponents of either sign.

    Bucket method (Pippenger 1976 as in Bernstein et al. 2012, section 4): all exponents are walked together digit by
    digit, so squarings are shared. Runs in time that depends on the exponents.
    """
    up = _buckets([(b, e) for b, e in zip(bases, exponents, strict=True) if e > 0], modulus)
    down = _buckets([(b, -e) for b, e in zip(bases, exponents, strict=True) if e < 0], modulus)
    return up * gmpy2.invert(down, modulus) % modulus


def _buckets(terms: list[tuple[Any, int]], modulus: Any) -> Any:
    one = gmpy2.mpz(1)
    if not terms:
        return one
    width = max(1, min(12, len(terms).bit_length() - 2))
    mask = (1 << width) - 1
    result = one
    for window in reversed(range(-(-max(e.bit_length() for _, e in terms) // width))):
        for _ in range(width):
            result = result * result % modulus
        buckets: list[Any] = [None] * (mask + 1)
        for base, exponent in terms:
            digit = (exponent >> (window * width)) & mask
            if digit:
                held = buckets[digit]
                buckets[digit] = base if held is None else held * base % modulus
        running, total = one, one
        for held in reversed(buckets[1:]):  # sum of d * bucket[d] by running products
            if held is not None:
                running = running * held % modulus
            if running is not one:
                total = total * running % modulus
        result = result * total % modulus
    return result
