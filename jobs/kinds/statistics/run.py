"""One node's step of a joint statistic: a permitted plan and the owner's tables in, exact values and evidence out.

Run by a Ray worker inside the owner's domain. The plan has been checked (``plan.check``); the tables are immutable
snapshots. Raises a kind of ``StatisticsError``, or ``InvalidParameter``.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import date, datetime
from fractions import Fraction
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa

from adapters.snapshot.prints import PRINT
from jobs.disclosure.gate import Records
from jobs.kinds.base import Limits
from jobs.kinds.statistics.columnar import LARGE, suits, tallies
from jobs.kinds.statistics.engine import Engine
from jobs.kinds.statistics.errors import ArithmeticOverflow, DataViolatesDeclaration, OutOfLocalMemory, SourceMismatch
from jobs.kinds.statistics.evidence import ChannelTally, Contributions, LocalResult
from jobs.kinds.statistics.numbering import Numbering, codable, numberable
from jobs.kinds.statistics.plan.expr import Col, Lit
from jobs.kinds.statistics.plan.parameters import parameter_literals
from jobs.kinds.statistics.plan.types import Aggregate, Dimension, Plan, PlannedColumn, UnitColumn
from jobs.kinds.statistics.query import cell_query, counted_units, lenient_source
from jobs.kinds.statistics.recording import ROW, grouped, no_records, record_query, recorded
from jobs.kinds.statistics.render import quoted, staged
from jobs.kinds.statistics.staging import staged_select
from jobs.schema import Scalar

OpenTable = Callable[[Sequence[str]], pa.RecordBatchReader]
MAX_PARTITIONS = 64


def run_local(
    plan: Plan,
    parameters: Mapping[str, Scalar],
    tables: Mapping[str, OpenTable],
    limits: Limits | None = None,
    printed: bool = False,
) -> LocalResult:
    """Compute every channel and its evidence over one part. ``tables``: dataset name to a function that opens a fresh
    reader with only the named columns; a table may be opened several times. ``printed``: whether the plan's first table
    has a column ``PRINT``, as a snapshot has; without it the records of a unit are known by their order.
    """
    values = parameter_literals(plan, parameters)
    step = Step(plan, values, tables, limits or Limits())
    found = step.large() or [step.tally(unit) for unit in plan.unit_columns]
    if step.rows_scanned > plan.rows_bound:
        raise ArithmeticOverflow("the part has more rows than all holders declare together: correct max_rows")
    rows = step.rows_scanned
    return local_result(plan, found, rows, step.records(printed) if recorded(plan) else no_records(plan))


def local_result(
    plan: Plan, found: list[list[ChannelTally]], rows_scanned: int, records: tuple[Records, ...]
) -> LocalResult:
    """From what each pass over a unit column found, per channel."""
    of_channel = [_values(plan, index, found) for index in range(len(plan.channels))]
    evidence = tuple(
        tuple(
            contribution
            for unit, tally in zip(plan.unit_columns, found, strict=True)
            for contribution in _contributions(aggregate, plan, unit, tally)
        )
        for aggregate in plan.aggregates
    )
    return LocalResult(tuple(of_channel), evidence, rows_scanned, records)


def _values(plan: Plan, index: int, tallies: list[list[ChannelTally]]) -> list[int]:
    """A channel's values: any pass has them, but distinct units are those of the channel's own unit column."""
    channel = plan.channels[index]
    for unit, tally in zip(plan.unit_columns, tallies, strict=True):
        if channel.kind != "distinct" or channel.column == unit.column:
            return tally[index].value
    raise SourceMismatch("the plan counts a unit that it does not list")


def _contributions(
    aggregate: Aggregate, plan: Plan, unit: UnitColumn, tally: list[ChannelTally]
) -> Iterator[Contributions]:
    units = np.array(tally[aggregate.channels[0]].units, dtype=np.int64)  # the rows (or distinct) channel comes first
    for index in aggregate.channels:
        found, kind = tally[index], plan.channels[index].kind
        if kind == "distinct":
            ones, twos = [min(n, 1) for n in found.units], [int(n > 1) for n in found.units]
            yield Contributions(units, ones, twos, list(found.units), unit.column.name, kind)
        else:
            yield Contributions(units, found.top1, found.top2, found.total, unit.column.name, kind)


class Step:
    """The passes of one step over one part."""

    def __init__(self, plan: Plan, values: Mapping[str, Lit], tables: Mapping[str, OpenTable], limits: Limits) -> None:
        self.plan = plan
        self.values = values
        self.tables = tables
        self.limits = limits
        self.columns = {planned.column: planned for planned in plan.columns}
        self.cells = [_positions(dimension) for dimension in plan.dimensions]
        self.grouped = frozenset(d.expr for d in plan.dimensions if isinstance(d.expr, Col))
        self.rows_scanned = 0
        self.partitions = 1

    def large(self, least: int = LARGE) -> list[list[ChannelTally]] | None:
        """Everything in one pass over rows; None for a small part, or one that needs partitions or a wider ring."""
        if not suits(self.plan):
            return None
        head, size = [], 0
        reader = self._read(0)
        for batch in reader:
            head.append(batch)
            size += batch.num_rows
            if size >= least:
                break
        else:
            return None
        self.rows_scanned = 0
        numbering = Numbering(reader.schema, numberable(self.plan), codable(self.plan))
        batches = numbering.batches(self._counted(chain(head, reader)))
        rows = pa.RecordBatchReader.from_batches(numbering.schema, batches)
        memory = self.limits.memory_bytes
        with Engine(self.limits) as engine:
            self.stage(engine, rows, numbering)
            return tallies(self.plan, self.values, self.columns, engine, memory, self.limits.threads, numbering)

    def tally(self, unit: UnitColumn) -> list[ChannelTally]:
        """One pass per unit column; where memory is short, several passes over disjoint sets of units."""
        while True:
            try:
                return self._pass(unit)
            except OutOfLocalMemory:
                if self.partitions >= MAX_PARTITIONS:
                    raise
                self.partitions *= 4

    def _pass(self, unit: UnitColumn) -> list[ChannelTally]:
        tallies = [ChannelTally(self.plan.cells) for _ in self.plan.channels]
        for part in range(self.partitions):
            with Engine(self.limits) as engine:
                self.stage(engine)
                query = cell_query(self.plan, self.values, self.columns, unit, (part, self.partitions))
                for row in engine.run(query):
                    self._add(tallies, row)
        return tallies

    def _add(self, tallies: list[ChannelTally], row: tuple[Any, ...]) -> None:
        width = len(self.cells)
        cell = 0
        for positions, dimension, value in zip(self.cells, self.plan.dimensions, row[:width], strict=True):
            if value not in positions:
                raise DataViolatesDeclaration(
                    f"group {dimension.name} holds a value outside its declared domain: register the data again"
                )
            cell = cell * len(positions) + positions[value]
        for number, tally in enumerate(tallies):
            tally.add(cell, *row[width + 4 * number : width + 4 * number + 4])

    def records(self, printed: bool) -> tuple[Records, ...]:
        """One pass of its own: every row that has a unit, whatever the conditions, numbered as the reader yields it.

        Several unit columns protect a row each: it is a record of all of them. Raises ``OutOfLocalMemory``.
        """
        units = [staged(unit.column) for unit in self.plan.unit_columns]
        joined, counted = lenient_source(self.plan), counted_units(self.plan)
        batches, size = [], 0
        with Engine(self.limits) as engine:
            beside = [PRINT.name] if printed else []
            self.stage(engine, _numbered_rows(self._open(0, beside)), carried=[ROW, *beside])
            query = record_query(self.plan, self.values, self.columns, units, joined, counted, printed)
            for batch in engine.stream(query):
                size += batch.nbytes
                if 3 * size > self.limits.memory_bytes:  # as they come, in their order, and by unit
                    raise OutOfLocalMemory("the records need more memory than the limit: raise memory_bytes")
                batches.append(batch)
        return grouped(self.plan, pa.Table.from_batches(batches)) if batches else no_records(self.plan)

    def stage(
        self,
        engine: Engine,
        rows: pa.RecordBatchReader | None = None,
        numbering: Numbering | None = None,
        carried: Sequence[str] = (),
    ) -> None:
        """``t0``, ``t1``, ... of typed, checked columns. The right sides of joins are held in memory."""
        numbered, coded = (numbering.columns, numbering.coded) if numbering else (frozenset(), frozenset())
        reader = self._open(0) if rows is None else rows
        engine.register("raw0", reader)
        select = staged_select(self._wanted(0), reader.schema, "raw0", self.grouped, numbered, coded, carried)
        engine.run(f"CREATE TEMP VIEW t0 AS {select}")
        self.stage_joined(engine)

    def stage_joined(self, engine: Engine) -> None:
        """``t1``, ``t2``, ...: the right sides of joins, each key once."""
        for number in range(1, len(self.plan.joins) + 1):
            reader = self._open(number)
            engine.register(f"raw{number}", reader)
            select = staged_select(self._wanted(number), reader.schema, f"raw{number}", self.grouped)
            self._stage_right(engine, number, select)

    def _stage_right(self, engine: Engine, number: int, select: str) -> None:
        units = [
            quoted("c_" + unit.column.name)
            for unit in self.plan.unit_columns
            if unit.column.table == number and unit.nulls == "exclude"
        ]
        keep = " AND ".join(f"{name} IS NOT NULL" for name in units) or "TRUE"
        engine.run(f"CREATE TEMP TABLE t{number} AS SELECT * FROM ({select}) WHERE {keep}")  # noqa: S608 - rendered
        keys = ", ".join(quoted("c_" + key.right) for key in self.plan.joins[number - 1].on)
        known = " AND ".join(f"{quoted('c_' + key.right)} IS NOT NULL" for key in self.plan.joins[number - 1].on)
        twice = f"SELECT 1 FROM t{number} WHERE {known} GROUP BY {keys} HAVING count(*) > 1 LIMIT 1"  # noqa: S608
        if engine.run(twice):
            raise DataViolatesDeclaration(
                f"dataset {self.plan.dataset_of(number)} has several rows for one join key: register the data again"
            )

    def _wanted(self, number: int) -> list[PlannedColumn]:
        return [planned for planned in self.plan.columns if planned.column.table == number]

    def _read(self, number: int, beside: Sequence[str] = ()) -> pa.RecordBatchReader:
        dataset = self.plan.dataset_of(number)
        if dataset not in self.tables:
            raise SourceMismatch(f"this node has no dataset {dataset}")
        return self.tables[dataset]([*(planned.column.name for planned in self._wanted(number)), *beside])

    def _open(self, number: int, beside: Sequence[str] = ()) -> pa.RecordBatchReader:
        reader = self._read(number, beside)
        if number:
            return reader
        self.rows_scanned = 0
        return pa.RecordBatchReader.from_batches(reader.schema, self._counted(reader))

    def _counted(self, batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            self.rows_scanned += batch.num_rows
            yield batch


def _numbered_rows(reader: pa.RecordBatchReader) -> pa.RecordBatchReader:
    """With each row's place in the source beside it, which no thread of the database can change."""
    schema = reader.schema.append(pa.field(ROW, pa.int64()))

    def batches() -> Iterator[pa.RecordBatch]:
        first = 0
        for batch in reader:
            places = pa.array(np.arange(first, first + batch.num_rows))
            yield pa.RecordBatch.from_arrays([*batch.columns, places], schema=schema)
            first += batch.num_rows

    return pa.RecordBatchReader.from_batches(schema, batches())


def _positions(dimension: Dimension) -> dict[Any, int]:
    """From what the query returns for a dimension (numbers scaled) to the position in its domain."""
    return {_raw(dimension, value): place for place, value in enumerate(dimension.domain)}


def _raw(dimension: Dimension, value: Scalar | None) -> Any:
    if value is None or isinstance(value, bool):
        return value
    match dimension.type:
        case "number":
            return int(Fraction(value) * 10**dimension.decimals)
        case "date":
            return date.fromisoformat(str(value))
        case "timestamp":
            return datetime.fromisoformat(str(value))
        case _:
            return value
