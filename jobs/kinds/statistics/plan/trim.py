"""Groups that WHERE rules out are no cells: told from conditions and declarations, never from data."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from fractions import Fraction
from typing import Any, Final

from jobs.kinds.statistics.plan.errors import PlanError
from jobs.kinds.statistics.plan.evaluate import evaluate_at
from jobs.kinds.statistics.plan.expr import (
    Add,
    And,
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
    RowExpr,
    children,
    columns_of,
    parameters_of,
)
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.values import TYPE_OF, Value, bounds_of, from_scalar, value_of
from jobs.schema import ColumnType

_MOST: Final = 20_000
"""Values of a column that are tried one by one."""


def trimmed(
    expr: RowExpr, values: list[Value | None], conjuncts: Sequence[RowExpr], scope: Scope
) -> list[Value | None]:
    """The values of a group that some value of its one column has for which every conjunct on that column is true.

    A group over several columns, or over one whose values are too many to try, keeps all: a cell too many stays empty.
    """
    columns = columns_of(expr)
    if len(columns) != 1:
        return values
    (col,) = columns
    deciding = [c for c in conjuncts if columns_of(c) == columns and not parameters_of(c)]
    direct = [made for c in deciding if (made := _of(c, expr, col)) is not None]
    values = [value for value in values if all(evaluate_at(c, value) is True for c in direct)]
    deciding = [c for c in deciding if _of(c, expr, col) is None]
    if not deciding:
        return values
    tried = _tried(col, (expr, *deciding), scope)
    if tried is None:
        return values
    left = {evaluate_at(expr, value) for value in tried if all(evaluate_at(c, value) is True for c in deciding)}
    return [value for value in values if value in left]


def _of(condition: RowExpr, expr: RowExpr, col: Col) -> RowExpr | None:
    """A condition on the group's own value, with a column in the value's place; ``None`` for any other."""
    match condition:
        case And() | Or():
            args = [_of(arg, expr, col) for arg in condition.args]
            known = [arg for arg in args if arg is not None]
            return type(condition)(args=tuple(known)) if len(known) == len(args) else None
        case Not():
            inner = _of(condition.arg, expr, col)
            return None if inner is None else Not(arg=inner)
        case IsNull():
            return IsNull(arg=col) if condition.arg == expr else None
        case In():
            return In(arg=col, values=condition.values) if condition.arg == expr else None
        case Compare():
            sides = [col if side == expr else side for side in (condition.left, condition.right)]
            if any(columns_of(side) and side != col for side in sides) or (expr != col and col in _sides(condition)):
                return None
            return Compare(op=condition.op, left=sides[0], right=sides[1])
        case _:
            return None


def _sides(condition: Compare) -> tuple[RowExpr, RowExpr]:
    return condition.left, condition.right


def _tried(col: Col, exprs: Sequence[RowExpr], scope: Scope) -> list[Value | None] | None:
    """Values of which one stands for each that the expressions tell apart: all of a declared domain or of narrow
    bounds; of wide ones the ends and each literal with its neighbours, where nothing but literals is compared."""
    column = scope.column(col)
    null: list[Value | None] = [None] if scope.nullable(col) else []
    if column.type is ColumnType.BOOL:
        return [False, True, *null]
    if column.domain is not None:
        return [*(from_scalar(TYPE_OF[column.type], value) for value in column.domain), *null]
    try:
        low, high = bounds_of(column)
    except PlanError:
        return None
    step = _step(col, exprs, scope)
    if step is None:
        return None
    if (high - low) // step < _MOST:  # type: ignore[operator]
        return [*_all(low, high, step), *null]
    found = _ends(col, exprs, low, high, step)
    return None if found is None else [*found, *null]


def _step(col: Col, exprs: Sequence[RowExpr], scope: Scope) -> Any:
    """How far apart the column's values are; of timestamps half an hour, so that hours and what lies
    between them are tried, where literals stand at whole hours."""
    match scope.type_of(col):
        case "number":
            return Fraction(1, 10 ** scope.number(col).scale)
        case "date":
            return timedelta(days=1)
        case "timestamp":
            moments = [value_of(part) for part in _parts(exprs) if isinstance(part, Lit) and part.type == "timestamp"]
            whole = all(isinstance(m, datetime) and m.minute == m.second == 0 for m in moments)
            return timedelta(minutes=30) if whole else None
        case _:
            return None


def _all(low: Any, high: Any, step: Any) -> list[Value]:
    return [low + step * n for n in range(int((high - low) // step) + 1)]


def _ends(col: Col, exprs: Sequence[RowExpr], low: Any, high: Any, step: Any) -> list[Value] | None:
    found = {low, high}
    for part in _parts(exprs):
        if isinstance(part, FloorDiv) and part.arg != col:
            return None
        if isinstance(part, DateTrunc) or (isinstance(part, DatePart) and part.part == "year"):
            edges = _edges(part, low, high, step)
            if edges is None:
                return None
            found |= edges
        elif isinstance(part, Lit) and isinstance(value := value_of(part), type(low)) and not isinstance(value, bool):
            found |= {value - step, value, value + step}
        elif isinstance(part, FloorDiv) and isinstance(low, Fraction):
            width = Fraction(part.width)
            first, last = low // width, high // width
            if last - first >= _MOST:
                return None
            for number in range(first, last + 2):
                edge = -(-(number * width) // step) * step
                found |= {edge - step, edge}
        elif isinstance(part, Add | Mul | DatePart) and (col in children(part)):
            return None
    return sorted(value for value in found if low <= value <= high)


def _edges(part: DateTrunc | DatePart, low: Any, high: Any, step: Any) -> set[Any] | None:
    """Where periods begin, and the moments before."""
    unit = part.unit if isinstance(part, DateTrunc) else "year"
    if unit in ("day", "week"):
        return None
    found: set[Any] = set()
    for year in range(low.year, high.year + 1):
        for month in range(1, 13):
            edge = low.replace(year=year, month=month, day=1)
            edge = edge.replace(hour=0, minute=0, second=0) if isinstance(edge, datetime) else edge
            found |= {edge} if edge <= low else {edge, edge - step}
    return found


def _parts(exprs: Iterable[RowExpr]) -> list[RowExpr]:
    return [part for expr in exprs for part in (expr, *_parts(children(expr)))]
