"""The same step for large parts: the database only evaluates expressions row by row, the per-unit sums are ours.

``cell_query`` makes DuckDB group by (cell, unit): a hash table with as many entries as rows in the worst case. Here
each row becomes a cell number, a unit number and values; ``kernel`` sums them unit by unit. Same numbers, less time.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from jobs.kinds.statistics.engine import Engine
from jobs.kinds.statistics.evidence import ChannelTally
from jobs.kinds.statistics.kernel import KIND_ROWS, KIND_SUM, KIND_SUMSQ, Columns, Int64, Sums, per_unit
from jobs.kinds.statistics.numbering import Numbering
from jobs.kinds.statistics.plan.bind import bind
from jobs.kinds.statistics.plan.expr import Lit, RowExpr
from jobs.kinds.statistics.plan.types import Channel, Dimension, Plan, Summand, UnitColumn
from jobs.kinds.statistics.query import source_of, where_of
from jobs.kinds.statistics.render import Columns as Declared
from jobs.kinds.statistics.render import condition, scaled, staged, text
from jobs.kinds.statistics.staging import MARK
from jobs.kinds.statistics.way import slot_of, slots, summed

LARGE = 250_000
"""Rows from which this path is worth its start; below, one query does everything."""
_SAFE = 2**62
_KINDS = {"rows": KIND_ROWS, "distinct": KIND_ROWS, "sum": KIND_SUM, "sumsq": KIND_SUMSQ}


def suits(plan: Plan) -> bool:
    """Whether all sums are proven to fit 62 bits, and flags and accumulators are small."""
    return (
        all(channel.low > -_SAFE and channel.high < _SAFE for channel in plan.channels)
        and len(slots(plan)) <= 8
        and plan.cells * len(plan.channels) <= 1_000_000
        and all(None not in d.domain[:-1] for d in plan.dimensions)
    )


def row_query(
    plan: Plan,
    values: Mapping[str, Lit],
    declared: Declared,
    units: Sequence[str],
    where: str,
    coded: frozenset[RowExpr] = frozenset(),
    kept: str | None = None,
    beside: Sequence[str] = (),
) -> str:
    """SQL that yields per row selected by ``where``: cell number, ``units``, slot flags, summed values.

    ``kept``: where it is not true, the cell is -1. ``beside``: columns of the caller.
    """
    cell = cell_code(plan, range(len(plan.dimensions)), values, declared, coded)
    if kept is not None:
        cell = f"(CASE WHEN {kept} THEN {cell} ELSE -1 END)"
    flags = " + ".join(
        f"(CASE WHEN {_counts(column, filter_, values, declared)} THEN {1 << bit} ELSE 0 END)"
        for bit, (column, filter_) in enumerate(slots(plan))
    )
    parts = [f"CAST({cell} AS INTEGER) AS cell", f"CAST({flags} AS UINTEGER) AS flags"]
    parts += [f"{unit} AS u{i}" for i, unit in enumerate(units)]
    parts += [f"coalesce({scaled(column, declared)[0]}, 0) AS x{i}" for i, column in enumerate(summed(plan))]
    parts += beside
    return f"SELECT {', '.join(parts)} FROM {source_of(plan)} WHERE {where}"  # noqa: S608


def cell_code(
    plan: Plan,
    dimensions: Iterable[int],
    values: Mapping[str, Lit],
    declared: Declared,
    coded: frozenset[RowExpr] = frozenset(),
) -> str:
    """SQL of a row's place among the groups of these dimensions, the last one fastest."""
    cell = "0"
    for number in dimensions:
        dimension = plan.dimensions[number]
        sql = scaled(bind(dimension.expr, values), declared)[0]
        outside = f"error('{MARK}{dimension.name}')"
        known = f"(CASE WHEN {sql} >= 0 THEN {sql} ELSE {outside} END)"
        code = known if dimension.expr in coded else _code(dimension, sql, outside)
        cell = f"({cell}) * {len(dimension.domain)} + {code}"
    return cell


def tallies(
    plan: Plan,
    values: Mapping[str, Lit],
    declared: Declared,
    engine: Engine,
    memory: int,
    threads: int,
    numbering: Numbering | None = None,
) -> list[list[ChannelTally]] | None:
    """Per unit column, per channel; None if the rows do not fit into ``memory`` bytes. Tables are staged already."""
    coded: frozenset[RowExpr] = numbering.coded if numbering is not None else frozenset()
    batches, size = [], 0
    names = [staged(unit.column) for unit in plan.unit_columns]
    for batch in engine.stream(row_query(plan, values, declared, names, where_of(plan, values, declared), coded)):
        size += batch.nbytes
        # the arrays are held once as they came and once in the order of the units
        if 3 * size > memory:
            return None
        batches.append(batch)
    if not batches:
        return None
    table = pa.Table.from_batches(batches)
    columns = tuple(_numpy(table[f"x{i}"], np.int64) for i in range(len(summed(plan))))
    cell, flags = _numpy(table["cell"], np.int32), _numpy(table["flags"], np.uint8)
    channels = channel_rows(plan)
    found = []
    for number, unit in enumerate(plan.unit_columns):
        column = table[f"u{number}"]
        if numbering is not None and unit.column in numbering.columns:
            units, count = _renumbered(column, *numbering.final(unit.column.name))
        else:
            units, count = _numbered(column)
        sums = per_unit(Columns(cell, units, flags, columns), count, plan.cells, channels, threads)
        found.append([_tally(plan, unit, sums, index) for index in range(len(plan.channels))])
    return found


def _numbered(column: pa.ChunkedArray) -> tuple[Any, int]:
    """Equal units get equal numbers, -1 for none: Arrow's dictionary compares whole values, not hashes."""
    encoded = column.dictionary_encode().combine_chunks()
    if isinstance(encoded, pa.ChunkedArray):  # no rows at all
        return np.zeros(0, dtype=np.int32), 0
    return encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int32), len(encoded.dictionary)


def _renumbered(column: pa.ChunkedArray, numbers: Any, count: int) -> tuple[Any, int]:
    """Provisional numbers to final ones; null, -1 here, meets the -1 put at the end."""
    return np.append(numbers, np.int32(-1))[column.fill_null(-1).to_numpy(zero_copy_only=False)], count


def _numpy(column: pa.ChunkedArray, type_: Any) -> Any:
    return column.to_numpy(zero_copy_only=False).astype(type_, copy=False)


def _tally(plan: Plan, unit: UnitColumn, sums: Sums, index: int) -> ChannelTally:
    channel, tally = plan.channels[index], ChannelTally(0)
    tally.units = sums.units[index].tolist()
    if channel.kind == "distinct":
        tally.value = tally.total = tally.units
        return tally
    tally.value, tally.total = sums.value[index].tolist(), sums.total[index].tolist()
    tally.top1, tally.top2 = sums.top1[index].tolist(), sums.top2[index].tolist()
    return tally


def channel_rows(plan: Plan) -> Int64:
    """Per channel what the kernels need: kind, flag bit, value column."""
    return np.array([_channel(plan, channel) for channel in plan.channels], dtype=np.int64)


def _channel(plan: Plan, channel: Channel) -> tuple[int, int, int]:
    found = summed(plan)
    column = found.index(channel.column) if channel.column in found else 0
    return _KINDS[channel.kind], slots(plan).index(slot_of(channel)), column


def _counts(column: Summand | None, filter_: RowExpr | None, values: Mapping[str, Lit], declared: Declared) -> str:
    parts = [] if column is None else [f"{scaled(column, declared)[0]} IS NOT NULL"]
    parts += [] if filter_ is None else [condition(bind(filter_, values), declared)]
    return " AND ".join(parts) or "TRUE"


def _code(dimension: Dimension, sql: str, outside: str) -> str:
    """The position of a value in its domain; a value outside ends the run."""
    known = [value for value in dimension.domain if value is not None]
    null = str(len(known)) if None in dimension.domain else outside
    numbers = [value for value in known if isinstance(value, int) and not isinstance(value, bool)]
    if dimension.type == "number" and len(numbers) == len(known) and dimension.decimals == 0 and known:
        first, last = numbers[0], numbers[-1]
        if numbers == list(range(first, last + 1)):
            when_null = f" WHEN {sql} IS NULL THEN {null}" if None in dimension.domain else ""
            return f"(CASE WHEN {sql} BETWEEN {first} AND {last} THEN {sql} - {first}{when_null} ELSE {outside} END)"
    if not known:
        return f"(CASE WHEN {sql} IS NULL THEN {null} ELSE {outside} END)"
    spelled = ", ".join(text(_spelled(dimension, value)) for value in known)
    code = f"coalesce(CAST(enum_code(TRY_CAST(CAST({sql} AS VARCHAR) AS ENUM({spelled}))) AS INTEGER), {outside})"
    return f"(CASE WHEN {sql} IS NULL THEN {null} ELSE {code} END)" if None in dimension.domain else code


def _spelled(dimension: Dimension, value: str | int | bool) -> str:
    """As DuckDB writes the rendered value: scaled integers, lower-case booleans, timestamps with a space."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if dimension.type == "number":
        return str(int(Fraction(value) * 10**dimension.decimals))
    return str(value).replace("T", " ") if dimension.type == "timestamp" else str(value)
