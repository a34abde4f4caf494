"""An oblivious key-value store: a table that answers programmed keys with their values and looks random otherwise.

Source: Garimella, Pinkas, Rosulek, Trieu, Yanai, "Oblivious Key-Value Stores and Amplification for Private Set
Intersection" (CRYPTO 2021), their 3-hash garbled cuckoo table: three sparse cells per key, solved by peeling, plus
dense columns that every key uses at random. A value is the exclusive-or of its three cells and of those dense cells
that its 64-bit word selects. If the values are uniform and independent, so is the table: it hides which keys were
programmed, not how many.

Encoding fails only if the key rows are linearly dependent. The expected number of dependencies among sparse rows is
2^-m sum_w C(m,w) (1+K(w))^n - 1 (K: normalised Krawtchouk polynomial of degree 3), and the dense word keeps each with
probability 2^-64: ``encoding_failure_bits``. A failure is typed and nothing has been sent.
"""

from __future__ import annotations

from math import log
from typing import Final

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters
from mpc.ot.compiled import compiled
from mpc.party import RandomBytes
from mpc.psi.parameters import log_comb

DENSE_CELLS: Final = 64
_FEWEST_CELLS: Final = 256
_SAMPLES: Final = 1 << 16

Longs = npt.NDArray[np.uint64]
Bins = npt.NDArray[np.uint32]
Indices = npt.NDArray[np.int64]


def sparse_cells_for(keys: int) -> int:
    """Return 1.3 cells per key: peeling threshold 1.222, the rest so that little is left to eliminate."""
    return max(_FEWEST_CELLS, -(-keys * 13 // 10))


def encode(cells: Bins, dense: Longs, values: Longs, size: int, random: RandomBytes) -> Longs:
    """Return the table (size + 64, 2) that answers key i, given by ``cells`` (n, 3) and ``dense`` (n,), with ``values``
    (n, 2). Keys must be distinct. Raises ``BadParameters`` if they are linearly dependent (below 2^-60).
    """
    noise = np.frombuffer(random(16 * (size + DENSE_CELLS)), "<u8").astype(np.uint64)
    table = noise.reshape(size + DENSE_CELLS, 2)  # cells that nothing determines stay random
    order, owned = np.empty(len(cells), np.int64), np.empty(len(cells), np.int64)
    alive = np.ones(len(cells), np.bool_)
    peeled = _peel(cells, size, alive, order, owned)
    core = np.flatnonzero(alive)
    if len(core):
        _solve_core(cells[core], dense[core], values[core], table, size)
    _fill(cells, dense, values, order[:peeled], owned[:peeled], table, byte_tables(table[size:]))
    return table


def decode(cells: Bins, dense: Longs, table: Longs) -> Longs:
    """Return the answers (n, 2) of ``table`` to the keys."""
    out = np.empty((len(cells), 2), np.uint64)
    _decode(cells, dense, table, byte_tables(table[len(table) - DENSE_CELLS :]), out)
    return out


def encoding_failure_bits(keys: int) -> float:
    """Return b such that encoding ``keys`` distinct random keys fails with probability at most 2^-b."""
    if not keys:
        return float("inf")
    size = sparse_cells_for(keys)
    step = max(1, size // _SAMPLES)  # a coarse sum over w stands for ``step`` neighbours of a smooth summand
    w = np.arange(0, size + 1, step, dtype=np.float64)
    m = float(size)
    total = m * (m - 1) * (m - 2) / 6
    u = m - w
    krawtchouk = (
        u * (u - 1) * (u - 2) / 6 - w * u * (u - 1) / 2 + u * w * (w - 1) / 2 - w * (w - 1) * (w - 2) / 6
    ) / total
    with np.errstate(divide="ignore"):
        logs = log_comb(m, w) + keys * np.log1p(np.maximum(krawtchouk, -1)) - m * log(2) + log(step)
    peak = float(logs.max())
    return DENSE_CELLS - (peak + float(np.log(np.exp(logs - peak).sum()))) / log(2)


def byte_tables(cells: Longs) -> Longs:
    """Return (8, 256, 2): the exclusive-or of the dense cells that each byte of a dense word selects."""
    out = np.zeros((8, 256, 2), np.uint64)
    for byte in range(8):
        for bit in range(8):
            out[byte, 1 << bit : 2 << bit] = out[byte, : 1 << bit] ^ cells[8 * byte + bit]
    return out


def _solve_core(cells: Bins, dense: Longs, values: Longs, table: Longs, size: int) -> None:
    """Gaussian elimination over what peeling left: usually nothing or a handful of keys."""
    used, column = np.unique(cells, return_inverse=True)
    columns = len(used)
    bits = np.zeros((len(cells), columns + DENSE_CELLS), np.uint8)
    np.put_along_axis(bits, column.reshape(cells.shape), 1, axis=1)
    bits[:, columns:] = np.unpackbits(dense.astype("<u8").view(np.uint8).reshape(-1, 8), axis=1, bitorder="little")
    packed = np.packbits(np.pad(bits, ((0, 0), (0, -bits.shape[1] % 64))), axis=1, bitorder="little")
    right = values ^ decode(cells, dense, table)  # solve for the change to the random table
    pivots = np.empty(len(cells), np.int64)
    if not _eliminate(packed.view("<u8").astype(np.uint64), right, bits.shape[1], pivots):
        raise BadParameters("these keys are linearly dependent (below 2^-60): start a new session")
    targets = np.where(pivots < columns, np.append(used, 0)[np.minimum(pivots, columns)], size + pivots - columns)
    table[targets] ^= right


@compiled
def _eliminate(rows: Longs, right: Longs, columns: int, pivots: Indices) -> bool:
    """Gauss-Jordan; row i ends with its pivot in column ``pivots[i]``, alone in that column."""
    found = 0
    for column in range(columns):
        if found == rows.shape[0]:
            break
        word, bit = column >> 6, np.uint64(1) << np.uint64(column & 63)
        pivot = found
        while pivot < rows.shape[0] and not rows[pivot, word] & bit:
            pivot += 1
        if pivot == rows.shape[0]:
            continue
        for w in range(rows.shape[1]):
            rows[pivot, w], rows[found, w] = rows[found, w], rows[pivot, w]
        for w in range(2):
            right[pivot, w], right[found, w] = right[found, w], right[pivot, w]
        for other in range(rows.shape[0]):
            if other != found and rows[other, word] & bit:
                for w in range(rows.shape[1]):
                    rows[other, w] ^= rows[found, w]
                right[other, 0] ^= right[found, 0]
                right[other, 1] ^= right[found, 1]
        pivots[found] = column
        found += 1
    return bool(found == rows.shape[0])


@compiled
def _peel(cells: Bins, size: int, alive: npt.NDArray[np.bool_], order: Indices, owned: Indices) -> int:
    """Remove keys that have a cell to themselves, again and again; return how many."""
    degree = np.zeros(size, np.int32)
    keys = np.zeros(size, np.int64)  # exclusive-or of the keys at a cell: at degree 1, the key itself
    for i in range(cells.shape[0]):
        for z in range(3):
            degree[cells[i, z]] += 1
            keys[cells[i, z]] ^= i
    waiting = np.empty(size, np.int64)
    top, peeled = 0, 0
    for v in range(size):
        if degree[v] == 1:
            waiting[top] = v
            top += 1
    while top:
        top -= 1
        v = waiting[top]
        if degree[v] != 1:
            continue
        i = keys[v]
        alive[i] = False
        order[peeled], owned[peeled] = i, v
        peeled += 1
        for z in range(3):
            cell = cells[i, z]
            degree[cell] -= 1
            keys[cell] ^= i
            if degree[cell] == 1:
                waiting[top] = cell
                top += 1
    return peeled


@compiled
def _fill(
    cells: Bins, dense: Longs, values: Longs, order: Indices, owned: Indices, table: Longs, tables: Longs
) -> None:
    """Give each peeled key's own cell what its value still lacks, last peeled first."""
    for k in range(order.shape[0] - 1, -1, -1):
        i, own = order[k], owned[k]
        for w in range(2):
            value = values[i, w]
            for z in range(3):
                if cells[i, z] != own:
                    value ^= table[cells[i, z], w]
            for byte in range(8):
                value ^= tables[byte, (dense[i] >> np.uint64(8 * byte)) & np.uint64(255), w]
            table[own, w] = value


@compiled
def _decode(cells: Bins, dense: Longs, table: Longs, tables: Longs, out: Longs) -> None:
    for i in range(cells.shape[0]):
        for w in range(2):
            value = table[cells[i, 0], w] ^ table[cells[i, 1], w] ^ table[cells[i, 2], w]
            for byte in range(8):
                value ^= tables[byte, (dense[i] >> np.uint64(8 * byte)) & np.uint64(255), w]
            out[i, w] = value
