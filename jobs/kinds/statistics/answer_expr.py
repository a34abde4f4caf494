"""Output expressions over the released numbers of one cell. Decimal arithmetic with 28 digits, rounding half to even.

Suppressed is neither NULL nor a number: whatever depends on it is suppressed, except logic that is decided without it.
A number's standard error goes with it through arithmetic, by the first-order rule for *independent* errors. Where one
number stands twice in an expression, or two aggregates share a channel, the stated error is only that of the rule.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation
from enum import Enum
from fractions import Fraction
from typing import Final, Literal

from jobs.disclosure.rounding import on_grid, step_below
from jobs.kinds.statistics.plan.expr import Agg, Dim, Lit, Op, OutExpr, Par, Quantile
from jobs.kinds.statistics.quantile import Point, locate
from jobs.schema import Scalar


class _Mark(Enum):
    SUPPRESSED = "suppressed"


SUPPRESSED: Final = _Mark.SUPPRESSED
_CONTEXT = Context(prec=28, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero])
_ZERO: Final = Decimal(0)


@dataclass(frozen=True)
class Number:
    """A released number, or what was computed of some. ``error``: its standard error; 0: it is exact."""

    value: int | Decimal
    error: Decimal = _ZERO
    between: tuple[Decimal, Decimal] | None = None
    """Of a quantile: the cut points between which it lies."""


Plain = str | int | bool | Decimal | dt.date | dt.datetime
Result = Plain | Number | Literal[_Mark.SUPPRESSED] | None


@dataclass(frozen=True)
class Cell:
    """What an output expression may see: the cell's dimension values, its released numbers, the run's parameters."""

    dimensions: Sequence[Result]
    numbers: Sequence[Result]
    parameters: Mapping[str, Scalar]
    totals: Mapping[Op, Result] = field(default_factory=dict)
    """Of each ``total`` that an output has, its value for the rows that this one belongs to."""


def evaluate_output(expr: OutExpr, cell: Cell) -> Result:
    """The value of an output, ``SUPPRESSED``, or None for SQL's NULL (a division by zero is NULL)."""
    match expr:
        case Lit():
            return _literal(expr)
        case Par():
            return Decimal(cell.parameters[expr.name])
        case Dim():
            return cell.dimensions[expr.index]
        case Agg():
            return cell.numbers[expr.index]
        case Quantile():
            return _quantile(expr, cell)
        case Op(op="total"):
            return cell.totals[expr]
        case Op():
            args = [evaluate_output(arg, cell) for arg in expr.args]
            return _logic(expr.op, args) if expr.op in ("and", "or") else _operation(expr.op, args)


def total(values: Sequence[Result]) -> Result:
    """As SUM does: of the values that are not NULL, and NULL where there is none. A suppressed one suppresses it."""
    if SUPPRESSED in values:
        return SUPPRESSED
    found = [_number(value) for value in values if value is not None]
    return _arithmetic("add", found) if found else None


def _quantile(expr: Quantile, cell: Cell) -> Result:
    """A count below a cut point that is withheld tells nothing; without the number of values there is no quantile."""
    count = cell.numbers[expr.count]
    if not isinstance(count, Number):
        return SUPPRESSED
    points = [(Fraction(cut.at), cell.numbers[cut.below]) for cut in expr.cuts]
    known = [
        Point(at, Fraction(below.value), Fraction(below.error)) for at, below in points if isinstance(below, Number)
    ]
    whole = Fraction(count.value), Fraction(count.error)
    found = locate(Fraction(expr.share), (Fraction(expr.low), Fraction(expr.high)), whole, known)
    step = step_below(found.error**2)
    low, high = (_decimal(end) for end in found.between)
    return Number(on_grid(found.value, step), _decimal(found.error), (low, high))


def _decimal(value: Fraction) -> Decimal:
    return _plain(_CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator)))


def root(square: Fraction) -> Decimal:
    """The square root of a squared standard error, with 28 digits."""
    return _CONTEXT.sqrt(_CONTEXT.divide(Decimal(square.numerator), Decimal(square.denominator)))


def _literal(lit: Lit) -> Result:
    match lit.type:
        case "number":
            return Decimal(lit.value)
        case "bool":
            return lit.value == "true"
        case "date":
            return dt.date.fromisoformat(lit.value)
        case "timestamp":
            return dt.datetime.fromisoformat(lit.value)
        case _:
            return lit.value


def _logic(op: str, args: list[Result]) -> Result:
    deciding = op == "or"
    if any(arg is deciding for arg in args):
        return deciding
    if SUPPRESSED in args:
        return SUPPRESSED
    return None if None in args else not deciding


def _operation(op: str, args: list[Result]) -> Result:
    if SUPPRESSED in args:
        return SUPPRESSED
    if op == "is_null":
        return args[0] is None
    if op == "coalesce":
        return next((arg for arg in args if arg is not None), None)
    if op == "nullif":
        return None if args[1] is not None and plain(args[0]) == plain(args[1]) else args[0]
    if None in args:
        return None
    match op:
        case "not":
            return not args[0]
        case "eq":
            return plain(args[0]) == plain(args[1])
        case "lt":
            return plain(args[0]) < plain(args[1])  # type: ignore[operator]
        case "le":
            return plain(args[0]) <= plain(args[1])  # type: ignore[operator]
        case _:
            return _arithmetic(op, [_number(arg) for arg in args])


def plain(value: Result) -> Plain | Literal[_Mark.SUPPRESSED] | None:
    """Without its error: comparisons go by the value."""
    return value.value if isinstance(value, Number) else value


def _number(arg: Result) -> tuple[Decimal, Decimal]:
    """Value and error; what is no aggregate has none."""
    value, error = (arg.value, arg.error) if isinstance(arg, Number) else (arg, _ZERO)
    return Decimal(value), error  # type: ignore[arg-type]


def _arithmetic(op: str, args: list[tuple[Decimal, Decimal]]) -> Number | None:
    value, error = args[0]
    match op:
        case "neg":
            return Number(_CONTEXT.minus(value), error)
        case "abs":
            return Number(_CONTEXT.abs(value), error)
        case "round":
            return Number(_round(value, int(args[1][0])), error)
        case "div":
            return _quotient(value, error, *args[1])
        case "add":
            for other, _ in args[1:]:
                value = _CONTEXT.add(value, other)
            return Number(value, _together(e for _, e in args))
        case _:
            for other, deviation in args[1:]:
                error = _together((_CONTEXT.multiply(error, other), _CONTEXT.multiply(deviation, value)))
                value = _CONTEXT.multiply(value, other)
            return Number(value, error)


def _quotient(value: Decimal, error: Decimal, divisor: Decimal, deviation: Decimal) -> Number | None:
    if divisor == 0:
        return None
    result = _CONTEXT.divide(value, divisor)
    parts = (_CONTEXT.divide(error, divisor), _CONTEXT.divide(_CONTEXT.multiply(result, deviation), divisor))
    return Number(_plain(result), _together(parts))


def _together(errors: Iterable[Decimal]) -> Decimal:
    """The error of a sum of independent ones."""
    found = [error for error in errors if error]
    if len(found) < 2:
        return abs(found[0]) if found else _ZERO
    total = _ZERO
    for error in found:
        total = _CONTEXT.add(total, _CONTEXT.multiply(error, error))
    return _CONTEXT.sqrt(total)


def _round(value: Decimal, digits: int) -> Decimal:
    rounded = value.quantize(Decimal(1).scaleb(-digits), rounding="ROUND_HALF_UP", context=Context(prec=80))
    return rounded if digits >= 0 else Decimal(int(rounded))


def _plain(value: Decimal) -> Decimal:
    """Without trailing zeros, and without an exponent."""
    stripped = value.normalize(_CONTEXT)
    return (
        stripped if int(stripped.as_tuple().exponent) <= 0 else stripped.quantize(Decimal(1), context=Context(prec=80))
    )


def rank(value: Result, descending: bool, nulls_first: bool) -> tuple[int, object]:
    """A sort key: suppressed values always last, nulls where the statement puts them."""
    place = 0
    if value is SUPPRESSED:
        place = -2 if descending else 2
    elif value is None:
        place = (1 if nulls_first else -1) if descending else (-1 if nulls_first else 1)
    return place, 0 if value is None or value is SUPPRESSED else plain(value)
