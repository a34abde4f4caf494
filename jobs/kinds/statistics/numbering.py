"""Units and groups to integers before the database sees them: texts are compared once per batch, not once per row.

Equality is Arrow's, on whole values; nothing is hashed away. The integers mean nothing outside one step.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from jobs.kinds.statistics.plan.expr import Col, columns_of
from jobs.kinds.statistics.plan.types import Dimension, Plan


def numberable(plan: Plan) -> tuple[str, ...]:
    """Unit columns of the plan's own dataset whose values no join needs."""
    keys = {key.left for join in plan.joins for key in join.on}
    units = [unit.column for unit in plan.unit_columns if unit.column.table == 0]
    return tuple(unit.name for unit in units if unit not in keys)


def codable(plan: Plan) -> dict[str, Dimension]:
    """Text columns that are grouped by and used for nothing else: their dimension, by name."""
    found = {
        d.expr.name: d for d in plan.dimensions if isinstance(d.expr, Col) and d.expr.table == 0 and d.type == "string"
    }
    used = {key.left for join in plan.joins for key in join.on}
    used |= {col for c in plan.channels for col in columns_of(c.column)}
    for expr in (
        *plan.where.conjuncts,
        *(c.filter for c in plan.channels if c.filter is not None),
        *(d.expr for d in plan.dimensions if not isinstance(d.expr, Col)),
    ):
        used |= columns_of(expr)
    return {name: d for name, d in found.items() if d.expr not in used}


class Numbering:
    """Replaces columns in passing batches: a unit by a provisional number, which ``final`` maps to one per value; a
    ``coded`` column by its value's position in the declared domain.
    """

    def __init__(self, schema: pa.Schema, names: tuple[str, ...], coded: dict[str, Dimension]) -> None:
        self.columns = frozenset(Col(name=name) for name in names)
        self.coded = frozenset(Col(name=name) for name in coded)
        self._codes = {
            schema.get_field_index(name): {value: code for code, value in enumerate(d.domain)}
            for name, d in coded.items()
        }
        self.schema = schema
        for name in (*names, *coded):
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
            for place, codes in self._codes.items():
                columns[place] = _coded(columns[place], codes)
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


def _coded(column: pa.Array, codes: Mapping[Any, int]) -> pa.Array:
    """Positions in a domain, -1 for a value outside: the query refuses that where the row is selected."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    known = np.array([codes.get(value, -1) for value in (*column.dictionary.to_pylist(), None)], dtype=np.int64)
    return pa.array(known[column.indices.fill_null(len(known) - 1).to_numpy(zero_copy_only=False)])
