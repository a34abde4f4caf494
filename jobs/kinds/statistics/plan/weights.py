"""Who may weigh how much in a sum of products: bounds of what one record contributes, from the plan alone."""

from __future__ import annotations

from decimal import Decimal

from jobs.kinds.statistics.plan.expr import Col, Mul, columns_of
from jobs.kinds.statistics.plan.types import Aggregate, Plan


def ends(plan: Plan, columns: frozenset[Col]) -> list[Decimal]:
    """The smallest and the largest that one record contributes to a sum: of a product, over all pairs of ends."""
    found = [Decimal(1)]
    for planned in plan.columns:
        if planned.column in columns and planned.low and planned.high:
            products = [end * Decimal(bound) for end in found for bound in (planned.low, planned.high)]
            found = [min(products), max(products)]
    return found


def squares_of_factors(plan: Plan, aggregate: Aggregate) -> list[tuple[int, int]]:
    """Of each factor of an aggregate's product: the place of its sum of squares among the aggregate's channels, and the
    largest square of one record at the channel's scale. None for an aggregate without a product."""
    channels = [plan.channels[index] for index in aggregate.channels]
    if not any(isinstance(channel.column, Mul) and channel.kind == "sum" for channel in channels):
        return []
    return [
        (place, max(1, int(max(map(abs, ends(plan, columns_of(channel.column)))) ** 2 * 10**channel.scale)))
        for place, channel in enumerate(channels)
        if channel.kind == "sumsq"
    ]
