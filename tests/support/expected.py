"""What a release must say, computed another way: plain SQL on the union of all parts, then the documented rounding.

The rounding is written down a second time here, from the description in ``jobs.disclosure.rounding``: counts to
the nearest multiple of 5 (halves to even); a mean to a 1-2-5 grid whose step is at least a tenth of the data's last
digit and at least 5 / rows of the value; a deviation likewise.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from fractions import Fraction
from pathlib import Path
from typing import Any

import duckdb


def ask(files: Mapping[str, Iterable[Path]], sql: str) -> list[dict[str, Any]]:
    """Rows of plain DuckDB; ``files``: table name -> its parts, which are put together."""
    with duckdb.connect() as connection:
        for name, parts in files.items():
            listed = ", ".join(f"'{part}'" for part in parts)
            connection.execute(f"create view {name} as select * from read_parquet([{listed}])")
        cursor = connection.execute(sql)
        names = [column[0] for column in cursor.description]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


def count(value: int) -> int:
    lower = value - value % 5
    return lower if value - lower <= 2 else lower + 5


def mean(total: int, rows: int) -> Fraction:
    """A mean of whole numbers."""
    value = Fraction(total, rows)
    return _nearest(value, _step(max(Fraction(1, 10), _relative(rows) * abs(value))))


def is_deviation(shown: Fraction, variance: Fraction, rows: int) -> bool:
    """Is ``shown`` on the grid and within half a step of the root? Compared by squares, so nothing is inexact."""
    for step in _steps():
        if step * step >= max(Fraction(1, 100), _relative(rows) ** 2 * variance):
            low, high = max(shown - step / 2, Fraction(0)), shown + step / 2
            return shown % step == 0 and low * low <= variance <= high * high
    raise AssertionError("no step is large enough")


def _relative(rows: int) -> Fraction:
    return Fraction(5, max(count(rows), 5))


def _steps() -> Iterable[Fraction]:
    for power in range(-6, 12):
        for factor in (1, 2, 5):
            yield factor * Fraction(10) ** power


def _step(least: Fraction) -> Fraction:
    return next(step for step in _steps() if step >= least)


def _nearest(value: Fraction, step: Fraction) -> Fraction:
    return round(value / step) * step
