"""Which of the sender's masks are ours: a hash table over the receiver's masks, probed block by block."""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from mpc.ot.compiled import compiled

Longs = npt.NDArray[np.uint64]
Octets = npt.NDArray[np.uint8]
Flags = npt.NDArray[np.bool_]

_FILTER_BITS: Final = 4


class MaskTable:
    """The receiver's masks (n, length <= 16 bytes), each with the number of the list it may be found in."""

    def __init__(self, masks: Octets, lists: Octets) -> None:
        self._masks, self._lists = _widen(masks), lists
        self.found: Flags = np.zeros(len(masks), np.bool_)
        bits = max(10, (2 * len(masks)).bit_length())
        self._table = np.full(1 << bits, -1, np.int32)
        # Most probes miss: sixteen filter bits per slot pair stay in the cache and answer them.
        self._filter = np.zeros(1 << (bits + _FILTER_BITS - 6), np.uint64)
        _build(self._masks, self._table, self._filter)

    def probe(self, number: int, masks: Octets) -> None:
        """Mark in ``found`` every own mask of list ``number`` that is among ``masks`` (k, length)."""
        _probe(self._masks, self._lists, self._table, self._filter, _widen(masks), number, self.found)


def _widen(masks: Octets) -> Longs:
    wide = np.zeros((len(masks), 16), np.uint8)
    wide[:, : masks.shape[1]] = masks
    return wide.view("<u8").astype(np.uint64, copy=False)


@compiled
def _build(masks: Longs, table: npt.NDArray[np.int32], bloom: Longs) -> None:
    wrap, wide = np.uint64(table.shape[0] - 1), np.uint64(64 * bloom.shape[0] - 1)
    for i in range(masks.shape[0]):
        slot = masks[i, 0] & wrap
        while table[slot] >= 0:
            slot = (slot + np.uint64(1)) & wrap
        table[slot] = i
        bit = (masks[i, 0] >> np.uint64(20)) & wide
        bloom[bit >> np.uint64(6)] |= np.uint64(1) << (bit & np.uint64(63))


@compiled
def _probe(
    own: Longs, lists: Octets, table: npt.NDArray[np.int32], bloom: Longs, masks: Longs, number: int, found: Flags
) -> None:
    wrap, wide = np.uint64(table.shape[0] - 1), np.uint64(64 * bloom.shape[0] - 1)
    for i in range(masks.shape[0]):
        bit = (masks[i, 0] >> np.uint64(20)) & wide
        if not (bloom[bit >> np.uint64(6)] >> (bit & np.uint64(63))) & np.uint64(1):
            continue
        slot = masks[i, 0] & wrap
        while table[slot] >= 0:
            held = table[slot]
            if own[held, 0] == masks[i, 0] and own[held, 1] == masks[i, 1] and lists[held] == number:
                found[held] = True
            slot = (slot + np.uint64(1)) & wrap
