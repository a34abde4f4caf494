"""The arithmetic of SimplePIR: the public matrix, the hint, and the scan. All of it is modulo 2^32.

Shapes: the table D is (rows, columns) uint8, the public matrix A is (columns, n) uint32, the hint D A is (rows, n).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

Words = npt.NDArray[np.uint32]
Cells = npt.NDArray[np.uint8]

_DEPTH: Final = 4096  # columns a float64 product sums: 255 * (2^32 - 1) * 4096 < 2^52, so it is exact
_HEIGHT: Final = 1024  # table rows converted to float64 at a time
_CHUNK: Final = 256 * 1024
_ZEROS: Final = bytes(_CHUNK)
SEED_BYTES: Final = 32


def hint(table: Cells, seed: bytes, dimension: int) -> Words:
    """D A for the A of ``seed``: the server's one-time work. Needs about 100 MB beside table and result.

    Runs on the float64 matrix product of BLAS (its threads), exact by the choice of block depth; a table that is a
    ``numpy.memmap`` is read block by block.
    """
    rows, columns = table.shape
    out = np.zeros((rows, dimension), dtype=np.uint32)
    for first, block in public_matrix(seed, columns, dimension, _DEPTH):
        right = block.astype(np.float64)
        for top in range(0, rows, _HEIGHT):
            part = slice(top, min(top + _HEIGHT, rows))
            product = table[part, first : first + len(block)].astype(np.float64) @ right
            out[part] += product.astype(np.uint64).astype(np.uint32)
    return out


def public_matrix(seed: bytes, columns: int, dimension: int, block: int = 2048) -> Iterator[tuple[int, Words]]:
    """Yield (first row, rows of A) in blocks: AES-256 in counter mode under a key hashed from the seed.

    Hashing the seed leaves whoever chooses it no freedom over A. Row r begins at counter r * dimension / 4.
    """
    key = hashlib.sha256(b"unseen mpc.pir public matrix v1" + seed).digest()
    for first in range(0, columns, block):
        count = min(block, columns - first)
        counter = (first * dimension // 4).to_bytes(16, "big")
        encryptor = Cipher(algorithms.AES256(key), modes.CTR(counter)).encryptor()
        out = np.empty(count * dimension, dtype="<u4")
        view = memoryview(out.data).cast("B")
        for at in range(0, len(view), _CHUNK):
            size = min(_CHUNK, len(view) - at)
            encryptor.update_into(memoryview(_ZEROS)[:size], view[at : at + size])
        yield first, out.astype(np.uint32, copy=False).reshape(count, dimension)


def scan(table: Cells | Words, vectors: Words, threads: int = 1) -> Words:
    """Each of ``vectors`` (k, columns) times the table: (k, rows). The server's work per batch of queries.

    Reads the table once for every four vectors, four rows at a time for a single one; time and memory access depend
    on shapes only. ``threads`` split the rows.
    """
    rows, count = table.shape[0], vectors.shape[0]
    out = np.empty((count, rows), dtype=np.uint32)
    edges = [rows * part // threads // 4 * 4 for part in range(threads)] + [rows]

    def work(first: int, last: int) -> None:
        at = 0
        while at < count:
            if count - at >= 4:
                _four_vectors(table, vectors[at : at + 4], out[at : at + 4], first, last)
                at += 4
            else:
                _one_vector(table, vectors[at], out[at], first, last)
                at += 1

    if threads == 1:
        work(0, rows)
    else:
        with ThreadPoolExecutor(threads) as pool:
            list(pool.map(work, edges[:-1], edges[1:]))
    return out


def _one_vector_plain(
    table: Cells, vector: Words, out: Words, first: int, last: int
) -> None:  # pragma: no cover - compiled
    columns = table.shape[1]
    i = first
    while i + 4 <= last:
        a = b = c = d = np.uint32(0)
        for j in range(columns):
            x = vector[j]
            a += np.uint32(table[i, j]) * x
            b += np.uint32(table[i + 1, j]) * x
            c += np.uint32(table[i + 2, j]) * x
            d += np.uint32(table[i + 3, j]) * x
        out[i] = a
        out[i + 1] = b
        out[i + 2] = c
        out[i + 3] = d
        i += 4
    while i < last:
        a = np.uint32(0)
        for j in range(columns):
            a += np.uint32(table[i, j]) * vector[j]
        out[i] = a
        i += 1


def _four_vectors_plain(
    table: Cells, vectors: Words, out: Words, first: int, last: int
) -> None:  # pragma: no cover - compiled
    columns = table.shape[1]
    for i in range(first, last):
        a = b = c = d = np.uint32(0)
        for j in range(columns):
            x = np.uint32(table[i, j])
            a += x * vectors[0, j]
            b += x * vectors[1, j]
            c += x * vectors[2, j]
            d += x * vectors[3, j]
        out[0, i] = a
        out[1, i] = b
        out[2, i] = c
        out[3, i] = d


_one_vector: Callable[..., Any] = numba.njit(nogil=True, cache=True)(_one_vector_plain)
_four_vectors: Callable[..., Any] = numba.njit(nogil=True, cache=True)(_four_vectors_plain)
