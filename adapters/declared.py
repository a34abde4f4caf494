"""A source under the names and types that its owner declared: headers mapped, texts read as what they stand for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc

from adapters.errors import BadSource
from adapters.source import ReadColumn, Source
from adapters.text.fold import folded
from adapters.text.parse import TYPES, WORDS, parse

_EXAMPLES: Final = 3
_MIXED: Final = "has a time zone and other rows have none, or the other way round"


class DeclaredSource:
    """Implements ``Source`` over another one. ``all_columns``: others than the declared keep their names and types."""

    def __init__(self, source: Source, columns: Sequence[ReadColumn], *, all_columns: bool) -> None:
        self._source = source
        there = source.schema
        declared = {column.name: column for column in columns if column.column in there.names}
        if all_columns:
            taken = {column.column for column in columns}
            declared |= {
                name: ReadColumn(name=name, column=name)
                for name in there.names
                if name not in declared and name not in taken
            }
        self._columns: Mapping[str, ReadColumn] = declared
        self._schema = pa.schema([pa.field(name, self._type(column)) for name, column in declared.items()])

    @property
    def schema(self) -> pa.Schema:
        return self._schema

    def read(self, columns: Sequence[str]) -> pa.RecordBatchReader:
        """Stream these columns; raises ``BadSource`` with column and row of the first text that is not as declared."""
        if missing := sorted(set(columns) - set(self._columns)):
            raise BadSource(f"the data has no column {missing[0]!r}")
        wanted = [self._columns[name] for name in columns]
        reader = self._source.read([column.column for column in wanted])
        fields = [
            pa.field(column.name, self._schema.field(column.name).type if self._converts(column) else field.type)
            for column, field in zip(wanted, reader.schema, strict=True)
        ]
        schema = pa.schema(fields)
        return pa.RecordBatchReader.from_batches(schema, self._batches(reader, wanted, schema))

    @property
    def folder(self) -> Path:
        return self._source.folder

    def files(self) -> tuple[Path, ...]:
        return self._source.files()

    def _type(self, column: ReadColumn) -> pa.DataType:
        if not self._converts(column):
            return self._source.schema.field(column.column).type
        return pa.string() if column.type is None else TYPES[column.type]

    def _converts(self, column: ReadColumn) -> bool:
        return (column.type is not None or column.fold) and is_text(self._source.schema.field(column.column).type)

    def _batches(
        self, reader: pa.RecordBatchReader, wanted: Sequence[ReadColumn], schema: pa.Schema
    ) -> Iterator[pa.RecordBatch]:
        zones = _Zones()
        first = 1
        for batch in reader:
            arrays, faults = [], []
            for column, array in zip(wanted, batch.columns, strict=True):
                if not self._converts(column):
                    arrays.append(array)
                    continue
                parsed = parse(array, column.type or "string", column.formats)
                values = folded(parsed.values) if column.fold else parsed.values
                mixed = zones.differing(column, parsed.values, parsed.zoned)
                for bad, rule in ((parsed.bad, WORDS.get(column.type or "", "")), (mixed, _MIXED)):
                    if pc.any(bad).as_py():
                        faults.append((column, rule, array, bad))
                arrays.append(values)
            if faults:
                raise _refused(faults, first)
            yield pa.RecordBatch.from_arrays(arrays, schema=schema)
            first += batch.num_rows


class _Zones:
    """Whether a column's times have a zone: all do, or none."""

    def __init__(self) -> None:
        self._zoned: dict[str, bool] = {}

    def differing(self, column: ReadColumn, values: pa.Array, zoned: pa.Array | None) -> pa.Array:
        known = pc.is_valid(values)
        if zoned is None or not pc.any(known).as_py():
            return pa.repeat(False, len(values))
        first = self._zoned.setdefault(column.name, zoned.filter(known)[0].as_py())
        return pc.and_(known, pc.not_equal(zoned, first))


def is_text(type_: pa.DataType) -> bool:
    if pa.types.is_dictionary(type_):
        type_ = type_.value_type
    return bool(pa.types.is_string(type_) or pa.types.is_large_string(type_) or pa.types.is_string_view(type_))


def _refused(faults: Sequence[tuple[ReadColumn, str, pa.Array, pa.Array]], first: int) -> BadSource:
    """Rows are counted from 1, without the header, in all files together."""
    texts, examples = [], []
    for column, rule, array, bad in faults:
        rows = pc.indices_nonzero(bad).to_pylist()
        place = f"column {column.name}" + (f" ({column.column!r})" if column.column != column.name else "")
        more = f", and {len(rows) - 1} more by row {rows[-1] + first}" if len(rows) > 1 else ""
        texts.append(f"{place}: row {rows[0] + first} {rule}{more}")
        examples += [f"{column.name}, row {row + first}: {array[row].as_py()!r}" for row in rows[:_EXAMPLES]]
    return BadSource("; ".join(texts), tuple(examples))
