"""One sorted run on disk: an Arrow file per column, and ``units``: per unit its hash, its rows and the unit itself."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from adapters.errors import SnapshotDamaged
from adapters.snapshot.columns import StoredColumn
from adapters.snapshot.files import ArrowFile, ArrowFileWriter
from adapters.snapshot.index import BATCH_ROWS, Index, Run
from adapters.snapshot.order import Int64, UInt64

UNITS: Final = "units.arrow"


@dataclass(frozen=True, repr=False)
class Units:
    """Entries of units: 128-bit hash in two halves, number of rows, and the unit as it is stored."""

    high: UInt64
    low: UInt64
    rows: Int64
    value: pa.Array

    def take(self, order: Int64, rows: Int64) -> Units:
        return Units(self.high[order], self.low[order], rows, self.value.take(pa.array(order)))


class RunWriter:
    """Takes a part's rows in the order of their units, piece by piece, and those units."""

    def __init__(self, folder: Path, part: int, columns: Sequence[StoredColumn], unit: str, key: bytes | None) -> None:
        self._part, self._name = part, f"p{part:04d}-{secrets.token_hex(8)}"
        self._rows = self._units = 0
        place = folder / self._name
        place.mkdir()
        unit_type = next(column.type for column in columns if column.name == unit)
        self._files = {
            column.name: ArrowFileWriter(
                place / file_of(column.name),
                pa.schema([(column.name, column.type)]),
                key,
                f"{self._name}/{file_of(column.name)}",
            )
            for column in columns
            if column.name != unit
        }
        schema = pa.schema([("high", pa.uint64()), ("low", pa.uint64()), ("rows", pa.int64()), ("value", unit_type)])
        self._unit_file = ArrowFileWriter(place / UNITS, schema, key, f"{self._name}/{UNITS}")
        self._unit_schema = schema

    def add_rows(self, arrays: Mapping[str, pa.Array]) -> None:
        for name, writer in self._files.items():
            array = arrays[name]
            for first in range(0, len(array), BATCH_ROWS):
                writer.write(pa.record_batch([array.slice(first, BATCH_ROWS)], names=[name]))

    def add_units(self, units: Units) -> None:
        """Each unit once, with all its rows."""
        batch = [pa.array(units.high), pa.array(units.low), pa.array(units.rows), units.value]
        self._unit_file.write(pa.RecordBatch.from_arrays(batch, schema=self._unit_schema))
        self._rows += int(units.rows.sum())
        self._units += len(units.high)

    def close(self) -> Run:
        files = {file_of(name): writer.close() for name, writer in self._files.items()}
        files[UNITS] = self._unit_file.close()
        return Run(part=self._part, name=self._name, rows=self._rows, units=self._units, files=files)


class OpenRun:
    """One run as it is read. Column files are opened when first asked for."""

    def __init__(self, folder: Path, index: Index, run: Run, key: bytes | None) -> None:
        self.run = run
        self._folder, self._index, self._key = folder / run.name, index, key
        self._columns: dict[str, tuple[tuple[pa.RecordBatch, ...], list[int]]] = {}

    @cached_property
    def units(self) -> Units:
        batches = self._file(UNITS).batches()
        if sum(batch.num_rows for batch in batches) != self.run.units:
            raise SnapshotDamaged("a run of the snapshot has another number of units")
        table = pa.Table.from_batches(batches)

        def joined(name: str) -> pa.Array:
            column = table[name]
            return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()

        return Units(joined("high").to_numpy(), joined("low").to_numpy(), joined("rows").to_numpy(), joined("value"))

    @cached_property
    def ends(self) -> Int64:
        """The row after the last of each unit."""
        return np.cumsum(self.units.rows)

    def slice(self, name: str, first: int, last: int) -> pa.Array:
        """Rows ``first`` to ``last`` (exclusive) of a column that is not the unit, as stored."""
        batches, starts = self._batches(name)
        pieces = [
            batch.column(0).slice(max(0, first - start), min(last, start + batch.num_rows) - max(first, start))
            for batch, start in zip(batches, starts, strict=True)
            if start < last and first < start + batch.num_rows
        ]
        if len(pieces) == 1:
            return pieces[0]
        return pa.concat_arrays(pieces) if pieces else pa.array([], self._index.column(name).type)

    def check(self) -> None:
        """Raise ``SnapshotDamaged`` unless every file that was opened is still the one that was checked."""
        for name in (*self._columns, UNITS):
            self._file(name if name == UNITS else file_of(name)).check()

    def _batches(self, name: str) -> tuple[tuple[pa.RecordBatch, ...], list[int]]:
        if name not in self._columns:
            batches = self._file(file_of(name)).batches()
            starts = np.cumsum([0, *(batch.num_rows for batch in batches)]).tolist()
            if starts[-1] != self.run.rows:
                raise SnapshotDamaged("a run of the snapshot has another number of rows")
            self._columns[name] = (batches, starts[:-1])
        return self._columns[name]

    def _file(self, name: str) -> ArrowFile:
        return ArrowFile(self._folder / name, self.run.files[name], self._key, f"{self.run.name}/{name}")


def file_of(column: str) -> str:
    return f"{column}.column"
