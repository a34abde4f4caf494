"""From batches of a source to sorted runs, one per part. Memory: ``MEMORY`` bytes of buffered rows and as much to sort.

Run by the owner's node at registration. Buffers that are full become a sorted run of every part at once; at the end
the runs of each part are made one (``compact``), so rows are written twice only where they exceed the buffer.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa

from adapters.snapshot.columns import StoredColumn
from adapters.snapshot.index import Run
from adapters.snapshot.order import Int64, by_rank, ranks
from adapters.snapshot.prints import PRINT, prints_of
from adapters.snapshot.runs import RunWriter, Units
from adapters.snapshot.units import hash_units

MEMORY: Final = 512 << 20
PART_ROWS: Final = 1_500_000
MAX_PARTS: Final = 256
_THREADS: Final = 2


def parts_for(rows: int) -> int:
    """A power of two: as many parts as keep each near ``PART_ROWS``; 1 for what one worker scans at once anyway."""
    return min(MAX_PARTS, 1 << max(0, math.ceil(math.log2(max(1, rows) / PART_ROWS))))


@dataclass(repr=False)
class _Buffer:
    """Rows of one part that wait: per batch the columns, and per row the place of its unit among the entries."""

    columns: list[dict[str, pa.Array]] = field(default_factory=list)
    unit: list[Int64] = field(default_factory=list)
    entries: list[Units] = field(default_factory=list)
    units: int = 0


class PartitionedWriter:
    """Splits batches by unit, and writes a sorted run of each part when the buffers are full and at the end."""

    def __init__(
        self,
        folder: Path,
        columns: Sequence[StoredColumn],
        unit: str,
        parts: int,
        unit_key: bytes,
        seal_key: bytes | None = None,
        memory: int = MEMORY,
        printed: Sequence[str] = (),
    ) -> None:
        self._folder, self._columns, self._parts = folder, tuple(columns), parts
        self._printed = [column for column in columns if column.name in printed and column.name != unit]
        self._unit = next(column for column in columns if column.name == unit)
        self._unit_key, self._seal_key, self._memory = unit_key, seal_key, memory
        self._buffers = [_Buffer() for _ in range(parts)]
        self._held = 0
        self.rows = self.unitless = 0
        self.runs: list[Run] = []

    def add_all(self, batches: Iterable[pa.RecordBatch]) -> list[Run]:
        """Everything, to its end; returns the runs, several of a part if the buffers were full in between."""
        for batch in batches:
            self.add(batch)
        self._flush()
        return self.runs

    def add(self, batch: pa.RecordBatch) -> None:
        """Raises ``BadSource`` for a value that its column's declaration does not allow."""
        units = batch.column(self._unit.name)
        if units.null_count:
            batch = batch.filter(units.is_valid())
            self.unitless += units.null_count
            units = batch.column(self._unit.name)
        if not batch.num_rows:
            return
        self.rows += batch.num_rows
        number, entries, part = self._numbered(units)
        order = np.argsort(part[number].astype(np.uint8 if self._parts <= 256 else np.uint16), kind="stable")
        stored = {
            column.name: column.store(batch.column(column.name)).take(pa.array(order))
            for column in self._columns
            if column.name != self._unit.name
        }
        self._held += sum(array.nbytes for array in stored.values()) + 16 * batch.num_rows
        self._held += 24 * len(entries.high) + entries.value.nbytes
        row_cuts = _cuts(part[number], self._parts)
        unit_cuts = _cuts(part, self._parts)
        number = number[order]
        prints = entries.high[number] + prints_of(stored, self._printed, batch.num_rows, self._unit_key)
        stored[PRINT.name] = pa.array(prints.view(np.int64))
        for at, buffer in enumerate(self._buffers):
            first, last = row_cuts[at], row_cuts[at + 1]
            if first == last:
                continue
            units_of = slice(unit_cuts[at], unit_cuts[at + 1])
            buffer.columns.append({name: array.slice(first, last - first) for name, array in stored.items()})
            buffer.unit.append(number[first:last] - unit_cuts[at] + buffer.units)
            buffer.entries.append(_slice(entries, units_of))
            buffer.units += units_of.stop - units_of.start
        if self._held > self._memory:
            self._flush()

    def _numbered(self, array: pa.Array) -> tuple[Int64, Units, Int64]:
        """Per row the place of its unit among the batch's entries, which are in the order of their parts."""
        if pa.types.is_dictionary(array.type) and len(array.dictionary) > 2 * len(array):
            array = array.dictionary_decode()
        if not pa.types.is_dictionary(array.type):
            array = array.dictionary_encode()
        index = array.indices.to_numpy(zero_copy_only=False).astype(np.int64)
        used = np.flatnonzero(np.bincount(index, minlength=len(array.dictionary)))
        value = self._unit.store(array.dictionary.take(pa.array(used)))
        high, low = hash_units(value, self._unit_key)
        part = part_of(high, self._parts)
        order = np.argsort(part, kind="stable")
        place = np.empty(len(array.dictionary), dtype=np.int64)
        place[used[order]] = np.arange(len(used))
        entries = Units(high[order], low[order], np.zeros(len(used), np.int64), value.take(pa.array(order)))
        return place[index], entries, part[order]

    def _flush(self) -> None:
        waiting = [(part, buffer) for part, buffer in enumerate(self._buffers) if buffer.columns]
        self._buffers = [_Buffer() for _ in range(self._parts)]
        self._held = 0
        with ThreadPoolExecutor(_THREADS) as pool:
            self.runs += pool.map(lambda item: self._run(*item), waiting)

    def _run(self, part: int, buffer: _Buffer) -> Run:
        writer = RunWriter(self._folder, part, (*self._columns, PRINT), self._unit.name, self._seal_key)
        entries = joined(buffer.entries)
        append_sorted(writer, buffer.columns, np.concatenate(buffer.unit), entries)
        buffer.columns.clear()
        return writer.close()


def append_sorted(writer: RunWriter, columns: Sequence[Mapping[str, pa.Array]], unit: Int64, entries: Units) -> None:
    """Put rows into the order of their units and append them. ``unit``: per row its place in ``entries``."""
    rank, holder = ranks(entries.high, entries.low)
    order, counts = by_rank(rank[unit], len(holder))
    places = pa.array(order)
    arrays = {
        name: pa.chunked_array([piece[name] for piece in columns]).combine_chunks().take(places) for name in columns[0]
    }
    writer.add_rows({name: _one(array) for name, array in arrays.items()})
    writer.add_units(entries.take(holder, counts))


def joined(entries: Sequence[Units]) -> Units:
    if len(entries) == 1:
        return entries[0]
    return Units(
        np.concatenate([e.high for e in entries]),
        np.concatenate([e.low for e in entries]),
        np.concatenate([e.rows for e in entries]),
        pa.concat_arrays([e.value for e in entries]),
    )


def part_of(high: np.ndarray[tuple[int], np.dtype[np.uint64]], parts: int) -> Int64:
    """The leading bits of the hash."""
    bits = parts.bit_length() - 1
    return (high >> np.uint64(64 - bits)).astype(np.int64) if bits else np.zeros(len(high), dtype=np.int64)


def _cuts(part: Int64, parts: int) -> list[int]:
    return [0, *np.cumsum(np.bincount(part, minlength=parts)).tolist()]


def _slice(entries: Units, at: slice) -> Units:
    return Units(entries.high[at], entries.low[at], entries.rows[at], entries.value.slice(at.start, at.stop - at.start))


def _one(array: pa.Array | pa.ChunkedArray) -> pa.Array:
    return array.combine_chunks() if isinstance(array, pa.ChunkedArray) else array
