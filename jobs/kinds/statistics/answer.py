"""From exact totals to the table an operator reads: exact rationals first, then output expressions on released numbers.

Run by the hub (and by whoever replays a release). Pure: no data beyond what was opened, no DuckDB. Rounding and the
decision what is released lie between ``exact`` and ``table``, in the disclosure rules.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from jobs.kinds.statistics.answer_expr import SUPPRESSED, Cell, Result, evaluate_output, rank
from jobs.kinds.statistics.plan.expr import Agg, Dim, Lit, OutExpr
from jobs.kinds.statistics.plan.types import Aggregate, Dimension, Plan
from jobs.schema import Scalar

Shown = str | int | bool | Decimal | dt.date | dt.datetime | None


@dataclass(frozen=True)
class ExactValue:
    """One aggregate in one cell. ``value`` is None where SQL says NULL; of a deviation it is the variance, ``is_root``.

    ``count``: rows with a non-null value (of a distinct count: the units).
    """

    value: Fraction | None
    count: int
    is_root: bool


@dataclass(frozen=True)
class AnswerColumn:
    name: str
    type: str
    """``string``, ``integer``, ``decimal``, ``bool``, ``date`` or ``timestamp``."""


@dataclass(frozen=True)
class AnswerTable:
    """``suppressed`` has the shape of ``rows``: True where a value is None because it is not shown."""

    columns: tuple[AnswerColumn, ...]
    rows: tuple[tuple[Shown, ...], ...]
    suppressed: tuple[tuple[bool, ...], ...]


def exact(plan: Plan, totals: Sequence[Sequence[int | None]]) -> list[list[ExactValue | None]]:
    """Per aggregate, per cell; None where a channel was not opened. ``totals``: per channel, per cell."""
    return [
        [_exact(plan, aggregate, [totals[i][cell] for i in aggregate.channels]) for cell in range(plan.cells)]
        for aggregate in plan.aggregates
    ]


def _exact(plan: Plan, aggregate: Aggregate, opened: list[int | None]) -> ExactValue | None:
    parts = [part for part in opened if part is not None]
    if len(parts) != len(opened):
        return None
    count = parts[0]
    if len(parts) == 1:
        return ExactValue(Fraction(count), count, False)
    unit = Fraction(1, 10 ** plan.decimals_of(aggregate))
    total = parts[1] * unit
    if aggregate.function == "sum":
        return ExactValue(total if count else None, count, False)
    if aggregate.function == "avg":
        return ExactValue(total / count if count else None, count, False)
    sample, is_root = aggregate.function.endswith("samp"), aggregate.function.startswith("stddev")
    divisor = count - 1 if sample else count
    if divisor <= 0:
        return ExactValue(None, count, is_root)
    squares = parts[2] * unit * unit
    return ExactValue((squares - total * total / count) / divisor, count, is_root)


def table(
    plan: Plan, released: Sequence[Sequence[Decimal | int | None]], parameters: dict[str, Scalar] | None = None
) -> AnswerTable:
    """Output expressions, HAVING, ORDER BY and LIMIT over released numbers. ``released``: per aggregate, per cell.

    None is a suppressed number; whatever is computed from one is suppressed. A row stays only where HAVING is true, so
    a row whose HAVING depends on a suppressed number goes. Suppressed values sort last. ``parameters``: those of the
    run, needed where HAVING or an output names one.
    """
    rows: list[tuple[list[Result], list[tuple[int, Result]]]] = []
    for cell, key in enumerate(plan.cell_keys()):
        dims = [typed(dimension, value) for dimension, value in zip(plan.dimensions, key, strict=True)]
        numbers: list[Result] = [SUPPRESSED if row[cell] is None else row[cell] for row in released]
        here = Cell(dims, numbers, parameters or {})
        if plan.having is not None and evaluate_output(plan.having, here) is not True:
            continue
        shown = [evaluate_output(output.expr, here) for output in plan.outputs]
        order = [(number, evaluate_output(item.expr, here)) for number, item in enumerate(plan.order_by)]
        rows.append((shown, order))
    for number, item in reversed(list(enumerate(plan.order_by))):  # stable sorts, the last key first
        rows.sort(key=lambda row: rank(row[1][number][1], item.descending, item.nulls_first), reverse=item.descending)
    rows = rows[: plan.limit]
    return AnswerTable(
        columns=tuple(AnswerColumn(output.name, _type(plan, output.expr)) for output in plan.outputs),
        rows=tuple(tuple(None if value is SUPPRESSED else value for value in shown) for shown, _ in rows),
        suppressed=tuple(tuple(value is SUPPRESSED for value in shown) for shown, _ in rows),
    )


def typed(dimension: Dimension, value: Scalar | None) -> Shown:
    """A domain value in its own type: dates as dates, decimals as ``Decimal``."""
    if value is None or isinstance(value, bool):
        return value
    match dimension.type:
        case "date":
            return dt.date.fromisoformat(str(value))
        case "timestamp":
            return dt.datetime.fromisoformat(str(value))
        case "number":
            return Decimal(value) if dimension.decimals else int(value)
        case _:
            return value


def _type(plan: Plan, expr: OutExpr) -> str:
    match expr:
        case Dim():
            dimension = plan.dimensions[expr.index]
            if dimension.type == "number":
                return "decimal" if dimension.decimals else "integer"
            return dimension.type
        case Agg():
            aggregate = plan.aggregates[expr.index]
            whole = aggregate.function.startswith("count") or (
                aggregate.function == "sum" and plan.decimals_of(aggregate) == 0
            )
            return "integer" if whole else "decimal"
        case Lit():
            return "decimal" if expr.type == "number" else expr.type
        case _:
            logic = getattr(expr, "op", "") in ("eq", "lt", "le", "and", "or", "not", "is_null")
            return "bool" if logic else "decimal"
