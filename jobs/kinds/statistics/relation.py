"""Covariance, correlation and regression line of two columns from noisy totals, with their standard errors. Pure.

First order (delta method; Oehlert, 1992, "A note on the delta method"): the squared error of f is the sum of
(df/dt)^2 * se(t)^2 over the totals t, whose noises are independent.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from jobs.kinds.statistics.plan.channels import MOMENTS, Moment

STEADY: Final = 4
"""A spread that something is divided by is at least so many of its own standard errors: below, neither the quotient nor
its stated error would mean anything."""
Errors = Mapping[Moment, Fraction]


@dataclass(frozen=True)
class _Formed:
    """Something computed of totals, and its derivative by each of them."""

    value: Fraction
    by: Mapping[Moment, Fraction]

    def __sub__(self, other: _Formed) -> _Formed:
        return _Formed(self.value - other.value, _sum((Fraction(1), self.by), (Fraction(-1), other.by)))

    def __mul__(self, other: _Formed) -> _Formed:
        return _Formed(self.value * other.value, _sum((other.value, self.by), (self.value, other.by)))

    def __truediv__(self, other: _Formed) -> _Formed:
        value = self.value / other.value
        return _Formed(value, _sum((1 / other.value, self.by), (-value / other.value, other.by)))

    def square(self, errors: Errors) -> Fraction:
        """Its squared standard error, from those of the totals."""
        return sum((slope**2 * errors[moment] for moment, slope in self.by.items()), Fraction(0))


def related(function: str, parts: Sequence[Fraction], errors: Sequence[Fraction]) -> tuple[Fraction, Fraction] | None:
    """Value and squared standard error; ``None`` where it would be divided by what may be noise alone.

    ``parts``, ``errors``: the totals ``MOMENTS[function]``, above one row, and their squared errors. Of a correlation r
    the value is r * |r|, whose root the caller forms, and the error that of r. Neither r nor R2 is shown beyond 1.
    """
    names = MOMENTS[function]
    total = {name: _Formed(part, {name: Fraction(1)}) for name, part in zip(names, parts, strict=True)}
    known = dict(zip(names, errors, strict=True))
    n, y, x = total["n"], total["y"], total["x"]
    found = both = total["yx"] - y * x / n
    if function in ("covar_samp", "covar_pop"):
        found = both / (n - _Formed(Fraction(function == "covar_samp"), {}))
        return found.value, found.square(known)
    x_spread = total["xx"] - x * x / n
    spreads = [x_spread, total["yy"] - y * y / n] if function in ("corr", "regr_r2") else [x_spread]
    if not all(_steady(spread, known) for spread in spreads):
        return None
    if function == "corr":
        return _correlation(both, spreads[0] * spreads[1], known)
    if function == "regr_r2":
        found = both * both / (spreads[0] * spreads[1])
        return min(found.value, Fraction(1)), found.square(known)
    slope = both / x_spread
    found = slope if function == "regr_slope" else y / n - slope * x / n
    return found.value, found.square(known)


def _correlation(both: _Formed, spreads: _Formed, errors: Errors) -> tuple[Fraction, Fraction]:
    """r = both / sqrt(spreads), without the root: dr = (d both - both / (2 spreads) d spreads) / sqrt(spreads)."""
    square = both.value * abs(both.value) / spreads.value
    by = _sum((Fraction(1), both.by), (-both.value / (2 * spreads.value), spreads.by))
    error = _Formed(both.value, by).square(errors) / spreads.value
    return max(Fraction(-1), min(Fraction(1), square)), error


def _steady(spread: _Formed, errors: Errors) -> bool:
    return spread.value > 0 and spread.value**2 >= STEADY**2 * spread.square(errors)


def _sum(*terms: tuple[Fraction, Mapping[Moment, Fraction]]) -> dict[Moment, Fraction]:
    """A linear combination of derivatives."""
    found: dict[Moment, Fraction] = {}
    for factor, by in terms:
        for moment, slope in by.items():
            found[moment] = found.get(moment, Fraction(0)) + factor * slope
    return found
