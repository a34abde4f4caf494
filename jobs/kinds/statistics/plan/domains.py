"""Which groups can exist: every value of a grouping expression, from declared domains and bounds, never from data."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta
from fractions import Fraction

from jobs.kinds.statistics.plan.coarser import coarser
from jobs.kinds.statistics.plan.errors import MissingDeclaration, RoleForbids, TooLarge, TypeMismatch, UnsupportedSql
from jobs.kinds.statistics.plan.evaluate import evaluate, truncate
from jobs.kinds.statistics.plan.expr import (
    Add,
    Case,
    Col,
    DatePart,
    DateTrunc,
    FloorDiv,
    Lit,
    Mul,
    RowExpr,
    columns_of,
)
from jobs.kinds.statistics.plan.scope import Scope, check_roles, part_range
from jobs.kinds.statistics.plan.trim import trimmed
from jobs.kinds.statistics.plan.types import MAX_CELLS, Dimension
from jobs.kinds.statistics.plan.values import TYPE_OF, Value, bounds_of, from_scalar, scalar, value_of
from jobs.schema import ColumnType, Role


def dimension(name: str, expr: RowExpr, scope: Scope, conjuncts: Sequence[RowExpr]) -> Dimension:
    """The dimension of a normalised grouping expression; values that the conjuncts rule out are no cells.

    Raises ``RoleForbids``, ``MissingDeclaration``, ``TooLarge``, ``UnsupportedSql``.
    """
    check_roles(expr, scope)
    if not columns_of(expr):
        raise UnsupportedSql("GROUP BY a constant")
    values = trimmed(expr, _values(expr, scope), conjuncts, scope)
    if not values:
        raise UnsupportedSql("the WHERE clause leaves no group")
    decimals = scope.number(expr).scale if scope.type_of(expr) == "number" else 0
    return Dimension(
        name=name,
        expr=expr,
        type=scope.type_of(expr),
        decimals=decimals,
        domain=tuple(scalar(value) for value in values),
    )


def _values(expr: RowExpr, scope: Scope) -> list[Value | None]:
    match expr:
        case Col():
            return _column_values(expr, scope)
        case Case():
            results: list[Value | None] = [value_of(branch.then) for branch in expr.branches]
            results.append(value_of(expr.otherwise) if expr.otherwise else None)
            return list(dict.fromkeys(results))
        case DatePart():
            low, high = part_range(expr, scope)
            return _with_null([Fraction(n) for n in _span(low, high)], expr, scope)
        case DateTrunc():
            return _with_null(periods(expr, scope), expr, scope)
        case FloorDiv():
            _check_width(expr, scope)
            number = scope.number(expr)
            if number.low is None or number.high is None:
                raise MissingDeclaration("a bucket needs declared bounds")
            return _with_null([Fraction(n) for n in _span(number.low, number.high)], expr, scope)
        case Add() | Mul():
            return _mapped(expr, scope)
        case _:
            raise UnsupportedSql("GROUP BY a condition: use CASE WHEN ... THEN ... END")


def _column_values(col: Col, scope: Scope) -> list[Value | None]:
    column = scope.column(col)
    instead = coarser(col, scope)
    if column.role is Role.MEASURE:
        text = f"column {col.name} is a measure, its values are never shown: group it in ranges"
        raise RoleForbids(text, instead=instead)
    if column.type is ColumnType.BOOL:
        return _with_null([False, True], col, scope)
    if column.domain is None:
        raise MissingDeclaration(
            f"column {col.name} has no declared domain; its owners may declare one", instead=instead
        )
    values = [from_scalar(TYPE_OF[column.type], value) for value in column.domain]
    return _with_null(values, col, scope)


def _mapped(expr: Add | Mul, scope: Scope) -> list[Value | None]:
    """A linear function of one bucket, such as FLOOR(x / 10) * 10: the values are mapped one by one."""
    atoms = {part for part in _parts(expr) if not isinstance(part, Lit)}
    if len(atoms) != 1:
        return _spanned(expr, scope)
    atom = atoms.pop()
    if isinstance(atom, Case):
        raise UnsupportedSql("GROUP BY arithmetic on a CASE: write the results as literals")
    values = _values(atom, scope)

    def mapped(value: Value | None) -> Value | None:
        return evaluate(_replaced(expr, atom, value), lambda _: None)

    return list(dict.fromkeys(None if value is None else mapped(value) for value in values))


def _spanned(expr: Add | Mul, scope: Scope) -> list[Value | None]:
    """Every whole number in the proven range of arithmetic on several known values, such as years apart."""
    if any(scope.column(col).role is Role.MEASURE for col in columns_of(expr)):
        raise UnsupportedSql("GROUP BY arithmetic on measures: group each in ranges, or use CASE")
    scale, low, high = scope.bounded(expr)
    if scale:
        raise UnsupportedSql("GROUP BY arithmetic with decimals", instead="FLOOR(expression / width)")
    return _with_null([Fraction(n) for n in _span(low, high)], expr, scope)


def _parts(expr: RowExpr) -> list[RowExpr]:
    if isinstance(expr, Add | Mul):
        return [part for arg in expr.args for part in _parts(arg)]
    return [expr]


def _replaced(expr: RowExpr, atom: RowExpr, value: Value | None) -> RowExpr:
    if expr == atom:
        if not isinstance(value, Fraction):
            raise TypeMismatch("arithmetic on something that is no number")
        return Lit(type="number", value=str(value.numerator)) if value.denominator == 1 else _decimal(value)
    if isinstance(expr, Add | Mul):
        return type(expr)(args=tuple(_replaced(arg, atom, value) for arg in expr.args))
    return expr


def _decimal(value: Fraction) -> Lit:
    from_value = scalar(value)
    return Lit(type="number", value=str(from_value))


def periods(expr: DateTrunc, scope: Scope) -> list[Value | None]:
    """The first day of every period that a bounded date may lie in, in order."""
    low, high = bounds_of(scope.column(expr.arg))
    if not isinstance(low, date) or not isinstance(high, date):
        raise TypeMismatch(f"column {expr.arg.name} is no date")
    day, last = truncate(expr.unit, date(low.year, low.month, low.day)), date(high.year, high.month, high.day)
    found: list[Value | None] = []
    steps = {"day": 1, "week": 7, "month": 31, "quarter": 92, "year": 366}
    while day <= last:
        found.append(day)
        if len(found) > MAX_CELLS:
            raise TooLarge(f"more than {MAX_CELLS} groups: group more coarsely")
        if (date.max - day).days <= steps[expr.unit]:
            break
        day = truncate(expr.unit, day + timedelta(days=steps[expr.unit]))
    return found


def _span(low: int, high: int) -> range:
    if high - low >= MAX_CELLS:
        raise TooLarge(f"more than {MAX_CELLS} groups: use wider ranges")
    return range(low, high + 1)


def _check_width(expr: FloorDiv, scope: Scope) -> None:
    """A range of one value would list the values of a measure."""
    measures = [col.name for col in columns_of(expr) if scope.column(col).role is Role.MEASURE]
    if measures and Fraction(expr.width) * 10 ** scope.number(expr.arg).scale < 2:
        raise RoleForbids(f"ranges of a single value would list the values of measure {min(measures)}: widen them")


def _with_null(values: list[Value | None], expr: RowExpr, scope: Scope) -> list[Value | None]:
    return [*values, None] if any(scope.nullable(col) for col in columns_of(expr)) else values
