"""The scan of a block by tables: no database takes part where every expression reads one stored column (``lookup``)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adapters.snapshot.columns import StoredColumn, integers, validity
from adapters.snapshot.merge import BLOCK_ROWS, Block
from adapters.snapshot.read import Part
from jobs.disclosure.gate import Int32
from jobs.kinds.statistics.errors import DataViolatesDeclaration
from jobs.kinds.statistics.lookup import OUTSIDE, Condition, Table, cell_table, condition_of
from jobs.kinds.statistics.ordered import Measured
from jobs.kinds.statistics.plan.bases import conjuncts, known_groups, partitions
from jobs.kinds.statistics.plan.bind import bind
from jobs.kinds.statistics.plan.expr import Col, Lit, RowExpr
from jobs.kinds.statistics.plan.types import Plan, Summand
from jobs.kinds.statistics.recording import (
    NO_BASE,
    labelled,
    recorded,
)
from jobs.kinds.statistics.way import slots, summed

Bools = npt.NDArray[np.bool_]


class Direct:
    """Every dimension and condition is a table or a range over one stored column of the plan's own dataset."""

    block_rows = BLOCK_ROWS

    def __init__(
        self, plan: Plan, cells: Sequence[Table], bases: Sequence[Table], conditions: Mapping[RowExpr, Condition]
    ) -> None:
        """``bases``: of the known dimensions, each one's share of the base number."""
        self._plan, self._cells, self._bases, self._conditions = plan, cells, bases, conditions
        self._slots = [(_names(column), conjuncts(filter_)) for column, filter_ in slots(plan)]
        self._partitions = partitions(plan) if recorded(plan) else ()
        self._summed = [_names(column) for column in summed(plan)]

    @classmethod
    def of(cls, plan: Plan, values: Mapping[str, Lit], columns: Mapping[str, StoredColumn]) -> Direct | None:
        """``None`` where an expression needs more than that."""
        if plan.joins:
            return None
        cells = _tables(plan, range(len(plan.dimensions)), values, columns)
        bases = _tables(plan, known_groups(plan), values, columns)
        read = {*plan.where.conjuncts, *(part for _, filter_ in slots(plan) for part in conjuncts(filter_))}
        read |= {part for parts in partitions(plan) for part in parts}
        found = {expr: condition_of(bind(expr, values), columns) for expr in read}
        conditions = {expr: condition for expr, condition in found.items() if condition is not None}
        if cells is None or bases is None or len(conditions) < len(found):
            return None
        return cls(plan, cells, bases, conditions)

    def rows(self, part: Part, block: Block) -> Measured:
        rows = _BlockRows(part, block)
        true = _Truths(self._conditions, rows)
        cell, known = _number(self._cells, rows), true.all(self._plan.where.known)
        labels = self._labels(rows, cell, known, true)
        keep = _both(known, true.all(self._plan.where.sensitive))
        self._check(cell, keep, self._cells, range(len(self._cells)), rows)
        if keep is not None:
            cell[~keep] = OUTSIDE
        flags = np.zeros(len(rows), dtype=np.uint32)
        for bit, (names, parts) in enumerate(self._slots):
            mask = _both(rows.all_known(names), true.all(parts))
            flags |= np.uint32(1 << bit) if mask is None else mask.astype(np.uint32) << np.uint32(bit)
        values = np.empty((len(self._summed), len(rows)), dtype=np.int64)
        for number, (first, *others) in enumerate(self._summed):
            values[number] = rows.integers(first)
            for name in others:
                values[number] *= rows.integers(name)
            present = rows.all_known((first, *others))
            if present is not None:
                values[number][~present] = 0
        return Measured(rows.unit, cell, flags, values, labels)

    def _labels(self, rows: _BlockRows, cell: Int32, known: Bools | None, true: _Truths) -> tuple[Int32, ...]:
        if not self._partitions:
            return ()
        # where all groups are known the base is the cell; copied, for cells that do not count are overwritten
        base = cell.copy() if len(self._bases) == len(self._cells) else _number(self._bases, rows)
        self._check(base, known, self._bases, known_groups(self._plan), rows)
        if known is not None:
            base[~known] = NO_BASE
        return tuple(labelled(base, true.all(parts)) for parts in self._partitions)

    def _check(
        self, found: Int32, keep: Bools | None, tables: Sequence[Table], dimensions: Iterable[int], rows: _BlockRows
    ) -> None:
        """Raise ``DataViolatesDeclaration`` where a row that counts lies in no group."""
        outside = found < 0
        if not outside.any() or not (outside if keep is None else outside & keep).any():
            return
        for number, table in zip(dimensions, tables, strict=True):
            outside = (table.look_up(rows) < 0) & (True if keep is None else keep) & ~rows.excluded
            if outside.any():
                raise DataViolatesDeclaration(
                    f"group {self._plan.dimensions[number].name} holds a value outside its declared domain: "
                    "register the data again"
                )


def _tables(
    plan: Plan, dimensions: Sequence[int], values: Mapping[str, Lit], columns: Mapping[str, StoredColumn]
) -> list[Table] | None:
    """Each dimension's share of the place among the groups of them all, the last one fastest."""
    found, stride = [], prod(len(plan.dimensions[number].domain) for number in dimensions)
    for number in dimensions:
        dimension = plan.dimensions[number]
        stride //= len(dimension.domain)
        table = cell_table(dimension, bind(dimension.expr, values), stride, columns)
        if table is None:
            return None
        found.append(table)
    return found


def _names(column: Summand | None) -> tuple[str, ...]:
    """The factors of what is measured."""
    if column is None:
        return ()
    return (column.name,) if isinstance(column, Col) else tuple(arg.name for arg in column.args if isinstance(arg, Col))


def _number(tables: Sequence[Table], rows: _BlockRows) -> Int32:
    number = np.zeros(len(rows), dtype=np.int32)
    for table in tables:
        number += table.look_up(rows)
    return number


def _both(one: Bools | None, other: Bools | None) -> Bools | None:
    """``None`` is everywhere."""
    return other if one is None else one if other is None else one & other


class _Truths:
    """Where conditions are true in one block; each is evaluated once."""

    def __init__(self, conditions: Mapping[RowExpr, Condition], rows: _BlockRows) -> None:
        self._conditions, self._rows = conditions, rows
        self._found: dict[RowExpr, Bools] = {}

    def all(self, parts: Sequence[RowExpr]) -> Bools | None:
        """Where all are true; ``None`` for everywhere."""
        for part in parts:
            if part not in self._found:
                self._found[part] = self._conditions[part](self._rows)[0]
        return np.logical_and.reduce([self._found[part] for part in parts]) if parts else None


class _BlockRows:
    """The stored columns of one block. Implements ``lookup.Rows``."""

    def __init__(self, part: Part, block: Block) -> None:
        self._part, self._block = part, block
        self.unit = part.units(block)
        self._arrays: dict[str, pa.Array] = {}
        self._known: dict[str, npt.NDArray[np.bool_] | None] = {}

    def __len__(self) -> int:
        return len(self.unit)

    @property
    def excluded(self) -> npt.NDArray[np.bool_]:
        excluded = self._part.excluded
        return np.zeros(len(self), dtype=np.bool_) if excluded is None else excluded[self.unit]

    def integers(self, name: str) -> npt.NDArray[Any]:
        array = self._array(name)
        return integers(array.cast(pa.uint8()) if pa.types.is_boolean(array.type) else array)

    def all_known(self, names: Sequence[str]) -> npt.NDArray[np.bool_] | None:
        """Where each of them has a value; ``None`` for everywhere."""
        found: npt.NDArray[np.bool_] | None = None
        for name in names:
            found = _both(found, self.known(name))
        return found

    def known(self, name: str) -> npt.NDArray[np.bool_] | None:
        if name not in self._known:
            self._known[name] = validity(self._array(name))
        return self._known[name]

    def _array(self, name: str) -> pa.Array:
        if name not in self._arrays:
            self._arrays[name] = self._part.column(self._block, name)
        return self._arrays[name]
