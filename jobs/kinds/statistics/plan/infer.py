"""The type, allowed values and bounds of every named parameter, from what it is compared with."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction

from jobs.kinds.statistics.plan.errors import TypeMismatch
from jobs.kinds.statistics.plan.expr import Col, Compare, In, Op, OutExpr, Par, RowExpr, children
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.separate import cut_values, restricted, secrets
from jobs.kinds.statistics.plan.types import Parameter
from jobs.kinds.statistics.plan.values import TYPE_OF, number_text, scalar
from jobs.schema import Column, ColumnType


def infer_parameters(rows: Iterable[RowExpr], results: Iterable[OutExpr], scope: Scope) -> tuple[Parameter, ...]:
    """All parameters, sorted by name. ``rows``: conditions on rows; ``results``: HAVING and outputs."""
    found: dict[str, Parameter] = {}
    for expr in rows:
        for name, other in _uses(expr):
            _add(found, _parameter(name, other, scope))
    for result in results:
        for name in _names(result):
            _add(found, Parameter(name=name, type="number", decimals=6))
    return tuple(found[name] for name in sorted(found))


def _uses(expr: RowExpr) -> Iterable[tuple[str, RowExpr]]:
    if isinstance(expr, Compare):
        for one, other in ((expr.left, expr.right), (expr.right, expr.left)):
            if isinstance(one, Par):
                yield one.name, other
    if isinstance(expr, In):
        for value in expr.values:
            if isinstance(value, Par):
                yield value.name, expr.arg
    for child in children(expr):
        yield from _uses(child)


def _names(expr: OutExpr) -> Iterable[str]:
    if isinstance(expr, Par):
        yield expr.name
    if isinstance(expr, Op):
        for arg in expr.args:
            yield from _names(arg)


def _parameter(name: str, other: RowExpr, scope: Scope) -> Parameter:
    if isinstance(other, Col):
        found = _of_column(name, scope.column(other))
        cuts = cut_values(scope.column(other)) if restricted(scope) and secrets(other, scope) else None
        if cuts is None:
            return found
        return found.model_copy(update={"allowed": tuple(scalar(value) for value in cuts)})
    type_ = scope.type_of(other)
    if type_ != "number":
        return Parameter(name=name, type=type_)
    number = scope.number(other)
    return Parameter(
        name=name,
        type="number",
        decimals=number.scale,
        low=None if number.low is None else _scaled(number.low, number.scale),
        high=None if number.high is None else _scaled(number.high, number.scale),
    )


def _of_column(name: str, column: Column) -> Parameter:
    numeric = column.type in (ColumnType.INT, ColumnType.DECIMAL)
    return Parameter(
        name=name,
        type=TYPE_OF[column.type],
        decimals=column.decimals if numeric else 0,
        allowed=column.domain,
        low=column.bounds.low if column.bounds else None,
        high=column.bounds.high if column.bounds else None,
    )


def _scaled(value: int, scale: int) -> str:
    return number_text(Fraction(value, 10**scale))


def _add(found: dict[str, Parameter], new: Parameter) -> None:
    """Two uses of one parameter: the same type, and what both columns allow."""
    old = found.setdefault(new.name, new)
    if old.type != new.type:
        raise TypeMismatch(f"parameter :{new.name} is compared with a {old.type} and with a {new.type}")
    if old == new:
        return
    allowed = new.allowed if old.allowed is None else old.allowed
    if old.allowed is not None and new.allowed is not None:
        allowed = tuple(sorted(set(old.allowed) & set(new.allowed), key=lambda v: (str(type(v)), str(v))))
    same = (old.low, old.high) == (new.low, new.high)
    found[new.name] = Parameter(
        name=new.name,
        type=new.type,
        decimals=max(old.decimals, new.decimals),
        allowed=allowed,
        low=old.low if same else None,
        high=old.high if same else None,
    )
