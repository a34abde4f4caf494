"""Conditions that are never unknown: what ``IS TRUE``, ``IS NOT TRUE`` and ``IS NULL`` of a condition mean."""

from __future__ import annotations

from jobs.kinds.statistics.plan.expr import And, Compare, In, IsNull, Lit, Not, Or, Par, RowExpr, columns_of
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.values import truth


def is_(expr: RowExpr, wanted: bool, scope: Scope) -> RowExpr:
    """True where a condition is ``wanted``, false where it is the opposite or unknown."""
    match expr:
        case Not():
            return is_(expr.arg, not wanted, scope)
        case And() | Or():
            args = tuple(is_(arg, wanted, scope) for arg in expr.args)
            return And(args=args) if isinstance(expr, And) == wanted else Or(args=args)
        case IsNull() | Lit():
            return expr if wanted else Not(arg=expr)
        case _:
            present = tuple(Not(arg=IsNull(arg=part)) for part in _read(expr, scope))
            holds = expr if wanted else Not(arg=expr)
            return And(args=(holds, *present)) if present else holds


def is_unknown(expr: RowExpr, scope: Scope) -> RowExpr:
    """True where a condition is neither true nor false: for one comparison, where a value is missing."""
    match expr:
        case Not():
            return is_unknown(expr.arg, scope)
        case IsNull() | Lit():
            return truth(False)
        case And() | Or():
            return Not(arg=Or(args=(is_(expr, True, scope), is_(expr, False, scope))))
        case _:
            missing = tuple(IsNull(arg=part) for part in _read(expr, scope))
            if not missing:
                return truth(False)
            return missing[0] if len(missing) == 1 else Or(args=missing)


def _read(leaf: RowExpr, scope: Scope) -> list[RowExpr]:
    """The values that must be present for a leaf to be true or false."""
    parts: tuple[RowExpr, ...] = (leaf,)
    match leaf:
        case Compare():
            parts = (leaf.left, leaf.right)
        case In():
            parts = (leaf.arg,)
    return [
        part
        for part in parts
        if not isinstance(part, Lit | Par) and any(scope.nullable(col) for col in columns_of(part))
    ]
