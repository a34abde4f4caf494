"""Which records an answer is about, told by known columns alone: the *base* of every cell of every channel.

The condition of a cell is K and S: K over known columns, S over the others (``plan.separate``). A *partition* is one K
but for the groups: WHERE's known conjuncts and a FILTER's. The known groups divide it into bases; groups by secret
columns do not, so all cells that differ in those only have one base.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from math import prod

import numpy as np
import numpy.typing as npt

from jobs.kinds.statistics.plan.canonical import sort_key
from jobs.kinds.statistics.plan.expr import And, Col, IsNull, Not, RowExpr, columns_of
from jobs.kinds.statistics.plan.types import Channel, Plan


def conjuncts(filter_: RowExpr | None) -> tuple[RowExpr, ...]:
    """A filter's parts that must all hold."""
    if filter_ is None:
        return ()
    return filter_.args if isinstance(filter_, And) else (filter_,)


def known_part(plan: Plan, channel: Channel) -> tuple[RowExpr, ...]:
    """K of a channel beside WHERE and groups: its FILTER's known conjuncts; a known column that must have a value."""
    found = [part for part in conjuncts(channel.filter) if not plan.secrets_of(part)]
    if channel.kind != "distinct":
        found += present(columns_of(channel.column), lambda col: not plan.secrets_of(col))
    return tuple(sorted(set(found), key=sort_key))


def present(columns: Iterable[Col], which: Callable[[Col], bool]) -> tuple[RowExpr, ...]:
    """That each of these columns for which ``which`` is true has a value."""
    return tuple(Not(arg=IsNull(arg=col)) for col in sorted(set(columns), key=sort_key) if which(col))


def partitions(plan: Plan) -> tuple[tuple[RowExpr, ...], ...]:
    """The distinct K of all channels, in their order: what ``Records.labels`` has an array for.

    A record is labelled where WHERE's known conjuncts and these are true and it has a unit.
    """
    return tuple(dict.fromkeys(known_part(plan, channel) for channel in plan.channels))


def partition_of(plan: Plan, channel: Channel) -> int:
    """The index of a channel's partition."""
    return partitions(plan).index(known_part(plan, channel))


def known_groups(plan: Plan) -> tuple[int, ...]:
    """Indices of the dimensions over known columns."""
    return tuple(i for i, d in enumerate(plan.dimensions) if not plan.secrets_of(d.expr))


def base_count(plan: Plan) -> int:
    """How many bases each partition has."""
    return prod(len(plan.dimensions[i].domain) for i in known_groups(plan))


def bases_of_cells(plan: Plan) -> npt.NDArray[np.int32]:
    """Per cell (in the order of ``cell_keys``) its base: the position among the known groups, the last one fastest."""
    known, base = set(known_groups(plan)), np.zeros(plan.cells, dtype=np.int64)
    places = np.indices(tuple(len(d.domain) for d in plan.dimensions)).reshape(len(plan.dimensions), plan.cells)
    for number, dimension in enumerate(plan.dimensions):
        if number in known:
            base = base * len(dimension.domain) + places[number]
    return base.astype(np.int32)


def subjects(plan: Plan, channel: Channel) -> tuple[Col, ...]:
    """The secret columns that a channel's number depends on, sorted; none: which records there are at all."""
    found: frozenset[Col] = frozenset().union(*(plan.secrets_of(c) for c in plan.where.conjuncts))
    found |= frozenset().union(*(plan.secrets_of(d.expr) for d in plan.dimensions))
    found |= plan.secrets_of(channel.filter)
    if channel.kind != "distinct":
        found |= plan.secrets_of(channel.column)
    return tuple(sorted(found, key=lambda col: (col.table, col.name)))


def inquiries_of(plan: Plan) -> tuple[tuple[int, Col | None], ...]:
    """(channel, secret column that its number depends on) of all that is asked about one kind of individual; ``None``:
    which records there are at all."""
    found: list[tuple[int, Col | None]] = []
    for number, channel in enumerate(plan.channels):
        columns: tuple[Col | None, ...] = subjects(plan, channel) or (None,)
        found += [(number, column) for column in columns]
    return tuple(found)


def sharing(plan: Plan) -> int:
    """Among how many owners the cap is divided where it is divided most."""
    return max(plan.holders_of(unit, column) for unit in plan.unit_columns for _, column in inquiries_of(plan))
