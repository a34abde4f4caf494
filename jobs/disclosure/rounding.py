"""How many digits of a noisy number are shown: none finer than its standard error, and none that depends on its value.

A number is shown on a 1-2-5 grid whose step is the largest not above its standard error, which follows from the noise
alone for counts and sums, and from noisy numbers for what is computed of them. Rounding here is format: what protects
is the noise. Standard errors are handled as their squares, so that everything is exact and everybody who recomputes a
release gets the same digits.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from functools import lru_cache
from math import isqrt
from typing import Final

_WIDE: Final = Context(prec=400)


@dataclass(frozen=True)
class Step:
    """``factor`` (1, 2 or 5) times ten to the ``power``."""

    factor: int
    power: int

    @property
    def size(self) -> Fraction:
        return self.factor * Fraction(10) ** self.power

    def times(self, count: int) -> Decimal:
        """So many steps, exactly, with as many decimals as the step has."""
        if self.power >= 0:
            return Decimal(count * self.factor * 10**self.power)
        return Decimal(count * self.factor).scaleb(self.power, _WIDE)


def decimals(places: int) -> Step:
    """The step of numbers with so many decimals."""
    return Step(1, -places)


def step_below(square: Fraction) -> Step:
    """The largest of 1, 2, 5 times a power of ten whose square is not above ``square`` (> 0)."""
    power = (len(str(square.numerator)) - len(str(square.denominator))) // 2 + 1  # certainly not too small
    while True:
        for step, least in _descending(power):
            if least <= square:
                return step
        power -= 1


def on_grid(value: Fraction, step: Step) -> Decimal:
    """The nearest multiple of ``step``; halves go to the even one."""
    return step.times(round(value / step.size))


def root_on_grid(square: Fraction, step: Step) -> Decimal:
    """The square root of ``square`` (>= 0) on the grid, without ever computing an inexact root."""
    scaled = square / step.size**2
    below = isqrt(scaled.numerator // scaled.denominator)
    return step.times(below + (scaled > Fraction(2 * below + 1, 2) ** 2))


@lru_cache(maxsize=256)
def _descending(power: int) -> tuple[tuple[Step, Fraction], ...]:
    """The grid's steps of one power of ten, with their squares."""
    return tuple((Step(factor, power), Step(factor, power).size ** 2) for factor in (5, 2, 1))
