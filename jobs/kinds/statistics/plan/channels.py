"""Which additive quantities the aggregates need, each with the proven range of its total over all holders."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from jobs.kinds.statistics.plan.draft import DraftAggregate
from jobs.kinds.statistics.plan.errors import TooLarge
from jobs.kinds.statistics.plan.expr import Col, RowExpr
from jobs.kinds.statistics.plan.scope import Scope
from jobs.kinds.statistics.plan.types import Aggregate, Channel, ChannelKind, Function

KINDS: dict[Function, tuple[ChannelKind, ...]] = {
    "count_rows": ("rows",),
    "count": ("rows",),
    "count_distinct_unit": ("distinct",),
    "sum": ("rows", "sum"),  # the count says whether the sum is of nothing (NULL), and how to round
    "avg": ("rows", "sum"),
    "var_samp": ("rows", "sum", "sumsq"),
    "var_pop": ("rows", "sum", "sumsq"),
    "stddev_samp": ("rows", "sum", "sumsq"),
    "stddev_pop": ("rows", "sum", "sumsq"),
}


def plan_channels(
    drafts: Sequence[DraftAggregate], scope: Scope, rows_bound: int
) -> tuple[tuple[Aggregate, ...], tuple[Channel, ...]]:
    """Aggregates with their channels; a channel that two aggregates need exists once."""
    channels: list[Channel] = []
    aggregates = []
    for draft in drafts:
        indices = []
        for kind in KINDS[draft.function]:
            channel = _channel(kind, draft.column, draft.filter, scope, rows_bound)
            if channel not in channels:
                channels.append(channel)
            indices.append(channels.index(channel))
        aggregates.append(
            Aggregate(function=draft.function, column=draft.column, filter=draft.filter, channels=tuple(indices))
        )
    return tuple(aggregates), tuple(channels)


def _channel(kind: ChannelKind, column: Col | None, filter_: RowExpr | None, scope: Scope, rows: int) -> Channel:
    if kind in ("rows", "distinct"):
        counted = column if kind == "distinct" or (column and scope.nullable(column)) else None
        return Channel(kind=kind, column=counted, filter=filter_, low=0, high=rows)
    if column is None:
        raise TooLarge("a sum without a column")
    scale, low, high = scope.bounded(column)
    if kind == "sumsq":
        return Channel(
            kind=kind, column=column, filter=filter_, low=0, high=rows * max(low * low, high * high), scale=2 * scale
        )
    return Channel(
        kind=kind, column=column, filter=filter_, low=rows * min(low, 0), high=rows * max(high, 0), scale=scale
    )


def ring_bits(channels: Sequence[Channel]) -> Literal[64, 128]:
    """The smallest ring, read as signed integers, in which no total can wrap; raises ``TooLarge``."""
    low, high = min(channel.low for channel in channels), max(channel.high for channel in channels)
    if low >= -(2**63) and high < 2**63:
        return 64
    if low >= -(2**127) and high < 2**127:
        return 128
    raise TooLarge("a total may need more than 128 bits: narrow the declared bounds or decimals")
