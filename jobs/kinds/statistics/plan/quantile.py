"""Quantiles: which counts stand behind one. Each is an aggregate of its own, with its own noise, verdict and audit.

All cut points that the column declares are counted at once. A search that halves an interval would ask fewer, but what
it asks would depend on secret values.
"""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import Final

from jobs.kinds.statistics.plan.bases import conjuncts
from jobs.kinds.statistics.plan.canonical import TRUE, condition
from jobs.kinds.statistics.plan.draft import DraftAggregate
from jobs.kinds.statistics.plan.errors import MissingDeclaration, TooLarge, TypeMismatch
from jobs.kinds.statistics.plan.expr import Agg, And, Col, Compare, Cut, Lit, Op, OutExpr, Quantile, RowExpr
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.values import TYPE_OF, number_text, parse
from jobs.schema import Column

MAX_CUTS: Final = 64


def quantile(
    share: Fraction, column: Col, filter_: RowExpr | None, scope: Scope, added: Callable[[DraftAggregate], Agg]
) -> Quantile:
    """Raises ``MissingDeclaration`` without cut points, ``TypeMismatch``; and what ``added`` raises of an aggregate."""
    if not 0 <= share <= 1:
        raise TypeMismatch("the share of a quantile is a literal from 0 to 1")
    scale, low, high = scope.bounded(column)
    ends = Fraction(low, 10**scale), Fraction(high, 10**scale)
    cuts = [value for value in _cut_points(scope.column(column)) if ends[0] < value <= ends[1]]
    if not cuts:
        raise MissingDeclaration(
            f"a quantile of {column.name} is told from counts below its cut points, and it has none: ask the owners to "
            "declare cut_points within its bounds"
        )
    if len(cuts) > MAX_CUTS:
        raise TooLarge(f"a quantile of {column.name} would count {len(cuts)} cut points; {MAX_CUTS} are possible")
    if filter_ is not None:
        filter_ = condition(filter_, scope)
        filter_ = None if filter_ == TRUE else filter_
    below = {cut: added(DraftAggregate("count_rows", None, _below(column, cut, filter_))) for cut in cuts}
    return Quantile(
        column=column,
        filter=filter_,
        share=number_text(share),
        low=number_text(ends[0]),
        high=number_text(ends[1]),
        count=added(DraftAggregate("count", column, filter_)).index,
        cuts=tuple(Cut(at=number_text(cut), below=count.index) for cut, count in below.items()),
    )


def settled(expr: OutExpr, scope: Scope, added: Callable[[DraftAggregate], Agg]) -> OutExpr:
    """An output whose quantiles rest on the counts that their columns' declarations ask for, and on no others."""
    if isinstance(expr, Op):
        return Op(op=expr.op, args=tuple(settled(arg, scope, added) for arg in expr.args))
    if not isinstance(expr, Quantile):
        return expr
    return quantile(Fraction(expr.share), expr.column, expr.filter, scope, added)


def _below(column: Col, cut: Fraction, filter_: RowExpr | None) -> RowExpr:
    below = Compare(op="<", left=column, right=Lit(type="number", value=number_text(cut)))
    return And(args=(*conjuncts(filter_), below)) if filter_ is not None else below


def _cut_points(column: Column) -> list[Fraction]:
    """The declared cut points; without them, the values of a declared domain."""
    texts = [str(value) for value in (column.cut_points or column.domain or ())]
    values = [parse(TYPE_OF[column.type], text) for text in texts]
    return sorted(value for value in values if isinstance(value, Fraction))
