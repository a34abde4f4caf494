"""Per-unit evidence over columns of integers: rows are put in order of their unit, then summed unit by unit.

A unit's few rows meet a small accumulator in cache, so no large hash table is needed. All sums are 64-bit: the caller
has proven that they fit.
"""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
KIND_ROWS, KIND_SUM, KIND_SUMSQ = 0, 1, 2


@dataclass(frozen=True)
class Columns:
    """``cell``, ``unit``: int32 per row, unit -1 for none. ``flags``: uint8 per row, bit s set where the row counts for
    slot s. ``values``: one int64 column per summed column, 0 for null.
    """

    cell: npt.NDArray[np.int32]
    unit: npt.NDArray[np.int32]
    flags: npt.NDArray[np.uint8]
    values: tuple[Int64, ...]


@dataclass(frozen=True)
class Sums:
    """Each of shape (channels, cells)."""

    value: Int64
    units: Int64
    top1: Int64
    top2: Int64
    total: Int64


def per_unit(columns: Columns, units: int, cells: int, channels: Int64, threads: int) -> Sums:
    """Sum every channel by cell, with evidence. ``channels``: rows of (kind, flag bit, value column)."""
    starts = _starts(columns.unit, units)
    cell, flags, values = _ordered(columns, starts)
    groups = max(1, min(threads, units // 1000))
    cuts = [int(np.searchsorted(starts, len(cell) * part // groups)) for part in range(groups)] + [units + 1]
    cuts[0] = 0

    def part(number: int) -> Sums:
        sums = Sums(*(np.zeros((len(channels), cells), dtype=np.int64) for _ in range(5)))
        _sum(cell, flags, values, starts, cuts[number], cuts[number + 1], channels,
             sums.value, sums.units, sums.top1, sums.top2, sums.total)  # fmt: skip
        return sums

    if groups == 1:
        return part(0)
    with ThreadPoolExecutor(groups) as pool:
        return _merged(list(pool.map(part, range(groups))))


def _ordered(columns: Columns, starts: Int64) -> tuple[Any, Any, Any]:
    cell, flags = np.empty_like(columns.cell), np.empty_like(columns.flags)
    values = np.empty((len(columns.values), len(cell)), dtype=np.int64)
    if len(columns.values) == 1:  # the usual case, in one pass over the rows
        _scatter(columns.unit, starts.copy(), columns.cell, columns.flags, columns.values[0], cell, flags, values[0])
        return cell, flags, values
    place = np.empty(len(cell), dtype=np.int64)
    _places(columns.unit, starts.copy(), place)
    cell[place], flags[place] = columns.cell, columns.flags
    for number, value in enumerate(columns.values):
        values[number, place] = value
    return cell, flags, values


def _merged(parts: list[Sums]) -> Sums:
    """Units of two parts are different units."""
    top = np.sort(np.stack([a for p in parts for a in (p.top1, p.top2)]), axis=0)
    return Sums(
        value=np.sum([p.value for p in parts], axis=0),
        units=np.sum([p.units for p in parts], axis=0),
        top1=top[-1],
        top2=top[-2],
        total=np.sum([p.total for p in parts], axis=0),
    )


def _starts_plain(unit: Any, units: int) -> Any:
    """First row of each unit once ordered; position 0 is for rows without a unit, so unit u starts at u + 1."""
    starts = np.zeros(units + 2, dtype=np.int64)
    for row in range(len(unit)):
        starts[unit[row] + 2] += 1
    for at in range(1, units + 2):
        starts[at] += starts[at - 1]
    return starts


def _places_plain(unit: Any, following: Any, place: Any) -> None:
    for row in range(len(unit)):
        at = unit[row] + 1
        place[row] = following[at]
        following[at] += 1


def _scatter_plain(
    unit: Any, following: Any, cell: Any, flags: Any, value: Any, cell_out: Any, flags_out: Any, value_out: Any
) -> None:
    for row in range(len(unit)):
        group = unit[row] + 1
        at = following[group]
        following[group] = at + 1
        cell_out[at] = cell[row]
        flags_out[at] = flags[row]
        value_out[at] = value[row]


def _sum_plain(
    cell: Any, flags: Any, values: Any, starts: Any, first: int, last: int, channels: Any,
    value: Any, units: Any, top1: Any, top2: Any, total: Any,
) -> None:  # fmt: skip
    count, cells = value.shape
    held = np.zeros((cells, count), dtype=np.int64)
    seen = np.zeros(cells, dtype=np.uint8)
    touched = np.zeros(cells, dtype=np.int32)
    for group in range(first, last):
        met = 0
        for row in range(starts[group], starts[group + 1]):
            c = cell[row]
            if seen[c] == 0:
                seen[c] = 1
                touched[met] = c
                met += 1
            for channel in range(count):
                if (flags[row] >> channels[channel, 1]) & 1:
                    kind = channels[channel, 0]
                    if kind == 0:
                        held[c, channel] += 1
                    else:
                        x = values[channels[channel, 2], row]
                        held[c, channel] += x if kind == 1 else x * x
        for at in range(met):
            c = touched[at]
            seen[c] = 0
            for channel in range(count):
                found = held[c, channel]
                held[c, channel] = 0
                value[channel, c] += found
                if group == 0:  # rows without a unit count in the values and are no evidence
                    continue
                size = abs(found)
                total[channel, c] += size
                if channels[channel, 0] == 0 and found > 0:
                    units[channel, c] += 1
                if size > top1[channel, c]:
                    top2[channel, c] = top1[channel, c]
                    top1[channel, c] = size
                elif size > top2[channel, c]:
                    top2[channel, c] = size


_starts: Callable[..., Int64] = numba.njit(nogil=True, cache=True)(_starts_plain)
_places: Callable[..., None] = numba.njit(nogil=True, cache=True)(_places_plain)
_scatter: Callable[..., None] = numba.njit(nogil=True, cache=True)(_scatter_plain)
_sum: Callable[..., None] = numba.njit(nogil=True, cache=True)(_sum_plain)
