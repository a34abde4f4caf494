"""Where a quantile lies, told from noisy counts below cut points: an interval that holds it, an estimate in it. Pure.

Run by the hub and by whoever recomputes a release. The position of the quantile among n values in order, from 0, is
p (n - 1). Less the same share of the noise of n, a count below c that is at most this position proves that the quantile
is not below c, and one that is larger by 1 at least that it is below c: exactly where counts are exact. Noisy counts
are taken to be wrong by ``SURE`` of their standard errors. So the interval holds both forms of SQL, QUANTILE_CONT and
QUANTILE_DISC, which lie between the same two values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from itertools import pairwise
from math import isqrt
from typing import Final

SURE: Final = 2
"""Standard errors: each end of an interval is right in 97.7% of cases."""


@dataclass(frozen=True)
class Point:
    """How many values lie below a cut point, with the standard error of that count."""

    at: Fraction
    below: Fraction
    error: Fraction


@dataclass(frozen=True)
class Located:
    """``error`` is a quarter of the interval: as two standard errors on either side."""

    value: Fraction
    between: tuple[Fraction, Fraction]
    error: Fraction


def locate(
    share: Fraction, bounds: tuple[Fraction, Fraction], whole: tuple[Fraction, Fraction], points: Sequence[Point]
) -> Located:
    """``bounds``: of the column; ``whole``: how many values, with its standard error; ``points``: sorted by ``at``."""
    count, error = whole
    place = share * (count - 1)

    def margin(point: Point) -> Fraction:
        return SURE * _root(point.error**2 + (share * error) ** 2)

    high = min((p.at for p in points if p.below - margin(p) >= place + 1), default=bounds[1])
    low = max((p.at for p in points if p.at < high and p.below + margin(p) <= place), default=bounds[0])
    value = _between(share * count, [(bounds[0], Fraction(0)), *((p.at, p.below) for p in points), (bounds[1], count)])
    return Located(min(max(value, low), high), (low, high), (high - low) / 4)


def _between(target: Fraction, steps: Sequence[tuple[Fraction, Fraction]]) -> Fraction:
    """Where the counts, joined by straight lines and made to rise, reach the target."""
    rising, most = [], Fraction(0)
    for at, below in steps:
        most = max(most, below)
        rising.append((at, most))
    for (left, before), (right, after) in pairwise(rising):
        if after >= target:
            return left if after == before else left + (right - left) * (target - before) / (after - before)
    return rising[-1][0]


def _root(square: Fraction) -> Fraction:
    """Rounded up to a thousandth."""
    scaled = square * 10**6
    return Fraction(isqrt(-(-scaled.numerator // scaled.denominator)) + bool(square), 1000)
