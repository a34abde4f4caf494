"""What a run will take, before it is run: proven upper bounds for what travels, an estimate for time."""

from __future__ import annotations

from jobs.kinds.statistics.opening import NUMBER_BYTES
from jobs.kinds.statistics.plan.types import Plan
from jobs.schema import Model

ROWS_PER_SECOND = 4_000_000
"""One node with two cores, evidence included: the order of magnitude of benchmarks/statistics/evidence.py."""
_FIXED_SECONDS = 0.3


class Cost(Model):
    """Per run. Bytes are upper bounds of the numbers in the messages; seconds assume two cores at each node."""

    rows_at_most: int
    columns_read: int
    passes: int
    flag_bytes_per_node: int
    value_bytes_per_node: int
    seconds_about: str


def estimate(plan: Plan) -> Cost:
    """The cost of one run, from the plan alone; ``rows_at_most`` is the declared bound of all holders together."""
    passes = len(plan.unit_columns)
    per_node = plan.rows_bound / plan.holders
    seconds = _FIXED_SECONDS + passes * per_node / ROWS_PER_SECOND
    return Cost(
        rows_at_most=plan.rows_bound,
        columns_read=len(plan.columns),
        passes=passes,
        flag_bytes_per_node=2 * 8 * len(plan.aggregates) * plan.cells,
        value_bytes_per_node=_value_bytes(plan),
        seconds_about=f"{seconds:.1f}",
    )


def _value_bytes(plan: Plan) -> int:
    """Masked channels; of a single owner decimal text behind its length, per aggregate."""
    if plan.holders == 1:
        return (4 + NUMBER_BYTES) * len(plan.aggregates) * plan.cells
    return plan.ring_bits // 8 * len(plan.channels) * plan.cells
