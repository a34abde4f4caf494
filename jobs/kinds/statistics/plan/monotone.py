"""``LN``, ``LOG10``, ``LOG2``, ``SQRT`` in conditions and ranges: a limit on the function is a limit on its argument.

So no logarithm is ever taken of a row, and no machine's floating point decides where a row belongs: the limit is the
smallest fixed-point number of the argument's own decimals, worked out here with 80 digits. Logarithms of rational
numbers are irrational but at powers of their base, so apart from those a limit is never met exactly.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from math import isqrt
from typing import Literal

from jobs.kinds.statistics.plan.errors import MissingDeclaration, TooLarge, TypeMismatch
from jobs.kinds.statistics.plan.expr import Branch, Case, Compare, In, IsNull, Not, RowExpr, columns_of
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.values import number

Monotone = Literal["ln", "log10", "log2", "sqrt"]
Comparison = Literal["=", "<", "<=", ">", ">="]
_CONTEXT = Context(prec=80)
_BASE = {"log10": 10, "log2": 2}
_FAR = 64
"""Beyond e^64 there is no number of 62 bits."""
_MOST = 500


@dataclass(frozen=True)
class _Limit:
    """``last``: the largest number of the argument's decimals at which the function is at most the value. ``met``: it
    is the value there."""

    last: Fraction
    met: bool


def compared(function: Monotone, arg: RowExpr, op: Comparison, value: Fraction, scope: Scope) -> RowExpr:
    """``function(arg) op value`` as a condition on the argument. Raises ``MissingDeclaration`` where the declared
    bounds leave arguments that the function is not defined for."""
    scale = _check(function, arg, scope)
    limit, step = _limit(function, value, scale), Fraction(1, 10**scale)
    if op == "=":
        return In(arg=arg, values=(number(limit.last),) if limit.met else ())
    if op in ("<", "<="):
        most = limit.last - step if op == "<" and limit.met else limit.last
        return Compare(op="<=", left=arg, right=number(most))
    least = limit.last if op == ">=" and limit.met else limit.last + step
    return Compare(op="<=", left=number(least), right=arg)


def ranges(function: Monotone, arg: RowExpr, scope: Scope) -> RowExpr:
    """``FLOOR(function(arg))``: a CASE with a branch for each whole number that it may be."""
    scale = _check(function, arg, scope)
    _, low, high = scope.bounded(arg)
    least, most = Fraction(low, 10**scale), Fraction(high, 10**scale)
    first = _floor(function, least, scale)
    branches: list[Branch] = []
    for result in range(first, first + _MOST):
        limit = _limit(function, Fraction(result + 1), scale)
        last = limit.last - Fraction(1, 10**scale) if limit.met else limit.last
        if last >= most:
            present = Not(arg=IsNull(arg=arg))
            return Case(branches=(*branches, Branch(when=present, then=number(result))))
        branches.append(Branch(when=Compare(op="<=", left=arg, right=number(last)), then=number(result)))
    raise TooLarge(f"more than {_MOST} ranges of {function.upper()}: group more coarsely")


def _check(function: Monotone, arg: RowExpr, scope: Scope) -> int:
    """The argument's decimals."""
    scale, low, _ = scope.bounded(arg)
    if low < 0 or (low == 0 and function != "sqrt"):
        names = ", ".join(sorted(col.name for col in columns_of(arg)))
        needed = "at least 0" if function == "sqrt" else "above 0"
        raise MissingDeclaration(
            f"{function.upper()} needs an argument {needed}: declare such a lower bound for {names}"
        )
    return scale


def _floor(function: Monotone, value: Fraction, scale: int) -> int:
    if function == "sqrt":
        return isqrt(int(value))
    result = -_FAR
    while _reached(function, result + 1, value, scale):
        result += 1
    return result


def _reached(function: Monotone, result: int, value: Fraction, scale: int) -> bool:
    limit = _limit(function, Fraction(result), scale)
    return value > limit.last or (limit.met and value == limit.last)


def _limit(function: Monotone, value: Fraction, scale: int) -> _Limit:
    unit = 10**scale
    if function == "sqrt":
        inverse = value * value * unit if value >= 0 else Fraction(-1)
        last = inverse.numerator // inverse.denominator
        return _Limit(Fraction(last, unit), value >= 0 and last == inverse)
    value = max(Fraction(-_FAR), min(Fraction(_FAR), value))
    base = _BASE.get(function)
    if value.denominator == 1 and (base is not None or value == 0):
        inverse = (Fraction(base) ** int(value) if base is not None else Fraction(1)) * unit
        last = inverse.numerator // inverse.denominator
        return _Limit(Fraction(last, unit), last == inverse)
    exponent = _CONTEXT.divide(Decimal(value.numerator), Decimal(value.denominator))
    if base is not None:
        exponent = _CONTEXT.multiply(exponent, _CONTEXT.ln(Decimal(base)))
    found = _CONTEXT.multiply(_CONTEXT.exp(exponent), Decimal(unit))
    near = found.to_integral_value()
    if near and abs(found - near) < Decimal("1e-25"):
        raise TypeMismatch(f"{function.upper()} is compared with a value too close to a limit to decide")
    return _Limit(Fraction(int(found // 1), unit), False)
