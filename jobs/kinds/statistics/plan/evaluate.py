"""The meaning of a row expression, in Python: exact numbers and SQL's three-valued logic (``None`` is NULL, unknown).

The planner uses it to leave out cells that a filter empties; the tests use it as the reference for DuckDB.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import date, datetime, timedelta
from fractions import Fraction

from jobs.kinds.statistics.plan.expr import (
    Add,
    And,
    Case,
    Col,
    Compare,
    DatePart,
    DateTrunc,
    FloorDiv,
    In,
    IsNull,
    Lit,
    Mul,
    Not,
    Or,
    Par,
    RowExpr,
)
from jobs.kinds.statistics.plan.values import Value, value_of

_EPOCH = date(1970, 1, 1).toordinal()
Row = Callable[[Col], Value | None]


def evaluate(expr: RowExpr, row: Row, parameters: Mapping[str, Value] | None = None) -> Value | None:
    """The value for one row. The expression must be well typed; raises ``KeyError`` for a missing parameter."""
    known = parameters or {}
    match expr:
        case Lit():
            return value_of(expr)
        case Par():
            return known[expr.name]
        case Col():
            return row(expr)
        case Add() | Mul():
            return _arithmetic(expr, row, known)
        case FloorDiv():
            value = evaluate(expr.arg, row, known)
            return None if not isinstance(value, Fraction) else Fraction(value // Fraction(expr.width))
        case DatePart():
            return _part(expr.part, row(expr.arg))
        case DateTrunc():
            return _trunc(expr.unit, row(expr.arg))
        case Case():
            for branch in expr.branches:
                if evaluate(branch.when, row, known) is True:
                    return value_of(branch.then)
            return value_of(expr.otherwise) if expr.otherwise else None
        case _:
            return _logic(expr, row, known)


def evaluate_at(expr: RowExpr, value: Value | None) -> Value | None:
    """The value for a row whose one column that ``expr`` reads has this value."""
    return evaluate(expr, lambda _: value)


def _logic(expr: RowExpr, row: Row, known: Mapping[str, Value]) -> bool | None:
    match expr:
        case Compare():
            left, right = evaluate(expr.left, row, known), evaluate(expr.right, row, known)
            if left is None or right is None:
                return None
            if expr.op == "=":
                return left == right
            return left < right if expr.op == "<" else left <= right  # type: ignore[operator]
        case In():
            value = evaluate(expr.arg, row, known)
            return None if value is None else value in [evaluate(item, row, known) for item in expr.values]
        case IsNull():
            return evaluate(expr.arg, row, known) is None
        case Not():
            inner = evaluate(expr.arg, row, known)
            return None if inner is None else not inner
        case And() | Or():
            parts = [evaluate(arg, row, known) for arg in expr.args]
            deciding = isinstance(expr, Or)
            if deciding in [part for part in parts if part is not None]:
                return deciding
            return None if None in parts else not deciding
        case _:
            raise TypeError("not a condition")


def _arithmetic(expr: Add | Mul, row: Row, known: Mapping[str, Value]) -> Fraction | None:
    values = [evaluate(arg, row, known) for arg in expr.args]
    result = Fraction(0 if isinstance(expr, Add) else 1)
    for value in values:
        if not isinstance(value, Fraction):
            return None
        result = result + value if isinstance(expr, Add) else result * value
    return result


def _part(part: str, value: Value | None) -> Fraction | None:
    if not isinstance(value, date):
        return None
    match part:
        case "quarter":
            return Fraction((value.month + 2) // 3)
        case "isodow":
            return Fraction(value.isoweekday())
        case "hour":
            return Fraction(value.hour if isinstance(value, datetime) else 0)
        case "epoch_day":
            return Fraction(date(value.year, value.month, value.day).toordinal() - _EPOCH)
        case _:
            return Fraction({"year": value.year, "month": value.month, "day": value.day}[part])


def _trunc(unit: str, value: Value | None) -> date | None:
    return truncate(unit, date(value.year, value.month, value.day)) if isinstance(value, date) else None


def truncate(unit: str, day: date) -> date:
    """The first day of the period of ``unit`` in which ``day`` lies."""
    match unit:
        case "year":
            return day.replace(month=1, day=1)
        case "quarter":
            return day.replace(month=(day.month - 1) // 3 * 3 + 1, day=1)
        case "month":
            return day.replace(day=1)
        case "week":
            return day - timedelta(days=day.weekday())
        case _:
            return day
