"""The noise of an answer: a whole number, normal but for its bound, that 32 secret bytes decide.

The same question about the same rows has the same noise for ever: asked again it averages nothing away. That is the
idea of the cell key method (Fraser and Wooton, 2005, "A proposed method for confidentialising tabular output";
Thompson, Broadfoot and Elazar, 2013, "Methodology for the automatic confidentialisation of statistical outputs";
Giessing and Tent, 2019, "Concepts for generalising tools implementing the cell key method"). One thing differs: their
key is a sum over the *records* behind a number, so that equal answers prove that two conditions select the same
people; a pair "with and without" somebody then tells whether he is in it. Here the key is a keyed function of the
*question* (``Gate.seeds``), and two questions have independent noise even where they select the same records.

Runs at a node, on exact sums of any size, before anything is masked. Pure: the secret is in the seed.
"""

from __future__ import annotations

from collections.abc import Iterable
from statistics import NormalDist
from typing import Final

BOUND: Final = 3
"""No noise is larger than so many standard deviations: what a range proof adds for each part."""
SEED_BYTES: Final = 32
_FRACTION: Final = 128
"""Bits behind the point of a deviate: a sum with sd up to 2^120 keeps none of its low bits."""
_FINE: Final = 84
"""How many of them are drawn apart: a float near 3 tells no more than 2^-44 of an inverse distribution function."""
_NORMAL: Final = NormalDist()
_TAIL: Final = _NORMAL.cdf(-BOUND)


def noise(seed: bytes, sd: int) -> int:
    """A normal deviate with standard deviation ``sd`` truncated at ``BOUND`` of them, as a whole number.

    By inversion: a uniform number between Phi(-3) and Phi(3) through the inverse distribution function, as fixed point
    with 128 bits behind the point. Its variance is 0.973 sd^2 (and a twelfth for rounding): what is published as
    ``sd`` overstates by 1.4%. Raises ``ValueError`` for a seed of another length or a negative ``sd``.
    """
    if len(seed) != SEED_BYTES or sd < 0:
        raise ValueError("noise needs a seed of 32 bytes and a standard deviation that is not negative")
    bits = int.from_bytes(seed, "little")
    negative, uniform, fine = bits & 1, (bits >> 1) & ((1 << 52) - 1), (bits >> 53) & ((1 << _FINE) - 1)
    # the lower half alone: there a float keeps a small probability exactly, and both signs are alike
    below = _TAIL + (0.5 - _TAIL) * ((uniform + 0.5) / (1 << 52))
    deviate = (int(-_NORMAL.inv_cdf(below) * (1 << (_FRACTION - _FINE))) << _FINE) | fine
    size = min((deviate * sd + (1 << (_FRACTION - 1))) >> _FRACTION, BOUND * sd)
    return -size if negative else size


def noises(seeds: Iterable[bytes], sd: int) -> list[int]:
    """One for each seed."""
    return [noise(seed, sd) for seed in seeds]
