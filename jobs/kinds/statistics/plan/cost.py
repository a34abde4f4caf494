"""What a run will take, before it is run: proven upper bounds for what travels, an estimate for time."""

from __future__ import annotations

from typing import Final

from jobs.kinds.statistics.plan.types import Plan
from jobs.kinds.statistics.way import by_tables, decide_way
from jobs.schema import Dataset, Model

ROWS_PER_SECOND: Final = {"tables": 24_000_000, "expressions": 5_000_000, "rows": 4_000_000}
"""Of one node with two processors, evidence included: half, or less, of what ``benchmarks/statistics/ways.py`` measures
per processor: 27 million rows a second where values are looked up, 5.1 where DuckDB evaluates expressions, 5.4 through
hash tables (2 million flights, 2026-11)."""
_FIXED_SECONDS: Final = 0.3
"""A job without rows: orders, rounds and the log."""


class Cost(Model):
    """Per run. Bytes are upper bounds of the numbers in the messages; seconds assume two processors at each node."""

    rows_at_most: int
    columns_read: int
    passes: int
    flag_bytes_per_node: int
    value_bytes_per_node: int
    rows_per_second: int
    seconds_about: str
    """If all parts are alike."""
    seconds_one_part: str
    """If one owner holds nearly all rows."""


def estimate(plan: Plan, dataset: Dataset) -> Cost:
    """The cost of one run, from plan and declaration alone; ``rows_at_most`` is the bound of all holders together."""
    ordered = decide_way(plan, dataset.unit).name == "ordered"
    passes = 1 if ordered else len(plan.unit_columns)
    speed = ROWS_PER_SECOND[("tables" if by_tables(plan, dataset) else "expressions") if ordered else "rows"]
    return Cost(
        rows_at_most=plan.rows_bound,
        columns_read=len(plan.columns),
        passes=passes,
        flag_bytes_per_node=8 * len(plan.aggregates) * plan.cells,
        value_bytes_per_node=plan.ring_bits // 8 * len(plan.channels) * plan.cells,
        rows_per_second=speed,
        seconds_about=f"{_FIXED_SECONDS + passes * plan.rows_bound / plan.holders / speed:.1f}",
        seconds_one_part=f"{_FIXED_SECONDS + passes * plan.rows_bound / speed:.1f}",
    )
