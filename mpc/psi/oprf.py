"""BaRK-OPRF (KKRT, CCS 2016): one pseudorandom function per bin, each evaluated once by the receiver.

The receiver of the intersection owns at most one item y per bin j and learns F_j(y) = H(j, t_j); the sender can compute
F_j(x) = H(j, q_j ^ (C(x) & s)) for any x, which equals F_j(y) if x = y and is hidden behind at least 128 unknown bits
of s otherwise. H is BLAKE2s keyed by nothing, salted with the bin and personalised with the session; it must be
d-Hamming correlation robust (KKRT's assumption, d = 128). Bins come in blocks of ``extension.BLOCK_ROWS``.
Empty bins carry the all-zero word: corrections hide the code words, so the sender cannot tell them.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt

from mpc.ot.blake2s import digest_rows
from mpc.ot.compiled import compiled
from mpc.ot.extension import BLOCK_ROWS, ChoiceSide, CodeSide
from mpc.psi.code import Code
from mpc.psi.parameters import HASHES

VALUE_BYTES: Final = 16
_PAIRS_AT_ONCE: Final = 1 << 14  # about 3 MB of intermediate rows

Longs = npt.NDArray[np.uint64]
Octets = npt.NDArray[np.uint8]
Indices = npt.NDArray[np.int64]
Bins = npt.NDArray[np.uint32]
Owners = npt.NDArray[np.int32]


class Evaluator:
    """The receiver's side: yields corrections block by block and fills ``values`` (n, 16), one row per item."""

    def __init__(self, side: CodeSide, code: Code, identities: Longs, owners: Owners, person: bytes) -> None:
        self._side, self._code, self._person = side, code, person
        self.identities, self._owners = identities, owners
        self.values: Octets = np.zeros((len(identities), VALUE_BYTES), np.uint8)
        self.complete = False

    def __repr__(self) -> str:
        return f"Evaluator(items={len(self.values)}, values=<redacted>)"

    def blocks(self) -> Iterator[Longs]:
        """Yield the corrections (rows, width) of every block of bins, to be sent in this order."""
        for start in range(0, len(self._owners), BLOCK_ROWS):
            owners = self._owners[start : start + BLOCK_ROWS]
            full = np.flatnonzero(owners >= 0)
            items = owners[full]
            words = np.zeros((len(owners), self._code.width), np.uint64)
            words[full] = self._code.words(self.identities[items])
            rows, corrections = self._side.next(words)
            message = np.zeros((len(full), 8), np.uint64)
            message[:, : self._code.width] = rows[full]
            digests = _hash(message, (full + start).astype(np.uint64), self._code.width, self._person)
            self.values[items] = digests.view(np.uint8).reshape(-1, 32)[:, :VALUE_BYTES]
            self.complete = start + BLOCK_ROWS >= len(self._owners)  # before the last yield: the answer may be quick
            yield corrections


class KeyHolder:
    """The sender's side: takes corrections and fills ``values`` (3, n, size): item i under its z-th bin's function."""

    def __init__(
        self, side: ChoiceSide, code: Code, identities: Longs, positions: Bins, bins: int, person: bytes, size: int
    ) -> None:
        self._side, self._code, self._person, self._size = side, code, person, size
        self._identities, self._positions, self._bins = identities, positions, bins
        self.blocks = -(-bins // BLOCK_ROWS)
        self.taken = 0
        self.values: Octets = np.zeros((HASHES, len(identities), size), np.uint8)
        self._starts = np.zeros(self.blocks + 1, np.int64)
        self._pairs = np.empty(HASHES * len(identities), np.uint32)
        _sort_by_block(positions, BLOCK_ROWS, self._starts, self._pairs)

    def __repr__(self) -> str:
        return f"KeyHolder(items={len(self._identities)}, keys=<redacted>)"

    def rows_of(self, block: int) -> int:
        return min(BLOCK_ROWS, self._bins - block * BLOCK_ROWS)

    def take(self, corrections: Longs) -> None:
        """Take the next block's corrections, of shape (``rows_of(taken)``, width)."""
        keys = self._side.next(corrections)
        first = self.taken * BLOCK_ROWS
        for at in range(int(self._starts[self.taken]), int(self._starts[self.taken + 1]), _PAIRS_AT_ONCE):
            pairs = self._pairs[at : min(at + _PAIRS_AT_ONCE, int(self._starts[self.taken + 1]))]
            identities = np.empty((len(pairs), 2), np.uint64)
            bins = np.empty(len(pairs), np.uint64)
            _gather(pairs, self._identities, self._positions, identities, bins)
            message = np.zeros((len(pairs), 8), np.uint64)
            _combine(keys, self._side.mask, self._code.blocks(identities), bins, first, message)
            _scatter(_hash(message, bins, self._code.width, self._person).view(np.uint8), pairs, self.values)
        self.taken += 1


def _hash(message: Longs, bins: Longs, width: int, person: bytes) -> npt.NDArray[np.uint32]:
    lengths = np.full(len(message), 8 * width, np.uint32)
    return digest_rows(message.view("<u4"), lengths, bins, person, VALUE_BYTES)


@compiled
def _sort_by_block(positions: Bins, rows: int, starts: Indices, pairs: Bins) -> None:
    """Counting sort of the pairs 3i+z by block of bins; ``starts`` has one entry more than there are blocks."""
    for i in range(positions.shape[0]):
        for z in range(3):
            starts[positions[i, z] // rows + 1] += 1
    for b in range(1, starts.shape[0]):
        starts[b] += starts[b - 1]
    for i in range(positions.shape[0]):
        for z in range(3):
            block = positions[i, z] // rows
            pairs[starts[block]] = 3 * i + z
            starts[block] += 1
    for b in range(starts.shape[0] - 1, 0, -1):
        starts[b] = starts[b - 1]
    starts[0] = 0


@compiled
def _gather(pairs: Bins, identities: Longs, positions: Bins, chosen: Longs, bins: Longs) -> None:
    for k in range(pairs.shape[0]):
        item, z = pairs[k] // np.uint32(3), pairs[k] % np.uint32(3)
        chosen[k, 0], chosen[k, 1] = identities[item, 0], identities[item, 1]
        bins[k] = positions[item, z]


@compiled
def _combine(keys: Longs, mask: Longs, blocks: Longs, bins: Longs, first: int, message: Longs) -> None:
    """message = q_j ^ (C(x) & s)"""
    for k in range(bins.shape[0]):
        row = np.int64(bins[k]) - first
        for w in range(mask.shape[0]):
            message[k, w] = keys[row, w] ^ (blocks[w >> 1, k, w & 1] & mask[w])


@compiled
def _scatter(digests: Octets, pairs: Bins, values: npt.NDArray[np.uint8]) -> None:
    for k in range(pairs.shape[0]):
        item, z = pairs[k] // np.uint32(3), pairs[k] % np.uint32(3)
        for b in range(values.shape[2]):
            values[z, item, b] = digests[k, b]
