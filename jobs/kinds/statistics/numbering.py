"""Unit values to integers before the database sees them: texts are compared once per batch, not once per row.

Equality is Arrow's, on whole values; nothing is hashed away. The integers mean nothing outside one step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.plan.expr import Col
from jobs.plan.types import Plan


def numberable(plan: Plan) -> tuple[str, ...]:
    """Unit columns of the plan's own dataset whose values no join needs."""
    keys = {key.left for join in plan.joins for key in join.on}
    units = [unit.column for unit in plan.unit_columns if unit.column.table == 0]
    return tuple(unit.name for unit in units if unit not in keys)


class Numbering:
    """Replaces columns in passing batches by provisional numbers; ``final`` maps those to one number per value."""

    def __init__(self, schema: pa.Schema, names: tuple[str, ...]) -> None:
        self.columns = frozenset(Col(name=name) for name in names)
        self.schema = schema
        for name in names:
            at = schema.get_field_index(name)
            self.schema = self.schema.set(at, pa.field(name, pa.int64()))
        self._places = {name: schema.get_field_index(name) for name in names}
        self._values: dict[str, list[pa.Array]] = {name: [] for name in names}
        self._next = dict.fromkeys(names, 0)

    def batches(self, source: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        """The same rows with numbers; null stays null."""
        for batch in source:
            columns = list(batch.columns)
            for name, place in self._places.items():
                columns[place] = self._numbered(name, columns[place])
            yield pa.RecordBatch.from_arrays(columns, schema=self.schema)

    def _numbered(self, name: str, column: pa.Array) -> pa.Array:
        if pa.types.is_dictionary(column.type) and len(column.dictionary) > 2 * len(column) + 64:
            column = column.cast(column.type.value_type)  # a small batch under a large shared dictionary
        if not pa.types.is_dictionary(column.type):
            column = column.dictionary_encode()
        first = self._next[name]
        self._values[name].append(column.dictionary)
        self._next[name] = first + len(column.dictionary)
        numbers = column.indices.fill_null(0).to_numpy(zero_copy_only=False).astype(np.int64) + first
        null = ~column.is_valid().to_numpy(zero_copy_only=False) if column.null_count else None
        return pa.array(numbers, mask=null)

    def final(self, name: str) -> tuple[npt.NDArray[np.int32], int]:
        """By provisional number, the number of the value; and how many values there are."""
        values = [array for array in self._values[name] if len(array)]
        if not values:
            return np.zeros(0, dtype=np.int32), 0
        encoded = pa.chunked_array(values).dictionary_encode().combine_chunks()
        return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32), len(encoded.dictionary)
