"""Rounding, so that no released number gives an exact count back.

Counts go to the nearest multiple of the base b. Every other magnitude v of n rows goes to a 1-2-5 grid whose step is
at least ``b * |v| / n``: the relative uncertainty that the count itself has. Then sum / mean leaves at least b counts
possible, and the sum of an indicator column is as coarse as the count that it is. Means and deviations also never
get a step below ``unit / min_group``, so the digits of a mean are consistent with *every* count >= min_group (for
each such n some integer sum rounds to it). n enters as the already rounded count, so the step tells nothing new.
"""

from __future__ import annotations

from decimal import Decimal
from fractions import Fraction
from functools import lru_cache
from math import isqrt

_GRID = (1, 2, 5)


def round_count(count: int, base: int) -> int:
    """The nearest multiple of ``base``; halves go to the even multiple."""
    return round(Fraction(count, base)) * base


def round_magnitude(value: Fraction, floor: Fraction, relative: Fraction) -> Decimal:
    """``value`` on the finest 1-2-5 grid whose step is at least ``floor`` and ``relative * |value|``."""
    step = grid_step(max(floor, relative * abs(value)))
    return _decimal(round(value / step) * step)


def round_root(square: Fraction, floor: Fraction, relative: Fraction) -> Decimal:
    """The square root of ``square``, rounded as ``round_magnitude`` does, without ever computing an inexact root."""
    least = max(floor * floor, relative * relative * square)
    step = _grid_step_of_square(least)
    scaled = square / (step * step)
    below = isqrt(scaled.numerator // scaled.denominator)
    nearest = below + (scaled > Fraction(2 * below + 1, 2) ** 2)
    return _decimal(nearest * step)


def grid_step(least: Fraction) -> Fraction:
    """The smallest of 1, 2, 5 times a power of ten that is not below ``least`` (> 0)."""
    return _grid_step_of_square(least * least)


def _grid_step_of_square(least: Fraction) -> Fraction:
    """The smallest grid step whose square is not below ``least`` (> 0)."""
    power = (_digits(least) - 2) // 2  # 10^power is certainly too small; climb from there
    while True:
        for step, square in _steps(power):
            if square >= least:
                return step
        power += 1


@lru_cache(maxsize=128)
def _steps(power: int) -> tuple[tuple[Fraction, Fraction], ...]:
    """The grid's steps of one power of ten, with their squares."""
    steps = [factor * Fraction(10) ** power for factor in _GRID]
    return tuple((step, step * step) for step in steps)


def _digits(value: Fraction) -> int:
    """A lower estimate of log10, off by less than two."""
    return len(str(value.numerator)) - len(str(value.denominator)) - 1


def _decimal(value: Fraction) -> Decimal:
    """A grid value as an exact decimal (denominators are powers of ten)."""
    return Decimal(value.numerator) / Decimal(value.denominator)
