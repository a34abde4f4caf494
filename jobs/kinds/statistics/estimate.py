"""From noisy totals to each aggregate and its standard error, exactly; only the noise counts as an error.

Run by the hub and by whoever recomputes a release. All participants' noise is independent, and so is that of two
channels: a total over h parts has the squared standard error h * noise^2. The part's data are no sample
of anything here: what is stated is how far the number may be from the one without noise.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from jobs.kinds.statistics.plan.channels import MOMENTS
from jobs.kinds.statistics.plan.types import Aggregate, Plan
from jobs.kinds.statistics.relation import related

COUNTS: Final = frozenset({"count_rows", "count", "count_distinct_unit"})
SPREADS: Final = frozenset({"var_samp", "var_pop", "stddev_samp", "stddev_pop"})
UNSHOWN: Final = SPREADS | {"regr_r2"}
"""Never negative: not above twice its error, such a number may be none at all."""

MAY_BE_NOISE: Final = UNSHOWN | {"corr", "regr_slope", "regr_intercept"}
"""What is withheld where it says no more than noise does."""


@dataclass(frozen=True)
class Estimate:
    """``value`` and the square of its standard error. Of a deviation both are of the *variance*; of a correlation r
    the value is r * |r|."""

    value: Fraction
    square: Fraction


def squares(plan: Plan, aggregate: Aggregate) -> list[Fraction]:
    """Per channel of an aggregate, the squared standard error of its total, in the column's units; 0 if exact."""
    return [
        plan.holders * (plan.channels[i].noise * Fraction(1, 10 ** plan.channels[i].scale)) ** 2
        for i in aggregate.channels
    ]


def estimate(function: str, parts: Sequence[Fraction], errors: Sequence[Fraction]) -> Estimate | None:
    """One aggregate of one cell. ``parts``: the totals n, S, Q of its channels (rows, sum, sum of squares) in the
    column's units, n above 1; ``errors``: their squared standard errors, a^2, b^2, c^2. ``None``: what it would be
    divided by may be noise alone.

    Means and variances by the delta method (first order; Oehlert, 1992, "A note on the delta method"), with m = S / n:

    - mean: m has the squared error (b^2 + m^2 a^2) / n^2.
    - variance: V = (Q - S^2 / n) / (n - k), k = 1 for a sample and 0 for a population. Its derivatives are
      dV/dQ = 1 / (n - k), dV/dS = -2 m / (n - k), dV/dn = (m^2 - V) / (n - k); so its squared error is
      (c^2 + 4 m^2 b^2 + (m^2 - V)^2 a^2) / (n - k)^2.
    - deviation: the root of V has the error se(V) / (2 sqrt V), which the caller forms.
    - of two columns: ``relation``.
    """
    if function in MOMENTS:
        found = related(function, parts, errors)
        return None if found is None else Estimate(*found)
    if len(parts) == 1:
        return Estimate(parts[0], errors[0])
    n, total = parts[0], parts[1]
    if function == "sum":
        return Estimate(total, errors[1])
    mean = total / n
    if function == "avg":
        return Estimate(mean, (errors[1] + mean**2 * errors[0]) / n**2)
    divisor = n - 1 if function.endswith("samp") else n
    variance = (parts[2] - total * mean) / divisor
    spread = errors[2] + 4 * mean**2 * errors[1] + (mean**2 - variance) ** 2 * errors[0]
    return Estimate(variance, spread / divisor**2)
