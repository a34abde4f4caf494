"""The loops over all records: units to places, refinement of atoms, co-occurrence, and rows at a record.

All are plain numba without its own threads (its thread layers are not safe to enter twice); callers hand slices to
threads, the kernels release the interpreter's lock.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numba
import numpy as np
import numpy.typing as npt

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
UInt64 = npt.NDArray[np.uint64]
Float64 = npt.NDArray[np.float64]


def _enter_plain(hashes: Any, first: Any, slots: Any) -> Any:
    """Enter units ``first``.. into the open table; returns how many were there already (none may be)."""
    mask = np.uint64(len(slots) - 1)
    twice = 0
    for unit in range(first, len(hashes)):
        high, low = hashes[unit, 0], hashes[unit, 1]
        at = high & mask
        while slots[at] >= 0:
            other = slots[at]
            if hashes[other, 0] == high and hashes[other, 1] == low:
                twice += 1
                break
            at = (at + np.uint64(1)) & mask
        if slots[at] < 0:
            slots[at] = unit
    return twice


def _find_plain(hashes: Any, slots: Any, wanted: Any, out: Any) -> None:
    mask = np.uint64(len(slots) - 1)
    for number in range(len(wanted)):
        high, low = wanted[number, 0], wanted[number, 1]
        at = high & mask
        out[number] = -1
        while slots[at] >= 0:
            unit = slots[at]
            if hashes[unit, 0] == high and hashes[unit, 1] == low:
                out[number] = unit
                break
            at = (at + np.uint64(1)) & mask


def _refine_plain(atoms: Any, labels: Any, width: Any, slots: Any, keys: Any, out: Any, first: Any) -> Any:
    """Split atoms by a partition. ``first``: of each new atom the first record, ascending. Returns how many there are.

    An open table over (atom, label), multiplicative hashing (Knuth, vol. 3, 6.4).
    """
    mask = np.uint64(len(slots) - 1)
    count = 0
    for record in range(len(atoms)):
        key = np.int64(atoms[record]) * width + labels[record] + 1
        at = ((np.uint64(key) * np.uint64(0x9E3779B97F4A7C15)) >> np.uint64(24)) & mask
        while slots[at] >= 0 and keys[at] != key:
            at = (at + np.uint64(1)) & mask
        if slots[at] < 0:
            slots[at] = count
            keys[at] = key
            first[count] = record
            count += 1
        out[record] = slots[at]
    return count


def _compact_plain(labels: Any, wanted: Any, names: Any, out: Any) -> Any:
    """Number the wanted labels by the first record that has them, others -1; ``names`` starts as -1."""
    count = 0
    for record in range(len(labels)):
        label = labels[record]
        if label < 0 or not wanted[label]:
            out[record] = -1
            continue
        if names[label] < 0:
            names[label] = count
            count += 1
        out[record] = names[label]
    return count


def _together_plain(codes: Any, stride: Any, size: Any, labels: Any, first: Any, weights: Any, out: Any) -> None:
    """Records per (label + 1, digit of the code); an atom stands for ``weights`` records."""
    for atom in range(len(first)):
        record = first[atom]
        label = labels[record]
        if label >= 0:
            out[label + 1, (codes[record] // stride) % size] += weights[atom]


def _pairs_plain(starts: Any, mine: Any, others: Any, out: Any) -> None:
    """Of each unit (its records from ``starts[unit]`` on) how often it lies in both bases, counted in pairs of records:
    added to (other base, own base). Linear in its records times the own bases that it is in."""
    counts = np.zeros(out.shape[1], np.int64)
    held = np.zeros(out.shape[1], np.int64)
    for unit in range(len(starts) - 1):
        several = 0
        for record in range(starts[unit], starts[unit + 1]):
            base = mine[record]
            if base >= 0:
                if counts[base] == 0:
                    held[several] = base
                    several += 1
                counts[base] += 1
        if several:
            for record in range(starts[unit], starts[unit + 1]):
                other = others[record]
                if other >= 0:
                    for number in range(several):
                        out[other, held[number]] += counts[held[number]]
        for number in range(several):
            counts[held[number]] = 0


def _gather_plain(codes: Any, records: Any, table: Any, out: Any) -> None:
    """Add to each record's row of ``out`` the table's row of its code."""
    for number in range(len(records)):
        code = codes[records[number]]
        for column in range(table.shape[1]):
            out[number, column] += table[code, column]


def _compile(function: Callable[..., Any]) -> Callable[..., Any]:
    compiled: Callable[..., Any] = numba.njit(nogil=True, cache=True)(function)
    return compiled


enter = _compile(_enter_plain)
find = _compile(_find_plain)
refine = _compile(_refine_plain)
compact = _compile(_compact_plain)
together = _compile(_together_plain)
pairs = _compile(_pairs_plain)
gather = _compile(_gather_plain)
