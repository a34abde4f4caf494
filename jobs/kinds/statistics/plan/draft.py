"""What a statement says, before it is typed, proven and put into its one form: the input of ``assemble``."""

from __future__ import annotations

from dataclasses import dataclass, field

from jobs.kinds.statistics.plan.expr import Agg, Col, Cut, Dim, Mul, Op, OutExpr, Quantile, RowExpr
from jobs.kinds.statistics.plan.types import Function, Join, Order, Output, Plan


@dataclass(frozen=True)
class DraftAggregate:
    function: Function
    column: Col | Mul | None
    filter: RowExpr | None
    other: Col | None = None


@dataclass
class Draft:
    """Indices in output expressions point into ``dimensions`` and ``aggregates`` as they stand here."""

    dataset: str
    joins: tuple[Join, ...] = ()
    dimensions: list[RowExpr] = field(default_factory=list)
    where: list[RowExpr] = field(default_factory=list)
    aggregates: list[DraftAggregate] = field(default_factory=list)
    outputs: list[Output] = field(default_factory=list)
    having: OutExpr | None = None
    order_by: list[Order] = field(default_factory=list)
    limit: int | None = None


def draft_of(plan: Plan) -> Draft:
    """The statement behind a plan: assembling it again must give the same plan."""
    return Draft(
        dataset=plan.dataset,
        joins=plan.joins,
        dimensions=[dimension.expr for dimension in plan.dimensions],
        where=list(plan.where.conjuncts),
        aggregates=[DraftAggregate(a.function, a.column, a.filter, a.other) for a in plan.aggregates],
        outputs=list(plan.outputs),
        having=plan.having,
        order_by=list(plan.order_by),
        limit=plan.limit,
    )


def renumbered(expr: OutExpr, dimensions: dict[int, int], aggregates: dict[int, int]) -> OutExpr:
    """The same output expression over dimensions and aggregates in another order."""
    match expr:
        case Dim():
            return Dim(index=dimensions[expr.index])
        case Agg():
            return Agg(index=aggregates[expr.index])
        case Quantile():
            cuts = tuple(Cut(at=cut.at, below=aggregates[cut.below]) for cut in expr.cuts)
            return expr.model_copy(update={"count": aggregates[expr.count], "cuts": cuts})
        case Op():
            return Op(op=expr.op, args=tuple(renumbered(arg, dimensions, aggregates) for arg in expr.args))
        case _:
            return expr
