"""Tables a server can answer over, and the one looked up by record number.

``index_table`` lays record i in column i mod columns of block i // columns. An answer carries one whole column, so an
honest client also sees the ``blocks - 1`` other records of that column, and a curious one several columns of its choice
(``Layout.readable``): an index table is for records that the client may read all of. Its interest stays private, the
table does not. The hint alone tells nothing of it (``parameters.hiding_columns``).
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import numpy.typing as npt

from mpc.errors import BadParameters, OutOfRange
from mpc.party import RandomBytes
from mpc.pir.layout import INDEX, VERSION_BYTES, Layout
from mpc.pir.matrix import SEED_BYTES, Cells
from mpc.pir.parameters import ANSWERS, MAX_COLUMNS, WIDE, Profile, check_shape, hiding_columns
from mpc.wire import SESSION_BYTES, Writer


@dataclass(frozen=True)
class Table:
    """Cells of shape (layout.rows, layout.columns) as the scan reads them. Builders make it, a version seals it."""

    layout: Layout
    cells: Cells = field(repr=False)


def index_table(
    records: Cells,
    randomness: RandomBytes,
    profile: Profile = WIDE,
    columns: int | None = None,
    answers: int = ANSWERS,
) -> Table:
    """Build a table of ``records``, uint8 of shape (number, bytes each); all records are equally long.

    ``columns`` are those with records: by default the square shape, which makes query plus answer smallest;
    ``best_columns`` counts the hint in, for clients that look up little. ``answers`` is how many lookups this version
    answers to all clients together. Raises ``BadParameters`` for an empty table or one too large for the profile.
    """
    if records.ndim != 2 or records.dtype != np.uint8 or 0 in records.shape:
        raise BadParameters("records must be a uint8 array of shape (number, bytes each), neither zero")
    number, width = records.shape
    columns = near_square(number * width, number, hiding_columns(profile, answers)) if columns is None else columns
    if not 1 <= columns <= number:
        raise BadParameters(f"{columns} columns for {number} records")
    blocks = -(-number // columns)
    empty = bytes(SEED_BYTES)
    layout = Layout(
        profile, INDEX, number, blocks, columns, answers, width, 0, randomness(SEED_BYTES), empty, b"", empty
    )
    cells = blank(layout, randomness)
    for block in range(blocks):
        part = records[block * columns : (block + 1) * columns]
        cells[block * width : (block + 1) * width, : len(part)] = part.T
    return seal(layout, cells, randomness)


def blank(layout: Layout, randomness: RandomBytes) -> npt.NDArray[np.uint8]:
    """Cells of a table before its records: zeros, and behind them the random columns that hide them in the hint.

    Raises ``BadParameters`` for a shape that is not supported.
    """
    check_shape(layout.rows, layout.columns, layout.item_bytes)
    cells = np.zeros((layout.rows, layout.columns), dtype=np.uint8)
    hiding = layout.columns - layout.filled
    for row in cells:
        row[layout.filled :] = np.frombuffer(randomness(hiding), dtype=np.uint8)
    return cells


def place(layout: Layout, number: int) -> tuple[Sequence[int], int]:
    """(columns, block) of a record number; raises ``OutOfRange`` without naming it."""
    if not 0 <= number < layout.records:
        raise OutOfRange(f"a record number outside 0..{layout.records - 1}")
    return (number % layout.filled,), number // layout.filled


def seal(layout: Layout, cells: npt.NDArray[np.uint8], randomness: RandomBytes) -> Table:
    """Bind layout and cells to a version: SHA-256 under a fresh salt that is dropped. The cells become read-only."""
    digest = hashlib.sha256(randomness(SEED_BYTES))
    digest.update(replace(layout, version=bytes(VERSION_BYTES)).write(Writer(0, 0, bytes(SESSION_BYTES))).done())
    for top in range(0, cells.shape[0], 1024):
        digest.update(np.ascontiguousarray(cells[top : top + 1024]).data)
    cells.flags.writeable = False
    return Table(replace(layout, version=digest.digest()), cells)


def best_columns(cells: int, lookups: int, profile: Profile = WIDE) -> int:
    """Columns that make hint + ``lookups`` * (query + answer) smallest, for a table of ``cells`` bytes.

    With r = cells / columns rows that is 4 (n r + lookups (columns + r)) bytes. Raises ``BadParameters``.
    """
    if cells < 1 or lookups < 1:
        raise BadParameters("a table has at least one byte and a hint serves at least one lookup")
    most = MAX_COLUMNS - hiding_columns(profile, ANSWERS)
    return max(1, min(math.isqrt(cells * (profile.dimension + lookups) // lookups), most))


def near_square(cells: int, at_most: int, hiding: int) -> int:
    """The number of filled columns that makes ``cells`` bytes nearly square, within the bounds."""
    return max(1, min(math.isqrt(cells - 1) + 1, at_most, MAX_COLUMNS - hiding))
