"""One pass over rows in the order of their units: every channel per cell, with its evidence. No hash table, no sort.

A unit's rows meet small accumulators; when the next unit comes they are added up into counts, sums, distinct units, the
two largest contributions and totals. The state goes on from block to block, so no block needs whole units.
64-bit sums where the plan proves that 62 bits hold them; otherwise pairs of 64-bit words.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

Int64 = npt.NDArray[np.int64]
VALUE, UNITS, TOP1, TOP2, TOTAL = range(5)
_FIELDS: Final = 5


class UnitSums:
    """Sums of one part, or of several whose units differ. ``channels``: rows of (kind, flag bit, value column)."""

    def __init__(self, cells: int, channels: Int64, wide: bool) -> None:
        self._channels, self._wide, self._cells = channels, wide, cells
        words = 2 if wide else 1
        # per cell and channel the five numbers side by side: one unit's end touches one stretch of memory
        self._out = np.zeros((cells, len(channels), _FIELDS, words), dtype=np.int64)
        self._held = np.zeros((cells, len(channels), words), dtype=np.int64)
        self._seen = np.zeros(cells, dtype=np.uint8)
        self._touched = np.zeros(max(1, cells), dtype=np.int32)
        self._state = np.array([-1, 0], dtype=np.int64)  # the unit whose rows come, and how many cells it touched

    def add(self, unit: Int64, cell: npt.NDArray[np.int32], flags: npt.NDArray[np.uint32], values: Int64) -> None:
        """Rows in the order of ``unit``, whose numbers never fall. Negative cells are left out.

        ``values``: (columns, rows), 0 for null. Raises ``ValueError`` for rows in another order.
        """
        kernel = _add_wide if self._wide else _add
        if not kernel(unit, cell, flags, values, self._channels, self._out, self._held, self._seen, self._touched,
                      self._state):  # fmt: skip
            raise ValueError("rows are not in the order of their units")

    def next_part(self) -> None:
        """The unit numbers that come next are those of another part."""
        end = _end_wide if self._wide else _end
        end(self._channels, self._out, self._held, self._seen, self._touched, self._state)
        self._state[0] = -1

    def field(self, number: int) -> list[list[int]]:
        """Exact integers, per channel and cell. Call ``next_part`` before."""
        if not self._wide:
            return [column.tolist() for column in self._out[:, :, number, 0].T]
        high, low = self._out[:, :, number, 0].T.astype(object), self._out[:, :, number, 1].T.astype(np.uint64)
        return [column.tolist() for column in high * (1 << 64) + low.astype(object)]


# Places are unsigned below: numba would look at every signed index for whether it counts from the end.


def _end_plain(channels: Any, out: Any, held: Any, seen: Any, touched: Any, state: Any) -> None:
    count = np.uint64(len(channels))
    for at in range(np.uint64(state[1])):
        c = np.uint64(touched[at])
        seen[c] = 0
        for channel in range(count):
            found = held[c, channel, 0]
            held[c, channel, 0] = 0
            size = abs(found)
            out[c, channel, 0, 0] += found
            out[c, channel, 4, 0] += size
            if channels[channel, 0] == 0 and found > 0:
                out[c, channel, 1, 0] += 1
            largest, second = out[c, channel, 2, 0], out[c, channel, 3, 0]
            out[c, channel, 2, 0] = max(largest, size)
            out[c, channel, 3, 0] = max(second, min(largest, size))
    state[1] = 0


_end: Callable[..., None] = numba.njit(nogil=True, cache=True)(_end_plain)


def _add_plain(
    unit: Any, cell: Any, flags: Any, values: Any, channels: Any, out: Any, held: Any, seen: Any, touched: Any,
    state: Any,
) -> bool:  # fmt: skip
    current, met = state[0], np.uint64(state[1])
    count = np.uint64(len(channels))
    for row in range(np.uint64(len(unit))):
        if cell[row] < 0:
            continue
        c = np.uint64(cell[row])
        if unit[row] != current:
            if unit[row] < current:
                return False
            state[1] = met
            _end(channels, out, held, seen, touched, state)
            met = np.uint64(0)
            current = unit[row]
        if seen[c] == 0:
            seen[c] = 1
            touched[met] = c
            met += np.uint64(1)
        flag = flags[row]
        for channel in range(count):
            if (flag >> np.uint32(channels[channel, 1])) & np.uint32(1):
                kind = channels[channel, 0]
                if kind == 0:
                    held[c, channel, 0] += 1
                else:
                    x = values[np.uint64(channels[channel, 2]), row]
                    held[c, channel, 0] += x if kind == 1 else x * x
    state[0], state[1] = current, met
    return True


_add: Callable[..., bool] = numba.njit(nogil=True, cache=True)(_add_plain)


# --- 128 bits: word 0 is the signed high half, word 1 the low half as the same bits unsigned -------------------------


def _increase_plain(target: Any, high: Any, low: Any) -> None:
    before = np.uint64(target[1])
    after = before + np.uint64(low)
    target[1] = np.int64(after)
    target[0] += high + (1 if after < before else 0)


_increase: Callable[..., None] = numba.njit(nogil=True, cache=True)(_increase_plain)


def _square_plain(x: Any) -> Any:
    """x * x for |x| < 2^63, in two words."""
    a = np.uint64(abs(x))
    mask = np.uint64(0xFFFFFFFF)
    low, high = a & mask, a >> np.uint64(32)
    cross = low * high
    lowest = low * low
    middle = (lowest >> np.uint64(32)) + (cross & mask) + (cross & mask)
    return (
        np.int64(high * high + (cross >> np.uint64(32)) + (cross >> np.uint64(32)) + (middle >> np.uint64(32))),
        np.int64((middle << np.uint64(32)) | (lowest & mask)),
    )


_square: Callable[..., Any] = numba.njit(nogil=True, cache=True)(_square_plain)


def _above_plain(high: Any, low: Any, other: Any) -> bool:
    return bool(high > other[0] or (high == other[0] and np.uint64(low) > np.uint64(other[1])))


_above: Callable[..., bool] = numba.njit(nogil=True, cache=True)(_above_plain)


def _end_wide_plain(channels: Any, out: Any, held: Any, seen: Any, touched: Any, state: Any) -> None:
    for at in range(state[1]):
        c = touched[at]
        seen[c] = 0
        for channel in range(len(channels)):
            high, low = held[c, channel, 0], held[c, channel, 1]
            held[c, channel, 0] = 0
            held[c, channel, 1] = 0
            _increase(out[c, channel, 0], high, low)
            if channels[channel, 0] == 0 and (high > 0 or low != 0):
                _increase(out[c, channel, 1], 0, 1)
            if high < 0:
                high = ~high + (1 if low == 0 else 0)
                low = -low
            _increase(out[c, channel, 4], high, low)
            if _above(high, low, out[c, channel, 2]):
                out[c, channel, 3, 0] = out[c, channel, 2, 0]
                out[c, channel, 3, 1] = out[c, channel, 2, 1]
                out[c, channel, 2, 0] = high
                out[c, channel, 2, 1] = low
            elif _above(high, low, out[c, channel, 3]):
                out[c, channel, 3, 0] = high
                out[c, channel, 3, 1] = low
    state[1] = 0


_end_wide: Callable[..., None] = numba.njit(nogil=True, cache=True)(_end_wide_plain)


def _add_wide_plain(
    unit: Any, cell: Any, flags: Any, values: Any, channels: Any, out: Any, held: Any, seen: Any, touched: Any,
    state: Any,
) -> bool:  # fmt: skip
    current = state[0]
    for row in range(len(unit)):
        c = cell[row]
        if c < 0:
            continue
        if unit[row] != current:
            if unit[row] < current:
                return False
            _end_wide(channels, out, held, seen, touched, state)
            current = unit[row]
        if seen[c] == 0:
            seen[c] = 1
            touched[state[1]] = c
            state[1] += 1
        for channel in range(len(channels)):
            if (flags[row] >> channels[channel, 1]) & 1:
                kind = channels[channel, 0]
                if kind == 0:
                    _increase(held[c, channel], 0, 1)
                else:
                    x = values[channels[channel, 2], row]
                    if kind == 1:
                        _increase(held[c, channel], -1 if x < 0 else 0, x)
                    else:
                        high, low = _square(x)
                        _increase(held[c, channel], high, low)
    state[0] = current
    return True


_add_wide: Callable[..., bool] = numba.njit(nogil=True, cache=True)(_add_wide_plain)
