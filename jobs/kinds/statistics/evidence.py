"""What the disclosure rules need to know about one part: how many units stand behind a number, and how unevenly.

Nothing here leaves the node; a node turns it into flags.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.disclosure.gate import Records, UInt64
from jobs.kinds.statistics.plan.types import ChannelKind


@dataclass(frozen=True, repr=False)
class Contributions:
    """Per cell, over rows where the aggregate's filter is true and its column not null, for one unit column.

    A unit's contribution is the absolute value of its sum (``sum``), its sum of squares (``sumsq``), its number of rows
    (``rows``), or 1 (``distinct``), all at the channel's scale. ``units`` counts the units with at least one row.
    """

    units: npt.NDArray[np.int64]
    top1: list[int]
    top2: list[int]
    total: list[int]
    unit: str
    measure: ChannelKind


@dataclass(frozen=True, repr=False)
class LocalResult:
    """One part, exactly. ``values``: per channel, per cell, integers at the channel's scale; sums over parts are sums.

    ``evidence``: per aggregate, one ``Contributions`` for each pair of unit column and channel that would be opened.
    ``records``: per unit column of the plan; one partition for each of ``plan.bases.partitions``.
    """

    values: tuple[list[int], ...]
    evidence: tuple[tuple[Contributions, ...], ...]
    rows_scanned: int
    records: tuple[Records, ...]


class ChannelTally:
    """Running totals of one channel for one unit column, over partitions."""

    def __init__(self, cells: int) -> None:
        self.value = [0] * cells
        self.units = [0] * cells
        self.top1 = [0] * cells
        self.top2 = [0] * cells
        self.total = [0] * cells

    def add(self, cell: int, value: int | None, units: int, largest: Sequence[int] | None, total: int | None) -> None:
        """Add what one partition found in a cell; units of two partitions are never the same."""
        self.value[cell] += value or 0
        self.units[cell] += units
        self.total[cell] += total or 0
        if largest:
            top = sorted((self.top1[cell], self.top2[cell], *largest), reverse=True)
            self.top1[cell], self.top2[cell] = top[0], top[1]


def merge(results: Sequence[LocalResult]) -> LocalResult:
    """Parts that share no unit, as one: everything adds, the two largest of both are the two largest of all, and
    records are put one after the other, each array copied once.
    """
    return LocalResult(
        reduce(_all_added, (result.values for result in results)),
        reduce(_both, (result.evidence for result in results)),
        sum(result.rows_scanned for result in results),
        tuple(merge_records(parts) for parts in zip(*(result.records for result in results), strict=True)),
    )


Evidence = tuple[tuple[Contributions, ...], ...]


def _all_added(a: tuple[list[int], ...], b: tuple[list[int], ...]) -> tuple[list[int], ...]:
    return tuple(_added(x, y) for x, y in zip(a, b, strict=True))


def _both(a: Evidence, b: Evidence) -> Evidence:
    return tuple(
        tuple(_both_of(x, y) for x, y in zip(first, second, strict=True)) for first, second in zip(a, b, strict=True)
    )


def merge_records(parts: Sequence[Records]) -> Records:
    """Of parts that share no unit, whose units come all in one form."""
    if len(parts) == 1:
        return parts[0]
    units: UInt64 | pa.Array
    if all(isinstance(part.units, np.ndarray) for part in parts):
        units = np.concatenate([part.units for part in parts])
    else:
        units = pa.concat_arrays([part.units for part in parts])
    labels = zip(*(part.labels for part in parts), strict=True)
    return Records(
        units,
        np.concatenate([part.rows for part in parts]),
        np.concatenate([part.prints for part in parts]),
        tuple(np.concatenate(each) for each in labels),
    )


def _both_of(a: Contributions, b: Contributions) -> Contributions:
    top1 = [max(x, y) for x, y in zip(a.top1, b.top1, strict=True)]
    # the second largest of all is the smaller of the two largest, or a second largest of one part
    top2 = [max(min(x, y), s, t) for x, y, s, t in zip(a.top1, b.top1, a.top2, b.top2, strict=True)]
    return Contributions(a.units + b.units, top1, top2, _added(a.total, b.total), a.unit, a.measure)


def _added(a: Sequence[int], b: Sequence[int]) -> list[int]:
    return [x + y for x, y in zip(a, b, strict=True)]
