"""How a plan's rows are read at every owner, in words. From plan and declarations alone, so it is the same for all."""

from __future__ import annotations

from jobs.kinds.statistics.plan.cost import Cost
from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.way import by_tables, decide_way, joined_by_unit
from jobs.schema import Dataset


def reading_words(plan: Plan, datasets: dict[str, Dataset], cost: Cost) -> tuple[str, ...]:
    """The way of the scan, why it is not a faster one, and how long it takes. Raises ``KeyError`` without a dataset."""
    dataset = datasets[plan.dataset]
    way = decide_way(plan, dataset.unit)
    if way.name == "rows":
        found = [f"through hash tables over the snapshot's rows, in one piece, the slow way: {way.why}"]
    else:
        found = [
            f"from the snapshot in the order of {dataset.unit}, in one pass, in pieces that share no individual: "
            "several workers read a large part"
        ]
        found.append(_evaluation(plan, dataset))
        found += [_join(plan, number, datasets) for number in range(len(plan.joins))]
    alone = (
        "" if plan.holders == 1 else f" if all parts are alike, {cost.seconds_one_part} s if one holds nearly all rows"
    )
    speed = f"{cost.rows_per_second / 1e6:g} million rows a second of two processors, a cautious figure"
    return (*found, f"about {cost.seconds_about} s{alone} ({speed})")


def _evaluation(plan: Plan, dataset: Dataset) -> str:
    if by_tables(plan, dataset):
        return "groups and conditions are looked up value by value, and no database takes part"
    why = "tables are joined" if plan.joins else "one of them needs several columns, or one with very many values"
    return f"DuckDB evaluates groups and conditions, block by block in that order: {why}"


def _join(plan: Plan, number: int, datasets: dict[str, Dataset]) -> str:
    join = plan.joins[number]
    if joined_by_unit(plan, join, datasets):
        return f"{join.dataset} is joined by the individual: each piece reads the rows of its own individuals"
    return f"{join.dataset} is read whole for each piece: small tables are meant"
