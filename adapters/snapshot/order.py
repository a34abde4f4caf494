"""Units of several sorted runs in one order, and rows into the order of their units. Runs in the owner's domain."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]


def ranks(high: UInt64, low: UInt64) -> tuple[Int64, Int64]:
    """For each entry the place of its unit among all distinct units; and for each unit one entry that holds it."""
    order = np.argsort(high, kind="stable")
    sorted_high, sorted_low = high[order], low[order]
    same_high = sorted_high[1:] == sorted_high[:-1]
    if np.any(same_high & (sorted_low[1:] < sorted_low[:-1])):
        order = np.lexsort((low, high))
        sorted_high, sorted_low = high[order], low[order]
        same_high = sorted_high[1:] == sorted_high[:-1]
    new = np.ones(len(order), dtype=np.bool_)
    new[1:] = ~(same_high & (sorted_low[1:] == sorted_low[:-1]))
    found = np.empty(len(order), dtype=np.int64)
    found[order] = np.cumsum(new) - 1
    return found, order[new]


def by_rank(rank: Int64, units: int) -> tuple[Int64, Int64]:
    """Rows into the order of their rank, stable: the row that comes to each place; and how many rows each rank has."""
    counts = np.bincount(rank, minlength=units).astype(np.int64)
    starts = np.cumsum(counts) - counts
    order = np.empty(len(rank), dtype=np.int64)
    _place(rank, starts, order)
    return order, counts


def isin(high: UInt64, low: UInt64, of_high: UInt64, of_low: UInt64) -> npt.NDArray[np.bool_]:
    """Which units are among others. Both in any order."""
    if len(of_high) == 0 or len(high) == 0:
        return np.zeros(len(high), dtype=np.bool_)
    found, _ = ranks(np.concatenate((of_high, high)), np.concatenate((of_low, low)))
    marked = np.zeros(int(found.max()) + 1, dtype=np.bool_)
    marked[found[: len(of_high)]] = True
    return marked[found[len(of_high) :]]


def repeated(values: Sequence[int] | Int64, counts: Int64) -> Int64:
    return np.repeat(np.asarray(values, dtype=np.int64), counts)


def _place_plain(rank: Any, following: Any, order: Any) -> None:
    for row in range(len(rank)):
        at = rank[row]
        order[following[at]] = row
        following[at] += 1


_place: Callable[..., None] = numba.njit(nogil=True, cache=True)(_place_plain)
