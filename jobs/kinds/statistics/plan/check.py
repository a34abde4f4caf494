"""A node's check of a plan that it received as bytes: only what the compiler could have produced from these datasets.

The plan is taken apart into the statement behind it, assembled again from the node's own registered datasets, and must
come out byte for byte the same. So no role, domain, range proof, unit column or channel can be forged.
"""

from __future__ import annotations

from collections.abc import Iterable

from jobs.documents.canonical import canonical
from jobs.kinds.statistics.plan.assemble import assemble
from jobs.kinds.statistics.plan.draft import draft_of
from jobs.kinds.statistics.plan.errors import InvalidPlan, PlanError
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import Dataset


def check_plan(plan: Plan, datasets: Iterable[Dataset], own_rows: int | None = None) -> None:
    """Raise ``InvalidPlan`` unless assembling the plan's own statement gives exactly this plan.

    ``own_rows``: this node's declared row bound of the plan's dataset; the plan's range proof must cover it. That the
    proof covers all holders together is for whoever knows their signed records: pass the sum where it is known.
    """
    known = {dataset.name: dataset for dataset in datasets}
    needed = [plan.dataset, *(join.dataset for join in plan.joins)]
    for name in needed:
        if name not in known:
            raise InvalidPlan(f"the plan reads dataset {name}, which is not registered here")
    if own_rows is not None and plan.rows_bound < own_rows:
        raise InvalidPlan("the plan's range proof covers fewer rows than are declared here")
    if plan.rows_bound & (plan.rows_bound - 1):
        raise InvalidPlan("rows_bound is a power of two")
    try:
        again = assemble(draft_of(plan), known, plan.rows_bound, plan.holders)
    except PlanError as error:
        raise InvalidPlan(f"the plan is not one that the compiler makes: {error.text}") from None
    except (ValueError, KeyError, IndexError, RecursionError, ArithmeticError):
        raise InvalidPlan("the plan is not one that the compiler makes") from None
    if canonical(again.model_dump(mode="json")) != canonical(plan.model_dump(mode="json")):
        differing = [name for name in Plan.model_fields if getattr(again, name) != getattr(plan, name)]
        raise InvalidPlan(f"the plan differs from what its statement means here, in {', '.join(differing) or 'form'}")
