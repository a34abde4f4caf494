"""The records of a part as the planner's own reference evaluator finds them, row by row, and those of a scan alike."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from fractions import Fraction
from typing import Any

import numpy as np
import pyarrow as pa

from adapters.snapshot.units import hash_units
from jobs.disclosure.gate import Records
from jobs.kinds.statistics.plan.bases import bases_of_cells, known_groups, partitions
from jobs.kinds.statistics.plan.evaluate import evaluate
from jobs.kinds.statistics.plan.expr import Col
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.plan.values import Value, from_scalar

Told = dict[bytes, list[tuple[int, ...]]]
"""By hash of a unit, for each of its records in order its label in every partition."""
Row = Mapping[str, Any]


def told(records: Records, key: bytes) -> Told:
    """What a scan found; units are hashed where they are values."""
    if isinstance(records.units, np.ndarray):
        assert records.units.dtype == np.uint64
        assert records.units.shape == (len(records.rows), 2)
        hashes = [row.tobytes() for row in records.units]
    else:
        assert len(records.units) == len(records.rows)
        hashes = hashes_of(records.units, key)
    assert len(set(hashes)) == len(hashes)
    assert records.rows.dtype == np.int32
    assert (records.rows > 0).all()
    assert all(label.dtype == np.int32 and len(label) == records.count for label in records.labels)
    each = list(zip(*(label.tolist() for label in records.labels), strict=True))
    ends = np.cumsum(records.rows).tolist()
    return {unit: each[end - count : end] for unit, end, count in zip(hashes, ends, records.rows, strict=True)}


def expected(plan: Plan, key: bytes, rows: Sequence[Row], *joined: Sequence[Row]) -> list[Told]:
    """Per unit column. ``rows``: of the plan's dataset, in order; ``joined``: of every join's."""
    found: list[Told] = [{} for _ in plan.unit_columns]
    for row in rows:
        whole, kept = _joined(plan, row, joined)
        if any(u.column.table == 0 and u.nulls == "exclude" and row[u.column.name] is None for u in plan.unit_columns):
            continue
        labels = _labels(plan, whole) if kept else (-1,) * len(partitions(plan))
        for number, unit in enumerate(plan.unit_columns):
            value = whole[unit.column.table].get(unit.column.name)
            if value is not None:
                (hashed,) = hashes_of(pa.array([value]), key)
                found[number].setdefault(hashed, []).append(labels)
    return found


def hashes_of(units: pa.Array, key: bytes) -> list[bytes]:
    return [high.tobytes() + low.tobytes() for high, low in zip(*hash_units(units, key), strict=True)]


def _joined(plan: Plan, row: Row, tables: Sequence[Sequence[Row]]) -> tuple[list[Row], bool]:
    """The row of every table, none where nothing matches; and whether the plan's joins keep it."""
    whole, kept = [row], True
    for join, table in zip(plan.joins, tables, strict=True):
        keys = [(whole[key.left.table].get(key.left.name), key.right) for key in join.on]
        match = [r for r in table if all(value is not None and r[right] == value for value, right in keys)]
        whole.append(match[0] if match else {})
        kept = kept and (bool(match) or join.side == "left")
    return whole, kept


def _labels(plan: Plan, whole: Sequence[Row]) -> tuple[int, ...]:
    def read(col: Col) -> Value | None:
        value = whole[col.table].get(col.name)
        if isinstance(value, int) and not isinstance(value, bool):
            return Fraction(value)
        assert value is None or isinstance(value, str | bool | date), value
        return value

    def holds(parts: Sequence[Any]) -> bool:
        return all(evaluate(part, read) is True for part in parts)

    if not holds(plan.where.known):
        return (-1,) * len(partitions(plan))
    groups = [(i, evaluate(plan.dimensions[i].expr, read)) for i in known_groups(plan)]
    bases = {
        int(base)
        for base, key in zip(bases_of_cells(plan), plan.cell_keys(), strict=True)
        if all(from_scalar(plan.dimensions[i].type, key[i]) == value for i, value in groups)
    }
    (base,) = bases  # the cells of one known group have one base
    return tuple(base if holds(parts) else -1 for parts in partitions(plan))
