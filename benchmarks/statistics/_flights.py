"""The flights of 2013 repeated until each airport has a given number of rows, every repetition with other aircraft.

Repetition r appends ``-r`` to every tail number, so units stay as uneven as they are and none is shared between
repetitions; an aircraft that used two airports uses both in every repetition. Written once to a partitioned folder.
"""

from __future__ import annotations

import math
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from adapters.source import SourceSpec
from examples.prepare_flights import AIRPORTS, LONGEST, prepare

ROWS: Final = 10_000_000
PARTS: Final = 8


def scratch() -> Path:
    """Where generated files stay between runs."""
    return Path(tempfile.gettempdir()) / "unseen-bench-statistics"


def small() -> dict[str, SourceSpec]:
    """Every airport's flights as they are."""
    files = prepare(scratch() / "flights")
    return {airport: SourceSpec(kind="parquet", path=str(file)) for airport, file in files.items()}


def large(rows: int = ROWS) -> dict[str, SourceSpec]:
    """``rows`` flights for every airport, each in its own folder ``part=0``, ``part=1``, ...; made if not there."""
    folder = scratch() / f"flights-{rows}-{LONGEST}"
    if not folder.exists():
        making = folder.with_name(folder.name + ".making")
        shutil.rmtree(making, ignore_errors=True)
        for airport, file in prepare(scratch() / "flights").items():
            _write(making / airport, pq.read_table(file), rows)
        making.rename(folder)
    return {a: SourceSpec(kind="parquet", path=str(folder / a), partitioning="hive") for a in AIRPORTS}


def batches(rows: int, columns: tuple[str, ...] = (), batch_rows: int = 131_072) -> Iterator[pa.RecordBatch]:
    """The flights of one airport repeated to ``rows``, as they come; never more than one repetition in memory."""
    flights = pq.read_table(next(iter(prepare(scratch() / "flights").values())))
    if columns:
        flights = flights.select(list(columns))
    for name in ("carrier", "origin", "dest"):
        if name in flights.column_names:
            place = flights.schema.get_field_index(name)
            flights = flights.set_column(place, name, flights[name].combine_chunks().dictionary_encode())
    for table in _repeated(flights, rows):
        yield from table.to_batches(max_chunksize=batch_rows)


def _write(folder: Path, flights: pa.Table, rows: int) -> None:
    tables = _repeated(flights, rows)
    at_once = math.ceil(math.ceil(rows / len(flights)) / PARTS)
    for part in range(PARTS):
        target = folder / f"part={part}" / "flights.parquet"
        target.parent.mkdir(parents=True)
        with pq.ParquetWriter(target, flights.schema) as writer:
            for _, table in zip(range(at_once), tables, strict=False):
                writer.write_table(table)


def _repeated(flights: pa.Table, rows: int) -> Iterator[pa.Table]:
    place = flights.schema.get_field_index("tailnum")
    for number in range(math.ceil(rows / len(flights))):
        units = pc.binary_join_element_wise(flights["tailnum"].cast(pa.string()), f"-{number}", "")
        units = units.cast(flights.schema.field(place).type)
        left = rows - number * len(flights)
        yield flights.set_column(place, flights.schema.field(place), units).slice(0, min(left, len(flights)))
