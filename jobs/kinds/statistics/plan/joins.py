"""Joins inside one owner's domain: many-to-one on a declared unique key, in one canonical order."""

from __future__ import annotations

from dataclasses import replace

from jobs.kinds.statistics.plan.canonical import sort_key
from jobs.kinds.statistics.plan.draft import Draft, DraftAggregate
from jobs.kinds.statistics.plan.errors import InvalidPlan, MissingDeclaration, RoleForbids, TypeMismatch, UnsupportedSql
from jobs.kinds.statistics.plan.expr import (
    Branch,
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
    Op,
    OutExpr,
    Par,
    Quantile,
    RowExpr,
)
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.separate import restricted
from jobs.kinds.statistics.plan.types import Join, JoinKey, Output
from jobs.schema import ColumnType, Role


def ordered_joins(draft: Draft) -> Draft:
    """Sort joins that do not depend on each other, and renumber every column accordingly."""
    remaining = dict(enumerate(draft.joins, start=1))
    places = {0: 0}
    ordered: list[Join] = []
    while remaining:
        ready = [
            (sort_key(moved), number, moved)
            for number, join in remaining.items()
            if all(key.left.table in places for key in join.on)
            for moved in [_moved(join, places)]
        ]
        if not ready:
            raise InvalidPlan("a join refers to a table that is joined later")
        _, number, join = min(ready, key=lambda item: item[:2])
        del remaining[number]
        ordered.append(join)
        places[number] = len(ordered)
    return replace(
        draft,
        joins=tuple(ordered),
        dimensions=[remap(expr, places) for expr in draft.dimensions],
        where=[remap(expr, places) for expr in draft.where],
        aggregates=[
            DraftAggregate(
                a.function,
                a.column and _measured(a.column, places),
                a.filter and remap(a.filter, places),
                a.other and _column(a.other, places),
            )
            for a in draft.aggregates
        ],
        outputs=[Output(name=o.name, expr=_result(o.expr, places)) for o in draft.outputs],
        having=draft.having and _result(draft.having, places),
        order_by=[o.model_copy(update={"expr": _result(o.expr, places)}) for o in draft.order_by],
    )


def _result(expr: OutExpr, places: dict[int, int]) -> OutExpr:
    if isinstance(expr, Quantile):
        moved = {"column": _column(expr.column, places), "filter": expr.filter and remap(expr.filter, places)}
        return expr.model_copy(update=moved)
    return Op(op=expr.op, args=tuple(_result(arg, places) for arg in expr.args)) if isinstance(expr, Op) else expr


def _moved(join: Join, places: dict[int, int]) -> Join:
    keys = {JoinKey(left=Col(table=places[k.left.table], name=k.left.name), right=k.right) for k in join.on}
    return Join(dataset=join.dataset, side=join.side, on=tuple(sorted(keys, key=sort_key)))


def _measured(expr: Col | Mul, places: dict[int, int]) -> Col | Mul:
    return _column(expr, places) if isinstance(expr, Col) else Mul(args=tuple(remap(arg, places) for arg in expr.args))


def _column(col: Col, places: dict[int, int]) -> Col:
    return Col(table=_place(col, places), name=col.name)


def _place(col: Col, places: dict[int, int]) -> int:
    if col.table not in places:
        raise InvalidPlan("an expression names a table that the plan does not join")
    return places[col.table]


def remap(expr: RowExpr, places: dict[int, int]) -> RowExpr:
    """The same expression with tables renumbered."""
    match expr:
        case Lit() | Par():
            return expr
        case Col():
            return _column(expr, places)
        case DatePart():
            return DatePart(part=expr.part, arg=_column(expr.arg, places))
        case DateTrunc():
            return DateTrunc(unit=expr.unit, arg=_column(expr.arg, places))
        case FloorDiv():
            return FloorDiv(arg=remap(expr.arg, places), width=expr.width)
        case Compare():
            return Compare(op=expr.op, left=remap(expr.left, places), right=remap(expr.right, places))
        case In():
            return In(arg=remap(expr.arg, places), values=expr.values)
        case IsNull() | Not():
            return type(expr)(arg=remap(expr.arg, places))
        case Case():
            branches = tuple(Branch(when=remap(b.when, places), then=b.then) for b in expr.branches)
            return Case(branches=branches, otherwise=expr.otherwise)
        case _:
            return type(expr)(args=tuple(remap(arg, places) for arg in expr.args))


def check_joins(scope: Scope) -> None:
    """Every join meets at most one row on its right side, by a key that registration verified."""
    for table, join in enumerate(scope.joins, start=1):
        right = scope.tables[table]
        names = {key.right for key in join.on}
        if not any(set(key) <= names for key in right.unique_keys):
            raise MissingDeclaration(
                f"the join with {right.name} may meet several rows: join on a unique key that the dataset declares"
            )
        for key in join.on:
            if key.left.table >= table:
                raise InvalidPlan("a join refers to a table that is joined later")
            left, other = scope.column(key.left), scope.column(Col(table=table, name=key.right))
            if left.type is not other.type or left.decimals != other.decimals:
                raise TypeMismatch(f"join keys {left.name} and {other.name} have different types")
            if Role.MEASURE in (left.role, other.role) or left.type is ColumnType.BOOL:
                raise RoleForbids(f"join key {left.name} = {other.name}: a measure or a boolean is no key")
            if Role.SENSITIVE in (left.role, other.role) and restricted(scope):
                raise RoleForbids(
                    f"join key {left.name} = {other.name}: a sensitive column is no key, else conditions on the known "
                    f"columns of {right.name} would be conditions on it. Declare a group of it as a column of its own"
                )
        if right.profile != scope.tables[0].profile:
            raise UnsupportedSql(f"datasets {scope.tables[0].name} and {right.name} have different rule profiles")
