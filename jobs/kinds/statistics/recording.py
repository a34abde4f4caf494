"""The records of one part for the node's gate: per unit column all rows of each unit, each labelled with its base.

A label rests on known columns alone (``plan.bases``), so it tells nothing that an outsider could not know. All rows of
a unit are records, in their stored order, whatever the condition: a record is known by its unit and its print, which
are the same in every query and in every version. A row that an inner join drops, or for which WHERE's
known conjuncts are not true, is labelled -1.

Under an exact profile, and under differential privacy, nothing is audited and nothing recorded: one empty ``Records``
for each unit column.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from adapters.snapshot.order import by_rank
from adapters.snapshot.prints import PRINT
from adapters.snapshot.read import Part
from jobs.disclosure.gate import Int32, Records, UInt64
from jobs.disclosure.profile import load_profile
from jobs.kinds.statistics.columnar import cell_code
from jobs.kinds.statistics.plan.bases import known_groups, partitions
from jobs.kinds.statistics.plan.bind import bind
from jobs.kinds.statistics.plan.expr import Lit
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.render import Columns, condition

Bools = npt.NDArray[np.bool_]
ROW: Final = "unseen row"
"""Of a staged table: the place of each row. No declared name has a space in it."""
NO_BASE: Final = -1


def recorded(plan: Plan) -> bool:
    """Whether the plan's profile audits anything."""
    return load_profile(plan.profile).judged


def no_records(plan: Plan) -> tuple[Records, ...]:
    """Of a part without a row, or of a plan whose profile audits nothing."""
    return tuple(_nobody(len(partitions(plan))) for _ in plan.unit_columns)


def _nobody(count: int) -> Records:
    nothing = np.zeros(0, dtype=np.int32)
    return Records(np.zeros((0, 2), np.uint64), nothing, np.zeros(0, np.uint64), (nothing,) * count)


# --- labels ------------------------------------------------------------------------------------------------------


def base_code(plan: Plan, values: Mapping[str, Lit], declared: Columns) -> str:
    """SQL of a row's place among the known groups.

    A value outside the declared domain of a known group ends the run, as it does where a cell is counted.
    """
    return f"CAST({cell_code(plan, known_groups(plan), values, declared)} AS INTEGER)"


def condition_columns(plan: Plan, values: Mapping[str, Lit], declared: Columns) -> list[str]:
    """Of every partition that has a condition, where it is true."""
    return [
        f"coalesce({' AND '.join(condition(bind(part, values), declared) for part in parts)}, FALSE) AS k{number}"
        for number, parts in enumerate(partitions(plan))
        if parts
    ]


def labels_of(plan: Plan, table: pa.Table, base: Int32) -> list[Int32]:
    """Per partition, in the order of the table's rows. ``table`` has the ``condition_columns``."""
    return [
        labelled(base, table[f"k{number}"].to_numpy(zero_copy_only=False) if parts else None)
        for number, parts in enumerate(partitions(plan))
    ]


def labelled(base: Int32, true: Bools | None) -> Int32:
    """The base where a partition's condition is true; ``None`` for everywhere."""
    return base if true is None else np.where(true, base, np.int32(NO_BASE))


# --- in the order of units ---------------------------------------------------------------------------------------


class Recorder:
    """Takes the labels of a snapshot's parts block by block, all rows in the order of their units."""

    def __init__(self, plan: Plan) -> None:
        self._units: list[UInt64] = []
        self._rows: list[Int32] = []
        self._prints: list[UInt64] = []
        self._labels: list[list[Int32]] = [[] for _ in partitions(plan)]

    def add_block(self, labels: Sequence[Int32], prints: UInt64, excluded: Bools | None) -> None:
        """``excluded``: per row of the block whether its unit is left out."""
        self._prints.append(prints if excluded is None else prints[~excluded])
        for kept, label in zip(self._labels, labels, strict=True):
            kept.append(label if excluded is None else label[~excluded])

    def add_part(self, part: Part) -> None:
        """After its blocks."""
        merged = part.merged
        units, rows = np.stack((merged.high, merged.low), axis=1), merged.rows.astype(np.int32)
        kept = slice(None) if part.excluded is None else ~part.excluded
        self._units.append(units[kept])
        self._rows.append(rows[kept])

    def records(self) -> Records:
        """Of all parts together."""
        nobody = _nobody(len(self._labels))
        return Records(
            np.concatenate([nobody.units, *self._units]),
            np.concatenate([nobody.rows, *self._rows]),
            np.concatenate([nobody.prints, *self._prints]),
            tuple(np.concatenate([nobody.rows, *each]) for each in self._labels),
        )


# --- rows in no order --------------------------------------------------------------------------------------------


def record_query(
    plan: Plan, values: Mapping[str, Lit], declared: Columns, units: Sequence[str], joined: tuple[str, Sequence[str]],
    counted: Sequence[str], printed: bool,
) -> str:  # fmt: skip
    """SQL over the staged tables: per record its place ``row``, ``print``, ``units`` (u0, ...), ``base``, k0, ...

    ``joined``: the tables with every join as a left one, and what is true where an inner one would have kept the row.
    ``counted``: what is true of a row that the datasets do not leave out for want of a unit. ``printed``: whether
    t0 has its rows' prints.
    """
    source, matched = joined
    kept = [*matched, *(condition(bind(conjunct, values), declared) for conjunct in plan.where.known)]
    base = base_code(plan, values, declared)
    if kept:
        base = f"(CASE WHEN {' AND '.join(kept)} THEN {base} ELSE {NO_BASE} END)"
    print_ = f't0."{PRINT.name}"' if printed else "CAST(0 AS BIGINT)"
    columns = [
        f't0."{ROW}" AS "row"',
        f'{print_} AS "print"',
        *(f"{unit} AS u{number}" for number, unit in enumerate(units)),
    ]
    columns += [f"{base} AS base", *condition_columns(plan, values, declared)]
    return f"SELECT {', '.join(columns)} FROM {source} WHERE {' AND '.join(counted) or 'TRUE'}"  # noqa: S608


def grouped(plan: Plan, table: pa.Table) -> tuple[Records, ...]:
    """The rows of a ``record_query``, put together by unit, once for each unit column."""
    order = np.argsort(table["row"].to_numpy(), kind="stable")
    base = table["base"].to_numpy().astype(np.int32, copy=False)
    labels = [label[order] for label in labels_of(plan, table, base)]
    prints = table["print"].to_numpy().view(np.uint64)[order]
    return tuple(_by_unit(table[f"u{number}"], order, prints, labels) for number in range(len(plan.unit_columns)))


def _by_unit(column: pa.ChunkedArray, order: npt.NDArray[np.int64], prints: UInt64, labels: Sequence[Int32]) -> Records:
    """Units in the order in which they come first; a row without one is no record."""
    encoded = column.dictionary_encode().combine_chunks()
    unit: Any = encoded.indices.fill_null(-1).to_numpy(zero_copy_only=False).astype(np.int64)[order]
    known = unit >= 0
    unit = unit[known]
    first = np.full(len(encoded.dictionary), len(unit), dtype=np.int64)
    first[unit[::-1]] = np.arange(len(unit))[::-1]  # of several, the last assignment stays: the first row
    values = np.argsort(first, kind="stable")
    rank = np.empty(len(values), dtype=np.int64)
    rank[values] = np.arange(len(values))
    place, rows = by_rank(rank[unit], len(values))
    return Records(
        encoded.dictionary.take(pa.array(values)),
        rows.astype(np.int32),
        prints[known][place],
        tuple(np.ascontiguousarray(label[known][place]) for label in labels),
    )
