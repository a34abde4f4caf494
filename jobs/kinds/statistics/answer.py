"""From released numbers to the table an operator reads: output expressions, HAVING, ORDER BY, LIMIT.

Run by the hub and by whoever recomputes a release. Pure: formatting and the decision what is released come before
(``jobs.kinds.statistics.release``).
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import ROUND_HALF_EVEN, Context, Decimal
from fractions import Fraction
from typing import Final

from jobs.disclosure.rounding import on_grid, step_below
from jobs.kinds.statistics.answer_expr import SUPPRESSED, Cell, Number, Result, evaluate_output, plain, rank, total
from jobs.kinds.statistics.plan.expr import Agg, Dim, Lit, Op, OutExpr, Quantile
from jobs.kinds.statistics.plan.outputs import totals_of
from jobs.kinds.statistics.plan.types import Dimension, Plan
from jobs.schema import Scalar

_TWO_DIGITS: Final = Context(prec=2, rounding=ROUND_HALF_EVEN)
Shown = str | int | bool | Decimal | dt.date | dt.datetime | None


@dataclass(frozen=True)
class AnswerColumn:
    name: str
    type: str
    """``string``, ``integer``, ``decimal``, ``bool``, ``date`` or ``timestamp``."""
    noisy: bool = False
    """Whether its numbers have standard errors."""
    ranged: bool = False
    """Whether its numbers are quantiles, each with the interval in which it lies."""


@dataclass(frozen=True)
class AnswerTable:
    """``suppressed`` has the shape of ``rows``: True where a value is None because it is not shown. So has ``errors``:
    the standard error of a value, with two digits that count; None where it has none.
    """

    columns: tuple[AnswerColumn, ...]
    rows: tuple[tuple[Shown, ...], ...]
    suppressed: tuple[tuple[bool, ...], ...]
    errors: tuple[tuple[Decimal | None, ...], ...]
    intervals: tuple[tuple[tuple[Decimal, Decimal] | None, ...], ...] = ()
    """The shape of ``rows``, or nothing where no column is ``ranged``."""


def table(
    plan: Plan,
    released: Sequence[Sequence[Number | None]],
    parameters: dict[str, Scalar] | None = None,
    *,
    noisy: bool,
) -> AnswerTable:
    """Output expressions, HAVING, ORDER BY and LIMIT over released numbers. ``released``: per aggregate, per cell.

    None is a suppressed number; whatever is computed from one is suppressed. A row stays only where HAVING is true, so
    a row whose HAVING depends on a suppressed number goes. Suppressed values sort last. ``parameters``: those of the
    run, needed where HAVING or an output names one. ``noisy``: whether the profile adds noise.
    """
    kept = []
    for cell, key in enumerate(plan.cell_keys()):
        dims: list[Result] = [typed(dimension, value) for dimension, value in zip(plan.dimensions, key, strict=True)]
        numbers: list[Result] = [SUPPRESSED if row[cell] is None else row[cell] for row in released]
        here = Cell(dims, numbers, parameters or {})
        if plan.having is not None and evaluate_output(plan.having, here) is not True:
            continue
        kept.append(here)
    rows: list[tuple[list[Result], list[tuple[int, Result]]]] = []
    for here in with_totals(plan, kept):
        shown = [_formatted(output.expr, evaluate_output(output.expr, here)) for output in plan.outputs]
        order = [(number, evaluate_output(item.expr, here)) for number, item in enumerate(plan.order_by)]
        rows.append((shown, order))
    for number, item in reversed(list(enumerate(plan.order_by))):  # stable sorts, the last key first
        rows.sort(key=lambda row: rank(row[1][number][1], item.descending, item.nulls_first), reverse=item.descending)
    rows = rows[: plan.limit]
    return AnswerTable(
        columns=tuple(_column(plan, output.name, output.expr, noisy) for output in plan.outputs),
        rows=tuple(tuple(_value(value) for value in shown) for shown, _ in rows),
        suppressed=tuple(tuple(value is SUPPRESSED for value in shown) for shown, _ in rows),
        errors=tuple(tuple(_error(value) for value in shown) for shown, _ in rows),
        intervals=tuple(tuple(_interval(value) for value in shown) for shown, _ in rows)
        if any(isinstance(output.expr, Quantile) for output in plan.outputs)
        else (),
    )


def with_totals(plan: Plan, cells: Sequence[Cell]) -> list[Cell]:
    """The rows that HAVING left, each with the totals that its outputs name."""
    found: list[dict[Op, Result]] = [{} for _ in cells]
    for expr in totals_of((*(o.expr for o in plan.outputs), *(o.expr for o in plan.order_by))):
        value, *by = expr.args
        parts: dict[tuple[Result, ...], list[int]] = {}
        for place, cell in enumerate(cells):
            parts.setdefault(tuple(evaluate_output(dim, cell) for dim in by), []).append(place)
        for places in parts.values():
            whole = total([evaluate_output(value, cells[place]) for place in places])
            for place in places:
                found[place][expr] = whole
    return [replace(cell, totals=totals) for cell, totals in zip(cells, found, strict=True)]


def _formatted(expr: OutExpr, value: Result) -> Result:
    """What was computed of noisy numbers, on the grid of its own error; a ROUND that was asked for stays."""
    if not isinstance(value, Number) or not value.error or not isinstance(expr, Op) or expr.op == "round":
        return value
    return Number(on_grid(Fraction(value.value), step_below(Fraction(value.error) ** 2)), value.error)


def _value(value: Result) -> Shown:
    found = plain(value)
    return None if found is SUPPRESSED else found


def _error(value: Result) -> Decimal | None:
    if not isinstance(value, Number) or not value.error:
        return None
    shown = value.error.normalize(_TWO_DIGITS)
    return shown if int(shown.as_tuple().exponent) <= 0 else Decimal(int(shown))


def _interval(value: Result) -> tuple[Decimal, Decimal] | None:
    return value.between if isinstance(value, Number) else None


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


def _column(plan: Plan, name: str, expr: OutExpr, noisy: bool) -> AnswerColumn:
    type_ = _type(plan, expr)
    computed = type_ in ("integer", "decimal") and _aggregates(expr)
    return AnswerColumn(name, type_, computed and (noisy or _located(expr)), isinstance(expr, Quantile))


def _aggregates(expr: OutExpr) -> bool:
    return isinstance(expr, Agg | Quantile) or (isinstance(expr, Op) and any(_aggregates(arg) for arg in expr.args))


def _located(expr: OutExpr) -> bool:
    """Whether a quantile takes part, which is not exact under any profile."""
    return isinstance(expr, Quantile) or (isinstance(expr, Op) and any(map(_located, expr.args)))


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
        case Op(op="coalesce" | "nullif"):
            first = _type(plan, expr.args[0])
            return "decimal" if first == "integer" else first
        case Lit():
            return "decimal" if expr.type == "number" else expr.type
        case _:
            logic = getattr(expr, "op", "") in ("eq", "lt", "le", "and", "or", "not", "is_null")
            return "bool" if logic else "decimal"
