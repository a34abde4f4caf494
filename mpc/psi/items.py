"""From the caller's items (any bytes) to 256-bit digests: 128 bits of identity, 128 bits of bin positions.

The digest is BLAKE2s under the run's public salt. Two of n items share an identity with probability n^2 / 2^129:
2^-89 for a million. Duplicates collapse: a set is what is intersected.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters
from mpc.ot.blake2s import BLOCK_BYTES, DIGEST_BYTES, digest_rows
from mpc.ot.compiled import compiled
from mpc.psi.parameters import check_count

SALT_BYTES: Final = 16
_BLOCK_ROWS: Final = 1 << 16

Longs = npt.NDArray[np.uint64]
Indices = npt.NDArray[np.int64]
Items = Sequence[bytes] | npt.NDArray[np.uint8]
"""Items as a sequence of bytes, or as a matrix of n rows of equal length."""


def digest_items(items: Items, salt: bytes) -> Longs:
    """Return (n, 4) words per item: two of identity, two for ``cuckoo.positions_of``.

    Every digest equals ``hashlib.blake2s(item, salt=salt[:8], person=salt[8:])``.
    Raises ``BadParameters`` for items that are no bytes and for too many items.
    """
    count = check_count(len(items))
    if not isinstance(items, np.ndarray):
        items = tuple(items)  # a column of a table answers to labels, and these are positions
    if len(salt) != SALT_BYTES:
        raise BadParameters(f"a salt has {SALT_BYTES} bytes")
    out = np.empty((count, 4), np.uint64)
    salts = np.full(min(count, _BLOCK_ROWS), int.from_bytes(salt[:8], "little"), np.uint64)
    for at in range(0, count, _BLOCK_ROWS):
        part = items[at : at + _BLOCK_ROWS]
        rows, lengths, long = _pack_rows(part) if isinstance(part, np.ndarray) else _pack(part)
        words = digest_rows(rows.view("<u4"), lengths, salts[: len(part)], salt[8:], DIGEST_BYTES)
        out[at : at + len(part)] = words.view(np.uint64)
        for index in long:
            digest = hashlib.blake2s(bytes(part[index]), salt=salt[:8], person=salt[8:])
            out[at + index] = np.frombuffer(digest.digest(), "<u8")
    return out


def distinct(digests: Longs) -> tuple[Indices, Indices]:
    """Return the index of the first item of each identity, and for every item the number of its identity."""
    size = 1 << max(4, (2 * len(digests)).bit_length())
    firsts, number_of = np.empty(len(digests), np.int64), np.empty(len(digests), np.int64)
    count = _distinct(digests, np.full(size, -1, np.int32), firsts, number_of)
    return firsts[:count], number_of


def _pack(items: Sequence[bytes]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32], list[int]]:
    """Return zero-padded rows of 64 bytes, their lengths, and the indices of longer items (rows left empty)."""
    try:
        lengths = np.fromiter(map(len, items), np.int64, len(items))
        joined = b"".join(items)
    except TypeError:
        raise BadParameters("items are bytes: encode text (UTF-8, normalised alike on both sides) first") from None
    if len(joined) != int(lengths.sum()):
        raise BadParameters("items are bytes: buffers of wider elements are not")
    rows = np.zeros((len(items), BLOCK_BYTES), np.uint8)
    _scatter(np.frombuffer(joined, np.uint8), lengths, rows)
    long = np.flatnonzero(lengths > BLOCK_BYTES)
    lengths[long] = 0
    return rows, lengths.astype(np.uint32), long.tolist()


def _pack_rows(items: npt.NDArray[np.uint8]) -> tuple[npt.NDArray[np.uint8], npt.NDArray[np.uint32], list[int]]:
    if items.ndim != 2 or items.dtype != np.uint8:
        raise BadParameters("an array of items is a matrix of bytes, one item a row")
    count, width = items.shape
    rows = np.zeros((count, BLOCK_BYTES), np.uint8)
    if width > BLOCK_BYTES:
        return rows, np.zeros(count, np.uint32), list(range(count))
    rows[:, :width] = items
    return rows, np.full(count, width, np.uint32), []


@compiled
def _scatter(joined: npt.NDArray[np.uint8], lengths: Indices, rows: npt.NDArray[np.uint8]) -> None:
    at = 0
    for i in range(lengths.shape[0]):
        if lengths[i] <= rows.shape[1]:
            for k in range(lengths[i]):
                rows[i, k] = joined[at + k]
        at += lengths[i]


@compiled
def _distinct(digests: Longs, table: npt.NDArray[np.int32], firsts: Indices, number_of: Indices) -> int:
    """Open addressing with linear probing; the digests are uniform, so their low bits are the hash."""
    wrap = np.uint64(table.shape[0] - 1)
    count = 0
    for i in range(digests.shape[0]):
        slot = digests[i, 0] & wrap
        while table[slot] >= 0:
            held = firsts[table[slot]]
            if digests[held, 0] == digests[i, 0] and digests[held, 1] == digests[i, 1]:
                break
            slot = (slot + np.uint64(1)) & wrap
        if table[slot] < 0:
            table[slot] = count
            firsts[count] = i
            count += 1
        number_of[i] = table[slot]
    return count
