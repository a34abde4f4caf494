"""The binary fuse filter (Graf, Lemire, ACM JEA 2022) as a map from keys to byte strings, three slots a key.

The bytes of a key are the sum modulo 256 of its three slots, not their XOR: sums are what a lookup over LWE adds up
for free (ChalametPIR, ePrint 2024/092, section 4). A key's three slots lie in three consecutive segments.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

Bytes2 = npt.NDArray[np.uint8]
Hashes = npt.NDArray[np.uint64]
MAX_ATTEMPTS: Final = 256
MASK64: Final = (1 << 64) - 1


def fill(hashes: Hashes, values: Bytes2, slots: Bytes2, segment: int) -> int | None:
    """Write ``slots`` (columns, bytes), full of random bytes on entry, so that every key's slots sum to its value.

    Returns the attempt (0..255) that succeeded, or None if no attempt does: two equal hashes, or too many keys.
    """
    for attempt in range(MAX_ATTEMPTS):
        if _fill(hashes, np.uint64(attempt), values, slots, segment):
            return attempt
    return None


def positions(value: int, attempt: int, columns: int, segment: int) -> tuple[int, int, int]:
    """The three slots of a key's 64-bit hash; in plain integers, the client's side of ``_positions``."""
    mixed = (value + (attempt + 1) * 0x9E3779B97F4A7C15) & MASK64
    mixed = ((mixed ^ (mixed >> 30)) * 0xBF58476D1CE4E5B9) & MASK64
    mixed = ((mixed ^ (mixed >> 27)) * 0x94D049BB133111EB) & MASK64
    mixed ^= mixed >> 31
    starts = columns // segment - 2
    base, mask = ((mixed >> 36) * starts >> 28) * segment, segment - 1
    return (
        base + (mixed & mask),
        base + segment + ((mixed >> 18) & mask),
        base + 2 * segment + ((mixed * 0xD6E8FEB86659FD93 & MASK64) >> 46 & mask),
    )


def size(keys: int) -> tuple[int, int]:
    """(columns, segment) for so many keys: Graf and Lemire's rule, section 4 of their paper, for three slots."""
    keys = max(keys, 2)
    segment = min(1 << math.floor(math.log(keys) / math.log(3.33) + 2.25), 1 << 18)
    factor = max(1.125, 0.875 + 0.25 * math.log(1e6) / math.log(keys))
    segments = max(3, math.ceil(keys * factor / segment))
    return segments * segment, segment


def _positions_plain(
    value: np.uint64, attempt: np.uint64, starts: int, segment: int, out: npt.NDArray[np.int64]
) -> None:  # pragma: no cover - compiled
    mixed = value + (attempt + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    base = np.int64(((mixed >> np.uint64(36)) * np.uint64(starts)) >> np.uint64(28)) * segment
    mask = np.uint64(segment - 1)
    out[0] = base + np.int64(mixed & mask)
    out[1] = base + segment + np.int64((mixed >> np.uint64(18)) & mask)
    out[2] = base + 2 * segment + np.int64(((mixed * np.uint64(0xD6E8FEB86659FD93)) >> np.uint64(46)) & mask)


_positions: Callable[..., Any] = numba.njit(nogil=True, cache=True)(_positions_plain)


def _fill_plain(
    hashes: Hashes, attempt: np.uint64, values: Bytes2, slots: Bytes2, segment: int
) -> bool:  # pragma: no cover - compiled
    keys, columns = hashes.shape[0], slots.shape[0]
    starts = columns // segment - 2
    at = np.empty((keys, 3), np.int64)
    count = np.zeros(columns, np.int64)
    mixed = np.zeros(columns, np.int64)  # XOR of the keys that use a slot: with count 1 it is the key itself
    for key in range(keys):
        _positions(hashes[key], attempt, starts, segment, at[key])
        for slot in at[key]:
            count[slot] += 1
            mixed[slot] ^= key
    order = np.empty((keys, 2), np.int64)  # peeled keys and the slot each owns
    stack = np.empty(columns + 3 * keys, np.int64)
    top = done = 0
    for slot in range(columns):
        if count[slot] == 1:
            stack[top] = slot
            top += 1
    while top:
        top -= 1
        slot = stack[top]
        if count[slot] != 1:
            continue
        key = mixed[slot]
        order[done, 0] = key
        order[done, 1] = slot
        done += 1
        for other in at[key]:
            count[other] -= 1
            mixed[other] ^= key
            if count[other] == 1:
                stack[top] = other
                top += 1
    if done != keys:
        return False
    for step in range(keys - 1, -1, -1):
        key, own = order[step, 0], order[step, 1]
        for byte in range(values.shape[1]):
            total = values[key, byte]
            for slot in at[key]:
                if slot != own:
                    total -= slots[slot, byte]
            slots[own, byte] = total
    return True


_fill: Callable[..., Any] = numba.njit(nogil=True, cache=True)(_fill_plain)
