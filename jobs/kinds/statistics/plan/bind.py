"""A plan's conditions with the values of one run in place of its parameters."""

from __future__ import annotations

from collections.abc import Mapping

from jobs.kinds.statistics.plan.errors import InvalidParameter
from jobs.kinds.statistics.plan.expr import (
    Add,
    And,
    Branch,
    Case,
    Compare,
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


def bind(expr: RowExpr, values: Mapping[str, Lit]) -> RowExpr:
    """The expression without parameters; raises ``InvalidParameter`` for a missing one."""
    match expr:
        case Par():
            return _value(expr, values)
        case Add() | Mul() | And() | Or():
            return type(expr)(args=tuple(bind(arg, values) for arg in expr.args))
        case FloorDiv():
            return FloorDiv(arg=bind(expr.arg, values), width=expr.width)
        case IsNull() | Not():
            return type(expr)(arg=bind(expr.arg, values))
        case Compare():
            return Compare(op=expr.op, left=bind(expr.left, values), right=bind(expr.right, values))
        case In():
            bound = tuple(_value(v, values) if isinstance(v, Par) else v for v in expr.values)
            return In(arg=bind(expr.arg, values), values=bound)
        case Case():
            branches = tuple(Branch(when=bind(b.when, values), then=b.then) for b in expr.branches)
            return Case(branches=branches, otherwise=expr.otherwise)
        case _:
            return expr


def _value(par: Par, values: Mapping[str, Lit]) -> Lit:
    if par.name not in values:
        raise InvalidParameter(f"parameter :{par.name} has no value")
    return values[par.name]
