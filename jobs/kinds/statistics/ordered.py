"""The scan of a snapshot's part in the order of units. Blocks of rows become cells, flags and values; one kernel.

Where every expression is a table over one stored column (``lookup``), no database takes part. Otherwise DuckDB
evaluates the plan's expressions over each block, and only cell number, flags and measures come back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adapters.snapshot.columns import StoredColumn, integers, validity
from adapters.snapshot.merge import BLOCK_ROWS, Block
from adapters.snapshot.order import by_rank
from adapters.snapshot.read import Part
from jobs.kinds.base import Limits
from jobs.kinds.statistics.columnar import channel_rows, row_query
from jobs.kinds.statistics.engine import Engine
from jobs.kinds.statistics.errors import DataViolatesDeclaration
from jobs.kinds.statistics.evidence import ChannelTally
from jobs.kinds.statistics.lookup import OUTSIDE, Condition, Table, cell_table, condition_of
from jobs.kinds.statistics.plan.bind import bind
from jobs.kinds.statistics.plan.expr import Lit
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.query import selected
from jobs.kinds.statistics.run import OpenTable, Step
from jobs.kinds.statistics.staging import staged_select
from jobs.kinds.statistics.unit_kernel import TOP1, TOP2, TOTAL, UNITS, VALUE, UnitSums
from jobs.kinds.statistics.way import slots, summed, wide

Int64 = npt.NDArray[np.int64]
_RENDERED_ROWS: Final = 1 << 18
"""Rows per query where DuckDB evaluates: enough to forget what a query costs to start."""
_UNIT: Final = "unseen unit"
"""No declared name has a space in it."""


@dataclass(frozen=True, repr=False)
class Measured:
    """Rows as the kernel takes them. A row that does not count has a negative cell."""

    unit: Int64
    cell: npt.NDArray[np.int32]
    flags: npt.NDArray[np.uint32]
    values: Int64


class Evaluation(Protocol):
    """From a block of a part to measured rows."""

    block_rows: int

    def rows(self, part: Part, block: Block) -> Measured: ...


def scan_parts(plan: Plan, evaluation: Evaluation, parts: Iterator[Part]) -> list[ChannelTally]:
    """Every channel of the plan over these parts. Raises a ``StatisticsError`` or ``SnapshotDamaged``."""
    sums = UnitSums(plan.cells, channel_rows(plan), wide(plan))
    for part in parts:
        for block in part.blocks(evaluation.block_rows):
            found = _in_order(part, block, evaluation.rows(part, block))
            sums.add(found.unit, found.cell, found.flags, found.values)
        sums.next_part()
        part.check()
    value, units, top1, top2, total = (sums.field(number) for number in (VALUE, UNITS, TOP1, TOP2, TOTAL))
    return [
        _tally(channel.kind == "distinct", value[i], units[i], top1[i], top2[i], total[i])
        for i, channel in enumerate(plan.channels)
    ]


def _tally(distinct: bool, value: list[int], units: list[int], *evidence: list[int]) -> ChannelTally:
    tally = ChannelTally(0)
    tally.units = units
    if distinct:
        tally.value = tally.total = units
        return tally
    tally.value = value
    tally.top1, tally.top2, tally.total = evidence
    return tally


def _in_order(part: Part, block: Block, found: Measured) -> Measured:
    """Several runs, or a database's answer, come in another order; a block has few units, so this is cheap."""
    if part.excluded is not None:
        found.cell[part.excluded[found.unit]] = OUTSIDE
    if np.all(found.unit[1:] >= found.unit[:-1]):
        return found
    order, _ = by_rank(found.unit - block.first, block.last - block.first)
    return Measured(found.unit[order], found.cell[order], found.flags[order], found.values[:, order])


# --- by tables ---------------------------------------------------------------------------------------------------


class Direct:
    """Every dimension and condition is a table or a range over one stored column of the plan's own dataset."""

    block_rows = BLOCK_ROWS

    def __init__(
        self, plan: Plan, cells: Sequence[Table], where: Sequence[Condition],
        flags: Sequence[tuple[str | None, Condition | None]], columns: Mapping[str, StoredColumn],
    ) -> None:  # fmt: skip
        self._names = [dimension.name for dimension in plan.dimensions]
        self._cells, self._where, self._flags, self._columns = cells, where, flags, columns
        self._summed = [column.name for column in summed(plan)]

    @classmethod
    def of(cls, plan: Plan, values: Mapping[str, Lit], columns: Mapping[str, StoredColumn]) -> Direct | None:
        """``None`` where an expression needs more than that."""
        if plan.joins:
            return None
        cells, stride = [], plan.cells
        for dimension in plan.dimensions:
            stride //= len(dimension.domain)
            cells.append(cell_table(dimension, bind(dimension.expr, values), stride, columns))
        where = [condition_of(bind(conjunct, values), columns) for conjunct in plan.where.conjuncts]
        flags: list[tuple[str | None, Condition | None]] = []
        for column, filter_ in slots(plan):
            condition = None if filter_ is None else condition_of(bind(filter_, values), columns)
            if filter_ is not None and condition is None:
                return None
            flags.append((column.name if column else None, condition))
        known_cells, known_where = [t for t in cells if t is not None], [c for c in where if c is not None]
        if len(known_cells) < len(cells) or len(known_where) < len(where):
            return None
        return cls(plan, known_cells, known_where, flags, columns)

    def rows(self, part: Part, block: Block) -> Measured:
        rows = _BlockRows(part, block)
        cell = np.zeros(len(rows), dtype=np.int32)
        for table in self._cells:
            cell += table.look_up(rows)
        keep = np.logical_and.reduce([condition(rows)[0] for condition in self._where]) if self._where else None
        outside = cell < 0
        if outside.any() and (keep is None or (outside & keep).any()):
            self._refuse(rows, keep)
        if keep is not None:
            cell[~keep] = OUTSIDE
        flags = np.zeros(len(rows), dtype=np.uint32)
        for bit, (name, condition) in enumerate(self._flags):
            mask = None if name is None else rows.known(name)
            if condition is not None:
                true = condition(rows)[0]
                mask = true if mask is None else mask & true
            flags |= np.uint32(1 << bit) if mask is None else mask.astype(np.uint32) << np.uint32(bit)
        values = np.empty((len(self._summed), len(rows)), dtype=np.int64)
        for number, name in enumerate(self._summed):
            values[number] = rows.integers(name)
            known = rows.known(name)
            if known is not None:
                values[number][~known] = 0
        return Measured(rows.unit, cell, flags, values)

    def _refuse(self, rows: _BlockRows, keep: npt.NDArray[np.bool_] | None) -> None:
        for name, table in zip(self._names, self._cells, strict=True):
            outside = (table.look_up(rows) < 0) & (True if keep is None else keep) & ~rows.excluded
            if outside.any():
                raise DataViolatesDeclaration(
                    f"group {name} holds a value outside its declared domain: register the data again"
                )


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

    def known(self, name: str) -> npt.NDArray[np.bool_] | None:
        if name not in self._known:
            self._known[name] = validity(self._array(name))
        return self._known[name]

    def _array(self, name: str) -> pa.Array:
        if name not in self._arrays:
            self._arrays[name] = self._part.column(self._block, name)
        return self._arrays[name]


# --- by the database ---------------------------------------------------------------------------------------------


class Rendered:
    """DuckDB evaluates over each block, joins included. Open it in a ``with`` block; one per part that has joins."""

    block_rows = _RENDERED_ROWS

    def __init__(self, plan: Plan, values: Mapping[str, Lit], joined: Mapping[str, OpenTable], limits: Limits) -> None:
        self._plan, self._values = plan, values
        self._step = Step(plan, values, joined, limits)
        own = plan.unit_columns[0].column
        keys = {key.left for join in plan.joins for key in join.on}
        self._wanted = [p for p in plan.columns if p.column.table == 0 and (p.column != own or own in keys)]
        self._engine = Engine(limits)
        self._staged = False

    def __enter__(self) -> Rendered:
        return self

    def __exit__(self, *_: object) -> None:
        self._engine.__exit__()

    def rows(self, part: Part, block: Block) -> Measured:
        names = [planned.column.name for planned in self._wanted]
        unit = part.units(block)
        arrays = [part.index.column(name).shown(part.column(block, name)) for name in names]
        fields = [part.index.column(name).field for name in names]
        schema = pa.schema([*fields, pa.field(_UNIT, pa.int64())])
        table = pa.Table.from_arrays([*arrays, pa.array(unit)], schema=schema)
        if part.excluded is not None:
            table = table.filter(pa.array(~part.excluded[unit]))
        self._engine.register("raw0", table)
        if not self._staged:
            self._stage(schema)
        batches = list(self._engine.stream(self._query))
        return _measured(pa.Table.from_batches(batches) if batches else None, len(summed(self._plan)))

    def _stage(self, schema: pa.Schema) -> None:
        plan, step = self._plan, self._step
        select = staged_select(self._wanted, schema, "raw0", step.grouped)
        select = select.replace("SELECT ", f'SELECT "{_UNIT}" AS "{_UNIT}"' + (", " if self._wanted else " "), 1)
        self._engine.run(f"CREATE TEMP VIEW t0 AS {select}")
        step.stage_joined(self._engine)
        where = selected(plan, self._values, step.columns)
        self._query = row_query(plan, self._values, step.columns, [f't0."{_UNIT}"'], where)
        self._staged = True


def _measured(table: pa.Table | None, columns: int) -> Measured:
    if table is None:
        nothing = np.zeros(0, dtype=np.int64)
        return Measured(nothing, nothing.astype(np.int32), nothing.astype(np.uint32), np.zeros((columns, 0), np.int64))

    def numbers(name: str, type_: Any) -> Any:
        found = table[name].to_numpy(zero_copy_only=False)
        return found.astype(type_, copy=not found.flags.writeable)

    values = np.empty((columns, table.num_rows), dtype=np.int64)
    for number in range(columns):
        values[number] = numbers(f"x{number}", np.int64)
    return Measured(numbers("u0", np.int64), numbers("cell", np.int32), numbers("flags", np.uint32), values)
