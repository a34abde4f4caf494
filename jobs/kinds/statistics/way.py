"""Which way a plan's scan takes over a snapshot, decided from plan and declarations alone, so that it can be explained.

``ordered``: one pass over rows sorted by unit, in parts that share no unit; ``rows``: the same numbers through hash
tables, over the snapshot's rows. Both leave out excluded units.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

from jobs.kinds.statistics.plan.expr import And, Col, Compare, In, IsNull, Lit, Not, Or, Par, RowExpr, columns_of
from jobs.kinds.statistics.plan.types import Channel, Join, Plan, Summand
from jobs.schema import Column, ColumnType, Dataset

MAX_SLOTS: Final = 32
MAX_TABLE: Final = 4096
"""Possible values of a column from which expressions over it are evaluated and no longer looked up."""
MAX_SUMS: Final = 1_000_000
"""Cells times channels: 100 bytes each in a worker, 200 where sums need 128 bits."""


@dataclass(frozen=True)
class Way:
    """``why`` names the reason where the scan is not the fast one; it goes into the plan's explanation."""

    name: Literal["ordered", "rows"]
    why: str = ""


def decide_way(plan: Plan, unit: str) -> Way:
    """Pure. ``unit``: the privacy unit that the plan's dataset declares."""
    own = Col(name=unit)
    others = sorted({unit.column.name for unit in plan.unit_columns if unit.column != own})
    if others:
        return Way("rows", f"{', '.join(others)} is protected as well, and the rows are sorted by {own.name} only")
    if len(slots(plan)) > MAX_SLOTS:
        return Way("rows", f"more than {MAX_SLOTS} different filters")
    if plan.cells * len(plan.channels) > MAX_SUMS:
        return Way("rows", f"more than {MAX_SUMS:,} sums")
    if any(None in dimension.domain[:-1] for dimension in plan.dimensions):
        return Way("rows", "a group of rows without a value that is not listed last")
    return Way("ordered")


def slot_of(channel: Channel) -> tuple[Summand | None, RowExpr | None]:
    return (None if channel.kind == "distinct" else channel.column), channel.filter


def slots(plan: Plan) -> list[tuple[Summand | None, RowExpr | None]]:
    """The distinct conditions under which a row counts: a value that is not null, a filter that is true."""
    return list(dict.fromkeys(slot_of(channel) for channel in plan.channels))


def summed(plan: Plan) -> list[Summand]:
    """The distinct columns and products that are summed, or summed in squares."""
    return list(dict.fromkeys(c.column for c in plan.channels if c.column is not None and c.kind in ("sum", "sumsq")))


def wide(plan: Plan) -> bool:
    """Whether a sum may need more than 62 bits."""
    return any(channel.low <= -(2**62) or channel.high >= 2**62 for channel in plan.channels)


def by_tables(plan: Plan, dataset: Dataset) -> bool:
    """Whether groups and conditions are looked up by value, so that no database takes part. ``dataset``: the plan's.

    What ``direct.Direct`` finds out from the stored columns, told from the declarations; a test compares the two.
    """
    if plan.joins:
        return False
    columns = {column.name: column for column in dataset.columns}
    few = {name for name, column in columns.items() if name != dataset.unit and _few(column)}
    kept = {name for name, column in columns.items() if column.type not in (ColumnType.STRING, ColumnType.BOOL)}
    conditions = [*plan.where.conjuncts, *(filter_ for _, filter_ in slots(plan) if filter_ is not None)]
    return all(_looked_up(dimension.expr, few) for dimension in plan.dimensions) and all(
        _compared(condition, few, kept) for condition in conditions
    )


def joined_by_unit(plan: Plan, join: Join, datasets: dict[str, Dataset]) -> bool:
    """Whether a joined table lies in parts of the same individuals, so that each part reads its own only."""
    ours, theirs = datasets[plan.dataset], datasets[join.dataset]
    alike = ours.column(ours.unit).unit_domain == theirs.column(theirs.unit).unit_domain
    by_unit = any(key.left == Col(name=ours.unit) and key.right == theirs.unit for key in join.on)
    return alike and by_unit and [j.dataset for j in plan.joins].count(join.dataset) == 1


def _looked_up(expr: RowExpr, few: set[str]) -> bool:
    read = columns_of(expr)
    return len(read) == 1 and all(col.table == 0 and col.name in few for col in read)


def _compared(expr: RowExpr, few: set[str], kept: set[str]) -> bool:
    """``kept``: columns that are stored as integers in their own order, so that ranges of them are comparisons."""
    match expr:
        case And() | Or():
            return all(_compared(arg, few, kept) for arg in expr.args)
        case Not():
            return _compared(expr.arg, few, kept)
        case IsNull(arg=Col(table=0)):
            return True
        case (
            Compare(left=Col(table=0) as col, right=Lit() | Par())
            | Compare(left=Lit() | Par(), right=Col(table=0) as col)
        ):
            return col.name in few | kept
        case In(arg=Col(table=0) as col):
            return col.name in few | kept
        case _:
            return _looked_up(expr, few)


def _few(column: Column) -> bool:
    """Whether the declaration leaves at most ``MAX_TABLE`` possible values."""
    if column.type is ColumnType.BOOL:
        return True
    if column.type is ColumnType.STRING:
        return column.domain is not None and len(column.domain) <= MAX_TABLE
    if column.domain is not None:
        ends = [str(value) for value in column.domain]
    elif column.bounds is not None:
        ends = [column.bounds.low, column.bounds.high]
    else:
        return False
    if column.type is ColumnType.TIMESTAMP or not ends:
        return False  # stored in microseconds
    if column.type is ColumnType.DATE:
        days = [date.fromisoformat(end[:10]).toordinal() for end in ends]
        return max(days) - min(days) < MAX_TABLE
    numbers = [Decimal(end) for end in ends]
    return (max(numbers) - min(numbers)).scaleb(column.decimals) < MAX_TABLE
