"""A snapshot as scans see it: part by part in the order of units, or as rows in no order that matters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import cached_property
from pathlib import Path

import numpy as np
import pyarrow as pa

from adapters.errors import BadSource
from adapters.snapshot.exclusions import excluded
from adapters.snapshot.files import ArrowFile
from adapters.snapshot.index import Index, Run, read_index
from adapters.snapshot.merge import Block, Merged
from adapters.snapshot.order import Int64, UInt64
from adapters.snapshot.present import EXCLUSIONS
from adapters.snapshot.prints import PRINT
from adapters.snapshot.ref import SnapshotRef
from adapters.snapshot.runs import OpenRun


class Snapshot:
    """One opened snapshot. Raises ``SnapshotDamaged`` where its bytes are not those that were written."""

    def __init__(self, ref: SnapshotRef) -> None:
        self._ref, self._folder = ref, Path(ref.folder)
        self.index: Index = read_index(self._folder, ref.digest)

    def part(self, number: int) -> Part:
        return Part(self.index, [self._run(run) for run in self.index.runs_of(number)], self._exclusions)

    def _run(self, run: Run) -> OpenRun:
        return OpenRun(self._folder, self.index, run, self._ref.key)

    @cached_property
    def _exclusions(self) -> pa.RecordBatch | None:
        stored = self.index.exclusions
        if stored is None:
            return None
        return ArrowFile(self._folder / EXCLUSIONS, stored, self._ref.key, EXCLUSIONS).batches()[0]


class Part:
    """One part: its units in order, and their rows in blocks."""

    def __init__(self, index: Index, runs: Sequence[OpenRun], exclusions: pa.RecordBatch | None) -> None:
        self.index, self._runs = index, runs
        self.merged = Merged(runs)
        self.excluded = excluded(self.merged.high, self.merged.low, exclusions)
        """Per unit, whether its rows are left out; ``None`` if none is."""

    @property
    def rows(self) -> int:
        return sum(run.run.rows for run in self._runs)

    def blocks(self, rows: int) -> Iterator[Block]:
        return self.merged.blocks(rows)

    def column(self, block: Block, name: str) -> pa.Array:
        """A block's rows of one column as stored, piece after piece."""
        pieces = [self._piece(piece.run, name, piece.first, piece.last) for piece in block.pieces]
        return pieces[0] if len(pieces) == 1 else pa.concat_arrays(pieces)

    def prints(self, block: Block) -> UInt64:
        """Of a block's rows, piece after piece."""
        return np.asarray(self.column(block, PRINT.name).to_numpy()).view(np.uint64)

    def units(self, block: Block) -> Int64:
        """Per row of a block the rank of its unit within the part, piece after piece."""
        pieces = [piece.rank_of_rows() for piece in block.pieces]
        return pieces[0] if len(pieces) == 1 else np.concatenate(pieces)

    def batch(self, block: Block, names: Sequence[str]) -> pa.RecordBatch:
        """A block's rows without the excluded units, as ``StoredColumn.field`` says."""
        fields = [self.index.column(name).field for name in names]
        arrays = [self.index.column(name).shown(self.column(block, name)) for name in names]
        batch = pa.RecordBatch.from_arrays(arrays, schema=pa.schema(fields))
        if self.excluded is None:
            return batch
        return batch.filter(pa.array(~self.excluded[self.units(block)]))

    def check(self) -> None:
        """Raise ``SnapshotDamaged`` unless all files that were read are still what they were."""
        for run in self._runs:
            run.check()

    def _piece(self, run: int, name: str, first: int, last: int) -> pa.Array:
        if name != self.index.unit:
            return self._runs[run].slice(name, first, last)
        opened = self._runs[run]
        unit = np.searchsorted(opened.ends, np.arange(first, last), side="right")
        return opened.units.value.take(pa.array(unit))


class SnapshotRows:
    """All rows of a snapshot (or of one part), for scans that need no order. What a scan asks of a source."""

    def __init__(self, snapshot: Snapshot, parts: Sequence[int] | None = None, block_rows: int = 1 << 17) -> None:
        self._snapshot = snapshot
        self._parts = range(snapshot.index.parts) if parts is None else parts
        self._block_rows = block_rows

    def read(self, columns: Sequence[str]) -> pa.RecordBatchReader:
        """Stream these columns; raises ``BadSource`` for an unknown one, ``SnapshotDamaged`` while it is read."""
        index = self._snapshot.index
        if missing := sorted(set(columns) - set(index.names)):
            raise BadSource(f"the data has no column {missing[0]!r}")
        schema = pa.schema([index.column(name).field for name in columns])
        return pa.RecordBatchReader.from_batches(schema, self._batches(columns))

    def _batches(self, columns: Sequence[str]) -> Iterator[pa.RecordBatch]:
        for number in self._parts:
            part = self._snapshot.part(number)
            for block in part.blocks(self._block_rows):
                yield part.batch(block, columns)
            part.check()
