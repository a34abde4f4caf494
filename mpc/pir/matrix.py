"""The arithmetic of SimplePIR: the hint, the scan, and the public matrix. All of it is modulo 2^32.

Shapes: the table D is (rows, columns) uint8, the public matrix A is (columns, n) uint32, the hint D A is (rows, n).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from mpc.errors import BadParameters
from mpc.pir.kernel import accumulate

Words = npt.NDArray[np.uint32]
Cells = npt.NDArray[np.uint8]

SEED_BYTES: Final = 32
_DEPTH: Final = 2048  # rows of A at a time: 11 MB at n = 1408, four of its columns fill a first-level cache
_HEIGHT: Final = 8192  # rows of a strip
_CHUNK: Final = 256 * 1024
_ZEROS: Final = bytes(_CHUNK)


def hint(table: Cells, seed: bytes, dimension: int, threads: int = 1) -> Words:
    """D A for the A of ``seed``: the server's one-time work, n multiplications per byte of the table.

    Needs about 40 MB beside table and result; a table that is a ``numpy.memmap`` is read in strips of 2048 columns.
    """
    rows, columns = table.shape
    out = np.zeros((rows, dimension), dtype=np.uint32)
    for first, block in public_matrix(seed, columns, dimension, _DEPTH):
        vectors = _read_only(block.T)
        for top in range(0, rows, _HEIGHT):
            _spread(table[top : top + _HEIGHT, first : first + len(block)], vectors, out[top : top + _HEIGHT], threads)
    return out


def scan(table: Cells | Words, vectors: Words, threads: int = 1) -> Words:
    """The table times each of ``vectors`` (k, columns): (k, rows). The server's work per batch of queries.

    Reads the table from memory once whatever k is; time and memory access depend on shapes only.
    """
    out = np.zeros((table.shape[0], vectors.shape[0]), dtype=np.uint32)
    _spread(table, vectors, out, threads)
    return np.ascontiguousarray(out.T)


def public_matrix(seed: bytes, columns: int, dimension: int, block: int = _DEPTH) -> Iterator[tuple[int, Words]]:
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


def _spread(table: Cells | Words, vectors: Words, out: Words, threads: int) -> None:
    """Split the rows over ``threads``; each adds its part to ``out`` (rows, k). The loop itself checks no bounds."""
    if table.ndim != 2 or vectors.ndim != 2 or table.shape[1] != vectors.shape[1] or threads < 1:
        raise BadParameters("table and vectors need as many columns as each other, and the work at least one thread")
    rows = table.shape[0]
    table, vectors = _read_only(table), _read_only(vectors)
    if threads == 1:
        accumulate(table, vectors, out, 0, rows)
        return
    edges = [rows * part // threads // 4 * 4 for part in range(threads)] + [rows]
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda top, bottom: accumulate(table, vectors, out, top, bottom), edges[:-1], edges[1:]))


def _read_only(array: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """The array in C order (copied only if it is not), marked read-only: one kind of argument, one compiled loop."""
    view = np.ascontiguousarray(array).view()
    view.flags.writeable = False
    return view
