"""Output expressions over the released numbers of one cell. Decimal arithmetic with 28 digits, rounding half to even.

Suppressed is neither NULL nor a number: whatever depends on it is suppressed, except logic that is decided without it.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal, DivisionByZero, InvalidOperation
from enum import Enum
from typing import Final, Literal

from jobs.kinds.statistics.plan.expr import Agg, Dim, Lit, Op, OutExpr, Par
from jobs.schema import Scalar


class _Mark(Enum):
    SUPPRESSED = "suppressed"


SUPPRESSED: Final = _Mark.SUPPRESSED
Result = str | int | bool | Decimal | dt.date | dt.datetime | Literal[_Mark.SUPPRESSED] | None
_CONTEXT = Context(prec=28, rounding=ROUND_HALF_EVEN, traps=[InvalidOperation, DivisionByZero])


@dataclass(frozen=True)
class Cell:
    """What an output expression may see: the cell's dimension values, its released numbers, the run's parameters."""

    dimensions: Sequence[Result]
    numbers: Sequence[Result]
    parameters: Mapping[str, Scalar]


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
        case Op():
            args = [evaluate_output(arg, cell) for arg in expr.args]
            return _logic(expr.op, args) if expr.op in ("and", "or") else _operation(expr.op, args)


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
    if None in args:
        return None
    match op:
        case "not":
            return not args[0]
        case "eq":
            return args[0] == args[1]
        case "lt":
            return args[0] < args[1]  # type: ignore[operator]
        case "le":
            return args[0] <= args[1]  # type: ignore[operator]
        case _:
            return _arithmetic(op, [Decimal(arg) for arg in args if isinstance(arg, int | Decimal)])


def _arithmetic(op: str, args: list[Decimal]) -> Decimal | None:
    result = args[0]
    match op:
        case "neg":
            return _CONTEXT.minus(result)
        case "abs":
            return _CONTEXT.abs(result)
        case "round":
            return _round(result, int(args[1]))
        case "div":
            return None if args[1] == 0 else _plain(_CONTEXT.divide(result, args[1]))
        case _:
            for arg in args[1:]:
                result = _CONTEXT.add(result, arg) if op == "add" else _CONTEXT.multiply(result, arg)
            return result


def _round(value: Decimal, digits: int) -> Decimal:
    rounded = value.quantize(Decimal(1).scaleb(-digits), rounding="ROUND_HALF_UP", context=Context(prec=80))
    return rounded if digits >= 0 else Decimal(int(rounded))


def _plain(value: Decimal) -> Decimal:
    """Without trailing zeros, and without an exponent."""
    stripped = value.normalize(_CONTEXT)
    return (
        stripped if int(stripped.as_tuple().exponent) <= 0 else stripped.quantize(Decimal(1), context=Context(prec=80))
    )


def rank(value: Result, descending: bool, nulls_first: bool) -> tuple[int, Result]:
    """A sort key: suppressed values always last, nulls where the statement puts them."""
    place = 0
    if value is SUPPRESSED:
        place = -2 if descending else 2
    elif value is None:
        place = (1 if nulls_first else -1) if descending else (-1 if nulls_first else 1)
    return place, 0 if value is None or value is SUPPRESSED else value
