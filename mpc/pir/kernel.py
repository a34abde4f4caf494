"""The one loop that all of private lookup spends its time in, compiled.

``accumulate`` reads each table row from memory once. Four rows against one vector keep up with the memory bus; four
rows against four vectors raise the work per load, which is what batches and the hint need. Plain 32-bit integer
multiplications: measured 1.5 times faster than exact float64 products through BLAS, and no bound to prove.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import numba
import numpy as np
import numpy.typing as npt

_STRIP: Final = 1 << 19  # bytes of table that stay in a second-level cache while every vector passes over them


def _accumulate(
    table: npt.NDArray[Any],
    vectors: npt.NDArray[np.uint32],
    out: npt.NDArray[np.uint32],
    top: int,
    bottom: int,
) -> None:  # pragma: no cover - compiled
    """out[i, v] += sum over j of table[i, j] * vectors[v, j], for rows top <= i < bottom.

    Shapes: table (rows, columns) uint8 or uint32, vectors (k, columns), out (rows, k); C order, as the caller checks.
    """
    count, columns = vectors.shape
    height = max(4, _STRIP // (columns * table.itemsize) // 4 * 4)
    for first in range(top, bottom, height):
        last = min(first + height, bottom)
        fours = first + (last - first) // 4 * 4
        v = 0
        while v < count:
            if v + 4 <= count:
                for i in range(first, fours, 4):
                    _four_by_four(table, vectors, out, i, v)
                for i in range(fours, last):
                    for w in range(v, v + 4):
                        _one_by_one(table, vectors, out, i, w)
                v += 4
            else:
                for i in range(first, fours, 4):
                    _four_by_one(table, vectors, out, i, v)
                for i in range(fours, last):
                    _one_by_one(table, vectors, out, i, v)
                v += 1


def _four_by_four_plain(table: Any, vectors: Any, out: Any, i: int, v: int) -> None:  # pragma: no cover
    a0 = a1 = a2 = a3 = b0 = b1 = b2 = b3 = np.uint32(0)
    c0 = c1 = c2 = c3 = d0 = d1 = d2 = d3 = np.uint32(0)
    for j in range(vectors.shape[1]):
        a, b = np.uint32(table[i, j]), np.uint32(table[i + 1, j])
        c, d = np.uint32(table[i + 2, j]), np.uint32(table[i + 3, j])
        x, y, z, w = vectors[v, j], vectors[v + 1, j], vectors[v + 2, j], vectors[v + 3, j]
        a0 += a * x
        a1 += a * y
        a2 += a * z
        a3 += a * w
        b0 += b * x
        b1 += b * y
        b2 += b * z
        b3 += b * w
        c0 += c * x
        c1 += c * y
        c2 += c * z
        c3 += c * w
        d0 += d * x
        d1 += d * y
        d2 += d * z
        d3 += d * w
    out[i, v] += a0
    out[i, v + 1] += a1
    out[i, v + 2] += a2
    out[i, v + 3] += a3
    out[i + 1, v] += b0
    out[i + 1, v + 1] += b1
    out[i + 1, v + 2] += b2
    out[i + 1, v + 3] += b3
    out[i + 2, v] += c0
    out[i + 2, v + 1] += c1
    out[i + 2, v + 2] += c2
    out[i + 2, v + 3] += c3
    out[i + 3, v] += d0
    out[i + 3, v + 1] += d1
    out[i + 3, v + 2] += d2
    out[i + 3, v + 3] += d3


def _four_by_one_plain(table: Any, vectors: Any, out: Any, i: int, v: int) -> None:  # pragma: no cover
    a = b = c = d = np.uint32(0)
    for j in range(vectors.shape[1]):
        x = vectors[v, j]
        a += np.uint32(table[i, j]) * x
        b += np.uint32(table[i + 1, j]) * x
        c += np.uint32(table[i + 2, j]) * x
        d += np.uint32(table[i + 3, j]) * x
    out[i, v] += a
    out[i + 1, v] += b
    out[i + 2, v] += c
    out[i + 3, v] += d


def _one_by_one_plain(table: Any, vectors: Any, out: Any, i: int, v: int) -> None:  # pragma: no cover
    a = np.uint32(0)
    for j in range(vectors.shape[1]):
        a += np.uint32(table[i, j]) * vectors[v, j]
    out[i, v] += a


_four_by_four: Callable[..., Any] = numba.njit(nogil=True, cache=True)(_four_by_four_plain)
_four_by_one: Callable[..., Any] = numba.njit(nogil=True, cache=True)(_four_by_one_plain)
_one_by_one: Callable[..., Any] = numba.njit(nogil=True, cache=True)(_one_by_one_plain)
accumulate: Callable[..., None] = numba.njit(nogil=True, cache=True)(_accumulate)
