"""The scan of a snapshot's part in the order of units. Blocks of rows become cells, flags and values; one kernel.

Where every expression is a table over one stored column (``direct``), no database takes part. Otherwise DuckDB
evaluates the plan's expressions over each block, and only cell number, flags, measures and labels come back.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adapters.snapshot.merge import Block
from adapters.snapshot.order import by_rank
from adapters.snapshot.read import Part
from jobs.disclosure.gate import Int32, Records
from jobs.kinds.base import Limits
from jobs.kinds.statistics.columnar import channel_rows, row_query
from jobs.kinds.statistics.engine import Engine
from jobs.kinds.statistics.evidence import ChannelTally
from jobs.kinds.statistics.lookup import OUTSIDE
from jobs.kinds.statistics.plan.bases import known_groups, partitions
from jobs.kinds.statistics.plan.expr import Lit
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.query import selected
from jobs.kinds.statistics.recording import (
    NO_BASE,
    ROW,
    Recorder,
    base_code,
    condition_columns,
    labels_of,
    no_records,
    recorded,
)
from jobs.kinds.statistics.run import OpenTable, Step
from jobs.kinds.statistics.staging import staged_select
from jobs.kinds.statistics.unit_kernel import TOP1, TOP2, TOTAL, UNITS, VALUE, UnitSums
from jobs.kinds.statistics.way import summed, wide

Bools = npt.NDArray[np.bool_]
Int64 = npt.NDArray[np.int64]
_RENDERED_ROWS: Final = 1 << 18
"""Rows per query where DuckDB evaluates: enough to forget what a query costs to start."""


@dataclass(frozen=True, repr=False)
class Measured:
    """All rows of a block as they lie in it. A row that does not count has a negative cell.

    ``labels``: per partition of the known (``plan.bases``) each row's base, or -1; none where nothing is recorded.
    """

    unit: Int64
    cell: Int32
    flags: npt.NDArray[np.uint32]
    values: Int64
    labels: tuple[Int32, ...] = ()

    def take(self, order: Int64) -> Measured:
        return Measured(
            self.unit[order],
            self.cell[order],
            self.flags[order],
            self.values[:, order],
            tuple(label[order] for label in self.labels),
        )


class Evaluation(Protocol):
    """From a block of a part to measured rows."""

    block_rows: int

    def rows(self, part: Part, block: Block) -> Measured: ...


def scan_parts(plan: Plan, evaluation: Evaluation, parts: Iterator[Part]) -> tuple[list[ChannelTally], Records]:
    """Every channel of the plan over these parts, and all their records, labelled; an exact profile has no records.

    Raises a ``StatisticsError`` or ``SnapshotDamaged``.
    """
    sums = UnitSums(plan.cells, channel_rows(plan), wide(plan))
    recorder = Recorder(plan) if recorded(plan) else None
    for part in parts:
        for block in part.blocks(evaluation.block_rows):
            found = evaluation.rows(part, block)
            order: Int64 | slice = slice(None)
            if not block.in_order:  # several runs; a block has few units, so this is cheap
                order = by_rank(found.unit - block.first, block.last - block.first)[0]
                found = found.take(order)
            excluded = None if part.excluded is None else part.excluded[found.unit]
            if excluded is not None:
                found.cell[excluded] = OUTSIDE
            sums.add(found.unit, found.cell, found.flags, found.values)
            if recorder is not None:
                recorder.add_block(found.labels, part.prints(block)[order], excluded)
        sums.next_part()
        if recorder is not None:
            recorder.add_part(part)
        part.check()
    value, units, top1, top2, total = (sums.field(number) for number in (VALUE, UNITS, TOP1, TOP2, TOTAL))
    tallies = [
        _tally(channel.kind == "distinct", value[i], units[i], top1[i], top2[i], total[i])
        for i, channel in enumerate(plan.channels)
    ]
    return tallies, no_records(plan)[0] if recorder is None else recorder.records()


def _tally(distinct: bool, value: list[int], units: list[int], *evidence: list[int]) -> ChannelTally:
    tally = ChannelTally(0)
    tally.units = units
    if distinct:
        tally.value = tally.total = units
        return tally
    tally.value = value
    tally.top1, tally.top2, tally.total = evidence
    return tally


# --- by the database ---------------------------------------------------------------------------------------------


class Rendered:
    """DuckDB evaluates over each block, joins included. Open it in a ``with`` block; one per part that has joins."""

    block_rows = _RENDERED_ROWS

    def __init__(self, plan: Plan, values: Mapping[str, Lit], joined: Mapping[str, OpenTable], limits: Limits) -> None:
        self._plan, self._values = plan, values
        self._partitions = partitions(plan) if recorded(plan) else ()
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
        schema = pa.schema([*fields, pa.field(ROW, pa.int64())])
        table = pa.Table.from_arrays([*arrays, pa.array(np.arange(len(unit)))], schema=schema)
        if part.excluded is not None:
            table = table.filter(pa.array(~part.excluded[unit]))
        self._engine.register("raw0", table)
        if not self._staged:
            self._stage(schema)
        batches = list(self._engine.stream(self._query))
        return self._measured(unit, pa.Table.from_batches(batches) if batches else None)

    def _stage(self, schema: pa.Schema) -> None:
        plan, values, declared = self._plan, self._values, self._step.columns
        select = staged_select(self._wanted, schema, "raw0", self._step.grouped, carried=[ROW])
        self._engine.run(f"CREATE TEMP VIEW t0 AS {select}")
        self._step.stage_joined(self._engine)
        row = [f't0."{ROW}"']
        if self._partitions:
            # a row that a secret condition leaves out has a base all the same
            where = selected(plan.where.known, values, declared)
            kept = selected(plan.where.sensitive, values, declared) if plan.where.sensitive else None
            beside = condition_columns(plan, values, declared)
            if not self._cell_is_base:
                beside.append(f"{base_code(plan, values, declared)} AS base")
            self._query = row_query(plan, values, declared, row, where, kept=kept, beside=beside)
        else:
            self._query = row_query(plan, values, declared, row, selected(plan.where.conjuncts, values, declared))
        self._staged = True

    @property
    def _cell_is_base(self) -> bool:
        return not self._plan.where.sensitive and len(known_groups(self._plan)) == len(self._plan.dimensions)

    def _measured(self, unit: Int64, table: pa.Table | None) -> Measured:
        """The database's rows come in any order and without those that it left out: each back to its place."""
        cell = np.full(len(unit), OUTSIDE, dtype=np.int32)
        flags = np.zeros(len(unit), dtype=np.uint32)
        values = np.zeros((len(summed(self._plan)), len(unit)), dtype=np.int64)
        labels = tuple(np.full(len(unit), NO_BASE, dtype=np.int32) for _ in self._partitions)
        if table is None:
            return Measured(unit, cell, flags, values, labels)
        row = table["u0"].to_numpy()
        found = table["cell"].to_numpy()
        cell[row], flags[row] = found, table["flags"].to_numpy()
        for number, column in enumerate(values):
            column[row] = table[f"x{number}"].to_numpy()
        if labels:
            base = found if self._cell_is_base else table["base"].to_numpy()
            for label, part in zip(labels, labels_of(self._plan, table, base), strict=True):
                label[row] = part
        return Measured(unit, cell, flags, values, labels)
