"""The one query of a step: group by (cell, unit) once for all aggregates, then by cell; evidence comes with the values.

Grouping by unit first makes every rule a plain aggregate over few rows: distinct units are a count, dominance is the
two largest sums. The window-function form of the same evidence costs several times more.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from jobs.kinds.statistics.plan.bind import bind
from jobs.kinds.statistics.plan.expr import Col, Lit, RowExpr
from jobs.kinds.statistics.plan.types import Channel, Plan, Summand, UnitColumn
from jobs.kinds.statistics.render import Columns, condition, scaled, staged


def cell_query(
    plan: Plan, values: Mapping[str, Lit], columns: Columns, unit: UnitColumn, partition: tuple[int, int] = (0, 1)
) -> str:
    """SQL that yields per present cell: its dimension values, then per channel (total, units, largest two, absolute).

    ``partition`` (i, n) keeps units whose hash is i modulo n: results of all partitions add up to the whole.
    Expects the staged tables ``t0``, ``t1``, ... to exist.
    """
    dims = [scaled(bind(dimension.expr, values), columns)[0] for dimension in plan.dimensions]
    filters = sorted({c.filter for c in plan.channels if c.filter is not None}, key=repr)
    summed = sorted({c.column for c in plan.channels if c.column is not None}, key=repr)
    base = [f"{sql} AS d{i}" for i, sql in enumerate(dims)]
    base.append(f"{staged(unit.column)} AS u")
    base += [f"{condition(bind(f, values), columns)} AS f{i}" for i, f in enumerate(filters)]
    base += [f"{scaled(column, columns)[0]} AS x{i}" for i, column in enumerate(summed)]
    keys = [f"d{i}" for i in range(len(dims))]
    measures = [
        f"{_measure(channel, filters, summed, plan.ring_bits)} AS m{i}" for i, channel in enumerate(plan.channels)
    ]
    cells = [part for i, channel in enumerate(plan.channels) for part in _evidence(i, channel)]
    group, by_unit = ", ".join(keys), ", ".join((*keys, "u"))
    where = where_of(plan, values, columns)
    if partition[1] > 1:
        where += f" AND hash({staged(unit.column)}) % {partition[1]} = {partition[0]}"
    # every part below was rendered from the typed plan: quoted names, escaped literals, generated aliases
    rows = f"SELECT {', '.join(base)} FROM {source_of(plan)} WHERE {where}"  # noqa: S608
    units = f"SELECT {by_unit}, {', '.join(measures)} FROM base GROUP BY {by_unit}"  # noqa: S608
    last = f"SELECT {', '.join((*keys, *cells))} FROM units" + (f" GROUP BY {group}" if keys else "")  # noqa: S608
    return f"WITH base AS ({rows}), units AS ({units}) {last}"


def source_of(plan: Plan) -> str:
    """The staged tables, joined."""
    return _joined(plan, frozenset(n for n, join in enumerate(plan.joins, start=1) if join.side == "left"))


def lenient_source(plan: Plan) -> tuple[str, list[str]]:
    """The staged tables with every join as a left one, so that no row is lost; and what is true of a row that the
    plan's own joins keep: a key is equal only where it is not null.
    """
    found = [
        f"{staged(Col(table=number, name=join.on[0].right))} IS NOT NULL"
        for number, join in enumerate(plan.joins, start=1)
        if join.side == "inner"
    ]
    return _joined(plan, frozenset(range(1, len(plan.joins) + 1))), found


def _joined(plan: Plan, left: frozenset[int]) -> str:
    tables = "t0"
    for number, join in enumerate(plan.joins, start=1):
        on = " AND ".join(f"{staged(key.left)} = {staged(Col(table=number, name=key.right))}" for key in join.on)
        tables += f" {'LEFT ' if number in left else ''}JOIN t{number} ON {on}"
    return tables


def where_of(plan: Plan, values: Mapping[str, Lit], columns: Columns) -> str:
    """The rows that count: the plan's conditions, and a unit where the dataset leaves out rows without one."""
    return " AND ".join([selected(plan.where.conjuncts, values, columns), *counted_units(plan)])


def counted_units(plan: Plan) -> list[str]:
    """What is true of a row that the plan's dataset does not leave out for want of a unit."""
    return [
        f"{staged(u.column)} IS NOT NULL" for u in plan.unit_columns if u.column.table == 0 and u.nulls == "exclude"
    ]


def selected(conjuncts: Sequence[RowExpr], values: Mapping[str, Lit], columns: Columns) -> str:
    """Conditions of the plan alone."""
    return " AND ".join(condition(bind(conjunct, values), columns) for conjunct in conjuncts) or "TRUE"


def _measure(channel: Channel, filters: list[RowExpr], summed: list[Summand], ring_bits: int) -> str:
    when = "" if channel.filter is None else f" FILTER (WHERE f{filters.index(channel.filter)})"
    if channel.kind == "distinct" or channel.column is None:
        return f"count(*){when}"
    x = f"x{summed.index(channel.column)}"
    if channel.kind == "rows":
        return f"count({x}){when}"
    if channel.kind == "sumsq":
        # the square of one value is within 63 bits wherever the total of them all is proven to be
        x = f"{x} * {x}" if ring_bits == 64 else f"CAST({x} AS HUGEINT) * {x}"
    total = f"coalesce(sum({x}){when}, 0)"
    return f"CAST({total} AS BIGINT)" if ring_bits == 64 else total


def _evidence(index: int, channel: Channel) -> tuple[str, str, str, str]:
    m = f"m{index}"
    if channel.kind == "distinct":
        present = f"count(*) FILTER (WHERE {m} > 0 AND u IS NOT NULL)"
        return present, present, "[]", present
    known = "FILTER (WHERE u IS NOT NULL)"
    size = m if channel.kind in ("rows", "sumsq") else f"abs({m})"
    return (
        f"sum({m})",
        f"count(*) FILTER (WHERE {m} > 0 AND u IS NOT NULL)" if channel.kind == "rows" else "0",
        f"max({size}, 2) {known}",
        f"sum({size}) {known}",
    )
