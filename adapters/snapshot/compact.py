"""Several runs of one part to one, in pieces of bounded size: what an append, or a full buffer, leaves behind."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from adapters.snapshot.index import Index, Run
from adapters.snapshot.merge import Merged
from adapters.snapshot.order import by_rank
from adapters.snapshot.runs import OpenRun, RunWriter, Units

PIECE_ROWS: Final = 1 << 20


def compact(folder: Path, index: Index, runs: Sequence[Run], key: bytes | None) -> Run:
    """Merge runs of one part in ``folder`` into a new one beside them. Raises ``SnapshotDamaged``."""
    opened = [OpenRun(folder, index, run, key) for run in runs]
    merged = Merged(opened)
    names = [name for name in index.names if name != index.unit]
    writer = RunWriter(folder, runs[0].part, index.columns, index.unit, key)
    for block in merged.blocks(PIECE_ROWS):
        arrays = {
            name: pa.concat_arrays([opened[piece.run].slice(name, piece.first, piece.last) for piece in block.pieces])
            for name in names
        }
        if not block.in_order:
            rank = np.concatenate([piece.rank_of_rows() for piece in block.pieces]) - block.first
            order = pa.array(by_rank(rank, block.last - block.first)[0])
            arrays = {name: array.take(order) for name, array in arrays.items()}
        writer.add_rows(arrays)
    value = pa.concat_arrays([run.units.value for run in opened]).take(pa.array(merged.holder))
    writer.add_units(Units(merged.high, merged.low, merged.rows, value))
    return writer.close()
