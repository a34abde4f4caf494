"""Which way a plan's scan takes over a snapshot, decided from plan and declarations alone, so that it can be explained.

``ordered``: one pass over rows sorted by unit, in parts that share no unit; ``rows``: the same numbers through hash
tables, over the snapshot's rows. Both leave out excluded units.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal

from jobs.kinds.statistics.plan.expr import Col, RowExpr
from jobs.kinds.statistics.plan.types import Channel, Plan

MAX_SLOTS: Final = 32
MAX_SUMS: Final = 1_000_000
"""Cells times channels: 100 bytes each in a worker, 200 where sums need 128 bits."""


@dataclass(frozen=True)
class Way:
    """``why`` names the reason where the scan is not the fast one; it goes into the plan's explanation."""

    name: Literal["ordered", "rows"]
    why: str = ""


def decide_way(plan: Plan, unit: str) -> Way:
    """Pure. ``unit``: the privacy unit that the plan's dataset declares."""
    own = Col(name=unit)
    others = sorted({unit.column.name for unit in plan.unit_columns if unit.column != own})
    if others:
        return Way("rows", f"{', '.join(others)} is protected as well, and the rows are sorted by {own.name} only")
    if len(slots(plan)) > MAX_SLOTS:
        return Way("rows", f"more than {MAX_SLOTS} different filters")
    if plan.cells * len(plan.channels) > MAX_SUMS:
        return Way("rows", f"more than {MAX_SUMS:,} sums")
    if any(None in dimension.domain[:-1] for dimension in plan.dimensions):
        return Way("rows", "a group of rows without a value that is not listed last")
    return Way("ordered")


def slot_of(channel: Channel) -> tuple[Col | None, RowExpr | None]:
    return (None if channel.kind == "distinct" else channel.column), channel.filter


def slots(plan: Plan) -> list[tuple[Col | None, RowExpr | None]]:
    """The distinct conditions under which a row counts: a column that is not null, a filter that is true."""
    return list(dict.fromkeys(slot_of(channel) for channel in plan.channels))


def summed(plan: Plan) -> list[Col]:
    """The distinct columns that are summed, or summed in squares."""
    return list(dict.fromkeys(c.column for c in plan.channels if c.column is not None and c.kind in ("sum", "sumsq")))


def wide(plan: Plan) -> bool:
    """Whether a sum may need more than 62 bits."""
    return any(channel.low <= -(2**62) or channel.high >= 2**62 for channel in plan.channels)
