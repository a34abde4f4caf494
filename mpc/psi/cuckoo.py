"""Cuckoo hashing with three positions per item and no stash: at most one item per bin.

Placement is exact: a random walk of bounded length, then a breadth-first search for an augmenting path, which finds a
place whenever one exists (Hall). ``parameters.placement_failure_bits`` bounds the probability that none exists.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters
from mpc.ot.compiled import compiled
from mpc.psi.parameters import HASHES

Longs = npt.NDArray[np.uint64]
Bins = npt.NDArray[np.uint32]
Owners = npt.NDArray[np.int32]

_WALK: Final = 500
EMPTY: Final = -1


def positions_of(digests: Longs, bins: int) -> Bins:
    """Return (n, 3) distinct bins per item, from the last two words of each digest.

    No bin is likelier than uniform by more than a factor of 1 + bins / 2^64 for the first and third position, and
    1 + bins^2 / 2^64 for the second, which gets what the first left of its word: 1 + 2^-23 for a million items,
    1 + 2^-9 for 2^27. That multiplies the summand for t items in ``placement_failure_bits`` by its t-th power at
    most, which changes that bound by less than a bit.
    """
    out = np.empty((len(digests), HASHES), np.uint32)
    _positions_of(digests, bins, out)
    return out


def place(positions: Bins, bins: int) -> Owners:
    """Return the owner (index of its item, or -1) of every bin, each item owning exactly one of its three.

    Raises ``BadParameters`` when no placement exists (below 2^-40 for ``parameters.bins_for``).
    """
    owners = np.full(bins, EMPTY, np.int32)
    parents = np.empty(bins, np.int32)
    seen = np.full(bins, EMPTY, np.int32)
    queue = np.empty(bins, np.int32)
    if not _place(positions, _WALK, owners, parents, seen, queue):
        raise BadParameters("these items fit no bins under this salt (below 2^-40): start a new session")
    return owners


def lists_of(positions: Bins, owners: Owners) -> npt.NDArray[np.uint8]:
    """Return for every placed item which of its three positions it owns: 0, 1 or 2."""
    out = np.empty(len(positions), np.uint8)
    _lists_of(positions, owners, out)
    return out


@compiled
def _lists_of(positions: Bins, owners: Owners, out: npt.NDArray[np.uint8]) -> None:
    for i in range(positions.shape[0]):
        for z in range(3):
            if owners[positions[i, z]] == i:
                out[i] = z


@compiled
def _positions_of(digests: Longs, bins: int, out: Bins) -> None:
    for i in range(digests.shape[0]):
        first, rest = _scale(digests[i, 2], np.uint64(bins))
        second, _ = _scale(rest, np.uint64(bins - 1))
        third, _ = _scale(digests[i, 3], np.uint64(bins - 2))
        if second >= first:
            second += np.uint64(1)
        low, high = min(first, second), max(first, second)
        if third >= low:
            third += np.uint64(1)
        if third >= high:
            third += np.uint64(1)
        out[i, 0], out[i, 1], out[i, 2] = np.uint32(first), np.uint32(second), np.uint32(third)


@compiled
def _scale(word: np.uint64, size: np.uint64) -> tuple[np.uint64, np.uint64]:
    """Return floor(word * size / 2^64) and the rest, for size < 2^32: a uniform word gives a uniform position."""
    low = (word & np.uint64(0xFFFFFFFF)) * size
    return ((word >> np.uint64(32)) * size + (low >> np.uint64(32))) >> np.uint64(32), word * size


@compiled
def _place(positions: Bins, walk: int, owners: Owners, parents: Owners, seen: Owners, queue: Owners) -> bool:
    state = np.uint64(0x9E3779B97F4A7C15)  # which item is evicted is private to the receiver and need not be secret
    for start in range(positions.shape[0]):
        item = start
        placed = False
        for _ in range(walk):
            for z in range(3):
                if owners[positions[item, z]] < 0:
                    owners[positions[item, z]] = item
                    placed = True
                    break
            if placed:
                break
            state ^= state << np.uint64(13)
            state ^= state >> np.uint64(7)
            state ^= state << np.uint64(17)
            spot = positions[item, (state >> np.uint64(33)) % np.uint64(3)]
            item, owners[spot] = owners[spot], item
        if not placed and not _augment(positions, item, start, owners, parents, seen, queue):
            return False
    return True


@compiled
def _augment(
    positions: Bins, item: int, mark: int, owners: Owners, parents: Owners, seen: Owners, queue: Owners
) -> bool:
    """Find the nearest free bin over alternating paths from ``item`` and shift all owners along the path."""
    head, tail = 0, 0
    for z in range(3):
        spot = positions[item, z]
        seen[spot], parents[spot], queue[tail] = mark, -1, spot
        tail += 1
    while head < tail:
        spot = queue[head]
        head += 1
        if owners[spot] < 0:
            while parents[spot] >= 0:
                owners[spot] = owners[parents[spot]]
                spot = parents[spot]
            owners[spot] = item
            return True
        for z in range(3):
            following = positions[owners[spot], z]
            if seen[following] != mark:
                seen[following], parents[following], queue[tail] = mark, spot, following
                tail += 1
    return False
