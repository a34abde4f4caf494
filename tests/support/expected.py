"""What a release must say, computed another way: plain SQL on the union of all parts, then the documented noise.

The noise is written down a second time here, from the description in ``docs/disclosure.md``: at each owner three times
the largest contribution of one record (``cut``), never beyond three of its standard deviations; numbers on a 1-2-5
grid. Bounds are exact, not to first order: no seed makes a right number fail.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction
from math import ceil, sqrt
from pathlib import Path
from typing import Any, Final

import duckdb

RATIO: Final = 3
BOUND: Final = 3
MIN_GROUP: Final = 10
TWO_DIGITS: Final = 0.05
"""By which share a stated error differs from the true one at most, since it has two digits."""


def ask(files: Mapping[str, Iterable[Path]], sql: str) -> list[dict[str, Any]]:
    """Rows of plain DuckDB; ``files``: table name -> its parts, which are put together."""
    with duckdb.connect() as connection:
        for name, parts in files.items():
            listed = ", ".join(f"'{part}'" for part in parts)
            connection.execute(f"create view {name} as select * from read_parquet([{listed}])")
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@dataclass(frozen=True)
class Noise:
    """How a number may differ from the exact one: by ``bound`` at most; its standard error is within least..most."""

    least: float
    most: float
    bound: float


def count_noise(owners: int, cut: int = 1) -> Noise:
    """Of a count, or of a sum whose records contribute at most ``cut``."""
    error = sqrt(owners) * RATIO * cut
    return Noise(error, error, _farthest(owners, cut))


def mean_noise(owners: int, rows: int, mean: float, cut: int) -> Noise:
    """Of a sum over a count. With the noises e, f of sum and count, it is off by (e - mean f) / (rows + f)."""
    few, many = _rows(owners, rows)
    bound = (_farthest(owners, cut) + abs(mean) * _farthest(owners)) / few
    of_count, of_sum = count_noise(owners).most, count_noise(owners, cut).most
    most = sqrt(of_sum**2 + ((abs(mean) + bound) * of_count) ** 2)
    return Noise(of_sum / many, most / few, bound)


def variance_noise(owners: int, rows: int, mean: float, variance: float, cut: int) -> Noise:
    """Of a sample variance V of noisy parts. With the noises e, f, g of sum, count and sum of squares, and d how far
    the mean is off: V is off by (g - 2 mean e + (mean^2 - V) f - d (e - mean f)) / (rows + f - 1).
    """
    few, many = _rows(owners, rows)
    off = mean_noise(owners, rows, mean, cut).bound
    far, farthest = _farthest(owners), _farthest(owners, cut)
    parts = (_farthest(owners, cut**2), 2 * abs(mean) * farthest, abs(mean**2 - variance) * far)
    bound = (sum(parts) + off * (farthest + abs(mean) * far)) / (few - 1)
    of_count, of_sum, of_squares = (count_noise(owners, cut**power).most for power in (0, 1, 2))
    seen = abs(mean) + off  # at most, in what the error is made of
    most = sqrt(of_squares**2 + (2 * seen * of_sum) ** 2 + ((seen**2 + variance + bound) * of_count) ** 2)
    return Noise(of_squares / (many - 1), most / (few - 1), bound)


def is_noisy(shown: Any, stated: Decimal | str | None, exact: float, noise: Noise) -> bool:
    """Whether a released number may be the noisy form of an exact one: within the bound, on the grid of its error, and
    the error that it states is the expected one. One that states none is not noisy.
    """
    if stated is None:
        return False
    steps = [step for step in _STEPS if _step_below(noise.least) <= step <= _step_below(noise.most)]
    on_grid = any(Fraction(str(shown)) % step == 0 for step in steps)
    near = abs(float(shown) - exact) <= noise.bound + float(steps[-1]) / 2
    return on_grid and near and _is_between(float(stated), noise.least, noise.most)


def is_deviation(shown: Any, stated: Decimal | str, variance: float, noise: Noise) -> bool:
    """Whether a released standard deviation may be the root of a noisy form of this variance. Its error is that of the
    variance over twice the deviation; rounding moves it by half that error at most.
    """
    value, said = float(shown), float(stated)
    low, high = value - said / 2 * (1 + TWO_DIGITS), value + said / 2 * (1 + TWO_DIGITS)
    on_grid = any(Fraction(str(shown)) % step == 0 for step in _STEPS if float(step) * 3 > said >= float(step) * 0.95)
    near = low**2 - noise.bound <= variance <= high**2 + noise.bound
    return low > 0 and on_grid and near and _is_between(said, noise.least / (2 * high), noise.most / (2 * low))


def shown_from(owners: int) -> int:
    """The smallest noisy count that is shown: the minimum group, or four standard errors."""
    return max(MIN_GROUP, ceil(4 * count_noise(owners).most))


def _rows(owners: int, rows: int) -> tuple[int, int]:
    """The smallest and the largest noisy count of so many rows of which anything is shown."""
    return max(rows - _farthest(owners), shown_from(owners)), rows + _farthest(owners)


def _farthest(owners: int, cut: int = 1) -> int:
    return owners * BOUND * RATIO * cut


_STEPS: Final = [factor * Fraction(10) ** power for power in range(-9, 12) for factor in (1, 2, 5)]


def _step_below(error: float) -> Fraction:
    return max(step for step in _STEPS if float(step) <= error)


def _is_between(said: float, least: float, most: float) -> bool:
    return least * (1 - TWO_DIGITS) <= said <= most * (1 + TWO_DIGITS)
